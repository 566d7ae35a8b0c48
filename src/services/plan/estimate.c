/* estimate: see estimate.h. */
#include "services/plan/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double enough = 0.02; /* in doubt, of all */
static const double unseen = 0.1;  /* of a span whose ends agree, in doubt all the same */
static const double half_of = 0.5; /* of a span at whose other end is nothing */

struct seen {
    struct id32 id;
    int64_t at;
    bool wanted;
};

/* What one page, or several that touch each other, have shown completely. */
struct stretch {
    int64_t lo, hi;
    uint32_t n;
    bool last; /* there is nothing below */
};

struct page {
    int64_t hi, lo; /* lo: of its oldest event */
    uint32_t n;
};

struct estimate {
    int64_t lo, now;
    uint32_t page;
    struct page pages[ESTIMATE_PAGES_MAX];
    uint32_t pages_n, page_max;
    struct seen *seen; /* distinct, newest first; behind them those of the open page */
    size_t seen_n, open_n, room;
};

struct estimate *estimate_new(int64_t lo, int64_t now, uint32_t page)
{
    struct estimate *e = calloc(1, sizeof(*e));

    if (e == NULL)
        abort();
    e->lo = lo;
    e->now = now;
    e->page = page;
    return e;
}

void estimate_free(struct estimate *e)
{
    if (e == NULL)
        return;
    free(e->seen);
    free(e);
}

/* ---- pages ---- */

void estimate_add(struct estimate *e, const struct id32 *id, int64_t created_at, bool wanted)
{
    if (e->seen_n + e->open_n == e->room) {
        e->room = e->room == 0 ? 256 : 2 * e->room;
        e->seen = realloc(e->seen, e->room * sizeof(*e->seen));
        if (e->seen == NULL)
            abort();
    }
    e->seen[e->seen_n + e->open_n++] = (struct seen){.id = *id, .at = created_at, .wanted = wanted};
}

static int newest_first(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;

    return x->at != y->at ? (x->at < y->at) - (x->at > y->at)
                          : memcmp(x->id.b, y->id.b, sizeof(x->id.b));
}

/* Sorts them and leaves each once; returns how many are left. */
static size_t distinct(struct seen *at, size_t n)
{
    size_t kept = 0;

    if (n > 0)
        qsort(at, n, sizeof(*at), newest_first);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || newest_first(&at[kept - 1], &at[i]) != 0)
            at[kept++] = at[i];
    return kept;
}

void estimate_end(struct estimate *e, int64_t until)
{
    struct seen *open = e->seen + e->seen_n;
    size_t n = distinct(open, e->open_n);
    struct page page = {.hi = until < e->now ? until : e->now, .lo = e->lo, .n = (uint32_t)n};

    e->open_n = 0;
    if (e->pages_n == ESTIMATE_PAGES_MAX)
        return;
    if (n > 0) {
        page.lo = open[n - 1].at < page.hi ? open[n - 1].at : page.hi;
        e->seen_n = distinct(e->seen, e->seen_n + n);
    }
    if (page.n > e->page_max)
        e->page_max = page.n;
    uint32_t at = e->pages_n++;
    for (; at > 0 && e->pages[at - 1].hi < page.hi; at--)
        e->pages[at] = e->pages[at - 1];
    e->pages[at] = page;
}

/* ---- what they show ---- */

/* Fewer than the relay has sent at once: there were no more. */
static bool is_last(const struct estimate *e, const struct page *p)
{
    return p->n == 0 || (p->n < e->page_max && p->n < e->page);
}

static uint32_t seen_within(const struct estimate *e, int64_t lo, int64_t hi)
{
    uint32_t n = 0;

    for (size_t i = 0; i < e->seen_n; i++)
        n += e->seen[i].at >= lo && (e->seen[i].at <= hi || hi >= e->now);
    return n;
}

