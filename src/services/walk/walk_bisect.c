/* Windows and seconds: what is complete whatever order the relay sends in.
 *
 * An answer with clearly fewer events than a page can hold holds them all.  A full window is cut
 * where half of what it showed lies on each side, so empty time costs nothing (three quarters where
 * the oldest come first: less is nearly a page, and more of it would be asked for again); a full
 * second is cut by kind; where one kind fills a page within one second, larger pages are asked for,
 * as far as the relay and our memory allow; what fills those too is a gap. */
#include "services/walk/walk_internal.h"

#define TIME_MAX (((int64_t)1 << 53) - 1) /* of created_at: what JSON numbers hold */

bool walk_bisects_kinds(const struct walk *w)
{
    return (w->traits->restricts || w->traits->scraper) && walk_chunks(w) > 0;
}

static enum grade bisect_grade(const struct walk *w)
{
    if (walk_bisects_kinds(w))
        return walk_kinds_grade(w);
    /* All of a very small page may have been hidden: then an empty window says nothing. */
    return w->traits->restricts || walk_cap(w) < CAP_PLAUSIBLE ? GRADE_H : GRADE_P1;
}

static void push_window(struct walk *w, int64_t lo, int64_t hi)
{
    if (lo > hi)
        return;
    walk_push(w, TASK_BISECT, lo, hi);
    walk_top(w)->chunk = 0;
}

/* A window of which the last page may have shown something.  It must show at least as much: when it
 * does not, something hidden has taken its place.  `all`: what the whole had to show, -1: not
 * known. */
static void push_part(struct walk *w, int64_t lo, int64_t hi, int64_t all)
{
    int64_t shown = 0;

    for (size_t i = 0; i < w->times_n; i++)
        shown += w->times[i] >= lo && w->times[i] <= hi;
    if (shown == (int64_t)w->times_n && all > shown)
        shown = all;
    push_window(w, lo, hi);
    if (lo <= hi && w->plain)
        walk_top(w)->at = shown;
}

/* Begins again, in windows.  All of the walk: what pages have shown so far proves nothing here. */
void walk_to_bisect(struct walk *w)
{
    if (!w->traits->scraper)
        w->traits->newest_first = TRI_NO;
    walk_windows(w);
}

void walk_windows(struct walk *w)
{
    w->depth = 0;
    walk_kinds_order(w, false);
    if (w->hi != INT64_MAX) {
        push_part(w, w->lo, w->hi, -1);
        return;
    }
    int64_t hi = w->asked_first > w->lo ? w->asked_first : w->lo;
    push_part(w, w->lo, hi, -1);
    walk_push(w, TASK_CEILING, hi + 1, INT64_MAX);
    walk_top(w)->chunk = 0;
}

/* Open above: is there anything beyond?  Events of the far future are fetched, never claimed. */
void walk_ceiling_answer(struct walk *w, const struct facts *f)
{
    struct task *t = walk_top(w);
    int64_t from = t->lo;

    if (f->in == 0) {
        if (!walk_bisects_kinds(w) || ++t->chunk >= walk_chunks(w))
            walk_pop(w);
        return;
    }
    int64_t hi = from > TIME_MAX / 2 ? TIME_MAX : from * 2;
    if (f->max > hi)
        hi = f->max;
    walk_pop(w);
    push_window(w, from, hi);
    if (hi < TIME_MAX) {
        walk_push(w, TASK_CEILING, hi + 1, INT64_MAX);
        walk_top(w)->chunk = 0;
    }
}

/* Where to cut [lo, hi], lo < hi: the first part is [lo, cut].  `times` are what it showed. */
static int64_t cut_at(const struct walk *w, int64_t lo, int64_t hi, const struct facts *f)
{
    int64_t middle = lo + (hi - lo) / 2;

    if (w->times_n == 0 || w->depth > STACK_MAX / 2)
        return middle;
    int64_t min = w->times[0], max = w->times[w->times_n - 1];
    if (min == max)
        return min == hi ? min - 1 : min;
    if (f->ascending && !f->sorted) { /* the oldest, in order: so many fit, clearly */
        int64_t most = w->times[(w->times_n - 1) * 3 / 4];
        return most == max ? max - 1 : most;
    }
    int64_t median = w->times[(w->times_n - 1) / 2];
    return median == max ? max - 1 : median;
}

static void split(struct walk *w, const struct facts *f)
{
    struct task t = *walk_top(w);
    int64_t cut = cut_at(w, t.lo, t.hi, f);

    walk_pop(w);
    if (f->ascending && !f->sorted) { /* the first part is less than a page: done next, so that the
                                         stack stays low */
        push_part(w, cut + 1, t.hi, t.at);
        push_part(w, t.lo, cut, t.at);
    } else {
        push_part(w, t.lo, cut, t.at);
        push_part(w, cut + 1, t.hi, t.at);
    }
}

void walk_bisect_answer(struct walk *w, const struct facts *f)
{
    struct task *t = walk_top(w);

    if (walk_ignores_until(w, f)) {
        walk_unpageable(w, GAP_IGNORES_UNTIL);
        return;
    }
    if (f->full && f->below > 3 * f->in + NOISE_MAX) {
        walk_unpageable(w,
                        GAP_UNSORTED); /* neither the newest first, nor where they are asked for */
        return;
    }
    if (walk_bisects_kinds(w) && f->in > 0 && walk_chunk(w, t->chunk).from >= w->served_n) {
        walk_kinds_order(
            w,
            false); /* kinds that came for the first time: now nothing hidden competes with them */
        t->chunk = 0;
        if (!f->near)
            return;
    }
    bool near = f->near || (!walk_bisects_kinds(w) && f->in > 0 && (int64_t)f->in < t->at);
    if (near && t->lo == t->hi) {
        int64_t second = t->lo;
        walk_pop(w);
        walk_second_start(w, second);
    } else if (near) {
        split(w, f);
    } else if (!walk_bisects_kinds(w) || ++t->chunk >= walk_chunks(w)) {
        walk_prove(w, t->lo, t->hi, bisect_grade(w));
        walk_pop(w);
    }
}

