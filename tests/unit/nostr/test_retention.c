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

    return retention_expired(rules, n, &e, NULL, NOW);
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

/* What came from another relay is none of its business. */
static void test_by_relay(void **state)
{
    char a[] = "wss://a.example.com", b[] = "wss://b.example.com";
    char *relays[] = {a, b};
    struct retention_rule rule = {
        .what = kinds("1"), .max_age_s = DAY, .relays = relays, .relays_n = 2};
    const struct event old = {.kind = 1, .created_at = NOW - 2 * DAY};
    const struct event young = {.kind = 1, .created_at = NOW - DAY / 2};

    (void)state;
    assert_true(retention_expired(&rule, 1, &old, a, NOW));
    assert_true(retention_expired(&rule, 1, &old, b, NOW));
    assert_false(retention_expired(&rule, 1, &old, "wss://c.example.com", NOW));
    assert_false(retention_expired(&rule, 1, &old, NULL, NOW));
    assert_false(retention_expired(&rule, 1, &young, a, NOW));
    assert_true(retention_applies(&rule, &old, NOW));
    filter_spec_free(rule.what);
}

static void month_is(int64_t second, int64_t begins, int64_t ends)
{
    int64_t next;

    assert_int_equal(retention_month(second, &next), begins);
    assert_int_equal(next, ends);
}

/* A rule that exports keeps a month until all of it is expired. */
static void test_months(void **state)
{
    struct retention_rule rule = {.what = kinds(NULL), .max_age_s = DAY, .export = (char[]){"x"}};
    const int64_t feb = 1706745600, mar = 1709251200, apr = 1711929600; /* 2024, 29 days */

    (void)state;
    month_is(feb, feb, mar);
    month_is(mar - 1, feb, mar);
    month_is(mar, mar, apr);
    month_is(0, 0, 31 * DAY);
    month_is(-1, -31 * DAY, 0);
    month_is(1703980800, 1701388800, 1704067200); /* December */
    month_is(4107542400, 4107542400, 4110220800); /* March 2100, and no leap day before it */
    assert_int_equal(retention_horizon(&rule, mar + DAY - 1), feb - 1);
    assert_int_equal(retention_horizon(&rule, mar + DAY), mar - 1);
    assert_int_equal(retention_horizon(&rule, mar + DAY + 5), mar - 1);
    filter_spec_free(rule.what);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_the_second),
        cmocka_unit_test(test_never_kept),
        cmocka_unit_test(test_any_rule_is_enough),
        cmocka_unit_test(test_by_relay),
        cmocka_unit_test(test_months),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
