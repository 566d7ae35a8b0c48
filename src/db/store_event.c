/* One transaction of the archive, in two exchanges with the server:
 *
 *     1  BEGIN, locks, what is excluded?, are the known ones there?        -> verdicts
 *     2  the rest: events, sightings, what they prove, COMMIT
 *
 * When the server refuses a value in 2, all is rolled back and begun anew in the careful way: events go in by halves, each behind
 * a savepoint, until the rows are alone that it cannot take; they are set aside and the rest is written as ever. */
#include "db/store_event.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "db/op.h"
#include "db/rows.h"
#include "db/stmt.h"

enum { RANGES_MAX = 64, KIND_DELETION = 5, KIND_GIFT_WRAP = 1059, ADDRESS_MAX = 1024, DETAIL_BYTES = 160 };

enum write_phase { WRITE_ASK, WRITE_EVENTS, WRITE_REST };

/* Which statement a result of an exchange belongs to. */
enum write_step { STEP_OTHER, STEP_TOMBSTONES, STEP_RECIPIENTS, STEP_MISSING, STEP_EVENTS, STEP_SIGHTINGS };

struct range {
    uint32_t from, to;
};

struct write {
    struct op op;
    struct db *db;
    struct store_write *w;
    enum db_lane lane;
    enum write_phase phase;
    enum write_step steps[16];
    int steps_n;

    uint32_t *order; /* events by id: positions in w->events */
    char (*detail)[DETAIL_BYTES]; /* by position in `order`: why it was refused; made when needed */
    bool careful;
    struct range ranges[RANGES_MAX]; /* careful: still to be written, the next one last */
    uint32_t ranges_n;
    struct range now; /* what the running exchange writes */
    uint32_t missing;
};

/* ---- building rows ---- */

static struct store_event *event_at(const struct write *op, uint32_t i)
{
    return &op->w->events[op->order[i]];
}

static void add_step(struct write *op, enum write_step step)
{
    assert(op->steps_n < (int)(sizeof(op->steps) / sizeof(op->steps[0])));
    op->steps[op->steps_n++] = step;
}

static bool excluded(const struct store_event *e)
{
    return e->refused || e->tombstoned;
}

struct event_arrays {
    struct array key, created_at, kind, lossy, id, pubkey, sig, hashes, from, to, canonical, tags, content;
};

static void event_arrays_add(struct event_arrays *a, const struct db *db, const struct event *e)
{
    array_int8(&a->key, db_event_key(db, &e->id, e->created_at));
    array_int8(&a->created_at, e->created_at);
    array_int4(&a->kind, e->kind);
    array_bool(&a->lossy, e->lossy);
    array_bytes(&a->id, e->id.b, sizeof(e->id.b));
    array_bytes(&a->pubkey, e->pubkey.b, sizeof(e->pubkey.b));
    array_bytes(&a->sig, e->sig.b, sizeof(e->sig.b));
    array_int4(&a->from, (int32_t)a->hashes.n + 1);
    for (uint32_t i = 0; i < e->taghash_n; i++)
        array_int8(&a->hashes, e->taghash[i]);
    array_int4(&a->to, (int32_t)a->hashes.n);
    array_bytes(&a->canonical, e->canonical.p, e->canonical.n);
    array_text(&a->tags, e->tags);
    array_text(&a->content, e->content);
}

static void send_events(struct write *op, struct conn *conn)
{
    struct event_arrays a;
    struct {
        struct array *array;
        enum pg_type type;
    } columns[] = {{&a.key, PG_INT8},      {&a.created_at, PG_INT8}, {&a.kind, PG_INT4},   {&a.lossy, PG_BOOL}, {&a.id, PG_BYTEA},
                   {&a.pubkey, PG_BYTEA},  {&a.sig, PG_BYTEA},       {&a.hashes, PG_INT8}, {&a.from, PG_INT4},  {&a.to, PG_INT4},
                   {&a.canonical, PG_BYTEA}, {&a.tags, PG_TEXT},     {&a.content, PG_TEXT}};
    size_t columns_n = sizeof(columns) / sizeof(columns[0]);
    struct params p;

    for (size_t i = 0; i < columns_n; i++)
        array_init(columns[i].array, columns[i].type);
    for (uint32_t i = op->now.from; i < op->now.to; i++) {
        const struct store_event *e = event_at(op, i);

        if (!excluded(e))
            event_arrays_add(&a, op->db, e->event);
    }
    params_init(&p);
    for (size_t i = 0; i < columns_n; i++)
        params_array(&p, columns[i].array);
    params_int4(&p, (int32_t)op->lane);
    if (a.key.n > 0) {
        add_step(op, STEP_EVENTS);
        conn_query(conn, stmt[STMT_EVENTS], &p);
    }
    for (size_t i = 0; i < columns_n; i++)
        array_done(columns[i].array);
}

