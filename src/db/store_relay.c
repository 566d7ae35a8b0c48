/* The small operations: one statement or two, one exchange, one answer.  Each is a struct op with
 * what it needs to answer. */
#include "db/store_relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "db/op.h"
#include "db/rows.h"
#include "db/stmt.h"

enum { ARRAYS_MAX = 10 };

struct small {
    struct op op;
    struct db *db;
    void (*answer)(struct small *s, const struct err *err);
    void (*row)(struct small *s, int step, const struct result *res, int row);

    struct {
        enum stmt stmt;
        int arrays_from, arrays_n; /* of `arrays` */
        int32_t ints[2];
        int ints_n;
        const char *text; /* owned */
    } send[2];
    int sends_n;
    struct array arrays[ARRAYS_MAX];
    int arrays_n;
    bool overflow;

    /* What was asked and what has come, by operation. */
    union {
        store_relays_added *added;
        store_done *done;
        store_filter_done *filter;
        store_spans_done *spans;
        store_kinds_done *kinds;
        store_stats_done *stats;
        store_packed *packed;
    } u;
    store_relay_row *each;
    void *owner;
    int64_t number;
    struct store_span key;
    struct store_span *spans;
    int32_t *kinds;
    uint32_t n;
    struct store_stats stats;
};

static bool small_send(struct op *op, struct conn *conn)
{
    struct small *s = CONTAINER_OF(op, struct small, op);

    for (int i = 0; i < s->sends_n; i++) {
        struct params p;

        params_init(&p);
        for (int j = 0; j < s->send[i].arrays_n; j++)
            params_array(&p, &s->arrays[s->send[i].arrays_from + j]);
        for (int j = 0; j < s->send[i].ints_n; j++)
            params_int4(&p, s->send[i].ints[j]);
        if (s->send[i].text)
            params_text(&p, str_z(s->send[i].text));
        conn_query(conn, stmt[s->send[i].stmt], &p);
    }
    return true;
}

static void small_result(struct op *op, int step, const struct result *res)
{
    struct small *s = CONTAINER_OF(op, struct small, op);

    for (int i = 0; s->row && step < s->sends_n && i < result_rows(res); i++)
        s->row(s, step, res, i);
}

static enum op_next small_settled(struct op *op, struct err *err)
{
    (void)op;
    (void)err;
    return OP_DONE;
}

static void small_restart(struct op *op)
{
    struct small *s = CONTAINER_OF(op, struct small, op);

    s->n = 0;
    s->number = 0;
}

static void small_end(struct op *op, const struct err *err)
{
    struct small *s = CONTAINER_OF(op, struct small, op);

    s->answer(s, err);
    for (int i = 0; i < s->arrays_n; i++)
        array_done(&s->arrays[i]);
    for (int i = 0; i < s->sends_n; i++)
        free((void *)(uintptr_t)s->send[i].text);
    free(s->spans);
    free(s->kinds);
    free(s);
}

static const struct op_ops small_ops = {small_send, small_result,  small_settled,
                                        NULL,       small_restart, small_end};

static struct small *small_new(struct db *db, void *owner,
                               void (*answer)(struct small *, const struct err *),
                               void (*row)(struct small *, int, const struct result *, int))
{
    struct small *s = calloc(1, sizeof(*s));

    assert(s);
    s->op.ops = &small_ops;
    s->db = db;
    s->owner = owner;
    s->answer = answer;
    s->row = row;
    return s;
}

static int small_stmt(struct small *s, enum stmt which)
{
    int i = s->sends_n++;

    s->send[i].stmt = which;
    s->send[i].arrays_from = s->arrays_n;
    return i;
}

static struct array *small_array(struct small *s, enum pg_type type)
{
    struct array *a = &s->arrays[s->arrays_n++];

    assert(s->arrays_n <= ARRAYS_MAX);
    array_init(a, type);
    s->send[s->sends_n - 1].arrays_n++;
    return a;
}

static void small_int(struct small *s, int32_t v)
{
    int i = s->sends_n - 1;

    s->send[i].ints[s->send[i].ints_n++] = v;
}

/* ---- relays ---- */

static void number_row(struct small *s, int step, const struct result *res, int row)
{
    (void)step;
    s->number = result_int(res, row, 0);
}

static void relays_added(struct small *s, const struct err *err)
{
    s->u.added(s->owner, err ? 0 : (uint32_t)s->number, err);
}

void store_relays_add(struct db *db, const struct store_new_relay *relays, uint32_t n,
                      store_relays_added *done, void *owner)
{
    struct small *s = small_new(db, owner, relays_added, number_row);

    s->u.added = done;
    small_stmt(s, STMT_RELAYS_ADD);

    struct array *url = small_array(s, PG_TEXT), *network = small_array(s, PG_TEXT);

    for (uint32_t i = 0; i < n; i++) {
        array_text(url, str_z(relays[i].url));
        array_text(network, str_z(network_name(relays[i].network)));
    }
    db_submit(db, DB_MISC, &s->op);
}

