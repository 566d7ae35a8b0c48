/* The frame of a walk: the stack of tasks, the next question, what a failed question leads to, and
 * the bounds.  What the answers mean is in walk_cursor.c, walk_below.c and walk_bisect.c. */
#include <assert.h>
#include <stdlib.h>

#include "services/walk/walk_internal.h"

void walk_grow(void **array, size_t *room, size_t n, size_t element)
{
    if (n <= *room && *array)
        return;
    size_t wanted = *room ? *room : 16;
    while (wanted < n)
        wanted *= 2;
    void *grown = realloc(*array, wanted * element);
    if (!grown)
        abort();
    *array = grown;
    *room = wanted;
}

struct task *walk_top(struct walk *w)
{
    return w->depth ? &w->stack[w->depth - 1] : NULL;
}

void walk_push(struct walk *w, enum task_type type, int64_t lo, int64_t hi)
{
    assert(w->depth < STACK_MAX);
    w->stack[w->depth++] = (struct task){.type = type, .lo = lo, .hi = hi, .at = -1, .chunk = 0};
}

void walk_pop(struct walk *w)
{
    assert(w->depth > 0);
    w->depth--;
}

int32_t walk_cap(const struct walk *w)
{
    int32_t floor = w->cap_before < CAP_PLAUSIBLE ? w->cap_before : CAP_PLAUSIBLE;

    return w->cap > floor ? w->cap : floor;
}

int64_t walk_second_before(const struct walk *w, int64_t hi)
{
    return hi < w->asked_first ? hi : w->asked_first - 1;
}

static void add_span(struct walk *w, const struct walk_span *span)
{
    struct walk_spans *out = w->out;

    /* Newest first, so neighbours touch: one that goes on where the last one ended needs no place
     * of its own. */
    if (out->n > 0) {
        struct walk_span *last = &out->at[out->n - 1];
        if (last->gap == span->gap && last->grade == span->grade && last->reason == span->reason &&
            span->hi == last->lo - 1) {
            last->lo = span->lo;
            return;
        }
    }
    assert(out->n < WALK_SPANS_MAX);
    out->at[out->n++] = *span;
}

void walk_prove(struct walk *w, int64_t lo, int64_t hi, enum grade grade)
{
    hi = walk_second_before(w, hi);
    if (lo > hi)
        return;
    add_span(w, &(struct walk_span){.lo = lo, .hi = hi, .grade = w->unproven ? GRADE_H : grade});
}

void walk_gap(struct walk *w, int64_t lo, int64_t hi, enum gap_reason reason)
{
    hi = walk_second_before(w, hi);
    if (lo <= hi)
        add_span(w, &(struct walk_span){.lo = lo, .hi = hi, .gap = true, .reason = reason});
}

/* Nothing it says about any second can be trusted: the whole axis is a gap. */
void walk_unpageable(struct walk *w, enum gap_reason reason)
{
    if (reason == GAP_IGNORES_UNTIL)
        w->traits->honours_until = TRI_NO;
    w->depth = 0;
    add_span(w, &(struct walk_span){.lo = w->lo, .hi = INT64_MAX, .gap = true, .reason = reason});
}

/* All that is open becomes one gap; where a part of it has been proven, the proof prevails. */
void walk_give_up(struct walk *w, enum gap_reason reason)
{
    int64_t lo = INT64_MAX, hi = -1;

    for (size_t i = 0; i < w->depth; i++) {
        lo = w->stack[i].lo < lo ? w->stack[i].lo : lo;
        hi = w->stack[i].hi > hi ? w->stack[i].hi : hi;
    }
    w->depth = 0;
    w->given_up = true;
    walk_gap(w, lo, hi, reason);
}

/* What can be decided without asking. */
static void prepare(struct walk *w)
{
    struct task *t;

    while ((t = walk_top(w)) != NULL && t->type == TASK_CURSOR) {
        if (t->hi < t->lo) {
            walk_pop(w);
        } else if (t->hi <= 0) {
            t->hi = -1;
            walk_second_start(w, 0); /* `until` 0 is not understood everywhere */
        } else if (w->traits->scraper && w->asked_first >= 0) {
            walk_to_bisect(w);
        } else {
            break;
        }
    }
    w->finished = w->depth == 0;
}

