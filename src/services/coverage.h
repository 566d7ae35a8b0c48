/* coverage: a set of disjoint closed intervals of created_at: what is proven of one relay and filter, what is not.  Pure. */
#ifndef SERVICES_COVERAGE_H
#define SERVICES_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/store_event.h"

struct coverage; /* of one relay and filter, in memory */

struct coverage *coverage_new(void);
void coverage_free(struct coverage *c);
size_t coverage_bytes(const struct coverage *c);

/* Merges one span: proof replaces gap, better grade replaces worse, a gap never replaces proof. The same rule as SQL's. */
void coverage_add(struct coverage *c, const struct store_span *span);

/* The newest interval inside [lo, hi] that is neither proven nor a gap that must wait (a gap is open again when
 * now >= its `at` + retry_s * 2^tries).  False: nothing is left to ask. */
struct coverage_query {
    int64_t lo, hi;
    int64_t now, gap_retry_s;
};
bool coverage_next(const struct coverage *c, const struct coverage_query *q, int64_t *lo, int64_t *hi);

/* Everything above this second is unproven: where the next visit begins. -1: nothing is proven. */
int64_t coverage_top(const struct coverage *c);

/* Share of [lo, hi] proven, 0 to 1. */
double coverage_share(const struct coverage *c, int64_t lo, int64_t hi);

#endif