/* A NIP-40 expiration or NIP-09 deletion: rare, so their arrays are small. */
static void send_expirations(struct write *op, struct conn *conn)
{
    struct array id, at;
    struct params p;

    array_init(&id, PG_BYTEA);
    array_init(&at, PG_INT8);
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        const struct event *e = event_at(op, i)->event;
        struct str value;
        uint64_t seconds;

        if (excluded(event_at(op, i)) || !event_tag_first(e, STR("expiration"), &value) || !str_u64(value, &seconds) ||
            seconds > INT64_MAX)
            continue;
        array_bytes(&id, e->id.b, sizeof(e->id.b));
        array_int8(&at, (int64_t)seconds);
    }
    params_init(&p);
    params_array(&p, &id);
    params_array(&p, &at);
    if (id.n > 0) {
        add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_EXPIRATIONS], &p);
    }
    array_done(&id);
    array_done(&at);
}

static void deletions_of(const struct event *e, struct array a[6])
{
    for (uint32_t t = 0; t < e->tags_n; t++) {
        const struct str *tag = &e->elements[e->tag_start[t]];
        uint8_t target[32];
        bool is_id, is_address;

        if (e->tag_start[t + 1] - e->tag_start[t] < 2)
            continue;
        is_id = str_eq(tag[0], STR("e")) && hex_decode(target, tag[1], sizeof(target));
        is_address = str_eq(tag[0], STR("a")) && tag[1].n > 0 && tag[1].n <= ADDRESS_MAX && !memchr(tag[1].p, 0, tag[1].n);
        if (!is_id && !is_address)
            continue;
        array_bytes(&a[0], e->id.b, sizeof(e->id.b));
        array_bytes(&a[1], e->pubkey.b, sizeof(e->pubkey.b));
        array_bytes(&a[2], target, is_id ? sizeof(target) : 0);
        array_int8(&a[3], is_address ? event_tag_hash(tag[0], tag[1]) : 0);
        array_text(&a[4], is_address ? tag[1] : STR(""));
        array_int8(&a[5], e->created_at);
    }
}

static void send_deletions(struct write *op, struct conn *conn)
{
    static const enum pg_type types[6] = {PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_INT8, PG_TEXT, PG_INT8};
    struct array a[6];
    struct params p;

    for (int i = 0; i < 6; i++)
        array_init(&a[i], types[i]);
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        if (!excluded(event_at(op, i)) && event_at(op, i)->event->kind == KIND_DELETION)
            deletions_of(event_at(op, i)->event, a);
    }
    params_init(&p);
    for (int i = 0; i < 6; i++)
        params_array(&p, &a[i]);
    if (a[0].n > 0) {
        add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_DELETIONS], &p);
    }
    for (int i = 0; i < 6; i++)
        array_done(&a[i]);
}

static void send_rejects(struct write *op, struct conn *conn)
{
    struct array id, detail, raw;
    struct params p;

    array_init(&id, PG_TEXT);
    array_init(&detail, PG_TEXT);
    array_init(&raw, PG_BYTEA);
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        const struct store_event *e = event_at(op, i);
        char hex[64];

        if (!e->refused)
            continue;
        hex_encode(hex, e->event->id.b, sizeof(e->event->id.b));
        array_text(&id, (struct str){hex, sizeof(hex)});
        array_text(&detail, str_z(op->detail ? op->detail[i] : ""));
        array_bytes(&raw, e->raw.p, e->raw.n);
    }
    params_init(&p);
    params_array(&p, &id);
    params_text(&p, str_z(reject_name(REJECT_DATABASE)));
    params_array(&p, &detail);
    params_array(&p, &raw);
    if (id.n > 0) {
        add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_REJECTS], &p);
    }
    array_done(&id);
    array_done(&detail);
    array_done(&raw);
}

