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

#include "services/walk/coverage.h"
#include "sim_relay.h"

/* Seeds that failed once, and why they may again. */
static const uint64_t once_failed[] = {
    33,       46,       110,      112,      128,       138,       155,      279,      402,
    512,      535,      636,      658,      688,       785,       838,      862,      1038,
    1072,     1138,     1202,     1382,     1536,      1593,      1843,     2082,     2821,
    3093,     3619,     4111,     4163,     4595,      5415,      5786,     6030,     6280,
    7777,     7826,     9458,     12371,    17311,     18020,     19543,    27308,    37032,
    54392,    83232,    145542,   150197,   154104,    157887,    173926,   181125,   189526,
    302700,   419793,   1091118,  1096799,  8007525,   8037252,   13024447, 30214280, 30344799,
    50172374, 50816287, 60156173, 80630366, 900036550, 900042924, 900010045};

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
        /* A hidden kind among those that are asked for by name: no walk is safe from it
         * (PROTOCOL 2.2). */
        if (t->relay->config.hides_known &&
            (span->grade == GRADE_P1K || t->relay->config.order != SIM_NEWEST))
            continue;
        /* Kinds that nobody knows are only a matter of luck where kinds are hidden. */
        if (span->grade == GRADE_P1K && (t->traits.restricts || t->traits.scraper) &&
            (restricted(e->kind) || !sim_kind_known(e->kind)))
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
        if (!sim_noise(&page.events[i]))
            fetched_add(t->fetched, page.events[i].fingerprint);
    if (t->fetched->n > (1 << SET_BITS) / 2)
        fail_trial(t, "it runs away", (int64_t)t->answered, (int64_t)t->relay->n);
    t->answered += page.how == SETTLE_EOSE || (page.refused && !page.slow);
    walk_answer(w, &page, &spans);
    if (t->verbose)
        print_step(ask, &page, &spans);
    add_spans(t, &spans);
}

