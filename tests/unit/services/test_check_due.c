/* When a relay is checked next, and whose fault it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/probe/check_due.h"
#include "services/probe/outage.h"

#define MINUTE ((int64_t)60 * 1000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const struct check_limits limits = {
    .interval_ms = {[NETWORK_CLEARNET] = 4 * HOUR, [NETWORK_TOR] = 8 * HOUR},
    .confirm_ms = 5 * MINUTE,
    .retry_max_ms = DAY,
    .retire_after_ms = 30 * DAY,
    .retired_interval_ms = 7 * DAY,
    .timeout_min_ms = 5000,
    .timeout_max_ms = 20000,
    .timeout_overlay_ms = 90000};

static enum check_verdict settle(struct check_health *h, enum err_code error, int64_t now)
{
    const struct check_outcome o = {.error = error, .network = NETWORK_CLEARNET, .lot = 7};

    return check_settle(h, &o, now, &limits);
}

static void test_a_good_check_is_repeated_after_the_interval(void **state)
{
    struct check_health h = {0};
    int64_t earliest = INT64_MAX, latest = 0;

    (void)state;
    for (uint32_t lot = 0; lot < 1000; lot++) {
        const struct check_outcome o = {.network = NETWORK_TOR, .lot = lot};
        assert_int_equal(check_settle(&h, &o, 1000, &limits), CHECK_GOOD);
        int64_t wait = h.next_at_ms - 1000;
        earliest = wait < earliest ? wait : earliest;
        latest = wait > latest ? wait : latest;
    }
    assert_in_range(earliest, 8 * HOUR * 90 / 100, 8 * HOUR * 91 / 100);
    assert_in_range(latest, 8 * HOUR * 109 / 100, 8 * HOUR * 110 / 100);
    assert_int_equal(h.last_ok_ms, 1000);
}

static void test_a_first_failure_is_confirmed_within_minutes(void **state)
{
    struct check_health h = {0};

    (void)state;
    (void)settle(&h, ERR_NONE, DAY);
    assert_int_equal(settle(&h, ERR_CONNECT_TIMEOUT, 2 * DAY), CHECK_UNCONFIRMED);
    assert_in_range(h.next_at_ms - 2 * DAY, MINUTE, 5 * MINUTE);
    assert_int_equal(h.failures, 0);
    assert_int_equal(settle(&h, ERR_NONE, h.next_at_ms), CHECK_GOOD); /* a hiccup */
    assert_false(h.unconfirmed);
    assert_int_equal(h.failing_since_ms, 0);

    assert_int_equal(settle(&h, ERR_CONNECT_TIMEOUT, 3 * DAY), CHECK_UNCONFIRMED);
    assert_int_equal(settle(&h, ERR_CONNECT_REFUSED, h.next_at_ms), CHECK_BAD);
    assert_int_equal(h.failures, 1);
    assert_int_equal(h.failing_since_ms, 3 * DAY);
}

/* Who was never good has nothing to lose: its first failure counts. */
static void test_back_off_up_to_a_day(void **state)
{
    struct check_health h = {0};
    int64_t now = DAY, before = 0;

    (void)state;
    for (uint32_t i = 1; i < 20; i++) {
        assert_int_equal(settle(&h, ERR_DNS_NOT_FOUND, now), CHECK_BAD);
        assert_int_equal(h.failures, i);
        int64_t wait = h.next_at_ms - now;
        assert_true(wait >= before || wait >= DAY * 9 / 10);
        assert_true(wait <= DAY * 11 / 10);
        before = wait;
        now = h.next_at_ms;
    }
    assert_true(before >= DAY * 9 / 10);
    assert_false(h.retired);
}

