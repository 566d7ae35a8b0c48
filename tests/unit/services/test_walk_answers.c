/* The walk and single answers: failures, refusals, a filter's own kinds, and the text of what has
 * been learnt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/walk/walk.h"

#define NOW 1760000000

static void test_failures_are_repeated_then_declared(void **state)
{
    struct walk_traits traits = {0};
    const struct walk_kinds kinds = {0};
    const struct walk_page timeout = {.how = SETTLE_TIMEOUT, .asked_at = NOW};
    struct walk_spans spans;
    struct walk_ask ask;

    (void)state;
    struct walk *w = walk_start(1000, INT64_MAX, 400, &traits, &kinds);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(walk_next(w, &ask), WALK_ASK);
        assert_int_equal(ask.limit, 400 >> i);
        assert_int_equal(ask.since, 1000);
        assert_int_equal(ask.until, -1);
        walk_answer(w, &timeout, &spans);
        if (i < 3) {
            assert_int_equal(spans.n, 0);
            assert_int_equal(walk_next(w, &ask), WALK_RETRY);
        }
    }
    assert_int_equal(spans.n, 1);
    assert_true(spans.at[0].gap && spans.at[0].reason == GAP_TIMEOUT);
    assert_int_equal(spans.at[0].lo, 1000);
    assert_int_equal(spans.at[0].hi, NOW - 1);
    assert_int_equal(walk_next(w, &ask), WALK_GIVEN_UP);
    walk_free(w);
}

/* Asks until the end; what `answer` says of a question is its answer.  Returns the last span. */
static struct walk_span ask_all(struct walk *w,
                                void (*answer)(const struct walk_ask *ask, struct walk_page *page),
                                enum walk_state *end)
{
    struct walk_span last = {.lo = -1};
    struct walk_spans spans;
    struct walk_ask ask;

    while ((*end = walk_next(w, &ask)) == WALK_ASK || *end == WALK_RETRY) {
        struct walk_page page = {.how = SETTLE_EOSE, .asked_at = NOW};
        if (*end == WALK_RETRY)
            continue;
        answer(&ask, &page);
        walk_answer(w, &page, &spans);
        if (spans.n > 0)
            last = spans.at[spans.n - 1];
        assert_true(walk_requests(w) < 100);
    }
    return last;
}

static void refuse_all(const struct walk_ask *ask, struct walk_page *page)
{
    (void)ask;
    page->how = SETTLE_CLOSED;
    page->refused = true;
}

static void want_auth(const struct walk_ask *ask, struct walk_page *page)
{
    refuse_all(ask, page);
    page->auth = true;
}

/* Asks too fast: the question itself is good. */
static void slow_down(const struct walk_ask *ask, struct walk_page *page)
{
    refuse_all(ask, page);
    page->slow = true;
}

static void refuse_kinds(const struct walk_ask *ask, struct walk_page *page)
{
    static const struct walk_event event = {NOW - 1000, 7, 1, true};

    if (ask->n_kinds > 0) {
        refuse_all(ask, page);
    } else if (ask->since <= event.created_at &&
               (ask->until < 0 || ask->until >= event.created_at)) {
        page->events = &event;
        page->events_n = page->raw = 1;
    }
}

/* What a relay will not answer is asked in simpler forms, then declared with its reason. */
static void test_refusals_are_adapted_to_then_declared(void **state)
{
    const struct walk_kinds kinds = {0};
    struct walk_traits traits = {0}, shy = {0}, closed = {.restricts = true};
    struct walk_span span;
    enum walk_state end;

    (void)state;
    struct walk *w = walk_start(1000, INT64_MAX, 400, &traits, &kinds);
    assert_true(walk_reached(w) == INT64_MAX);
    span = ask_all(w, refuse_all, &end);
    assert_int_equal(end, WALK_GIVEN_UP);
    assert_true(span.gap && span.reason == GAP_REFUSED && span.lo == 1000);
    assert_int_equal(walk_requests(w), 6); /* without since, fewer events, by kind, fewer kinds */
    assert_int_equal(traits.page, 100);
    assert_int_equal(walk_reached(w), 999);
    walk_free(w);

    w = walk_start(1000, INT64_MAX, 400, &shy, &kinds);
    span = ask_all(w, want_auth, &end);
    assert_int_equal(end, WALK_GIVEN_UP);
    assert_true(span.gap && span.reason == GAP_AUTH && span.lo == 1000 && span.hi == NOW - 1);
    assert_int_equal(walk_requests(w), 1);
    walk_free(w);

    w = walk_start(0, NOW, 100, &closed, &kinds);
    span = ask_all(w, refuse_kinds, &end);
    assert_int_equal(end, WALK_GIVEN_UP); /* where it may hide, the kinds cannot be left out */
    assert_true(span.gap && span.reason == GAP_REFUSED);
    walk_free(w);
}

