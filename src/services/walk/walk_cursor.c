/* The cursor: pages from the newest event downwards, each beginning inside the oldest second of the
 * last.
 *
 * A page that a newest-first relay answers to {until: u} with oldest event m holds everything of
 * (m, u]; of the second m itself there may be more, so the next page begins there again.  That the
 * relay is newest-first is not believed but checked, as cheaply as the page allows: a page in order
 * costs one event or none, a page out of order or so small that its order may be luck is asked for
 * once more without its oldest second. */
#include <assert.h>
#include <string.h>

#include "services/walk/walk_internal.h"

static struct task *cursor(struct walk *w)
{
    assert(w->depth > 0 && w->stack[0].type == TASK_CURSOR);
    return &w->stack[0];
}

void walk_cursor_move(struct walk *w, int64_t hi)
{
    w->depth = 1;
    cursor(w)->hi = hi;
    w->bottom_n = 0;
    w->last_limit = 0;
}

/* Does the page lack an event of the second in which the last one ended, although it goes below it?
 */
static bool lost_bottom(const struct walk *w)
{
    for (size_t i = 0; i < w->bottom_n; i++)
        if (!walk_held(w, w->bottom[i]))
            return true; /* deleted or replaced meanwhile, or not shown */
    return false;
}

/* A page that held fewer than others do, and yet something is below it: the relay counts what it
 * hides. */
static void look_for_ragged(struct walk *w)
{
    int32_t most = w->cap < w->last_limit ? w->cap : w->last_limit;

    if (w->last_limit > 0 && w->last_count < (size_t)most)
        w->traits->restricts = true;
}

/* The held page has passed its checks. */
static void believe(struct walk *w)
{
    struct task *t = cursor(w);
    const struct facts *f = &w->held;

    w->depth = 1;
    w->rechecks = 0;
    /* It should have begun with an event that was shown before: then it is not the newest. */
    if (w->traits->newest_first != TRI_YES && f->max < w->shown &&
        w->shown <= walk_second_before(w, t->hi))
        w->unproven = true;
    if (f->min == t->hi) { /* a whole page inside the second in which the last one ended */
        if (f->full || w->traits->restricts) {
            walk_cursor_move(w, t->hi - 1);
            walk_second_start(w, f->min);
        } else {
            walk_below_start(w, t->lo, t->hi, true);
        }
        return;
    }
    /* That it was the newest is known of the kinds that were asked for, or of the relay. */
    bool by_kinds = w->traits->newest_first != TRI_YES && walk_checks_kinds(w);
    walk_prove(w, f->min + 1, t->hi, !by_kinds ? GRADE_P1 : w->k_ragged ? GRADE_H : GRADE_P1K);
    w->last_count = f->count;
    w->last_limit = w->held_limit;
    memcpy(w->bottom, w->held_bottom, sizeof(w->bottom));
    w->bottom_n = w->held_bottom_n;
    t->hi = f->min;
    if (!f->full && !w->traits->restricts)
        walk_below_start(w, t->lo, f->min, true);
}

bool walk_checks_kinds(const struct walk *w)
{
    return w->traits->restricts && w->list_n > 0;
}

/* Is there another list of kinds to ask the same about? */
static bool next_list(struct walk *w, struct task *t)
{
    return walk_checks_kinds(w) && ++t->chunk < walk_chunks(w);
}

static void check_top(struct walk *w)
{
    walk_kinds_order(w, false);
    /* Its newest second too, but for a page that lies in one second. */
    walk_push(w, TASK_TOP, w->held.max + (w->held.min == w->held.max), cursor(w)->hi);
}

