/* coverage: disjoint closed intervals in one sorted array.  A walk adds at its end or next to what
 * it added last, so an insertion moves little. */
#include "services/walk/coverage.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRIES_MAX = 32767 /* as SQL's smallint */
};

struct piece {
    int64_t lo, hi;
    int64_t at; /* proved_at, or when the gap was last tried */
    enum grade grade;
    enum gap_reason reason;
    uint16_t tries;
    bool gap;
};

struct coverage {
    struct piece *at; /* sorted, disjoint, coalesced */
    size_t n, room;
    struct piece *made; /* what replaces the pieces that a span touches */
    size_t made_n, made_room;
};

const char *grade_name(enum grade grade)
{
    static const char *const names[] = {
#define ROW(name, text) text,
        GRADES(ROW)
#undef ROW
    };

    return names[grade];
}

const char *gap_reason_name(enum gap_reason reason)
{
    static const char *const names[] = {
#define ROW(name, text) text,
        GAP_REASONS(ROW)
#undef ROW
    };

    return names[reason];
}

struct coverage *coverage_new(void)
{
    struct coverage *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    return c;
}

void coverage_free(struct coverage *c)
{
    if (!c)
        return;
    free(c->at);
    free(c->made);
    free(c);
}

size_t coverage_bytes(const struct coverage *c)
{
    return sizeof(*c) + (c->room + c->made_room) * sizeof(struct piece);
}

static void reserve(struct piece **pieces, size_t *room, size_t n)
{
    size_t wanted = *room ? *room : 8;

    if (n <= *room)
        return;
    while (wanted < n)
        wanted *= 2;
    struct piece *grown = realloc(*pieces, wanted * sizeof(**pieces));
    if (!grown)
        abort();
    *pieces = grown;
    *room = wanted;
}

/* May the second join the first, which ends where it begins? */
static bool joins(const struct piece *a, const struct piece *b)
{
    if (a->hi == INT64_MAX || a->hi + 1 != b->lo || a->gap != b->gap)
        return false;
    if (a->gap)
        return a->reason == b->reason && a->tries == b->tries;
    return a->grade == b->grade;
}

static void make(struct coverage *c, struct piece piece)
{
    if (piece.lo > piece.hi)
        return;
    if (c->made_n > 0 && joins(&c->made[c->made_n - 1], &piece)) {
        struct piece *last = &c->made[c->made_n - 1];
        last->hi = piece.hi;
        last->at = piece.at > last->at ? piece.at : last->at;
        return;
    }
    reserve(&c->made, &c->made_room, c->made_n + 1);
    c->made[c->made_n++] = piece;
}

/* What holds where an old piece and a new one meet. */
static struct piece meet(const struct piece *old, const struct piece *new)
{
    struct piece result;

    if (!new->gap && !old->gap) {
        result = new->grade < old->grade ? *new : *old;
        if (new->grade == old->grade &&new->at > old->at)
            result.at = new->at;
    } else if (new->gap && old->gap) {
        result = *new;
        result.tries = old->tries;
        if (new->at > old->at && old->tries < TRIES_MAX)
            result.tries++; /* tried again, in vain */
        if (old->at > new->at)
            result.at = old->at;
    } else if (new->gap &&new->reason == GAP_DENSE) {
        result = *new; /* sql/0002, coverage_cut(): what came late cannot be seen */
    } else {
        result = old->gap ? *new : *old;
    }
    return result;
}

static void make_part(struct coverage *c, const struct piece *of, int64_t lo, int64_t hi)
{
    struct piece part = *of;

    part.lo = lo;
    part.hi = hi;
    make(c, part);
}