/* A relay that is asked too fast is asked the same again, and nothing bad is learnt of it. */
static void test_too_fast_is_no_refusal_of_the_question(void **state)
{
    const struct walk_kinds kinds = {0};
    const struct walk_page slow = {.how = SETTLE_CLOSED, .refused = true, .slow = true};
    const struct walk_page empty = {.how = SETTLE_EOSE, .asked_at = NOW};
    struct walk_traits traits = {0}, before = {0};
    struct walk_spans spans;
    struct walk_ask first, ask;
    enum walk_state end;

    (void)state;
    struct walk *w = walk_start(1000, INT64_MAX, 400, &traits, &kinds);
    assert_int_equal(walk_next(w, &first), WALK_ASK);
    for (int i = 0; i < 12; i++) {
        walk_answer(w, &slow, &spans);
        assert_int_equal(spans.n, 0);
        assert_int_equal(walk_next(w, &ask), WALK_ASK);
        assert_memory_equal(&ask, &first, sizeof(ask));
    }
    assert_memory_equal(&traits, &before, sizeof(traits));
    walk_answer(w, &empty, &spans); /* an answer, and patience begins anew */
    assert_int_equal(walk_next(w, &ask), WALK_ASK);
    for (int i = 0; i < 12; i++) {
        walk_answer(w, &slow, &spans);
        assert_int_equal(walk_next(w, &ask), WALK_ASK);
    }
    walk_free(w);

    w = walk_start(1000, INT64_MAX, 400, &traits, &kinds);
    struct walk_span span = ask_all(w, slow_down, &end);
    assert_int_equal(end, WALK_GIVEN_UP); /* it says so for ever: a gap, tried again another day */
    assert_true(span.gap && span.reason == GAP_REFUSED && span.lo == 1000);
    assert_int_equal(walk_requests(w), 13);
    assert_int_equal(traits.page, 0);
    assert_false(traits.scraper);
    walk_free(w);
}

/* "error:" says nothing of the form: the same once more, and only then another. */
static void fail_somehow(const struct walk_ask *ask, struct walk_page *page)
{
    refuse_all(ask, page);
    page->passing = true;
}

static void test_a_refusal_that_may_pass_is_asked_again_once(void **state)
{
    static const struct walk_event event = {NOW - 1000, 7, 1, true};
    const struct walk_kinds kinds = {0};
    const struct walk_page one = {
        .how = SETTLE_EOSE, .asked_at = NOW, .events = &event, .events_n = 1, .raw = 1};
    struct walk_page error = {.how = SETTLE_EOSE};
    struct walk_traits traits = {0}, before;
    struct walk_spans spans;
    struct walk_ask first, ask;
    enum walk_state end;

    (void)state;
    struct walk *w = walk_start(1000, INT64_MAX, 400, &traits, &kinds);
    fail_somehow(&first, &error);
    for (int i = 0; i < 2; i++) { /* an answer, and patience begins anew */
        assert_int_equal(walk_next(w, &first), WALK_ASK);
        before = traits;
        walk_answer(w, &error, &spans);
        assert_int_equal(walk_next(w, &ask), WALK_ASK);
        assert_memory_equal(&ask, &first, sizeof(ask));
        assert_memory_equal(&traits, &before, sizeof(traits));
        walk_answer(w, &one, &spans);
    }
    walk_free(w);

    w = walk_start(1000, INT64_MAX, 400, &traits, &kinds);
    (void)ask_all(w, fail_somehow, &end);
    assert_int_equal(end, WALK_GIVEN_UP);
    assert_in_range(walk_requests(w), 3, 7); /* as test_refusals_.., and one more */
    walk_free(w);
}

static void test_a_filters_own_kinds_are_always_asked(void **state)
{
    const int32_t only[] = {1059, 13};
    const struct walk_kinds kinds = {.only = only, .only_n = 2};
    struct walk_traits traits = {.restricts = true, .cap = 100};
    const struct walk_page empty = {.how = SETTLE_EOSE, .asked_at = NOW};
    struct walk_spans spans;
    struct walk_ask ask;

    (void)state;
    struct walk *w = walk_start(0, NOW, 100, &traits, &kinds);
    while (walk_next(w, &ask) == WALK_ASK) {
        assert_int_equal(ask.n_kinds, 2);
        assert_int_equal(ask.kinds[0], 1059);
        walk_answer(w, &empty, &spans);
    }
    walk_free(w);
}

static void test_traits_survive_their_text(void **state)
{
    struct walk_traits t = {.cap = 500,
                            .page = 250,
                            .newest_first = TRI_YES,
                            .honours_until = TRI_NO,
                            .restricts = true,
                            .scraper = true,
                            .pages = 4000000000u,
                            .served = {1, 7, 65535},
                            .served_n = 3},
                       back;
    char text[WALK_TRAITS_TEXT];

    (void)state;
    assert_true(walk_traits_write(&t, text, sizeof(text)) > 0);
    walk_traits_read(&back, text);
    assert_memory_equal(&t, &back, sizeof(t));
    assert_int_equal(walk_traits_write(&t, text, 20), -1);
    walk_traits_read(&back, "  cap=-5 page=x newest=9 nonsense served=1,2,x until=1 restricts=2");
    assert_int_equal(back.cap, 0);
    assert_int_equal(back.newest_first, TRI_UNKNOWN);
    assert_int_equal(back.served_n, 2);
    assert_int_equal(back.honours_until, TRI_YES);
    assert_false(back.restricts);
    for (uint32_t i = 0; i < WALK_SERVED_MAX; i++)
        t.served[i] = 65535;
    t.served_n = WALK_SERVED_MAX;
    assert_true(walk_traits_write(&t, text, sizeof(text)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_are_repeated_then_declared),
        cmocka_unit_test(test_refusals_are_adapted_to_then_declared),
        cmocka_unit_test(test_too_fast_is_no_refusal_of_the_question),
        cmocka_unit_test(test_a_refusal_that_may_pass_is_asked_again_once),
        cmocka_unit_test(test_a_filters_own_kinds_are_always_asked),
        cmocka_unit_test(test_traits_survive_their_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
