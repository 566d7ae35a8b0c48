/* The lanes.  One goes first (MISC): it looks at the server and migrates; then the others connect;
 * when all are idle we are UP. Any lane that is lost takes all down: what happened to one
 * connection is about to happen to the others. */
#include "db/db.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/metrics.h"
#include "core/siphash.h"
#include "db/conn.h"
#include "db/migrate.h"
#include "db/op.h"
#include "db/stmt.h"

enum { BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 5000, CONNECT_TIMEOUT_MS = 15000, RETRIES_MAX = 8 };

enum db_state { DB_DOWN, DB_CONNECTING, DB_UP, DB_REFUSED, DB_CLOSED };
enum lane_state {
    LANE_NONE,       /* no connection */
    LANE_CONNECTING, /* until on_ready */
    LANE_MIGRATING,  /* MISC only */
    LANE_IDLE,
    LANE_RUNNING,      /* an exchange of `op` */
    LANE_ROLLING_BACK, /* of `op`, which then does `after` */
};

struct lane {
    struct db *db;
    struct conn *conn;
    enum lane_state state;
    struct list queue; /* of struct op */
    struct op *op;
    int prologue;     /* statements of ours in front of the op's in this exchange */
    bool last;        /* this exchange ends with COMMIT */
    bool begun;       /* the next exchange is not the first */
    int64_t sent_ms;  /* when its transaction began; monotonic */
    int64_t asked_ms; /* when its exchange was sent */
    enum op_next after;
    struct err err; /* of the op that is being rolled back */
};

struct db {
    uv_loop_t *loop;
    const struct db_ops *ops;
    void *owner;
    char *conninfo, *password, timeout[16];
    enum db_state state;
    struct lane lanes[DB_LANE__COUNT];
    struct migrate migrate;
    const struct migration *list;
    unsigned list_n;
    struct migrate_facts known; /* of the server we last were up with */
    bool ever_up, told_down;
    enum err_code told_code;
    bool stale;       /* a transaction saw another server process than the one we know */
    uv_timer_t timer; /* reconnects */
    uv_timer_t late;  /* ends what was submitted while down */
    int pending;      /* timers open */
    uint32_t backoff_ms;
};

static void go_down(struct db *db, const struct err *why);
static void pump(struct lane *lane);

/* ---- the end of operations ---- */

static void end_op(struct op *op, const struct err *err)
{
    list_remove(&op->link);
    op->ops->end(op, err);
}

static void end_all(struct db *db, const struct err *err)
{
    /* Taken off first: an owner may submit again from inside. */
    struct list ended;

    list_init(&ended);
    for (int i = 0; i < DB_LANE__COUNT; i++) {
        struct lane *lane = &db->lanes[i];
        metrics.database_queue[i] = 0;
        struct list *first;

        if (lane->op) {
            list_add_tail(&ended, &lane->op->link);
            lane->op = NULL;
        }
        while ((first = list_take_first(&lane->queue)) != NULL)
            list_add_tail(&ended, first);
    }
    while (!list_empty(&ended))
        end_op(CONTAINER_OF(ended.next, struct op, link), err);
}

/* ---- running ---- */

static void ask(struct lane *lane)
{
    lane->asked_ms = clock_mono_ms();
    conn_sync(lane->conn);
}

static void send_op(struct lane *lane)
{
    lane->prologue = 0;
    if (!lane->begun) {
        struct params p;

        params_init(&p);
        params_text(&p, str_z(lane->db->timeout));
        conn_query(lane->conn, "BEGIN", NULL);
        conn_query(lane->conn, stmt[STMT_PROLOGUE], &p);
        lane->prologue = 2;
        lane->begun = true;
        lane->sent_ms = clock_mono_ms();
    }
    lane->state = LANE_RUNNING;
    lane->last = lane->op->ops->send(lane->op, lane->conn);
    if (lane->last)
        conn_query(lane->conn, "COMMIT", NULL);
    ask(lane);
}

static void roll_back(struct lane *lane, enum op_next after, const struct err *err)
{
    lane->state = LANE_ROLLING_BACK;
    lane->after = after;
    if (err)
        lane->err = *err;
    conn_query(lane->conn, after == OP_ROLLBACK_TO ? "ROLLBACK TO SAVEPOINT s" : "ROLLBACK", NULL);
    ask(lane);
}