static void plain_done(struct small *s, const struct err *err)
{
    s->u.done(s->owner, err);
}

static char *text_z(char *to, size_t size, struct str s)
{
    str_copy(to, size, s);
    return to;
}

static enum network network_of(struct str name)
{
    enum network network = NETWORK_CLEARNET; /* the table's CHECK allows no unknown one */

    (void)network_named(name, &network);
    return network;
}

static void relay_row(struct small *s, int step, const struct result *res, int row)
{
    char url[2049], error[128], traits[4096];
    struct store_relay r = {
        .relay_id = (int32_t)result_int(res, row, 0),
        .url = text_z(url, sizeof(url), result_str(res, row, 1)),
        .network = network_of(result_str(res, row, 2)),
        .next_at = result_int(res, row, 3),
        .last_ok_at = result_int(res, row, 4),
        .synced_at = result_int(res, row, 5),
        .failures = (int32_t)result_int(res, row, 6),
        .error = text_z(error, sizeof(error), result_str(res, row, 7)),
        .traits = text_z(traits, sizeof(traits), result_str(res, row, 8)),
        .events = result_int(res, row, 9),
        .bytes = result_int(res, row, 10),
        .events_new = result_int(res, row, 11),
    };

    (void)step;
    s->each(s->owner, &r);
}

void store_relays_load(struct db *db, store_relay_row *row, store_done *done, void *owner)
{
    struct small *s = small_new(db, owner, plain_done, relay_row);

    s->u.done = done;
    s->each = row;
    small_stmt(s, STMT_RELAYS_LOAD);
    db_submit(db, DB_MISC, &s->op);
}

static int by_relay_id(const void *a, const void *b)
{
    const struct store_relay *const *x = a, *const *y = b;

    return ((*x)->relay_id > (*y)->relay_id) - ((*x)->relay_id < (*y)->relay_id);
}

void store_relays_save(struct db *db, const struct store_relay *rows, uint32_t n, store_done *done,
                       void *owner)
{
    static const enum pg_type types[ARRAYS_MAX] = {PG_INT4, PG_INT8, PG_INT8, PG_INT8, PG_INT4,
                                                   PG_TEXT, PG_TEXT, PG_INT8, PG_INT8, PG_INT8};
    struct small *s = small_new(db, owner, plain_done, NULL);
    const struct store_relay **order = malloc((n + 1) * sizeof(const struct store_relay *));
    struct array *a = s->arrays;

    assert(order);
    for (uint32_t i = 0; i < n; i++)
        order[i] = &rows[i];
    qsort(order, n, sizeof(const struct store_relay *),
          by_relay_id); /* two savers lock rows in the same order */

    s->u.done = done;
    small_stmt(s, STMT_RELAYS_SAVE);
    for (int i = 0; i < ARRAYS_MAX; i++)
        small_array(s, types[i]);
    for (uint32_t i = 0; i < n; i++) {
        const struct store_relay *r = order[i];

        if (i > 0 && r->relay_id == order[i - 1]->relay_id)
            continue; /* ON CONFLICT takes a row once */
        array_int4(&a[0], r->relay_id);
        array_int8(&a[1], r->next_at);
        array_int8(&a[2], r->last_ok_at);
        array_int8(&a[3], r->synced_at);
        array_int4(&a[4], r->failures);
        array_text(&a[5], str_z(r->error));
        array_text(&a[6], str_z(r->traits));
        array_int8(&a[7], r->events);
        array_int8(&a[8], r->bytes);
        array_int8(&a[9], r->events_new);
    }
    free(order);
    db_submit(db, DB_MISC, &s->op);
}

void store_rejects_add(struct db *db, const struct store_reject *rows, uint32_t n, store_done *done,
                       void *owner)
{
    struct small *s = small_new(db, owner, plain_done, NULL);

    s->u.done = done;
    small_stmt(s, STMT_REJECTS_ADD);
    struct array *relays = small_array(s, PG_INT4), *reasons = small_array(s, PG_TEXT),
                 *events = small_array(s, PG_INT8);
    for (uint32_t i = 0; i < n; i++) {
        array_int4(relays, rows[i].relay_id);
        array_text(reasons, str_z(reject_name(rows[i].why)));
        array_int8(events, rows[i].events);
    }
    db_submit(db, DB_MISC, &s->op);
}

/* ---- filters, coverage, kinds ---- */

static void filter_done(struct small *s, const struct err *err)
{
    s->u.filter(s->owner, err ? 0 : (int32_t)s->number, err);
}

void store_filter_id(struct db *db, const char *identity, store_filter_done *done, void *owner)
{
    struct small *s = small_new(db, owner, filter_done, number_row);

    s->u.filter = done;
    s->send[small_stmt(s, STMT_FILTER_ADD)].text = strdup(identity);
    s->send[small_stmt(s, STMT_FILTER_GET)].text = strdup(identity);
    db_submit(db, DB_MISC, &s->op);
}

