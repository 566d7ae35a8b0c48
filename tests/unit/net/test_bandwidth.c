/* Bandwidth: the bucket empties, readers queue up, and are resumed in the order in which they came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/bandwidth.h"

struct reader {
    struct bandwidth_user user;
    int resumed;
};

static int resumed_count;

static void on_resume(struct bandwidth_user *user)
{
    CONTAINER_OF(user, struct reader, user)->resumed = ++resumed_count;
}

static void finish(uv_loop_t *loop, struct bandwidth *b)
{
    bandwidth_close(b, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void test_no_limit(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct bandwidth b;
    struct reader r;

    uv_loop_init(&loop);
    bandwidth_init(&b, &loop, 0);
    bandwidth_user_init(&r.user, on_resume);
    for (int i = 0; i < 1000; i++)
        assert_false(bandwidth_take(&b, &r.user, 1 << 30));
    finish(&loop, &b);
}

static void test_in_turn(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct bandwidth b;
    struct reader r[5] = {0};

    resumed_count = 0;
    uv_loop_init(&loop);
    bandwidth_init(&b, &loop, 20 * 1024 * 1024);
    for (int i = 0; i < 5; i++)
        bandwidth_user_init(&r[i].user, on_resume);
    assert_false(bandwidth_take(&b, &r[0].user, 1)); /* the bucket was full */
    for (int i = 0; i < 5; i++)
        assert_true(bandwidth_take(&b, &r[i].user, 3 * 1024 * 1024));
    bandwidth_leave(&r[2].user);
    uv_run(&loop, UV_RUN_DEFAULT); /* ends by itself: nobody waits any more */
    assert_int_equal(r[0].resumed, 1);
    assert_int_equal(r[1].resumed, 2);
    assert_int_equal(r[2].resumed, 0);
    assert_int_equal(r[3].resumed, 3);
    assert_int_equal(r[4].resumed, 4);
    finish(&loop, &b);
}

static void test_limit_lifted(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct bandwidth b;
    struct reader r[50] = {0};

    resumed_count = 0;
    uv_loop_init(&loop);
    bandwidth_init(&b, &loop, 1);
    for (int i = 0; i < 50; i++) {
        bandwidth_user_init(&r[i].user, on_resume);
        assert_true(bandwidth_take(&b, &r[i].user, 1000000));
    }
    bandwidth_set_rate(&b, 0);
    assert_int_equal(resumed_count, 50);
    finish(&loop, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_in_turn),
        cmocka_unit_test(test_limit_lifted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
