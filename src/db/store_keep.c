/* store_keep: see store_keep.h. */
#include "db/store_keep.h"

#include <assert.h>
#include <stdlib.h>

#include "db/op.h"
#include "db/rows.h"
#include "db/stmt.h"

enum { REQUESTS_MAX = 50 };

struct keep {
    struct op op;
    uint32_t events_max;
    bool wait;
    struct store_step step;
    store_step_done *done;
    void *owner;
};

static bool vanish_send(struct op *base, struct conn *conn)
{
    const struct keep *k = CONTAINER_OF(base, struct keep, op);
    struct params p;

    params_init(&p);
    params_int4(&p, REQUESTS_MAX);
    params_int4(&p, (int32_t)k->events_max);
    params_int4(&p, k->wait);
    conn_query(conn, stmt[STMT_VANISH_STEP], &p);
    return true;
}

static void step_result(struct op *base, int step, const struct result *res)
{
    struct keep *k = CONTAINER_OF(base, struct keep, op);

    if (step != 0 || result_rows(res) != 1)
        return;
    k->step = (struct store_step){.busy = result_int(res, 0, 0) != 0,
                                  .more = result_int(res, 0, 1) != 0,
                                  .events = result_int(res, 0, 2),
                                  .sightings = result_int(res, 0, 3)};
}

static enum op_next step_settled(struct op *base, struct err *err)
{
    (void)base;
    (void)err;
    return OP_DONE;
}

static void step_end(struct op *base, const struct err *err)
{
    struct keep *k = CONTAINER_OF(base, struct keep, op);

    k->done(k->owner, err == NULL ? &k->step : NULL, err);
    free(k);
}

static const struct op_ops vanish_ops = {vanish_send, step_result, step_settled,
                                         NULL,        NULL,        step_end};

void store_vanish_step(struct db *db, uint32_t events_max, bool wait, store_step_done *done,
                       void *owner)
{
    struct keep *k = calloc(1, sizeof(*k));

    assert(k);
    k->op.ops = &vanish_ops;
    k->events_max = events_max;
    k->wait = wait;
    k->done = done;
    k->owner = owner;
    db_submit(db, DB_MISC, &k->op);
}
