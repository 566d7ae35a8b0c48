/* The clocks run, and stand still in the hands of a test. */
#include "core/clock.h"
#include "unit.h"

static void test_real_clocks(void **state)
{
    int64_t a = clock_mono_us();
    int64_t b = clock_mono_us();

    (void)state;
    assert_true(a > 0 && b >= a);
    assert_true(clock_wall_s() > 1700000000); /* after 2023 */
    assert_true(clock_wall_ms() / 1000 - clock_wall_s() <= 0);
}

static void test_injected_time(void **state)
{
    (void)state;
    clock_test_set(5000, 1700000000123);
    assert_int_equal(clock_mono_ms(), 5000);
    assert_int_equal(clock_mono_us(), 5000000);
    assert_int_equal(clock_wall_ms(), 1700000000123);
    assert_int_equal(clock_wall_s(), 1700000000);
    clock_test_advance(INT64_C(86400000));
    assert_int_equal(clock_mono_ms(), 86405000);
    assert_int_equal(clock_wall_s(), 1700086400);
    clock_test_end();
    assert_true(clock_wall_s() != 1700086400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_clocks),
        cmocka_unit_test(test_injected_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
