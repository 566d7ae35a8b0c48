/* event: one event, or a line of JSON each, without an archive: its id, a signature, a check.
 *
 *     bigbrotr event id | sign | verify  < events
 *
 * `id` and `sign` read drafts: {"kind":1,"content":"..","tags":[..],"created_at":..}, and for `id`
 * "pubkey".  `verify` reads events as relays send them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lines.h"
#include "cli/secret.h"
#include "cli/words.h"
#include "core/clock.h"
#include "core/hex.h"
#include "core/human.h"
#include "nostr/event.h"
#include "nostr/nip19.h"
#include "nostr/verify.h"

enum { DRAFT_BYTES_MAX = 1024 * 1024, DRAFT_DEPTH_MAX = 8, KIND_MAX = 65535 };

struct tool {
    const struct command *command;
    struct arena arena;
    struct signer *signer;     /* sign */
    struct verifier *verifier; /* verify */
    uint64_t good, bad;
};

static int verify_line(void *owner, uint64_t number, struct str line)
{
    const struct event_limits limits = event_limits_default();
    struct tool *t = owner;
    enum reject why;
    struct event e;

    arena_reset(&t->arena);
    if (verifier_event(t->verifier, line, &limits, &t->arena, &e, &why) == 0) {
        t->good++;
        return 0;
    }
    t->bad++;
    (void)fprintf(stderr, "line %" PRIu64 ": %s: %s\n", number, reject_name(why), reject_text(why));
    return 0;
}

/* The tags of a draft as a table; false unless it is a list of lists of strings. */
static bool read_tags(struct tool *t, const struct js *tags, struct event_draft *draft)
{
    size_t n = js_count(tags), elements_n = 0;
    uint32_t *starts;
    struct str *elements;

    if (js_type(tags) == JS_NONE)
        return true;
    if (js_type(tags) != JS_ARRAY)
        return false;
    for (size_t i = 0; i < n; i++)
        elements_n += js_count(js_at(tags, i));
    starts = arena_alloc(&t->arena, (n + 1) * sizeof(*starts));
    elements = arena_alloc(&t->arena, (elements_n + 1) * sizeof(*elements));
    elements_n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct js *tag = js_at(tags, i);

        if (js_type(tag) != JS_ARRAY)
            return false;
        starts[i] = (uint32_t)elements_n;
        for (size_t j = 0; j < js_count(tag); j++) {
            if (js_type(js_at(tag, j)) != JS_STRING)
                return false;
            elements[elements_n++] = js_str(js_at(tag, j), STR(""));
        }
    }
    starts[n] = (uint32_t)elements_n;
    draft->elements = elements;
    draft->tag_start = starts;
    draft->tags_n = (uint32_t)n;
    return true;
}

/* NULL, or what is wrong with the draft. */
static const char *read_draft(struct tool *t, const struct js *json, struct event_draft *draft)
{
    const struct js *kind = js_get(json, "kind"), *content = js_get(json, "content"),
                    *created_at = js_get(json, "created_at");

    *draft = (struct event_draft){.created_at = clock_wall_ms() / 1000};
    if (js_type(kind) != JS_INT || js_int(kind, -1) < 0 || js_int(kind, -1) > KIND_MAX)
        return "\"kind\" must be a number from 0 to 65535";
    draft->kind = (int32_t)js_int(kind, 0);
    if (js_type(created_at) != JS_NONE) {
        draft->created_at = js_int(created_at, -1);
        if (js_type(created_at) != JS_INT || draft->created_at < 0 ||
            draft->created_at > ((int64_t)1 << 53) - 1)
            return "\"created_at\" must be seconds since 1970";
    }
    if (js_type(content) != JS_NONE && js_type(content) != JS_STRING)
        return "\"content\" must be a string";
    draft->content = js_str(content, STR(""));
    if (!read_tags(t, js_get(json, "tags"), draft))
        return "\"tags\" must be a list of lists of strings";
    return NULL;
}

