/* maintenance: what the daemon and PostgreSQL do by themselves, now and to the end: partitions
 * ahead, sightings packed, tables vacuumed and analysed; and, on wish, what nothing refers to any
 * more.
 *
 * It says first what it will do and about how long that takes.  Every step is a transaction of its
 * own, or a VACUUM, so that it can be interrupted at any moment, and said again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/confirm.h"
#include "cli/words.h"
#include "core/clock.h"
#include "core/human.h"

enum { NAME_SIZE = 132, PACK_ROWS = 4000, ORPHANS_STEP = 2000, VACUUM_BYTES_S = 100 * 1024 * 1024 };

struct table {
    char name[NAME_SIZE]; /* quoted */
    int64_t bytes, dead;
};

struct maintenance {
    struct archive *a;
    struct table *tables;
    size_t tables_n;
    int32_t *relays;
    size_t relays_n;
    int64_t bytes, dead, ahead_days;
    bool orphans;
    int64_t packed, deleted, made;
};

/* ---- looking ---- */

static void on_table(void *owner, const struct result *res, int row)
{
    struct maintenance *m = owner;
    struct table *t;

    m->tables = realloc(m->tables, (m->tables_n + 1) * sizeof(*m->tables));
    if (m->tables == NULL)
        abort();
    t = &m->tables[m->tables_n++];
    (void)str_copy(t->name, sizeof(t->name), result_str(res, row, 0));
    t->bytes = result_int(res, row, 1);
    t->dead = result_int(res, row, 2);
    m->bytes += t->bytes;
    m->dead += t->dead;
}

static void on_relay(void *owner, const struct result *res, int row)
{
    struct maintenance *m = owner;

    m->relays = realloc(m->relays, (m->relays_n + 1) * sizeof(*m->relays));
    if (m->relays == NULL)
        abort();
    m->relays[m->relays_n++] = (int32_t)result_int(res, row, 0);
}

static int look(struct maintenance *m, struct err *err)
{
    if (archive_query(m->a,
                      "SELECT quote_ident(c.relname), pg_total_relation_size(c.oid), "
                      "coalesce(s.n_dead_tup, 0) FROM pg_class c JOIN pg_namespace n ON n.oid = "
                      "c.relnamespace LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE "
                      "n.nspname = current_schema() AND c.relkind = 'r' ORDER BY 2 DESC",
                      NULL, on_table, m, err) < 0)
        return -1;
    if (archive_query(m->a, "SELECT relay_id FROM relays ORDER BY 1", NULL, on_relay, m, err) < 0)
        return -1;
    return archive_int(
        m->a,
        "SELECT ((regexp_match(pg_get_expr(relpartbound, oid), '\\(''?(\\d+)''?\\)'))[1]::int8 - "
        "extract(epoch FROM now())::int8) / 86400 FROM pg_class WHERE oid = 'event_far'::regclass",
        NULL, &m->ahead_days, err);
}

static void say_plan(const struct maintenance *m)
{
    char size[32], took[32];

    (void)fprintf(stderr,
                  "The archive has %s in %zu tables, %" PRId64 " dead rows in them, partitions for "
                  "%" PRId64 " days ahead.\n",
                  human_bytes(size, sizeof(size), (double)m->bytes), m->tables_n, m->dead,
                  m->ahead_days);
    (void)fputs("  1  partitions are made for the next two years\n", stderr);
    (void)fprintf(stderr, "  2  small rows of sightings of %zu relays are packed\n", m->relays_n);
    if (m->orphans)
        (void)fputs("  3  events that no relay was ever seen to hold are deleted, imported ones "
                    "too, and documents that no check refers to\n",
                    stderr);
    (void)fprintf(
        stderr,
        "  %c  every table is vacuumed and analysed: about %s when it is read at 100 MiB/s\n"
        "It can be interrupted at any moment (Ctrl-C); the daemon may go on meanwhile.\n",
        m->orphans ? '4' : '3',
        human_duration(took, sizeof(took),
                       (double)(m->bytes / VACUUM_BYTES_S > 0 ? m->bytes / VACUUM_BYTES_S : 1)));
}

/* ---- doing ---- */

static int number(struct maintenance *m, const char *sql, const struct params *p, int64_t *n,
                  struct err *err)
{
    *n = 0;
    return archive_int(m->a, sql, p, n, err);
}