/* The event of this batch with this id, or NULL. */
static const struct store_event *find_event(const struct write *op, const struct id32 *id)
{
    uint32_t lo = 0, hi = op->w->events_n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = memcmp(event_at(op, mid)->event->id.b, id->b, sizeof(id->b));

        if (c == 0)
            return event_at(op, mid);
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static void send_sightings(struct write *op, struct conn *conn)
{
    struct array relay, key, seen;
    struct params p;

    array_init(&relay, PG_INT4);
    array_init(&key, PG_INT8);
    array_init(&seen, PG_INT8);
    for (uint32_t i = 0; i < op->w->sightings_n; i++) {
        const struct store_sighting *s = &op->w->sightings[i];
        const struct store_event *e = s->known ? NULL : find_event(op, &s->id);

        if (e && excluded(e))
            continue;
        array_int4(&relay, s->relay_id);
        array_int8(&key, db_event_key(op->db, &s->id, s->created_at));
        array_int8(&seen, s->seen_at_ms);
    }
    params_init(&p);
    params_array(&p, &relay);
    params_array(&p, &key);
    params_array(&p, &seen);
    params_int4(&p, (int32_t)op->lane);
    if (relay.n > 0) {
        add_step(op, STEP_SIGHTINGS);
        conn_query(conn, stmt[STMT_SIGHTINGS], &p);
    }
    array_done(&relay);
    array_done(&key);
    array_done(&seen);
}

static void send_spans(struct write *op, struct conn *conn)
{
    static const enum pg_type types[7] = {PG_INT4, PG_INT4, PG_INT8, PG_INT8, PG_BOOL, PG_INT2, PG_INT8};
    struct array a[7];
    struct params p;

    for (int i = 0; i < 7; i++)
        array_init(&a[i], types[i]);
    for (uint32_t i = 0; i < op->w->spans_n; i++) {
        const struct store_span *s = &op->w->spans[i];

        array_int4(&a[0], s->relay_id);
        array_int4(&a[1], s->filter_id);
        array_int8(&a[2], s->lo);
        array_int8(&a[3], s->hi);
        array_bool(&a[4], s->gap);
        array_int2(&a[5], s->gap ? (int16_t)s->reason : (int16_t)s->grade);
        array_int8(&a[6], s->at);
    }
    params_init(&p);
    for (int i = 0; i < 7; i++)
        params_array(&p, &a[i]);
    if (op->w->spans_n > 0) {
        add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_SPANS], &p);
    }
    for (int i = 0; i < 7; i++)
        array_done(&a[i]);
}

/* ---- the first exchange ---- */

static int by_int32(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Every relay that sightings or coverage are about, once, in order. */
static void send_locks(struct write *op, struct conn *conn)
{
    const struct store_write *w = op->w;
    size_t n = 0, all = (size_t)w->sightings_n + w->spans_n;
    int32_t *ids = malloc((all + 1) * sizeof(*ids));
    struct array relay;
    struct params p;

    assert(ids);
    for (uint32_t i = 0; i < w->sightings_n; i++) {
        if (n == 0 || ids[n - 1] != w->sightings[i].relay_id)
            ids[n++] = w->sightings[i].relay_id;
    }
    for (uint32_t i = 0; i < w->spans_n; i++)
        ids[n++] = w->spans[i].relay_id;
    qsort(ids, n, sizeof(*ids), by_int32);
    array_init(&relay, PG_INT4);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || ids[i] != ids[i - 1])
            array_int4(&relay, ids[i]);
    }
    params_init(&p);
    params_array(&p, &relay);
    add_step(op, STEP_OTHER);
    conn_query(conn, stmt[STMT_LOCK_TOMBSTONES], NULL);
    if (relay.n > 0) {
        add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_LOCK_RELAYS], &p);
    }
    array_done(&relay);
    free(ids);
}