static const char *read_pubkey(const struct js *json, struct pubkey32 *pubkey)
{
    struct str text = js_str(js_get(json, "pubkey"), STR(""));
    struct nip19 x;

    if (hex_decode(pubkey->b, text, sizeof(pubkey->b)))
        return NULL;
    if (!nip19_decode(text, &x) || x.type != NIP19_NPUB)
        return "\"pubkey\" must be 64 hexadecimal digits or npub1..: an id depends on it";
    memcpy(pubkey->b, x.key, sizeof(pubkey->b));
    return NULL;
}

static int draft_line(void *owner, uint64_t number, struct str line)
{
    struct tool *t = owner;
    struct event_draft draft;
    struct pubkey32 pubkey;
    const char *wrong = NULL;
    struct err err;
    struct js *json = js_parse(line, DRAFT_BYTES_MAX, DRAFT_DEPTH_MAX, &err);

    arena_reset(&t->arena);
    if (json == NULL)
        wrong = err.detail;
    else if (js_type(json) != JS_OBJECT)
        wrong = "a draft is a JSON object: {\"kind\":1,\"content\":\"..\",\"tags\":[]}";
    else
        wrong = read_draft(t, json, &draft);
    if (wrong == NULL && t->signer == NULL)
        wrong = read_pubkey(json, &pubkey);
    if (wrong != NULL) {
        t->bad++;
        (void)fprintf(stderr, "line %" PRIu64 ": %s\n", number, wrong);
    } else if (t->signer != NULL) {
        struct str event = sign_event(t->signer, &draft, &t->arena, NULL);

        t->good++;
        (void)printf(STR_FMT "\n", STR_ARG(event));
    } else {
        struct id32 id = event_draft_id(&draft, &pubkey, &t->arena);
        char hex[65] = {0};

        hex_encode(hex, id.b, sizeof(id.b));
        t->good++;
        (void)puts(hex);
    }
    js_free(json);
    return 0;
}

static int finish(struct tool *t, bool verify)
{
    if (command_flush() != COMMAND_DONE)
        return COMMAND_FAILED;
    if (verify && t->command->json)
        (void)printf("{\"good\":%" PRIu64 ",\"bad\":%" PRIu64 "}\n", t->good, t->bad);
    else if (verify)
        (void)printf("%" PRIu64 " %s verified, %" PRIu64 " bad\n", t->good,
                     human_noun((int64_t)t->good, "event", "events"), t->bad);
    return t->bad > 0 ? COMMAND_FOUND : COMMAND_DONE;
}

int command_event(const struct command *c)
{
    struct tool t = {.command = c};
    const char *key = NULL;
    struct word_option options[] = {{"--key", &key, 1, 0}, {0}};
    struct words words;
    struct err err;
    bool ok = words_read(c, options, &words) && words.n == 1;
    bool sign = ok && strcmp(words.plain[0], "sign") == 0;
    bool verify = ok && strcmp(words.plain[0], "verify") == 0;

    if (!ok || (!sign && !verify && strcmp(words.plain[0], "id") != 0) || (key != NULL && !sign)) {
        (void)fputs(
            "usage: bigbrotr event id                   the id of each draft that standard "
            "input brings, one a line\n"
            "       bigbrotr event sign [--key FILE]    each draft as a signed event\n"
            "       bigbrotr event verify               is each event what it claims to be?\n",
            stderr);
        return COMMAND_USAGE;
    }
    if (sign && key != NULL && strcmp(key, "-") == 0) {
        (void)fputs("bigbrotr: standard input brings the drafts: the key must be in a file\n",
                    stderr);
        return COMMAND_USAGE;
    }
    if (sign && (t.signer = secret_signer(c, key, &err)) == NULL)
        return command_fail(&err);
    if (verify)
        t.verifier = verifier_new();
    arena_init(&t.arena, 65536);
    int read = lines_read(stdin, verify ? verify_line : draft_line, &t, &err);
    arena_done(&t.arena);
    signer_free(t.signer);
    if (verify)
        verifier_free(t.verifier);
    if (read == LINES_UNREADABLE)
        return command_fail(&err);
    return finish(&t, verify);
}
