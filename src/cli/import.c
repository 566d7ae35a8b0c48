/* import: events as JSONL from standard input into the archive, each verified, by the same
 * transaction as the daemon's.
 *
 * An imported event has no sighting: it was seen at no relay.  The relays that new ones mention are
 * counted as the daemon counts them.  What is refused is reported with its line; the rest goes on.
 * What a rule of retention excludes is refused: the daemon has deleted it, and would not look for
 * it again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/lines.h"
#include "core/clock.h"
#include "core/human.h"
#include "core/list.h"
#include "db/store_event.h"
#include "nostr/verify.h"
#include "services/keeper/retention_rules.h"

enum { MENTIONS_MAX = 8192 }; /* of one transaction; as the daemon's */
enum { BATCH_EVENTS = 2000, BATCH_BYTES = 16 * 1024 * 1024, REFUSALS_SHOWN = 20 };

struct import {
    uv_loop_t loop;
    struct db *db;
    struct verifier *verifier;
    struct arena arena;
    struct event *events;
    uint64_t lines[BATCH_EVENTS]; /* where each stands */
    struct id32 ids[BATCH_EVENTS];
    int64_t created_at[BATCH_EVENTS];
    bool known[BATCH_EVENTS];
    struct str raw[BATCH_EVENTS];
    struct store_event rows[BATCH_EVENTS]; /* of those that are new */
    uint64_t row_lines[BATCH_EVENTS];
    uint32_t n;
    size_t bytes;
    struct retention_rule *rules;
    size_t rules_n;
    bool note_hints; /* what new events mention is counted, as the daemon does it */
    struct store_mention *mentions;
    uint32_t mentions_n;
    uint64_t read, stored, refused;
    struct progress progress;
    bool up, refused_by_db, settled, failed;
    struct err err;
    struct store_lookup lookup;
    struct store_write write;
};

static void on_up(void *owner, bool restarted)
{
    (void)restarted;
    ((struct import *)owner)->up = true;
}

static void on_down(void *owner, const struct err *err)
{
    struct import *im = owner;

    im->up = false;
    im->err = *err;
}

static void on_refused(void *owner, const struct err *err)
{
    struct import *im = owner;

    im->refused_by_db = true;
    im->err = *err;
}

static const struct db_ops ops = {.on_up = on_up, .on_down = on_down, .on_refused = on_refused};

static void on_written(struct store_write *w, const struct err *err)
{
    struct import *im = CONTAINER_OF(w, struct import, write);

    im->settled = true;
    im->failed = err != NULL;
    if (err != NULL)
        im->err = *err;
}

static void on_known(struct store_lookup *l, const struct err *err)
{
    struct import *im = CONTAINER_OF(l, struct import, lookup);

    im->settled = true;
    im->failed = err != NULL;
    if (err != NULL)
        im->err = *err;
}

static void refuse(struct import *im, uint64_t line, enum reject why)
{
    if (im->refused++ < REFUSALS_SHOWN)
        (void)fprintf(stderr, "line %" PRIu64 ": %s: %s\n", line, reject_name(why),
                      reject_text(why));
}

static int settle(struct import *im)
{
    while (!im->settled)
        (void)uv_run(&im->loop, UV_RUN_ONCE);
    return im->failed ? -1 : 0;
}

/* Which of those that were gathered are new, and what they claim to be. */
static int choose(struct import *im, uint32_t *n)
{
    im->lookup = (struct store_lookup){.ids = im->ids,
                                       .created_at = im->created_at,
                                       .known = im->known,
                                       .n = im->n,
                                       .done = on_known};
    im->settled = false;
    store_lookup(im->db, DB_BACKFILL, &im->lookup);
    if (settle(im) < 0)
        return -1;
    *n = 0;
    for (uint32_t i = 0; i < im->n; i++) {
        struct event *e = &im->events[i];

        if (im->known[i])
            continue;
        if (verifier_check(im->verifier, &e->id, &e->pubkey, &e->sig)) {
            im->row_lines[*n] = im->lines[i];
            im->rows[(*n)++] = (struct store_event){.event = e, .raw = im->raw[i]};
        } else {
            refuse(im, im->lines[i], REJECT_SIGNATURE);
        }
    }
    return 0;
}

/* The relays that row `n` of the next transaction mentions. */
static void note_hints(struct import *im, const struct event *e, uint32_t n)
{
    struct hints hints = hints_of_event(e, &im->arena);

    for (uint32_t i = 0; i < hints.n; i++)
        im->mentions[im->mentions_n++] = (struct store_mention){.event = n,
                                                                .url = hints.hint[i].url,
                                                                .network = hints.hint[i].network,
                                                                .source = hints.hint[i].source};
}

static int write_rows(struct import *im, uint32_t from, uint32_t n)
{
    im->write = (struct store_write){.events = im->rows + from,
                                     .events_n = n,
                                     .mentions = im->mentions,
                                     .mentions_n = im->mentions_n,
                                     .done = on_written};
    im->settled = false;
    store_write(im->db, DB_BACKFILL, &im->write);
    if (settle(im) < 0)
        return -1;
    im->stored += im->write.events_inserted;
    for (uint32_t i = from; i < from + n; i++) {
        if (im->rows[i].tombstoned)
            refuse(im, im->row_lines[i], REJECT_TOMBSTONE);
        else if (im->rows[i].refused)
            refuse(im, im->row_lines[i], REJECT_DATABASE);
    }
    im->mentions_n = 0;
    return 0;
}