static void test_a_month_dead_is_retired_and_comes_back(void **state)
{
    struct check_health h = {0};
    int64_t now = DAY;

    (void)state;
    (void)settle(&h, ERR_NONE, now);
    while (now < 30 * DAY) {
        (void)settle(&h, ERR_CONNECT_REFUSED, now);
        assert_false(h.retired);
        now = h.next_at_ms;
    }
    now = 40 * DAY;
    assert_int_equal(settle(&h, ERR_CONNECT_REFUSED, now), CHECK_BAD);
    assert_true(h.retired);
    assert_in_range(h.next_at_ms - now, 6 * DAY, 8 * DAY);
    assert_int_equal(settle(&h, ERR_NONE, now + 7 * DAY), CHECK_GOOD);
    assert_false(h.retired);
    assert_int_equal(h.failures, 0);
    assert_in_range(h.next_at_ms - now - 7 * DAY, 3 * HOUR, 5 * HOUR);
}

static void test_the_path_and_we_are_not_held_against_it(void **state)
{
    static const enum err_code codes[] = {ERR_PROXY_DOWN, ERR_DNS_FAILED, ERR_NETWORK_DOWN,
                                          ERR_NOMEM};
    struct check_health h = {0};

    (void)state;
    (void)settle(&h, ERR_NONE, DAY);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        h.innocent = 0;
        assert_int_equal(settle(&h, codes[i], 2 * DAY), CHECK_INNOCENT);
        assert_in_range(h.next_at_ms - 2 * DAY, 4 * MINUTE, 6 * MINUTE);
    }
    assert_false(h.unconfirmed);
    assert_int_equal(h.failures, 0);
    assert_int_equal(h.last_fail_ms, 0);
    for (int i = 0; i < 20; i++) /* looked at again soon, but not for ever */
        (void)settle(&h, ERR_DNS_FAILED, 2 * DAY);
    assert_in_range(h.next_at_ms - 2 * DAY, 3 * HOUR, 5 * HOUR);
    const struct check_outcome all = {
        .error = ERR_CONNECT_TIMEOUT, .outage = true, .network = NETWORK_CLEARNET, .lot = 7};
    assert_int_equal(check_settle(&h, &all, 3 * DAY, &limits),
                     CHECK_INNOCENT); /* all are down: it is us */
    assert_int_equal(h.failures, 0);
}

static void test_a_refusal_is_an_answer(void **state)
{
    struct check_health h = {0};

    (void)state;
    assert_int_equal(settle(&h, ERR_AUTH_REQUIRED, DAY), CHECK_GOOD);
    assert_int_equal(settle(&h, ERR_BLOCKED, DAY), CHECK_GOOD);
    assert_int_equal(h.last_ok_ms, DAY);
}

static void test_time_outs_adapt_within_bounds(void **state)
{
    struct check_health h = {0};

    (void)state;
    assert_int_equal(check_timeout_ms(&h, NETWORK_CLEARNET, &limits), 20000);
    assert_int_equal(check_timeout_ms(&h, NETWORK_TOR, &limits), 90000);
    h.slow_ms = 300;
    assert_int_equal(check_timeout_ms(&h, NETWORK_CLEARNET, &limits), 5000);
    h.slow_ms = 3000;
    assert_int_equal(check_timeout_ms(&h, NETWORK_CLEARNET, &limits), 12000);
    h.slow_ms = 30000;
    assert_int_equal(check_timeout_ms(&h, NETWORK_CLEARNET, &limits), 20000);
    assert_int_equal(check_timeout_ms(&h, NETWORK_TOR, &limits), 90000);
}

/* Of 1,000 checks that take 0 to 1,000 ms, nearly all lie below it, and it is not far above. */
static void test_the_estimate_stays_above_nearly_all(void **state)
{
    uint32_t slow = 0, above = 0, x = 1;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        x = x * 1664525U + 1013904223U;
        uint32_t took = (x >> 16) % 1000;
        above += i >= 1000 && took > slow;
        slow = check_slow(slow, took);
    }
    assert_in_range(above, 20, 500);
    assert_in_range(slow, 700, 1000);
}

