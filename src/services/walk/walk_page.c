/* One page of a walk, boiled down: how many different events, in which order, how far they reach.
 */
#include <stdlib.h>
#include <string.h>

#include "services/walk/walk_internal.h"

static int by_fingerprint(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;

    if (x->fingerprint != y->fingerprint)
        return x->fingerprint < y->fingerprint ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_index(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static bool kind_asked(const struct walk *w, int32_t kind)
{
    if (w->ask.n_kinds == 0)
        return true;
    for (size_t i = 0; i < w->ask.n_kinds; i++)
        if (w->ask.kinds[i] == kind)
            return true;
    return false;
}

bool walk_in_range(const struct walk *w, const struct walk_event *e)
{
    return e->matches && e->created_at >= w->range_lo && e->created_at <= w->range_hi &&
           kind_asked(w, e->kind);
}

/* Marks all but the first copy of each event.  Returns how many different ones there are. */
static size_t mark_repeated(struct walk *w, const struct walk_page *page)
{
    size_t n = page->events_n, different = 0;
    void *grown = w->marks;

    walk_grow(&grown, &w->marks_room, n + 1, sizeof(*w->marks));
    w->marks = grown;
    for (size_t i = 0; i < n; i++)
        w->marks[i] = (struct mark){page->events[i].fingerprint, (uint32_t)i, false};
    qsort(w->marks, n, sizeof(*w->marks), by_fingerprint);
    for (size_t i = 0; i < n; i++) {
        w->marks[i].repeated = i > 0 && w->marks[i].fingerprint == w->marks[i - 1].fingerprint;
        different += !w->marks[i].repeated;
    }
    qsort(w->marks, n, sizeof(*w->marks), by_index);
    return different;
}

static void take(struct walk *w, const struct walk_event *e, struct facts *f, int64_t *last)
{
    int64_t t = e->created_at;

    if (f->in > 0) {
        if (t > *last)
            f->sorted = false;
        if (t < *last)
            f->ascending = false;
    }
    *last = t;
    f->min = f->in == 0 || t < f->min ? t : f->min;
    f->max = f->in == 0 || t > f->max ? t : f->max;
    f->in++;
    w->times[w->times_n++] = t;
    walk_kinds_seen(w, e->kind);
    walk_kind_at(w, e->kind, t);
}

void walk_facts(struct walk *w, const struct walk_page *page, struct facts *f)
{
    int64_t last = 0;
    void *grown = w->times;

    *f = (struct facts){.sorted = true, .ascending = true};
    f->count = mark_repeated(w, page);
    if (page->raw > page->events_n)
        f->invalid = page->raw - page->events_n;
    f->count += f->invalid;
    walk_grow(&grown, &w->times_room, page->events_n + 1, sizeof(*w->times));
    w->times = grown;
    w->times_n = 0;
    for (size_t i = 0; i < page->events_n; i++) {
        const struct walk_event *e = &page->events[i];
        if (w->marks[i].repeated || e->created_at < 0)
            continue;
        if (e->created_at > w->range_hi) {
            f->above++;
        } else if (e->created_at < w->range_lo) {
            if (f->below++ == 0 || e->created_at > f->below_max)
                f->below_max = e->created_at;
        } else if (walk_in_range(w, e)) {
            take(w, e, f, &last);
        }
    }
    qsort(w->times, w->times_n, sizeof(*w->times), by_time);
    if (f->in > (size_t)w->cap)
        w->cap = f->in > INT32_MAX ? INT32_MAX : (int32_t)f->in;
    int32_t cap = walk_cap(w);
    size_t most = (size_t)(cap < w->ask.limit ? cap : w->ask.limit);
    f->full = f->count >= most && f->count > 0;
    f->near = f->full || (f->in > 0 && f->in + f->invalid >= most - most / 8);
    /* A relay that ignores `since` shows, newest first, that nothing in the range is left out. */
    if (f->sorted && w->traits->newest_first == TRI_YES && f->below > NOISE_MAX &&
        f->below * 4 >= f->count)
        f->full = f->near = false;
}

void walk_hold(struct walk *w, const struct facts *f)
{
    void *grown = w->ids;

    w->held = *f;
    w->held_limit = w->ask.limit;
    w->held_next = -1;
    w->held_at_max = w->held_seconds = 0;
    for (size_t i = 0; i < w->times_n; i++) {
        w->held_seconds += i == 0 || w->times[i] != w->times[i - 1];
        if (w->times[i] < f->max)
            w->held_next = w->times[i];
        else
            w->held_at_max++;
    }
    walk_grow(&grown, &w->ids_room, w->answer->events_n + 1, sizeof(*w->ids));
    w->ids = grown;
    w->ids_n = w->held_bottom_n = 0;
    for (size_t i = 0; i < w->answer->events_n; i++) {
        const struct walk_event *e = &w->answer->events[i];
        if (w->marks[i].repeated || !walk_in_range(w, e))
            continue;
        w->ids[w->ids_n++] = e->fingerprint;
        if (e->created_at == f->min && w->held_bottom_n < BOTTOM_IDS)
            w->held_bottom[w->held_bottom_n++] = e->fingerprint;
    }
    qsort(w->ids, w->ids_n, sizeof(*w->ids), by_value);
}

bool walk_held(const struct walk *w, uint64_t fingerprint)
{
    return w->ids_n > 0 &&
           bsearch(&fingerprint, w->ids, w->ids_n, sizeof(*w->ids), by_value) != NULL;
}

size_t walk_unseen(const struct walk *w, int64_t *oldest)
{
    size_t unseen = 0;

    for (size_t i = 0; i < w->answer->events_n; i++) {
        const struct walk_event *e = &w->answer->events[i];
        if (!walk_in_range(w, e) || walk_held(w, e->fingerprint))
            continue;
        if (oldest && (unseen == 0 || e->created_at < *oldest))
            *oldest = e->created_at;
        unseen++;
    }
    return unseen;
}

/* Events above `until` may be accidents: of a relay that is known to honour it even many, of others
 * fewer than it shows where it was asked, and none when it shows nothing else. */
bool walk_ignores_until(const struct walk *w, const struct facts *f)
{
    bool honours = w->traits->honours_until == TRI_YES;

    if (f->in == 0 && !honours)
        return f->above > 0;
    return f->above > NOISE_MAX + (honours ? 3 * f->in : f->in);
}
