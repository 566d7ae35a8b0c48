/* Sizes, durations and times as people read them. */
#include "core/human.h"
#include "unit.h"

static void test_bytes(void **state)
{
    char text[32];

    (void)state;
    assert_string_equal(human_bytes(text, sizeof(text), 0), "0 B");
    assert_string_equal(human_bytes(text, sizeof(text), 1023), "1023 B");
    assert_string_equal(human_bytes(text, sizeof(text), 1536), "1.5 KiB");
    assert_string_equal(human_bytes(text, sizeof(text), 200.0 * 1024 * 1024), "200 MiB");
    assert_string_equal(human_bytes(text, sizeof(text), -1536), "-1.5 KiB");
    assert_string_equal(human_bytes(text, sizeof(text), 5000.0 * 1024 * 1024 * 1024 * 1024),
                        "5000 TiB");
}

static void test_duration(void **state)
{
    char text[32];

    (void)state;
    assert_string_equal(human_duration(text, sizeof(text), 119), "119 s");
    assert_string_equal(human_duration(text, sizeof(text), 120), "2 min");
    assert_string_equal(human_duration(text, sizeof(text), 7200), "2 h");
    assert_string_equal(human_duration(text, sizeof(text), 3 * 86400.0), "3 days");
    assert_string_equal(human_duration(text, sizeof(text), 730 * 86400.0), "2 years");
}

static void test_time(void **state)
{
    char text[HUMAN_TIME_SIZE];

    (void)state;
    assert_string_equal(human_day(text, 1714564799), "2024-05-01");
    assert_string_equal(human_minute(text, 1714564799), "2024-05-01 11:59");
    assert_string_equal(human_time(text, 1714564799), "2024-05-01 11:59:59");
    assert_string_equal(human_time(text, 0), "1970-01-01 00:00:00");
    assert_string_equal(human_time(text, -1), "1969-12-31 23:59:59");
}

/* A stranger's created_at may be any number. */
static void test_time_beyond_the_calendar(void **state)
{
    char text[HUMAN_TIME_SIZE];

    (void)state;
    assert_string_equal(human_day(text, INT64_C(-30610224000)), "1000-01-01");
    assert_string_equal(human_day(text, INT64_C(-30610224001)), "-30610224001");
    assert_string_equal(human_time(text, INT64_C(253402300799)), "9999-12-31 23:59:59");
    assert_string_equal(human_time(text, INT64_C(253402300800)), "253402300800");
    assert_string_equal(human_day(text, INT64_MAX), "9223372036854775807");
    assert_string_equal(human_minute(text, INT64_MIN), "-9223372036854775808");
}

static void test_noun(void **state)
{
    (void)state;
    assert_string_equal(human_noun(0, "relay", "relays"), "relays");
    assert_string_equal(human_noun(1, "relay", "relays"), "relay");
    assert_string_equal(human_noun(2, "relay", "relays"), "relays");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes), cmocka_unit_test(test_duration),
        cmocka_unit_test(test_time),  cmocka_unit_test(test_time_beyond_the_calendar),
        cmocka_unit_test(test_noun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
