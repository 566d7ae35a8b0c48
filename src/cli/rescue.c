/* rescue: what one author has ever signed, from every relay that can be read, verified, each event
 * once; and on wish to other relays.
 *
 *     bigbrotr rescue npub1.. > events.jsonl
 *     bigbrotr rescue npub1.. --to wss://relay.example.com > events.jsonl */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/publish.h"
#include "cli/secret.h"
#include "cli/words.h"
#include "core/human.h"
#include "core/list.h"
#include "core/set64.h"
#include "core/siphash.h"
#include "services/fetch.h"

enum {
    AT_ONCE = 16, /* relays */
    RELAYS_MAX = 20000,
    MESSAGES_MAX = 64 * 1024 * 1024,
    KNOWN_MAX = 64 * 1024 * 1024,
    KNOWN_OF_ONE_MAX = 1024 * 1024
};

struct rescue {
    const struct command *command;
    struct outside outside;
    struct filter_spec *filter;
    struct signer *signer;
    const char **urls; /* of the relays that are asked; each malloc'd */
    size_t urls_n, urls_room, next, open, helped, failed, partly;
    struct list sources; /* that are open */
    struct set64 known;
    struct siphash_key key;
    struct outbox outbox; /* when it is sent on */
    struct arena arena;
    struct progress progress;
    uint64_t events;
    bool send, stopped;
};

struct source {
    struct list link;
    struct rescue *rescue;
    struct fetch *fetch;
    struct relay_url url;
    uint64_t brought; /* that nobody had brought before */
};

static void start_next(struct rescue *r);

static void add_url(struct rescue *r, struct str url)
{
    char *copy = strndup(url.p, url.n);

    if (r->urls_n == r->urls_room) {
        r->urls_room = r->urls_room == 0 ? 64 : 2 * r->urls_room;
        r->urls = realloc(r->urls, r->urls_room * sizeof(*r->urls));
    }
    if (copy == NULL || r->urls == NULL)
        abort();
    r->urls[r->urls_n++] = copy;
}

static void on_event(void *owner, const struct event *e)
{
    struct source *source = owner;
    struct rescue *r = source->rescue;
    struct str json;

    if (!set64_add(&r->known, siphash(&r->key, e->id.b, sizeof(e->id.b)), e->created_at))
        return;
    source->brought++;
    r->events++;
    arena_reset(&r->arena);
    json = event_json(e, &r->arena);
    if (r->send)
        outbox_add(&r->outbox, json, &e->id);
    if (fwrite(json.p, 1, json.n, stdout) != json.n || fputc('\n', stdout) == EOF)
        loop_stop(r->outside.loop);
    progress_add(&r->progress, 1);
}

static void on_pause(void *owner)
{
    (void)owner;
}

static void on_trouble(void *owner, const struct err *err, uint32_t again_ms)
{
    (void)owner; /* one of many: what comes of it is counted at the end */
    (void)err;
    (void)again_ms;
}

static void note_gap(void *owner, const struct store_span *span)
{
    bool *gap = owner;

    *gap = *gap || span->gap;
}

static void close_source(struct source *source)
{
    fetch_close(source->fetch);
    list_remove(&source->link);
    source->rescue->open--;
    free(source);
}

static void on_ended(void *owner, const struct err *err)
{
    struct source *source = owner;
    struct rescue *r = source->rescue;
    bool gap = false;

    coverage_each(fetch_coverage(source->fetch), note_gap, &gap);
    r->failed += err != NULL;
    r->partly += err == NULL && gap;
    r->helped += source->brought > 0;
    close_source(source);
    start_next(r);
}

static const struct fetch_ops ops = {
    .on_event = on_event, .on_pause = on_pause, .on_trouble = on_trouble, .on_ended = on_ended};

static void start(struct rescue *r, const char *url)
{
    struct source *source = calloc(1, sizeof(*source));

    if (source == NULL)
        abort();
    source->rescue = r;
    if (url_parse(str_z(url), &url_any_address, &source->url) != URL_OK) {
        r->failed++;
        free(source);
        return;
    }
    struct fetch_options options = fetch_options_of(r->command->cfg, source->url.network);
    options.url = &source->url;
    options.filter = r->filter;
    options.signer = r->signer;
    options.known_bytes_max = KNOWN_OF_ONE_MAX;
    source->fetch = fetch_open(r->outside.net, &options, &ops, source);
    list_add_tail(&r->sources, &source->link);
    r->open++;
}

static void start_next(struct rescue *r)
{
    while (r->open < AT_ONCE && r->next < r->urls_n)
        start(r, r->urls[r->next++]);
    if (r->open == 0)
        loop_stop(r->outside.loop);
}

static void on_url(void *owner, const struct result *res, int row)
{
    add_url(owner, result_str(res, row, 0));
}

/* The relays that the archive has found readable, quickest first. */
static int load_relays(struct rescue *r, struct err *err)
{
    struct archive *a = archive_open(r->command->cfg, err);
    struct params p;
    int rc;

    if (a == NULL)
        return -1;
    params_init(&p);
    params_int8(&p, RELAYS_MAX);
    rc = archive_query(a, "SELECT relay_url FROM readable_relays LIMIT $1", &p, on_url, r, err);
    archive_close(a);
    if (rc == 0 && r->urls_n == 0)
        rc = err_set(err, ERR_CONFIG,
                     "the archive knows of no readable relay yet: wait for its monitor, or name "
                     "relays: --from URL");
    return rc;
}

