/* store_state: see store_state.h. */
#include "db/store_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/op.h"
#include "db/rows.h"
#include "db/stmt.h"

struct state {
    struct op op;
    char *service, *name, *json; /* json NULL: it is read */
    char *read;
    size_t read_n;
    store_state_found *found;
    store_state_done *done;
    void *owner;
};

static bool state_send(struct op *base, struct conn *conn)
{
    const struct state *s = CONTAINER_OF(base, struct state, op);
    struct params p;

    params_init(&p);
    params_text(&p, str_z(s->service));
    params_text(&p, str_z(s->name));
    if (s->json != NULL)
        params_text(&p, str_z(s->json));
    conn_query(conn, stmt[s->json != NULL ? STMT_STATE_PUT : STMT_STATE_GET], &p);
    return true;
}

static void state_result(struct op *base, int step, const struct result *res)
{
    struct state *s = CONTAINER_OF(base, struct state, op);
    struct str text;

    if (step != 0 || s->json != NULL || result_rows(res) == 0)
        return;
    text = result_str(res, 0, 0);
    free(s->read);
    s->read = malloc(text.n + 1);
    assert(s->read);
    memcpy(s->read, text.p, text.n);
    s->read_n = text.n;
}

static enum op_next state_settled(struct op *base, struct err *err)
{
    (void)base;
    (void)err;
    return OP_DONE;
}

static void state_end(struct op *base, const struct err *err)
{
    struct state *s = CONTAINER_OF(base, struct state, op);

    if (s->found != NULL)
        s->found(s->owner, (struct str){s->read, s->read_n}, err);
    else if (s->done != NULL)
        s->done(s->owner, err);
    free(s->service);
    free(s->name);
    free(s->json);
    free(s->read);
    free(s);
}

static const struct op_ops state_ops = {state_send, state_result, state_settled,
                                        NULL,       NULL,         state_end};

static struct state *state_new(const char *service, const char *name, void *owner)
{
    struct state *s = calloc(1, sizeof(*s));

    assert(s);
    s->op.ops = &state_ops;
    s->service = strdup(service);
    s->name = strdup(name);
    assert(s->service && s->name);
    s->owner = owner;
    return s;
}

void store_state_get(struct db *db, const char *service, const char *name, store_state_found *found,
                     void *owner)
{
    struct state *s = state_new(service, name, owner);

    s->found = found;
    db_submit(db, DB_MISC, &s->op);
}

void store_state_put(struct db *db, const char *service, const char *name, const char *json,
                     store_state_done *done, void *owner)
{
    struct state *s = state_new(service, name, owner);

    s->json = strdup(json);
    assert(s->json);
    s->done = done;
    db_submit(db, DB_MISC, &s->op);
}
