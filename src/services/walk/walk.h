/* walk: which question to ask a relay next, and what its answer proves.  Pure: no sockets, no
 * clock, no database.
 *
 *     walk_start -> walk_next -> (caller asks the relay) -> walk_answer -> walk_next ..  ->
 * WALK_DONE
 *
 * The rules and the reasons: PROTOCOL part 2.  A walk downloads the span [lo, hi] of one relay and
 * filter, newest first; after each answer it says which spans are now proven complete or declared
 * as gaps.
 *
 * A span may rest on this answer and on earlier answers of the same walk (a page is proven only
 * after the question that checks it; a dense second after all its kinds).  So the caller writes a
 * span in, or after, the transaction that stores the events of this answer and of all answers
 * before it, or never.
 *
 * No span ever reaches above the second before the walk's first question was sent, but for a gap
 * that declares the whole axis (hi INT64_MAX).  Whatever the relay does, a walk ends:
 * walk_requests_max(). */
#ifndef SERVICES_WALK_H
#define SERVICES_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/metrics.h"
#include "db/store_event.h"

enum tri { TRI_UNKNOWN, TRI_YES, TRI_NO };

enum {
    WALK_PAGE_MAX = 5000,    /* what strfry and others give at the most: for traits.page_max */
    WALK_SERVED_MAX = 48,    /* kinds remembered as served, between walks */
    WALK_SPANS_MAX = 64,     /* spans after one answer, at most */
    WALK_TRAITS_TEXT = 1024, /* enough for walk_traits_write() */
};

/* What has been learnt of a relay; kept between runs (text form below).  All zero: a relay never
 * met. */
struct walk_traits {
    int32_t cap;            /* the most different events one page has held */
    int32_t page;           /* what to ask for; 0: the configured size */
    enum tri newest_first;  /* a page holds the newest matches */
    enum tri honours_until; /* events above `until` are not sent */
    bool restricts; /* may hide kinds after it has counted the limit: set by the caller when the
                       relay sent AUTH or names NIP-42, by the walk when pages come out ragged */
    bool hides;     /* an empty page had events below it */
    bool scraper;   /* answers nothing to a question without kinds */
    bool shown;     /* set by the caller: spans of it are proven, so an empty answer means empty */
    bool finishes;  /* gives NIP-67 hints */
    uint32_t pages; /* answered ever */
    int32_t page_max; /* set by the caller: the most that may be asked for where one kind fills a
                         page within one second.  Not kept */
    int32_t served[WALK_SERVED_MAX]; /* kinds it has sent: these are certainly not hidden */
    uint32_t served_n;
};

/* "cap=500 newest=1 ..": returns the length, or -1 when it does not fit. */
int walk_traits_write(const struct walk_traits *t, char *to, size_t size);
/* Lenient: unknown words and bad values are skipped; what is not named is zero. */
void walk_traits_read(struct walk_traits *t, const char *text);

/* Kinds that can be asked for explicitly.  Copied by walk_start. */
struct walk_kinds {
    const int32_t
        *known; /* all kinds the archive knows, commonest first; the walk adds the commonest of the
                   protocol, and leaves out what relays restrict where that matters */
    size_t known_n;
    const int32_t *only; /* the filter's own kinds, if it has any: nothing else is ever asked */
    size_t only_n;
};

/* One question. */
struct walk_ask {
    int64_t since,
        until;     /* -1: not sent.  Never 0 or less on the wire: relays disagree about that */
    int32_t limit; /* always >= 1 */
    const int32_t *kinds; /* n_kinds 0: as the filter has it */
    size_t n_kinds;
};

/* One schema-valid event of a page (its signature need not be checked yet). */
struct walk_event {
    int64_t created_at;
    uint64_t fingerprint; /* of its id */
    int32_t kind;
    bool matches; /* the filter, times aside: those the walk compares itself */
};

enum walk_hint {
    WALK_HINT_NONE,
    WALK_HINT_FINISH, /* NIP-67: there is nothing more */
    WALK_HINT_MORE
};

struct walk_page {
    enum settle how;
    enum walk_hint hint;
    bool unproven; /* an EOSE that may not be ours: what rests on it is grade H */
    bool refused;  /* CLOSED (or NOTICE): the relay will not answer this form of question */
    bool auth;     /* CLOSED: it wants authentication that we cannot give */
    bool slow;     /* refused, since we ask too fast or too much at once, not for its form */
    bool passing;  /* refused, but perhaps only this time: "error:" says nothing of the form */
    const struct walk_event *events; /* in the order of arrival, duplicates included */
    size_t events_n;
    uint32_t raw;     /* EVENT messages, invalid ones included */
    int64_t asked_at; /* UNIX seconds when the REQ was sent, by our clock */
};

struct walk_span {
    int64_t lo, hi; /* closed */
    bool gap;
    enum grade grade;       /* of a proof */
    enum gap_reason reason; /* of a gap */
};
struct walk_spans {
    struct walk_span at[WALK_SPANS_MAX];
    size_t n;
};

enum walk_state {
    WALK_ASK,     /* *ask is the next question */
    WALK_DONE,    /* the span is covered or declared */
    WALK_RETRY,   /* the last question failed: wait, or make a new connection, then call walk_next
                     again, which repeats the question   (smaller, where that may help).  Nothing is
                     lost or declared yet */
    WALK_GIVEN_UP /* failed four times: what was open has been declared as a gap */
};

struct walk;

/* The span [lo, hi]; hi INT64_MAX: open above (the first page is asked without until).  `page`
 * events are asked for at once. *traits is read, and updated until walk_free(). */
struct walk *walk_start(int64_t lo, int64_t hi, int32_t page, struct walk_traits *traits,
                        const struct walk_kinds *kinds);
void walk_free(
    struct walk *w); /* at any time; NULL is fine.  What was not proven is simply still open */

/* `ask` is valid until walk_answer.  Called again before the answer, it gives the same question. */
enum walk_state walk_next(struct walk *w, struct walk_ask *ask);

/* The answer to the question that walk_next() gave.  Fills *spans. */
void walk_answer(struct walk *w, const struct walk_page *page, struct walk_spans *spans);

uint64_t walk_requests(const struct walk *w); /* asked so far */

/* How far it is, for progress: every second above this one is settled.  INT64_MAX at the beginning.
 */
int64_t walk_reached(const struct walk *w);

/* The most requests a walk makes of a relay with so many events, a page of `cap`, and `dense`
 * seconds that hold a page or more each, failed requests aside: of one that is newest-first and
 * whose page holds 20 or more.  Windows (any other order) take up to three times as many, questions
 * by short lists of kinds more; what no event received justifies ends as a gap (GAP_BUDGET). */
uint64_t walk_requests_max(uint64_t events, uint32_t cap, uint64_t dense);

#endif
