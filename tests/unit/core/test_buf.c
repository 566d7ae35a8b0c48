/* The buffer: its maximum, and bytes that leave at the front. */
#include <stdlib.h>

#include "core/buf.h"
#include "unit.h"

static void test_append_and_print(void **state)
{
    struct buf b;
    char long_text[2000];

    (void)state;
    buf_init(&b, 10000);
    assert_true(str_eq(buf_str(&b), STR("")));
    assert_true(buf_append_str(&b, STR("ab")));
    assert_true(buf_append_char(&b, 'c'));
    assert_true(buf_append(&b, NULL, 0));
    assert_true(buf_printf(&b, "%d", 42));
    assert_true(str_eq(buf_str(&b), STR("abc42")));
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_true(buf_printf(&b, "%s", long_text));
    assert_int_equal(buf_str(&b).n, 5 + 1999);
    buf_clear(&b);
    assert_int_equal(buf_str(&b).n, 0);
    buf_done(&b);
}

static void test_the_maximum_is_exact(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 300);
    for (int i = 0; i < 300; i++)
        assert_true(buf_append_char(&b, 'x'));
    assert_false(b.overflow);
    assert_false(buf_append_char(&b, 'x'));
    assert_true(b.overflow);
    assert_int_equal(b.n, 300);
    assert_false(buf_printf(&b, "y"));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_consume(&b, 100);
    assert_non_null(buf_reserve(&b, 100));
    assert_null(buf_reserve(&b, 101));
    assert_true(b.size <= 300);
    buf_done(&b);
}

/* A queue: bytes go in behind and out in front, and none is lost or changed. */
static void test_consume(void **state)
{
    struct buf b;
    unsigned char in = 0;
    unsigned char out = 0;
    unsigned seed = 5;

    (void)state;
    buf_init(&b, 1000);
    for (int step = 0; step < 20000; step++) {
        size_t n = (size_t)(rand_r(&seed) % 200);
        char *to = buf_reserve(&b, n);

        if (to != NULL) {
            size_t used = n / 2;

            for (size_t i = 0; i < used; i++)
                to[i] = (char)in++;
            buf_added(&b, used);
        }
        n = (size_t)(rand_r(&seed) % 200);
        n = n < b.n ? n : b.n;
        for (size_t i = 0; i < n; i++)
            assert_int_equal((unsigned char)buf_str(&b).p[i], out++);
        buf_consume(&b, n);
    }
    buf_done(&b);
}

static void test_take(void **state)
{
    struct buf b;
    char *z;

    (void)state;
    buf_init(&b, 100);
    assert_true(buf_append_str(&b, STR("xxhello")));
    buf_consume(&b, 2);
    z = buf_take_z(&b);
    assert_string_equal(z, "hello");
    assert_int_equal(b.n, 0);
    free(z);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_print),
        cmocka_unit_test(test_the_maximum_is_exact),
        cmocka_unit_test(test_consume),
        cmocka_unit_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
