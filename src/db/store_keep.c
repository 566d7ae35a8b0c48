/* store_keep: see store_keep.h. */
#include "db/store_keep.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/op.h"
#include "db/rows.h"
#include "db/stmt.h"

enum { REQUESTS_MAX = 50, READ_ROWS = 500, READ_BYTES = 2 * 1024 * 1024, STATEMENTS_MAX = 2 };

/* One transaction of one exchange: statements that were put together when it was asked for. */
struct keep {
    struct op op;
    enum stmt stmts[STATEMENTS_MAX];
    int stmts_n;
    struct array arrays[4];
    int arrays_n;
    int64_t numbers[3];
    int numbers_n;
    char *text; /* the first parameter, or NULL */

    struct store_step step;
    struct store_retention *rules;
    size_t rules_n;
    int64_t number;

    union {
        store_step_done *step;
        store_retention_settled *settled;
        store_retention_read_done *read;
    } done;
    store_retention_rows *each;
    void *owner;
    void (*result)(struct keep *k, int step, const struct result *res, int row);
    void (*end)(struct keep *k, const struct err *err);
};

static bool keep_send(struct op *base, struct conn *conn)
{
    struct keep *k = CONTAINER_OF(base, struct keep, op);

    for (int i = 0; i < k->stmts_n; i++) {
        struct params p;

        params_init(&p);
        if (k->text != NULL)
            params_text(&p, str_z(k->text));
        /* Those that read around an array say so by their own order of parameters. */
        if (k->stmts[i] == STMT_RETENTION_READ) {
            params_int8(&p, k->numbers[0]);
            params_int8(&p, k->numbers[1]);
            params_array(&p, &k->arrays[0]);
            params_int4(&p, READ_ROWS);
            params_int8(&p, READ_BYTES);
        } else {
            for (int a = 0; a < (k->stmts[i] == STMT_RETENTION_STATE ? 1 : k->arrays_n); a++)
                params_array(&p, &k->arrays[a]);
            for (int a = 0; a < k->numbers_n; a++) {
                if (k->stmts[i] == STMT_RETENTION_DONE)
                    params_int8(&p, k->numbers[a]);
                else
                    params_int4(&p, (int32_t)k->numbers[a]);
            }
        }
        conn_query(conn, stmt[k->stmts[i]], &p);
    }
    return true;
}

static void keep_result(struct op *base, int step, const struct result *res)
{
    struct keep *k = CONTAINER_OF(base, struct keep, op);

    for (int row = 0; k->result != NULL && step < k->stmts_n && row < result_rows(res); row++)
        k->result(k, step, res, row);
}

static enum op_next keep_settled(struct op *base, struct err *err)
{
    (void)base;
    (void)err;
    return OP_DONE;
}

static void keep_end(struct op *base, const struct err *err)
{
    struct keep *k = CONTAINER_OF(base, struct keep, op);

    if (k->end != NULL)
        k->end(k, err);
    for (int i = 0; i < k->arrays_n; i++)
        array_done(&k->arrays[i]);
    free(k->text);
    free(k);
}

static const struct op_ops keep_ops = {keep_send, keep_result, keep_settled, NULL, NULL, keep_end};

static struct keep *keep_new(enum stmt id, void *owner)
{
    struct keep *k = calloc(1, sizeof(*k));

    assert(k);
    k->op.ops = &keep_ops;
    k->stmts[k->stmts_n++] = id;
    k->owner = owner;
    return k;
}

static struct array *keep_array(struct keep *k, enum pg_type type)
{
    struct array *a = &k->arrays[k->arrays_n++];

    array_init(a, type);
    return a;
}

/* ---- steps ---- */

static void step_result(struct keep *k, int step, const struct result *res, int row)
{
    (void)step;
    k->step = (struct store_step){.busy = result_int(res, row, 0) != 0,
                                  .more = result_int(res, row, 1) != 0,
                                  .events = result_int(res, row, 2),
                                  .sightings = result_int(res, row, 3)};
}

static void step_end(struct keep *k, const struct err *err)
{
    k->done.step(k->owner, err == NULL ? &k->step : NULL, err);
}

