/* What one address may have, with time passed in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "net/addr_places.h"

enum { MANY = 64 };

static struct ip ip(const char *text)
{
    struct ip ip;

    assert_true(ip_parse(&ip, str_z(text)));
    return ip;
}

static void test_so_many_at_once(void **state)
{
    struct addr_places *p = addr_places_new(&(struct addr_limits){.connections_max = 3});
    struct ip one = ip("192.0.2.1"), other = ip("192.0.2.2");
    struct addr_place *places[3], *elsewhere;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_non_null(places[i] = addr_places_take(p, &one, 1000));
    assert_null(addr_places_take(p, &one, 1000000));
    assert_non_null(elsewhere = addr_places_take(p, &other, 1000));

    /* Left, it counts until the peer knows. */
    addr_places_leave(p, places[0], 1000000);
    assert_null(addr_places_take(p, &one, 1000000 + ADDR_LINGER_MS - 1));
    assert_non_null(places[0] = addr_places_take(p, &one, 1000000 + ADDR_LINGER_MS));
    assert_null(addr_places_take(p, &one, 1000000 + ADDR_LINGER_MS));
    for (int i = 0; i < 3; i++)
        addr_places_leave(p, places[i], 2000000);
    addr_places_leave(p, elsewhere, 2000000);
    addr_places_free(p);
}

static void test_what_counts_as_one_address(void **state)
{
    struct addr_places *p = addr_places_new(&(struct addr_limits){.connections_max = 1});
    const char *const same[][2] = {{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9"}},
                      *const apart[][2] = {{"2001:db8:1:2::1", "2001:db8:1:3::1"},
                                           {"192.0.2.1", "192.0.2.2"},
                                           /* the bytes are alike, the family is not */
                                           {"32.1.13.184", "2001:db8::"}};
    struct addr_place *a, *b;

    (void)state;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        struct ip x = ip(same[i][0]), y = ip(same[i][1]);

        assert_non_null(a = addr_places_take(p, &x, 0));
        assert_null(addr_places_take(p, &y, 0));
        addr_places_leave(p, a, -ADDR_LINGER_MS);
    }
    for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
        struct ip x = ip(apart[i][0]), y = ip(apart[i][1]);

        assert_non_null(a = addr_places_take(p, &x, 0));
        assert_non_null(b = addr_places_take(p, &y, 0));
        addr_places_leave(p, a, -ADDR_LINGER_MS);
        addr_places_leave(p, b, -ADDR_LINGER_MS);
    }
    addr_places_free(p);
}

static void test_so_many_a_second(void **state)
{
    struct addr_places *p = addr_places_new(&(struct addr_limits){.connects_per_second = 10});
    struct ip one = ip("192.0.2.1");
    int taken = 0;

    (void)state;
    for (int64_t now = 5000; now < 15000; now += 7) {
        struct addr_place *place = addr_places_take(p, &one, now);

        if (place == NULL)
            continue;
        addr_places_leave(p, place, now);
        taken++;
    }
    assert_in_range(taken, 100, 110); /* ten seconds, and the bucket that was full */
    for (struct addr_place *place; (place = addr_places_take(p, &one, 15000)) != NULL;)
        addr_places_leave(p, place, 15000);
    assert_in_range(addr_places_wait(p, &one, 1, 15000), 1, 250);
    assert_false(addr_places_crowded(p, &one, 15000)); /* places are there */
    addr_places_free(p);
}

static void test_a_name_needs_one_of_its_addresses(void **state)
{
    struct addr_places *p = addr_places_new(&(struct addr_limits){.connections_max = 1});
    struct ip both[] = {ip("2001:db8::1"), ip("192.0.2.1")};
    struct addr_place *six, *four;

    (void)state;
    assert_non_null(six = addr_places_take(p, &both[0], 0));
    assert_int_equal(addr_places_wait(p, both, 2, 0), 0);
    assert_false(addr_places_crowded(p, &both[0], 0));
    assert_non_null(four = addr_places_take(p, &both[1], 0));
    assert_true(addr_places_wait(p, both, 2, 0) > 0);
    assert_true(addr_places_crowded(p, &both[0], 0));
    assert_true(addr_places_crowded(p, &both[1], ADDR_CROWDED_MS - 1));
    assert_false(addr_places_crowded(p, &both[1], ADDR_CROWDED_MS));
    addr_places_leave(p, six, 0);
    addr_places_leave(p, four, 0);
    assert_int_equal(addr_places_wait(p, both, 2, ADDR_LINGER_MS), 0);
    addr_places_free(p);
}

/* However many wait, they come one after the other, and everybody comes. */
static void test_turns(void **state)
{
    struct addr_places *p =
        addr_places_new(&(struct addr_limits){.connections_max = 2, .connects_per_second = 20});
    struct ip one = ip("192.0.2.1");
    struct addr_place *held[MANY] = {NULL};
    int64_t due[MANY] = {0}, last = 0;
    int served = 0;

    (void)state;
    for (int64_t now = 0; now < 60000 && served < MANY; now++) {
        int asked = 0;

        for (int i = 0; i < MANY; i++) {
            if (held[i] != NULL && now == due[i]) { /* it stays for half a second */
                addr_places_leave(p, held[i], now);
                held[i] = NULL;
                due[i] = -1;
                served++;
            } else if (held[i] == NULL && due[i] >= 0 && now >= due[i]) {
                int64_t wait = addr_places_wait(p, &one, 1, now);

                asked++;
                due[i] = now + wait;
                if (wait == 0) {
                    assert_non_null(held[i] = addr_places_take(p, &one, now));
                    due[i] = now + 500;
                }
            }
        }
        if (now > 0 && asked > 0) { /* after the first rush */
            assert_int_equal(asked, 1);
            assert_true(last == 0 || now - last >= 49);
            last = now;
        }
    }
    assert_int_equal(served, MANY);
    addr_places_free(p);
}

static void test_turns_are_bounded(void **state)
{
    struct addr_places *p =
        addr_places_new(&(struct addr_limits){.connections_max = 1, .connects_per_second = 1});
    struct ip one = ip("192.0.2.1");
    struct addr_place *place;
    int64_t wait = 0;

    (void)state;
    assert_non_null(place = addr_places_take(p, &one, 0));
    for (int i = 0; i < 2000; i++)
        wait = addr_places_wait(p, &one, 1, 0);
    assert_int_equal(wait, ADDR_TURN_MAX_MS);
    addr_places_leave(p, place, 0);
    addr_places_free(p);
}

static void test_limits_that_change(void **state)
{
    struct addr_places *p = addr_places_new(&(struct addr_limits){.connections_max = 2});
    struct ip one = ip("192.0.2.1");
    struct addr_place *a, *b;

    (void)state;
    assert_non_null(a = addr_places_take(p, &one, 0));
    assert_non_null(b = addr_places_take(p, &one, 0));
    addr_places_set_limits(p, &(struct addr_limits){.connections_max = 1});
    addr_places_leave(p, a, 0);
    assert_null(addr_places_take(p, &one, 10000));
    addr_places_set_limits(p, &(struct addr_limits){.connections_max = 0});
    assert_non_null(a = addr_places_take(p, &one, 10000));
    addr_places_leave(p, a, 10000);
    addr_places_leave(p, b, 10000);
    addr_places_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_so_many_at_once),
        cmocka_unit_test(test_what_counts_as_one_address),
        cmocka_unit_test(test_so_many_a_second),
        cmocka_unit_test(test_a_name_needs_one_of_its_addresses),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_turns_are_bounded),
        cmocka_unit_test(test_limits_that_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
