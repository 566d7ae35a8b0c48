/* coverage_add() and gap_add() against an oracle that knows the state of every single second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_fixture.h"

enum { SECONDS = 60, STEPS = 40, ROUNDS = 25 };

static struct fixture fixture;
#define F (&fixture)

static int setup(void **state)
{
    return fixture_setup(state, F, ROUNDS + 5);
}

/* What is known of one second. */
struct second {
    enum { NOTHING, PROOF, GAP } what;
    int value; /* grade or reason */
    int tries;
    int64_t tried_at;
};

static uint32_t seed = 2463534242u;

static uint32_t rnd(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

static void oracle(struct second *all, const struct store_span *s)
{
    for (int64_t t = s->lo; t <= s->hi && t < SECONDS; t++) {
        struct second *x = &all[t];

        if (!s->gap) {
            if (x->what != PROOF || x->value >= (int)s->grade)
                *x = (struct second){PROOF, (int)s->grade, 0, 0};
        } else if (x->what == GAP) {
            x->value = (int)s->reason;
            x->tries += s->at > x->tried_at;
            x->tried_at = s->at;
        } else if (x->what == NOTHING || s->reason == GAP_DENSE) {
            *x = (struct second){GAP, (int)s->reason, 0, s->at};
        }
    }
}

struct loaded {
    struct store_span spans[256];
    uint32_t n;
    bool done;
};

static void on_loaded(void *owner, const struct store_span *spans, uint32_t n,
                      const struct err *err)
{
    struct loaded *l = owner;

    assert_null(err);
    assert_true(n <= 256);
    if (n > 0)
        memcpy(l->spans, spans, n * sizeof(*spans));
    l->n = n;
    l->done = true;
}

static void load(struct loaded *l, int32_t relay)
{
    l->done = false;
    store_coverage_load(F->db, relay, 1, on_loaded, l);
    fixture_run(F, &l->done, "store_coverage_load");
}

static void compare(const struct second *all, const struct loaded *l, bool open)
{
    int64_t next = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        const struct store_span *s = &l->spans[i];

        assert_true(s->lo >= next && s->lo <= s->hi);
        for (; next < s->lo; next++)
            assert_int_equal(all[next].what, NOTHING);
        for (; next <= s->hi && next < SECONDS; next++) {
            assert_int_equal(all[next].what, s->gap ? GAP : PROOF);
            assert_int_equal(all[next].value, s->gap ? (int)s->reason : (int)s->grade);
            assert_int_equal(all[next].tries, s->gap_tries);
        }
        if (i > 0 && l->spans[i - 1].hi == s->lo - 1 &&
            l->spans[i - 1].gap == s->gap) /* neighbours that should be one */
            assert_false(s->gap ? l->spans[i - 1].reason == s->reason &&
                                      l->spans[i - 1].gap_tries == s->gap_tries
                                : l->spans[i - 1].grade == s->grade);
    }
    for (; next < SECONDS; next++)
        assert_int_equal(all[next].what, NOTHING);
    if (l->n > 0 && open)
        assert_true(l->spans[l->n - 1].hi == INT64_MAX);
}

static void test_random_spans_agree_with_the_oracle(void **state)
{
    static struct loaded l;

    (void)state;
    for (int32_t relay = 1; relay <= ROUNDS; relay++) {
        struct second all[SECONDS + 1];
        bool open = false;

        memset(all, 0, sizeof(all));
        for (int i = 0; i < STEPS; i++) {
            struct store_span s = {.relay_id = relay, .filter_id = 1, .at = 1000 + i};
            struct store_write w = {.spans = &s, .spans_n = 1};

            s.lo = rnd(SECONDS);
            s.hi = s.lo + rnd(relay % 2 ? 6 : SECONDS);
            if (s.hi >= SECONDS)
                s.hi = SECONDS - 1;
            s.gap = rnd(3) == 0;
            s.grade = (enum grade)rnd(GRADE__COUNT);
            s.reason = (enum gap_reason)rnd(3);
            if (s.gap && rnd(8) == 0) {
                s.hi = INT64_MAX;
                open = true;
            }
            oracle(all, &s);
            assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
            if (rnd(4) == 0) { /* the same transaction once more changes nothing */
                load(&l, relay);
                uint32_t before = l.n;
                assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
                load(&l, relay);
                assert_int_equal(l.n, before);
            }
            load(&l, relay);
            compare(all, &l, open);
        }
    }
}