static void send_tombstones(struct write *op, struct conn *conn)
{
    struct array id, pubkey, at, kind, hash, hash_at, number;
    struct params p;

    array_init(&id, PG_BYTEA);
    array_init(&pubkey, PG_BYTEA);
    array_init(&at, PG_INT8);
    array_init(&kind, PG_INT4);
    array_init(&hash, PG_INT8);
    array_init(&hash_at, PG_INT8);
    array_init(&number, PG_INT8);
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        const struct event *e = event_at(op, i)->event;

        array_bytes(&id, e->id.b, sizeof(e->id.b));
        array_bytes(&pubkey, e->pubkey.b, sizeof(e->pubkey.b));
        array_int8(&at, e->created_at);
        array_int4(&kind, e->kind);
        for (uint32_t h = 0; e->kind == KIND_GIFT_WRAP && h < e->taghash_n; h++) {
            array_int8(&hash, e->taghash[h]);
            array_int8(&hash_at, e->created_at);
            array_int8(&number, (int64_t)i + 1);
        }
    }
    params_init(&p);
    params_array(&p, &id);
    params_array(&p, &pubkey);
    params_array(&p, &at);
    params_array(&p, &kind);
    if (id.n > 0) {
        add_step(op, STEP_TOMBSTONES);
        conn_query(conn, stmt[STMT_TOMBSTONES], &p);
    }
    params_init(&p);
    params_array(&p, &hash);
    params_array(&p, &hash_at);
    params_array(&p, &number);
    if (hash.n > 0) {
        add_step(op, STEP_RECIPIENTS);
        conn_query(conn, stmt[STMT_TOMBSTONES_RECIPIENT], &p);
    }

    struct array *all[] = {&id, &pubkey, &at, &kind, &hash, &hash_at, &number};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        array_done(all[i]);
}

static void send_known(struct write *op, struct conn *conn)
{
    struct array id, at;
    struct params p;

    array_init(&id, PG_BYTEA);
    array_init(&at, PG_INT8);
    for (uint32_t i = 0; i < op->w->sightings_n; i++) {
        const struct store_sighting *s = &op->w->sightings[i];

        if (!s->known && find_event(op, &s->id))
            continue;
        array_bytes(&id, s->id.b, sizeof(s->id.b));
        array_int8(&at, s->created_at);
    }
    params_init(&p);
    params_array(&p, &id);
    params_array(&p, &at);
    if (id.n > 0) {
        add_step(op, STEP_MISSING);
        conn_query(conn, stmt[STMT_MISSING], &p);
    }
    array_done(&id);
    array_done(&at);
}

/* ---- the operation ---- */

static void push_range(struct write *op, uint32_t from, uint32_t to)
{
    assert(op->ranges_n < RANGES_MAX && from < to); /* halving 2^32 rows leaves at most 33 open */
    op->ranges[op->ranges_n++] = (struct range){from, to};
}

static void query_plain(struct write *op, struct conn *conn, const char *sql)
{
    add_step(op, STEP_OTHER);
    conn_query(conn, sql, NULL);
}

static bool write_send(struct op *base, struct conn *conn)
{
    struct write *op = CONTAINER_OF(base, struct write, op);

    op->steps_n = 0;
    switch (op->phase) {
    case WRITE_ASK:
        send_locks(op, conn);
        send_tombstones(op, conn);
        send_known(op, conn);
        return false;
    case WRITE_EVENTS:
        op->now = op->ranges[--op->ranges_n];
        query_plain(op, conn, "SAVEPOINT s");
        send_events(op, conn);
        query_plain(op, conn, "RELEASE SAVEPOINT s");
        return false;
    case WRITE_REST:
        if (!op->careful) {
            op->now = (struct range){0, op->w->events_n};
            send_events(op, conn);
        }
        send_expirations(op, conn);
        send_deletions(op, conn);
        send_rejects(op, conn);
        send_sightings(op, conn);
        send_spans(op, conn);
        return true;
    }
    assert(false);
    return false;
}