static void finish_op(struct lane *lane, const struct err *err)
{
    struct op *op = lane->op;

    if (err == NULL)
        metric_observe(database_transaction_seconds, clock_mono_ms() - lane->sent_ms);
    metrics.database_queue[lane - lane->db->lanes]--;
    lane->op = NULL;
    lane->begun = false;
    lane->state = LANE_IDLE;
    op->ops->end(op, err); /* may submit, or close us */
}

static void op_failed(struct lane *lane, const struct err *why)
{
    struct op *op = lane->op;
    struct err err = *why;
    enum op_next next = OP_FAIL;

    if (err.code == ERR_DB_RETRY && op->retries < RETRIES_MAX) {
        op->retries++;
        next = OP_RESTART;
    } else if (op->ops->failed) {
        next = op->ops->failed(op, conn_sqlstate(lane->conn), &err);
    }
    assert(next == OP_RESTART || next == OP_ROLLBACK_TO || next == OP_FAIL);
    roll_back(lane, next, &err);
}

static void op_settled(struct lane *lane)
{
    struct op *op = lane->op;
    struct err err;
    enum op_next next = op->ops->settled(op, &err);

    switch (next) {
    case OP_MORE:
        assert(!lane->last);
        send_op(lane);
        return;
    case OP_DONE:
        assert(lane->last);
        finish_op(lane, NULL);
        return;
    case OP_FAIL:
    case OP_RESTART:
        assert(!lane->last);
        roll_back(lane, next, &err);
        return;
    case OP_ROLLBACK_TO:
        break;
    }
    assert(false);
}

static void rolled_back(struct lane *lane)
{
    if (lane->after == OP_ROLLBACK_TO) {
        send_op(lane);
    } else if (lane->after == OP_RESTART) {
        lane->begun = false;
        if (lane->op->ops->restart)
            lane->op->ops->restart(lane->op);
        send_op(lane);
    } else {
        struct err err = lane->err;

        finish_op(lane, &err);
    }
}

static void pump(struct lane *lane)
{
    struct list *first;

    if (lane->db->state != DB_UP || lane->state != LANE_IDLE ||
        !(first = list_take_first(&lane->queue)))
        return;
    lane->op = CONTAINER_OF(first, struct op, link);
    lane->begun = false;
    send_op(lane);
}

/* ---- connecting ---- */

static void connect_lane(struct lane *lane);

static void all_ready(struct db *db)
{
    for (int i = 0; i < DB_LANE__COUNT; i++) {
        if (db->lanes[i].state != LANE_IDLE)
            return;
    }

    const struct migrate_facts *now = &db->migrate.facts;
    bool restarted = db->ever_up && (now->started_us != db->known.started_us ||
                                     now->timeline != db->known.timeline);

    db->known = *now;
    db->ever_up = true;
    db->told_down = false;
    db->stale = false;
    db->backoff_ms = BACKOFF_MIN_MS;
    db->state = DB_UP;
    db->ops->on_up(db->owner, restarted);
    for (int i = 0; i < DB_LANE__COUNT && db->state == DB_UP; i++)
        pump(&db->lanes[i]);
}

static void refuse(struct db *db, const struct err *err)
{
    struct err copy = *err;

    for (int i = 0; i < DB_LANE__COUNT; i++) {
        if (db->lanes[i].conn)
            conn_close(db->lanes[i].conn);
        db->lanes[i].conn = NULL;
        db->lanes[i].state = LANE_NONE;
    }
    db->state = DB_REFUSED;
    end_all(db, &copy);
    if (db->state == DB_REFUSED)
        db->ops->on_refused(db->owner, &copy);
}

static void on_ready(void *owner)
{
    struct lane *lane = owner;
    struct db *db = lane->db;

    if (lane == &db->lanes[DB_MISC]) {
        lane->state = LANE_MIGRATING;
        migrate_start(&db->migrate, lane->conn, db->list, db->list_n);
    } else {
        lane->state = LANE_IDLE;
        all_ready(db);
    }
}