/* Newest first. */
static uint32_t stretches(const struct estimate *e, struct stretch at[ESTIMATE_PAGES_MAX])
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < e->pages_n; i++) {
        const struct page *p = &e->pages[i];
        struct stretch *s = n > 0 ? &at[n - 1] : NULL;

        if (s != NULL && s->last)
            break;
        if (s == NULL || p->hi < s->lo - 1)
            at[n++] = (struct stretch){.hi = p->hi, .lo = p->lo, .last = is_last(e, p)};
        else {
            s->lo = p->lo < s->lo ? p->lo : s->lo;
            s->last = is_last(e, p);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (at[i].last && at[i].lo > e->lo)
            at[i].lo = e->lo;
        at[i].n = seen_within(e, at[i].last ? INT64_MIN : at[i].lo, at[i].hi);
    }
    return n;
}

/* Events a second; of what is the last from its oldest event on, and at its lower end nothing. */
static double density(const struct estimate *e, const struct stretch *s)
{
    int64_t lo = s->lo;

    if (s->n == 0)
        return 0;
    if (s->last)
        for (size_t i = 0; i < e->seen_n; i++)
            if (e->seen[i].at <= s->hi)
                lo = e->seen[i].at;
    return (double)s->n / (double)(s->hi > lo ? s->hi - lo : 1);
}

static double between(double a, double b)
{
    if (a <= 0 || b <= 0)
        return half_of * (a > b ? a : b);
    return fabs(a - b) < 1e-3 * a ? a : (a - b) / log(a / b);
}

/* What lies below a stretch and was not seen. */
struct gap {
    int64_t lo, hi;      /* both not seen */
    double above, below; /* how dense it is beside it */
    double events, low, high;
};

static bool gap_below(const struct estimate *e, const struct stretch *at, uint32_t n, uint32_t i,
                      struct gap *out)
{
    if (at[i].last)
        return false;
    out->hi = at[i].lo - 1;
    out->lo = i + 1 < n ? at[i + 1].hi + 1 : e->lo;
    if (out->hi < out->lo)
        return false;
    out->above = density(e, &at[i]);
    out->below = i + 1 < n ? density(e, &at[i + 1]) : 0;
    double seconds = (double)(out->hi - out->lo + 1);
    out->events = seconds * between(out->above, out->below);
    out->low = seconds * (out->above < out->below ? out->above : out->below);
    out->high = seconds * (out->above > out->below ? out->above : out->below);
    return true;
}

void estimate_result(const struct estimate *e, struct estimate_result *out)
{
    struct stretch at[ESTIMATE_PAGES_MAX];
    uint32_t n = stretches(e, at);
    struct gap gap;

    *out = (struct estimate_result){
        .pages = e->pages_n, .seen = (uint32_t)e->seen_n, .page_max = e->page_max};
    for (uint32_t i = 0; i < n; i++) {
        out->events += at[i].n;
        out->low += at[i].n;
        out->high += at[i].n;
        if (!gap_below(e, at, n, i, &gap))
            continue;
        out->events += gap.events;
        out->low += gap.low;
        out->high += gap.high;
    }
}

bool estimate_next(const struct estimate *e, int64_t *until)
{
    struct stretch at[ESTIMATE_PAGES_MAX];
    uint32_t n = stretches(e, at);
    struct estimate_result all;
    struct gap gap;
    double most = 0;

    if (e->pages_n == 0) {
        *until = INT64_MAX;
        return true;
    }
    if (e->pages_n == ESTIMATE_PAGES_MAX)
        return false;
    estimate_result(e, &all);
    for (uint32_t i = 0; i < n; i++) {
        if (!gap_below(e, at, n, i, &gap))
            continue;
        double doubt = (gap.high - gap.low) / 2 + unseen * gap.events;
        if (doubt <= most)
            continue;
        most = doubt;
        *until = gap.lo + (gap.hi - gap.lo) / 2;
    }
    if (e->pages_n == 1 && most > 0 && e->pages[0].n < e->page)
        *until = e->pages[0].lo - 1; /* all that there is, or all that it sends at once? */
    return most > enough * all.events;
}

bool estimate_window(const struct estimate *e, uint32_t nth, struct estimate_window *out)
{
    if (nth >= e->pages_n || e->pages[nth].n < 2)
        return false;
    out->from = e->pages[nth].lo; /* of its oldest second a page may have left something out */
    out->to = e->pages[nth].hi;
    out->events = 0;
    for (size_t i = 0; i < e->seen_n; i++)
        out->events += e->seen[i].at > out->from && e->seen[i].at <= out->to;
    return out->events > 0;
}

