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
    assert_int_equal(budget_take(b, "a", 0), 0);
    assert_true(budget_take(b, "a", 5000) > 0); /* the first is still dialling: its name took 5 s */
    budget_dialled(b, "a", 5000);
    assert_int_equal(budget_take(b, "a", 5400), 600);
    assert_int_equal(budget_take(b, "a", 6000), 0);
    budget_dialled(b, "a", 6000);
    budget_free(b);
}

static void test_a_host_has_two_connections(void **state)
{
    struct budget *b = budget_new(&limits);

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(budget_take(b, "a", (int64_t)i * 2000), 0);
        budget_dialled(b, "a", (int64_t)i * 2000);
    }
    assert_true(budget_take(b, "a", 10000) > 0);
    assert_int_equal(budget_take(b, "b", 10000), 0); /* another host is not concerned */
    budget_release(b, "a", 10000);
    assert_int_equal(budget_take(b, "a", 10000), 0);
    budget_free(b);
}

static void test_all_hosts_together(void **state)
{
    struct budget *b = budget_new(&limits);
    char name[8];

    (void)state;
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "h%d", i);
        assert_int_equal(budget_take(b, name, 0), 0);
    }
    assert_true(budget_take(b, "one more", 0) > 0);
    assert_int_equal(budget_connections(b), 5);
    budget_dialled(b, "h3", 10);
    budget_release(b, "h3", 10);
    assert_int_equal(budget_connections(b), 4);
    assert_int_equal(budget_take(b, "one more", 10), 0);
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
        went += budget_take(b, name, 1) == 0;
    }
    assert_int_equal(went, 100); /* a second's worth at once */
    for (int i = 300; i < 600; i++) {
        (void)snprintf(name, sizeof(name), "h%d", i);
        went += budget_take(b, name, 501) == 0;
    }
    assert_int_equal(went, 150);
    budget_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval_begins_when_the_dial_has_ended),
        cmocka_unit_test(test_a_host_has_two_connections),
        cmocka_unit_test(test_all_hosts_together),
        cmocka_unit_test(test_dials_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
