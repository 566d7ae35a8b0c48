/* fetch: every event of one relay to standard output, newest first, each checked and printed once;
 * by the walk of the archive, without an archive.
 *
 *     bigbrotr fetch wss://relay.example.com '{"kinds":[1]}' > events.jsonl
 *
 * What could not be read is said on standard error, with its reason, and in the exit status. */
#include "services/fetch.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/outside.h"
#include "cli/secret.h"
#include "cli/words.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/human.h"

enum {
    OUTPUT_MAX = 8 * 1024 * 1024, /* gathered before it is written while a page is being read */
    MESSAGES_MAX = 64 * 1024 * 1024,
    KNOWN_MAX = 64 * 1024 * 1024, /* some three million events */
    GAPS_SHOWN = 20,
    PROGRESS_MS = 1000
};

struct task {
    const struct command *command;
    struct outside outside;
    struct relay_url *url;
    struct filter_spec *filter;
    struct signer *signer;
    struct fetch *fetch;
    struct arena arena;
    struct buf out;
    struct progress progress;
    uint64_t newest; /* 0: all */
    uint32_t gaps;
    bool follow, stopped, broken;
    int64_t proven_from, proven_to;
    struct js *spans; /* while they are gathered */
    int code;
};

static void write_out(struct task *t)
{
    struct str text = buf_str(&t->out);

    if (text.n == 0)
        return;
    if (fwrite(text.p, 1, text.n, stdout) != text.n || fflush(stdout) != 0)
        t->broken = true;
    buf_clear(&t->out);
    if (t->broken)
        loop_stop(t->outside.loop);
}

static void on_event(void *owner, const struct event *e)
{
    struct task *t = owner;
    struct str json;

    arena_reset(&t->arena);
    json = event_json(e, &t->arena);
    if (buf_str(&t->out).n + json.n + 1 > OUTPUT_MAX)
        write_out(t);
    if (!buf_append_str(&t->out, json) || !buf_append_char(&t->out, '\n'))
        t->broken = true; /* cannot be: an event is smaller */
    progress_add(&t->progress, 1);
}

static void on_pause(void *owner)
{
    write_out(owner);
}

static void on_live(void *owner)
{
    const struct task *t = owner;

    if (t->progress.terminal)
        (void)fputs("\nall that was there has come; what is new follows, until Ctrl-C\n", stderr);
}

static void on_trouble(void *owner, const struct err *err, uint32_t again_ms)
{
    (void)owner;
    (void)fprintf(stderr, "bigbrotr: %s%s%s; again in %u s\n", err_text(err->code),
                  err->detail[0] != '\0' ? ": " : "", err->detail, again_ms / 1000);
}

static void on_ended(void *owner, const struct err *err)
{
    struct task *t = owner;

    if (err != NULL)
        t->code = command_fail(err);
    loop_stop(t->outside.loop);
}

static const struct fetch_ops ops = {.on_event = on_event,
                                     .on_pause = on_pause,
                                     .on_live = on_live,
                                     .on_trouble = on_trouble,
                                     .on_ended = on_ended};

static void on_signal(void *owner, int signum)
{
    struct task *t = owner;

    (void)signum;
    t->stopped = true;
    write_out(t);
    loop_stop(t->outside.loop);
}

static const char *date(char to[HUMAN_TIME_SIZE], int64_t second)
{
    return second == INT64_MAX ? "now" : human_time(to, second);
}

static void say_span(void *owner, const struct store_span *span)
{
    struct task *t = owner;
    char from[HUMAN_TIME_SIZE], to[HUMAN_TIME_SIZE];

    if (!span->gap) {
        if (t->proven_to < 0)
            t->proven_from = span->lo;
        t->proven_to = span->hi;
    } else if (t->gaps++ < GAPS_SHOWN) {
        (void)fprintf(stderr, "not proven: %s to %s: %s\n", date(from, span->lo),
                      date(to, span->hi), gap_reason_name(span->reason));
    }
}

static void add_span(void *owner, const struct store_span *span)
{
    struct task *t = owner;
    struct js *one = js_new_object();

    js_set_int(one, "lo", span->lo);
    js_set_int(one, "hi", span->hi);
    js_set_z(one, span->gap ? "gap" : "grade",
             span->gap ? gap_reason_name(span->reason) : grade_name(span->grade));
    t->gaps += span->gap;
    js_add(t->spans, one);
}

static void summary_json(struct task *t, const struct fetch_counts *counts)
{
    struct js *facts = js_new_object();

    t->spans = js_new_array();
    coverage_each(fetch_coverage(t->fetch), add_span, t);
    js_set_int(facts, "events", (int64_t)counts->events);
    js_set_int(facts, "messages", (int64_t)counts->messages);
    js_set_int(facts, "rejected", (int64_t)counts->rejected);
    js_set_int(facts, "requests", (int64_t)counts->requests);
    js_set_int(facts, "bytes", (int64_t)counts->bytes);
    js_set(facts, "coverage", t->spans);
    js_print(facts, JS_COMPACT, stderr);
    js_free(facts);
}

