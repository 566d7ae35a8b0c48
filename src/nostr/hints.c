/* What of an event is read, as which source, and what was found so far. */
#include "nostr/hints.h"

#include <string.h>

#include "nostr/hints_parts.h"
#include "nostr/url.h"

const char *hint_source_name(enum hint_source source)
{
    static const char *const names[HINT_SOURCE__COUNT] = {
#define NAME_ROW(name, text, weight) [HINT_##name] = text,
        HINT_SOURCES(NAME_ROW)
#undef NAME_ROW
    };

    return names[source];
}

int hint_weight(enum hint_source source)
{
    static const uint8_t weights[HINT_SOURCE__COUNT] = {
#define WEIGHT_ROW(name, text, weight) [HINT_##name] = (weight),
        HINT_SOURCES(WEIGHT_ROW)
#undef WEIGHT_ROW
    };

    return weights[source];
}

/* ---- what is private ---- */

/* Direct messages and their wraps (NIP-04, 17, 59), groups (NIP-EE), wallets and signers (NIP-46,
 * 47, 60), drafts (NIP-37): whom they go to, over which relay, is nobody's business either. */
static const int32_t private_kinds[] = {4,     13,    14,    15,    444,   445,   1059,  1060,
                                        7374,  7375,  7376,  10013, 17375, 21059, 23194, 23195,
                                        23196, 23197, 24133, 24134, 31234, 37375};

/* Those of which the content is, or may be, encrypted (NIP-51, NIP-78). */
static const struct {
    int32_t from, to;
} private_content[] = {{10000, 10999}, {30000, 30007}, {30015, 30015}, {30030, 30030},
                       {30063, 30063}, {30078, 30078}, {30267, 30267}, {39089, 39092}};

enum hints_part hints_part(int32_t kind)
{
    for (size_t i = 0; i < sizeof(private_kinds) / sizeof(private_kinds[0]); i++)
        if (kind == private_kinds[i])
            return HINTS_NONE;
    for (size_t i = 0; i < sizeof(private_content) / sizeof(private_content[0]); i++)
        if (kind >= private_content[i].from && kind <= private_content[i].to)
            return HINTS_TAGS;
    return HINTS_ALL;
}

/* ---- what was found ---- */

static int32_t find_or_add(struct hints_found *f, const struct relay_url *url,
                           enum hint_source source)
{
    struct str text = str_z(url->text);

    if (text.n > HINTS_URL_MAX)
        return -1;
    for (uint32_t i = 0; i < f->n; i++)
        if (str_eq(f->hint[i].url, text))
            return (int32_t)i;
    if (f->n == HINTS_MAX) {
        f->cut = true;
        return -1;
    }
    f->hint[f->n] = (struct hint){arena_copy(f->arena, text), url->network, source};
    return (int32_t)f->n++;
}

static bool note(struct hints_found *f, int32_t hint, enum hint_source source)
{
    if (hint < 0)
        return false;
    if (hint_weight(source) > hint_weight(f->hint[hint].source))
        f->hint[hint].source = source;
    return true;
}

static int32_t parse(struct hints_found *f, struct str text, enum hint_source source)
{
    struct relay_url url;

    return url_parse(text, NULL, &url) == URL_OK ? find_or_add(f, &url, source) : -1;
}

static uint32_t hash_of(struct str s)
{
    uint32_t h = 2166136261u; /* FNV-1a: a collision costs a comparison, and tries are bounded */

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * 16777619u;
    return h ^ h >> 15;
}

bool hints_try(struct hints_found *f, struct str text, enum hint_source source)
{
    uint32_t at;

    if (f->cut || text.n > URL_MAX)
        return false;
    for (at = hash_of(text) % TRIED_SLOTS; f->slot[at] != 0; at = (at + 1) % TRIED_SLOTS)
        if (str_eq(f->tried[f->slot[at] - 1].text, text))
            return note(f, f->tried[f->slot[at] - 1].hint, source);
    if (f->tried_n == HINTS_TRIES_MAX) {
        f->cut = true;
        return false;
    }
    f->tried[f->tried_n].text = text;
    f->tried[f->tried_n].hint = parse(f, text, source);
    f->slot[at] = (uint16_t)++f->tried_n;
    return note(f, f->tried[f->tried_n - 1].hint, source);
}

bool hints_try_once(struct hints_found *f, struct str text, enum hint_source source)
{
    if (f->tried_n == HINTS_TRIES_MAX)
        f->cut = true;
    if (f->cut || text.n > URL_MAX)
        return false;
    /* Counted, but never found again: no slot leads to it. */
    f->tried[f->tried_n++].text = (struct str){NULL, 0};
    return note(f, parse(f, text, source), source);
}

/* ---- what is read ---- */

