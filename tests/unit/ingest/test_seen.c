/* Known ids: committed, in flight, unknown; and that a copy with another signature is never taken
 * for checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/seen.h"

static struct id32 id_of(uint32_t n)
{
    struct id32 id = {{0}};

    memcpy(id.b, &n, sizeof(n));
    return id;
}

static void test_three_answers(void **state)
{
    struct seen *s = seen_new(1 << 16);
    struct id32 id = id_of(1);
    uint64_t f = seen_fingerprint(s, &id);
    struct sig64 sig = {{1}};

    (void)state;
    assert_false(seen_known(s, f));
    assert_int_equal(seen_flight(s, &id, f, &sig), FLIGHT_NONE);
    assert_true(seen_flight_take(s, &id, f, &sig));
    assert_false(seen_flight_take(s, &id, f, &sig)); /* the second copy waits */
    assert_int_equal(seen_flight(s, &id, f, &sig), FLIGHT_PENDING);
    seen_flight_good(s, &id, f);
    assert_int_equal(seen_flight(s, &id, f, &sig), FLIGHT_GOOD);
    seen_commit(s, f, 1700000000);
    seen_flight_drop(s, &id, f);
    assert_true(seen_known(s, f));
    assert_int_equal(seen_in_flight(s), 0);
    seen_forget_all(s);
    assert_false(seen_known(s, f));
    seen_free(s);
}

/* The id does not cover the signature: a copy may carry a false one. */
static void test_another_signature_is_not_checked(void **state)
{
    struct seen *s = seen_new(1 << 16);
    struct id32 id = id_of(1);
    uint64_t f = seen_fingerprint(s, &id);
    struct sig64 good = {{1}}, other = {{2}};

    (void)state;
    assert_true(seen_flight_take(s, &id, f, &good));
    seen_flight_good(s, &id, f);
    assert_int_equal(seen_flight(s, &id, f, &other), FLIGHT_NONE);
    assert_false(
        seen_flight_take(s, &id, f, &other)); /* the entry stays with the one that was checked */
    assert_int_equal(seen_flight(s, &id, f, &good), FLIGHT_GOOD);
    seen_free(s);
}

static void test_many_in_flight(void **state)
{
    enum { MANY = 20000 };
    struct seen *s = seen_new(1 << 16);
    struct sig64 sig = {{0}};

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        struct id32 id = id_of(i);
        assert_true(seen_flight_take(s, &id, seen_fingerprint(s, &id), &sig));
    }
    assert_int_equal(seen_in_flight(s), MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        struct id32 id = id_of(i);
        assert_int_equal(seen_flight(s, &id, seen_fingerprint(s, &id), &sig), FLIGHT_PENDING);
        seen_flight_drop(s, &id, seen_fingerprint(s, &id));
    }
    assert_int_equal(seen_in_flight(s), 0);
    seen_free(s);
}

/* The window never grows: the oldest are forgotten, and asked of the database again. */
static void test_the_window_is_bounded(void **state)
{
    struct seen *s = seen_new(1 << 14);
    uint64_t empty = seen_bytes(s);
    uint32_t newest_known = 0;

    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        struct id32 id = id_of(i);
        seen_commit(s, seen_fingerprint(s, &id), i);
    }
    assert_int_equal(seen_bytes(s), empty);
    for (uint32_t i = 99900; i < 100000; i++) {
        struct id32 id = id_of(i);
        newest_known += seen_known(s, seen_fingerprint(s, &id));
    }
    assert_int_equal(newest_known, 100);
    struct id32 first = id_of(0);
    assert_false(seen_known(s, seen_fingerprint(s, &first)));
    seen_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_answers),
        cmocka_unit_test(test_another_signature_is_not_checked),
        cmocka_unit_test(test_many_in_flight),
        cmocka_unit_test(test_the_window_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