/* Which question, if any, has to be answered before the page is believed? */
static void check(struct walk *w, bool suspect)
{
    struct task *t = cursor(w);
    const struct facts *f = &w->held;
    bool first = w->cursor_pages++ == 0;
    w->first_page = first;
    bool known = w->traits->newest_first == TRI_YES;

    if (w->silent) { /* it does not answer what should find nothing; and nothing is claimed */
        believe(w);
        return;
    }
    w->unordered |= !f->sorted;
    bool unordered =
        !f->sorted && (w->shuffled_passed < 3 || w->cursor_pages % RECHECK_SHUFFLED == 0);
    bool small = !known && w->held_seconds <= SMALL_PAGE &&
                 (w->small_passed < 3 || w->cursor_pages % RECHECK_SHUFFLED == 0);
    suspect |= w->rechecks > 0; /* something was missing when it was asked for before */
    if (unordered || suspect || small || w->cursor_pages % RECHECK_EVERY == 0) {
        walk_kinds_order(w, false);
        walk_push(w, TASK_RECHECK, f->min + 1, t->hi);
        return;
    }
    if (first && !known) {
        check_top(w);
        return;
    }
    /* It has more than a page, its newest were checked, and here is the next page in order. */
    if (!first && !known && f->sorted && !w->unordered && f->max - f->min >= SMALL_PAGE &&
        (w->held_seconds > SMALL_PAGE || w->small_passed >= SMALL_PASSES))
        w->traits->newest_first = TRI_YES;
    believe(w);
}

void walk_cursor_answer(struct walk *w, const struct facts *f)
{
    struct task *t = cursor(w);
    struct walk_traits *traits = w->traits;

    if (walk_ignores_until(w, f)) {
        walk_unpageable(w, GAP_IGNORES_UNTIL);
        return;
    }
    if (w->answer->hint == WALK_HINT_FINISH) {
        traits->finishes = true;
        /* Else what is finished may be what was hidden, or nothing: a relay that answers no such
         * question says so, too. */
        if (!traits->restricts && f->in > 0) {
            walk_prove(w, t->lo, t->hi, GRADE_P2);
            walk_pop(w);
            return;
        }
    }
    if (f->in > 0)
        traits->scraper = false;
    if (traits->newest_first == TRI_NO || traits->scraper) {
        walk_to_bisect(w);
        return;
    }
    if (f->in == 0 && f->invalid > 0) { /* how far down is it?  Nobody can tell */
        walk_windows(w);
        return;
    }
    if (f->in == 0) {
        walk_below_start(w, t->lo, t->hi, false);
        return;
    }
    walk_hold(w, f);
    if (f->min == t->hi) {
        believe(w);
        return;
    }
    look_for_ragged(w);
    /* A relay without a sense of `until` would have shown what stands above it; with two or three
     * events that may be luck. */
    if (w->newest > t->hi && f->above == 0 && f->in > NOISE_MAX)
        traits->honours_until = TRI_YES;
    w->newest = f->max > w->newest ? f->max : w->newest;
    check(w, lost_bottom(w));
}

/* The first page is asked for again. */
static void begin_anew(struct walk *w)
{
    w->depth = 1;
    w->cursor_pages = 0;
}

/* Something stands above the first page that was not in it. */
static void top_unseen(struct walk *w, struct task *t, const struct facts *f, int64_t oldest)
{
    bool new = oldest >= w->asked_first - 3600 && f->max <= w->asked_first + 3600;
    bool flat = w->held.min == w->held.max; /* it says nothing of its order */

    if (new && (f->max == w->held.max || flat) && ++w->rechecks < 3)
        begin_anew(w); /* more in its newest second: the whole page again */
    else if (new && f->max > w->held.max)
        t->at = f->max;
    else /* nothing new is dated like that, or it never ends */
        walk_to_bisect(w);
}

/* `since` is ignored: what is the newest below the page's newest second? */
static void top_by_until(struct walk *w, const struct facts *f)
{
    /* One that ignores `limit` as well shows a page without its newest second, whatever its
     * order. */
    w->unproven |= f->in == 0 || (f->in > 1 && f->min >= w->held.min);
    /* One was asked for, and of many below it the newest came: so it is for every page. */
    if (f->in == 1 && f->max == w->held_next && w->held_seconds > SMALL_PAGE && !w->unordered)
        w->traits->newest_first = TRI_YES;
    if (f->in > 0 && f->max < w->held_next)
        walk_to_bisect(w);
    else
        believe(w);
}

