/* keeper: takes out of the archive what must not stay: requests to vanish (NIP-62).
 *
 *     every few seconds: is there anything?  -> small steps, one after the other, with pauses
 *
 * A step shuts out writers for its length, so it is small, and it is put off while they write; only
 * when it was put off many times in a row does it wait for its turn.  Nothing is remembered here: a
 * step is one transaction, a crash costs nothing. */
#ifndef SERVICES_KEEPER_H
#define SERVICES_KEEPER_H

#include "db/db.h"

struct keeper;

struct keeper_options {
    bool vanish; /* requests are honoured */
};

struct keeper_status {
    uint64_t vanished; /* events deleted in this run */
};

struct keeper *keeper_open(uv_loop_t *loop, struct db *db, const struct keeper_options *options);
void keeper_reconfigure(struct keeper *k, const struct keeper_options *options);
void keeper_status(const struct keeper *k, struct keeper_status *s);
void keeper_close(struct keeper *k); /* after the database was closed */

#endif
