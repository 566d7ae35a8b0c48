/* Loop: signals arrive on the loop, delays are counted, nothing is left behind. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "core/metrics.h"
#include "loop/loop.h"

static void count(void *owner, int signum)
{
    int *n = owner;

    *n += signum == SIGUSR1 ? 1 : 100;
}

static void raise_and_stop(uv_timer_t *t)
{
    static int step;

    if (step++ == 0) {
        (void)raise(SIGUSR1);
        (void)raise(SIGUSR2);
    } else if (step > 3) {
        uv_timer_stop(t);
        loop_stop(t->data);
    }
}

static void test_signals(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    int n = 0;
    uv_timer_t t;

    loop_on_signal(l, SIGUSR1, count, &n);
    loop_on_signal(l, SIGUSR2, count, &n);
    uv_timer_init(loop_uv(l), &t);
    t.data = l;
    uv_timer_start(&t, raise_and_stop, 0, 1);
    loop_run(l);
    assert_int_equal(n, 101);
    uv_close((uv_handle_t *)&t, NULL);
    loop_close(l);
}

static void test_watching_keeps_no_loop_alive(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    int n = 0;

    loop_on_signal(l, SIGUSR1, count, &n);
    loop_run(l); /* returns: the lag timer and the watched signal do not count */
    loop_close(l);
}

static void test_delays_are_counted(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    const struct histogram before = metrics.loop_lag_seconds;
    const uint64_t late[] = {0, 1, 2, 3, 10, 11, 250, 251, 5000};
    const int64_t want[] = {2, 1, 1, 1, 1, 0, 0, 1, 1, 1};

    for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
        loop_lag_note(l, late[i]);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(metrics.loop_lag_seconds.counts[i] - before.counts[i], want[i]);
    assert_int_equal(metrics.loop_lag_seconds.sum_ms - before.sum_ms, 5528);
    assert_int_equal(loop_lag_take_max_ms(l), 5000);
    assert_int_equal(loop_lag_take_max_ms(l), 0);
    loop_close(l);
}

static void hog(uv_timer_t *t)
{
    uint64_t until = uv_hrtime() + 4 * LOOP_LAG_TICK_MS * 1000000ULL;
    static int turns;

    while (turns == 0 && uv_hrtime() < until) {
    }
    if (turns++ == 2)
        uv_timer_stop(t);
}

/* A callback that keeps the loop for four ticks is seen, with at least two of them as delay. */
static void test_a_hog_is_seen(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    uv_timer_t t;

    uv_timer_init(loop_uv(l), &t);
    uv_timer_start(&t, hog, 1, 4 * LOOP_LAG_TICK_MS);
    loop_run(l);
    assert_true(loop_lag_take_max_ms(l) >= 2 * LOOP_LAG_TICK_MS);
    uv_close((uv_handle_t *)&t, NULL);
    loop_close(l);
}

static void burn(uv_timer_t *t)
{
    struct timespec from, now;

    (void)t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    do
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < 30000000L);
}

static void nap(uv_timer_t *t)
{
    (void)t;
    uv_sleep(200);
}

static void pass(uv_timer_t *t)
{
    (void)t;
}

/* What a turn used, not what it waited, however busy the machine is. */
static void test_what_a_turn_used(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    uv_timer_t first, last; /* a turn is over when the next one waits */

    uv_timer_init(loop_uv(l), &first);
    uv_timer_init(loop_uv(l), &last);
    for (int i = 0; i < 2; i++) {
        uv_timer_start(&first, i == 0 ? burn : nap, 1, 0);
        uv_timer_start(&last, pass, 250, 0);
        loop_run(l);
        uint32_t us = loop_turn_take_max_us(l);
        if (i == 0)
            assert_true(us >= 30000);
        else
            assert_true(us < 200000);
    }
    uv_close((uv_handle_t *)&first, NULL);
    uv_close((uv_handle_t *)&last, NULL);
    loop_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_watching_keeps_no_loop_alive),
        cmocka_unit_test(test_delays_are_counted),
        cmocka_unit_test(test_a_hog_is_seen),
        cmocka_unit_test(test_what_a_turn_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
