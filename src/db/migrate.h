/* migrate: brings the schema of a database to the version of this program, over one connection.
 *
 *     LOOK -> (LOCK -> compare -> RUN next -> RECORD) .. -> SETTLE -> done
 *
 * Each file of sql runs in a transaction of its own, under an advisory lock, and is recorded with
 * its SHA-256.  So several daemons may start at once, a crash leaves whole files only, and a file
 * that was changed after it ran is noticed.  A file that begins with "-- no-transaction" holds one
 * statement that cannot run inside one (CREATE INDEX CONCURRENTLY): it is run again when a crash
 * kept it from being recorded, so it must bear that (IF NOT EXISTS). */
#ifndef DB_MIGRATE_H
#define DB_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/siphash.h"

struct conn;
struct result;

struct migration {
    unsigned number;                 /* 1, 2, .. */
    const char *name, *sql, *sha256; /* the last in hex */
    bool no_transaction;
};
extern const struct migration migrations[]; /* made from sql by embed.py */
extern const unsigned migrations_n;

/* What is known of the server once it is done. */
struct migrate_facts {
    int version;        /* 150004 */
    int64_t started_us; /* pg_postmaster_start_time() */
    int64_t timeline;   /* 0: not allowed to look */
    struct siphash_key secret;
};

enum migrate_state {
    MIGRATE_LOOK,
    MIGRATE_LOCK,
    MIGRATE_RUN,
    MIGRATE_RECORD,
    MIGRATE_SETTLE,
    MIGRATE_DONE
};

struct migrate {
    enum migrate_state state;
    struct conn *conn;
    const struct migration *list;
    unsigned list_n;
    unsigned applied; /* files recorded in the database */
    bool failed;      /* `err` says why; ERR_DB_SCHEMA: for good */
    struct err err;
    struct migrate_facts facts;
};

void migrate_start(struct migrate *m, struct conn *conn, const struct migration *list,
                   unsigned list_n);

/* To be called from the connection's callbacks.  migrate_settled: 1 done, 0 goes on, -1 failed with
 * *err. */
void migrate_result(struct migrate *m, int step, const struct result *res);
int migrate_settled(struct migrate *m, const struct err *failure, struct err *err);

#endif
