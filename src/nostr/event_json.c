/* The event as JSON again, for export and for other relays. */
#include <string.h>

#include "core/hex.h"
#include "nostr/canonical.h"
#include "nostr/event.h"

static char *put(char *out, struct str s)
{
    memcpy(out, s.p, s.n);
    return out + s.n;
}

static char *put_hex(char *out, const void *from, size_t bytes)
{
    hex_encode(out, from, bytes);
    return out + 2 * bytes;
}

/* Where the list of tags ends that begins at s.p. */
static size_t tags_length(struct str s)
{
    bool quoted = false;
    int open = 0;
    size_t i = 0;

    for (; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (!quoted && s.p[i] == '[')
            open++;
        else if (!quoted && s.p[i] == ']' && --open == 0)
            return i + 1;
    }
    return s.n;
}

/* Canonical bytes as valid JSON: the NIP spelling has control characters as they are. */
static char *put_legal(char *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20)
            out = canonical_escape(out, (struct str){s.p + i, 1});
        else
            *out++ = s.p[i];
    }
    return out;
}

/* Tags and content of an event whose NULs only the canonical form still has. */
static char *put_lossy(char *out, const struct event *e, const char pubkey_hex[64])
{
    char head[CANONICAL_HEAD_MAX];
    size_t at = canonical_head(head, pubkey_hex, e->created_at, e->kind);
    struct str tags = {e->canonical.p + at, e->canonical.n - at}, content;
    size_t n = tags_length(tags);

    content = (struct str){tags.p + n + 2, tags.n - n - 4}; /* between `,"` and `"]` */
    tags.n = n;
    out = put(out, STR("\"tags\":"));
    out = put_legal(out, tags);
    out = put(out, STR(",\"content\":\""));
    return put_legal(out, content);
}

struct str event_json(const struct event *e, struct arena *arena)
{
    size_t room = 512 + e->tags.n + 6 * (e->canonical.n > 0 ? e->canonical.n : e->content.n);
    char *start = arena_alloc(arena, room), *p = start, *pubkey;

    p = put(p, STR("{\"id\":\""));
    p = put_hex(p, e->id.b, sizeof(e->id.b));
    p = put(p, STR("\",\"pubkey\":\""));
    pubkey = p;
    p = put_hex(p, e->pubkey.b, sizeof(e->pubkey.b));
    p = put(p, STR("\",\"created_at\":"));
    p = canonical_number(p, (uint64_t)e->created_at);
    p = put(p, STR(",\"kind\":"));
    p = canonical_number(p, (uint64_t)e->kind);
    p = put(p, STR(","));
    if (e->lossy) {
        p = put_lossy(p, e, pubkey);
    } else {
        p = put(p, STR("\"tags\":"));
        p = put(p, e->tags);
        p = put(p, STR(",\"content\":\""));
        p = canonical_escape(p, e->content);
    }
    p = put(p, STR("\",\"sig\":\""));
    p = put_hex(p, e->sig.b, sizeof(e->sig.b));
    p = put(p, STR("\"}"));
    arena_shrink_last(arena, start, room, (size_t)(p - start));
    return (struct str){start, (size_t)(p - start)};
}
