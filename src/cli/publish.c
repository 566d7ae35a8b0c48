/* publish: signed events from standard input, one a line, to relays.
 *
 *     bigbrotr publish wss://a.example wss://b.example < events.jsonl
 *
 * Each is checked first: what does not verify is said and sent to nobody. */
#include "cli/publish.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lines.h"
#include "cli/secret.h"
#include "cli/words.h"
#include "core/human.h"
#include "nostr/event.h"
#include "nostr/verify.h"
#include "services/sender.h"

enum { TIMEOUT_MS = 20000, MESSAGES_MAX = 16 * 1024 * 1024 };

void outbox_add(struct outbox *o, struct str json, const struct id32 *id)
{
    if (o->n == o->room) {
        o->room = o->room == 0 ? 64 : 2 * o->room;
        o->events = realloc(o->events, o->room * sizeof(*o->events));
        if (o->events == NULL)
            abort();
    }
    o->events[o->n++] = (struct sender_event){.json = arena_copy(&o->bytes, json), .id = *id};
}

void outbox_init(struct outbox *o)
{
    *o = (struct outbox){0};
    arena_init(&o->bytes, 1 << 20);
}

void outbox_done(struct outbox *o)
{
    arena_done(&o->bytes);
    free(o->events);
}

struct delivery {
    struct outside *outside;
    struct relay_url url;
    struct sender *sender;
    struct sender_result result;
    size_t *open;
};

static void on_sent(void *owner, const struct sender_result *result)
{
    struct delivery *d = owner;

    d->result = *result;
    if (--*d->open == 0)
        loop_stop(d->outside->loop);
}

static void say(const struct delivery *d, FILE *out)
{
    const struct sender_result *r = &d->result;

    (void)fprintf(out, "%s: %zu accepted", d->url.text, r->accepted);
    if (r->refused > 0)
        (void)fprintf(out, ", %zu refused (%s)", r->refused, r->text);
    if (r->unanswered > 0)
        (void)fprintf(out, ", %zu unanswered (%s%s%s)", r->unanswered, err_text(r->err.code),
                      r->err.detail[0] != '\0' ? ": " : "", r->err.detail);
    (void)fputc('\n', out);
}

static struct js *describe(const struct delivery *d)
{
    const struct sender_result *r = &d->result;
    struct js *out = js_new_object();

    js_set_z(out, "relay", d->url.text);
    js_set_int(out, "accepted", (int64_t)r->accepted);
    js_set_int(out, "refused", (int64_t)r->refused);
    js_set_int(out, "unanswered", (int64_t)r->unanswered);
    if (r->refused > 0)
        js_set_z(out, "text", r->text);
    if (r->unanswered > 0)
        js_set_z(out, "error", err_name(r->err.code));
    return out;
}

static int report(const struct command *c, const struct delivery *all, size_t n, FILE *out)
{
    struct js *list = js_new_array();
    bool whole = true;

    for (size_t i = 0; i < n; i++) {
        whole = whole && all[i].result.refused + all[i].result.unanswered == 0;
        if (c->json)
            js_add(list, describe(&all[i]));
        else
            say(&all[i], out);
    }
    if (c->json)
        js_print(list, JS_PRETTY, out);
    js_free(list);
    return whole ? COMMAND_DONE : COMMAND_FOUND;
}

int outbox_send(const struct command *c, const struct outbox *o, const struct mailing *to,
                struct err *err)
{
    struct delivery *all = calloc(to->n, sizeof(*all));
    struct outside outside;
    size_t open = to->n;
    int code = outside_open(&outside, c->cfg, MESSAGES_MAX, err);

    if (all == NULL)
        abort();
    if (code == 0) {
        for (size_t i = 0; i < to->n; i++) {
            const struct sender_options options = {.url = &to->urls[i],
                                                   .signer = to->signer,
                                                   .events = o->events,
                                                   .events_n = o->n,
                                                   .timeout_ms = TIMEOUT_MS};

            all[i].outside = &outside;
            all[i].open = &open;
            all[i].url = to->urls[i];
            all[i].sender = sender_open(outside.net, &options, on_sent, &all[i]);
        }
        loop_run(outside.loop);
        for (size_t i = 0; i < to->n; i++)
            sender_close(all[i].sender);
        code = report(c, all, to->n, to->report);
    }
    outside_close(&outside);
    free(all);
    return code;
}

struct input {
    struct outbox *outbox;
    struct verifier *verifier;
    struct arena arena;
    uint64_t bad;
};

static int take_line(void *owner, uint64_t number, struct str line)
{
    const struct event_limits limits = event_limits_default();
    struct input *in = owner;
    enum reject why;
    struct event e;

    arena_reset(&in->arena);
    if (verifier_event(in->verifier, line, &limits, &in->arena, &e, &why) == 0) {
        outbox_add(in->outbox, line, &e.id);
        return 0;
    }
    in->bad++;
    (void)fprintf(stderr, "line %" PRIu64 ": %s: %s; not sent\n", number, reject_name(why),
                  reject_text(why));
    return 0;
}

/* Events that verify; *bad of the others. */
static int read_events(struct outbox *o, uint64_t *bad, struct err *err)
{
    struct input in = {.outbox = o, .verifier = verifier_new()};

    arena_init(&in.arena, 65536);
    int rc = lines_read(stdin, take_line, &in, err);
    arena_done(&in.arena);
    verifier_free(in.verifier);
    *bad = in.bad;
    return rc;
}

int command_publish(const struct command *c)
{
    const char *key = NULL;
    struct word_option options[] = {{"--key", &key, 1, 0}, {0}};
    struct relay_url *urls = calloc(WORDS_MAX, sizeof(*urls));
    struct signer *signer = NULL;
    struct outbox outbox;
    struct words words;
    struct err err;
    uint64_t bad = 0;
    int code = COMMAND_USAGE;
    struct mailing to = {.urls = urls, .report = stdout};

    if (urls == NULL)
        abort();
    outbox_init(&outbox);
    if (!words_read(c, options, &words) || words.n == 0 || (key != NULL && strcmp(key, "-") == 0)) {
        (void)fputs(
            "usage: bigbrotr publish [--key FILE] URL..    signed events from standard input, "
            "one a line\n"
            "FILE: a secret key, for relays that want authentication (NIP-42)\n",
            stderr);
    } else if (words_relay_urls(words.plain, words.n, urls) == 0) {
        to.n = (size_t)words.n;
        code = read_events(&outbox, &bad, &err);
        if (code == 0)
            code = secret_signer_maybe(c, key, &signer, &err);
        to.signer = signer;
        if (code == 0)
            code = outbox_send(c, &outbox, &to, &err);
        if (code < 0)
            code = command_fail(&err);
        else if (bad > 0 && code == COMMAND_DONE)
            code = COMMAND_FOUND;
    }
    outbox_done(&outbox);
    signer_free(signer);
    free(urls);
    return code;
}
