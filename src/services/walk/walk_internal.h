/* The inside of a walk, shared by walk*.c and by nobody else.
 *
 *     CURSOR             newest-first paging of [lo, hi]; at the bottom of the stack, lives to the
 * end TOP, RECHECK     questions that check the page just received, before it proves anything BELOW
 * explicit kinds under an empty or short page PROBE, EDGE      the search for anything else under
 * it SECOND           one second, kind by kind CEILING, BISECT    windows instead of the cursor,
 * for relays that are not newest-first
 *
 * The top of the stack asks; its handler gets the answer, and pops itself, pushes others, or moves
 * the cursor. */
#ifndef SERVICES_WALK_INTERNAL_H
#define SERVICES_WALK_INTERNAL_H

#include "services/walk/walk.h"

enum {
    STACK_MAX = 256, /* BISECT splits at the middle of time when half of it is used, so 2 x 53 more
                        are enough */
    CHUNK_KINDS = 200, /* kinds in one question */
    CAP_PLAUSIBLE =
        20, /* no relay is known with a smaller page; a relay that once gave so many still does */
    NOISE_MAX = 3,        /* events out of range on a page that are no sign of anything */
    RECHECK_EVERY = 97,   /* pages: about 1 % of the bytes */
    RECHECK_SHUFFLED = 8, /* pages, once a relay that sends unordered pages has shown three times
                             that they are the newest */
    SMALL_PAGE = 16,      /* events of so few seconds may be in order by luck */
    SMALL_PASSES = 4,     /* .. but not so often */
    SECOND_ASKS = 62,     /* questions about one second */
    LARGER = 4,           /* a kind that fills a page within one second: so much more, then more */
    RANGES_MAX = 128,     /* halves of lists of kinds, pending: chunks + 2 x log2(CHUNK_KINDS) */
    BOTTOM_IDS = 64,      /* ids of the oldest second of the last page */
    PROBES_MAX = 8,       /* searches below an empty page in one walk */
    RETRIES = 3,
    SLOWED_MAX = 12, /* times that one question is refused for being too early */
    KINDS_MAX = 4096,
    PAGE_MIN = 16,     /* pages are not made smaller than this by failures */
    TOP_BY_UNTIL = -2, /* `since` means nothing to this relay */
};
#define NARROW_S (INT64_C(26) * 3600) /* a span so short needs no search for unknown kinds */

enum task_type {
    TASK_CURSOR,
    TASK_TOP,
    TASK_RECHECK,
    TASK_BELOW,
    TASK_PROBE,
    TASK_EDGE,
    TASK_SECOND,
    TASK_CEILING,
    TASK_BISECT
};

struct task {
    enum task_type type;
    int64_t lo, hi; /* what it is about; hi INT64_MAX: open */
    int64_t at; /* TOP: what was found above, or TOP_BY_UNTIL; PROBE: distance; EDGE: highest second
                   known to be non-empty; BISECT: events it must show, -1: not known */
    size_t chunk; /* BELOW, BISECT: the list of kinds that is asked now */
};

/* A page, boiled down. */
struct facts {
    size_t in;           /* different matching events in the asked range */
    size_t invalid;      /* not even events: they count, and nobody knows where they belong */
    size_t above, below; /* outside it */
    size_t count; /* different events of any sort, invalid ones included: what may have counted for
                     the limit */
    int64_t min, max;  /* of `in`; valid when in > 0 */
    int64_t below_max; /* the newest of `below` */
    bool sorted;       /* newest first */
    bool ascending;
    bool full; /* as many as a page can hold, as far as we know */
    bool near; /* or nearly so: relays drop some after they have counted, or send them late */
};

struct range {
    size_t from, n;
};

/* A kind that may be asked for. */
struct kind {
    int32_t kind;
    uint32_t rank;     /* 0: the commonest */
    int64_t short_min; /* a page that asked for it was not full, and nothing of it should be older.
                          -1: unknown */
    bool served;       /* this relay has sent it */
    bool restricted;   /* relays keep it for those it concerns */
};
struct mark {
    uint64_t fingerprint;
    uint32_t index;
    bool repeated;
};

