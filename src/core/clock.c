/* The two clocks, and the test's own. */
#include "core/clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* Atomic because workers read the time while a test moves it. */
static atomic_bool injected;
static atomic_llong injected_mono_us, injected_wall_ms;

static int64_t read_us(clockid_t which)
{
    struct timespec t;

    (void)clock_gettime(which, &t); /* cannot fail for these two clocks */
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return atomic_load(&injected) ? atomic_load(&injected_mono_us) : read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    return atomic_load(&injected) ? atomic_load(&injected_wall_ms) : read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_wall_s(void)
{
    return clock_wall_ms() / 1000;
}

void clock_test_set(int64_t mono_ms, int64_t wall_ms)
{
    atomic_store(&injected_mono_us, mono_ms * 1000);
    atomic_store(&injected_wall_ms, wall_ms);
    atomic_store(&injected, true);
}

void clock_test_advance(int64_t ms)
{
    assert(atomic_load(&injected));
    atomic_fetch_add(&injected_mono_us, ms * 1000);
    atomic_fetch_add(&injected_wall_ms, ms);
}

void clock_test_end(void)
{
    atomic_store(&injected, false);
}
