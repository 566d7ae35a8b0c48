/* walk: which question to ask a relay next, and what its answer proves.  Pure: no sockets, no clock, no database.
 *
 *     walk_start -> walk_next -> (caller asks the relay) -> walk_answer -> walk_next ..  -> WALK_DONE
 *
 * The rules and the reasons: PROTOCOL part 2.  A walk downloads the span [lo, hi] of one relay and filter, newest first; after each
 * answer it says which spans are now proven complete (proofs) or declared as gaps.  The caller writes a proof in the transaction
 * that stores the answer's events, or never.  Whatever the relay does, a walk ends: after at most the number of requests that
 * walk_requests_max() gives. */
#ifndef SERVICES_WALK_H
#define SERVICES_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/metrics.h"
#include "db/store_event.h"

enum tri { TRI_UNKNOWN, TRI_YES, TRI_NO };

/* What has been learnt of a relay; kept between runs (text form below). */
struct walk_traits {
    int32_t cap;          /* the most events a page has held */
    int32_t page;         /* what to ask for; 0: the configured size */
    enum tri newest_first; /* a page holds the newest matches */
    enum tri honours_until;
    bool restricts;       /* may hide kinds after it has counted the limit (sent AUTH, NIP-42, ragged pages ..) */
    bool hides;           /* an empty page had events below it */
    bool scraper;         /* answers nothing to a question without kinds or authors */
    bool finishes;        /* gives NIP-67 hints */
    uint32_t pages;       /* answered ever */
};

int walk_traits_write(const struct walk_traits *t, char *to, size_t size); /* "cap=500 newest=1 .." */
void walk_traits_read(struct walk_traits *t, const char *text);            /* lenient; unknown words are skipped */

/* Kinds that are asked explicitly, and kinds never asked so because relays restrict them. */
struct walk_kinds {
    const int32_t *known; /* all kinds the archive knows, commonest first; restricted ones are taken out by the walk */
    size_t known_n;
    const int32_t *only; /* the filter's own kinds, if it has any: nothing else is ever asked */
    size_t only_n;
};

struct walk_ask {
    int64_t since, until; /* -1: not sent */
    int32_t limit;
    const int32_t *kinds; /* n_kinds 0: as the filter has it */
    size_t n_kinds;
};

/* One schema-valid event of a page (its signature need not be checked yet). */
struct walk_event {
    int64_t created_at;
    uint64_t fingerprint; /* of its id */
    int32_t kind;
    bool matches; /* the filter that was asked */
};

struct walk_page {
    enum settle how;
    enum message_prefix_hint { WALK_HINT_NONE, WALK_HINT_FINISH, WALK_HINT_MORE } hint;
    bool unproven;                   /* an EOSE that may not be ours */
    bool refused;                    /* CLOSED (or NOTICE): the relay will not answer this form of question */
    const struct walk_event *events; /* in the order of arrival, duplicates included */
    size_t events_n;
    uint32_t raw;     /* EVENT messages, invalid ones included */
    int64_t asked_at; /* UNIX seconds when the REQ was sent, by our clock */
};

/* A proof or a gap.  After an answer at most WALK_SPANS_MAX of them. */
enum { WALK_SPANS_MAX = 64 };
struct walk_span {
    int64_t lo, hi;
    bool gap;
    enum grade grade;
    enum gap_reason reason;
};
struct walk_spans {
    struct walk_span at[WALK_SPANS_MAX];
    size_t n;
};

enum walk_state {
    WALK_ASK,     /* *ask is the next question */
    WALK_DONE,    /* the span is covered or declared */
    WALK_RETRY,   /* the last question failed: ask again later, on a new connection; nothing is lost or declared yet */
    WALK_GIVEN_UP /* failed too often: what is open has been declared as a gap */
};

struct walk;

/* hi INT64_MAX: open above (the first page is asked without until).  traits are read and updated. */
struct walk *walk_start(int64_t lo, int64_t hi, int32_t page, struct walk_traits *traits, const struct walk_kinds *kinds);
void walk_free(struct walk *w);

enum walk_state walk_next(struct walk *w, struct walk_ask *ask); /* `ask` is valid until walk_answer */
void walk_answer(struct walk *w, const struct walk_page *page, struct walk_spans *spans);

uint64_t walk_requests(const struct walk *w); /* asked so far */

/* How far it is: the oldest second reached, for progress. */
int64_t walk_reached(const struct walk *w);

#endif
