/* The schema.  Read from top to bottom: migrate_settled() is called after each exchange with the
 * server. */
#include "db/migrate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/conn.h"
#include "db/stmt.h"

enum { VERSION_MIN = 140000 };

static void fail(struct migrate *m, enum err_code code, const char *detail)
{
    if (m->failed)
        return;
    m->failed = true;
    err_set(&m->err, code, "%s", detail);
}

static void look(struct migrate *m)
{
    m->state = MIGRATE_LOOK;
    conn_query(m->conn, stmt[STMT_SERVER_FACTS], NULL);
    conn_sync(m->conn);
}

static void lock(struct migrate *m)
{
    m->state = MIGRATE_LOCK;
    conn_query(m->conn, "BEGIN", NULL);
    conn_query(m->conn, stmt[STMT_MIGRATE_SETTINGS], NULL);
    conn_query(m->conn, stmt[STMT_MIGRATE_LOCK], NULL);
    conn_query(m->conn, stmt[STMT_MIGRATE_TABLE], NULL);
    conn_query(m->conn, stmt[STMT_MIGRATE_LIST], NULL);
    conn_sync(m->conn);
}

static void record(struct migrate *m)
{
    const struct migration *now = &m->list[m->applied];
    struct params p;

    m->state = MIGRATE_RECORD;
    params_init(&p);
    params_int4(&p, (int32_t)now->number);
    params_text(&p, str_z(now->name));
    params_text(&p, str_z(now->sha256));
    conn_query(m->conn, stmt[STMT_MIGRATE_RECORD], &p);
    conn_query(m->conn, "COMMIT", NULL);
    conn_sync(m->conn);
}

static void settle(struct migrate *m)
{
    m->state = MIGRATE_SETTLE;
    conn_query(m->conn, stmt[STMT_SETTLE], NULL);
    conn_query(m->conn, "COMMIT", NULL);
    conn_sync(m->conn);
}

void migrate_start(struct migrate *m, struct conn *conn, const struct migration *list,
                   unsigned list_n)
{
    *m = (struct migrate){.conn = conn, .list = list, .list_n = list_n};
    look(m);
}

/* The recorded files must be the first of ours, unchanged. */
static void compare(struct migrate *m, const struct result *res)
{
    char detail[ERR_DETAIL_MAX];

    m->applied = (unsigned)result_rows(res);
    for (int i = 0; i < result_rows(res); i++) {
        struct str name = result_str(res, i, 1), sha256 = result_str(res, i, 2);

        if ((unsigned)i >= m->list_n || result_int(res, i, 0) != (int64_t)m->list[i].number) {
            snprintf(detail, sizeof(detail),
                     "the database is newer than this program: it has the migration " STR_FMT
                     ", the program knows %u; upgrade",
                     STR_ARG(name), m->list_n);
            fail(m, ERR_DB_SCHEMA, detail);
            return;
        }
        if (!str_eq(sha256, str_z(m->list[i].sha256))) {
            snprintf(detail, sizeof(detail),
                     "the migration " STR_FMT
                     " is not the one that made this database (checksum " STR_FMT "); "
                     "use the program that did",
                     STR_ARG(name), (int)(sha256.n < 12 ? sha256.n : 12), sha256.p);
            fail(m, ERR_DB_SCHEMA, detail);
            return;
        }
    }
}

void migrate_result(struct migrate *m, int step, const struct result *res)
{
    switch (m->state) {
    case MIGRATE_LOOK:
        m->facts.version = (int)result_int(res, 0, 0);
        m->facts.started_us = result_int(res, 0, 2);
        m->facts.timeline = result_int(res, 0, 3);
        if (m->facts.version < VERSION_MIN)
            fail(m, ERR_DB_SCHEMA, "PostgreSQL is too old: 14 or later is needed");
        else if (!str_eq(result_str(res, 0, 4), STR("UTF8")))
            fail(m, ERR_DB_SCHEMA,
                 "the encoding of the database is not UTF8: make one with CREATE DATABASE .. "
                 "ENCODING 'UTF8'");
        else if (result_int(res, 0, 1))
            fail(m, ERR_DB_AWAY, "the server is a standby: it cannot be written to");
        return;
    case MIGRATE_LOCK:
        if (step == 4)
            compare(m, res);
        return;
    case MIGRATE_SETTLE:
        if (step == 0) {
            struct str secret = result_str(res, 0, 0);

            for (size_t i = 0; i < 16 && i < secret.n;
                 i++) /* little-endian, as SipHash reads its key */
                *(i < 8 ? &m->facts.secret.k0 : &m->facts.secret.k1) |=
                    (uint64_t)(uint8_t)secret.p[i] << (8 * (i % 8));
        }
        return;
    case MIGRATE_RUN:
    case MIGRATE_RECORD:
    case MIGRATE_DONE:
        return;
    }
}

/* Bigger than any of our files: what runs must also see the settings of this transaction only, so
 * it goes as it is. */
static void run_next(struct migrate *m)
{
    m->state = MIGRATE_RUN;
    conn_script(m->conn, m->list[m->applied].sql);
}

int migrate_settled(struct migrate *m, const struct err *failure, struct err *err)
{
    if (m->failed) {
        *err = m->err;
        return -1;
    }
    if (failure) {
        /* A statement of ours that this server refuses (no right to create tables ..) will be
         * refused again. */
        enum err_code code = failure->code == ERR_DB_SQL || failure->code == ERR_DB_DATA
                                 ? ERR_DB_SCHEMA
                                 : failure->code;

        if (m->state == MIGRATE_RUN)
            return err_set(err, code, "migration %s: %s", m->list[m->applied].name,
                           failure->detail);
        return err_set(err, code, "%s", failure->detail);
    }
    switch (m->state) {
    case MIGRATE_LOOK:
    case MIGRATE_RECORD:
        lock(m);
        return 0;
    case MIGRATE_LOCK:
        if (m->applied == m->list_n) {
            settle(m);
            return 0;
        }
        if (m->list[m->applied].no_transaction && conn_in_transaction(m->conn)) {
            conn_query(m->conn, "COMMIT", NULL); /* gives the lock back, and comes here once more */
            conn_sync(m->conn);
            return 0;
        }
        run_next(m);
        return 0;
    case MIGRATE_RUN:
        record(m);
        return 0;
    case MIGRATE_SETTLE:
        m->state = MIGRATE_DONE;
        return 1;
    case MIGRATE_DONE:
        break;
    }
    assert(false);
    return -1;
}
