/* The rows of one store_write(), as the arrays that its statements take. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/rows.h"
#include "db/stmt.h"
#include "db/store_write.h"

enum { KIND_GIFT_WRAP = 1059 };

/* ---- building rows ---- */

struct store_event *write_event_at(const struct write *op, uint32_t i)
{
    return &op->w->events[op->order[i]];
}

void write_add_step(struct write *op, enum write_step step)
{
    assert(op->steps_n < (int)(sizeof(op->steps) / sizeof(op->steps[0])));
    op->steps[op->steps_n++] = step;
}

bool write_excluded(const struct store_event *e)
{
    return e->refused || e->tombstoned;
}

struct event_arrays {
    struct array key, created_at, kind, lossy, id, pubkey, sig, hashes, from, to, canonical, tags,
        content;
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

void write_send_events(struct write *op, struct conn *conn)
{
    struct event_arrays a;
    struct {
        struct array *array;
        enum pg_type type;
    } columns[] = {{&a.key, PG_INT8},    {&a.created_at, PG_INT8}, {&a.kind, PG_INT4},
                   {&a.lossy, PG_BOOL},  {&a.id, PG_BYTEA},        {&a.pubkey, PG_BYTEA},
                   {&a.sig, PG_BYTEA},   {&a.hashes, PG_INT8},     {&a.from, PG_INT4},
                   {&a.to, PG_INT4},     {&a.canonical, PG_BYTEA}, {&a.tags, PG_TEXT},
                   {&a.content, PG_TEXT}};
    size_t columns_n = sizeof(columns) / sizeof(columns[0]);
    struct params p;

    for (size_t i = 0; i < columns_n; i++)
        array_init(columns[i].array, columns[i].type);
    for (uint32_t i = op->now.from; i < op->now.to; i++) {
        const struct store_event *e = write_event_at(op, i);

        if (!write_excluded(e))
            event_arrays_add(&a, op->db, e->event);
    }
    params_init(&p);
    for (size_t i = 0; i < columns_n; i++)
        params_array(&p, columns[i].array);
    params_int4(&p, (int32_t)op->lane);
    if (a.key.n > 0) {
        write_add_step(op, STEP_EVENTS);
        conn_query(conn, stmt[STMT_EVENTS], &p);
    }
    for (size_t i = 0; i < columns_n; i++)
        array_done(columns[i].array);
}

const struct store_event *write_find_event(const struct write *op, const struct id32 *id)
{
    uint32_t lo = 0, hi = op->w->events_n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = memcmp(write_event_at(op, mid)->event->id.b, id->b, sizeof(id->b));

        if (c == 0)
            return write_event_at(op, mid);
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

void write_send_spans(struct write *op, struct conn *conn)
{
    static const enum pg_type types[7] = {PG_INT4, PG_INT4, PG_INT8, PG_INT8,
                                          PG_BOOL, PG_INT2, PG_INT8};
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
        array_int2(&a[5], (int16_t)(s->gap ? (int)s->reason : (int)s->grade));
        array_int8(&a[6], s->at);
    }
    params_init(&p);
    for (int i = 0; i < 7; i++)
        params_array(&p, &a[i]);
    if (op->w->spans_n > 0) {
        write_add_step(op, STEP_OTHER);
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
void write_send_locks(struct write *op, struct conn *conn)
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
    write_add_step(op, STEP_OTHER);
    conn_query(conn, stmt[STMT_LOCK_TOMBSTONES], NULL);
    if (w->events_n > 0) {
        write_add_step(op, STEP_TOMBSTONES_ANY);
        conn_query(conn, stmt[STMT_TOMBSTONES_ANY], NULL);
    }
    if (relay.n > 0) {
        write_add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_LOCK_RELAYS], &p);
    }
    array_done(&relay);
    free(ids);
}

void write_send_tombstones(struct write *op, struct conn *conn)
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
        const struct event *e = write_event_at(op, i)->event;

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
        write_add_step(op, STEP_TOMBSTONES);
        conn_query(conn, stmt[STMT_TOMBSTONES], &p);
    }
    params_init(&p);
    params_array(&p, &hash);
    params_array(&p, &hash_at);
    params_array(&p, &number);
    if (hash.n > 0) {
        write_add_step(op, STEP_RECIPIENTS);
        conn_query(conn, stmt[STMT_TOMBSTONES_RECIPIENT], &p);
    }

    struct array *all[] = {&id, &pubkey, &at, &kind, &hash, &hash_at, &number};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        array_done(all[i]);
}

static int by_id(const void *a, const void *b, void *sightings)
{
    const struct store_sighting *all = sightings, *x = &all[*(const uint32_t *)a],
                                *y = &all[*(const uint32_t *)b];
    int c = memcmp(x->id.b, y->id.b, sizeof(x->id.b));

    return c != 0 ? c : (x->created_at > y->created_at) - (x->created_at < y->created_at);
}

/* Each id once: on a live tail one event comes from many relays. */
void write_send_known(struct write *op, struct conn *conn)
{
    const struct store_write *w = op->w;
    uint32_t *known = malloc((w->sightings_n + (size_t)1) * sizeof(*known)), n = 0;
    struct array id, at;
    struct params p;
    int64_t lo = INT64_MAX, hi = 0;

    assert(known);
    for (uint32_t i = 0; i < w->sightings_n; i++) {
        if (w->sightings[i].known || !write_find_event(op, &w->sightings[i].id))
            known[n++] = i;
    }
    qsort_r(known, n, sizeof(*known), by_id, (void *)(uintptr_t)w->sightings);
    array_init(&id, PG_BYTEA);
    array_init(&at, PG_INT8);
    for (uint32_t i = 0; i < n; i++) {
        const struct store_sighting *s = &w->sightings[known[i]];

        if (i > 0 && by_id(&known[i - 1], &known[i], (void *)(uintptr_t)w->sightings) == 0)
            continue;
        array_bytes(&id, s->id.b, sizeof(s->id.b));
        array_int8(&at, s->created_at);
        lo = s->created_at < lo ? s->created_at : lo;
        hi = s->created_at > hi ? s->created_at : hi;
    }
    free(known);
    params_init(&p);
    params_array(&p, &id);
    params_array(&p, &at);
    params_int8(&p, lo);
    params_int8(&p, hi);
    if (id.n > 0) {
        write_add_step(op, STEP_MISSING);
        conn_query(conn, stmt[STMT_MISSING], &p);
    }
    array_done(&id);
    array_done(&at);
}
