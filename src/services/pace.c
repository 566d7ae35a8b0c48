/* pace: see pace.h. */
#include "services/pace.h"

#include "services/jitter.h"

enum {
    WAIT_MS = 5000,
    GAP_MIN_MS = 125, /* eight questions a second: the first guess after a refusal */
    GAP_MAX_MS = 30 * 1000,
    GAP_LESS_PART = 256, /* of it, with each answer; at least a millisecond */
    REFUSALS_MAX = 4
};

void pace_refused(struct pace *p, int64_t wait_ms, uint32_t lot, int64_t now_ms)
{
    int64_t wait = wait_ms < WAIT_MS ? wait_ms : WAIT_MS;

    wait <<= p->refusals < REFUSALS_MAX ? p->refusals : REFUSALS_MAX;
    p->refusals++;
    p->gap_ms = 2 * p->gap_ms > GAP_MIN_MS ? 2 * p->gap_ms : GAP_MIN_MS;
    if (p->gap_ms > GAP_MAX_MS)
        p->gap_ms = GAP_MAX_MS;
    p->next_ms = now_ms + jitter_ms(wait, lot, p->refusals);
}

void pace_answered(struct pace *p)
{
    uint32_t less = p->gap_ms / GAP_LESS_PART + 1;

    p->refusals = 0;
    p->gap_ms = p->gap_ms > less ? p->gap_ms - less : 0;
}

void pace_asked(struct pace *p, int64_t now_ms)
{
    p->next_ms = now_ms + p->gap_ms;
}

bool pace_is_hopeless(const struct pace *p)
{
    return p->refusals >= REFUSALS_MAX;
}

void pace_connected(struct pace *p)
{
    p->refusals = 0;
    p->next_ms = 0;
}
