/* Which kinds a walk asks for by name, and in which order: those that the relay has been seen to
 * send come first, since nothing hidden competes with them for the limit of a page. */
#include <stdlib.h>
#include <string.h>

#include "services/walk/walk_internal.h"

/* For an archive that knows little yet: the kinds of the NIPs' own table, commonest first; fewer
 * than CHUNK_KINDS. */
static const int32_t common_kinds[] = {
    1,     7,     0,     3,     6,     10002, 5,     9735,  1984,  30023, 1111,  30078, 9734,
    10000, 10001, 10003, 10050, 16,    4,     1059,  30000, 30001, 30003, 40,    41,    42,
    8,     20,    21,    22,    30009, 30008, 30311, 30402, 31990, 13194, 34550, 1311,  1063,
    1985,  9802,  30315, 30618, 30617, 1617,  1621,  31923, 31922, 31925, 9321,  10019, 443,
    30166, 10166, 5300,  7000,  17375, 7375,  7376,  10004, 10005, 10006, 10007, 10015, 10030,
    1018,  1068,  1222,  30024, 30030, 30040, 30041, 30818, 32123, 38383, 39000, 39001, 39002,
    62,    17,    1040,  2,     10063, 24242, 27235, 9,     11,    14,    43,    44,    64,
    444,   445,   818,   1021,  1022,  1244,  1337,  1618,  1619,  1622,  1630,  1631,  1632,
    1633,  1971,  2003,  2004,  2022,  4550,  7374,  7516,  8000,  8001,  9000,  9001,  9002,
    9005,  9007,  9008,  9009,  9021,  9022,  9041,  9467,  10009, 10012, 10013, 10020, 10051,
    10096, 10312, 10317, 10377, 11111, 30002, 30004, 30005, 30006, 30007, 30015, 30017, 30018,
    30019, 30020, 30063, 30267, 30312, 30313, 30382, 30388, 30403, 30819, 31234, 31388, 31890,
    31924, 31989, 32267, 34128, 34235, 34236, 34237, 35128, 36787, 37516, 38172, 38173, 39003,
    39089, 39092, 39701};

/* What relays keep for those it concerns (PROTOCOL 2.1; strfry's and nostr-rs-relay's defaults,
 * NIP-59, NIP-60). */
static const int32_t restricted_kinds[] = {4, 13, 14, 1059, 1060, 21059};

static bool restricted(int32_t kind)
{
    for (size_t i = 0; i < sizeof(restricted_kinds) / sizeof(restricted_kinds[0]); i++)
        if (restricted_kinds[i] == kind)
            return true;
    return false;
}

/* Where `kind` is, or belongs, in the sorted base. */
static size_t place(const struct walk *w, int32_t kind)
{
    size_t low = 0, high = w->base_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->base[middle].kind < kind)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct kind *find(struct walk *w, int32_t kind)
{
    size_t at = place(w, kind);

    return at < w->base_n && w->base[at].kind == kind ? &w->base[at] : NULL;
}

/* Adds it, commonest first.  NULL when the list is full. */
static struct kind *add(struct walk *w, int32_t kind)
{
    struct kind *known = find(w, kind);

    if (known || w->base_n >= KINDS_MAX || kind < 0 || kind > 65535)
        return known;
    void *base = w->base;
    walk_grow(&base, &w->base_room, w->base_n + 1, sizeof(*w->base));
    w->base = base;
    size_t at = place(w, kind);
    memmove(w->base + at + 1, w->base + at, (w->base_n - at) * sizeof(*w->base));
    w->base[at] = (struct kind){
        .kind = kind, .rank = (uint32_t)w->base_n, .short_min = -1, .restricted = restricted(kind)};
    w->base_n++;
    return &w->base[at];
}

