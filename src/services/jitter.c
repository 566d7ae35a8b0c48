/* jitter: see jitter.h. */
#include "services/jitter.h"

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
