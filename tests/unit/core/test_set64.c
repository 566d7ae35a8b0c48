/* The window of fingerprints: exact while there is room, the newer half when there is not, and
 * never more memory than allowed. */
#include <stdlib.h>

#include "core/set64.h"
#include "core/siphash.h"
#include "unit.h"

static const struct siphash_key key = {1, 2};

static uint64_t print_of(uint64_t i)
{
    return siphash(&key, &i, sizeof(i));
}

static void test_exact_while_there_is_room(void **state)
{
    enum { RANGE = 700 };
    static bool known[RANGE];
    struct set64 s;
    unsigned seed = 1;
    size_t count = 0;

    (void)state;
    set64_init(&s, 16 * 1024);
    assert_int_equal(s.n_shards, 1);
    for (int step = 0; step < 100000; step++) {
        uint64_t i = (uint64_t)(rand_r(&seed) % RANGE);

        assert_int_equal(set64_has(&s, print_of(i)), known[i]);
        if (rand_r(&seed) % 2 == 0) {
            assert_int_equal(set64_add(&s, print_of(i), step), !known[i]);
            count += !known[i];
            known[i] = true;
        } else {
            assert_int_equal(set64_remove(&s, print_of(i)), known[i]);
            count -= known[i];
            known[i] = false;
        }
        assert_int_equal(s.count, count);
    }
    assert_int_equal(s.forgotten, 0);
    set64_done(&s);
}

/* Neighbours in the table, also around its end: what removal by shifting back gets wrong first. */
static void test_collisions_around_the_end(void **state)
{
    struct set64 s;

    (void)state;
    for (uint64_t home = 60; home < 68; home++)
        for (uint64_t removed = 0; removed < 12; removed++) {
            set64_init(&s, 1024);
            assert_int_equal(s.slots, 64);
            for (uint64_t i = 0; i < 12; i++)
                assert_true(set64_add(&s, ((home + i / 3) & 63) | (i + 1) << 8, 0));
            assert_true(set64_remove(&s, ((home + removed / 3) & 63) | (removed + 1) << 8));
            for (uint64_t i = 0; i < 12; i++)
                assert_int_equal(set64_has(&s, ((home + i / 3) & 63) | (i + 1) << 8), i != removed);
            set64_done(&s);
        }
}

static void test_forgets_the_older_half(void **state)
{
    struct set64 s;
    uint64_t n;

    (void)state;
    set64_init(&s, 64 * 1024);
    n = s.slots / 8 * 7;
    /* The times are not in the order of insertion: the odd ones are old. */
    for (uint64_t i = 0; i < n; i++)
        assert_true(set64_add(&s, print_of(i), (int64_t)(i % 2 != 0 ? i : 1000000 + i)));
    assert_int_equal(s.count, n);
    assert_true(set64_add(&s, print_of(n), 2000000));
    assert_int_equal(s.forgotten, n / 2);
    assert_int_equal(s.count, n - n / 2 + 1);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(set64_has(&s, print_of(i)), i % 2 == 0);
    set64_done(&s);
}

static void test_forgets_half_of_equal_times(void **state)
{
    static const int64_t times[] = {0, 5, -5, INT64_MAX};
    struct set64 s;

    (void)state;
    for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++) {
        set64_init(&s, 1024);
        for (uint64_t i = 0; i < 57; i++)
            assert_true(set64_add(&s, print_of(i), times[t]));
        assert_int_equal(s.forgotten, 28);
        assert_int_equal(s.count, 29);
        set64_done(&s);
    }
}

static void test_a_known_one_becomes_younger(void **state)
{
    struct set64 s;

    (void)state;
    set64_init(&s, 1024);
    assert_true(set64_add(&s, 0, 1)); /* a fingerprint of zero is one like any other */
    assert_true(set64_has(&s, 0));
    assert_false(set64_add(&s, 0, 1000));
    assert_false(set64_add(&s, 0, 5));
    for (uint64_t i = 0; i < 56; i++)
        (void)set64_add(&s, print_of(i), 500);
    assert_true(s.forgotten > 0);
    assert_true(set64_has(&s, 0));
    set64_clear(&s);
    assert_int_equal(s.count, 0);
    assert_false(set64_has(&s, 0));
    set64_done(&s);
}

static void test_memory_is_bounded_and_used(void **state)
{
    static const size_t budgets[] = {1024, 5000, 393240, 400000, 1 << 20, 3 << 20, 10000000};
    struct set64 s;

    (void)state;
    for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
        set64_init(&s, budgets[i]);
        assert_true(s.bytes <= budgets[i]);
        assert_true(s.bytes * 2 >= budgets[i] || budgets[i] <= 1024);
        for (uint64_t k = 0; k < s.bytes / 6; k++)
            (void)set64_add(&s, print_of(k), (int64_t)k);
        assert_true(s.forgotten > 0);
        assert_true(s.count * 12 * 8 / 7 <= s.bytes);
        assert_true(set64_has(&s, print_of(s.bytes / 6 - 1)));
        set64_done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_while_there_is_room),
        cmocka_unit_test(test_collisions_around_the_end),
        cmocka_unit_test(test_forgets_the_older_half),
        cmocka_unit_test(test_forgets_half_of_equal_times),
        cmocka_unit_test(test_a_known_one_becomes_younger),
        cmocka_unit_test(test_memory_is_bounded_and_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
