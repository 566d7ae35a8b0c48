/* How many events a relay holds, from a few of its pages: relays of every shape, by halves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/plan/estimate.h"

enum { DAY = 86400, PAGE = 100 };
static const int64_t NOW = 1700000000, BEGIN = 1577836800;

/* A relay: its events' times, oldest first. */
struct relay {
    int64_t *at;
    size_t n;
    uint32_t cap;
    uint32_t asked;
};

static uint64_t state = 88172645463325252ull;
static double lot(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

static int up(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static struct relay make(size_t n, int64_t from, int64_t to, double bend)
{
    struct relay r = {.at = malloc((n + 1) * sizeof(int64_t)), .n = n, .cap = 500};

    assert_non_null(r.at);
    for (size_t i = 0; i < n; i++)
        r.at[i] = from + (int64_t)((double)(to - from) * pow(lot(), bend));
    qsort(r.at, n, sizeof(*r.at), up);
    return r;
}

static void add(struct relay *r, size_t n, int64_t from, int64_t to)
{
    r->at = realloc(r->at, (r->n + n) * sizeof(int64_t));
    assert_non_null(r->at);
    for (size_t i = 0; i < n; i++)
        r->at[r->n + i] = from + (int64_t)((double)(to - from) * lot());
    r->n += n;
    qsort(r->at, r->n, sizeof(*r->at), up);
}

static struct id32 id_of(size_t i)
{
    struct id32 id = {{0}};

    memcpy(id.b, &i, sizeof(i));
    return id;
}

/* One in ten of what is old, all of the rest. */
static int64_t old;
static bool is_wanted(size_t i, int64_t at)
{
    return at > old || i % 10 == 0;
}

/* Of a relay that counts only a few pages are asked for. */
static uint32_t pages_max = ESTIMATE_PAGES_MAX;

static struct estimate *ask(struct relay *r)
{
    struct estimate *e = estimate_new(BEGIN, NOW, PAGE);
    int64_t until = 0;

    while (r->asked < pages_max && estimate_next(e, &until)) {
        uint32_t sent = 0;

        assert_in_range(++r->asked, 1, ESTIMATE_PAGES_MAX);
        for (size_t i = r->n; i-- > 0 && sent < PAGE && sent < r->cap;)
            if (r->at[i] <= until) {
                struct id32 id = id_of(i);
                estimate_add(e, &id, r->at[i], is_wanted(i, r->at[i]));
                estimate_add(e, &id, r->at[i],
                             is_wanted(i, r->at[i])); /* a relay may repeat itself */
                sent++;
            }
        estimate_end(e, until);
    }
    return e;
}

static struct estimate_result estimated(struct relay r)
{
    struct estimate *e = ask(&r);
    struct estimate_result found;

    estimate_result(e, &found);
    estimate_free(e);
    free(r.at);
    return found;
}

static void about(struct relay r, double factor)
{
    double n = (double)r.n;
    struct estimate_result found = estimated(r);

    if (found.events > n * factor || found.events < n / factor)
        fail_msg("%.0f (%.0f to %.0f) instead of %.0f", found.events, found.low, found.high, n);
    assert_true(found.low <= found.events && found.events <= found.high);
}

static void exactly(struct relay r)
{
    double n = (double)r.n;
    struct estimate_result found = estimated(r);

    assert_float_equal(found.events, n, 0);
    assert_float_equal(found.low, found.high, 0);
}

static void test_shapes(void **unused)
{
    (void)unused;
    about(make(100000, BEGIN + DAY, NOW, 1), 1.3);                /* even */
    about(make(100000, NOW - 400 * DAY, NOW, 0.3), 1.5);          /* growing */
    about(make(50000, NOW - 20 * DAY, NOW, 1), 1.5);              /* kept for three weeks only */
    about(make(100000, NOW - 1500 * DAY, NOW - 900 * DAY, 2), 2); /* asleep for years */
    struct relay burst = make(50000, NOW - 800 * DAY, NOW, 1);
    add(&burst, 3000, NOW - 3, NOW); /* hundreds a second when it is asked */
    about(burst, 2);
}

static void test_caps(void **unused)
{
    struct relay few = make(30000, NOW - 600 * DAY, NOW, 1);

    (void)unused;
    few.cap = 20; /* smaller pages than asked for are no proof of the end */
    about(few, 2);
}

static void test_small_relays_are_counted(void **unused)
{
    struct relay page = make(20, NOW - 300 * DAY, NOW, 1);

    (void)unused;
    exactly(make(0, BEGIN, NOW, 1));
    exactly(make(1, BEGIN, NOW, 1));
    exactly(make(99, NOW - 300 * DAY, NOW, 1));
    about(make(150, NOW - 300 * DAY, NOW, 1), 1.03);
    page.cap = 20;
    exactly(page);
    exactly(
        make(50, BEGIN - 90 * DAY, NOW + 90 * DAY, 1)); /* older than Nostr, and of the future */
}

static void test_a_window_is_exact(void **unused)
{
    struct relay r = make(5000, NOW - 100 * DAY, NOW, 1);
    struct estimate *e = ask(&r);
    struct estimate_window w;

    (void)unused;
    for (uint32_t nth = 0; nth < 2; nth++) {
        uint32_t n = 0;

        assert_true(estimate_window(e, nth, &w));
        for (size_t i = 0; i < r.n; i++)
            n += r.at[i] > w.from && r.at[i] <= w.to;
        assert_int_equal(w.events, n);
    }
    assert_false(estimate_window(e, ESTIMATE_PAGES_MAX, &w));
    estimate_free(e);
    free(r.at);
}

/* What is drawn stands for all: as many of each half as the relay has there. */
static void test_lots(void **unused)
{
    struct relay r = make(40000, NOW - 400 * DAY, NOW - 200 * DAY, 1);
    uint32_t newer = 0;

    (void)unused;
    add(&r, 10000, NOW - 200 * DAY, NOW);
    struct estimate *e = ask(&r);
    for (int i = 0; i < 1000; i++) {
        const struct id32 *id = estimate_draw(e, i / 1000.0);
        size_t k;

        memcpy(&k, id->b, sizeof(k));
        newer += r.at[k] > NOW - 200 * DAY;
    }
    assert_in_range(newer, 120, 300); /* 200 of 1000 */
    estimate_free(e);
    free(r.at);
    e = estimate_new(BEGIN, NOW, PAGE);
    assert_null(estimate_draw(e, 0.5));
    estimate_free(e);
}

/* What part is wanted, where that is another one before a second than after it. */
static void test_what_is_wanted(void **unused)
{
    static const struct {
        double bend;
        int64_t days;
        uint32_t pages;
    } rows[] = {{1, 30, 16},  {1, 200, 16}, {0.3, 90, 16}, {2, 250, 16}, {1, 3, 16},
                {1, 500, 16}, {1, 90, 4},   {0.3, 90, 4},  {0.1, 60, 4}, {0.1, 200, 4}};

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct relay r = make(40000, NOW - 400 * DAY, NOW, rows[i].bend);
        double wanted = 0;

        old = NOW - rows[i].days * DAY;
        pages_max = rows[i].pages;
        for (size_t k = 0; k < r.n; k++)
            wanted += is_wanted(k, r.at[k]);
        struct estimate *e = ask(&r);
        double share = estimate_wanted(e, &old, 1), real = wanted / (double)r.n;
        if (share > real * 1.3 || share < real / 1.3)
            fail_msg("row %zu: %.3f instead of %.3f", i, share, real);
        estimate_free(e);
        free(r.at);
    }
    pages_max = ESTIMATE_PAGES_MAX;
    old = 0;
    struct estimate *e = estimate_new(BEGIN, NOW, PAGE);
    estimate_end(e, INT64_MAX);
    assert_float_equal(estimate_wanted(e, NULL, 0), 0, 0);
    estimate_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_small_relays_are_counted),
        cmocka_unit_test(test_a_window_is_exact),
        cmocka_unit_test(test_lots),
        cmocka_unit_test(test_what_is_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