void store_vanish_step(struct db *db, uint32_t events_max, bool wait, store_step_done *done,
                       void *owner)
{
    struct keep *k = keep_new(STMT_VANISH_STEP, owner);

    k->result = step_result;
    k->end = step_end;
    k->done.step = done;
    k->numbers[k->numbers_n++] = REQUESTS_MAX;
    k->numbers[k->numbers_n++] = events_max;
    k->numbers[k->numbers_n++] = wait;
    db_submit(db, DB_MISC, &k->op);
}

void store_retention_delete(struct db *db, const struct store_retention_batch *batch,
                            store_step_done *done, void *owner)
{
    struct keep *k = keep_new(STMT_RETENTION_DELETE, owner);
    struct array *id = keep_array(k, PG_BYTEA), *at = keep_array(k, PG_INT8),
                 *relay = keep_array(k, PG_TEXT);

    for (size_t i = 0; i < batch->n; i++) {
        array_bytes(id, batch->ids[i].b, sizeof(batch->ids[i].b));
        array_int8(at, batch->ats[i]);
    }
    for (size_t i = 0; i < batch->relays_n; i++)
        array_text(relay, str_z(batch->relays[i]));
    k->numbers[k->numbers_n++] = batch->wait;
    k->result = step_result;
    k->end = step_end;
    k->done.step = done;
    db_submit(db, DB_MISC, &k->op);
}

/* ---- rules ---- */

static void settle_result(struct keep *k, int step, const struct result *res, int row)
{
    if (step == 0)
        k->number = result_int(res, row, 0);
    else if ((size_t)row < k->rules_n) {
        k->rules[row].done_key = result_int(res, row, 0);
        k->rules[row].events = result_int(res, row, 1);
    }
}

static void settle_end(struct keep *k, const struct err *err)
{
    k->done.settled(k->owner, err == NULL ? k->number : -1, err);
}

void store_retention_settle(struct db *db, struct store_retention *rules, size_t n,
                            store_retention_settled *done, void *owner)
{
    struct keep *k = keep_new(STMT_RETENTION_SETTLE, owner);
    struct array *identity = keep_array(k, PG_TEXT), *name = keep_array(k, PG_TEXT),
                 *age = keep_array(k, PG_INT8), *relays = keep_array(k, PG_TEXT);

    for (size_t i = 0; i < n; i++) {
        array_text(identity, str_z(rules[i].identity));
        array_text(name, str_z(rules[i].name));
        array_int8(age, rules[i].max_age_s);
        array_text(relays, str_z(rules[i].relays));
    }
    k->stmts[k->stmts_n++] = STMT_RETENTION_STATE;
    k->rules = rules;
    k->rules_n = n;
    k->result = settle_result;
    k->end = settle_end;
    k->done.settled = done;
    db_submit(db, DB_MISC, &k->op);
}

static void read_result(struct keep *k, int step, const struct result *res, int row)
{
    struct store_retention_row out = {.key = result_int(res, row, 0),
                                      .created_at = result_int(res, row, 1)};
    struct str id = result_str(res, row, 2);

    (void)step;
    if (id.n == sizeof(out.id.b))
        memcpy(out.id.b, id.p, sizeof(out.id.b));
    if (!result_null(res, row, 3))
        out.json = result_str(res, row, 3);
    k->each(k->owner, &out);
}

static void read_end(struct keep *k, const struct err *err)
{
    k->done.read(k->owner, err);
}

void store_retention_read(struct db *db, const struct store_retention_range *range,
                          store_retention_rows *each, store_retention_read_done *done, void *owner)
{
    struct keep *k = keep_new(STMT_RETENTION_READ, owner);
    struct array *kind = keep_array(k, PG_INT4);

    for (size_t i = 0; i < range->kinds_n; i++)
        array_int4(kind, range->kinds[i]);
    k->numbers[k->numbers_n++] = range->after;
    k->numbers[k->numbers_n++] = range->upto;
    k->each = each;
    k->result = read_result;
    k->end = read_end;
    k->done.read = done;
    db_submit(db, DB_MISC, &k->op);
}

void store_retention_done(struct db *db, const char *identity, int64_t key, int64_t events)
{
    struct keep *k = keep_new(STMT_RETENTION_DONE, NULL);

    k->text = strdup(identity);
    assert(k->text);
    k->numbers[k->numbers_n++] = key;
    k->numbers[k->numbers_n++] = events;
    db_submit(db, DB_MISC, &k->op);
}
