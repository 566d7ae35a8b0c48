/* Rules of retention: which events are expired, to the second. */
#include "nostr/retention.h"
#include "unit.h"

static const int64_t NOW = 1700000000, DAY = 86400;

static struct filter_spec *kinds(const char *text)
{
    struct filter_spec *f = filter_spec_new("test");
    struct err err;

    if (text != NULL && filter_spec_set(f, "kinds", text, &err) < 0)
        fail_msg("%s", err.detail);
    return f;
}

static bool expired(const struct retention_rule *rules, size_t n, int32_t kind, int64_t at)
{
    const struct event e = {.kind = kind, .created_at = at};

    return retention_expired(rules, n, &e, NOW);
}

static void test_to_the_second(void **state)
{
    struct retention_rule rule = {.what = kinds("1059"), .max_age_s = DAY};

    (void)state;
    assert_false(expired(&rule, 1, 1059, NOW));
    assert_false(expired(&rule, 1, 1059, NOW - DAY));
    assert_true(expired(&rule, 1, 1059, NOW - DAY - 1));
    assert_true(expired(&rule, 1, 1059, 0));
    assert_false(expired(&rule, 1, 1, 0));
    assert_false(expired(&rule, 0, 1059, 0));
    assert_int_equal(retention_horizon(&rule, NOW), NOW - DAY - 1);
    /* Older than time itself: nothing is expired, and nothing overflows. */
    rule.max_age_s = 36500 * DAY;
    assert_false(expired(&rule, 1, 1059, 0));
    filter_spec_free(rule.what);
}

static void test_never_kept(void **state)
{
    struct retention_rule rule = {.what = kinds(NULL), .max_age_s = 0};

    (void)state;
    assert_true(expired(&rule, 1, 1, 0));
    assert_true(expired(&rule, 1, 1, NOW));
    assert_true(expired(&rule, 1, 7, INT64_MAX)); /* of the far future as well */
    filter_spec_free(rule.what);
}

static void test_any_rule_is_enough(void **state)
{
    struct retention_rule rules[] = {{.what = kinds("1,7"), .max_age_s = 30 * DAY},
                                     {.what = kinds("7"), .max_age_s = DAY}};

    (void)state;
    assert_false(expired(rules, 2, 1, NOW - 2 * DAY));
    assert_true(expired(rules, 2, 7, NOW - 2 * DAY));
    assert_true(expired(rules, 2, 1, NOW - 31 * DAY));
    assert_false(expired(rules, 2, 3, 0));
    filter_spec_free(rules[0].what);
    filter_spec_free(rules[1].what);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_the_second),
        cmocka_unit_test(test_never_kept),
        cmocka_unit_test(test_any_rule_is_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
