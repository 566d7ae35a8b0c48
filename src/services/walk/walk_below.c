/* What lies below an empty page, or below a page that was short.
 *
 * A relay that counts hidden events for the limit answers an empty page although there is more
 * below.  So explicit kinds are asked for, among which nothing hidden competes; what they show is
 * where the cursor goes on without kinds.  When they show nothing either, a search at growing
 * distances looks for kinds that nobody knows; what it finds has a gap above it. */
#include "services/walk/walk_internal.h"

enum grade walk_kinds_grade(const struct walk *w)
{
    return w->k_ragged || w->doubt ? GRADE_H : GRADE_P1K;
}

static enum grade below_grade(const struct walk *w)
{
    /* One event or two: all there is, or a page so small that all of the next may be hidden. */
    if (walk_cap(w) > 0 && walk_cap(w) <= 2 && !w->traits->restricts)
        return GRADE_H;
    return w->traits->restricts || w->doubt ? walk_kinds_grade(w) : GRADE_P1;
}

/* Nothing more below hi. */
static void bottom_reached(struct walk *w, int64_t lo, int64_t hi)
{
    if (!w->any && w->traits->cap == 0 &&
        !w->traits->shown) /* empty, or it does not answer such questions: nobody can tell */
        walk_gap(w, lo, hi, GAP_SCRAPER);
    else
        walk_prove(w, lo, hi, below_grade(w));
    walk_cursor_move(w, lo - 1);
}

static void probe_next(struct walk *w, struct task *t, int64_t distance)
{
    int64_t hi = walk_second_before(w, t->hi);

    for (; distance < hi - t->lo; distance *= 4) {
        if (hi - distance > 0) {
            t->chunk = (size_t)distance;
            t->at = hi - distance;
            return;
        }
    }
    int64_t last = t->lo + (hi - t->lo) / 64;
    if (t->chunk != SIZE_MAX && last > 0 && last < hi) {
        t->chunk = SIZE_MAX;
        t->at = last;
        return;
    }
    bottom_reached(w, t->lo, t->hi);
}

static void probe_start(struct walk *w, int64_t lo, int64_t hi)
{
    int64_t top = walk_second_before(w, hi);

    w->depth = 1;
    bool nothing = !w->any && w->traits->cap == 0 &&
                   !w->traits->shown; /* a gap already, whatever is searched */

    if (nothing || top - lo <= (w->traits->restricts ? 3600 : NARROW_S)) {
        bottom_reached(w, lo, hi);
        return;
    }
    if (++w->probes > PROBES_MAX) {
        walk_gap(w, lo, hi, GAP_HIDDEN);
        walk_cursor_move(w, lo - 1);
        return;
    }
    w->allowance += 128;
    walk_push(w, TASK_PROBE, lo, hi);
    probe_next(w, walk_top(w), 3600);
}

void walk_probe_answer(struct walk *w, const struct facts *f)
{
    struct task *t = walk_top(w);

    w->doubt |= f->in == 0 && f->invalid > 0;
    if (f->in == 0) {
        probe_next(w, t, t->chunk == SIZE_MAX ? INT64_MAX : (int64_t)t->chunk * 4);
        return;
    }
    int64_t lo = t->lo, hi = walk_second_before(w, t->hi), at = f->max;
    w->traits->restricts = w->traits->hides = true;
    w->depth = 1;
    walk_push(w, TASK_EDGE, lo, hi);
    walk_top(w)->at = at;
    walk_edge_answer(w, NULL);
}

/* The highest second below which something is shown.  hi: nothing is shown below it; at: something
 * is. */
void walk_edge_answer(struct walk *w, const struct facts *f)
{
    struct task *t = walk_top(w);
    int64_t middle = t->at + (t->hi - t->at) / 2;

    if (f && f->in > 0)
        t->at = middle;
    else if (f)
        t->hi = middle;
    if (t->hi - t->at > 1)
        return;
    int64_t edge = t->at;
    walk_gap(w, edge + 1, w->stack[0].hi, GAP_HIDDEN);
    walk_cursor_move(w, edge);
}