/* Is there anything above the newest event of the first page?  If so: is it new since then, that
 * is, does the relay now show it, or something newer, as its newest? */
void walk_top_answer(struct walk *w, const struct facts *f)
{
    struct task *t = walk_top(w);

    if (t->at == TOP_BY_UNTIL) {
        top_by_until(w, f);
        return;
    }
    if (f->invalid > 0) { /* what else stood there?  Windows do not depend on it */
        walk_windows(w);
        return;
    }
    if (t->at < 0 && t->lo == w->held.max && w->held_limit > w->limit &&
        (size_t)w->ask.limit <= w->held_at_max && f->full) {
        begin_anew(w); /* pages have been made smaller since */
        return;
    }
    int64_t oldest = 0;
    if (t->at < 0 && walk_unseen(w, &oldest) > 0) {
        top_unseen(w, t, f, oldest);
        return;
    }
    if (t->at < 0 && f->below > 0) { /* it ignores `since`: does `until` show the same order? */
        if (w->held_next > w->held.min) {
            t->at = TOP_BY_UNTIL;
            return;
        }
        w->unproven = true;
    }
    if (t->at >= 0 && f->in == 0) { /* its newest are hidden: begin again, with kinds */
        w->traits->restricts = true;
        if (++w->rechecks >= 3)
            walk_windows(w);
        else
            begin_anew(w);
        return;
    }
    if (t->at >= 0 && f->max < t->at) {
        walk_to_bisect(w);
        return;
    }
    if (t->at < 0 && next_list(w, t))
        return;
    believe(w);
}

/* The page once more, without its oldest second: whatever is new now was left out then. */
void walk_recheck_answer(struct walk *w, const struct facts *f)
{
    size_t unseen = walk_unseen(w, NULL);

    if (walk_ignores_until(w, f)) {
        walk_unpageable(w, GAP_IGNORES_UNTIL);
        return;
    }
    if (unseen == 0 && w->ask.limit < w->held_limit && f->count >= (size_t)w->ask.limit) {
        w->depth = 1; /* pages have been made smaller since: this one begins again as such */
        w->cursor_pages--;
        return;
    }
    /* Of what lies below, the page's oldest would be the next. */
    if (w->ask.since < 0 && f->below > 0 && f->below_max < w->held.min) {
        walk_to_bisect(w);
        return;
    }
    if (unseen == 0 && f->invalid > w->held.invalid && f->full) { /* whose place did they take? */
        walk_windows(w);
        return;
    }
    if (unseen == 0 && next_list(w, walk_top(w)))
        return;
    if (unseen == 0) {
        w->shuffled_passed += !w->held.sorted && w->held_seconds > SMALL_PAGE;
        /* A short page has shown nothing, unless it is what hidden events have left of a full one.
         */
        w->small_passed += (w->held.full || (w->traits->restricts && w->held.in > 1)) &&
                           w->held_seconds <= SMALL_PAGE;
        if (w->first_page && w->traits->newest_first != TRI_YES &&
            (w->traits->restricts || f->below > 0 || f->invalid > 0 || w->held.invalid > 0)) {
            /* what was left out may have been hidden or invalid just now, or `since` been ignored
             */
            w->depth = 1;
            check_top(w);
            return;
        }
        believe(w);
        return;
    }
    /* Perhaps it came in between: then the same page shows it now. */
    if (++w->rechecks >= 3 || f->max < w->asked_first - 3600) {
        w->unproven |= w->traits->newest_first != TRI_NO &&
                       f->max >= w->asked_first - 3600; /* busy, or not newest-first? */
        walk_to_bisect(w);
        return;
    }
    w->depth = 1;
    w->cursor_pages--;
}
