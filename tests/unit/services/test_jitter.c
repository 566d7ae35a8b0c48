/* Times a tenth more or less: within their bounds, spread over them, the same each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/jitter.h"

static void test_a_tenth_more_or_less(void **state)
{
    static const int64_t times[] = {1, 999, 1000, 60 * 1000, INT64_C(31) * 24 * 3600 * 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        int64_t ms = times[i], least = INT64_MAX, most = 0;
        for (uint32_t lot = 0; lot < 2000; lot++) {
            int64_t got = jitter_ms(ms, lot, 7);
            assert_int_equal(got, jitter_ms(ms, lot, 7));
            least = got < least ? got : least;
            most = got > most ? got : most;
        }
        assert_true(least >= ms * 9 / 10 && most <= ms * 11 / 10);
        assert_true(ms < 1000 || (least < ms * 91 / 100 && most > ms * 109 / 100));
    }
    assert_int_equal(jitter_ms(0, 1, 2), 0);
}

/* Relays next to each other, and one relay in rounds that follow each other, go their own ways. */
static void test_every_lot_and_salt_has_its_own(void **state)
{
    uint32_t by_lot[10] = {0}, by_salt[10] = {0};

    (void)state;
    for (uint32_t i = 0; i < 10000; i++) {
        by_lot[jitter_mix(i, 3) % 10]++;
        by_salt[jitter_mix(3, i) % 10]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(by_lot[i], 850, 1150);
        assert_in_range(by_salt[i], 850, 1150);
    }
    assert_int_not_equal(jitter_ms(1000000, 5, INT64_C(1) << 31), jitter_ms(1000000, 5, 1));
}

static void test_a_start_is_spread(void **state)
{
    int64_t latest = 0;
    uint32_t early = 0;

    (void)state;
    for (uint32_t lot = 0; lot < 9000; lot++) {
        int64_t at = jitter_first(0, 0, lot, 9000, 100);
        assert_in_range(at, 0, 90000);
        latest = at > latest ? at : latest;
        early += at < 9000;
    }
    assert_true(latest > 80000);
    assert_in_range(early, 700, 1100); /* a tenth of them in a tenth of the time */
    assert_int_equal(jitter_first(0, 500, 1, 3, 100), 500); /* a few relays begin at once */
    assert_int_equal(jitter_first(70000, 500, 1, 9000, 100), 70000); /* what is remembered holds */
}

static void test_a_wrong_clock_postpones_nothing(void **state)
{
    const int64_t day = 24 * 3600 * 1000;

    (void)state;
    assert_int_equal(jitter_first(1000 * day, 500, 1, 3, 100), 500);
    assert_int_equal(jitter_first(7 * day, 500, 1, 3, 100), 7 * day);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tenth_more_or_less),
        cmocka_unit_test(test_every_lot_and_salt_has_its_own),
        cmocka_unit_test(test_a_start_is_spread),
        cmocka_unit_test(test_a_wrong_clock_postpones_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