/* Walks [lo, hi] to its end, or until it is interrupted (false). */
static bool run_walk_for(struct trial *t, int64_t lo, int64_t hi, const struct walk_kinds *kinds)
{
    struct walk_ask ask;
    enum walk_state state;
    unsigned retries = 0;

    t->answered = 0;
    t->asked_first = -1;
    struct walk *w = walk_start(lo, hi, t->page, &t->traits, kinds);
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

static bool run_walk(struct trial *t, int64_t lo, int64_t hi)
{
    struct walk_kinds kinds = {0};

    kinds.known = sim_known_kinds(&kinds.known_n);
    return run_walk_for(t, lo, hi, &kinds);
}

/* Does the coverage account for every second of [lo, hi], proven or declared? */
static void check_accounted(struct trial *t, int64_t lo, int64_t hi)
{
    struct coverage_query q = {.lo = lo, .hi = hi, .now = t->relay->now, .gap_retry_s = 1 << 30};
    int64_t from, to;

    if (coverage_next(t->coverage, &q, &from, &to))
        fail_trial(t, "neither proven nor declared", from, to);
}

/* Newest first, pages that are not absurdly small, and no accidents: it may hide the usual kinds,
 * have busy seconds and news. */
static bool orderly(const struct sim_config *c)
{
    return c->order == SIM_NEWEST && (c->cap == 0 || c->cap >= 20) && !c->ignores_until &&
           !c->ignores_since && !c->ignores_limit && !c->refuses_since && !c->refuses_lists &&
           !c->needs_kinds && !c->faults && !c->dead && !c->noise && !c->duplicates &&
           !c->invalid && !c->flood && !c->hides_known;
}

static void check_requests(struct trial *t)
{
    const struct sim_config *c = &t->relay->config;
    uint32_t cap = c->cap && c->cap < (size_t)t->page ? (uint32_t)c->cap : (uint32_t)t->page;
    uint64_t bursts = sim_relay_bursts(t->relay, cap);
    uint64_t max = walk_requests_max(t->relay->n, cap, bursts);

    if (orderly(c))
        max = 12 * t->relay->n / (10 * (uint64_t)cap) +
              64 * (bursts + 1 + (c->inserts > 0) + (c->inserts > 0 && c->hidden_kinds > 0));
    if (c->faults || c->dead || c->noise || c->duplicates || c->invalid) /* halved pages, doubts */
        max *= cap < 20 ? 4 : 2;
    if (cap < 7) /* nearly every page lies in one second, which is asked for by kind */
        max *= 3;
    if (c->order != SIM_NEWEST) /* windows */
        max *= 3;
    if (c->ignores_since || c->refuses_since) /* windows of which it cannot be said that they are
                                                 not full */
        max *= 2;
    if (c->ignores_limit && c->order != SIM_NEWEST) /* windows that only seem full */
        max *= 2;
    if (cap < 20 && c->inserts) /* news fill a page between two looks: is it newest-first? */
        max *= 2;
    if (c->needs_kinds) /* windows, and each in two lists */
        max *= 2;
    if (c->refuses_lists) /* ten kinds at a time */
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
    t->traits.page_max = 5000;
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

static bool run_config(const struct sim_config *config, uint64_t seed, int32_t page, bool verbose)
{
    struct trial t;

    trial_start(&t, config, seed);
    t.page = page;
    t.verbose = verbose;
    if (verbose)
        sim_config_print(config);
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
        printf("seed %llu, pages of %d: %s; replay with --seed %llu\n", (unsigned long long)seed,
               page, t.why, (unsigned long long)seed);
        sim_config_print(config);
    }
    bool ok = !t.why[0];
    trial_end(&t);
    return ok;
}

/* Where seconds hold many, once more with pages that these fill although the relay would give more.
 */
static bool run_seed(uint64_t seed, bool verbose)
{
    static const int32_t small[] = {10, 25, 60, 100};
    struct sim_config config;

    sim_config_random(&config, seed);
    bool ok = run_config(&config, seed, 500, verbose);
    if (config.dense > 0)
        ok = run_config(&config, seed, small[seed % 4], verbose) && ok;
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

/* What a well-behaved relay costs: requests, and EVENT messages for each event. */
static void cost_of(size_t events, size_t cap, enum sim_order order, struct trial *t)
{
    const struct sim_config config = {.events = events, .cap = cap, .kinds = 7, .order = order};

    trial_start(t, &config, 5);
    assert_true(run_walk(t, 0, INT64_MAX));
    assert_string_equal(t->why, "");
    assert_int_equal(t->fetched->n, events);
}

static void test_a_first_walk_is_cheap(void **state)
{
    struct trial t;

    (void)state;
    cost_of(5000, 500, SIM_NEWEST, &t);
    assert_true(t.relay->sent * 100 < t.relay->n * 103);
    assert_true(t.relay->requests <= 12 * 5000 / (10 * 500) + 20);
    trial_end(&t);
    cost_of(15000, 500, SIM_NEWEST, &t);
    assert_true(t.relay->sent * 100 < t.relay->n * 103);
    assert_true(t.relay->requests <= 12 * 15000 / (10 * 500) + 20);
    trial_end(&t);
    cost_of(37, 500, SIM_NEWEST, &t);
    assert_true(t.relay->sent <= 37 + 4);
    assert_true(t.relay->requests <= 20);
    trial_end(&t);
    cost_of(0, 500, SIM_NEWEST, &t);
    assert_true(t.relay->requests <= 3 + 12);
    trial_end(&t);
    for (enum sim_order order = SIM_REVERSED; order <= SIM_OLDEST_DESC; order++) { /* windows */
        cost_of(5000, 500, order, &t);
        assert_true(t.relay->requests <= 60 && t.relay->sent <= 4 * t.relay->n);
        trial_end(&t);
    }
}

/* A relay that counts what it hides for the limit: EVENT messages for each event it shows, over
 * many such.  (A walk that knows from the start what is hidden needs 1.11.) */
static void test_a_relay_that_hides_is_read_once(void **state)
{
    static const size_t caps[] = {20, 50, 100, 300};
    uint64_t sent = 0, shown = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
            const struct sim_config config = {.events = 1500,
                                              .cap = caps[i],
                                              .kinds = 4,
                                              .hidden_kinds = 2,
                                              .flagged = seed % 2 == 0,
                                              .hidden_run = seed % 3 * 3 * caps[i]};
            struct trial t;
            trial_start(&t, &config, seed);
            assert_true(run_walk(&t, 0, INT64_MAX));
            assert_string_equal(t.why, "");
            sent += t.relay->sent;
            shown += t.fetched->n;
            trial_end(&t);
        }
    }
    assert_true(sent * 100 <= shown * 115);
}

static void test_news_are_cheap(void **state)
{
    struct trial t;

    (void)state;
    cost_of(5000, 500, SIM_NEWEST, &t);
    t.relay->now += INT64_C(24) * 3600; /* what the overlap re-reads is older than this */
    uint64_t sent = t.relay->sent, requests = t.relay->requests;
    int64_t top = coverage_top(t.coverage);
    assert_true(run_walk(&t, SIM_NOW + 3600, INT64_MAX)); /* nothing there */
    assert_true(t.relay->requests - requests <= 2);
    assert_int_equal(t.relay->sent, sent);
    assert_true(coverage_top(t.coverage) > top);
    requests = t.relay->requests;
    assert_true(run_walk(&t, SIM_NOW - 3600, INT64_MAX)); /* what is known already */
    assert_true(t.relay->requests - requests <= 3);
    assert_string_equal(t.why, "");
    trial_end(&t);
}