struct walk *walk_start(int64_t lo, int64_t hi, int32_t page, struct walk_traits *traits,
                        const struct walk_kinds *kinds)
{
    struct walk *w = calloc(1, sizeof(*w));

    if (!w)
        abort();
    w->lo = lo > 0 ? lo : 0;
    w->hi = hi;
    w->page = page > 0 ? page : 1;
    w->limit = traits->page > 0 && traits->page < w->page ? traits->page : w->page;
    w->traits = traits;
    w->cap_before = traits->cap;
    w->asked_first = -1;
    w->allowance = 400;
    if (traits->newest_first == TRI_NO && traits->pages % 16 == 0)
        traits->newest_first = TRI_UNKNOWN; /* relays change: look again now and then */
    walk_kinds_init(w, kinds);
    if (hi >= w->lo)
        walk_push(w, TASK_CURSOR, w->lo, hi);
    prepare(w);
    return w;
}

void walk_free(struct walk *w)
{
    if (!w)
        return;
    free(w->base);
    free(w->list);
    free(w->only_kinds);
    free(w->ids);
    free(w->marks);
    free(w->times);
    free(w);
}

static void set_range(struct walk *w, int64_t lo, int64_t hi, int32_t limit)
{
    struct walk_ask *ask = &w->ask;

    w->range_lo = lo;
    w->range_hi = hi > 0 ? hi : 1;
    ask->since = lo > 0 && !w->no_since ? lo : -1;
    ask->until = hi == INT64_MAX ? -1 : w->range_hi;
    ask->limit = limit < w->limit ? limit : w->limit;
    ask->kinds = w->only_kinds;
    ask->n_kinds = w->only_n;
    w->plain = true;
}

static void set_kinds(struct walk *w, struct range r)
{
    w->ask.kinds = w->list + r.from;
    w->ask.n_kinds = r.n;
    w->plain = false;
}

static void form_top(struct walk *w, const struct task *t)
{
    if (t->at == TOP_BY_UNTIL) {
        set_range(w, w->lo, w->held.max - 1, 1);
    } else if (t->at >= 0) {
        set_range(w, w->lo, t->hi, 1);
    } else if (t->lo == w->held.max) {
        set_range(w, t->lo, t->hi, (int32_t)w->held_at_max + 1);
        if (w->held_limit <= w->limit) /* more than a page, if it sent more than it was asked for */
            w->ask.limit = (int32_t)w->held_at_max + 1;
    } else {
        set_range(w, t->lo, t->hi, 1);
    }
    if (walk_checks_kinds(w)) {
        struct range kinds = walk_chunk(w, t->chunk);
        if (kinds.from >= w->served_n && t->at == -1)
            w->ask.limit = w->limit; /* what is hidden may be among these */
        set_kinds(w, kinds);
    }
}

static void form(struct walk *w)
{
    const struct task *t = walk_top(w);

    switch (t->type) {
    case TASK_CURSOR:
        set_range(w, t->lo, t->hi, w->limit);
        break;
    case TASK_TOP:
        form_top(w, t);
        break;
    case TASK_RECHECK:
        set_range(w, t->lo, t->hi, w->limit);
        if (walk_checks_kinds(w))
            set_kinds(w, walk_chunk(w, t->chunk));
        break;
    case TASK_BELOW:
        set_range(w, t->at < 0 ? t->lo : t->at + 1, t->hi,
                  t->at >= 0 ? 1
                  : w->k_few ? CAP_PLAUSIBLE
                             : w->limit);
        set_kinds(w, walk_chunk(w, t->chunk));
        break;
    case TASK_PROBE:
        set_range(w, t->lo, t->at, w->limit);
        break;
    case TASK_EDGE:
        set_range(w, t->lo, t->at + (t->hi - t->at) / 2, CAP_PLAUSIBLE);
        break;
    case TASK_SECOND:
        set_range(w, t->lo, t->lo, w->limit);
        set_kinds(w, w->ranges[w->ranges_n - 1]);
        if (walk_second_larger(w)) {
            w->ask.since = -1; /* what is older shows that nothing of the second was cut off */
            w->ask.limit = w->second_limit;
        }
        break;
    case TASK_CEILING:
    case TASK_BISECT:
        set_range(w, t->lo, t->hi, w->limit);
        if (walk_bisects_kinds(w))
            set_kinds(w, walk_chunk(w, t->chunk));
        break;
    }
}

