/* op: one operation of the store on a lane: a transaction of one or more exchanges with the server.
 *
 *     submitted -> send -> (results) -> settled -> OP_MORE: send again | OP_DONE | OP_FAIL
 *                                    -> failed  -> OP_RESTART | OP_ROLLBACK_TO | OP_FAIL
 *     ended exactly once: end(op, NULL or why), which also frees it
 *
 * The lane sends BEGIN and the settings in front of the first exchange, COMMIT at the end of the
 * one whose send() returned true, and whatever ROLLBACK is needed.  Inside the database room only.
 */
#ifndef DB_OP_H
#define DB_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "db/conn.h"
#include "db/db.h"

struct op;

enum op_next {
    OP_MORE,        /* settled: send again, in the same transaction */
    OP_DONE,        /* settled: it was committed */
    OP_RESTART,     /* failed: roll back and begin anew */
    OP_ROLLBACK_TO, /* failed: back to savepoint s, then send again */
    OP_FAIL         /* roll back; it ends with *err */
};

struct op_ops {
    bool (*send)(struct op *op,
                 struct conn *conn); /* queues statements; true: these are the last */
    void (*result)(struct op *op, int step,
                   const struct result *res); /* step: 0 for the first that this send() queued */
    enum op_next (*settled)(struct op *op, struct err *err);
    enum op_next (*failed)(struct op *op, const char *sqlstate,
                           struct err *err); /* may be NULL: OP_FAIL */
    void (*restart)(
        struct op *op); /* forget what was learnt: the transaction was rolled back.  May be NULL */
    void (*end)(struct op *op, const struct err *err);
};

struct op {
    struct list link;
    const struct op_ops *ops;
    unsigned retries;
};

void db_submit(struct db *db, enum db_lane lane, struct op *op);
bool db_conn_is_local(const struct db *db);

/* For tests: other migrations than ours.  At once after db_open(). */
struct migration;
void db_set_migrations(struct db *db, const struct migration *list, unsigned n);

#endif
