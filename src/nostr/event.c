/* One event from hostile JSON: a single pass over the object, then its id.
 *
 * Strict where two readers could see two events (a key twice, a lone surrogate, upper-case digits),
 * lenient where the id decides anyway (escapes, white space, the order of keys, keys that nobody
 * knows, an integer written as 1.7e9). */
#include "core/hex.h"
#include "nostr/canonical.h"
#include "nostr/event_scan.h"
#include "nostr/utf8.h"

enum field {
    FIELD_ID,
    FIELD_PUBKEY,
    FIELD_CREATED_AT,
    FIELD_KIND,
    FIELD_TAGS,
    FIELD_CONTENT,
    FIELD_SIG,
    FIELD_UNKNOWN
};

enum { ALL_FIELDS = (1 << FIELD_UNKNOWN) - 1, KIND_MAX = 65535 };

static const int64_t created_at_max =
    ((int64_t)1 << 53) - 1; /* what every JSON reader has exactly */

struct event_limits event_limits_default(void)
{
    return (struct event_limits){
        .json_bytes_max = 1024 * 1024,
        .tags_max = 20000,
        .tag_elements_max = 1000,
        .depth_max = 8,
    };
}

struct event_limits event_limits_archived(void)
{
    return (struct event_limits){
        .json_bytes_max = UINT32_MAX,
        .tags_max = UINT32_MAX,
        .tag_elements_max = UINT32_MAX,
        .depth_max = 8, /* what NIP-01 has is 3 deep */
    };
}

static enum field field_named(const char *name, size_t n)
{
    switch (n) {
    case 2:
        return memcmp(name, "id", 2) == 0 ? FIELD_ID : FIELD_UNKNOWN;
    case 3:
        return memcmp(name, "sig", 3) == 0 ? FIELD_SIG : FIELD_UNKNOWN;
    case 4:
        if (memcmp(name, "kind", 4) == 0)
            return FIELD_KIND;
        return memcmp(name, "tags", 4) == 0 ? FIELD_TAGS : FIELD_UNKNOWN;
    case 6:
        return memcmp(name, "pubkey", 6) == 0 ? FIELD_PUBKEY : FIELD_UNKNOWN;
    case 7:
        return memcmp(name, "content", 7) == 0 ? FIELD_CONTENT : FIELD_UNKNOWN;
    case 10:
        return memcmp(name, "created_at", 10) == 0 ? FIELD_CREATED_AT : FIELD_UNKNOWN;
    default:
        return FIELD_UNKNOWN;
    }
}

/* A key with escapes in it may still be one of the seven ("\u0069d"). */
static enum reject scan_escaped_key(struct scan *s, enum field *field)
{
    struct scan again = *s;
    struct str raw;
    bool escaped;
    enum reject why = scan_raw(s, &raw, &escaped);

    *field = FIELD_UNKNOWN;
    if (why == REJECT_NONE && raw.n <= 6 * strlen("created_at")) {
        char name[6 * 10 + SCAN_SLACK];
        unsigned flags = 0;
        size_t n = 0;

        again.end = s->p;
        why = scan_text(&again, name, &n, &flags);
        *field = field_named(name, n);
    }
    return why;
}

static enum reject scan_key(struct scan *s, enum field *field)
{
    const char *stop;
    enum reject why = REJECT_NONE;

    if (!scan_char(s, '"'))
        return REJECT_SYNTAX;
    stop = scan_plain(s->p, s->end, NULL, &s->high);
    if (stop < s->end && *stop == '"') {
        *field = field_named(s->p, (size_t)(stop - s->p));
        s->p = stop + 1;
    } else {
        why = scan_escaped_key(s, field);
    }
    if (why == REJECT_NONE && !scan_char(s, ':'))
        why = REJECT_SYNTAX;
    return why;
}

/* A string of exactly 2 * bytes lower-case digits; any other value is `bad`. */
static enum reject scan_hex_field(struct event_scan *es, void *to, size_t bytes, enum reject bad,
                                  const char **digits)
{
    struct scan *s = &es->s;
    struct scan again;
    struct str raw;
    bool escaped;
    unsigned flags = 0;
    size_t n = 0;
    char *decoded;
    enum reject why;

    if (!scan_char(s, '"'))
        return bad;
    *digits = s->p;
    if ((size_t)(s->end - s->p) > 2 * bytes && s->p[2 * bytes] == '"' &&
        scan_hex(s->p, to, bytes)) {
        s->p += 2 * bytes + 1;
        return REJECT_NONE;
    }
    again = *s;
    why = scan_raw(s, &raw, &escaped);
    if (why != REJECT_NONE)
        return why;
    if (!escaped || raw.n > 12 * bytes)
        return bad;
    decoded = arena_alloc(es->arena, raw.n + SCAN_SLACK);
    why = scan_text(&again, decoded, &n, &flags);
    *digits = decoded;
    if (why == REJECT_NONE && (n != 2 * bytes || !scan_hex(decoded, to, bytes)))
        why = bad;
    return why;
}

