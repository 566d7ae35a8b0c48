/* The budget: what a host and all hosts together may have, with time passed in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "relay/budget.h"

static const struct budget_limits limits = {.connections_max = 5,
                                            .host_connections_max = 2,
                                            .host_interval_ms = 1000,
                                            .dials_per_second = 100};

static void test_interval_begins_when_the_dial_has_ended(void **state)
{
    struct budget *b = budget_new(&limits);

    (void)state;
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "a", 1, 0), 0);
    assert_true(budget_take(b, BUDGET_ARCHIVE, "a", 1, 5000) >
                0); /* the first is still dialling: its name took 5 s */
    budget_dialled(b, "a", 5000);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "a", 1, 5400), 600);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "a", 1, 6000), 0);
    budget_dialled(b, "a", 6000);
    budget_free(b);
}

static void test_a_host_has_two_connections(void **state)
{
    struct budget *b = budget_new(&limits);

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "a", 1, (int64_t)i * 2000), 0);
        budget_dialled(b, "a", (int64_t)i * 2000);
    }
    assert_true(budget_take(b, BUDGET_ARCHIVE, "a", 1, 10000) > 0);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "b", 1, 10000),
                     0); /* another host is not concerned */
    budget_release(b, BUDGET_ARCHIVE, "a", 1, 10000);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "a", 1, 10000), 0);
    budget_free(b);
}

static void test_all_hosts_together(void **state)
{
    struct budget *b = budget_new(&limits);
    char name[8];

    (void)state;
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "h%d", i);
        assert_int_equal(budget_take(b, BUDGET_ARCHIVE, name, 1, 0), 0);
    }
    assert_true(budget_take(b, BUDGET_ARCHIVE, "one more", 1, 0) > 0);
    assert_int_equal(budget_connections(b), 5);
    budget_dialled(b, "h3", 10);
    budget_release(b, BUDGET_ARCHIVE, "h3", 1, 10);
    assert_int_equal(budget_connections(b), 4);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "one more", 1, 10), 0);
    budget_free(b);
}

static void test_dials_a_second(void **state)
{
    struct budget_limits many = limits;
    struct budget *b;
    char name[16];
    int went = 0;

    (void)state;
    many.connections_max = 1000;
    b = budget_new(&many);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof(name), "h%d", i);
        went += budget_take(b, BUDGET_ARCHIVE, name, 1, 1) == 0;
    }
    assert_int_equal(went, 100); /* a second's worth at once */
    for (int i = 300; i < 600; i++) {
        (void)snprintf(name, sizeof(name), "h%d", i);
        went += budget_take(b, BUDGET_ARCHIVE, name, 1, 501) == 0;
    }
    assert_int_equal(went, 150);
    budget_free(b);
}

/* Whatever one does, the other has its part; what one leaves free, the other may have. */
static void test_archive_and_checks_share(void **state)
{
    struct budget_limits shared = limits;
    struct budget *b;
    char name[32];
    int archive = 0, checks = 0;

    (void)state;
    shared.connections_max = 400;
    shared.connections_checks = 100;
    b = budget_new(&shared);
    for (int second = 0; second < 20; second++)
        for (int i = 0; i < 200; i++) {
            (void)snprintf(name, sizeof(name), "a%d.%d", second, i);
            archive += budget_take(b, BUDGET_ARCHIVE, name, 1, (int64_t)second * 1000) == 0;
        }
    assert_int_equal(archive, 300); /* the rest is kept for checks, however long it asks */
    assert_true(budget_is_full(b, BUDGET_ARCHIVE));
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        checks += budget_take(b, BUDGET_CHECKS, name, 1, 19001) == 0;
    }
    assert_int_equal(checks, 50); /* half of the dials of a second */
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "d%d", i);
        checks += budget_take(b, BUDGET_CHECKS, name, 1, 19501) == 0;
    }
    assert_int_equal(checks, 100); /* the archive dials no more: all of half a second */
    assert_true(budget_is_full(b, BUDGET_CHECKS));
    assert_int_equal(budget_connections(b), 400);
    budget_free(b);
}

static void test_a_check_takes_two(void **state)
{
    struct budget *b = budget_new(&limits);

    (void)state;
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "a", 1, 0), 0);
    budget_dialled(b, "a", 0);
    assert_true(budget_take(b, BUDGET_ARCHIVE, "a", 2, 5000) > 0);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "b", 2, 5000), 0);
    assert_int_equal(budget_connections(b), 3);
    budget_dialled(b, "b", 6000);
    budget_release(b, BUDGET_ARCHIVE, "b", 2, 6000);
    assert_int_equal(budget_connections(b), 1);
    budget_free(b);
}

static void test_who_dials_alone_has_all_dials(void **state)
{
    struct budget_limits shared = limits;
    struct budget *b;
    char name[32];
    int went = 0;

    (void)state;
    shared.connections_max = 10000;
    shared.connections_checks = 1000;
    b = budget_new(&shared);
    for (int tick = 0; tick < 100; tick++)
        for (int i = 0; i < 50; i++) {
            (void)snprintf(name, sizeof(name), "a%d.%d", tick, i);
            went += budget_take(b, BUDGET_ARCHIVE, name, 1, (int64_t)tick * 100) == 0;
        }
    assert_in_range(went, 1000, 1060); /* 100 a second in ten seconds */
    budget_free(b);
}