/* The ids that were inserted come back in our order. */
static void note_inserted(struct write *op, const struct result *res)
{
    uint32_t i = op->now.from;

    for (int row = 0; row < result_rows(res); row++) {
        struct str id = result_str(res, row, 0);

        while (i < op->now.to && (id.n != 32 || memcmp(event_at(op, i)->event->id.b, id.p, 32) != 0))
            i++;
        if (i < op->now.to) {
            event_at(op, i)->inserted = true;
            op->w->events_inserted++;
        }
    }
}

static void write_result(struct op *base, int step, const struct result *res)
{
    struct write *op = CONTAINER_OF(base, struct write, op);

    if (step >= op->steps_n) /* COMMIT */
        return;
    switch (op->steps[step]) {
    case STEP_TOMBSTONES:
    case STEP_RECIPIENTS:
        for (int row = 0; row < result_rows(res); row++) {
            int64_t i = result_int(res, row, 0);

            if (i >= 1 && i <= op->w->events_n)
                event_at(op, (uint32_t)i - 1)->tombstoned = true;
        }
        return;
    case STEP_MISSING:
        op->missing = (uint32_t)result_rows(res);
        return;
    case STEP_EVENTS:
        note_inserted(op, res);
        return;
    case STEP_SIGHTINGS:
        if (result_rows(res) == 1)
            op->w->sightings_inserted = (uint32_t)result_int(res, 0, 0);
        return;
    case STEP_OTHER:
        return;
    }
}

static enum op_next write_settled(struct op *base, struct err *err)
{
    struct write *op = CONTAINER_OF(base, struct write, op);

    switch (op->phase) {
    case WRITE_ASK:
        if (op->missing > 0) {
            err_set(err, ERR_DB_UNKNOWN_ID, "%" PRIu32 " events believed stored are not", op->missing);
            return OP_FAIL;
        }
        op->phase = WRITE_REST;
        if (op->careful && op->w->events_n > 0) {
            op->phase = WRITE_EVENTS;
            push_range(op, 0, op->w->events_n);
        }
        return OP_MORE;
    case WRITE_EVENTS:
        if (op->ranges_n == 0)
            op->phase = WRITE_REST;
        return OP_MORE;
    case WRITE_REST:
        return OP_DONE;
    }
    assert(false);
    return OP_FAIL;
}

/* Why a row was refused, kept by its place. */
static void refuse(struct write *op, uint32_t i, const char *detail)
{
    if (!op->detail) {
        op->detail = calloc(op->w->events_n, DETAIL_BYTES);
        assert(op->detail);
    }
    str_escape(op->detail[i], DETAIL_BYTES, str_z(detail));
    event_at(op, i)->refused = true;
    op->w->events_refused++;
}

static enum op_next write_failed(struct op *base, const char *sqlstate, struct err *err)
{
    struct write *op = CONTAINER_OF(base, struct write, op);

    (void)sqlstate;
    if (err->code != ERR_DB_DATA || op->w->events_n == 0)
        return OP_FAIL;
    if (op->phase == WRITE_REST && !op->careful) {
        op->careful = true;
        return OP_RESTART;
    }
    if (op->phase != WRITE_EVENTS)
        return OP_FAIL;
    if (op->now.to - op->now.from == 1) {
        refuse(op, op->now.from, err->detail);
    } else {
        uint32_t mid = op->now.from + (op->now.to - op->now.from) / 2;

        push_range(op, mid, op->now.to);
        push_range(op, op->now.from, mid);
    }
    if (op->ranges_n == 0)
        op->phase = WRITE_REST;
    return OP_ROLLBACK_TO;
}

/* The tags become jsonb in the view: a control character there would make every scan of it fail.  The scanner leaves none. */
static void refuse_unreadable(struct write *op)
{
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        const struct str tags = event_at(op, i)->event->tags;

        for (size_t j = 0; j < tags.n; j++) {
            if ((uint8_t)tags.p[j] < 0x20) {
                refuse(op, i, "a control character in tags");
                break;
            }
        }
    }
}

