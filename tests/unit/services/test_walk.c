/* The walk against simulated relays.  Invariant I1: whatever a relay would serve is either fetched,
 * or lies where nothing is claimed, a gap is declared, or the claim is only heuristic.
 *
 *     test_walk                      the fixed seeds, the first 2,000 and the properties below
 *     test_walk --seeds N [FROM]     more seeds
 *     test_walk --seed S             one seed, question by question */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/coverage.h"
#include "sim_relay.h"

/* Seeds that failed once, and why they may again. */
static const uint64_t once_failed[] = {0};

enum { SEEDS = 2000, SET_BITS = 15, INTERRUPT_NEVER = 0 };

/* Fingerprints that have been fetched. */
struct fetched {
    uint64_t slot[1 << SET_BITS];
    size_t n;
};

static bool fetched_find(const struct fetched *f, uint64_t fingerprint, size_t *at)
{
    size_t i = fingerprint >> (64 - SET_BITS);

    for (; f->slot[i]; i = (i + 1) & ((1 << SET_BITS) - 1))
        if (f->slot[i] == fingerprint) {
            *at = i;
            return true;
        }
    *at = i;
    return false;
}

static void fetched_add(struct fetched *f, uint64_t fingerprint)
{
    size_t at;

    if (!fetched_find(f, fingerprint, &at)) {
        f->slot[at] = fingerprint;
        f->n++;
        assert_true(f->n < (1 << SET_BITS) / 2);
    }
}

struct trial {
    uint64_t seed;
    bool verbose;
    int interrupt; /* percent of answers after which the walk is given up and begun again from its
                      coverage */
    int32_t page;
    struct sim_relay *relay;
    struct walk_traits traits;
    struct coverage *coverage;
    struct fetched *fetched;
    uint64_t random;
    uint64_t answered;   /* questions of this walk that did not fail */
    int64_t asked_first; /* of this walk */
    bool gave_up;
    char why[200]; /* the first thing that went wrong */
};

static void fail_trial(struct trial *t, const char *why, int64_t a, int64_t b)
{
    if (!t->why[0])
        snprintf(t->why, sizeof(t->why), "%s (%lld, %lld)", why, (long long)a, (long long)b);
}

static bool restricted(int32_t kind)
{
    return kind == 4 || kind == 1059;
}

/* Is everything there that this span claims? */
static void check_span(struct trial *t, const struct walk_span *span)
{
    if (span->lo > span->hi || span->lo < 0)
        fail_trial(t, "a malformed span", span->lo, span->hi);
    if (span->hi >= t->asked_first &&
        !(span->gap && span->hi == INT64_MAX &&
          (span->reason == GAP_IGNORES_UNTIL || span->reason == GAP_UNSORTED)))
        fail_trial(t, "a claim beyond the second before the first question", span->lo, span->hi);
    if (span->gap || span->grade == GRADE_H)
        return;
    for (size_t i = 0; i < t->relay->n; i++) {
        const struct sim_event *e = &t->relay->events[i];
        size_t at;
        if (e->hidden || e->invalid || e->late || e->created_at < span->lo ||
            e->created_at > span->hi)
            continue;
        if (span->grade == GRADE_P1K && (restricted(e->kind) || !sim_kind_known(e->kind)))
            continue;
        if (!fetched_find(t->fetched, e->fingerprint, &at))
            fail_trial(t, "an event is lost in a span that claims it", e->created_at, e->kind);
    }
}

static const char *const settle_names[] = {"eose",     "closed", "timeout",  "disconnect",
                                           "oversize", "flood",  "cancelled"};

static void print_step(const struct walk_ask *ask, const struct walk_page *page,
                       const struct walk_spans *spans)
{
    int64_t min = INT64_MAX, max = -1;

    for (size_t i = 0; i < page->events_n; i++) {
        min = page->events[i].created_at < min ? page->events[i].created_at : min;
        max = page->events[i].created_at > max ? page->events[i].created_at : max;
    }
    printf("  [%lld, %lld] limit %d kinds %zu -> %s raw %u", (long long)ask->since,
           (long long)ask->until, ask->limit, ask->n_kinds, settle_names[page->how], page->raw);
    if (max >= 0)
        printf(" %lld..%lld", (long long)min, (long long)max);
    for (size_t i = 0; i < spans->n; i++)
        printf(" %s%d[%lld, %lld]", spans->at[i].gap ? "GAP" : "P",
               spans->at[i].gap ? (int)spans->at[i].reason : (int)spans->at[i].grade,
               (long long)spans->at[i].lo, (long long)spans->at[i].hi);
    printf("\n");
}

static void add_spans(struct trial *t, const struct walk_spans *spans)
{
    for (size_t i = 0; i < spans->n; i++) {
        const struct walk_span *s = &spans->at[i];
        check_span(t, s);
        coverage_add(t->coverage, &(struct store_span){.lo = s->lo,
                                                       .hi = s->hi,
                                                       .gap = s->gap,
                                                       .grade = s->grade,
                                                       .reason = s->reason,
                                                       .at = t->relay->now});
    }
}

/* One question and its answer. */
static void step(struct trial *t, struct walk *w, const struct walk_ask *ask)
{
    struct walk_page page;
    struct walk_spans spans;

    sim_relay_answer(t->relay, ask, &page);
    if (t->asked_first < 0)
        t->asked_first = page.asked_at;
    for (size_t i = 0; i < page.events_n; i++)
        if (page.events[i].kind <= 40000)
            fetched_add(t->fetched, page.events[i].fingerprint);
    t->answered += page.how == SETTLE_EOSE || page.refused;
    walk_answer(w, &page, &spans);
    if (t->verbose)
        print_step(ask, &page, &spans);
    add_spans(t, &spans);
}

