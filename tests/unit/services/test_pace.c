/* Pace: waits that double while a relay refuses, a distance between questions that is learnt and
 * forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/pace.h"

static int64_t refused_wait(struct pace *p, int64_t base)
{
    pace_refused(p, base, 7, 1000000);
    return p->next_ms - 1000000;
}

static void test_waits_double_to_an_end(void **state)
{
    struct pace p = {0};

    (void)state;
    for (int64_t want = 5000; want <= 40000; want *= 2) {
        assert_false(pace_is_hopeless(&p));
        int64_t wait = refused_wait(&p, 60000);
        assert_true(wait >= want * 9 / 10 && wait <= want * 11 / 10);
    }
    assert_true(pace_is_hopeless(&p));
    pace_connected(&p);
    assert_false(pace_is_hopeless(&p));
    assert_int_equal(p.next_ms, 0);
    assert_int_equal(p.gap_ms, 1000); /* that is not forgotten */
    assert_true(refused_wait(&p, 100) <= 110);
    for (int i = 0; i < 100; i++)
        assert_true(refused_wait(&p, 60000) <= 88000);
    assert_int_equal(p.gap_ms, 30000);
}

/* A relay that takes four questions a second, and one token more: it is found, and hardly refuses
 * after that. */
static void test_a_limit_is_found(void **state)
{
    struct pace p = {0};
    int64_t now = 0;
    double tokens = 4;
    int64_t last = 0;
    unsigned refused = 0, answered = 0;

    (void)state;
    while (answered < 2000) {
        now = p.next_ms > now + 10 ? p.next_ms : now + 10;
        tokens += (double)(now - last) * 4 / 1000;
        tokens = tokens > 4 ? 4 : tokens;
        last = now;
        pace_asked(&p, now);
        if (tokens < 1) {
            refused++;
            pace_refused(&p, 5000, 3, now);
            assert_false(pace_is_hopeless(&p));
        } else {
            tokens--;
            answered++;
            pace_answered(&p);
        }
    }
    assert_in_range(refused, 1, 100);
    assert_true(now < 2 * 2000 * 1000 / 4); /* at least half as fast as it may */
}

static void test_who_never_refuses_is_never_waited_for(void **state)
{
    struct pace p = {0};

    (void)state;
    pace_asked(&p, 5000);
    pace_answered(&p);
    assert_int_equal(p.next_ms, 5000);
    assert_int_equal(p.gap_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_double_to_an_end),
        cmocka_unit_test(test_a_limit_is_found),
        cmocka_unit_test(test_who_never_refuses_is_never_waited_for),
    };

    return cmocka_run_group_tests_name("services/pace", tests, NULL, NULL);
}