static bool is_one_of(struct str name, const char *letters)
{
    return name.n == 1 && name.p[0] != '\0' && strchr(letters, name.p[0]) != NULL;
}

static enum hint_source relay_tag_source(int32_t kind)
{
    if (kind == 10050 || kind == 10051)
        return HINT_DM_RELAYS;
    if (kind == 10006)
        return HINT_BLOCKED;
    if ((kind >= 10007 && kind <= 10102) || kind == 30002)
        return HINT_RELAY_SET;
    return kind == 62 ? HINT_VANISH : HINT_RELAYS_TAG;
}

/* Element `i` (from 1) of a tag of this name. */
static enum hint_source tag_source(int32_t kind, struct str name, uint32_t i)
{
    if (str_eq(name, STR("relay")) || str_eq(name, STR("relays")))
        return relay_tag_source(kind);
    if (str_eq(name, STR("group")) || (kind >= 39000 && kind <= 39009))
        return HINT_GROUP;
    if (i == 1 && kind == 10002 && str_eq(name, STR("r")))
        return HINT_RELAY_LIST;
    if (i == 1 && kind == 10009 && str_eq(name, STR("r")))
        return HINT_GROUP;
    if (i == 1 && kind == 30166 && str_eq(name, STR("d")))
        return HINT_MONITOR;
    return i == 2 && is_one_of(name, "epaqEPAQ") ? HINT_POINTER : HINT_TAG;
}

/* Nothing but one URL?  With a second scheme in it, it is several, or a proxy's: text. */
static bool is_whole_url(struct str s)
{
    struct str rest;
    size_t at;

    s = str_trim(s);
    if (s.n < 8 || (s.p[0] | 0x20) != 'w' || (s.p[1] | 0x20) != 's' ||
        !str_find(s, STR("://"), &at))
        return false;
    rest = (struct str){s.p + at + 3, s.n - at - 3};
    return at <= 3 && !str_find(rest, STR("://"), NULL);
}

static void read_element(struct hints_found *f, struct str element, enum hint_source source)
{
    if (element.n < sizeof("ws://a.b") - 1)
        return;
    if (is_whole_url(element) && hints_try(f, element, source))
        return;
    if (source == HINT_TAG || source == HINT_POINTER)
        source = HINT_TEXT;
    hints_read_text(f, element, source);
}

static void read_tags(struct hints_found *f, const struct event *e)
{
    for (uint32_t t = 0; t < e->tags_n && !f->cut; t++) {
        const struct str *tag = &e->elements[e->tag_start[t]];
        uint32_t n = e->tag_start[t + 1] - e->tag_start[t];

        for (uint32_t i = 1; i < n; i++)
            read_element(f, tag[i], tag_source(e->kind, tag[0], i));
    }
}

static enum hint_source content_source(int32_t kind)
{
    if (kind == 2)
        return HINT_RECOMMENDED;
    if (kind == 3)
        return HINT_CONTACTS;
    return kind == 40 || kind == 41 ? HINT_RELAYS_TAG : HINT_TEXT; /* NIP-28 */
}

static void found_init(struct hints_found *f, struct arena *arena)
{
    f->n = 0;
    f->tried_n = 0;
    f->cut = false;
    f->arena = arena;
    memset(f->slot, 0, sizeof(f->slot));
}

static void read_text_bounded(struct hints_found *f, struct str text, enum hint_source source)
{
    bool longer = text.n > HINTS_TEXT_MAX;

    if (longer)
        text.n = HINTS_TEXT_MAX;
    hints_read_text(f, text, source);
    f->cut |= longer;
}

static struct hints result(const struct hints_found *f)
{
    struct hint *copy;

    if (f->n == 0)
        return (struct hints){NULL, 0, f->cut};
    copy = arena_alloc(f->arena, f->n * sizeof(*copy));
    memcpy(copy, f->hint, f->n * sizeof(*copy));
    return (struct hints){copy, f->n, f->cut};
}

struct hints hints_of_event(const struct event *e, struct arena *arena)
{
    enum hints_part part = hints_part(e->kind);
    struct hints_found f;

    if (part == HINTS_NONE)
        return (struct hints){NULL, 0, false};
    found_init(&f, arena);
    read_tags(&f, e);
    if (part == HINTS_ALL)
        read_text_bounded(&f, e->content, content_source(e->kind));
    return result(&f);
}

struct hints hints_of_text(struct str text, enum hint_source source, struct arena *arena)
{
    struct hints_found f;

    found_init(&f, arena);
    read_text_bounded(&f, text, source);
    return result(&f);
}

struct hints hints_of_document(struct str json, enum hint_source source, struct arena *arena)
{
    struct hints_found f;

    found_init(&f, arena);
    hints_read_text(&f, json, source);
    return result(&f);
}
