/* due: see due.h. */
#include "services/sync/due.h"

#include "services/jitter.h"

enum {
    MINUTE_MS = 60 * 1000,
    DAY_MS = 24 * 60 * MINUTE_MS,
    DRAWN_OF = 10,
    DOUBLINGS_MAX = 30,
    RTT_UNKNOWN_MS = 1000,
    RANK_RTT_MAX_MS = 2000,
    RANK_NEWS_MAX = 1000
};

int64_t due_after_sync(int64_t now, uint32_t lot, const struct due_limits *limits)
{
    return now + jitter_ms(limits->poll_interval_ms, lot, now);
}

/* What the relay decided, not what went wrong: asking again soon would be rude, and useless. */
static int64_t policy_wait(enum err_code code)
{
    if (code == ERR_AUTH_REQUIRED || code == ERR_BLOCKED || code == ERR_PAYMENT_REQUIRED)
        return (int64_t)7 * DAY_MS;
    if (code == ERR_INVALID_EVENTS || code == ERR_ONION_DESCRIPTOR)
        return DAY_MS;
    return 0;
}

bool due_is_policy(enum err_code code)
{
    return policy_wait(code) > 0;
}

int64_t due_rank(int64_t due_at, int32_t rtt_read_ms, double new_per_hour)
{
    int64_t rtt = rtt_read_ms < 0 ? RTT_UNKNOWN_MS : rtt_read_ms;
    double news = new_per_hour < RANK_NEWS_MAX ? new_per_hour : RANK_NEWS_MAX;

    if (rtt > RANK_RTT_MAX_MS)
        rtt = RANK_RTT_MAX_MS;
    return due_at + rtt * (5 * MINUTE_MS / RANK_RTT_MAX_MS) -
           (int64_t)(news * 5 * MINUTE_MS / RANK_NEWS_MAX);
}

int64_t due_after_failure(enum err_code code, int64_t now, uint32_t lot, uint32_t *failures,
                          const struct due_limits *limits)
{
    int64_t wait = limits->retry_min_ms, policy = policy_wait(code);

    if (err_blame(code) != ERR_BLAME_PEER)
        return now + jitter_ms(wait < MINUTE_MS ? wait : MINUTE_MS, lot, now);
    if (*failures < UINT32_MAX)
        ++*failures;
    if (policy > 0)
        return now +
               jitter_ms(policy < limits->retry_max_ms * 7 ? policy : limits->retry_max_ms * 7, lot,
                         now);
    for (uint32_t i = 1; i < *failures && i < DOUBLINGS_MAX && wait < limits->retry_max_ms; i++)
        wait *= 2;
    return now + jitter_ms(wait < limits->retry_max_ms ? wait : limits->retry_max_ms, lot, now);
}

uint32_t due_drawn_of(uint32_t relays, uint32_t places)
{
    if (places == 0 || relays <= places)
        return DRAWN_OF;
    uint64_t of = (uint64_t)relays * DRAWN_OF / places;
    return of < UINT32_MAX ? (uint32_t)of : UINT32_MAX;
}

bool due_drawn(const struct due_claim *claim, uint32_t round)
{
    return jitter_mix(claim->lot, round) % (claim->drawn_of ? claim->drawn_of : DRAWN_OF) == 0;
}

bool due_displaces(const struct due_claim *newcomer, const struct due_claim *holder, uint32_t round)
{
    if (newcomer->priority != holder->priority)
        return newcomer->priority;
    if (due_drawn(holder, round))
        return false;
    if (due_drawn(newcomer, round))
        return true;
    return newcomer->new_per_hour > 2 * holder->new_per_hour + 1;
}

double due_rate(double before, int64_t events, int64_t ms)
{
    double now = ms > 0 ? (double)events * 3600000.0 / (double)ms : before;

    return before + (now - before) / 4;
}
