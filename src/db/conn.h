/* conn: one connection to PostgreSQL on the loop.  The only doorway to libpq.
 *
 *     RESOLVING -> CONNECTING -> IDLE <-> BUSY -> LOST        on_ready once; on_lost at most once,
 * then only conn_close()
 *
 * Statements are queued with conn_query() and go out together with conn_sync(): one pipeline, one
 * round trip.  Their results come back in order, then on_settled().  After an error the rest of the
 * pipeline is skipped by the server, and a transaction that was open must be rolled back.
 * conn_script() sends text with several statements by itself (migrations), no parameters, no
 * results.
 *
 * Names are resolved by the loop's thread pool, since libpq would block for them. */
#ifndef DB_CONN_H
#define DB_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/err.h"
#include "core/str.h"
#include "db/rows.h"

struct conn;
struct result; /* rows that a statement returned, valid in the call */

struct conn_ops {
    void (*on_ready)(void *owner);
    void (*on_result)(
        void *owner, int step,
        const struct result *res); /* step: 0 for the first statement since conn_sync */
    void (*on_settled)(void *owner, const struct err *err); /* NULL: every statement succeeded */
    void (*on_lost)(void *owner, const struct err *err);
};

struct conn_options {
    const char *conninfo, *password; /* used in conn_open only; password may be NULL */
    uint32_t connect_timeout_ms;
};

struct conn *conn_open(uv_loop_t *loop, const struct conn_options *options,
                       const struct conn_ops *ops, void *owner);
void conn_close(struct conn *c); /* once; nothing is heard afterwards */

void conn_query(struct conn *c, const char *sql,
                const struct params *params); /* params may be NULL; copied */
void conn_sync(struct conn *c);
void conn_script(struct conn *c, const char *sql);
bool conn_in_transaction(const struct conn *c); /* one is open, healthy or failed */
bool conn_is_local(const struct conn *c);       /* over a unix socket */

/* Where the server is, once connected: the address in use, and all that its names led to.  Over a
 * unix socket "0.0.0.0": the same server may listen on TCP on this machine. */
void conn_each_address(const struct conn *c,
                       void (*each)(void *owner, const char *ip_literal, uint16_t port),
                       void *owner);

/* What was in the error that on_settled() reported last: "22021". */
const char *conn_sqlstate(const struct conn *c);

/* Calls `each` for every part of a connection string: "host", "/run/x"; what it leaves to defaults
 * is left out.  -1 with ERR_CONFIG. */
typedef void conn_part(void *owner, const char *key, const char *value);
int conn_parts(const char *conninfo, conn_part *each, void *owner, struct err *err) MUST_USE;

int conn_library_version(void); /* of libpq: 150004 */

int result_rows(const struct result *res);
bool result_null(const struct result *res, int row, int col);
struct str result_str(const struct result *res, int row, int col);
int64_t result_int(const struct result *res, int row, int col);

#endif