static void migrated(struct lane *lane, const struct err *failure)
{
    struct db *db = lane->db;
    struct err err;
    int rc = migrate_settled(&db->migrate, failure, &err);

    if (rc == 0)
        return;
    if (rc < 0) {
        if (err.code == ERR_DB_SCHEMA)
            refuse(db, &err);
        else
            go_down(db, &err);
        return;
    }
    lane->state = LANE_IDLE;
    connect_lane(&db->lanes[DB_LIVE]);
    connect_lane(&db->lanes[DB_BACKFILL]);
}

static void on_result(void *owner, int step, const struct result *res)
{
    struct lane *lane = owner;
    struct db *db = lane->db;

    if (lane->state == LANE_MIGRATING) {
        migrate_result(&db->migrate, step, res);
        return;
    }
    if (lane->state != LANE_RUNNING)
        return;
    if (step < lane->prologue) {
        /* Behind PgBouncer the server can be replaced without our noticing otherwise. */
        if (step == 1 && result_int(res, 0, 0) != db->known.started_us)
            db->stale = true;
        return;
    }
    lane->op->ops->result(lane->op, step - lane->prologue, res);
}

static void on_settled(void *owner, const struct err *err)
{
    struct lane *lane = owner;
    struct db *db = lane->db;

    switch (lane->state) {
    case LANE_MIGRATING:
        migrated(lane, err);
        return;
    case LANE_ROLLING_BACK:
        rolled_back(lane);
        break;
    case LANE_RUNNING:
        if (db->stale || (err && err->code == ERR_DB_AWAY)) {
            struct err away;

            err_set(&away, ERR_DB_AWAY, "%s",
                    err ? err->detail : "the database server was restarted");
            go_down(db, &away);
            return;
        }
        if (err)
            op_failed(lane, err);
        else
            op_settled(lane);
        break;
    case LANE_NONE:
    case LANE_CONNECTING:
    case LANE_IDLE:
        assert(false);
        return;
    }
    if (db->state == DB_UP)
        pump(lane);
}

static void on_lost(void *owner, const struct err *err)
{
    struct lane *lane = owner;

    if (err->code == ERR_CONFIG)
        refuse(lane->db, err);
    else
        go_down(lane->db, err);
}

static const struct conn_ops lane_conn_ops = {on_ready, on_result, on_settled, on_lost};

static void connect_lane(struct lane *lane)
{
    struct db *db = lane->db;
    struct conn_options options = {db->conninfo, db->password, CONNECT_TIMEOUT_MS};

    lane->state = LANE_CONNECTING;
    lane->op = NULL;
    lane->conn = conn_open(db->loop, &options, &lane_conn_ops, lane);
}

static void on_timer(uv_timer_t *timer)
{
    struct db *db = timer->data;

    if (db->state == DB_DOWN) {
        db->state = DB_CONNECTING;
        connect_lane(&db->lanes[DB_MISC]);
    }
}

static void go_down(struct db *db, const struct err *why)
{
    struct err err = *why;
    bool tell = !db->told_down || db->told_code != err.code;

    for (int i = 0; i < DB_LANE__COUNT; i++) {
        if (db->lanes[i].conn)
            conn_close(db->lanes[i].conn);
        db->lanes[i].conn = NULL;
        db->lanes[i].state = LANE_NONE;
    }
    db->state = DB_DOWN;
    db->told_down = true;
    db->told_code = err.code;
    uv_timer_start(&db->timer, on_timer, db->backoff_ms, 0);
    db->backoff_ms = db->backoff_ms * 2 < BACKOFF_MAX_MS ? db->backoff_ms * 2 : BACKOFF_MAX_MS;
    end_all(db, &err);
    if (tell && db->state != DB_CLOSED)
        db->ops->on_down(db->owner, &err);
}

/* ---- the owner's side ---- */

/* What was submitted while we were down ends here, so that nothing calls back from inside the call
 * that started it. */
static void on_late(uv_timer_t *timer)
{
    struct db *db = timer->data;
    struct err err;

    if (db->state == DB_UP || db->state == DB_CLOSED)
        return;
    err_set(&err, ERR_DB_AWAY, "the database is not connected");
    end_all(db, &err);
}

