/* due: when a relay is visited next, and which relays are followed live.  Pure: facts and times in,
 * times out.
 *
 * Blame decides (core/err.def): what is the relay's fault doubles its wait; what is the path's or
 * ours is tried again soon and never counted against it; a refusal by policy is not asked again for
 * days.  Times are UNIX milliseconds. */
#ifndef SERVICES_DUE_H
#define SERVICES_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

struct due_limits {
    int64_t retry_min_ms, retry_max_ms; /* of the relay's own failures */
    int64_t poll_interval_ms;
};

/* After it was in sync: the interval, a tenth earlier or later, so that bursts dissolve. */
int64_t due_after_sync(int64_t now, uint32_t lot, const struct due_limits *limits);

/* After a failure.  `failures` in a row of the relay's own is counted up here, or left alone when
 * it was not to blame. */
int64_t due_after_failure(enum err_code code, int64_t now, uint32_t lot, uint32_t *failures,
                          const struct due_limits *limits);

/* The order of those that are due while places are few: who answers quickly and brings what is new
 * stands up to ten minutes ahead of who does neither.  rtt_read_ms -1: not known. */
int64_t due_rank(int64_t due_at, int32_t rtt_read_ms, double new_per_hour);

/* Is a wait after this failure the relay's own wish, which a check that finds it well does not
 * end? */
bool due_is_policy(enum err_code code);

/* Live places: one relay's claim.  Larger goes first. */
struct due_claim {
    double new_per_hour; /* events it brings that the archive did not have */
    bool priority;
    uint32_t lot;
    uint32_t drawn_of; /* one in so many is drawn by lot: due_drawn_of().  0: one in ten */
};

/* One relay in how many has to be drawn so that the drawn fill a tenth of the places. */
uint32_t due_drawn_of(uint32_t relays, uint32_t places);

/* Is this one of those that are drawn by lot in this round, whatever they bring?  So that a
 * relay that has become busy is noticed. */
bool due_drawn(const struct due_claim *claim, uint32_t round);

/* May `newcomer` have the place of `holder`?  Only if it is clearly better: twice as busy, or
 * priority against none. */
bool due_displaces(const struct due_claim *newcomer, const struct due_claim *holder,
                   uint32_t round);

/* A sliding mean over hours: `events` new ones in `ms`. */
double due_rate(double before, int64_t events, int64_t ms);

#endif
