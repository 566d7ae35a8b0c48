/* The tags of an event: scanned, written in canonical form, and laid out as a table of elements.
 *
 *     "tags": [ ["e","5c83.."], ["t","\u0041"] ]          raw
 *     [["e","5c83.."],["t","A"]]                          text, canonical: goes into the hash and
 *       ^ ^            ^  ^                               the database; elements without an escape
 *                                                         (nearly all) are views into it
 * One piece of memory holds all of it while it grows, and gives back its middle at the end:
 *
 *     text ->            elements ->              <- starts
 *     text | elements | starts */
#include <stdlib.h>

#include "core/sha256.h"
#include "nostr/canonical.h"
#include "nostr/event_scan.h"

struct table {
    struct str *elements; /* the lower end: grows upwards */
    uint32_t *top;        /* the upper end: the start of tag i is top[-1 - i] */
    uint32_t elements_n, tags_n;
    size_t bytes; /* of both and the room between them */
};

struct tags {
    struct event_scan *es;
    struct table table;
    char *memory; /* the one allocation: text_room bytes for the text, then the table */
    size_t memory_bytes;
    char *text, *out;
    bool grown; /* the table has left the one allocation */
};

static void table_place(struct table *t, void *at, size_t bytes)
{
    t->elements = at;
    t->bytes = bytes;
    t->top = (uint32_t *)(void *)((char *)at + bytes);
}

/* The table has outgrown its first room, as only a text of very short elements can make it: counts
 * what may still come, so that this happens once and a hostile text cannot make it double and
 * double.  Each element has two quotes, each tag a bracket. */
static void table_grow(struct tags *t)
{
    struct table *old = &t->table, fresh = *old;
    size_t elements = 2 * (size_t)old->elements_n, tags = old->tags_n, bytes;

    for (const char *p = t->es->s.p; p < t->es->s.end; p++) {
        elements += *p == '"';
        tags += *p == '[';
    }
    elements = elements / 2 + 2;
    tags = (tags < t->es->limits->tags_max ? tags : t->es->limits->tags_max) + 2;
    bytes = (elements * sizeof(struct str) + tags * sizeof(uint32_t) + 15) / 16 * 16;
    table_place(&fresh, arena_alloc(t->es->arena, bytes), bytes);
    memcpy(fresh.elements, old->elements, old->elements_n * sizeof(struct str));
    memcpy(fresh.top - old->tags_n, old->top - old->tags_n, old->tags_n * sizeof(uint32_t));
    *old = fresh;
    t->grown = true;
}

/* Makes sure that one more element and two more starts fit. */
static inline void table_reserve(struct tags *t)
{
    size_t used = t->table.elements_n * sizeof(struct str) + t->table.tags_n * sizeof(uint32_t);

    if (used + sizeof(struct str) + 2 * sizeof(uint32_t) > t->table.bytes)
        table_grow(t);
}

/* A string with escapes: decoded beside the text, and written into it in canonical escapes. */
static enum reject scan_escaped(struct tags *t, struct str *element)
{
    struct event_scan *es = t->es;
    struct scan ahead = es->s;
    struct str raw;
    bool escaped;
    char *decoded;
    enum reject why = scan_raw(&ahead, &raw, &escaped);

    if (why != REJECT_NONE)
        return why;
    decoded = arena_alloc(es->arena, raw.n + SCAN_SLACK);
    why = scan_text(&es->s, decoded, &element->n, &es->tags_flags);
    if (why != REJECT_NONE)
        return why;
    element->p = decoded;
    *t->out++ = '"';
    t->out = canonical_escape(t->out, *element);
    *t->out++ = '"';
    return REJECT_NONE;
}

/* One string, the cursor behind its opening quote. */
static inline enum reject scan_element(struct tags *t)
{
    struct scan *s = &t->es->s;
    struct str *element;
    const char *p = s->p, *stop;
    char *out = t->out;
    bool high = false;

    table_reserve(t);
    element = &t->table.elements[t->table.elements_n++];
    *out++ = '"';
    stop = scan_plain(p, s->end, out, &high);
    s->high |= high;
    if (stop == s->end || (unsigned char)*stop < 0x20)
        return REJECT_SYNTAX;
    if (*stop != '"')
        return scan_escaped(t, element);
    *element = (struct str){out, (size_t)(stop - p)};
    out += stop - p;
    *out++ = '"';
    t->out = out;
    s->p = stop + 1;
    return REJECT_NONE;
}

/* One tag, the cursor behind its opening bracket.  NIP-01 wants one string at least; an empty one
 * is kept where the id says that it was signed. */
static enum reject scan_tag(struct tags *t)
{
    struct scan *s = &t->es->s;
    uint32_t n = 0;

    *t->out++ = '[';
    if (!scan_char(s, ']')) {
        do {
            enum reject why;

            if (!scan_char(s, '"'))
                return REJECT_BAD_TAGS;
            if (++n > t->es->limits->tag_elements_max)
                return REJECT_TOO_MANY_TAGS;
            if (n > 1)
                *t->out++ = ',';
            why = scan_element(t);
            if (why != REJECT_NONE)
                return why;
        } while (scan_char(s, ','));
        if (!scan_char(s, ']'))
            return REJECT_SYNTAX;
    }
    *t->out++ = ']';
    return REJECT_NONE;
}