/* The first piece that ends at or after t. */
static size_t first_from(const struct coverage *c, int64_t t)
{
    size_t low = 0, high = c->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->at[middle].hi < t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void overlay(struct coverage *c, const struct piece *old, const struct piece *new,
                    int64_t *from)
{
    int64_t lo = old->lo > new->lo ? old->lo : new->lo;
    int64_t hi = old->hi < new->hi ? old->hi : new->hi;

    if (old->lo < new->lo)
        make_part(c, old, old->lo, new->lo - 1);
    if (*from < lo)
        make_part(c, new, *from, lo - 1);
    struct piece both = meet(old, new);
    make_part(c, &both, lo, hi);
    if (old->hi > new->hi)
        make_part(c, old, new->hi + 1, old->hi);
    *from = hi < INT64_MAX ? hi + 1 : INT64_MAX;
}

void coverage_add(struct coverage *c, const struct store_span *span)
{
    if (span->lo > span->hi)
        return;
    struct piece new = {.lo = span->lo,
                        .hi = span->hi,
                        .at = span->at,
                        .grade = span->grade,
                        .reason = span->reason,
                        .tries = span->gap_tries,
                        .gap = span->gap};
    size_t first = first_from(c, new.lo > INT64_MIN ? new.lo - 1 : new.lo), last = first;
    int64_t from = new.lo;
    bool open = true; /* something of the new span is still to be placed */

    c->made_n = 0;
    while (last < c->n && (new.hi == INT64_MAX || c->at[last].lo <= new.hi + 1)) {
        const struct piece *old = &c->at[last++];
        if (old->hi < new.lo) {
            make(c, *old); /* a neighbour, which may join */
        } else if (old->lo > new.hi) {
            make_part(c, &new, from, new.hi);
            open = false;
            make(c, *old);
        } else {
            overlay(c, old, &new, &from);
            open = old->hi < new.hi;
        }
    }
    if (open)
        make_part(c, &new, from, new.hi);

    size_t tail = c->n - last, n = first + c->made_n + tail;
    reserve(&c->at, &c->room, n);
    memmove(c->at + first + c->made_n, c->at + last, tail * sizeof(*c->at));
    memcpy(c->at + first, c->made, c->made_n * sizeof(*c->at));
    c->n = n;
}

/* Is there nothing to ask here now? */
static bool settled(const struct piece *p, const struct coverage_query *q)
{
    if (!p->gap)
        return true;
    int64_t wait = q->gap_retry_s > 0 ? q->gap_retry_s : 0;
    for (uint16_t i = 0; i < p->tries && wait < INT64_MAX / 4; i++)
        wait *= 2;
    return p->at > INT64_MAX - wait || q->now < p->at + wait;
}

bool coverage_next(const struct coverage *c, const struct coverage_query *q, int64_t *lo,
                   int64_t *hi)
{
    int64_t top = q->hi;
    size_t i = first_from(c, q->hi);

    if (q->lo > q->hi)
        return false;
    /* From the top down: pieces [i ..) end at or above `top`. */
    if (i == c->n || c->at[i].lo > top)
        i = i > 0 ? i - 1 : SIZE_MAX;
    while (i != SIZE_MAX && c->at[i].hi >= top && settled(&c->at[i], q)) {
        if (c->at[i].lo <= q->lo)
            return false;
        top = c->at[i].lo - 1;
        i = i > 0 ? i - 1 : SIZE_MAX;
    }
    *hi = top;
    while (i != SIZE_MAX && !settled(&c->at[i], q))
        i = i > 0 ? i - 1 : SIZE_MAX;
    *lo = i != SIZE_MAX && c->at[i].hi >= q->lo ? c->at[i].hi + 1 : q->lo;
    return true;
}

int64_t coverage_top(const struct coverage *c)
{
    for (size_t i = c->n; i > 0; i--)
        if (!c->at[i - 1].gap)
            return c->at[i - 1].hi;
    return -1;
}

double coverage_share(const struct coverage *c, int64_t lo, int64_t hi)
{
    double proven = 0;

    if (lo > hi)
        return 1;
    for (size_t i = first_from(c, lo); i < c->n && c->at[i].lo <= hi; i++) {
        int64_t from = c->at[i].lo > lo ? c->at[i].lo : lo;
        int64_t to = c->at[i].hi < hi ? c->at[i].hi : hi;
        if (!c->at[i].gap)
            proven += (double)to - (double)from + 1;
    }
    return proven / ((double)hi - (double)lo + 1);
}

void coverage_each(const struct coverage *c,
                   void (*each)(void *owner, const struct store_span *span), void *owner)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct piece *p = &c->at[i];
        struct store_span span = {.lo = p->lo,
                                  .hi = p->hi,
                                  .gap = p->gap,
                                  .grade = p->grade,
                                  .reason = p->reason,
                                  .gap_tries = p->tries,
                                  .at = p->at};
        each(owner, &span);
    }
}
