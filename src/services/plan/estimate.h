/* estimate: how many events a relay holds, from a few of its pages.  Pure.
 *
 *     estimate_next() -> a page of the newest up to a second -> estimate_add() .. -> estimate_end()
 *      ^------------------------------------------------------------------------------+
 *
 * A page says exactly what lies between its oldest event and the second that it was asked up to;
 * its density holds near by.  Between two pages the density is taken to go over from one to the
 * other, as growth does: by the logarithmic mean.  The next page is asked for in the middle of
 * whichever span leaves the most in doubt, so spans without events are found by halves, and a burst
 * is narrowed down to its length. */
#ifndef SERVICES_ESTIMATE_H
#define SERVICES_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nostr/types.h"

enum { ESTIMATE_PAGES_MAX = 16 };

struct estimate;

/* Of what lies in [lo, now], or later; `page` events are asked for at once. */
struct estimate *estimate_new(int64_t lo, int64_t now, uint32_t page);
void estimate_free(struct estimate *e); /* NULL is fine */

/* Up to which second the next page would tell the most; INT64_MAX: the newest of all, which is the
 * first.  False: enough is known, or ESTIMATE_PAGES_MAX were asked for. */
bool estimate_next(const struct estimate *e, int64_t *until);

/* One event of the page that is being read, in any order, repeated or not; then its end.
 * `wanted`: for estimate_wanted(). */
void estimate_add(struct estimate *e, const struct id32 *id, int64_t created_at, bool wanted);
void estimate_end(struct estimate *e, int64_t until);

/* How many there are; `low` and `high` take the lesser and the greater density of each span.  All
 * three the same: they were counted. */
struct estimate_result {
    double events, low, high;
    uint32_t pages, seen; /* distinct events */
    uint32_t page_max;    /* most that came at once */
};
void estimate_result(const struct estimate *e, struct estimate_result *out);

/* What part of all is wanted, 0 to 1, when other events are wanted after each of these seconds (in
 * ascending order) than up to it: each span of time is taken to be as what was seen in it. */
double estimate_wanted(const struct estimate *e, const int64_t *ends, size_t n);

/* What was seen in (from, to] of one page, with nothing left out between: a question to hold a
 * relay's COUNT against.  `nth` 0: of the newest page.  False: there is no such page. */
struct estimate_window {
    int64_t from, to;
    uint32_t events;
};
bool estimate_window(const struct estimate *e, uint32_t nth, struct estimate_window *out);

/* One of the events that were seen, each as likely as what its page stands for.  `lot` is in
 * [0, 1).  NULL: none was seen. */
const struct id32 *estimate_draw(const struct estimate *e, double lot);

#endif