/* Walks [lo, hi] to its end, or until it is interrupted (false). */
static bool run_walk(struct trial *t, int64_t lo, int64_t hi)
{
    struct walk_kinds kinds = {0};
    struct walk_ask ask;
    enum walk_state state;
    unsigned retries = 0;

    kinds.known = sim_known_kinds(&kinds.known_n);
    t->answered = 0;
    t->asked_first = -1;
    struct walk *w = walk_start(lo, hi, t->page, &t->traits, &kinds);
    while ((state = walk_next(w, &ask)) == WALK_ASK || state == WALK_RETRY) {
        if (state == WALK_RETRY) {
            if (++retries > 100000)
                break;
            continue;
        }
        step(t, w, &ask);
        if (t->answered > 200000 || t->why[0] ||
            (t->interrupt && sim_between(&t->random, 0, 99) < t->interrupt))
            break;
    }
    t->gave_up |= state == WALK_GIVEN_UP;
    if (t->relay->bad_ask)
        fail_trial(t, "a question that must not be asked", ask.since, ask.until);
    walk_free(w);
    return state == WALK_DONE || state == WALK_GIVEN_UP;
}

/* Does the coverage account for every second of [lo, hi], proven or declared? */
static void check_accounted(struct trial *t, int64_t lo, int64_t hi)
{
    struct coverage_query q = {.lo = lo, .hi = hi, .now = t->relay->now, .gap_retry_s = 1 << 30};
    int64_t from, to;

    if (coverage_next(t->coverage, &q, &from, &to))
        fail_trial(t, "neither proven nor declared", from, to);
}

static void check_requests(struct trial *t)
{
    const struct sim_config *c = &t->relay->config;
    uint32_t cap = c->cap && c->cap < (size_t)t->page ? (uint32_t)c->cap : (uint32_t)t->page;
    uint64_t max = walk_requests_max(t->relay->n, cap, sim_relay_bursts(t->relay));

    if (c->faults || c->dead || c->noise || c->duplicates) /* halved pages, doubts */
        max *= 8;
    if (t->answered > max)
        fail_trial(t, "too many questions", (int64_t)t->answered, (int64_t)max);
}

static void trial_start(struct trial *t, const struct sim_config *config, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    t->seed = seed;
    t->page = 500;
    t->random = seed + 77;
    t->relay = sim_relay_new(config, seed);
    t->coverage = coverage_new();
    t->fetched = calloc(1, sizeof(*t->fetched));
    assert_non_null(t->fetched);
    t->traits.restricts = config->flagged;
}

static void trial_end(struct trial *t)
{
    sim_relay_free(t->relay);
    coverage_free(t->coverage);
    free(t->fetched);
}

/* Visits from now on: news above the proven top, with an overlap, as the daemon does. */
static void visit_again(struct trial *t)
{
    for (int i = 0; i < 3 && !t->why[0]; i++) {
        int64_t top = coverage_top(t->coverage);
        t->relay->now += 3600;
        if (top >= 7200)
            run_walk(t, top - 7200, INT64_MAX);
    }
}

/* Interrupted again and again: goes on from what coverage says is missing. */
static void run_resumed(struct trial *t)
{
    int64_t lo, hi;

    for (int visits = 0; visits < 400 && !t->why[0]; visits++) {
        struct coverage_query q = {.hi = INT64_MAX, .now = t->relay->now, .gap_retry_s = 1 << 30};
        if (visits > 0 && coverage_top(t->coverage) >= 0)
            q.hi = coverage_top(t->coverage);
        if (!coverage_next(t->coverage, &q, &lo, &hi))
            return;
        if (visits > 200)
            t->interrupt = INTERRUPT_NEVER;
        run_walk(t, lo, hi);
    }
}

static bool run_seed(uint64_t seed, bool verbose)
{
    struct sim_config config;
    struct trial t;

    sim_config_random(&config, seed);
    trial_start(&t, &config, seed);
    t.verbose = verbose;
    if (verbose)
        sim_config_print(&config);
    if (seed % 4 == 3) {
        t.interrupt = (int)sim_between(&t.random, 3, 40);
        run_resumed(&t);
        t.interrupt = INTERRUPT_NEVER;
    } else {
        run_walk(&t, 0, INT64_MAX);
        check_accounted(&t, 0, t.asked_first - 1);
        check_requests(&t);
    }
    visit_again(&t);
    if (t.why[0]) {
        printf("seed %llu: %s; replay with --seed %llu\n", (unsigned long long)seed, t.why,
               (unsigned long long)seed);
        sim_config_print(&config);
    }
    bool ok = !t.why[0];
    trial_end(&t);
    return ok;
}

static uint64_t run_seeds(uint64_t from, uint64_t n)
{
    uint64_t failed = 0;

    for (uint64_t seed = from; seed < from + n; seed++)
        failed += !run_seed(seed, false);
    return failed;
}

static void test_seeds_that_failed_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(once_failed) / sizeof(once_failed[0]); i++)
        assert_true(run_seed(once_failed[i], false));
}

static void test_no_event_is_lost_undeclared(void **state)
{
    (void)state;
    assert_int_equal(run_seeds(1, SEEDS), 0);
}

static int by_hand(int argc, char **argv)
{
    uint64_t n = strtoull(argv[2], NULL, 10);

    if (strcmp(argv[1], "--seed") == 0)
        return !run_seed(n, true);
    uint64_t failed = run_seeds(argc > 3 ? strtoull(argv[3], NULL, 10) : 1, n);
    printf("%llu seeds, %llu failed\n", (unsigned long long)n, (unsigned long long)failed);
    return failed != 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_that_failed_once),
        cmocka_unit_test(test_no_event_is_lost_undeclared),
    };

    if (argc > 2)
        return by_hand(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
