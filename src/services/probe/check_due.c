/* check_due: see check_due.h. */
#include "services/probe/check_due.h"

#include "services/jitter.h"

enum {
    SLOW_FACTOR = 4,
    CIRCUIT_FAILURES = 3,
    DOUBLINGS_MAX = 30,
    FIRST_WAIT_MIN = 5,
    TWICE_MIN_MS = 1000
};

/* Somewhere in the later four fifths of `ms`. */
static int64_t within(int64_t ms, uint32_t lot, int64_t salt)
{
    int64_t first = ms / FIRST_WAIT_MIN;

    return first + (int64_t)(jitter_mix(lot, (uint32_t)salt) % 1000) * (ms - first) / 1000;
}

/* A check is known by its relay and second: never two in one. */
static int64_t after(int64_t now, int64_t wait)
{
    return now + (wait > TWICE_MIN_MS ? wait : TWICE_MIN_MS);
}

static int64_t doubled(int64_t wait, uint32_t times, int64_t most)
{
    for (uint32_t i = 0; i < times && i < DOUBLINGS_MAX && wait < most; i++)
        wait *= 2;
    return wait < most ? wait : most;
}

bool check_failed(enum err_code error)
{
    return error != ERR_NONE && error != ERR_AUTH_REQUIRED && error != ERR_PAYMENT_REQUIRED &&
           error != ERR_BLOCKED && error != ERR_RATE_LIMITED && error != ERR_UNSUPPORTED;
}

static enum check_verdict settle_good(struct check_health *h, int64_t now)
{
    h->last_ok_ms = now;
    h->failures = h->innocent = 0;
    h->failing_since_ms = 0;
    h->unconfirmed = h->retired = false;
    return CHECK_GOOD;
}

static enum check_verdict settle_bad(struct check_health *h, int64_t now)
{
    bool was_good = h->failures == 0 && h->last_ok_ms > 0;

    h->innocent = 0;
    h->last_fail_ms = now;
    if (h->failing_since_ms == 0)
        h->failing_since_ms = now;
    if (was_good && !h->unconfirmed) {
        h->unconfirmed = true;
        return CHECK_UNCONFIRMED;
    }
    h->unconfirmed = false;
    if (h->failures < INT32_MAX)
        h->failures++;
    return CHECK_BAD;
}

static int64_t wait_innocent(struct check_health *h, int64_t soon, int64_t interval)
{
    int64_t wait = doubled(soon, h->innocent, interval);

    if (h->innocent < INT32_MAX)
        h->innocent++;
    return wait;
}

enum check_verdict check_settle(struct check_health *h, const struct check_outcome *o, int64_t now,
                                const struct check_limits *limits)
{
    int64_t interval = limits->interval_ms[o->network];
    int64_t most = limits->retry_max_ms > interval ? limits->retry_max_ms : interval;
    int64_t soon = limits->confirm_ms < interval ? limits->confirm_ms : interval;
    enum check_verdict verdict = CHECK_INNOCENT;

    h->last_check_ms = now;
    if (!check_failed(o->error)) {
        h->next_at_ms = after(now, jitter_ms(interval, o->lot, now));
        return settle_good(h, now);
    }
    if (o->outage || err_blame(o->error) != ERR_BLAME_PEER) {
        h->next_at_ms = after(now, jitter_ms(wait_innocent(h, soon, interval), o->lot, now));
        return verdict;
    }
    verdict = settle_bad(h, now);
    if (verdict == CHECK_UNCONFIRMED) {
        h->next_at_ms = after(now, within(soon, o->lot, now));
        return verdict;
    }
    h->retired = now - h->failing_since_ms >= limits->retire_after_ms;
    int64_t wait =
        h->retired ? limits->retired_interval_ms : doubled(interval, h->failures - 1, most);
    h->next_at_ms = after(now, jitter_ms(wait, o->lot, now));
    return verdict;
}

uint32_t check_timeout_ms(const struct check_health *h, enum network network,
                          const struct check_limits *limits)
{
    uint32_t most =
        network == NETWORK_CLEARNET ? limits->timeout_max_ms : limits->timeout_overlay_ms;
    uint64_t wanted = (uint64_t)h->slow_ms * SLOW_FACTOR;

    if (h->slow_ms == 0 || wanted > most)
        return most;
    return wanted > limits->timeout_min_ms ? (uint32_t)wanted
           : limits->timeout_min_ms < most ? limits->timeout_min_ms
                                           : most;
}

uint32_t check_slow(uint32_t before_ms, uint32_t took_ms)
{
    int64_t before = before_ms, took = took_ms > 0 ? took_ms : 1;

    if (before == 0)
        return (uint32_t)took;
    if (took > before)
        return (uint32_t)(before + (took - before + 1) / 2);
    return (uint32_t)(before - (before - took) / 38);
}

bool check_unreached(enum err_code error)
{
    switch ((int)error) {
    case ERR_ADDRESS_DENIED:
    case ERR_CONNECT_REFUSED:
    case ERR_CONNECT_TIMEOUT:
    case ERR_CONNECT_UNREACHABLE:
    case ERR_DNS_NOT_FOUND:
    case ERR_ONION_DESCRIPTOR:
    case ERR_ONION_UNREACHABLE:
    case ERR_TIMEOUT:
        return true;
    default:
        return false;
    }
}

int64_t circuit_take(struct check_circuit *c, int64_t now)
{
    if (c->open_until_ms == 0)
        return 0;
    if (now < c->open_until_ms)
        return c->open_until_ms - now;
    if (c->trying)
        return 1000;
    c->trying = true;
    return 0;
}

void circuit_settle(struct check_circuit *c, bool reached, bool innocent, int64_t now,
                    const struct check_limits *limits)
{
    c->trying = false;
    if (innocent)
        return;
    if (reached) {
        *c = (struct check_circuit){0};
        return;
    }
    if (c->failures < INT32_MAX)
        c->failures++;
    if (c->failures < CIRCUIT_FAILURES)
        return;
    c->open_until_ms = now + doubled(limits->confirm_ms, c->failures - CIRCUIT_FAILURES,
                                     limits->interval_ms[NETWORK_CLEARNET]);
}