static void span_row(struct small *s, int step, const struct result *res, int row)
{
    (void)step;
    if (!s->spans) {
        s->spans = malloc((size_t)result_rows(res) * sizeof(*s->spans));
        assert(s->spans);
    }

    struct store_span *span = &s->spans[s->n++];
    int64_t what = result_int(res, row, 3);

    *span = s->key;
    span->lo = result_int(res, row, 0);
    span->hi = result_int(res, row, 1);
    span->gap = result_int(res, row, 2) != 0;
    if (span->gap)
        span->reason = what >= 0 && what < GAP_REASON__COUNT ? (enum gap_reason)what : GAP_INVALID;
    else
        span->grade = what >= 0 && what < GRADE__COUNT ? (enum grade)what : GRADE_H;
    span->gap_tries = (uint16_t)result_int(res, row, 4);
    span->at = result_int(res, row, 5);
}

static void spans_done(struct small *s, const struct err *err)
{
    s->u.spans(s->owner, err ? NULL : s->spans, err ? 0 : s->n, err);
}

static void spans_restart(struct op *op)
{
    struct small *s = CONTAINER_OF(op, struct small, op);

    free(s->spans);
    free(s->kinds);
    s->spans = NULL;
    s->kinds = NULL;
    s->n = 0;
}

static const struct op_ops spans_ops = {small_send, small_result,  small_settled,
                                        NULL,       spans_restart, small_end};

void store_coverage_load(struct db *db, int32_t relay_id, int32_t filter_id, store_spans_done *done,
                         void *owner)
{
    struct small *s = small_new(db, owner, spans_done, span_row);

    s->op.ops = &spans_ops;
    s->u.spans = done;
    s->key.relay_id = relay_id;
    s->key.filter_id = filter_id;
    small_stmt(s, STMT_COVERAGE_LOAD);
    small_int(s, relay_id);
    small_int(s, filter_id);
    db_submit(db, DB_MISC, &s->op);
}

static void kind_row(struct small *s, int step, const struct result *res, int row)
{
    (void)step;
    if (!s->kinds) {
        s->kinds = malloc((size_t)result_rows(res) * sizeof(*s->kinds));
        assert(s->kinds);
    }
    s->kinds[s->n++] = (int32_t)result_int(res, row, 0);
}

static void kinds_done(struct small *s, const struct err *err)
{
    s->u.kinds(s->owner, err ? NULL : s->kinds, err ? 0 : s->n, err);
}

void store_kinds(struct db *db, uint32_t max, store_kinds_done *done, void *owner)
{
    struct small *s = small_new(db, owner, kinds_done, kind_row);

    s->op.ops = &spans_ops;
    s->u.kinds = done;
    small_stmt(s, STMT_KINDS);
    small_int(s, max > INT32_MAX ? INT32_MAX : (int32_t)max);
    db_submit(db, DB_MISC, &s->op);
}

/* ---- status ---- */

static void stats_row(struct small *s, int step, const struct result *res, int row)
{
    if (step == 1) {
        s->stats.relays[network_of(result_str(res, row, 0))] = result_int(res, row, 1);
        return;
    }

    int64_t *const to[] = {&s->stats.events,         &s->stats.sightings,
                           &s->stats.database_bytes, &s->stats.event_bytes,
                           &s->stats.coverage_spans, &s->stats.gaps};
    char directory[4096];
    struct statvfs fs;

    for (int i = 0; i < 6; i++)
        *to[i] = result_int(res, row, i);
    s->stats.data_free_bytes = s->stats.data_total_bytes = -1;
    str_copy(directory, sizeof(directory), result_str(res, row, 6));
    if (db_conn_is_local(s->db) && directory[0] == '/' && statvfs(directory, &fs) == 0) {
        s->stats.data_free_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
        s->stats.data_total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
    }
}

static void stats_done(struct small *s, const struct err *err)
{
    s->u.stats(s->owner, err ? NULL : &s->stats, err);
}

void store_stats(struct db *db, store_stats_done *done, void *owner)
{
    struct small *s = small_new(db, owner, stats_done, stats_row);

    s->u.stats = done;
    small_stmt(s, STMT_STATS);
    small_stmt(s, STMT_STATS_RELAYS);
    db_submit(db, DB_MISC, &s->op);
}

static void packed(struct small *s, const struct err *err)
{
    s->u.packed(s->owner, err ? 0 : s->number, err);
}

void store_pack(struct db *db, const struct store_packing *what, store_packed *done, void *owner)
{
    struct small *s = small_new(db, owner, packed, number_row);

    s->u.packed = done;
    small_stmt(s, STMT_PACK);
    array_int8(small_array(s, PG_INT8), what->hour);
    struct array *numbers = small_array(s, PG_INT4);
    array_int4(numbers, what->relay_id);
    array_int4(numbers, what->from_bucket);
    array_int4(numbers, (int32_t)(what->rows_max > 100000 ? 100000 : what->rows_max));
    db_submit(db, DB_MISC, &s->op);
}