static void put(int32_t relay, bool gap, int64_t lo, int64_t hi, int what, int64_t at)
{
    struct store_span s = {
        .relay_id = relay, .filter_id = 1, .lo = lo, .hi = hi, .gap = gap, .at = at};
    struct store_write w = {.spans = &s, .spans_n = 1};

    s.grade = gap ? GRADE_H : (enum grade)what;
    s.reason = gap ? (enum gap_reason)what : GAP_DENSE;
    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
}

static void test_a_proof_replaces_a_gap_and_a_gap_no_proof(void **state)
{
    static struct loaded l;
    int32_t relay = ROUNDS + 1;

    (void)state;
    put(relay, true, 0, INT64_MAX, GAP_TIMEOUT, 10);
    put(relay, false, 100, 200, GRADE_P1, 20);
    load(&l, relay);
    assert_int_equal(l.n, 3);
    assert_true(l.spans[0].gap && l.spans[0].hi == 99);
    assert_true(!l.spans[1].gap && l.spans[1].at == 20);
    assert_true(l.spans[2].gap && l.spans[2].lo == 201 && l.spans[2].hi == INT64_MAX &&
                l.spans[2].at == 10);
    put(relay, true, 0, INT64_MAX, GAP_AUTH, 30);
    load(&l, relay);
    assert_int_equal(l.n, 3);
    assert_int_equal(l.spans[0].reason, GAP_AUTH);
    assert_int_equal(l.spans[0].gap_tries, 1);
    assert_int_equal(l.spans[0].at, 30);
    assert_false(l.spans[1].gap);
    /* But for a second that has become too full to be asked for: late events hide in it. */
    put(relay, true, 150, 150, GAP_DENSE, 40);
    load(&l, relay);
    assert_int_equal(l.n, 5);
    assert_true(l.spans[2].gap && l.spans[2].lo == 150 && l.spans[2].hi == 150);
    assert_true(!l.spans[1].gap && l.spans[1].hi == 149 && l.spans[1].at == 20);
    assert_true(!l.spans[3].gap && l.spans[3].lo == 151 && l.spans[3].hi == 200);
}

static void test_neighbours_merge_and_renew_their_date(void **state)
{
    static struct loaded l;
    int32_t relay = ROUNDS + 2;

    (void)state;
    put(relay, false, 100, 199, GRADE_P1, 10);
    put(relay, false, 0, 99, GRADE_P1, 30);
    put(relay, false, 200, 300, GRADE_LIVE, 20);
    load(&l, relay);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.spans[0].hi, 199);
    assert_int_equal(l.spans[0].at, 30);
    put(relay, false, 50, 400, GRADE_P2, 40); /* better than both */
    load(&l, relay);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.spans[0].hi, 49);
    assert_int_equal(l.spans[1].hi, 400);
    assert_int_equal(l.spans[1].grade, GRADE_P2);
}

/* The words of the views are those of the C tables. */
static void test_names_of_grades_and_reasons(void **state)
{
    static const char *const grades[] = {
#define ROW(name, text) text,
        GRADES(ROW)};
    static const char *const reasons[] = {GAP_REASONS(ROW)};

    (void)state;
    assert_string_equal(fixture_sql(F, "SELECT count(*) = %d FROM grade", (int)GRADE__COUNT), "t");
    assert_string_equal(
        fixture_sql(F, "SELECT count(*) = %d FROM gap_reason", (int)GAP_REASON__COUNT), "t");
    for (int i = 0; i < GRADE__COUNT; i++)
        assert_string_equal(fixture_sql(F, "SELECT name FROM grade WHERE grade = %d", i),
                            grades[i]);
    for (int i = 0; i < GAP_REASON__COUNT; i++)
        assert_string_equal(fixture_sql(F, "SELECT name FROM gap_reason WHERE reason = %d", i),
                            reasons[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_spans_agree_with_the_oracle),
        cmocka_unit_test(test_a_proof_replaces_a_gap_and_a_gap_no_proof),
        cmocka_unit_test(test_neighbours_merge_and_renew_their_date),
        cmocka_unit_test(test_names_of_grades_and_reasons),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