struct db *db_open(uv_loop_t *loop, const struct db_options *options, const struct db_ops *ops,
                   void *owner)
{
    struct db *db = calloc(1, sizeof(*db));

    assert(db && options->conninfo && ops->on_up && ops->on_down && ops->on_refused);
    db->loop = loop;
    db->ops = ops;
    db->owner = owner;
    db->conninfo = strdup(options->conninfo);
    db->password = options->password ? strdup(options->password) : NULL;
    db->list = migrations;
    db->list_n = migrations_n;
    db->backoff_ms = BACKOFF_MIN_MS;
    db_set_statement_timeout(db, options->statement_timeout_ms);
    for (int i = 0; i < DB_LANE__COUNT; i++) {
        db->lanes[i].db = db;
        list_init(&db->lanes[i].queue);
    }
    uv_timer_init(loop, &db->timer);
    db->timer.data = db;
    uv_timer_init(loop, &db->late);
    db->late.data = db;
    db->pending = 2;
    uv_timer_start(&db->timer, on_timer, 0, 0);
    return db;
}

void db_set_migrations(struct db *db, const struct migration *list, unsigned n)
{
    db->list = list;
    db->list_n = n;
}

static void on_db_closed(uv_handle_t *handle)
{
    struct db *db = handle->data;

    if (--db->pending > 0)
        return;
    if (db->password)
        explicit_bzero(db->password, strlen(db->password));
    free(db->password);
    explicit_bzero(db->conninfo, strlen(db->conninfo));
    free(db->conninfo);
    free(db);
}

void db_close(struct db *db)
{
    struct err err;

    assert(db->state != DB_CLOSED);
    db->state = DB_CLOSED;
    for (int i = 0; i < DB_LANE__COUNT; i++) {
        if (db->lanes[i].conn)
            conn_close(db->lanes[i].conn);
        db->lanes[i].conn = NULL;
        db->lanes[i].state = LANE_NONE;
    }
    err_set(&err, ERR_CANCELLED, "the database is being closed");
    end_all(db, &err);
    uv_close((uv_handle_t *)&db->timer, on_db_closed);
    uv_close((uv_handle_t *)&db->late, on_db_closed);
}

void db_submit(struct db *db, enum db_lane lane, struct op *op)
{
    list_init(&op->link);
    op->retries = 0;
    assert(db->state != DB_CLOSED);
    list_add_tail(&db->lanes[lane].queue, &op->link);
    metrics.database_queue[lane]++;
    if (db->state == DB_UP)
        pump(&db->lanes[lane]);
    else
        uv_timer_start(&db->late, on_late, 0, 0);
}

bool db_is_up(const struct db *db)
{
    return db->state == DB_UP;
}

void db_set_statement_timeout(struct db *db, uint32_t ms)
{
    snprintf(db->timeout, sizeof(db->timeout), "%" PRIu32, ms);
}

int64_t db_waits_ms(const struct db *db)
{
    int64_t longest = 0, now = clock_mono_ms();

    for (int i = 0; i < DB_LANE__COUNT; i++) {
        const struct lane *lane = &db->lanes[i];
        bool asked = lane->state == LANE_RUNNING || lane->state == LANE_ROLLING_BACK;

        if (asked && now - lane->asked_ms > longest)
            longest = now - lane->asked_ms;
    }
    return longest;
}

int db_server_version(const struct db *db)
{
    return db->known.version;
}

bool db_conn_is_local(const struct db *db)
{
    return db->state == DB_UP && conn_is_local(db->lanes[DB_MISC].conn);
}

void db_each_address(const struct db *db,
                     void (*each)(void *owner, const char *ip_literal, uint16_t port), void *owner)
{
    for (int i = 0; i < DB_LANE__COUNT && db->state == DB_UP; i++)
        conn_each_address(db->lanes[i].conn, each, owner);
}

int64_t db_event_key(const struct db *db, const struct id32 *id, int64_t created_at)
{
    uint64_t hash = siphash(&db->known.secret, id->b, sizeof(id->b));
    int64_t t = created_at < 0 ? 0 : created_at > INT32_MAX ? INT32_MAX : created_at;

    assert(db->ever_up);
    return t << 32 | (int64_t)(hash & 0xffffffff);
}