static void write_restart(struct op *base)
{
    struct write *op = CONTAINER_OF(base, struct write, op);
    struct store_write *w = op->w;

    op->phase = WRITE_ASK;
    op->ranges_n = 0;
    op->missing = 0;
    w->events_inserted = w->sightings_inserted = w->events_refused = 0;
    for (uint32_t i = 0; i < w->events_n; i++)
        w->events[i].refused = w->events[i].inserted = w->events[i].tombstoned = false;
    refuse_unreadable(op);
}

static void write_end(struct op *base, const struct err *err)
{
    struct write *op = CONTAINER_OF(base, struct write, op);
    struct store_write *w = op->w;

    if (err) { /* nothing of it happened, as far as we know */
        op->ranges_n = 0;
        for (uint32_t i = 0; i < w->events_n; i++)
            w->events[i].refused = w->events[i].inserted = w->events[i].tombstoned = false;
        w->events_inserted = w->sightings_inserted = w->events_refused = 0;
    }
    free(op->order);
    free(op->detail);
    free(op);
    w->internal = NULL;
    w->done(w, err);
}

static const struct op_ops write_ops = {write_send, write_result, write_settled, write_failed, write_restart, write_end};

static int by_event_id(const void *a, const void *b, void *events)
{
    const struct store_event *all = events;

    return memcmp(all[*(const uint32_t *)a].event->id.b, all[*(const uint32_t *)b].event->id.b, 32);
}

void store_write(struct db *db, enum db_lane lane, struct store_write *w)
{
    struct write *op = calloc(1, sizeof(*op));

    assert(op && w->done);
    for (uint32_t i = 0; i < w->spans_n; i++)
        assert(w->spans[i].lo <= w->spans[i].hi);
    op->op.ops = &write_ops;
    op->db = db;
    op->lane = lane;
    op->w = w;
    op->order = malloc((w->events_n + (size_t)1) * sizeof(*op->order));
    assert(op->order);
    for (uint32_t i = 0; i < w->events_n; i++)
        op->order[i] = i;
    qsort_r(op->order, w->events_n, sizeof(*op->order), by_event_id, w->events);
    write_restart(&op->op);
    w->internal = op;
    db_submit(db, lane, &op->op);
}

/* ---- look-up ---- */

struct lookup {
    struct op op;
    struct store_lookup *l;
};

static bool lookup_send(struct op *base, struct conn *conn)
{
    struct lookup *op = CONTAINER_OF(base, struct lookup, op);
    struct array id, at;
    struct params p;

    array_init(&id, PG_BYTEA);
    array_init(&at, PG_INT8);
    for (uint32_t i = 0; i < op->l->n; i++) {
        op->l->known[i] = true;
        array_bytes(&id, op->l->ids[i].b, sizeof(op->l->ids[i].b));
        array_int8(&at, op->l->created_at[i]);
    }
    params_init(&p);
    params_array(&p, &id);
    params_array(&p, &at);
    conn_query(conn, stmt[STMT_MISSING], &p);
    array_done(&id);
    array_done(&at);
    return true;
}

static void lookup_result(struct op *base, int step, const struct result *res)
{
    struct lookup *op = CONTAINER_OF(base, struct lookup, op);

    for (int row = 0; step == 0 && row < result_rows(res); row++) {
        int64_t i = result_int(res, row, 0);

        if (i >= 1 && i <= op->l->n)
            op->l->known[i - 1] = false;
    }
}

static enum op_next lookup_settled(struct op *base, struct err *err)
{
    (void)base;
    (void)err;
    return OP_DONE;
}

static void lookup_end(struct op *base, const struct err *err)
{
    struct lookup *op = CONTAINER_OF(base, struct lookup, op);
    struct store_lookup *l = op->l;

    if (err)
        memset(l->known, 0, l->n * sizeof(*l->known));
    free(op);
    l->internal = NULL;
    l->done(l, err);
}

static const struct op_ops lookup_ops = {lookup_send, lookup_result, lookup_settled, NULL, NULL, lookup_end};

void store_lookup(struct db *db, enum db_lane lane, struct store_lookup *l)
{
    struct lookup *op = calloc(1, sizeof(*op));

    assert(op && l->done);
    op->op.ops = &lookup_ops;
    op->l = l;
    l->internal = op;
    db_submit(db, lane, &op->op);
}