struct walk {
    int64_t lo, hi;
    struct walk_traits *traits;
    int32_t page, limit; /* configured; now */
    uint32_t good_pages; /* since the limit was last changed */
    int32_t cap;         /* the most different events on one page of this walk */
    int32_t cap_before;  /* traits->cap at the start */
    int64_t asked_first; /* when the first answered question was sent: nothing above asked_first - 1
                            is claimed.  -1: none yet */
    bool unproven;       /* some EOSE was not certainly ours */
    bool silent;         /* the relay ends no page: those that are full are taken, as grade H */
    int32_t silent_full; /* .. the last of them; one of this size that is not full is the end */
    bool no_since;       /* the relay refuses `since` */

    struct task stack[STACK_MAX];
    size_t depth;
    bool finished, given_up;
    bool plain; /* the open question has no explicit kinds but the filter's own */

    /* The question that is open */
    struct walk_ask ask;
    bool waiting, retry;
    unsigned tries;   /* of this question, failed */
    unsigned slowed;  /* of this question, refused for being too early */
    bool repeated;    /* since the last answer a refusal that may pass was answered with the same */
    unsigned adapted; /* forms of question given up so far */
    uint64_t requests;
    uint64_t allowance; /* requests that what came so far justifies */

    /* Kinds: `base` sorted by kind; `list` in the order of asking, made anew for each BELOW,
     * SECOND, BISECT */
    struct kind *base;
    size_t base_n, base_room;
    int32_t *list;
    size_t list_n, list_room;
    size_t served_n; /* list[0 .. served_n) are known to be served */
    size_t open_n;   /* list[open_n ..) are those that relays restrict */
    bool only;       /* base is the filter's own: asked for where others ask without kinds */
    int32_t *only_kinds;
    size_t only_n;
    size_t chunk_max; /* kinds in one question; less for relays that refuse long lists */

    /* The page that waits for its check, and the one before */
    struct facts held;
    int32_t held_limit;
    uint64_t *ids; /* sorted fingerprints of the held page */
    size_t ids_n, ids_room;
    size_t held_at_max;       /* its events in its newest second */
    size_t held_seconds;      /* .. and how many seconds it has events of */
    int64_t held_next;        /* its second newest second; -1: it has only one */
    bool first_page;          /* .. is the first of the cursor */
    unsigned rechecks;        /* of the held page, that found something new */
    unsigned small_passed;    /* checks of small full pages that found nothing new */
    bool unordered;           /* a page was not in order */
    unsigned shuffled_passed; /* checks of unordered pages that found nothing new */
    uint32_t cursor_pages;
    uint64_t held_bottom[BOTTOM_IDS], bottom[BOTTOM_IDS]; /* ids in the oldest second of the held
                                                             page, of the last accepted one */
    size_t held_bottom_n, bottom_n;
    int64_t newest;     /* that a page of the cursor has shown */
    int64_t shown;      /* the newest event that any answer has shown */
    size_t last_count;  /* events of the last accepted page, and what was asked for */
    int32_t last_limit; /* 0: no page yet */
    bool kindless_ok;   /* a question without kinds has been answered with events */
    bool any;           /* any event in range has come */

    /* BELOW */
    int64_t k_top, k_floor; /* newest shown, and how far down all lists reach; -1: nothing shown */
    unsigned k_again;       /* how often something turned up above k_top */
    bool k_few;             /* a few events of each list are enough: the cursor fetches them all */
    bool k_full;            /* some list filled its page */
    bool k_older;           /* something was shown that the page above did not have */
    bool bottom_known;      /* entered from a short page that was not empty */
    bool doubt;    /* invalid events stood where something else might: no more than grade H */
    bool k_ragged; /* something older came than a short page with its kind: explicit kinds hide
                      something too */
    unsigned probes;

    /* SECOND */
    struct range ranges[RANGES_MAX];
    size_t ranges_n;
    unsigned second_asks;
    int32_t second_limit; /* the larger page that the next range is asked for; 0: as usual */
    size_t second_most;   /* the largest answer */
    bool second_failed;
    bool second_full; /* more than a page: what nobody knows to ask for may be among it */

