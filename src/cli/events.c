/* events: export and verify: every event of the archive, in order, a few thousand at a time.
 *
 * The archive is read in windows of whole seconds along the index on `key` (created_at above, a
 * hash below): each window is small enough to be sorted in memory, and no transaction is held open
 * while the reader is slow. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "core/human.h"
#include "nostr/event.h"
#include "nostr/verify.h"

enum { WINDOW_EVENTS = 2000, KEY_SECOND_SHIFT = 32 };

struct window {
    each_event *each;
    void *owner;
    uint32_t sample, nth;
    bool stop;
};

static void on_key(void *owner, const struct result *res, int row)
{
    int64_t *key = owner;

    *key = result_null(res, row, 0) ? -1 : result_int(res, row, 0);
}

static void on_event_row(void *owner, const struct result *res, int row)
{
    struct window *w = owner;

    if (w->stop || (w->sample > 1 && w->nth++ % w->sample != 0))
        return;
    w->stop = !w->each(w->owner, result_str(res, row, 0));
}

/* The first second that is no longer part of the window which begins at `from`; INT64_MAX when it
 * is the last one. */
static int window_end(struct archive *a, int64_t from, int64_t *end, struct err *err)
{
    struct params p;
    int64_t key = -1;

    params_init(&p);
    params_int8(&p, from);
    params_int8(&p, WINDOW_EVENTS);
    if (archive_query(a, "SELECT key FROM event WHERE key >= $1 ORDER BY key LIMIT 1 OFFSET $2", &p,
                      on_key, &key, err) < 0)
        return -1;
    if (key < 0) {
        *end = INT64_MAX;
        return 0;
    }
    *end = key >> KEY_SECOND_SHIFT << KEY_SECOND_SHIFT;
    if (*end <= from) /* one second with more events than a window: whole */
        *end =
            key >> KEY_SECOND_SHIFT < INT32_MAX
                ? ((key >> KEY_SECOND_SHIFT) + 1) << KEY_SECOND_SHIFT
                : INT64_MAX; /* the last second that keys know: all that claims a later time, too */
    return 0;
}

static int each_from(struct archive *a, int64_t from, struct window *w, each_window *window,
                     struct err *err)
{
    int64_t end = 0;

    while (!w->stop && end != INT64_MAX) {
        struct params p;
        if (window_end(a, from, &end, err) < 0)
            return -1;
        params_init(&p);
        params_int8(&p, from);
        params_int8(&p, end);
        if (archive_query(a,
                          "SELECT event_object(e) FROM event e WHERE key >= $1 AND (key < $2 OR $2 "
                          "= 9223372036854775807)"
                          " ORDER BY created_at, id",
                          &p, on_event_row, w, err) < 0)
            return -1;
        from = end;
        if (window != NULL && window(w->owner, end, err) < 0)
            return -1;
    }
    return 0;
}

int command_each_event(struct archive *a, uint32_t sample, each_event *each, void *owner,
                       struct err *err)
{
    struct window w = {.each = each, .owner = owner, .sample = sample};

    return each_from(a, 0, &w, NULL, err);
}

int command_each_event_from(struct archive *a, int64_t from, each_event *each, each_window *window,
                            void *owner, struct err *err)
{
    struct window w = {.each = each, .owner = owner};

    return each_from(a, from, &w, window, err);
}

/* export */

static bool print_event(void *owner, struct str json)
{
    progress_add(owner, 1);
    return fwrite(json.p, 1, json.n, stdout) == json.n && fputc('\n', stdout) != EOF;
}

int command_export(const struct command *c)
{
    struct progress progress;
    struct err err;
    struct archive *a;
    int rc;

    if (c->argc > 0) {
        (void)fputs("usage: bigbrotr export    (all events; some of them: bigbrotr events)\n",
                    stderr);
        return COMMAND_USAGE;
    }
    a = archive_open(c->cfg, &err);
    if (a == NULL)
        return command_fail(&err);
    progress_start(&progress, "exported");
    rc = command_each_event(a, 0, print_event, &progress, &err);
    progress_done(&progress);
    archive_close(a);
    if (rc < 0)
        return command_fail(&err);
    return command_flush();
}

/* verify */

struct check {
    FILE *out; /* for what is bad: with --json, standard output holds nothing else */
    struct progress progress;
    struct verifier *verifier;
    struct arena arena;
    uint64_t bad;
};

static bool check_event(void *owner, struct str json)
{
    struct check *check = owner;
    const struct event_limits limits = event_limits_archived();
    struct event e;
    enum reject why;
    char shown[4 * 200 + 1];

    arena_reset(&check->arena);
    if (verifier_event(check->verifier, json, &limits, &check->arena, &e, &why) < 0) {
        check->bad++;
        (void)fprintf(check->out, "bad: %s: %s\n", reject_name(why),
                      str_escape_text(shown, sizeof(shown),
                                      (struct str){json.p, json.n < 200 ? json.n : 200}));
    }
    progress_add(&check->progress, 1);
    return true;
}

int command_verify(const struct command *c)
{
    struct check check = {.out = c->json ? stderr : stdout};
    struct err err;
    struct archive *a;
    uint64_t sample = 0;
    int rc;

    if (c->argc > 0 &&
        (c->argc != 2 || strcmp(c->argv[0], "--sample") != 0 ||
         !str_u64(str_z(c->argv[1]), &sample) || sample == 0 || sample > UINT32_MAX)) {
        (void)fputs("usage: bigbrotr verify [--sample N]    N: check one event in N\n", stderr);
        return COMMAND_USAGE;
    }
    a = archive_open(c->cfg, &err);
    if (a == NULL)
        return command_fail(&err);
    check.verifier = verifier_new();
    arena_init(&check.arena, 65536);
    progress_start(&check.progress, "verified");
    rc = command_each_event(a, (uint32_t)sample, check_event, &check, &err);
    progress_done(&check.progress);
    arena_done(&check.arena);
    verifier_free(check.verifier);
    archive_close(a);
    if (rc < 0)
        return command_fail(&err);
    if (c->json)
        (void)printf("{\"checked\":%" PRIu64 ",\"bad\":%" PRIu64 "}\n", check.progress.n,
                     check.bad);
    else
        (void)printf("%" PRIu64 " %s checked, %" PRIu64 " bad\n", check.progress.n,
                     human_noun((int64_t)check.progress.n, "event", "events"), check.bad);
    return check.bad > 0 ? COMMAND_FOUND : COMMAND_DONE;
}
