/* Which of these ids are in the archive? */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/op.h"
#include "db/rows.h"
#include "db/stmt.h"
#include "db/store_event.h"

struct lookup {
    struct op op;
    struct store_lookup *l;
};

static bool lookup_send(struct op *base, struct conn *conn)
{
    struct lookup *op = CONTAINER_OF(base, struct lookup, op);
    struct array id, at;
    struct params p;
    int64_t lo = INT64_MAX, hi = 0;

    array_init(&id, PG_BYTEA);
    array_init(&at, PG_INT8);
    for (uint32_t i = 0; i < op->l->n; i++) {
        op->l->known[i] = true;
        array_bytes(&id, op->l->ids[i].b, sizeof(op->l->ids[i].b));
        array_int8(&at, op->l->created_at[i]);
        lo = op->l->created_at[i] < lo ? op->l->created_at[i] : lo;
        hi = op->l->created_at[i] > hi ? op->l->created_at[i] : hi;
    }
    params_init(&p);
    params_array(&p, &id);
    params_array(&p, &at);
    params_int8(&p, lo);
    params_int8(&p, hi);
    conn_query(conn, stmt[STMT_MISSING], &p);
    array_done(&id);
    array_done(&at);
    return true;
}

static void lookup_result(struct op *base, int step, const struct result *res)
{
    struct lookup *op = CONTAINER_OF(base, struct lookup, op);

    if (step != 0 || result_rows(res) != 1)
        return;

    struct str missing = result_str(res, 0, 0);
    uint32_t n = binary_array_n(missing, PG_INT4);

    for (uint32_t i = 0; i < n; i++) {
        int64_t at = binary_array_int(missing, i, 4);

        if (at >= 1 && at <= op->l->n)
            op->l->known[at - 1] = false;
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

static const struct op_ops lookup_ops = {lookup_send, lookup_result, lookup_settled,
                                         NULL,        NULL,          lookup_end};

void store_lookup(struct db *db, enum db_lane lane, struct store_lookup *l)
{
    struct lookup *op = calloc(1, sizeof(*op));

    assert(op && l->done);
    op->op.ops = &lookup_ops;
    op->l = l;
    l->internal = op;
    db_submit(db, lane, &op->op);
}
