/* Coverage against an oracle: the same spans laid over an array with one cell for each second.
 *
 *     test_coverage [SEEDS]      more of them by hand */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/walk/coverage.h"

enum {
    SECONDS = 120, /* the last one stands for everything above */
    SPANS = 60,
    RETRY_S = 10,
    SEEDS = 3000
};

struct cell {
    bool known, gap;
    enum grade grade;
    enum gap_reason reason;
    unsigned tries;
    int64_t at;
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void oracle_add(struct cell *cells, const struct store_span *s)
{
    for (int64_t t = s->lo; t < SECONDS && t <= s->hi; t++) {
        struct cell *c = &cells[t];
        bool hides = s->gap && s->reason == GAP_DENSE && !c->gap;
        if (!c->known || (c->gap && !s->gap) || hides) {
            *c = (struct cell){true, s->gap, s->grade, s->reason, s->gap_tries, s->at};
        } else if (c->gap && s->gap) {
            c->reason = s->reason;
            c->tries += s->at > c->at;
            c->at = s->at > c->at ? s->at : c->at;
        } else if (!c->gap && !s->gap && s->grade < c->grade) {
            c->grade = s->grade;
        }
    }
}

/* Gaps that join have the newest of their times. */
static void oracle_join(struct cell *cells)
{
    for (int from = 0, to; from < SECONDS; from = to) {
        int64_t at = cells[from].at;
        for (to = from + 1;
             to < SECONDS && cells[to].known && cells[to].gap && cells[from].gap &&
             cells[to].reason == cells[from].reason && cells[to].tries == cells[from].tries;
             to++)
            at = cells[to].at > at ? cells[to].at : at;
        for (int i = from; i < to; i++)
            cells[i].at = at;
    }
}

/* Nothing to ask in this second at this time? */
static bool oracle_settled(const struct cell *c, int64_t now)
{
    return c->known && (!c->gap || now < c->at + ((int64_t)RETRY_S << c->tries));
}

static bool oracle_next(const struct cell *cells, const struct coverage_query *q, int64_t *lo,
                        int64_t *hi)
{
    int64_t t = q->hi < SECONDS ? q->hi : SECONDS - 1;

    while (t >= q->lo && oracle_settled(&cells[t], q->now))
        t--;
    if (t < q->lo)
        return false;
    *hi = t == SECONDS - 1 ? q->hi : t;
    while (t > q->lo && !oracle_settled(&cells[t - 1], q->now))
        t--;
    *lo = t;
    return true;
}

struct seen {
    const struct cell *cells;
    int64_t last_hi;
    struct store_span last;
    bool any, good;
};

static void compare(void *owner, const struct store_span *s)
{
    struct seen *seen = owner;

    seen->good &= !seen->any || s->lo > seen->last_hi;
    if (seen->any && s->lo == seen->last_hi + 1) /* neighbours that could be one are one */
        seen->good &= s->gap != seen->last.gap || (s->gap ? s->reason != seen->last.reason ||
                                                                s->gap_tries != seen->last.gap_tries
                                                          : s->grade != seen->last.grade);
    for (int64_t t = seen->any ? seen->last_hi + 1 : 0; t < s->lo && t < SECONDS; t++)
        seen->good &= !seen->cells[t].known;
    for (int64_t t = s->lo; t <= s->hi && t < SECONDS; t++) {
        const struct cell *c = &seen->cells[t];
        seen->good &= c->known && c->gap == s->gap;
        if (s->gap)
            seen->good &= c->reason == s->reason && c->tries == s->gap_tries;
        else
            seen->good &= c->grade == s->grade;
    }
    seen->any = true;
    seen->last = *s;
    seen->last_hi = s->hi;
}

static void check_all(const struct coverage *c, const struct cell *cells, uint64_t *random,
                      int64_t now)
{
    struct seen seen = {.cells = cells, .good = true};
    int64_t top = -1, proven = 0, lo = 0, hi = 0, want_lo = 0, want_hi = 0;

    coverage_each(c, compare, &seen);
    assert_true(seen.good);
    for (int64_t t = seen.any ? seen.last_hi : -1; t < SECONDS - 1; t++)
        assert_false(cells[t + 1].known);
    for (int64_t t = 0; t < SECONDS - 1; t++) {
        proven += cells[t].known && !cells[t].gap;
        top = cells[t].known && !cells[t].gap ? t : top;
    }
    assert_int_equal(coverage_top(c), top);
    double share = coverage_share(c, 0, SECONDS - 2) * (SECONDS - 1);
    assert_true(share > (double)proven - 0.01 && share < (double)proven + 0.01);
    for (int i = 0; i < 4; i++) {
        struct coverage_query q = {.now = now + (int64_t)(next_random(random) % 400),
                                   .gap_retry_s = RETRY_S};
        q.lo = (int64_t)(next_random(random) % SECONDS);
        q.hi =
            i == 0 ? INT64_MAX : q.lo + (int64_t)(next_random(random) % (uint64_t)(SECONDS - q.lo));
        if (q.hi == SECONDS - 1)
            q.hi--;
        if (q.lo > q.hi)
            continue;
        bool want = oracle_next(cells, &q, &want_lo, &want_hi);
        assert_int_equal(coverage_next(c, &q, &lo, &hi), want);
        if (want) {
            assert_int_equal(lo, want_lo);
            assert_int_equal(hi, want_hi);
        }
    }
}

static void run_seed(uint64_t seed)
{
    struct cell cells[SECONDS] = {{0}};
    struct coverage *c = coverage_new();
    uint64_t random = seed * 7919 + 3;

    for (int64_t i = 0; i < SPANS; i++) {
        struct store_span s = {.lo = (int64_t)(next_random(&random) % (SECONDS - 1)),
                               .gap = next_random(&random) % 3 == 0,
                               .grade = (enum grade)(next_random(&random) % GRADE__COUNT),
                               .reason = (enum gap_reason)(next_random(&random) % 2),
                               .at = 0};
        s.hi = s.lo + (int64_t)(next_random(&random) % 20);
        if (s.hi > SECONDS - 2)
            s.hi = SECONDS - 2;
        if (s.gap && next_random(&random) % 20 == 0)
            s.hi = INT64_MAX;
        s.at = i / 6;
        coverage_add(c, &s);
        oracle_add(cells, &s);
        oracle_join(cells);
        if (i % 6 == 5 || i < 6)
            check_all(c, cells, &random, 1000);
    }
    coverage_free(c);
}

static void test_like_the_oracle(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        run_seed(seed);
}

static void test_empty(void **state)
{
    struct coverage *c = coverage_new();
    struct coverage_query q = {.lo = 5, .hi = INT64_MAX, .now = 9, .gap_retry_s = 1};
    int64_t lo, hi;

    (void)state;
    assert_int_equal(coverage_top(c), -1);
    assert_true(coverage_share(c, 0, 10) == 0);
    assert_true(coverage_next(c, &q, &lo, &hi));
    assert_int_equal(lo, 5);
    assert_int_equal(hi, INT64_MAX);
    coverage_free(c);
    coverage_free(NULL);
}

/* A gap that is open above waits, longer each time, and then the whole of it is asked for again. */
static void test_a_gap_waits_longer_each_time(void **state)
{
    struct coverage *c = coverage_new();
    struct store_span gap = {
        .lo = 0, .hi = INT64_MAX, .gap = true, .reason = GAP_IGNORES_UNTIL, .at = 1000};
    struct coverage_query q = {.lo = 0, .hi = INT64_MAX, .gap_retry_s = 100};
    int64_t lo, hi;

    (void)state;
    for (int tries = 0; tries < 5; tries++) {
        coverage_add(c, &gap);
        coverage_add(c, &gap); /* a transaction that was repeated counts once */
        q.now = gap.at + (100 << tries) - 1;
        assert_false(coverage_next(c, &q, &lo, &hi));
        q.now++;
        assert_true(coverage_next(c, &q, &lo, &hi));
        assert_int_equal(lo, 0);
        assert_int_equal(hi, INT64_MAX);
        gap.at = q.now;
    }
    gap = (struct store_span){.lo = 50, .hi = 60, .grade = GRADE_H};
    coverage_add(c, &gap); /* proof replaces it */
    q.now = 1 << 30;
    assert_true(coverage_next(c, &q, &lo, &hi));
    assert_int_equal(lo, 61);
    q.hi = 60;
    assert_true(coverage_next(c, &q, &lo, &hi));
    assert_int_equal(hi, 49);
    coverage_free(c);
}

static void test_a_long_walk_stays_small(void **state)
{
    struct coverage *c = coverage_new();

    (void)state;
    for (int64_t t = 1000000; t > 0; t -= 10)
        coverage_add(c,
                     &(struct store_span){.lo = t - 10, .hi = t - 1, .grade = GRADE_P1, .at = t});
    assert_true(coverage_bytes(c) < 4096);
    assert_true(coverage_share(c, 0, 999999) == 1);
    coverage_free(c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_the_oracle),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_a_gap_waits_longer_each_time),
        cmocka_unit_test(test_a_long_walk_stays_small),
    };

    if (argc > 1) {
        for (uint64_t seed = 0; seed < strtoull(argv[1], NULL, 10); seed++)
            run_seed(seed);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