enum walk_state walk_next(struct walk *w, struct walk_ask *ask)
{
    if (w->finished)
        return w->given_up ? WALK_GIVEN_UP : WALK_DONE;
    if (w->retry) {
        w->retry = false;
        return WALK_RETRY;
    }
    if (!w->waiting) {
        form(w);
        w->waiting = true;
        w->requests++;
    }
    *ask = w->ask;
    return WALK_ASK;
}

/* The relay will not answer this form of question: what can be left out of it?  True: ask again at
 * once. */
static bool adapt(struct walk *w)
{
    struct task *t = walk_top(w);

    if (++w->adapted > 12)
        return false;
    if (w->ask.since > 0) {
        w->no_since = true;
        return true;
    }
    if (w->limit > 100) {
        w->limit = w->traits->page = 100;
        return true;
    }
    if (!w->plain && w->ask.n_kinds > 10) {
        w->chunk_max = w->chunk_max > 50 ? w->chunk_max / 5 : 10;
        if (t->type == TASK_SECOND)
            walk_second_start(w, t->lo);
        else
            t->chunk = 0;
        return true;
    }
    if (t->type == TASK_BELOW &&
        !w->traits->scraper) { /* no explicit kinds: then they prove nothing */
        w->k_ragged = w->traits->restricts;
        walk_below_answer(w, &(struct facts){.in = 0});
        return true;
    }
    if (t->type == TASK_CURSOR && w->list_n == 0) {
        w->traits->scraper = true;
        return true;
    }
    return false;
}

static enum gap_reason reason_of(const struct walk_page *page)
{
    if (page->auth)
        return GAP_AUTH;
    switch (page->how) {
    case SETTLE_OVERSIZE:
    case SETTLE_FLOOD:
        return GAP_TOO_LARGE;
    case SETTLE_CLOSED:
        return GAP_REFUSED;
    case SETTLE_TIMEOUT:
    case SETTLE_DISCONNECT:
    case SETTLE_EOSE:
    case SETTLE_CANCELLED:
    case SETTLE__COUNT:
        break;
    }
    return GAP_TIMEOUT;
}

static void ask_for_fewer(struct walk *w, int32_t limit)
{
    if (limit < PAGE_MIN)
        limit = PAGE_MIN;
    if (limit >= w->limit)
        return;
    w->limit = w->traits->page = limit;
    w->good_pages = 0;
}

/* A page that did not end with EOSE proves nothing, whatever it held. */
static void failed(struct walk *w, const struct walk_page *page)
{
    if (page->slow && ++w->slowed <= SLOWED_MAX)
        return; /* the same again; when is not for the walk to say */
    if (page->passing && !w->repeated) {
        w->repeated = true;
        return;
    }
    if (walk_second_larger(w)) {
        walk_second_refused(w);
        return;
    }
    if (page->refused && !page->auth && !page->slow && adapt(w))
        return;
    if (page->refused || page->auth) {
        walk_give_up(w, reason_of(page));
        return;
    }
    bool silence = w->silent && page->how == SETTLE_TIMEOUT;
    if (silence && w->ask.limit <= w->silent_full) { /* not full: that was the end of it */
        walk_give_up(w, GAP_TIMEOUT);
        return;
    }
    if (page->how == SETTLE_TIMEOUT || page->how == SETTLE_OVERSIZE)
        ask_for_fewer(w, w->limit / 2);
    else if (page->how == SETTLE_DISCONNECT && page->raw > 0 && w->tries > 0)
        ask_for_fewer(w, (int32_t)(page->raw / 2)); /* twice in the middle of the same page */
    if (++w->tries > (silence ? 1 : RETRIES))
        walk_give_up(w, reason_of(page));
    else
        w->retry = true;
}

static void succeeded(struct walk *w)
{
    w->tries = w->slowed = 0;
    w->repeated = false;
    w->traits->pages++;
    if (w->limit < w->page && ++w->good_pages >= 32) {
        w->limit = w->limit > w->page / 2 ? w->page : w->limit * 2;
        w->traits->page = w->limit < w->page ? w->limit : 0;
        w->good_pages = 0;
    }
}