/* More came than we are ready to take: windows from now on.  What came tells where to cut. */
void walk_bisect_flood(struct walk *w, const struct facts *f)
{
    struct task t = *walk_top(w);
    int64_t hi = t.hi;

    if (t.lo == t.hi || w->times_n == 0) {
        walk_gap(w, t.lo, t.hi, GAP_TOO_LARGE);
        walk_pop(w);
        return;
    }
    if (t.type == TASK_CURSOR) {
        walk_kinds_order(w, false);
        if (hi == INT64_MAX) {
            hi = w->times[w->times_n - 1] > w->asked_first ? w->times[w->times_n - 1]
                                                           : w->asked_first;
            w->depth = 0;
            walk_push(w, TASK_CEILING, hi + 1, INT64_MAX);
            walk_top(w)->chunk = 0;
        } else {
            w->depth = 0;
        }
        push_window(w, t.lo, hi);
    }
    split(w, f);
}

/* One second, kind by kind. */

static void push_range(struct walk *w, size_t from, size_t n)
{
    if (n > 0 && w->ranges_n < RANGES_MAX)
        w->ranges[w->ranges_n++] = (struct range){from, n};
    else if (n > 0)
        w->second_failed = true;
}

static void push_ranges(struct walk *w, size_t from, size_t end)
{
    for (; from < end; from += w->chunk_max)
        push_range(w, from, end - from < w->chunk_max ? end - from : w->chunk_max);
}

static void second_done(struct walk *w)
{
    int64_t t = walk_top(w)->lo;

    walk_pop(w);
    if (!w->second_failed) /* all of it only if these are all the kinds there can be */
        walk_prove(w, t, t, w->second_full && !w->only ? GRADE_H : walk_kinds_grade(w));
    else if (w->second_most < CAP_PLAUSIBLE)
        walk_prove(w, t, t, GRADE_H); /* a page so small has no room for doubt but in theory */
    else
        walk_gap(w, t, t, GAP_DENSE);
}

void walk_second_start(struct walk *w, int64_t t)
{
    if (!walk_top(w) || walk_top(w)->type != TASK_SECOND)
        walk_push(w, TASK_SECOND, t, t);
    walk_kinds_order(w, !w->traits->restricts);
    w->ranges_n = 0;
    w->second_asks = 0;
    w->second_limit = 0;
    w->second_most = 0;
    w->second_failed = false;
    w->second_full = !w->traits->restricts && !w->traits->scraper;
    /* Asked in the opposite order.  What may be hidden is asked for apart: it takes no places from
     * the rest. */
    push_ranges(w, w->open_n, w->list_n);
    push_ranges(w, w->served_n, w->open_n);
    push_ranges(w, 0, w->served_n);
    if (w->ranges_n == 0) {
        w->second_failed = true;
        second_done(w);
    }
}

bool walk_second_larger(const struct walk *w)
{
    return w->second_limit > 0 && w->stack[w->depth - 1].type == TASK_SECOND;
}

/* One kind has filled a page within one second, and the relay gave all that was asked for: perhaps
 * it gives more.  Only of a relay that is newest-first can an answer show that nothing was cut off:
 * by going on below the second. */
static bool ask_for_more(struct walk *w, struct range r, const struct facts *f)
{
    int32_t limit = w->ask.limit, most = w->traits->page_max;

    if (w->traits->newest_first != TRI_YES || f->count < (size_t)limit || limit < w->page ||
        limit >= most)
        return false;
    w->second_limit = limit < most / LARGER ? limit * LARGER : most;
    w->ranges[w->ranges_n++] = r;
    return true;
}

/* No answer to the larger question: it was one too many, nothing worse. */
void walk_second_refused(struct walk *w)
{
    w->second_limit = 0;
    w->second_failed = true;
    w->ranges_n--;
    if (w->ranges_n == 0)
        second_done(w);
}

void walk_second_answer(struct walk *w, const struct facts *f)
{
    struct range r = w->ranges[--w->ranges_n];
    bool to_its_end = walk_second_larger(w) && f->below > NOISE_MAX;
    bool full = f->full && !to_its_end;

    if (walk_ignores_until(w, f)) {
        walk_unpageable(w, GAP_IGNORES_UNTIL);
        return;
    }
    if (f->in > 0)
        w->allowance += 4; /* two halves, and what they lead to */
    w->second_limit = 0;
    w->second_most = f->count > w->second_most ? f->count : w->second_most;
    w->second_full |= f->full;
    if (full && r.n == 1) {
        w->second_failed |= !ask_for_more(w, r, f);
    } else if (full) {
        push_range(w, r.from + r.n / 2, r.n - r.n / 2);
        push_range(w, r.from, r.n / 2);
    }
    if (++w->second_asks >= SECOND_ASKS && w->ranges_n > 0) {
        w->second_failed = true;
        w->ranges_n = 0;
    }
    if (w->ranges_n == 0)
        second_done(w);
}