static enum reject scan_content(struct event_scan *es)
{
    size_t room = (size_t)(es->s.end - es->s.p) + SCAN_SLACK, n = 0;
    const char *start;
    char *text;
    enum reject why;

    if (!scan_char(&es->s, '"'))
        return REJECT_BAD_CONTENT;
    start = es->s.p;
    text = arena_alloc(es->arena, room);
    why = scan_text(&es->s, text, &n, &es->content_flags);
    if (why != REJECT_NONE)
        return why;
    arena_shrink_last(es->arena, text, room, n);
    es->raw_content = (struct str){start, (size_t)(es->s.p - 1 - start)};
    es->e->content = (struct str){text, n};
    return REJECT_NONE;
}

static enum reject scan_value(struct event_scan *es, enum field field)
{
    struct event *e = es->e;
    const char *digits;
    int64_t kind;

    if (!scan_space(&es->s))
        return REJECT_SYNTAX;
    switch (field) {
    case FIELD_ID:
        return scan_hex_field(es, e->id.b, sizeof(e->id.b), REJECT_BAD_ID, &digits);
    case FIELD_PUBKEY:
        return scan_hex_field(es, e->pubkey.b, sizeof(e->pubkey.b), REJECT_BAD_PUBKEY,
                              &es->pubkey_hex);
    case FIELD_SIG:
        return scan_hex_field(es, e->sig.b, sizeof(e->sig.b), REJECT_BAD_SIG, &digits);
    case FIELD_CREATED_AT:
        return scan_integer(&es->s, created_at_max, &e->created_at) ? REJECT_NONE
                                                                    : REJECT_BAD_CREATED_AT;
    case FIELD_KIND:
        if (!scan_integer(&es->s, KIND_MAX, &kind))
            return REJECT_BAD_KIND;
        e->kind = (int32_t)kind;
        return REJECT_NONE;
    case FIELD_TAGS:
        return event_scan_tags(es);
    case FIELD_CONTENT:
        return scan_content(es);
    case FIELD_UNKNOWN:
        break;
    }
    return scan_skip(&es->s, 1);
}

static enum reject scan_members(struct event_scan *es)
{
    do {
        enum field field;
        enum reject why = scan_key(&es->s, &field);

        if (why == REJECT_NONE && field != FIELD_UNKNOWN) {
            if (es->seen & 1u << field)
                return REJECT_DUP_KEY;
            es->seen |= 1u << field;
        }
        if (why == REJECT_NONE)
            why = scan_value(es, field);
        if (why != REJECT_NONE)
            return why;
    } while (scan_char(&es->s, ','));
    return scan_char(&es->s, '}') ? REJECT_NONE : REJECT_SYNTAX;
}

static enum reject scan_object(struct event_scan *es, struct str json)
{
    enum reject why = REJECT_NONE;

    if (json.n > es->limits->json_bytes_max)
        return REJECT_TOO_LARGE;
    if (!scan_char(&es->s, '{'))
        return REJECT_SYNTAX;
    if (!scan_char(&es->s, '}'))
        why = scan_members(es);
    if (why == REJECT_NONE && scan_space(&es->s))
        why = REJECT_SYNTAX; /* something behind the object */
    if (why == REJECT_NONE && es->s.high && !utf8_valid(json))
        why = REJECT_BAD_UTF8;
    if (why == REJECT_NONE && es->seen != ALL_FIELDS)
        why = REJECT_MISSING_FIELD;
    if (why == REJECT_NONE && !event_check_id(es))
        why = REJECT_ID_MISMATCH;
    return why;
}

int event_scan_untagged(struct str json, const struct event_limits *limits, struct arena *arena,
                        struct event *out, enum reject *why)
{
    struct event_scan es = {
        .s = {.p = json.p, .end = json.p + json.n, .depth_max = limits->depth_max},
        .limits = limits,
        .arena = arena,
        .e = out,
    };

    *out = (struct event){0};
    *why = scan_object(&es, json);
    return *why == REJECT_NONE ? 0 : -1;
}

int event_scan(struct str json, const struct event_limits *limits, struct arena *arena,
               struct event *out, enum reject *why)
{
    if (event_scan_untagged(json, limits, arena, out, why) < 0)
        return -1;
    event_hash_tags(out, arena);
    return 0;
}

bool event_kind_is_ephemeral(int32_t kind)
{
    return kind >= 20000 && kind < 30000;
}