static int pack(struct maintenance *m, struct err *err)
{
    struct progress progress;
    int rc = 0;

    progress_start(&progress, "relays packed");
    for (size_t i = 0; i < m->relays_n && rc == 0; i++) {
        int64_t saved = 0;

        do {
            struct params p;

            params_init(&p);
            params_int4(&p, m->relays[i]);
            params_int8(&p, clock_wall_s() - 600); /* as the daemon: the hour must be over */
            params_int4(&p, PACK_ROWS);
            rc = number(m, "SELECT sighting_pack($1, 0, $2, $3)", &p, &saved, err);
            m->packed += saved;
        } while (rc == 0 && saved > 0);
        progress_add(&progress, 1);
    }
    progress_done(&progress);
    return rc;
}

struct orphans {
    int64_t next, events; /* next -1: that was the last step */
};

static void on_orphans(void *owner, const struct result *res, int row)
{
    struct orphans *step = owner;

    step->next = result_int(res, row, 0);
    step->events = result_int(res, row, 1);
}

/* Each step is a transaction: the daemon writes in between. */
static int delete_orphans(struct maintenance *m, struct err *err)
{
    struct progress progress;
    struct orphans step = {0};
    int64_t n;
    int rc = 0;

    progress_start(&progress, "events without a relay deleted");
    while (rc == 0 && step.next >= 0) {
        struct params p;

        params_init(&p);
        params_int8(&p, step.next);
        params_int4(&p, ORPHANS_STEP);
        rc = archive_query(m->a, "SELECT coalesce(next, -1), events FROM orphans_step($1, $2)", &p,
                           on_orphans, &step, err);
        m->deleted += rc == 0 ? step.events : 0;
        progress_add(&progress, rc == 0 ? (uint64_t)step.events : 0);
    }
    progress_done(&progress);
    return rc < 0 ? rc : number(m, "SELECT delete_orphan_nip11()", NULL, &n, err);
}

static int vacuum(struct maintenance *m, struct err *err)
{
    struct progress progress;
    int rc = 0;

    progress_start(&progress, "tables vacuumed");
    for (size_t i = 0; i < m->tables_n && rc == 0; i++) {
        char sql[NAME_SIZE + 32];

        (void)snprintf(sql, sizeof(sql), "VACUUM (ANALYZE) %s", m->tables[i].name);
        rc = archive_query(m->a, sql, NULL, NULL, NULL, err);
        progress_add(&progress, 1);
    }
    progress_done(&progress);
    return rc;
}

static int carry_out(struct maintenance *m, struct err *err)
{
    if (number(m, "SELECT partitions_ensure(extract(epoch FROM now())::int8 + 2 * 365 * 86400)",
               NULL, &m->made, err) < 0 ||
        pack(m, err) < 0 || (m->orphans && delete_orphans(m, err) < 0))
        return -1;
    return vacuum(m, err);
}

static void report(const struct command *c, const struct maintenance *m, int64_t ms)
{
    char took[32];
    struct js *out;

    if (!c->json) {
        (void)printf("%" PRId64 " %s made, %" PRId64 " rows of sightings saved, %" PRId64
                     " events deleted, %zu tables vacuumed in %s\n",
                     m->made, human_noun(m->made, "partition", "partitions"), m->packed, m->deleted,
                     m->tables_n, human_duration(took, sizeof(took), (double)ms / 1000));
        return;
    }
    out = js_new_object();
    js_set_int(out, "bytes", m->bytes);
    js_set_int(out, "dead_rows", m->dead);
    js_set_int(out, "days_ahead", m->ahead_days);
    js_set_int(out, "partitions_made", m->made);
    js_set_int(out, "rows_saved", m->packed);
    js_set_int(out, "events_deleted", m->deleted);
    js_set_int(out, "tables", (int64_t)m->tables_n);
    js_set_int(out, "milliseconds", ms);
    js_print(out, JS_PRETTY, stdout);
    js_free(out);
}

int command_maintenance(const struct command *c)
{
    struct word_option options[] = {{"--orphans", NULL, 1, 0}, {"--yes", NULL, 1, 0}, {0}};
    struct maintenance m = {0};
    int64_t started_ms = clock_mono_ms();
    struct words words;
    struct err err;
    int code = COMMAND_DONE;

    if (!words_read(c, options, &words) || words.n != 0) {
        (void)fputs("usage: bigbrotr maintenance [--orphans] [--yes]\n", stderr);
        return COMMAND_USAGE;
    }
    m.orphans = options[0].n > 0;
    m.a = archive_open(c->cfg, &err);
    if (m.a == NULL)
        return command_fail(&err);
    if (look(&m, &err) < 0) {
        code = command_fail(&err);
    } else {
        say_plan(&m);
        if (!confirm(options[1].n > 0, "Go on?"))
            code = COMMAND_USAGE;
        else if (carry_out(&m, &err) < 0)
            code = command_fail(&err);
        else
            report(c, &m, clock_mono_ms() - started_ms);
    }
    archive_close(m.a);
    free(m.tables);
    free(m.relays);
    return code;
}