/* Writes what has been gathered and waits for it: in one transaction, or in more where events
 * mention many relays. */
static int flush(struct import *im)
{
    uint32_t n = 0, from = 0;

    if (im->n > 0 && choose(im, &n) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        if (im->note_hints)
            note_hints(im, im->rows[i].event, i - from);
        if (i + 1 < n && im->mentions_n <= MENTIONS_MAX - HINTS_MAX)
            continue;
        if (write_rows(im, from, i + 1 - from) < 0)
            return -1;
        from = i + 1;
    }
    progress_add(&im->progress, im->n);
    im->n = 0;
    im->bytes = 0;
    arena_reset(&im->arena);
    return 0;
}

static int take_line(void *owner, uint64_t number, struct str line)
{
    const struct event_limits limits = event_limits_default();
    struct import *im = owner;
    struct event *e = &im->events[im->n];
    enum reject why = REJECT_SIGNATURE;

    im->read++;
    struct str raw = arena_copy(&im->arena, line);
    im->bytes += line.n;
    if (event_scan(raw, &limits, &im->arena, e, &why) < 0) {
        refuse(im, number, why);
        return im->bytes > BATCH_BYTES ? flush(im) : 0;
    }
    if (retention_expired(im->rules, im->rules_n, e, NULL, clock_wall_s())) {
        refuse(im, number, REJECT_RETENTION);
        return im->bytes > BATCH_BYTES ? flush(im) : 0;
    }
    im->lines[im->n] = number;
    im->ids[im->n] = e->id;
    im->created_at[im->n] = e->created_at;
    im->raw[im->n++] = raw;
    return im->n == BATCH_EVENTS || im->bytes > BATCH_BYTES ? flush(im) : 0;
}

static int import_all(struct import *im)
{
    struct err broken;
    int rc = lines_read(stdin, take_line, im, &broken);

    if ((rc == 0 || rc == LINES_UNREADABLE) && flush(im) < 0)
        return -1;
    if (rc == LINES_UNREADABLE) /* what was read before is stored all the same */
        im->err = broken;
    return rc < 0 ? -1 : 0;
}

static int finish(const struct command *c, struct import *im, int rc)
{
    progress_done(&im->progress);
    if (rc < 0)
        return command_fail(&im->err);
    if (c->json)
        (void)printf("{\"read\":%" PRIu64 ",\"stored\":%" PRIu64 ",\"known\":%" PRIu64
                     ",\"refused\":%" PRIu64 "}\n",
                     im->read, im->stored, im->read - im->stored - im->refused, im->refused);
    else
        (void)printf("%" PRIu64 " %s read, %" PRIu64 " stored, %" PRIu64 " known before, %" PRIu64
                     " refused\n",
                     im->read, human_noun((int64_t)im->read, "event", "events"), im->stored,
                     im->read - im->stored - im->refused, im->refused);
    return im->refused > 0 ? COMMAND_FOUND : COMMAND_DONE;
}

static int read_rules(struct import *im, const struct config *cfg)
{
    struct config_errors wrong = {0};

    im->rules = retention_rules_new(cfg, &im->rules_n, &wrong);
    config_errors_print(&wrong, stderr);
    int rc = wrong.n > 0 ? -1 : 0;
    config_errors_free(&wrong);
    return rc;
}

static void import_free(struct import *im)
{
    (void)uv_loop_close(&im->loop);
    retention_rules_free(im->rules, im->rules_n);
    free(im->mentions);
    free(im->events);
    free(im);
}

int command_import(const struct command *c)
{
    char conninfo[CONFIG_TEXT_SIZE * 2];
    struct import *im = calloc(1, sizeof(*im));
    struct err err;
    int code;

    if (c->argc > 0) {
        free(im);
        (void)fputs("usage: bigbrotr import < FILE\n", stderr);
        return COMMAND_USAGE;
    }
    if (im == NULL || (im->events = calloc(BATCH_EVENTS, sizeof(*im->events))) == NULL ||
        (im->mentions = calloc(MENTIONS_MAX, sizeof(*im->mentions))) == NULL ||
        uv_loop_init(&im->loop) != 0)
        abort();
    if (read_rules(im, c->cfg) < 0) {
        import_free(im);
        return COMMAND_USAGE;
    }
    if (archive_conninfo(c->cfg, conninfo, sizeof(conninfo), &err) < 0) {
        import_free(im);
        return command_fail(&err);
    }
    const struct db_options options = {.conninfo = conninfo,
                                       .password = config_secret(c->cfg, "database", "password"),
                                       .statement_timeout_ms =
                                           (uint32_t)c->cfg->database_statement_timeout};
    im->note_hints = c->cfg->finder_enabled;
    im->verifier = verifier_new();
    arena_init(&im->arena, 1 << 20);
    im->db = db_open(&im->loop, &options, &ops, im);
    while (!im->up && !im->refused_by_db && im->err.code == ERR_NONE)
        (void)uv_run(&im->loop, UV_RUN_ONCE);
    progress_start(&im->progress, "imported");
    code = finish(c, im, im->up ? import_all(im) : -1);
    db_close(im->db);
    (void)uv_run(&im->loop, UV_RUN_DEFAULT);
    arena_done(&im->arena);
    verifier_free(im->verifier);
    import_free(im);
    return code;
}
