/* db: the archive's database: a few nonblocking connections ("lanes") on the loop, reconnected with
 * back-off, migrated before anything else is done.
 *
 *     DOWN -> CONNECTING -> MIGRATING -> UP -> DOWN ..         on_up / on_down tell the owner
 *
 * Lanes: LIVE and BACKFILL write events, one transaction at a time each, in the order of
 * submission; MISC does everything small. So one slow commit or poison row holds up nobody else.
 * Nothing holds session state between transactions (PgBouncer in transaction mode works): no named
 * statements, no SET, only pg_advisory_xact_lock, no `options` in the URL.
 *
 * An operation that was submitted ends exactly once: with its result, or with an error
 * (ERR_DB_AWAY: the connection was lost or is down, the outcome is unknown; operations are
 * idempotent: submit again when up). */
#ifndef DB_DB_H
#define DB_DB_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/err.h"
#include "nostr/types.h"

enum db_lane { DB_LIVE, DB_BACKFILL, DB_MISC, DB_LANE__COUNT };

struct db;

struct db_options {
    const char *conninfo; /* URL or key=value; copied; never logged */
    const char *password; /* NULL: as conninfo or libpq's environment say; copied */
    uint32_t statement_timeout_ms;
};

struct db_ops {
    /* Ready for work.  `restarted`: not the server process (or timeline) we knew: nothing
     * remembered in memory may be trusted. */
    void (*on_up)(void *owner, bool restarted);
    void (*on_down)(void *owner, const struct err *err);
    /* It can never come up: newer schema, changed migration, wrong version.  After it only
     * db_close(). */
    void (*on_refused)(void *owner, const struct err *err);
};

struct db *db_open(uv_loop_t *loop, const struct db_options *options, const struct db_ops *ops,
                   void *owner);
void db_close(struct db *db); /* submitted operations end with ERR_CANCELLED before it returns */
bool db_is_up(const struct db *db);
void db_set_statement_timeout(struct db *db, uint32_t ms); /* from the next transaction on */

/* Since when the server has owed us an answer: of the lane that waits longest, in milliseconds; 0:
 * nothing is asked. */
int64_t db_waits_ms(const struct db *db);
int db_server_version(const struct db *db); /* 150004; 0 before the first connection */

/* Where the server is (conn.h); nothing when not up.  After each on_up() anew: it may have moved.
 */
void db_each_address(const struct db *db,
                     void (*each)(void *owner, const char *ip_literal, uint16_t port), void *owner);

/* The column `key` of an event: created_at clamped to 31 bits above 32 bits of SipHash(archive
 * secret, id).  Only when up. */
int64_t db_event_key(const struct db *db, const struct id32 *id, int64_t created_at);

#endif
