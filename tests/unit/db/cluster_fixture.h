/* A private PostgreSQL for a test, made by the code that makes the daemon's, in a temporary
 * directory; and beside it a plain blocking connection that shows what is really there.
 *
 *     main: fixture_drop_root(); setup: fixture_open(); test: fixture_sql(), fixture_run();
 * teardown: fixture_close()
 *
 * Tests of other rooms may use it: add the dependency cluster_fixture_dep. */
#ifndef TESTS_CLUSTER_FIXTURE_H
#define TESTS_CLUSTER_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "db/cluster.h"
#include "db/db.h"
#include "db/store_event.h"
#include "db/store_relay.h"

struct fixture {
    uv_loop_t loop;
    char dir[64], conninfo[512];
    struct cluster *cluster;
    struct db *db; /* NULL when it was not asked for */
    void *pg;      /* PGconn of fixture_sql, opened at first use */
    unsigned readies, downs, ups, restarts, db_downs;
    bool stopped, failed, refused;
    struct err err; /* the last that a callback brought */
};

/* What the fixture hears of its cluster: the owner is a struct fixture. */
extern const struct cluster_ops fixture_cluster_ops;

/* PostgreSQL refuses to run as root: become the user postgres, or nobody.  False: no such user,
 * skip. */
bool fixture_drop_root(void);

/* Starts a cluster and waits for it; with_db: also opens the database and waits until it is up
 * (migrated). */
void fixture_open(struct fixture *f, bool with_db);
void fixture_open_db(struct fixture *f, const char *conninfo); /* NULL: straight to the cluster */
void fixture_close_db(struct fixture *f);
void fixture_close(
    struct fixture *f); /* asserts that nothing is left on the loop and no process runs */

/* Runs the loop until *flag, at most 60 s: then the test fails, naming `what`. */
void fixture_run(struct fixture *f, const bool *flag, const char *what);
void fixture_run_count(struct fixture *f, const unsigned *count, unsigned at_least,
                       const char *what);

/* For cmocka's groups: *state is the fixture.  Cluster, database, and so many relays as
 * fixture_relays() adds. */
int fixture_setup(void **state, struct fixture *f, uint32_t relays);
int fixture_teardown(void **state);

/* Runs SQL; the first column of the first row as text, "" if there is none; valid until the next 8
 * calls.  An error fails the test. */
const char *fixture_sql(struct fixture *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int64_t fixture_number(struct fixture *f, const char *sql); /* .. as a number; no format */
/* The SQLSTATE of the error that the statement must end with; "" when it succeeds. */
const char *fixture_sql_error(struct fixture *f, const char *sql);

/* ---- made-up events; the store does not look at signatures ---- */

struct made_event {
    struct event event;
    char tags[256], content[128];
    struct str elements[8];
    uint32_t tag_start[8];
    int64_t hashes[4];
};

/* Number `n` decides all but what is given: id, pubkey (n / 10 decides it), one tag ["t","topic<n %
 * 100>"]. */
void made_event(struct made_event *e, uint32_t n, int64_t created_at, int32_t kind);
void made_id(struct id32 *id, uint32_t n);
void id_hex(char hex[65], const struct id32 *id);

/* store_write and wait; 0, or the error's code. */
enum err_code fixture_write(struct fixture *f, enum db_lane lane, struct store_write *w);
uint32_t fixture_relays(struct fixture *f,
                        uint32_t n); /* adds n relays wss://relayN.example; how many were new */

#endif
