/* pace: how fast one relay may be asked, learnt from its refusals ("rate-limited", "too many").
 * Pure.
 *
 * After a refusal the next question waits 5 s, then 10 s, 20 s ..; and from then on questions keep
 * a distance, which doubles with each refusal and shrinks with each answer (PROTOCOL 1.3: additive
 * increase, multiplicative decrease). */
#ifndef SERVICES_PACE_H
#define SERVICES_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint32_t gap_ms;   /* between two questions */
    uint32_t refusals; /* in a row, on one connection */
    int64_t next_ms;   /* the next question not before, monotonic */
};

/* `wait_ms`: the first wait, as the configuration has it; never more than 5 s. */
void pace_refused(struct pace *p, int64_t wait_ms, uint32_t lot, int64_t now_ms);
void pace_answered(struct pace *p);
void pace_asked(struct pace *p, int64_t now_ms);

/* Another wait on this connection would be too long: end it, and come again later. */
bool pace_is_hopeless(const struct pace *p);

/* A new connection: what was waited for is over, what was learnt stays. */
void pace_connected(struct pace *p);

#endif