void walk_below_start(struct walk *w, int64_t lo, int64_t hi, bool bottom_known)
{
    w->depth = 1;
    walk_kinds_order(w, false);
    w->k_top = w->k_floor = -1;
    w->k_full = w->k_older = false;
    w->k_few = true;
    w->bottom_known = bottom_known;
    if (walk_chunks(w) == 0) {
        probe_start(w, lo, hi);
        return;
    }
    w->allowance += walk_chunks(w);
    walk_push(w, TASK_BELOW, lo, hi);
    walk_top(w)->chunk = 0;
}

/* What the lists showed decides where the cursor goes on. */
static void below_decide(struct walk *w, int64_t hi)
{
    bool known = w->traits->newest_first == TRI_YES;

    if (!w->kindless_ok && w->k_top >= hi) {
        w->traits->scraper = true;
        walk_to_bisect(w);
    } else if (w->k_floor >= hi || (w->k_top >= hi && (w->bottom_known || !known))) {
        walk_cursor_move(w, hi - 1);
        walk_second_start(w, hi);
    } else if (w->k_top >= hi) {
        walk_prove(w, w->k_floor + 1, hi, walk_kinds_grade(w));
        walk_cursor_move(w, w->k_floor);
    } else {
        walk_prove(w, w->k_top + 1, hi, walk_kinds_grade(w));
        walk_cursor_move(w, w->k_top); /* without kinds again, from the newest that is shown */
    }
}

/* A few events were asked for.  Could more of them say something else?  None may be shown because a
 * kind that is asked for is hidden too; all may be of the second in which the last page ended. */
static bool few_decide_nothing(const struct walk *w, const struct task *t)
{
    if (!w->k_few)
        return false;
    if (w->k_top < 0)
        return w->traits->restricts && walk_second_before(w, t->hi) - t->lo > NARROW_S;
    return w->bottom_known && !w->k_older && w->k_full;
}

/* All lists of kinds have been asked.  Is what they showed the newest, if that is not certain yet?
 */
static void below_check(struct walk *w, struct task *t)
{
    if (few_decide_nothing(w, t)) {
        w->k_few = w->k_full = false;
        t->chunk = 0;
    } else if (w->k_top < 0 || (w->bottom_known && !w->k_older && !w->k_full)) {
        probe_start(w, t->lo, t->hi);
    } else if (!w->traits->restricts && !w->traits->scraper) {
        w->traits->restricts =
            true; /* more below than the relay shows: all lists have to be asked */
        walk_below_start(w, t->lo, t->hi, w->bottom_known);
    } else if (w->k_top < t->hi && w->traits->newest_first != TRI_YES) {
        t->at = w->k_top;
        t->chunk = 0;
    } else {
        below_decide(w, t->hi);
    }
}

void walk_below_answer(struct walk *w, const struct facts *f)
{
    struct task *t = walk_top(w);

    if (walk_ignores_until(w, f)) {
        walk_unpageable(w, GAP_IGNORES_UNTIL);
        return;
    }
    if (t->at >= 0) { /* nothing may be above k_top, but what came in between */
        if (f->in == 0 && f->invalid > 0)
            walk_windows(w);
        else if (f->in > 0 && (++w->k_again > 2 || f->max < w->asked_first - 3600))
            walk_to_bisect(w);
        else if (f->in > 0)
            walk_below_start(w, w->stack[0].lo, t->hi, w->bottom_known);
        else if (++t->chunk >= walk_chunks(w))
            below_decide(w, t->hi);
        return;
    }
    w->doubt |= f->in == 0 && f->invalid > 0;
    if (f->in > 0) {
        w->k_top = f->max > w->k_top ? f->max : w->k_top;
        w->k_floor = f->min > w->k_floor ? f->min : w->k_floor;
        w->k_full |= f->full;
        /* Older, or of the page's last second and yet not on it: it was no whole page. */
        w->k_older |= f->min < t->hi || (w->bottom_known && walk_unseen(w, NULL) > 0);
    }
    if (!f->full)
        walk_kinds_short(w, walk_chunk(w, t->chunk), f->in > 0 ? f->min : t->hi);
    if (++t->chunk >= walk_chunks(w))
        below_check(w, t);
}
