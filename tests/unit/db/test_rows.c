/* The binary form of arrays, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "db/rows.h"

static void test_an_array_of_int8(void **state)
{
    static const char want[] = "\0\0\0\1"         /* one dimension */
                               "\0\0\0\0"         /* no NULLs */
                               "\0\0\0\24"        /* int8 */
                               "\0\0\0\2\0\0\0\1" /* two, the first is number 1 */
                               "\0\0\0\10\0\0\0\0\0\0\1\0"
                               "\0\0\0\10\377\377\377\377\377\377\377\376";
    struct array a;
    struct params p;

    (void)state;
    array_init(&a, PG_INT8);
    array_int8(&a, 256);
    array_int8(&a, -2);
    params_init(&p);
    params_array(&p, &a);
    assert_int_equal(p.n, 1);
    assert_int_equal(p.types[0], 1016);
    assert_int_equal(p.formats[0], 1);
    assert_int_equal(p.lengths[0], sizeof(want) - 1);
    assert_memory_equal(p.values[0], want, sizeof(want) - 1);
    array_done(&a);
}

static void test_an_empty_array_has_no_dimension(void **state)
{
    struct array a;
    struct params p;

    (void)state;
    array_init(&a, PG_TEXT);
    array_text(&a, STR("gone"));
    array_clear(&a);
    params_init(&p);
    params_array(&p, &a);
    assert_int_equal(p.lengths[0], 12);
    assert_memory_equal(p.values[0], "\0\0\0\0\0\0\0\0\0\0\0\31", 12);
    array_done(&a);
}

static void test_the_other_types(void **state)
{
    struct array text, flag, small, number, bytes;

    (void)state;
    array_init(&text, PG_TEXT);
    array_text(&text, STR(""));
    array_text(&text, STR("ab"));
    assert_int_equal(text.n, 2);
    assert_memory_equal(buf_str(&text.buf).p + 20, "\0\0\0\0\0\0\0\2ab", 10);
    array_init(&flag, PG_BOOL);
    array_bool(&flag, true);
    assert_memory_equal(buf_str(&flag.buf).p + 20, "\0\0\0\1\1", 5);
    array_init(&small, PG_INT2);
    array_int2(&small, -1);
    assert_memory_equal(buf_str(&small.buf).p + 20, "\0\0\0\2\377\377", 6);
    array_init(&number, PG_INT4);
    array_int4(&number, INT32_MIN);
    assert_memory_equal(buf_str(&number.buf).p + 20, "\0\0\0\4\200\0\0\0", 8);
    array_init(&bytes, PG_BYTEA);
    array_bytes(&bytes, "\0\1", 2);
    assert_memory_equal(buf_str(&bytes.buf).p + 20, "\0\0\0\2\0\1", 6);
    array_done(&text);
    array_done(&flag);
    array_done(&small);
    array_done(&number);
    array_done(&bytes);
}

static void test_what_is_too_large_is_dropped_and_remembered(void **state)
{
    struct array a;

    (void)state;
    array_init(&a, PG_BYTEA);
    array_bytes(&a, "x", 1);
    array_bytes(&a, "x",
                (size_t)ARRAY_BYTES_MAX + 1); /* its length alone says so: nothing is read */
    assert_true(array_overflow(&a));
    assert_int_equal(a.n, 1);
    array_done(&a);
}

static void test_scalars_and_what_comes_back(void **state)
{
    struct params p;

    (void)state;
    params_init(&p);
    params_int4(&p, -7);
    params_int8(&p, 1LL << 40);
    params_text(&p, str_z(NULL));
    params_bytes(&p, "\0z", 2);
    assert_int_equal(binary_int(p.values[0], (size_t)p.lengths[0]), -7);
    assert_int_equal(binary_int(p.values[1], (size_t)p.lengths[1]), 1LL << 40);
    assert_int_equal(p.lengths[2], 0);
    assert_int_equal(p.lengths[3], 2);
    assert_int_equal(binary_int("\377\376", 2), -2);
    assert_int_equal(binary_int("\1", 1), 1);
    assert_int_equal(binary_int("\1\2\3", 3), 0);
    assert_int_equal(binary_int("\200\0\0\0\0\0\0\0", 8), INT64_MIN);
}

static void test_an_array_comes_back(void **state)
{
    struct array a;
    struct params p;
    struct str all;
    char broken[64];

    (void)state;
    array_init(&a, PG_INT4);
    array_int4(&a, 7);
    array_int4(&a, -70000);
    params_init(&p);
    params_array(&p, &a);
    all = (struct str){p.values[0], (size_t)p.lengths[0]};
    assert_int_equal(binary_array_n(all, PG_INT4), 2);
    assert_int_equal(binary_array_int(all, 0, 4), 7);
    assert_int_equal(binary_array_int(all, 1, 4), -70000);
    assert_int_equal(binary_array_n(all, PG_INT8), 0);
    assert_int_equal(binary_array_n((struct str){NULL, 0}, PG_INT4), 0); /* NULL */
    for (size_t n = 0; n < all.n; n++)
        assert_int_equal(binary_array_n((struct str){all.p, n}, PG_INT4), 0);
    for (size_t i = 0; i < 20; i++) { /* any other head */
        memcpy(broken, all.p, all.n);
        broken[i] ^= 0x40;
        assert_int_equal(binary_array_n((struct str){broken, all.n}, PG_INT4), i < 16 ? 0 : 2);
    }
    array_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_array_of_int8),
        cmocka_unit_test(test_an_empty_array_has_no_dimension),
        cmocka_unit_test(test_the_other_types),
        cmocka_unit_test(test_what_is_too_large_is_dropped_and_remembered),
        cmocka_unit_test(test_scalars_and_what_comes_back),
        cmocka_unit_test(test_an_array_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
