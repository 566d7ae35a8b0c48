/* The arena: alignment, large requests, what a reset keeps, and giving back the tail. */
#include "core/arena.h"
#include "unit.h"

static void test_allocations_are_aligned_and_apart(void **state)
{
    struct arena a;
    char *p[100];

    (void)state;
    arena_init(&a, 256);
    for (size_t i = 0; i < 100; i++) {
        p[i] = arena_alloc(&a, i);
        assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
        memset(p[i], (int)i, i);
    }
    for (size_t i = 0; i < 100; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_equal(p[i][k], i);
    arena_done(&a);
    assert_int_equal(a.bytes, 0);
}

static void test_large_request_leaves_the_current_block_in_use(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 1024);
    char *one = arena_alloc(&a, 16);
    char *large = arena_alloc(&a, 1 << 20);
    char *two = arena_alloc(&a, 16);
    memset(large, 7, 1 << 20);
    assert_true(two > one);
    assert_true(two - one < 1024);
    assert_true(a.bytes > (1 << 20));
    arena_done(&a);
}

static void test_reset_keeps_one_block(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 1024);
    char *first = arena_alloc(&a, 8);
    size_t one_block = a.bytes;
    for (int i = 0; i < 50; i++)
        (void)arena_alloc(&a, 600);
    (void)arena_alloc(&a, 5000);
    arena_reset(&a);
    assert_int_equal(a.bytes, one_block);
    assert_ptr_equal(arena_alloc(&a, 8), first);
    arena_done(&a);
    arena_done(&a); /* twice is harmless */
}

static void test_shrink_gives_back_the_tail(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 4096);
    char *p = arena_alloc(&a, 2048);
    arena_shrink_last(&a, p, 2048, 32);
    char *q = arena_alloc(&a, 16);
    assert_true(q - p < 128);
    arena_shrink_last(&a, p, 32, 0); /* not the last any more: nothing happens */
    assert_true((char *)arena_alloc(&a, 16) > q);
    char *large = arena_alloc(&a, 9000);
    arena_shrink_last(&a, large, 9000, 10);
    large[9] = 1;
    arena_done(&a);
}

static void test_copy(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 64);
    struct str s = arena_copy(&a, STR("hello"));
    assert_true(str_eq(s, STR("hello")));
    assert_int_equal(arena_copy(&a, STR("")).n, 0);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations_are_aligned_and_apart),
        cmocka_unit_test(test_large_request_leaves_the_current_block_in_use),
        cmocka_unit_test(test_reset_keeps_one_block),
        cmocka_unit_test(test_shrink_gives_back_the_tail),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
