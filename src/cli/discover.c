/* discover: what the archive mentions, read once more: by rules that are newer than the events, or
 * because no finder ran when they came.
 *
 *     events --windows--> documents (NIP-11) --windows--> counted: each count is raised to what was
 * found
 *
 * What was found stands in a table beside how far that is, both written in one transaction: whoever
 * is killed goes on there.  Running it again finds the same and counts nothing twice
 * (../../sql/0010_discover.sql).  The candidates are the daemon's: it counts and probes them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "core/human.h"
#include "core/siphash.h"
#include "db/mention_tally.h"
#include "nostr/nip11.h"

enum { COUNT_AT_ONCE = 20000, STATE_BYTES_MAX = 4096, AT_MAX = 80, DIGITS = 20 };

struct discover {
    struct archive *archive;
    struct arena arena; /* of a window: its URLs */
    struct mention_tally tally;
    struct progress progress;
    char token[2 * DIGITS];
    bool resumed;

    /* As the database has it. */
    char part[16], at[AT_MAX];
    int64_t events, documents, mentions, urls;

    uint32_t documents_read; /* of this window */
};

static void on_state(void *owner, const struct result *res, int row)
{
    struct discover *d = owner;
    struct err err;
    struct js *s = js_parse(result_str(res, row, 0), STATE_BYTES_MAX, 4, &err);

    if (s == NULL)
        return;
    (void)str_copy(d->part, sizeof(d->part), js_str(js_get(s, "part"), STR("")));
    (void)str_copy(d->at, sizeof(d->at), js_str(js_get(s, "at"), STR("")));
    d->events = js_int(js_get(s, "events"), 0);
    d->documents = js_int(js_get(s, "documents"), 0);
    d->mentions = js_int(js_get(s, "mentions"), 0);
    d->urls = js_int(js_get(s, "urls"), 0);
    js_free(s);
}

static int begin(struct discover *d, struct err *err)
{
    struct siphash_key random;
    struct params p;
    int64_t there = 0;

    if (archive_int(d->archive, "SELECT (to_regclass('mention_found') IS NOT NULL)::int4", NULL,
                    &there, err) < 0)
        return -1;
    if (there == 0)
        return err_set(err, ERR_DB_SCHEMA,
                       "the database is older than this program: start bigbrotrd of this version "
                       "first");
    siphash_key_random(&random);
    (void)snprintf(d->token, sizeof(d->token), "%" PRIu64, random.k0);
    params_init(&p);
    params_int4(&p, HINTS_RULES);
    params_text(&p, str_z(d->token));
    if (archive_query(d->archive, "SELECT discover_begin($1, $2)::text", &p, on_state, d, err) < 0)
        return -1;
    d->resumed = d->events > 0 || d->documents > 0;
    return 0;
}

