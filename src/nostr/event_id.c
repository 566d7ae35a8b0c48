/* The id of an event: SHA-256 over its canonical form, put together from pieces where they lie.
 *
 *     [0,"pubkey",created_at,kind,  tags  ,"  content  "]
 *     head                          |         raw JSON, when its escapes are canonical already
 *                                   text of event_tags.c                                         */
#include "core/hex.h"
#include "core/sha256.h"
#include "nostr/canonical.h"
#include "nostr/event_scan.h"

/* The whole canonical form in one piece, in the given spelling. */
static struct str write_canonical(struct event_scan *es, enum event_variant variant)
{
    size_t room = CANONICAL_HEAD_MAX + canonical_room(es->raw_tags.n, variant) +
                  canonical_room(es->raw_content.n, variant) + 8;
    char *start = arena_alloc(es->arena, room), *p = start;

    p += canonical_head(p, es->pubkey_hex, es->e->created_at, es->e->kind);
    p = canonical_tags(p, es->raw_tags, variant);
    memcpy(p, ",\"", 2);
    p = canonical_string(p + 2, es->raw_content, variant);
    memcpy(p, "\"]", 2);
    p += 2;
    arena_shrink_last(es->arena, start, room, (size_t)(p - start));
    return (struct str){start, (size_t)(p - start)};
}

static bool is_id_of(const struct id32 *id, struct str canonical)
{
    struct id32 actual;

    sha256_of(canonical.p, canonical.n, actual.b);
    return memcmp(actual.b, id->b, sizeof(id->b)) == 0;
}

/* The JS form without putting it into one piece. */
static bool matches_in_pieces(const struct event_scan *es)
{
    char head[CANONICAL_HEAD_MAX];
    struct id32 actual;
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, head, canonical_head(head, es->pubkey_hex, es->e->created_at, es->e->kind));
    sha256_add(&h, es->e->tags.p, es->e->tags.n);
    sha256_add(&h, ",\"", 2);
    sha256_add(&h, es->raw_content.p, es->raw_content.n);
    sha256_add(&h, "\"]", 2);
    sha256_final(&h, actual.b);
    return memcmp(actual.b, es->e->id.b, sizeof(actual.b)) == 0;
}

static bool holds_del(struct str s)
{
    return memchr(s.p, 0x7f, s.n) != NULL;
}

bool event_check_id(struct event_scan *es)
{
    unsigned flags = es->tags_flags | es->content_flags;
    struct event *e = es->e;
    struct str canonical;

    e->lossy = (flags & SCAN_NUL) != 0;
    e->variant = EVENT_VARIANT_JS;
    if (!e->lossy && (es->content_flags & SCAN_REWRITE) == 0) {
        if (matches_in_pieces(es))
            return true;
    } else {
        canonical = write_canonical(es, EVENT_VARIANT_JS);
        if (is_id_of(&e->id, canonical)) {
            if (e->lossy)
                e->canonical = canonical;
            else
                arena_shrink_last(es->arena, (char *)(uintptr_t)canonical.p, canonical.n, 0);
            return true;
        }
    }
    for (enum event_variant v = EVENT_VARIANT_NIP; v < EVENT_VARIANT__COUNT; v++) {
        if (v == EVENT_VARIANT_NIP && (flags & SCAN_CONTROL) == 0)
            continue; /* would be the same bytes again */
        if (v == EVENT_VARIANT_TAO && !holds_del(e->tags) && !holds_del(e->content))
            continue;
        canonical = write_canonical(es, v);
        if (is_id_of(&e->id, canonical)) {
            e->canonical = canonical;
            e->variant = v;
            return true;
        }
    }
    return false;
}