/* The same events through pages of any size, in one go or interrupted anywhere: the same archive,
 * and the same seconds accounted for. */
static void test_page_size_and_interruption_change_nothing(void **state)
{
    static const size_t caps[] = {1, 2, 7, 100, 500};

    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        for (size_t i = 0; i < 2 * sizeof(caps) / sizeof(caps[0]); i++) {
            const struct sim_config config = {.events = 300, .cap = caps[i / 2], .kinds = 7};
            struct trial t;
            trial_start(&t, &config, seed);
            if (i % 2) {
                t.interrupt = 10;
                run_resumed(&t);
            } else {
                assert_true(run_walk(&t, 0, INT64_MAX));
            }
            assert_string_equal(t.why, "");
            check_accounted(&t, 0, SIM_NOW - 1);
            assert_string_equal(t.why, "");
            assert_false(t.gave_up);
            if (caps[i / 2] > 2) /* smaller ones cannot show two of one kind in one second */
                assert_int_equal(t.fetched->n, 300);
            else
                assert_true(t.fetched->n >= 290);
            assert_true(coverage_share(t.coverage, 0, SIM_NOW - 1) == 1.0);
            trial_end(&t);
        }
    }
}

static void test_far_future_is_fetched_and_never_claimed(void **state)
{
    const struct sim_config config = {.events = 200, .cap = 50, .kinds = 3, .far_future = 120};
    struct trial t;

    (void)state;
    trial_start(&t, &config, 9);
    assert_true(run_walk(&t, 0, INT64_MAX));
    assert_string_equal(t.why, "");
    assert_int_equal(t.fetched->n, 320);
    assert_int_equal(coverage_top(t.coverage), SIM_NOW - 1);
    trial_end(&t);
}

static void test_until_ignored_declares_the_whole_axis(void **state)
{
    const struct sim_config config = {.events = 400, .cap = 50, .kinds = 3, .ignores_until = true};
    struct coverage_query q = {.lo = 0, .hi = INT64_MAX, .now = SIM_NOW, .gap_retry_s = 1 << 30};
    struct trial t;
    int64_t lo, hi;

    (void)state;
    trial_start(&t, &config, 3);
    assert_true(run_walk(&t, 0, INT64_MAX));
    assert_true(t.relay->requests <= 4);
    assert_int_equal(t.traits.honours_until, TRI_NO);
    assert_false(coverage_next(t.coverage, &q, &lo, &hi));
    trial_end(&t);
}

struct grades {
    unsigned n[GRADE__COUNT], gaps[GAP_REASON__COUNT];
};

static void count_grade(void *owner, const struct store_span *span)
{
    struct grades *g = owner;

    if (span->gap)
        g->gaps[span->reason]++;
    else
        g->n[span->grade]++;
}

static struct grades grades_of(const struct sim_config *config)
{
    struct grades g = {0};
    struct trial t;

    trial_start(&t, config, 11);
    assert_true(run_walk(&t, 0, INT64_MAX));
    check_accounted(&t, 0, SIM_NOW - 1);
    assert_string_equal(t.why, "");
    coverage_each(t.coverage, count_grade, &g);
    trial_end(&t);
    return g;
}

static void test_every_proof_has_its_grade(void **state)
{
    struct grades g;

    (void)state;
    g = grades_of(&(struct sim_config){.events = 400, .cap = 50, .kinds = 3});
    assert_true(g.n[GRADE_P1] > 0 && g.n[GRADE_H] == 0 && g.n[GRADE_P1K] == 0);
    g = grades_of(&(struct sim_config){.events = 400, .cap = 50, .kinds = 3, .unproven = true});
    assert_true(g.n[GRADE_P1] == 0 && g.n[GRADE_H] > 0); /* an EOSE that may not be ours */
    g = grades_of(&(struct sim_config){.events = 400, .cap = 50, .kinds = 3, .finishes = true});
    assert_true(g.n[GRADE_P2] > 0);
    g = grades_of(&(struct sim_config){
        .events = 400, .cap = 50, .kinds = 3, .flagged = true, .hidden_kinds = 1});
    assert_true(g.n[GRADE_P1] > 0 && g.n[GRADE_P1K] > 0 && g.n[GRADE_P2] == 0);
    g = grades_of(&(struct sim_config){
        .events = 100, .cap = 50, .kinds = 1, .dense = 1, .dense_events = 200});
    assert_int_equal(g.gaps[GAP_DENSE], 1); /* one kind, one second, more than a page */
    g = grades_of(&(struct sim_config){
        .events = 100, .cap = 50, .kinds = 7, .dense = 1, .dense_events = 120});
    assert_true(g.gaps[GAP_DENSE] == 0 &&
                g.n[GRADE_H] == 1); /* by kind, but of the kinds that are known */
}