void walk_kinds_init(struct walk *w, const struct walk_kinds *kinds)
{
    w->chunk_max = CHUNK_KINDS;
    w->only = kinds->only_n > 0;
    if (w->only) {
        void *copy = NULL;
        walk_grow(&copy, &w->only_n, kinds->only_n, sizeof(*w->only_kinds));
        w->only_kinds = copy;
        w->only_n = kinds->only_n;
        for (size_t i = 0; i < kinds->only_n; i++) {
            w->only_kinds[i] = kinds->only[i];
            add(w, kinds->only[i]);
        }
    } else {
        for (size_t i = 0; i < kinds->known_n; i++)
            add(w, kinds->known[i]);
        for (size_t i = 0; i < sizeof(common_kinds) / sizeof(common_kinds[0]); i++)
            add(w, common_kinds[i]);
    }
    for (uint32_t i = 0; i < w->traits->served_n && i < WALK_SERVED_MAX; i++) {
        struct kind *k = w->only ? find(w, w->traits->served[i]) : add(w, w->traits->served[i]);
        if (k)
            k->served = true;
    }
}

void walk_kinds_seen(struct walk *w, int32_t kind)
{
    struct kind *k = w->only ? find(w, kind) : add(w, kind);

    if (!k || k->served)
        return;
    k->served = true;
    struct walk_traits *t = w->traits;
    for (uint32_t i = 0; i < t->served_n; i++)
        if (t->served[i] == kind)
            return;
    if (t->served_n < WALK_SERVED_MAX)
        t->served[t->served_n++] = kind;
}

static int by_use(const void *a, const void *b)
{
    const struct kind *x = a, *y = b;

    if (x->served != y->served)
        return x->served ? -1 : 1;
    if (!x->served && x->restricted != y->restricted)
        return x->restricted ? 1 : -1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

void walk_kinds_order(struct walk *w, bool all)
{
    struct kind *sorted = NULL;
    size_t room = 0, n = 0;
    void *grown = NULL;

    walk_grow(&grown, &room, w->base_n + 1, sizeof(*sorted));
    sorted = grown;
    for (size_t i = 0; i < w->base_n; i++) {
        const struct kind *k = &w->base[i];
        /* Where kinds are hidden, one that is would take the places of those that are not. */
        if (all || w->only || k->served || !k->restricted)
            sorted[n++] = *k;
    }
    qsort(sorted, n, sizeof(*sorted), by_use);
    grown = w->list;
    walk_grow(&grown, &w->list_room, n + 1, sizeof(*w->list));
    w->list = grown;
    w->list_n = n;
    w->served_n = w->open_n = 0;
    for (size_t i = 0; i < n; i++) {
        w->list[i] = sorted[i].kind;
        w->served_n += sorted[i].served;
        w->open_n += sorted[i].served || !sorted[i].restricted;
    }
    free(sorted);
}

/* Where nothing is hidden, the explicit kinds are only a check: one question with the commonest is
 * enough. */
size_t walk_chunks(const struct walk *w)
{
    if (!w->traits->restricts && !w->traits->scraper)
        return w->list_n > 0;
    size_t rest = w->list_n - w->served_n;
    return (w->served_n + w->chunk_max - 1) / w->chunk_max +
           (rest + w->chunk_max - 1) / w->chunk_max;
}

struct range walk_chunk(const struct walk *w, size_t i)
{
    size_t first = (w->served_n + w->chunk_max - 1) / w->chunk_max;
    size_t from = i * w->chunk_max, end = w->served_n;

    if (!w->traits->restricts && !w->traits->scraper) {
        end = w->list_n;
    } else if (i >= first) {
        from = w->served_n + (i - first) * w->chunk_max;
        end = w->list_n;
    }
    size_t n = end - from;
    return (struct range){from, n < w->chunk_max ? n : w->chunk_max};
}

void walk_kinds_short(struct walk *w, struct range chunk, int64_t min)
{
    for (size_t i = chunk.from; i < chunk.from + chunk.n; i++) {
        struct kind *k = find(w, w->list[i]);
        if (k)
            k->short_min = min;
    }
}

void walk_kind_at(struct walk *w, int32_t kind, int64_t t)
{
    const struct kind *k = find(w, kind);

    if (k && k->short_min >= 0 && t < k->short_min)
        w->k_ragged = true;
}
