/* Who is probed before whom, what an outcome means, and that nobody gets more than his share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "services/finder/candidates.h"

enum { HOUR = 60 * 60 * 1000, MINUTE = 60 * 1000 };
#define DAY ((int64_t)24 * HOUR)

static const struct siphash_key key = {1, 2};
static const struct candidate_limits limits = {
    .retry_min_ms = HOUR, .retry_max_ms = 10 * DAY, .tries_max = 4, .forgive_after_ms = 30 * DAY};

static void test_rank(void **state)
{
    /* Each is worth more than the next. */
    static const struct candidate_facts order[] = {
        {.authors = 30, .mentions = 40, .weight = 10},
        {.authors = 3, .mentions = 3, .weight = 10},
        {.authors = 3, .mentions = 3, .weight = 10, .tries = 1},
        {.authors = 3, .mentions = 3, .weight = 4},
        {.authors = 1, .mentions = 1, .weight = 4},
        {.authors = 1, .mentions = 1, .weight = 4, .silent_ms = 10 * DAY},
        {.authors = 1, .mentions = 1000000, .weight = 2},
        {.authors = 1, .mentions = 1, .weight = 2},
        {.authors = 1, .mentions = 1, .weight = 1},
        {.authors = 32, .mentions = 1000, .weight = 10, .tries = 40},
    };

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(order) / sizeof(order[0]); i++)
        assert_true(candidate_score(&order[i]) > candidate_score(&order[i + 1]));
    assert_true(candidate_score(&(struct candidate_facts){0}) > 0);
}

static void test_outcomes(void **state)
{
    uint32_t tries = 0;
    int64_t next, now = 1000 * DAY, before = 0;

    (void)state;
    assert_int_equal(candidate_settle(true, ERR_NONE, 1, now, &limits, &tries, &next),
                     CANDIDATE_PROMOTED);
    assert_int_equal(candidate_settle(true, ERR_AUTH_REQUIRED, 1, now, &limits, &tries, &next),
                     CANDIDATE_PROMOTED);
    assert_int_equal(candidate_settle(false, ERR_DNS_FAILED, 1, now, &limits, &tries, &next),
                     CANDIDATE_INNOCENT);
    assert_true(next > now && next < now + 20 * MINUTE);
    /* Name servers that fail for ever: more rarely, never dropped, and one real failure is one. */
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(candidate_settle(false, ERR_DNS_FAILED, 1, now, &limits, &tries, &next),
                         CANDIDATE_INNOCENT);
    assert_true(next > now + 30 * MINUTE && next < now + DAY);
    assert_true(tries + 1 < limits.tries_max);
    tries = 0;
    /* Opened, and no Nostr behind it. */
    for (uint32_t i = 1; i < limits.tries_max; i++) {
        assert_int_equal(candidate_settle(true, ERR_TIMEOUT, 1, now, &limits, &tries, &next),
                         CANDIDATE_FAILED);
        assert_int_equal(tries, i);
        assert_true(next - now > 2 * before && next - now < 11 * DAY);
        before = next - now;
    }
    assert_int_equal(candidate_settle(false, ERR_DNS_NOT_FOUND, 1, now, &limits, &tries, &next),
                     CANDIDATE_DROPPED);
    assert_true(next > now + 25 * DAY);
}

/* A spammer with a million names below one domain, a thousand keys, and addresses of one network.
 */
static void test_shares(void **state)
{
    struct shares *s = shares_new(&key, 1000, 20);
    char author[16], domain[32];
    uint32_t got = 0, others = 0;
    int64_t now = 5 * HOUR + 1;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(author, sizeof(author), "a%d", i);
        const struct str keys[] = {str_z(author), STR("spam.example")};
        got += shares_take(s, keys, 2, now) == 0;
    }
    assert_int_equal(got, 20);
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(domain, sizeof(domain), "d%d", i);
        const struct str keys[] = {STR("one author"), str_z(domain)};
        others += shares_take(s, keys, 2, now) == 0;
    }
    assert_int_equal(others, 20);

    const struct str honest[] = {STR("honest"), STR("honest.example"), STR("")};
    assert_int_equal(shares_take(s, honest, 3, now), 0);
    assert_int_equal(shares_taken(s), 41);
    /* What a name led to is counted afterwards. */
    for (int i = 0; i < 20; i++)
        shares_charge(s, STR("192.0.2.0/24"), now);
    const struct str there[] = {STR("h2"), STR("h2.example"), STR("192.0.2.0/24")};
    assert_int_equal(shares_take(s, there, 3, now), HOUR - 1);

    /* The next hour is a new one. */
    const struct str again[] = {STR("one author"), STR("spam.example"), STR("192.0.2.0/24")};
    assert_int_equal(shares_take(s, again, 3, 6 * (int64_t)HOUR), 0);
    shares_free(s);
}

/* All together get no more than the hour has, and the table does not grow. */
static void test_whole_hour(void **state)
{
    struct shares *s = shares_new(&key, 300, 20);
    char a[16], d[16];
    uint32_t got = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        (void)snprintf(a, sizeof(a), "a%d", i);
        (void)snprintf(d, sizeof(d), "d%d", i);
        const struct str keys[] = {str_z(a), str_z(d)};
        got += shares_take(s, keys, 2, HOUR) == 0;
    }
    assert_int_equal(got, 300);
    for (int i = 0; i < 200000; i++) {
        (void)snprintf(a, sizeof(a), "n%d", i);
        shares_charge(s, str_z(a), HOUR);
    }
    shares_set(s, 100000, 1000);
    assert_int_equal(shares_take(s, NULL, 0, HOUR + 5), HOUR - 5); /* not before the next hour */
    assert_int_equal(shares_take(s, NULL, 0, 2 * (int64_t)HOUR), 0);
    shares_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_whole_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
