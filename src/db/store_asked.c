/* store_asked: see store_asked.h.  Each operation is one statement. */
#include "db/store_asked.h"

#include <assert.h>
#include <stdlib.h>

#include "db/op.h"
#include "db/rows.h"
#include "db/stmt.h"

struct asked_op {
    struct op op;
    bool load;
    struct store_asked asked;
    int64_t before;
    struct mention_columns mentions;
    store_asked_row *row;
    store_done *done;
    void *owner;
};

static bool asked_send(struct op *base, struct conn *conn)
{
    struct asked_op *o = CONTAINER_OF(base, struct asked_op, op);
    struct params p;

    params_init(&p);
    if (!o->load) {
        params_int4(&p, o->asked.relay_id);
        params_int8(&p, o->asked.lo);
        params_int8(&p, o->asked.hi);
        params_int8(&p, o->asked.asked_at_ms);
        params_int8(&p, o->before);
        mention_columns_params(&o->mentions, &p);
    }
    conn_query(conn, stmt[o->load ? STMT_ASKED_LOAD : STMT_ASKED_SAVE], &p);
    return true;
}

static void asked_result(struct op *base, int step, const struct result *res)
{
    struct asked_op *o = CONTAINER_OF(base, struct asked_op, op);

    for (int i = 0; o->load && step == 0 && i < result_rows(res); i++) {
        const struct store_asked row = {.relay_id = (int32_t)result_int(res, i, 0),
                                        .lo = result_int(res, i, 1),
                                        .hi = result_int(res, i, 2),
                                        .asked_at_ms = result_int(res, i, 3)};
        o->row(o->owner, &row);
    }
}

static enum op_next asked_settled(struct op *base, struct err *err)
{
    (void)base;
    (void)err;
    return OP_DONE;
}

static void asked_end(struct op *base, const struct err *err)
{
    struct asked_op *o = CONTAINER_OF(base, struct asked_op, op);

    o->done(o->owner, err);
    if (!o->load)
        mention_columns_done(&o->mentions);
    free(o);
}

static const struct op_ops asked_ops = {asked_send, asked_result, asked_settled,
                                        NULL,       NULL,         asked_end};

static struct asked_op *op_new(bool load, store_done *done, void *owner)
{
    struct asked_op *o = calloc(1, sizeof(*o));

    assert(o);
    o->op.ops = &asked_ops;
    o->load = load;
    o->done = done;
    o->owner = owner;
    return o;
}

void store_asked_load(struct db *db, store_asked_row *row, store_done *done, void *owner)
{
    struct asked_op *o = op_new(true, done, owner);

    o->row = row;
    db_submit(db, DB_MISC, &o->op);
}

/* NOLINTNEXTLINE(readability-function-size): what was read, what was found, and whom to tell */
void store_asked_save(struct db *db, const struct store_asked *asked, int64_t before,
                      const struct store_mention_row *rows, uint32_t n, store_done *done,
                      void *owner)
{
    struct asked_op *o = op_new(false, done, owner);

    o->asked = *asked;
    o->before = before;
    mention_columns_init(&o->mentions);
    for (uint32_t i = 0; i < n; i++)
        mention_columns_add(&o->mentions, &rows[i]);
    db_submit(db, DB_MISC, &o->op);
}