static void dispatch(struct walk *w, const struct facts *f)
{
    switch (walk_top(w)->type) {
    case TASK_CURSOR:
        walk_cursor_answer(w, f);
        break;
    case TASK_TOP:
        walk_top_answer(w, f);
        break;
    case TASK_RECHECK:
        walk_recheck_answer(w, f);
        break;
    case TASK_BELOW:
        walk_below_answer(w, f);
        break;
    case TASK_PROBE:
        walk_probe_answer(w, f);
        break;
    case TASK_EDGE:
        walk_edge_answer(w, f);
        break;
    case TASK_SECOND:
        walk_second_answer(w, f);
        break;
    case TASK_CEILING:
        walk_ceiling_answer(w, f);
        break;
    case TASK_BISECT:
        walk_bisect_answer(w, f);
        break;
    }
}

/* A relay that ends no page: where all that was asked for has come, an EOSE would add nothing. */
static bool is_full_page(struct walk *w, const struct walk_page *page, struct facts *f)
{
    bool patient = w->silent || w->tries >= RETRIES;

    if (page->how != SETTLE_TIMEOUT || !patient || page->events_n < (size_t)w->ask.limit)
        return false;
    walk_facts(w, page, f);
    if (f->in < (size_t)w->ask.limit)
        return false;
    if (!w->silent) { /* then it was not the size of the pages */
        w->silent = w->unproven = true;
        w->limit = w->page;
        w->traits->page = 0;
    }
    w->silent_full = w->ask.limit;
    return true;
}

static void take_page(struct walk *w, const struct walk_page *page, const struct facts *f)
{
    w->unproven |= page->unproven;
    w->any |= f->in > 0;
    w->kindless_ok |= f->in > 0 && w->plain;
    w->shown = f->in > 0 && f->max > w->shown ? f->max : w->shown;
    if (w->cap > w->traits->cap)
        w->traits->cap = w->cap;
    w->allowance += 4 * (uint64_t)f->in;
    /* Of the little that was asked for, as much was not: nobody knows what `until` means to it. */
    if (f->in > 0 && f->above >= f->in && w->traits->honours_until != TRI_YES &&
        w->traits->newest_first != TRI_YES)
        w->unproven = true;
    /* What lies above `since` is in doubt when it is ignored, unless what comes is known to be the
     * newest. */
    if (w->traits->newest_first != TRI_YES && walk_top(w)->type != TASK_TOP &&
        f->below > (f->in > 0 ? NOISE_MAX : 0) && (f->full || f->below * 4 > f->in))
        w->unproven = true;
    succeeded(w);
    dispatch(w, f);
}

void walk_answer(struct walk *w, const struct walk_page *page, struct walk_spans *spans)
{
    assert(w->waiting && !w->finished);
    spans->n = 0;
    w->out = spans;
    w->answer = page;
    w->waiting = false;
    if (w->asked_first < 0)
        w->asked_first = page->asked_at > 0 ? page->asked_at : 0;
    enum task_type type = walk_top(w)->type;
    struct facts f;
    if (page->how == SETTLE_CANCELLED) {
        w->retry = true;
    } else if (page->how == SETTLE_FLOOD && (type == TASK_CURSOR || type == TASK_BISECT)) {
        walk_facts(w, page, &f);
        w->allowance += 4 * (uint64_t)f.in;
        walk_bisect_flood(w, &f);
    } else if (page->how == SETTLE_EOSE) {
        walk_facts(w, page, &f);
        take_page(w, page, &f);
    } else if (is_full_page(w, page, &f)) {
        take_page(w, page, &f);
    } else {
        failed(w, page);
    }
    prepare(w);
    if (!w->finished && w->requests >= w->allowance) {
        walk_give_up(w, GAP_BUDGET);
        prepare(w);
    }
    w->out = NULL;
    w->answer = NULL;
}

uint64_t walk_requests(const struct walk *w)
{
    return w->requests;
}

int64_t walk_reached(const struct walk *w)
{
    int64_t hi = -1;

    for (size_t i = 0; i < w->depth; i++)
        hi = w->stack[i].hi > hi ? w->stack[i].hi : hi;
    return w->depth ? hi : w->lo - 1;
}

uint64_t walk_requests_max(uint64_t events, uint32_t cap, uint64_t dense)
{
    return 2 * (events / (cap ? cap : 1)) + 64 * (dense + 1) + 200;
}