/* ---- what is wanted ---- */

/* Of a gap, what lies in the lowest part `x` of its time: the integral of what between() is the
 * mean of. */
static double gap_upto(const struct gap *gap, double x)
{
    double seconds = (double)(gap->hi - gap->lo + 1);

    if (gap->below <= 0)
        return gap->events * x * x;
    if (gap->above <= 0)
        return gap->events * (1 - (1 - x) * (1 - x));
    double r = gap->above / gap->below;
    if (fabs(r - 1) < 1e-3)
        return gap->events * x;
    return seconds * gap->below * (pow(r, x) - 1) / log(r);
}

static double events_upto(const struct estimate *e, int64_t second)
{
    struct stretch at[ESTIMATE_PAGES_MAX];
    uint32_t n = stretches(e, at);
    double events = 0;
    struct gap gap;

    for (size_t i = 0; i < e->seen_n; i++)
        events += e->seen[i].at <= second;
    for (uint32_t i = 0; i < n; i++) {
        if (!gap_below(e, at, n, i, &gap) || gap.lo > second)
            continue;
        events +=
            gap.hi <= second
                ? gap.events
                : gap_upto(&gap, (double)(second - gap.lo + 1) / (double)(gap.hi - gap.lo + 1));
    }
    return events;
}

/* Of what was seen in (after, upto]; of a span in which nothing was, `otherwise`. */
static double wanted_of(const struct estimate *e, int64_t after, int64_t upto, double otherwise)
{
    uint32_t seen = 0, wanted = 0;

    for (size_t i = 0; i < e->seen_n; i++)
        if (e->seen[i].at > after && e->seen[i].at <= upto) {
            seen++;
            wanted += e->seen[i].wanted;
        }
    return seen > 0 ? (double)wanted / seen : otherwise;
}

double estimate_wanted(const struct estimate *e, const int64_t *ends, size_t n)
{
    double all = wanted_of(e, INT64_MIN, INT64_MAX, 0), wanted = 0, before = 0;
    int64_t after = INT64_MIN;

    for (size_t i = 0; i <= n; i++) {
        int64_t upto = i < n ? ends[i] : INT64_MAX;
        double events = events_upto(e, upto);

        wanted += (events - before) * wanted_of(e, after, upto, all);
        before = events;
        after = upto;
    }
    return before > 0 ? wanted / before : 0;
}

/* ---- a lot ---- */

/* What each stretch stands for: itself, and what was not seen next to it.  Returns the sum. */
static double weigh(const struct estimate *e, const struct stretch *at, uint32_t n, double *weight)
{
    double all = 0;
    struct gap gap;

    for (uint32_t i = 0; i < n; i++)
        weight[i] = at[i].n;
    for (uint32_t i = 0; i < n; i++) {
        bool shared = i + 1 < n && at[i + 1].n > 0;

        if (!gap_below(e, at, n, i, &gap))
            continue;
        weight[i] += shared ? half_of * gap.events : gap.events;
        if (shared)
            weight[i + 1] += half_of * gap.events;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (at[i].n == 0)
            weight[i] = 0;
        all += weight[i];
    }
    return all;
}

static const struct id32 *nth_from(const struct estimate *e, int64_t hi, uint32_t nth)
{
    for (size_t i = 0; i < e->seen_n; i++)
        if ((e->seen[i].at <= hi || hi >= e->now) && nth-- == 0)
            return &e->seen[i].id;
    return NULL;
}

const struct id32 *estimate_draw(const struct estimate *e, double lot)
{
    struct stretch at[ESTIMATE_PAGES_MAX];
    uint32_t n = stretches(e, at);
    double weight[ESTIMATE_PAGES_MAX], rest = lot * weigh(e, at, n, weight);

    for (uint32_t i = 0; i < n; i++) {
        if (rest < weight[i])
            return nth_from(e, at[i].hi, (uint32_t)(rest / weight[i] * at[i].n));
        rest -= weight[i];
    }
    return e->seen_n > 0 ? &e->seen[0].id : NULL;
}
