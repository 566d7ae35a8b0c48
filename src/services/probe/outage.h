/* outage: is it the world that is down, or we?  Pure.
 *
 * The outcomes of checks by network, over a sliding window.  What relays tell that were good
 * before counts; those that were dead before say nothing when they are dead again.  Relays that
 * were never checked count as well, but only when not one of them could be reached in as long as a
 * check may take: most of a list of strangers may be dead, and the dead answer first. */
#ifndef SERVICES_OUTAGE_H
#define SERVICES_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

enum { OUTAGE_SLOTS = 10, OUTAGE_SAMPLES_MIN = 20 };

enum outage_sort { OUTAGE_WAS_GOOD, OUTAGE_NEVER_SEEN, OUTAGE_WAS_BAD };

struct outage {
    struct outage_slot {
        int64_t number; /* which slot of time it holds */
        uint32_t good, bad;
        uint32_t new_good, new_bad;
    } slots[OUTAGE_SLOTS];
    int64_t silent_since_ms; /* the first failure since somebody could be reached; 0: none */
    bool down;               /* until somebody can be reached again: silence is no evidence */
};

struct outage_limits {
    int64_t window_ms;
    int64_t patience_ms;    /* as long as a check may take */
    uint32_t rate_permille; /* of failures, from which it is probably us */
};

/* Enters one outcome at `now` (monotonic milliseconds) and answers: does all seem down? */
bool outage_enter(struct outage *o, enum outage_sort sort, bool failed, int64_t now,
                  const struct outage_limits *limits);

#endif