static enum reject scan_list(struct tags *t)
{
    struct scan *s = &t->es->s;

    *t->out++ = '[';
    if (!scan_char(s, ']')) {
        do {
            enum reject why;

            if (!scan_char(s, '['))
                return REJECT_BAD_TAGS;
            if (t->table.tags_n >= t->es->limits->tags_max)
                return REJECT_TOO_MANY_TAGS;
            if (t->table.tags_n > 0)
                *t->out++ = ',';
            table_reserve(t);
            t->table.top[-1 - (ptrdiff_t)t->table.tags_n++] = t->table.elements_n;
            why = scan_tag(t);
            if (why != REJECT_NONE)
                return why;
        } while (scan_char(s, ','));
        if (!scan_char(s, ']'))
            return REJECT_SYNTAX;
    }
    *t->out++ = ']';
    table_reserve(t);
    t->table.top[-1 - (ptrdiff_t)t->table.tags_n] = t->table.elements_n;
    return REJECT_NONE;
}

/* Closes the gaps: the elements move behind the text, the starts behind them and into order. */
static void settle(struct tags *t)
{
    struct table *b = &t->table;
    struct event *e = t->es->e;
    size_t text_bytes = (size_t)(t->out - t->text);
    size_t align = _Alignof(struct str), starts_n = b->tags_n + 1;
    size_t at = t->grown ? 0 : (text_bytes + align - 1) / align * align;
    char *base = t->grown ? (char *)b->elements : t->memory;
    struct str *elements = (struct str *)(void *)(base + at);
    uint32_t *starts = (uint32_t *)(void *)(elements + b->elements_n);

    memmove(elements, b->elements, b->elements_n * sizeof(*elements));
    memmove(starts, b->top - starts_n, starts_n * sizeof(*starts));
    for (size_t i = 0, j = starts_n - 1; i < j; i++, j--) {
        uint32_t swap = starts[i];

        starts[i] = starts[j];
        starts[j] = swap;
    }
    arena_shrink_last(t->es->arena, base, t->grown ? b->bytes : t->memory_bytes,
                      at + b->elements_n * sizeof(*elements) + starts_n * sizeof(*starts));
    e->tags = (struct str){t->text, text_bytes};
    e->elements = elements;
    e->tag_start = starts;
    e->tags_n = b->tags_n;
}

enum reject event_scan_tags(struct event_scan *es)
{
    struct tags t = {.es = es};
    size_t rest = (size_t)(es->s.end - es->s.p);
    size_t text_room = (rest + SCAN_SLACK + 15) / 16 * 16;
    size_t table_bytes =
        (rest + 256 + 15) / 16 * 16; /* a table of usual tags is smaller than they */
    const char *start;
    enum reject why;

    if (!scan_char(&es->s, '['))
        return REJECT_BAD_TAGS;
    start = es->s.p - 1;
    t.memory_bytes = text_room + table_bytes;
    t.memory = t.text = t.out = arena_alloc(es->arena, t.memory_bytes);
    table_place(&t.table, t.memory + text_room, table_bytes);
    why = scan_list(&t);
    if (why != REJECT_NONE)
        return why;
    es->raw_tags = (struct str){start, (size_t)(es->s.p - start)};
    settle(&t);
    return REJECT_NONE;
}

int64_t event_tag_hash(struct str name, struct str value)
{
    uint8_t digest[SHA256_BYTES];
    char joined[256];
    uint64_t hash = 0;

    if (name.n + 1 + value.n <= sizeof(joined)) {
        memcpy(joined, name.p, name.n);
        joined[name.n] = 0;
        memcpy(joined + name.n + 1, value.p, value.n);
        sha256_of(joined, name.n + 1 + value.n, digest);
    } else {
        struct sha256 h;

        sha256_init(&h);
        sha256_add(&h, name.p, name.n);
        sha256_add(&h, "", 1);
        sha256_add(&h, value.p, value.n);
        sha256_final(&h, digest);
    }
    for (int i = 0; i < 8; i++)
        hash = hash << 8 | digest[i];
    return (int64_t)hash;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

void event_hash_tags(struct event *e, struct arena *arena)
{
    size_t room = e->tags_n * sizeof(int64_t);
    int64_t *hashes = arena_alloc(arena, room);
    uint32_t n = 0, distinct = 0;

    for (uint32_t i = 0; i < e->tags_n; i++) {
        const struct str *tag = e->elements + e->tag_start[i];

        if (e->tag_start[i + 1] - e->tag_start[i] >= 2 && tag[1].n > 0)
            hashes[n++] = event_tag_hash(tag[0], tag[1]);
    }
    qsort(hashes, n, sizeof(*hashes), by_value);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || hashes[i] != hashes[i - 1])
            hashes[distinct++] = hashes[i];
    arena_shrink_last(arena, hashes, room, distinct * sizeof(int64_t));
    e->taghash = hashes;
    e->taghash_n = distinct;
}

bool event_tag_first(const struct event *e, struct str name, struct str *value)
{
    for (uint32_t i = 0; i < e->tags_n; i++) {
        const struct str *tag = e->elements + e->tag_start[i];

        if (e->tag_start[i + 1] - e->tag_start[i] >= 2 && str_eq(tag[0], name)) {
            *value = tag[1];
            return true;
        }
    }
    return false;
}