static void test_one_dial_a_second_is_enough_for_both(void **state)
{
    struct budget_limits slow = limits;
    struct budget *b;
    char name[32];
    int archive = 0, checks = 0;

    (void)state;
    slow.connections_max = 1000;
    slow.connections_checks = 500;
    slow.dials_per_second = 1;
    b = budget_new(&slow);
    for (int second = 1; second <= 100; second++) {
        (void)snprintf(name, sizeof(name), "%d", second);
        archive += budget_take(b, BUDGET_ARCHIVE, name, 1, (int64_t)second * 1000) == 0;
        (void)snprintf(name, sizeof(name), "c%d", second);
        checks += budget_take(b, BUDGET_CHECKS, name, 1, (int64_t)second * 1000) == 0;
    }
    assert_in_range(archive, 48, 53);
    assert_in_range(checks, 48, 53);
    budget_free(b);
}

/* Publishing: a part of its own, the interval of the host, and a connection beside those of it. */
static void test_publishing(void **state)
{
    struct budget_limits shared = limits;
    struct budget *b;

    (void)state;
    shared.connections_max = 6;
    shared.connections_checks = 2;
    shared.connections_publishing = 1;
    shared.dials_per_second = 1000;
    b = budget_new(&shared);
    for (int i = 0; i < 2; i++) { /* all that the host may have */
        assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "a", 1, i * 2000), 0);
        budget_dialled(b, "a", i * 2000);
    }
    assert_int_equal(budget_take(b, BUDGET_PUBLISHING, "a", 1, 2400), 600);
    assert_int_equal(budget_take(b, BUDGET_PUBLISHING, "a", 1, 3000), 0);
    assert_true(budget_take(b, BUDGET_PUBLISHING, "b", 1, 3000) > 0); /* it has its part */
    budget_dialled(b, "a", 3000);
    budget_release(b, BUDGET_ARCHIVE, "a", 1, 3000);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "a", 1, 3400), 600); /* the archive waits too */
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "a", 1, 4000), 0);
    budget_dialled(b, "a", 4000);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "b", 1, 4000), 0);
    assert_true(budget_is_full(b, BUDGET_ARCHIVE)); /* 6 without 2 and 1 */
    assert_false(budget_is_full(b, BUDGET_CHECKS));
    assert_int_equal(budget_connections(b), 4);
    budget_release(b, BUDGET_PUBLISHING, "a", 1, 4000);
    assert_int_equal(budget_connections(b), 3);

    /* A dial that takes longer than the interval is not forgotten, though the host has none. */
    assert_int_equal(budget_take(b, BUDGET_PUBLISHING, "c", 1, 5000), 0);
    assert_true(budget_take(b, BUDGET_CHECKS, "c", 1, 50000) > 0);
    for (int i = 0; i < 2; i++) { /* others come and go in its bucket, if it is theirs */
        assert_int_equal(budget_take(b, BUDGET_CHECKS, "d", 1, 60000 + i * 2000), 0);
        budget_dialled(b, "d", 60000 + i * 2000);
        budget_release(b, BUDGET_CHECKS, "d", 1, 60000 + i * 2000);
    }
    budget_dialled(b, "c", 70000);
    budget_release(b, BUDGET_PUBLISHING, "c", 1, 70000);
    assert_int_equal(budget_take(b, BUDGET_CHECKS, "c", 1, 70001), 999);
    budget_free(b);
}

/* Looking for relays has a part of its own, and dials from the purse of the checks, or of the
 * archive where nothing is checked. */
static void test_finder(void **state)
{
    struct budget_limits shared = limits;
    struct budget *b;

    (void)state;
    shared.connections_max = 6;
    shared.connections_checks = 2;
    shared.connections_finder = 2;
    shared.dials_per_second = 8;
    b = budget_new(&shared);
    assert_int_equal(budget_take(b, BUDGET_FINDER, "a", 1, 1000), 0);
    assert_int_equal(budget_take(b, BUDGET_FINDER, "b", 1, 1000), 0);
    assert_true(budget_is_full(b, BUDGET_FINDER));
    assert_false(budget_is_full(b, BUDGET_CHECKS));
    assert_int_equal(budget_take(b, BUDGET_CHECKS, "c", 1, 1000), 0);
    assert_int_equal(budget_take(b, BUDGET_CHECKS, "d", 1, 1000), 0);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "e", 1, 1000), 0);
    assert_int_equal(budget_take(b, BUDGET_ARCHIVE, "f", 1, 1000), 0);
    assert_true(budget_is_full(b, BUDGET_ARCHIVE)); /* 6 without 2 and 2 */
    budget_free(b);

    shared.connections_checks = 0;
    b = budget_new(&shared);
    assert_int_equal(budget_take(b, BUDGET_FINDER, "a", 1, 1000), 0);
    budget_free(b);

    shared.connections_finder = 0;
    b = budget_new(&shared);
    assert_true(budget_take(b, BUDGET_FINDER, "a", 1, 1000) > 0);
    budget_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval_begins_when_the_dial_has_ended),
        cmocka_unit_test(test_a_host_has_two_connections),
        cmocka_unit_test(test_all_hosts_together),
        cmocka_unit_test(test_dials_a_second),
        cmocka_unit_test(test_archive_and_checks_share),
        cmocka_unit_test(test_a_check_takes_two),
        cmocka_unit_test(test_who_dials_alone_has_all_dials),
        cmocka_unit_test(test_one_dial_a_second_is_enough_for_both),
        cmocka_unit_test(test_publishing),
        cmocka_unit_test(test_finder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
