/* coverage: a set of disjoint closed intervals of created_at: what is proven of one relay and
 * filter, what is a declared gap, and so what is left to ask.  Pure. */
#ifndef SERVICES_COVERAGE_H
#define SERVICES_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/store_event.h"

/* As SQL's tables `grade` and `gap_reason` have them. */
const char *grade_name(enum grade grade);
const char *gap_reason_name(enum gap_reason reason);

struct coverage; /* of one relay and filter, in memory */

struct coverage *coverage_new(void);
void coverage_free(struct coverage *c); /* NULL is fine */
size_t coverage_bytes(const struct coverage *c);

/* Merges one span (its relay and filter are not looked at): proof replaces gap, a better grade
 * replaces a worse one, a gap never replaces proof; a gap over a gap is one more try, at its time.
 * The same rule as SQL's.  Neighbours of one grade, or of one reason and number of tries, join,
 * with the newer of their times. */
void coverage_add(struct coverage *c, const struct store_span *span);

/* The newest interval inside [lo, hi] that is neither proven nor a gap that must wait (a gap is
 * open again when now >= its `at` + gap_retry_s * 2^tries).  False: nothing is left to ask.  hi may
 * be INT64_MAX. */
struct coverage_query {
    int64_t lo, hi;
    int64_t now, gap_retry_s; /* UNIX seconds, seconds */
};
bool coverage_next(const struct coverage *c, const struct coverage_query *q, int64_t *lo,
                   int64_t *hi);

/* Everything above this second is unproven: where the next visit begins.  -1: nothing is proven. */
int64_t coverage_top(const struct coverage *c);

/* Share of [lo, hi] proven, 0 to 1. */
double coverage_share(const struct coverage *c, int64_t lo, int64_t hi);

/* Every interval, oldest first; relay_id and filter_id are 0. */
void coverage_each(const struct coverage *c,
                   void (*each)(void *owner, const struct store_span *span), void *owner);

#endif
