/* nip66: see nip66.h.
 *
 *     struct tags: elements | where each tag begins        both grow in the arena's copies at the
 * end
 */
#include "nostr/nip66.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/sha256.h"

enum { ELEMENTS_MAX = 1600, TAGS_MAX = 800, NUMBER_MAX = 24 };

/* Filled on the stack, copied when it is known how much there is. */
struct tags {
    struct arena *arena;
    struct str elements[ELEMENTS_MAX];
    uint32_t start[TAGS_MAX + 1];
    uint32_t elements_n, tags_n;
};

static void begin(struct tags *t, struct arena *arena)
{
    t->arena = arena;
    t->elements_n = t->tags_n = 0;
}

/* One tag of up to three elements; `b` empty and `c` NULL: none.  What does not fit is left out. */
static void add(struct tags *t, const char *name, struct str value, const char *third)
{
    uint32_t n = third != NULL ? 3 : 2;

    if (t->tags_n == TAGS_MAX || t->elements_n + n > ELEMENTS_MAX)
        return;
    t->start[t->tags_n++] = t->elements_n;
    t->elements[t->elements_n++] = str_z(name);
    t->elements[t->elements_n++] = arena_copy(t->arena, value);
    if (third != NULL)
        t->elements[t->elements_n++] = str_z(third);
}

static void add_number(struct tags *t, const char *name, int64_t value, const char *third)
{
    char text[NUMBER_MAX];
    int n = snprintf(text, sizeof(text), "%" PRId64, value);

    add(t, name, (struct str){text, (size_t)n}, third);
}

static void finish(struct tags *t, int32_t kind, int64_t created_at, struct str content,
                   struct event_draft *draft)
{
    size_t elements_bytes = t->elements_n * sizeof(*t->elements);
    size_t start_bytes = (t->tags_n + (size_t)1) * sizeof(*t->start);
    struct str *elements = arena_alloc(t->arena, elements_bytes + sizeof(*t->elements));
    uint32_t *start = arena_alloc(t->arena, start_bytes);

    t->start[t->tags_n] = t->elements_n;
    memcpy(elements, t->elements, elements_bytes);
    memcpy(start, t->start, start_bytes);
    *draft = (struct event_draft){.created_at = created_at,
                                  .kind = kind,
                                  .elements = elements,
                                  .tag_start = start,
                                  .tags_n = t->tags_n,
                                  .content = arena_copy(t->arena, content)};
}

static struct tags *tags_new(struct arena *arena)
{
    struct tags *t = malloc(sizeof(*t));

    if (t == NULL)
        abort();
    begin(t, arena);
    return t;
}

static void add_rtt(struct tags *t, const char *name, int64_t ms)
{
    if (ms >= 0)
        add_number(t, name, ms, NULL);
}

/* R: a requirement, with ! when it is known not to be one. */
static void add_requirement(struct tags *t, const char *name, int8_t value)
{
    char text[32];
    int n;

    if (value < 0)
        return;
    n = snprintf(text, sizeof(text), "%s%s", value ? "" : "!", name);
    add(t, "R", (struct str){text, (size_t)n}, NULL);
}

/* Words of strangers: few, short, on one line. */
static void add_words(struct tags *t, const char *name, const struct str *words, uint32_t n)
{
    for (uint32_t i = 0; i < n && i < NIP66_TOPICS_MAX; i++)
        if (words[i].n > 0 && words[i].n <= NIP66_TOPIC_BYTES_MAX)
            add(t, name, words[i], NULL);
}

/* Of a language tag (`pt-BR`, RFC 5646) what ISO 639-1 knows: a first part of two letters.  Each
 * language once; `*` and names of three letters have no place in that namespace. */
static void add_languages(struct tags *t, const struct str *tags, uint32_t n)
{
    const uint32_t first = t->tags_n;
    char code[2];

    for (uint32_t i = 0; i < n && i < NIP66_TOPICS_MAX; i++) {
        bool known = tags[i].n == 2 || (tags[i].n > 2 && tags[i].p[2] == '-');
        for (uint32_t j = 0; known && j < 2; j++) {
            code[j] = (char)(tags[i].p[j] | 0x20); /* lower case, if it is a letter */
            known = code[j] >= 'a' && code[j] <= 'z';
        }
        for (uint32_t j = first; known && j < t->tags_n; j++)
            known = !str_eq(t->elements[t->start[j] + 1], (struct str){code, 2});
        if (known)
            add(t, "l", (struct str){code, 2}, "ISO-639-1");
    }
}