/* One second with more events of one kind than a page: a relay that gives more when it is asked for
 * more is read to the end, and a little beyond, which is the proof. */
static void test_a_kind_that_fills_a_page_in_one_second(void **state)
{
    static const int32_t only[] = {1};
    static const struct {
        size_t cap, dense;
        int32_t page_max;
        bool all, proven;
        uint64_t sent_most; /* of 700 in all: what is asked for twice has its bound */
    } rows[] = {
        {5000, 300, 5000, true, true, 1300}, /* 50, 200, 800 */
        {5000, 120, 5000, true, true, 950},
        {5000, 300, 300, true, false, 1100}, /* are there more than we take at once? */
        {5000, 300, 304, true, true, 1100},
        {5000, 300, 0, false, false, 600}, /* no more than a page is allowed */
        {200, 300, 5000, false, false, 1000},
        {50, 300, 5000, false, false, 650},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sim_config config = {.events = 700, .cap = rows[i].cap, .kinds = 1};
        const struct walk_kinds kinds = {.only = only, .only_n = 1};
        struct grades g = {0};
        struct trial t;
        trial_start(&t, &config, 11);
        for (size_t k = 200; k < 200 + rows[i].dense; k++)
            t.relay->events[k].created_at = t.relay->events[200].created_at;
        t.page = 50;
        t.traits.page_max = rows[i].page_max;
        assert_true(run_walk_for(&t, 0, INT64_MAX, &kinds));
        check_accounted(&t, 0, SIM_NOW - 1);
        assert_string_equal(t.why, "");
        coverage_each(t.coverage, count_grade, &g);
        assert_int_equal(t.fetched->n == t.relay->n, rows[i].all);
        assert_int_equal(g.gaps[GAP_DENSE], !rows[i].proven);
        assert_int_equal(g.n[GRADE_H], 0); /* there is no other kind to ask for */
        assert_true(t.relay->sent <= rows[i].sent_most);
        trial_end(&t);
    }
}

/* Below a run that is hidden lie events of a kind that nobody asks for: found by searching, and
 * what is above them declared. */
static void test_a_hidden_run_is_declared(void **state)
{
    const struct sim_config config = {.events = 400, .cap = 50, .kinds = 1};
    struct grades g = {0};
    struct trial t;

    (void)state;
    trial_start(&t, &config, 11);
    for (size_t i = 0; i < 250; i++) {
        t.relay->events[i].kind = i < 100 ? 7777 : 4;
        t.relay->events[i].hidden = i >= 100;
    }
    assert_true(run_walk(&t, 0, INT64_MAX));
    check_accounted(&t, 0, SIM_NOW - 1);
    assert_string_equal(t.why, "");
    assert_true(t.traits.hides && t.traits.restricts);
    assert_int_equal(t.fetched->n, 250);
    coverage_each(t.coverage, count_grade, &g);
    assert_int_equal(g.gaps[GAP_HIDDEN], 1);
    trial_end(&t);
}

/* After so many searches below hidden runs the rest is declared. */
static void test_searches_have_an_end(void **state)
{
    const struct sim_config config = {.events = 400, .cap = 5, .kinds = 1};
    struct grades g = {0};
    struct trial t;

    (void)state;
    trial_start(&t, &config, 11);
    for (size_t i = 0; i < 400; i++) { /* kinds that nobody knows, each between hidden ones */
        t.relay->events[i].created_at = 100000 + (int64_t)i * 100000;
        t.relay->events[i].kind = i % 20 < 10 ? 4 : 7777 + (int32_t)i / 20;
        t.relay->events[i].hidden = i % 20 < 10;
    }
    assert_true(run_walk(&t, 0, INT64_MAX));
    check_accounted(&t, 0, SIM_NOW - 1);
    assert_string_equal(t.why, "");
    coverage_each(t.coverage, count_grade, &g);
    assert_true(g.gaps[GAP_HIDDEN] >= 8);
    assert_true(t.fetched->n >= 80 && t.fetched->n < 200);
    trial_end(&t);
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
        cmocka_unit_test(test_a_first_walk_is_cheap),
        cmocka_unit_test(test_a_relay_that_hides_is_read_once),
        cmocka_unit_test(test_news_are_cheap),
        cmocka_unit_test(test_page_size_and_interruption_change_nothing),
        cmocka_unit_test(test_far_future_is_fetched_and_never_claimed),
        cmocka_unit_test(test_until_ignored_declares_the_whole_axis),
        cmocka_unit_test(test_every_proof_has_its_grade),
        cmocka_unit_test(test_a_kind_that_fills_a_page_in_one_second),
        cmocka_unit_test(test_a_hidden_run_is_declared),
        cmocka_unit_test(test_searches_have_an_end),
    };

    if (argc > 2)
        return by_hand(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
