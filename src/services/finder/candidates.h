/* candidates: which of the URLs that were found is probed next, and what an outcome means for it.
 *
 *     new --probe--> PROMOTED: it is a relay, and the monitor's from here on
 *      ^ \--fails--> FAILED: waits, four times as long each time --tries used up--> DROPPED
 *      \------------------------- mentioned again, after a long time ------------------/
 *
 * Fair shares: probes of an hour are counted by author, by registrable domain and by /24 or /48.
 * None of them gets more than its share, so that whoever mentions a million URLs is waited for by
 * nobody else.  The table is as large as the probes of one hour; what does not fit any more is
 * refused for the rest of the hour.
 *
 * Pure but for memory: times are passed in, in milliseconds. */
#ifndef SERVICES_CANDIDATES_H
#define SERVICES_CANDIDATES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/siphash.h"
#include "core/str.h"

/* What is known of one candidate. */
struct candidate_facts {
    uint32_t authors; /* different ones, as far as they are counted */
    int64_t mentions;
    int32_t weight;    /* of the most trustworthy way in which it was mentioned, 1 to 10 */
    uint32_t tries;    /* probes that failed */
    int64_t silent_ms; /* since it was last mentioned */
};

/* More is better; above 0.  Authors count most, then how it was mentioned; a number of mentions by
 * the same few is worth next to nothing, and each failure halves what is left. */
double candidate_score(const struct candidate_facts *f);

struct candidate_limits {
    int64_t retry_min_ms;     /* the wait after a first failure; four times as long each time */
    int64_t retry_max_ms;     /* the longest wait of a candidate that is not dropped */
    uint32_t tries_max;       /* failures after which it is dropped */
    int64_t forgive_after_ms; /* a dropped one that was mentioned since is looked at after this */
};

enum candidate_verdict {
    CANDIDATE_PROMOTED,
    CANDIDATE_FAILED,
    CANDIDATE_DROPPED,
    CANDIDATE_INNOCENT /* nothing was learnt: our own fault, or the way's */
};

/* `openable`: a WebSocket came about.  `error`: the first thing that went wrong, in opening and in
 * reading.  A refusal by policy (authentication, payment, ..) comes from a relay.  *tries counts
 * on, *next_at_ms is set. */
enum candidate_verdict candidate_settle(bool openable, enum err_code error, uint32_t lot,
                                        int64_t now_ms, const struct candidate_limits *limits,
                                        uint32_t *tries, int64_t *next_at_ms);

/* Shares of the hour. */
struct shares;

/* `probes`: what an hour may have in all; `permille`: what one may have of it, at least one. */
struct shares *shares_new(const struct siphash_key *key, uint32_t probes, uint32_t permille);
void shares_set(struct shares *s, uint32_t probes, uint32_t permille); /* from the next hour on */
void shares_free(struct shares *s);

enum { SHARE_KEYS_MAX = 4 };

/* What one may have of an hour. */
uint32_t shares_each(const struct shares *s);

/* How long to wait until each of these keys has a probe left: 0, or until the next hour begins. */
int64_t shares_wait(struct shares *s, const struct str *keys, uint32_t n, int64_t now_ms);

/* Takes one probe on the account of all these keys ("" counts for nobody), if each has one left.
 * 0: taken.  Else how long to wait: until the next hour begins. */
int64_t shares_take(struct shares *s, const struct str *keys, uint32_t n, int64_t now_ms);

/* Counts what was taken already on one more account: the network that a name led to. */
void shares_charge(struct shares *s, struct str key, int64_t now_ms);
uint32_t shares_taken(const struct shares *s); /* probes of this hour */

#endif
