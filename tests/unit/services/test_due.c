/* When a relay is visited next, and who has a live place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/sync/due.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const struct due_limits limits = {
    .retry_min_ms = MINUTE, .retry_max_ms = DAY, .poll_interval_ms = HOUR};

static void test_the_relays_own_failures_double(void **state)
{
    uint32_t failures = 0;
    int64_t before = 0;

    (void)state;
    for (int i = 0; i < 20; i++) {
        int64_t wait = due_after_failure(ERR_CONNECT_REFUSED, 1000, 7, &failures, &limits) - 1000;
        assert_int_equal(failures, i + 1);
        if (before < DAY / 2)
            assert_true(wait > before);
        assert_true(wait <= DAY + DAY / 10);
        before = wait;
    }
    assert_true(before >= DAY - DAY / 10);
}

static void test_the_path_and_we_are_not_held_against_it(void **state)
{
    static const enum err_code codes[] = {ERR_PROXY_DOWN, ERR_DNS_FAILED, ERR_NETWORK_DOWN,
                                          ERR_DB_AWAY, ERR_NOMEM};
    uint32_t failures = 3;

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        int64_t next = due_after_failure(codes[i], 0, 1, &failures, &limits);
        assert_int_equal(failures, 3);
        assert_in_range(next, 1, MINUTE + MINUTE / 10);
    }
}

static void test_a_refusal_is_not_asked_again_for_days(void **state)
{
    uint32_t failures = 0;

    (void)state;
    assert_true(due_after_failure(ERR_BLOCKED, 0, 1, &failures, &limits) > 6 * (int64_t)DAY);
    assert_true(due_after_failure(ERR_PAYMENT_REQUIRED, 0, 1, &failures, &limits) >
                6 * (int64_t)DAY);
    assert_true(due_after_failure(ERR_AUTH_REQUIRED, 0, 1, &failures, &limits) > 6 * (int64_t)DAY);
}

/* However many relays there are, those that are drawn fill a tenth of the places, and others each
 * round. */
static void test_the_lot_fills_a_tenth_of_the_places(void **state)
{
    uint32_t drawn = 0, again = 0, of = due_drawn_of(9000, 150);

    (void)state;
    for (uint32_t round = 0; round < 100; round++)
        for (uint32_t lot = 0; lot < 9000; lot++) {
            const struct due_claim claim = {.lot = lot, .drawn_of = of};
            drawn += due_drawn(&claim, round);
            again += due_drawn(&claim, round) && due_drawn(&claim, round + 1);
        }
    assert_in_range(drawn, 1300, 1700); /* 15 a round */
    assert_in_range(again, 0, 20);
    assert_int_equal(due_drawn_of(100, 150), 10);
    assert_int_equal(due_drawn_of(100, 0), 10);
}

static void test_polls_do_not_march_in_step(void **state)
{
    int64_t first = due_after_sync(0, 0, &limits), earliest = first, latest = first;

    (void)state;
    for (uint32_t lot = 1; lot < 1000; lot++) {
        int64_t at = due_after_sync(0, lot, &limits);
        earliest = at < earliest ? at : earliest;
        latest = at > latest ? at : latest;
    }
    assert_in_range(earliest, HOUR - HOUR / 10, HOUR - HOUR / 12);
    assert_in_range(latest, HOUR + HOUR / 12, HOUR + HOUR / 10);
}

static void test_rates_follow_what_comes(void **state)
{
    double rate = 0;

    (void)state;
    for (int i = 0; i < 30; i++)
        rate = due_rate(rate, 100, HOUR);
    assert_true(rate > 99 && rate <= 100);
    rate = due_rate(rate, 0, HOUR);
    assert_true(rate > 70 && rate < 80);
    assert_true(due_rate(5, 100, 0) == 5);
}

static void test_live_places(void **state)
{
    struct due_claim busy = {.new_per_hour = 100, .lot = 1}, quiet = {.new_per_hour = 10, .lot = 2};
    struct due_claim chosen = {.new_per_hour = 0, .priority = true, .lot = 3};
    uint32_t drawn = 0, round = 0;

    (void)state;
    while (due_drawn(&busy, round) || due_drawn(&quiet, round))
        round++;
    assert_true(due_displaces(&busy, &quiet, round));
    assert_false(due_displaces(&quiet, &busy, round));
    assert_false(due_displaces(&quiet, &quiet, round)); /* equals do not chase each other */
    assert_true(due_displaces(&chosen, &busy, round));
    assert_false(due_displaces(&busy, &chosen, round));
    for (uint32_t lot = 0; lot < 10000; lot++)
        drawn += due_drawn(&(struct due_claim){.lot = lot}, 5);
    assert_in_range(drawn, 850, 1150); /* a tenth */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_relays_own_failures_double),
        cmocka_unit_test(test_the_path_and_we_are_not_held_against_it),
        cmocka_unit_test(test_a_refusal_is_not_asked_again_for_days),
        cmocka_unit_test(test_live_places),
        cmocka_unit_test(test_the_lot_fills_a_tenth_of_the_places),
        cmocka_unit_test(test_polls_do_not_march_in_step),
        cmocka_unit_test(test_rates_follow_what_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