static void test_the_circuit_of_a_host(void **state)
{
    struct check_circuit c = {0};
    int64_t now = DAY;

    (void)state;
    for (int i = 0; i < 2; i++)
        circuit_settle(&c, false, false, now, &limits);
    assert_int_equal(circuit_take(&c, now), 0);
    circuit_settle(&c, false, true, now, &limits); /* nothing was learnt */
    assert_int_equal(circuit_take(&c, now), 0);
    circuit_settle(&c, false, false, now, &limits); /* the third: open */
    assert_int_equal(circuit_take(&c, now), 5 * MINUTE);
    now += 5 * MINUTE;
    assert_int_equal(circuit_take(&c, now), 0); /* one tries */
    assert_true(circuit_take(&c, now) > 0);     /* the others wait */
    circuit_settle(&c, false, false, now, &limits);
    assert_int_equal(circuit_take(&c, now), 10 * MINUTE);
    now += 10 * MINUTE;
    assert_int_equal(circuit_take(&c, now), 0);
    circuit_settle(&c, true, false, now, &limits);
    assert_int_equal(circuit_take(&c, now), 0);
    assert_int_equal(circuit_take(&c, now), 0);
}

static const struct outage_limits outage_limits = {
    .window_ms = 10 * 60 * 1000, .patience_ms = 20000, .rate_permille = 900};

static void test_all_are_down_so_it_is_us(void **state)
{
    struct outage o = {0};
    bool down = false;

    (void)state;
    for (int i = 0; i < 100; i++) /* a calm hour, some of the dead among them */
        down |= outage_enter(&o, i % 2 ? OUTAGE_WAS_BAD : OUTAGE_WAS_GOOD, i % 2, i * 36000,
                             &outage_limits);
    assert_false(down);
    for (int i = 0; i < 400 && !down; i++)
        down = outage_enter(&o, OUTAGE_WAS_GOOD, true, HOUR + i * 3000, &outage_limits);
    assert_true(down);
    assert_true(outage_enter(&o, OUTAGE_WAS_GOOD, true, HOUR + 60 * MINUTE, &outage_limits));
    for (int i = 0; i < 100 && down; i++)
        down = outage_enter(&o, OUTAGE_WAS_GOOD, false, HOUR + 61 * MINUTE + i, &outage_limits);
    assert_false(down);
}

static void test_strangers_may_be_dead(void **state)
{
    struct outage o = {0};

    (void)state;
    for (int i = 0; i < 100; i++) /* 95 % of a list of strangers are dead: a bad list */
        assert_false(outage_enter(&o, OUTAGE_NEVER_SEEN, i % 20 != 1, i, &outage_limits) && i > 30);
    o = (struct outage){0};
    for (int i = 0; i < 3 * OUTAGE_SAMPLES_MIN; i++) /* the dead answer first */
        assert_false(outage_enter(&o, OUTAGE_NEVER_SEEN, true, 1 + i, &outage_limits));
    assert_true(outage_enter(&o, OUTAGE_NEVER_SEEN, true, 20100, &outage_limits)); /* not one */
    assert_false(outage_enter(&o, OUTAGE_WAS_BAD, false, 20200, &outage_limits));
    assert_false(o.down);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_check_is_repeated_after_the_interval),
        cmocka_unit_test(test_a_first_failure_is_confirmed_within_minutes),
        cmocka_unit_test(test_back_off_up_to_a_day),
        cmocka_unit_test(test_a_month_dead_is_retired_and_comes_back),
        cmocka_unit_test(test_the_path_and_we_are_not_held_against_it),
        cmocka_unit_test(test_a_refusal_is_an_answer),
        cmocka_unit_test(test_time_outs_adapt_within_bounds),
        cmocka_unit_test(test_the_estimate_stays_above_nearly_all),
        cmocka_unit_test(test_the_circuit_of_a_host),
        cmocka_unit_test(test_all_are_down_so_it_is_us),
        cmocka_unit_test(test_strangers_may_be_dead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
