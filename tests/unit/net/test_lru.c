/* Lru: bounded by count and by bytes, the oldest goes first, every value is dropped once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/lru.h"

static int dropped;

static void drop(void *value)
{
    (*(int *)value)++;
    dropped++;
}

static struct str key(char to[16], int i)
{
    (void)snprintf(to, 16, "key-%d", i);
    return str_z(to);
}

static void test_order_of_use(void **state)
{
    (void)state;
    struct lru *l = lru_new(3, 1 << 20, drop);
    int v[5] = {0};
    char k[16];

    dropped = 0;
    for (int i = 0; i < 3; i++)
        lru_put(l, key(k, i), &v[i], 1);
    assert_ptr_equal(lru_get(l, key(k, 0)), &v[0]); /* now 1 is the oldest */
    lru_put(l, key(k, 3), &v[3], 1);
    assert_null(lru_get(l, key(k, 1)));
    assert_int_equal(v[1], 1);
    lru_put(l, key(k, 0), &v[4], 1); /* replaced */
    assert_int_equal(v[0], 1);
    assert_ptr_equal(lru_get(l, key(k, 0)), &v[4]);
    assert_int_equal(lru_count(l), 3);
    lru_remove(l, key(k, 2));
    lru_remove(l, key(k, 2));
    assert_int_equal(v[2], 1);
    assert_int_equal(lru_count(l), 2);
    lru_free(l);
    assert_int_equal(dropped, 5);
}

static void test_bytes(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct lru *l = lru_new(N, 64 * 1024, drop);
    static int v[N];
    char k[16];

    dropped = 0;
    for (int i = 0; i < N; i++) {
        lru_put(l, key(k, i), &v[i], 1000);
        assert_true(lru_bytes(l) <= 64 * 1024);
    }
    assert_true(lru_count(l) > 50 && lru_count(l) < 65);
    assert_non_null(lru_get(l, key(k, N - 1)));
    lru_put(l, STR("huge"), &v[0], 65 * 1024); /* heavier than all it may hold */
    assert_null(lru_get(l, STR("huge")));
    assert_int_equal(lru_count(l), 0);
    assert_int_equal(lru_bytes(l), 0);
    lru_free(l);
    assert_int_equal(dropped, N + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_use),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
