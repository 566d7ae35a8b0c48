/* jitter: see jitter.h. */
#include "services/jitter.h"

enum { DAY_MS = 24 * 3600 * 1000, FURTHEST_DAYS = 31 /* that anything is ever scheduled for */ };

uint32_t jitter_mix(uint32_t lot, uint32_t salt)
{
    uint32_t x = lot * 2654435761U ^ (salt + 0x9e3779b9U);

    x ^= x >> 16;
    x *= 0x85ebca6bU;
    x ^= x >> 13;
    return x;
}

int64_t jitter_ms(int64_t ms, uint32_t lot, int64_t salt)
{
    int64_t permille = 900 + jitter_mix(lot, (uint32_t)salt) % 201;

    return ms / 1000 * permille + ms % 1000 * permille / 1000;
}

int64_t jitter_first(int64_t next_at, int64_t now, uint32_t lot, uint32_t relays,
                     uint32_t dials_per_second)
{
    int64_t spread = (int64_t)relays * 1000 / (dials_per_second > 0 ? dials_per_second : 1);

    if (next_at > now && next_at - now <= (int64_t)FURTHEST_DAYS * DAY_MS)
        return next_at;
    return now + (spread > 1000 ? jitter_mix(lot, 0) % spread : 0);
}
