/* See cluster_fixture.h. */
#include "cluster_fixture.h"

#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "core/clock.h"
#include "core/hex.h"
#include "core/sha256.h"
#include "db/cluster_child.h"

enum { WAIT_MS = 60000, TEXTS = 8 };

bool fixture_drop_root(void)
{
    struct passwd *pw;

    if (geteuid() != 0)
        return true;
    pw = getpwnam("postgres");
    if (!pw)
        pw = getpwnam("nobody");
    if (!pw || setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0)
        return false;
    prctl(PR_SET_DUMPABLE, 1); /* the leak checker looks at us */
    return true;
}

static void on_waited(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

void fixture_run(struct fixture *f, const bool *flag, const char *what)
{
    uv_timer_t timer;
    bool late = false;

    uv_update_time(&f->loop); /* the test may have been away from its loop for long */
    uv_timer_init(&f->loop, &timer);
    timer.data = &late;
    uv_timer_start(&timer, on_waited, WAIT_MS, 0);
    while (!*flag && !late)
        uv_run(&f->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    if (!*flag)
        fail_msg("%s did not happen: %s", what, f->err.detail);
}

void fixture_run_count(struct fixture *f, const unsigned *count, unsigned at_least,
                       const char *what)
{
    for (int64_t end = clock_mono_ms() + WAIT_MS; *count < at_least && clock_mono_ms() < end;)
        uv_run(&f->loop, UV_RUN_ONCE);
    if (*count < at_least)
        fail_msg("%s did not happen: %s", what, f->err.detail);
}

/* ---- the cluster ---- */

static void on_ready(void *owner, const char *conninfo)
{
    struct fixture *f = owner;

    f->readies++;
    snprintf(f->conninfo, sizeof(f->conninfo), "%s", conninfo);
}

static void on_cluster_down(void *owner, const struct err *err)
{
    struct fixture *f = owner;

    f->downs++;
    f->err = *err;
}

static void on_failed(void *owner, const struct err *err)
{
    struct fixture *f = owner;

    f->failed = true;
    f->err = *err;
}

static void on_stopped(void *owner)
{
    struct fixture *f = owner;

    f->stopped = true;
}

const struct cluster_ops fixture_cluster_ops = {.on_ready = on_ready,
                                                .on_down = on_cluster_down,
                                                .on_failed = on_failed,
                                                .on_stopped = on_stopped};

static void on_up(void *owner, bool restarted)
{
    struct fixture *f = owner;

    f->ups++;
    f->restarts += restarted;
}

static void on_db_down(void *owner, const struct err *err)
{
    struct fixture *f = owner;

    f->db_downs++;
    f->err = *err;
}

static void on_refused(void *owner, const struct err *err)
{
    struct fixture *f = owner;

    f->refused = true;
    f->err = *err;
}

static const struct db_ops db_ops = {on_up, on_db_down, on_refused};

void fixture_open_db(struct fixture *f, const char *conninfo)
{
    struct db_options options = {.conninfo = conninfo ? conninfo : f->conninfo,
                                 .statement_timeout_ms = 30000};

    f->ups = f->restarts = f->db_downs = 0;
    f->refused = false;
    f->db = db_open(&f->loop, &options, &db_ops, f);
}

void fixture_open(struct fixture *f, bool with_db)
{
    struct cluster_options options = {.state_dir = f->dir};

    memset(f, 0, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/bigbrotr-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->cluster = cluster_open(&f->loop, &options, &fixture_cluster_ops, f);
    fixture_run_count(f, &f->readies, 1, "the start of the cluster");
    if (with_db) {
        fixture_open_db(f, NULL);
        fixture_run_count(f, &f->ups, 1, "the database being up");
    }
}

void fixture_close_db(struct fixture *f)
{
    db_close(f->db);
    f->db = NULL;
}

void fixture_close(struct fixture *f)
{
    pid_t pids[4];
    char data[128];

    PQfinish(f->pg);
    if (f->db)
        fixture_close_db(f);
    if (!f->failed) {
        cluster_stop(f->cluster, CLUSTER_STOP_MS);
        fixture_run(f, &f->stopped, "the stop of the cluster");
    }
    cluster_close(f->cluster);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    snprintf(data, sizeof(data), "%s/postgres", f->dir);
    assert_int_equal(child_find_servers(data, pids, 4), 0);
    child_remove_tree(f->dir);
}

/* ---- SQL ---- */

static PGresult *run(struct fixture *f, const char *sql)
{
    if (f->pg && PQstatus(f->pg) != CONNECTION_OK) { /* the server was restarted by the test */
        PQfinish(f->pg);
        f->pg = NULL;
    }
    if (!f->pg)
        f->pg = PQconnectdb(f->conninfo);

    PGresult *res = PQexec(f->pg, sql);

    if (PQstatus(f->pg) == CONNECTION_OK)
        return res;
    PQclear(res);
    PQreset(f->pg);
    return PQexec(f->pg, sql);
}

const char *fixture_sql(struct fixture *f, const char *fmt, ...)
{
    static char *texts[TEXTS];
    static unsigned at;
    char *sql = NULL, **text = &texts[at++ % TEXTS];
    PGresult *res;
    va_list args;

    va_start(args, fmt);
    assert_true(vasprintf(&sql, fmt, args) >= 0);
    va_end(args);
    res = run(f, sql);
    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(f->pg));
    free(*text);
    *text = strdup(PQntuples(res) > 0 && PQnfields(res) > 0 ? PQgetvalue(res, 0, 0) : "");
    PQclear(res);
    free(sql);
    return *text;
}

int64_t fixture_number(struct fixture *f, const char *sql)
{
    return atoll(fixture_sql(f, "%s", sql));
}

const char *fixture_sql_error(struct fixture *f, const char *sql)
{
    static char state[8];
    PGresult *res = run(f, sql);
    const char *text = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    snprintf(state, sizeof(state), "%s", text ? text : "");
    PQclear(res);
    return state;
}

/* ---- events ---- */

void made_id(struct id32 *id, uint32_t n)
{
    sha256_of(&n, sizeof(n), id->b);
}

void id_hex(char hex[65], const struct id32 *id)
{
    hex_encode(hex, id->b, sizeof(id->b));
    hex[64] = '\0';
}

void made_event(struct made_event *e, uint32_t n, int64_t created_at, int32_t kind)
{
    uint32_t author = 0x80000000u + n / 10;
    char topic[16];

    memset(e, 0, sizeof(*e));
    made_id(&e->event.id, n);
    sha256_of(&author, sizeof(author), e->event.pubkey.b);
    memset(e->event.sig.b, (int)(n & 255), sizeof(e->event.sig.b));
    e->event.created_at = created_at;
    e->event.kind = kind;
    snprintf(topic, sizeof(topic), "topic%u", n % 100);
    snprintf(e->tags, sizeof(e->tags), "[[\"t\",\"%s\"]]", topic);
    snprintf(e->content, sizeof(e->content), "event %u", n);
    e->event.tags = str_z(e->tags);
    e->event.content = str_z(e->content);
    e->elements[0] = STR("t");
    e->elements[1] = (struct str){e->tags + 7, strlen(topic)};
    e->tag_start[1] = 2;
    e->event.elements = e->elements;
    e->event.tag_start = e->tag_start;
    e->event.tags_n = 1;
    e->hashes[0] = event_tag_hash(e->elements[0], e->elements[1]);
    e->event.taghash = e->hashes;
    e->event.taghash_n = 1;
}

struct written {
    struct store_write *w;
    bool done;
    enum err_code code;
    struct written *next;
};
static struct written *waiting;

static void on_written(struct store_write *w, const struct err *err)
{
    for (struct written *i = waiting; i; i = i->next) {
        if (i->w == w) {
            i->done = true;
            i->code = err ? err->code : ERR_NONE;
        }
    }
}

enum err_code fixture_write(struct fixture *f, enum db_lane lane, struct store_write *w)
{
    struct written one = {.w = w, .next = waiting};

    waiting = &one;
    w->done = on_written;
    store_write(f->db, lane, w);
    fixture_run(f, &one.done, "store_write");
    waiting = one.next;
    return one.code;
}

struct added {
    bool done;
    uint32_t n;
};

static void on_added(void *owner, uint32_t added, const struct err *err)
{
    struct added *a = owner;

    if (err)
        fail_msg("store_relays_add: %s", err->detail);
    a->done = true;
    a->n = added;
}

uint32_t fixture_relays(struct fixture *f, uint32_t n)
{
    struct store_new_relay *relays = calloc(n, sizeof(*relays));
    char(*urls)[64] = calloc(n, sizeof(*urls));
    struct added added = {false, 0};

    for (uint32_t i = 0; i < n; i++) {
        snprintf(urls[i], sizeof(urls[i]), "wss://relay%u.example", i + 1);
        relays[i] = (struct store_new_relay){urls[i], NETWORK_CLEARNET};
    }
    store_relays_add(f->db, relays, n, on_added, &added);
    fixture_run(f, &added.done, "store_relays_add");
    free(relays);
    free(urls);
    return added.n;
}

int fixture_setup(void **state, struct fixture *f, uint32_t relays)
{
    *state = f;
    fixture_open(f, true);
    fixture_relays(f, relays);
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_close(*state);
    return 0;
}
