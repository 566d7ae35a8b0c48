/* check_due: when a relay is checked next, and what the outcome of a check means for it.  Pure:
 * facts and times in, times out.
 *
 *     good --fails--> UNCONFIRMED --fails again--> BAD: interval, doubled each time up to a day
 *       ^                  |                            \-- 30 days --> retired: once a week
 *       \------------------+---------- good, from anywhere ------------------/
 *
 * Blame decides (core/err.def): what is the path's or ours is looked at again soon and never counts
 * against the relay.  A refusal by policy (authentication, payment, a block) is an answer: such a
 * relay is alive.  Times are UNIX milliseconds. */
#ifndef SERVICES_CHECK_DUE_H
#define SERVICES_CHECK_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/network.h"

struct check_limits {
    int64_t interval_ms[NETWORK__COUNT];
    int64_t confirm_ms;   /* a first failure is looked at again within this time */
    int64_t retry_max_ms; /* the longest wait of a relay that fails */
    int64_t retire_after_ms, retired_interval_ms;
    uint32_t timeout_min_ms, timeout_max_ms, timeout_overlay_ms;
};

/* What is remembered of a relay. */
struct check_health {
    int64_t next_at_ms, last_check_ms, last_ok_ms, last_fail_ms;
    int64_t failing_since_ms; /* the first failure in a row; 0: none */
    uint32_t failures;        /* in a row, its own, confirmed */
    uint32_t innocent;        /* in a row, not its own; only of this run */
    bool unconfirmed, retired;
    uint32_t slow_ms; /* what nearly all of its checks stay below; 0: not known */
};

enum check_verdict {
    CHECK_GOOD,
    CHECK_UNCONFIRMED, /* a first failure after a success: it does not count yet */
    CHECK_BAD,
    CHECK_INNOCENT /* not the relay's fault */
};

/* Did a check fail?  Refusals by policy are answers. */
bool check_failed(enum err_code error);

struct check_outcome {
    enum err_code error; /* the first thing that went wrong in opening and reading */
    bool outage;         /* everybody on this network seems down: not this relay's fault */
    enum network network;
    uint32_t lot; /* any number that is the relay's own */
};

/* Enters the outcome of a check and sets next_at_ms. */
enum check_verdict check_settle(struct check_health *h, const struct check_outcome *outcome,
                                int64_t now, const struct check_limits *limits);

/* A check's deadline: four times what nearly all checks of this relay have stayed below, within
 * bounds; the upper bound for one that is not known. */
uint32_t check_timeout_ms(const struct check_health *h, enum network network,
                          const struct check_limits *limits);

/* The running estimate behind it, after a good check that took `took_ms`: follows what is slower
 * quickly and what is quicker slowly (19 to 1: where 95 % lie below). */
uint32_t check_slow(uint32_t before_ms, uint32_t took_ms);

/* The circuit of one host: many relays may live on one, and when it is down each would cost a
 * time-out.  Three failures to connect in a row open it; then one relay tries, and the others wait
 * for its outcome.
 *
 *     CLOSED --3 failures--> OPEN (waits) --time passed--> one tries --good--> CLOSED
 *                              ^-------------------------------/ fails: waits twice as long */
struct check_circuit {
    uint32_t failures;
    int64_t open_until_ms; /* 0: closed */
    bool trying;
};

/* 0: go.  Else so many milliseconds to wait.  Going through an open circuit takes the one try. */
int64_t circuit_take(struct check_circuit *c, int64_t now);

/* Could the host be reached?  `innocent`: nothing was learnt of it. */
void circuit_settle(struct check_circuit *c, bool reached, bool innocent, int64_t now,
                    const struct check_limits *limits);

/* Is this a failure to reach the host at all, rather than one of the relay behind it? */
bool check_unreached(enum err_code error);

#endif
