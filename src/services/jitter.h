/* jitter: times that differ from relay to relay, so that bursts dissolve, and are the same each
 * time they are asked for.  Pure. */
#ifndef SERVICES_JITTER_H
#define SERVICES_JITTER_H

#include <stdint.h>

/* A number that looks random: of a lot (a relay's) and a salt (the round, the second ..).  For
 * spreading only: whoever knows both knows the number. */
uint32_t jitter_mix(uint32_t lot, uint32_t salt);

/* `ms` (at least 0), a tenth more or less. */
int64_t jitter_ms(int64_t ms, uint32_t lot, int64_t salt);

/* Where in the first minutes after a start a relay begins that is due already: relays are spread
 * over as long as it takes to dial them all, so that they do not stand in one queue.  `next_at` is
 * what is remembered (when it is further away than anything that is ever scheduled, a clock was
 * wrong, and it counts as due); `lot` any number that is its own. */
int64_t jitter_first(int64_t next_at, int64_t now, uint32_t lot, uint32_t relays,
                     uint32_t dials_per_second);

#endif