    /* Of the page that is being answered */
    struct mark *marks;
    size_t marks_room;
    int64_t *times; /* sorted: of the events in range */
    size_t times_n, times_room;
    int64_t range_lo, range_hi; /* what the open question is about */

    struct walk_spans *out; /* during walk_answer */
    const struct walk_page *answer;
};

/* walk.c */
struct task *walk_top(struct walk *w);
void walk_push(struct walk *w, enum task_type type, int64_t lo, int64_t hi);
void walk_pop(struct walk *w);
void walk_prove(struct walk *w, int64_t lo, int64_t hi, enum grade grade);
void walk_gap(struct walk *w, int64_t lo, int64_t hi, enum gap_reason reason);
void walk_unpageable(struct walk *w, enum gap_reason reason);
void walk_give_up(struct walk *w, enum gap_reason reason);
int32_t walk_cap(const struct walk *w); /* a page with fewer events is not full */
int64_t walk_second_before(const struct walk *w,
                           int64_t hi); /* hi, or the last second that can be claimed */
void walk_grow(void **array, size_t *room, size_t n, size_t element);

/* walk_kinds.c */
void walk_kinds_init(struct walk *w, const struct walk_kinds *kinds);
void walk_kinds_seen(struct walk *w, int32_t kind);
/* Makes w->list; `all`: with those that relays restrict, too. */
void walk_kinds_order(struct walk *w, bool all);
size_t walk_chunks(const struct walk *w);
struct range walk_chunk(const struct walk *w, size_t i);
void walk_kinds_short(struct walk *w, struct range chunk,
                      int64_t min);                         /* nothing of these should be older */
void walk_kind_at(struct walk *w, int32_t kind, int64_t t); /* one came: was that promise kept? */

/* walk_page.c */
void walk_facts(struct walk *w, const struct walk_page *page, struct facts *f); /* and w->times */
bool walk_ignores_until(const struct walk *w, const struct facts *f);
/* Events of the answer, in range, that the held page did not have; NULL: whatever their dates. */
size_t walk_unseen(const struct walk *w, int64_t *oldest);
bool walk_in_range(const struct walk *w, const struct walk_event *e);
void walk_hold(struct walk *w, const struct facts *f); /* the page becomes the held one */
bool walk_held(const struct walk *w, uint64_t fingerprint);

/* Each fills the question of its task, or handles the answer to it. */
void walk_cursor_answer(struct walk *w, const struct facts *f);
void walk_cursor_move(struct walk *w,
                      int64_t hi); /* the cursor goes on below; its helpers are gone */
void walk_top_answer(struct walk *w, const struct facts *f);
void walk_recheck_answer(struct walk *w, const struct facts *f);
bool walk_checks_kinds(
    const struct walk *w); /* checks name kinds, lest something hidden be the answer */
void walk_below_start(struct walk *w, int64_t lo, int64_t hi, bool bottom_known);
void walk_below_answer(struct walk *w, const struct facts *f);
void walk_probe_answer(struct walk *w, const struct facts *f);
void walk_edge_answer(struct walk *w, const struct facts *f);
void walk_second_start(struct walk *w, int64_t t);
void walk_second_answer(struct walk *w, const struct facts *f);
bool walk_second_larger(const struct walk *w); /* the open question is for more than a page */
void walk_second_refused(struct walk *w);      /* .. and was not answered */
void walk_to_bisect(struct walk *w);           /* it is not newest-first */
void walk_windows(struct walk *w);             /* for another reason */
void walk_ceiling_answer(struct walk *w, const struct facts *f);
void walk_bisect_answer(struct walk *w, const struct facts *f);
bool walk_bisects_kinds(const struct walk *w); /* windows are asked with explicit kinds */
void walk_bisect_flood(struct walk *w,
                       const struct facts *f);     /* the cursor's page was without end */
enum grade walk_kinds_grade(const struct walk *w); /* of a proof that rests on explicit kinds */

#endif