void nip66_relay(const struct nip66_relay *r, int64_t created_at, struct arena *arena,
                 struct event_draft *draft)
{
    struct tags *t = tags_new(arena);

    add(t, "d", str_z(r->url), NULL);
    add(t, "n", str_z(network_name(r->network)), NULL);
    for (uint32_t i = 0; i < r->nips_n; i++)
        add_number(t, "N", r->nips[i], NULL);
    add_requirement(t, "auth", r->auth);
    add_requirement(t, "writes", r->writes);
    add_requirement(t, "pow", r->pow);
    add_requirement(t, "payment", r->payment);
    add_words(t, "t", r->topics, r->topics_n);
    if (r->geohash[0] != '\0')
        add(t, "g", str_z(r->geohash), NULL);
    if (r->country[0] != '\0')
        add(t, "l", str_z(r->country), "ISO-3166-1");
    add_languages(t, r->languages, r->languages_n);
    add_rtt(t, "rtt-open", r->rtt_open);
    add_rtt(t, "rtt-read", r->rtt_read);
    add_rtt(t, "rtt-write", r->rtt_write);
    finish(t, NIP66_KIND_RELAY, created_at, r->document, draft);
    free(t);
}

void nip66_monitor(const struct nip66_monitor *m, int64_t created_at, struct arena *arena,
                   struct event_draft *draft)
{
    struct tags *t = tags_new(arena);

    add_number(t, "frequency", m->frequency_s, NULL);
    if (m->timeout_ms > 0)
        add_number(t, "timeout", m->timeout_ms, NULL);
    for (uint32_t i = 0; i < m->checks_n; i++)
        add(t, "c", str_z(m->checks[i]), NULL);
    if (m->geohash[0] != '\0')
        add(t, "g", str_z(m->geohash), NULL);
    finish(t, NIP66_KIND_MONITOR, created_at, STR(""), draft);
    free(t);
}

void nip66_profile(const char *name, const char *about, int64_t created_at, struct arena *arena,
                   struct event_draft *draft)
{
    struct tags *t = tags_new(arena);
    struct js *profile = js_new_object();
    char *text;

    js_set_z(profile, "name", name);
    if (about[0] != '\0')
        js_set_z(profile, "about", about);
    js_set_bool(profile, "bot", true);
    text = js_text(profile, JS_COMPACT);
    js_free(profile);
    finish(t, NIP66_KIND_PROFILE, created_at, str_z(text), draft);
    free(text);
    free(t);
}

void nip66_relay_list(const struct str *urls, uint32_t n, int64_t created_at, struct arena *arena,
                      struct event_draft *draft)
{
    struct tags *t = tags_new(arena);

    for (uint32_t i = 0; i < n; i++)
        add(t, "r", urls[i], "write");
    finish(t, NIP66_KIND_RELAY_LIST, created_at, STR(""), draft);
    free(t);
}

static void hash_str(struct sha256 *h, struct str s)
{
    uint8_t n[4] = {(uint8_t)(s.n >> 24), (uint8_t)(s.n >> 16), (uint8_t)(s.n >> 8), (uint8_t)s.n};

    sha256_add(h, n, sizeof(n));
    sha256_add(h, s.p, s.n);
}

void nip66_fingerprint(const struct event_draft *draft, uint8_t out[32])
{
    struct sha256 h;

    sha256_init(&h);
    hash_str(&h, draft->content);
    for (uint32_t i = 0; i < draft->tags_n; i++) {
        uint32_t from = draft->tag_start[i], to = draft->tag_start[i + 1];
        if (str_starts(draft->elements[from], STR("rtt-")))
            continue;
        for (uint32_t j = from; j < to; j++)
            hash_str(&h, draft->elements[j]);
        sha256_add(&h, "\n", 1);
    }
    sha256_final(&h, out);
}