static void summary(struct task *t)
{
    const struct fetch_counts *counts = fetch_counts(t->fetch);
    char bytes[32], from[HUMAN_TIME_SIZE], to[HUMAN_TIME_SIZE];

    if (t->command->json) {
        summary_json(t, counts);
        return;
    }
    coverage_each(fetch_coverage(t->fetch), say_span, t);
    if (t->gaps > GAPS_SHOWN)
        (void)fprintf(stderr, "and %u more; --json names all\n", t->gaps - GAPS_SHOWN);
    (void)fprintf(stderr, "%" PRIu64 " %s, %" PRIu64 " requests, %s", counts->events,
                  human_noun((int64_t)counts->events, "event", "events"), counts->requests,
                  human_bytes(bytes, sizeof(bytes), (double)counts->bytes));
    if (counts->rejected > 0)
        (void)fprintf(stderr, ", %" PRIu64 " refused", counts->rejected);
    if (t->newest == 0 && t->proven_to >= 0)
        (void)fprintf(stderr, "; proven from %s to %s%s", date(from, t->proven_from),
                      date(to, t->proven_to), t->gaps > 0 ? ", but for the above" : "");
    (void)fputc('\n', stderr);
}

static int run(struct task *t, struct err *err)
{
    const struct config *cfg = t->command->cfg;
    struct fetch_options options = fetch_options_of(cfg, t->url->network);
    int rc = outside_open(&t->outside, cfg, MESSAGES_MAX, err);

    options.url = t->url;
    options.filter = t->filter;
    options.signer = t->signer;
    options.newest = t->newest;
    options.follow = t->follow;
    options.known_bytes_max = KNOWN_MAX;
    if (rc == 0) {
        loop_on_signal(t->outside.loop, SIGINT, on_signal, t);
        loop_on_signal(t->outside.loop, SIGTERM, on_signal, t);
        progress_start(&t->progress, "fetched");
        t->fetch = fetch_open(t->outside.net, &options, &ops, t);
        loop_run(t->outside.loop);
        progress_done(&t->progress);
        summary(t);
        bool unproven = t->code == COMMAND_DONE && t->gaps > 0 && t->newest == 0;
        bool cut_short = t->stopped && !t->follow && !unproven;
        if (command_flush() != COMMAND_DONE || t->broken || cut_short)
            t->code = COMMAND_FAILED;
        else if (unproven)
            t->code = COMMAND_FOUND;
        fetch_close(t->fetch);
    }
    outside_close(&t->outside);
    return rc;
}

/* The words behind `fetch`; COMMAND_DONE, or COMMAND_USAGE with what is wrong said. */
static int read_words(struct task *t)
{
    const char *limit = NULL, *key = NULL;
    struct word_option options[] = {{"--limit", &limit, 1, 0}, {"--key", &key, 1, 0}, {0}};
    struct words words;
    struct err err;
    int64_t newest = -1;

    if (!words_read(t->command, options, &words) || words.n < 1 || words.n > 2 ||
        (limit != NULL && !str_u64(str_z(limit), &t->newest))) {
        (void)fputs("usage: bigbrotr fetch [--follow] [--limit N] [--key FILE] URL [FILTER]\n"
                    "FILTER as NIP-01 has it: '{\"kinds\":[1],\"since\":1700000000}'\n",
                    stderr);
        return COMMAND_USAGE;
    }
    if (words_relay_urls(words.plain, 1, t->url) < 0)
        return COMMAND_USAGE;
    t->filter =
        filter_spec_from_json(words.n == 2 ? str_z(words.plain[1]) : STR("{}"), &newest, &err);
    if (t->filter == NULL)
        return command_fail(&err);
    if (newest >= 0 && limit == NULL)
        t->newest = (uint64_t)newest;
    if ((newest == 0 || limit != NULL) && t->newest == 0) {
        (void)fputs("bigbrotr: a limit of 0 asks for nothing\n", stderr);
        return COMMAND_USAGE;
    }
    if (secret_signer_maybe(t->command, key, &t->signer, &err) < 0)
        return command_fail(&err);
    return COMMAND_DONE;
}

int command_fetch(const struct command *c)
{
    struct command plain = *c;
    struct task t = {.command = &plain, .url = malloc(sizeof(*t.url)), .proven_to = -1};
    struct err err;

    if (t.url == NULL)
        abort();
    plain.argc = 0;
    for (int i = 0; i < c->argc; i++) /* the only option without a value */
        if (strcmp(c->argv[i], "--follow") == 0)
            t.follow = true;
        else
            plain.argv[plain.argc++] = c->argv[i];
    arena_init(&t.arena, 65536);
    buf_init(&t.out, (size_t)2 * OUTPUT_MAX);
    t.code = read_words(&t);
    if (t.code == COMMAND_DONE && run(&t, &err) < 0)
        t.code = command_fail(&err);
    buf_done(&t.out);
    arena_done(&t.arena);
    signer_free(t.signer);
    filter_spec_free(t.filter);
    free(t.url);
    return t.code;
}
