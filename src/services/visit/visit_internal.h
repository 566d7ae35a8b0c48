/* visit_internal: what visit.c, visit_spans.c, visit_live.c and visit_page.c know of each other.
 * Nobody else includes it. */
#ifndef SERVICES_VISIT_INTERNAL_H
#define SERVICES_VISIT_INTERNAL_H

#include "services/visit/visit.h"
#include "services/walk/coverage.h"

enum visit_state {
    VISIT_CONNECTING,
    VISIT_LOADING, /* what is proven is being read */
    VISIT_ASKING,  /* a walk is under way */
    VISIT_SYNCED,
    VISIT_OPENING, /* the live request is sent, its EOSE awaited */
    VISIT_TOPPING, /* what came between the last page and the live request is asked for */
    VISIT_LIVE,
    VISIT_ENDED
};

/* A page on its way: it outlives the visit that asked for it. */
struct page {
    struct visit *visit; /* NULL: the visit is over */
    struct visit_env *env;
    struct relay *relay;
    struct ingest_page *ingest_page;
    bool sealed, live;
    bool news; /* what it brings says how busy the relay is */
    int32_t filter_id;
    struct store_span *spans; /* live: what it proves, fixed when it was sealed */
    size_t spans_n;
};

struct live_request {
    struct visit *visit;
    struct request *request;
};

struct visit_loading {
    struct visit *visit; /* NULL: the visit is over */
};

struct visit {
    struct visit_env *env;
    struct relay *relay;
    const struct visit_ops *ops;
    enum visit_state state;
    struct session *session;
    int64_t started_ms;
    uint64_t bytes_accounted;
    bool ready, waiting;
    bool late, late_seen; /* an event came after its EOSE while a page was on its way; ever */

    /* The session has ended while a page was being scanned: the walk hears of that first. */
    bool session_gone;
    struct err session_err;

    size_t filter; /* index of the one that is being walked */
    struct visit_loading *loading;
    struct coverage *coverage;
    int64_t top;   /* proven up to here when the visit began; -1: nothing */
    int64_t hi;    /* spans above are not this visit's business any more */
    int64_t *tops; /* per filter: proven up to here, without a break since its walks had ended */
    bool topped, walking_news, proves;
    struct walk *walk;
    struct walk_ask ask;
    int64_t asked_at;
    int64_t news_asked_at; /* when the news were first asked for in this visit; 0: not yet */
    struct request *request;
    struct page *page; /* that is being read or scanned */
    struct settlement settled;
    enum err_code retry_code;
    bool answered;      /* a request ended with EOSE */
    struct err refused; /* the last refusal in this visit */

    /* Live */
    struct live_request lives[2]; /* two only while the second takes over from the first */
    struct live_request *live;    /* the one that counts */
    struct page *slice;           /* events that came since the last one was sealed */
    bool slice_writing;   /* the last one is not committed yet: the next waits, so that proofs never
                             overtake events */
    struct page *writing; /* that one */
    bool was_live;
    bool held;   /* nothing is read */
    bool missed; /* events may have been dropped since the live request was opened */
    int64_t held_at_ms, released_at_ms;
    int64_t live_since; /* the second of the live request's EOSE */
    int64_t *live_from; /* per filter: proven up to the second before */
    int64_t proof_at_ms, ping_at_ms, slice_at_ms;
};

void visit_end(struct visit *v, const struct err *err);
void visit_count_event(struct visit *v, struct str raw);
uint32_t visit_idle_ms(const struct visit *v);
void visit_next_question(struct visit *v); /* of its walk; goes on from there */

/* The relay serves, but not live: it ends, and is polled for an hour before that is tried again. */
void visit_unfollow(struct visit *v, const struct err *err);

/* visit_spans.c */
enum { PAUSED_LOOKBACK_S = 3600 };         /* what is still new while history waits */
void visit_load_coverage(struct visit *v); /* of the filter that is next; then its spans */
void visit_next_span(struct visit *v);     /* or the next filter, or the end: in sync */
void visit_start_walk(struct visit *v, int64_t lo, int64_t hi);
void visit_leave_filter(struct visit *v); /* frees all that belongs to the walk of one filter */
int32_t visit_page_size(const struct visit *v);

/* visit_page.c */
struct page *page_open(struct visit *v, const struct filter_ask *ask, bool live, uint32_t expected);
void page_seal(struct page *page);
void page_prove(struct page *page, const struct walk_spans *proofs, struct coverage *coverage);
void page_declare(struct visit *v, enum gap_reason reason); /* all that is not proven is a gap */
void visit_page_scanned(struct visit *v, struct page *page, const struct ingest_fact *facts,
                        size_t n);
void visit_slice_done(struct visit *v);
void visit_abused(struct visit *v); /* ends it: too many invalid events */

/* visit_live.c */
void live_event(void *owner, struct str raw); /* an event of no page: live, or late */
void live_topped(struct visit *v); /* one filter's gap between walk and live request is closed */
void live_top(struct visit *v);    /* walks that gap */
void live_end(struct visit *v);    /* seals what is open, with its proof */

#endif