/* What was found in this window, with where the next begins. */
static int add(struct discover *d, struct err *err)
{
    struct js *change = js_new_object();
    struct mention_columns c;
    struct params p;
    char *text;
    int rc;

    js_set_z(change, "part", d->part);
    js_set_z(change, "at", d->at);
    js_set_int(change, "events", d->events);
    js_set_int(change, "documents", d->documents);
    text = js_text(change, JS_COMPACT);
    mention_columns_init(&c);
    for (uint32_t i = 0; i < d->tally.n; i++)
        mention_columns_add(&c, &d->tally.rows[i]);
    params_init(&p);
    params_text(&p, str_z(d->token));
    params_text(&p, str_z(text));
    mention_columns_params(&c, &p);
    rc = archive_query(d->archive,
                       "SELECT discover_add($1, $2::jsonb, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                       &p, NULL, NULL, err);
    mention_columns_done(&c);
    free(text);
    js_free(change);
    mention_tally_clear(&d->tally);
    arena_reset(&d->arena);
    return rc;
}

static void tally_hints(struct discover *d, const struct event *e, const struct hints *hints,
                        int32_t relay_id)
{
    for (uint32_t i = 0; i < hints->n; i++) {
        const struct store_mention m = {.url = arena_copy(&d->arena, hints->hint[i].url),
                                        .network = hints->hint[i].network,
                                        .source = hints->hint[i].source,
                                        .relay_id = relay_id};
        mention_tally_add(&d->tally, e, &m);
    }
}

/* Events */

static bool on_event(void *owner, struct str json)
{
    struct discover *d = owner;
    const struct event_limits limits = event_limits_archived();
    struct event e;
    enum reject why;

    if (event_scan_untagged(json, &limits, &d->arena, &e, &why) == 0) {
        struct hints hints = hints_of_event(&e, &d->arena);
        tally_hints(d, &e, &hints, 0);
    }
    d->events++;
    progress_add(&d->progress, 1);
    return true;
}

static int on_window(void *owner, int64_t next, struct err *err)
{
    struct discover *d = owner;

    if (next == INT64_MAX) {
        (void)str_copy(d->part, sizeof(d->part), STR("documents"));
        d->at[0] = '\0';
    } else {
        (void)snprintf(d->at, sizeof(d->at), "%" PRId64, next);
    }
    return add(d, err);
}

static int read_events(struct discover *d, struct err *err)
{
    uint64_t from = 0;

    (void)!str_u64(str_z(d->at), &from);
    return command_each_event_from(d->archive, (int64_t)from, on_event, on_window, d, err);
}

/* Documents: a mention of each, on the account of a relay that has it. */

static void on_document(void *owner, const struct result *res, int row)
{
    struct discover *d = owner;
    struct str url = result_str(res, row, 3);
    int64_t author = mention_author_of_relay(url);
    struct event e = {.kind = 0}; /* none: in the place of its author is whoever holds the domain */
    struct nip11 *document;
    struct err err;

    for (int i = 0; i < 8; i++)
        e.pubkey.b[i] = (uint8_t)((uint64_t)author >> (56 - 8 * i));
    (void)str_copy(d->at, sizeof(d->at), result_str(res, row, 0));
    d->documents_read++;
    document = nip11_parse(result_str(res, row, 1), &err);
    if (document != NULL)
        tally_hints(d, &e, &document->relays, (int32_t)result_int(res, row, 2));
    nip11_free(document);
}

static int read_documents(struct discover *d, struct err *err)
{
    do {
        struct params p;
        d->documents_read = 0;
        params_init(&p);
        params_text(&p, str_z(d->at));
        if (archive_query(d->archive,
                          "SELECT DISTINCT ON (d.id) d.id, d.document, coalesce(r.relay_id, 0), "
                          "coalesce(r.url, '') FROM (SELECT id, document FROM nip11 WHERE id > $1 "
                          "ORDER BY id LIMIT 500) d LEFT JOIN relay_metadata_latest m ON "
                          "m.nip11_id = d.id LEFT JOIN relays r ON r.url = m.relay_url ORDER BY "
                          "d.id, r.relay_id",
                          &p, on_document, d, err) < 0)
            return -1;
        d->documents += d->documents_read;
        if (d->documents_read == 0)
            (void)str_copy(d->part, sizeof(d->part), STR("count"));
        if (add(d, err) < 0)
            return -1;
    } while (d->documents_read > 0);
    return 0;
}

static int count(struct discover *d, struct err *err)
{
    while (strcmp(d->part, "done") != 0) {
        struct params p;
        params_init(&p);
        params_text(&p, str_z(d->token));
        params_int4(&p, COUNT_AT_ONCE);
        if (archive_query(d->archive, "SELECT discover_count($1, $2)::text", &p, on_state, d, err) <
            0)
            return -1;
    }
    return 0;
}

static int discover(struct discover *d, struct err *err)
{
    if (begin(d, err) < 0)
        return -1;
    progress_start(&d->progress, d->resumed ? "read on" : "read");
    if (strcmp(d->part, "events") == 0 && read_events(d, err) < 0)
        return -1;
    if (strcmp(d->part, "documents") == 0 && read_documents(d, err) < 0)
        return -1;
    return count(d, err);
}

static void print(const struct command *c, const struct discover *d)
{
    if (c->json)
        (void)printf("{\"events\":%" PRId64 ",\"documents\":%" PRId64 ",\"mentions\":%" PRId64
                     ",\"urls\":%" PRId64 ",\"resumed\":%s}\n",
                     d->events, d->documents, d->mentions, d->urls, d->resumed ? "true" : "false");
    else
        (void)printf("%" PRId64 " %s and %" PRId64 " %s read; %" PRId64
                     " %s found that had not been counted, of %" PRId64 " new %s\n",
                     d->events, human_noun(d->events, "event", "events"), d->documents,
                     human_noun(d->documents, "document", "documents"), d->mentions,
                     human_noun(d->mentions, "mention", "mentions"), d->urls,
                     human_noun(d->urls, "URL", "URLs"));
}

int command_discover(const struct command *c)
{
    struct discover d = {.resumed = false};
    struct err err;
    int rc;

    if (c->argc != 1 || strcmp(c->argv[0], "--from-archive") != 0) {
        (void)fputs("usage: bigbrotr discover --from-archive\n", stderr);
        return COMMAND_USAGE;
    }
    d.archive = archive_open(c->cfg, &err);
    if (d.archive == NULL)
        return command_fail(&err);
    arena_init(&d.arena, 1 << 20);
    mention_tally_init(&d.tally);
    rc = discover(&d, &err);
    progress_done(&d.progress);
    mention_tally_done(&d.tally);
    arena_done(&d.arena);
    archive_close(d.archive);
    if (rc < 0)
        return command_fail(&err);
    print(c, &d);
    return COMMAND_DONE;
}