static void on_signal(void *owner, int signum)
{
    struct rescue *r = owner;

    (void)signum;
    r->stopped = true;
    loop_stop(r->outside.loop);
}

static int ask_all(struct rescue *r, struct err *err)
{
    int rc = outside_open(&r->outside, r->command->cfg, MESSAGES_MAX, err);

    if (rc == 0) {
        loop_on_signal(r->outside.loop, SIGINT, on_signal, r);
        loop_on_signal(r->outside.loop, SIGTERM, on_signal, r);
        progress_start(&r->progress, "rescued");
        start_next(r);
        if (r->open > 0)
            loop_run(r->outside.loop);
        while (!list_empty(&r->sources)) { /* stopped by a signal */
            struct source *source = CONTAINER_OF(r->sources.next, struct source, link);

            r->helped += source->brought > 0;
            r->partly++;
            close_source(source);
        }
        progress_done(&r->progress);
    }
    return rc;
}

static int finish(struct rescue *r, const struct mailing *to, struct err *err)
{
    int code = r->events > 0 ? COMMAND_DONE : COMMAND_FOUND;

    (void)fprintf(
        stderr, "%" PRIu64 " %s; %zu of %zu %s brought something, %zu could not be read%s",
        r->events, human_noun((int64_t)r->events, "event", "events"), r->helped, r->urls_n,
        human_noun((int64_t)r->urls_n, "relay", "relays"), r->failed, r->partly > 0 ? "" : "\n");
    if (r->partly > 0)
        (void)fprintf(stderr, ", %zu not completely\n", r->partly);
    if (r->stopped)
        (void)fprintf(stderr, "stopped before the end: %zu were not asked%s\n", r->urls_n - r->next,
                      r->send ? ", nothing is sent" : "");
    if (command_flush() != COMMAND_DONE || r->stopped)
        return COMMAND_FAILED;
    if (r->send && r->outbox.n > 0) {
        int sent = outbox_send(r->command, &r->outbox, to, err);

        if (sent != COMMAND_DONE)
            code = sent;
    }
    return code;
}

struct rescue_words {
    const char *from[WORDS_MAX], *to[WORDS_MAX], *key;
    struct words words;
    int from_n, to_n;
};

static bool read_words(const struct command *c, struct rescue_words *w)
{
    struct word_option options[] = {{"--from", w->from, WORDS_MAX, 0},
                                    {"--to", w->to, WORDS_MAX, 0},
                                    {"--key", &w->key, 1, 0},
                                    {0}};

    if (!words_read(c, options, &w->words) || w->words.n != 1) {
        (void)fputs("usage: bigbrotr rescue [--from URL].. [--to URL].. [--key FILE] NPUB\n"
                    "without --from: from every relay that the archive has found readable\n",
                    stderr);
        return false;
    }
    w->from_n = options[0].n;
    w->to_n = options[1].n;
    return true;
}

static int rescue(struct rescue *r, const struct rescue_words *w, struct relay_url *to)
{
    const struct command *c = r->command;
    struct mailing mailing = {.urls = to, .n = (size_t)w->to_n, .report = stderr};
    struct err err;
    int code;

    r->filter = filter_spec_new("rescue");
    if (filter_spec_set(r->filter, "authors", w->words.plain[0], &err) < 0 ||
        secret_signer_maybe(c, w->key, &r->signer, &err) < 0)
        return command_fail(&err);
    mailing.signer = r->signer;
    if (words_relay_urls(w->to, w->to_n, to) < 0 ||
        words_relay_urls(w->from, w->from_n, to + w->to_n) < 0)
        return COMMAND_USAGE;
    for (int i = 0; i < w->from_n; i++)
        add_url(r, str_z(to[w->to_n + i].text));
    r->send = w->to_n > 0;
    if (w->from_n == 0 && load_relays(r, &err) < 0)
        return command_fail(&err);
    code = ask_all(r, &err);
    if (code == 0)
        code = finish(r, &mailing, &err);
    outside_close(&r->outside);
    return code < 0 ? command_fail(&err) : code;
}

int command_rescue(const struct command *c)
{
    struct rescue r = {.command = c};
    struct rescue_words w = {0};
    struct relay_url *urls = calloc((size_t)2 * WORDS_MAX, sizeof(*urls));
    int code;

    if (urls == NULL)
        abort();
    if (!read_words(c, &w)) {
        free(urls);
        return COMMAND_USAGE;
    }
    list_init(&r.sources);
    outbox_init(&r.outbox);
    arena_init(&r.arena, 65536);
    siphash_key_random(&r.key);
    set64_init(&r.known, KNOWN_MAX);
    code = rescue(&r, &w, urls);
    set64_done(&r.known);
    arena_done(&r.arena);
    outbox_done(&r.outbox);
    signer_free(r.signer);
    filter_spec_free(r.filter);
    for (size_t i = 0; i < r.urls_n; i++)
        free((char *)(uintptr_t)r.urls[i]);
    free(r.urls);
    free(urls);
    return code;
}
