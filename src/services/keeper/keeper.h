/* keeper: takes out of the archive what must not stay: requests to vanish (NIP-62), and what the
 * rules of retention exclude.
 *
 *     keeper_start: the rules are told to the database, before anybody reads coverage
 *     then in turn, every few seconds: is there anything?  -> small steps, with pauses between them
 *
 * A rule goes through the archive once, oldest events first, and then follows the time at which
 * they expire, some minutes behind: what is younger may still be on its way into the archive, and
 * what is older is not let in any more.
 *
 * A rule that exports waits until all of a month (UTC) is expired, writes its events to a file,
 * reads the file back, and deletes what is in it, by its own lines (services/keeper/exported.h):
 *
 *     LOAD -> READ .. -> CLOSE -> CHECK .. -> TAKE, delete .. -> DONE -> READ ..
 *       `------ a file was not done with ------^
 *
 * When that cannot be, it says so, deletes nothing, and tries again.
 *
 * A step shuts out writers for its length, so it is small, and it is put off while they write; only
 * when it was put off many times in a row does it wait for its turn.  A step is one transaction, a
 * crash costs nothing. */
#ifndef SERVICES_KEEPER_KEEPER_H
#define SERVICES_KEEPER_KEEPER_H

#include "db/db.h"
#include "loop/workers.h"
#include "nostr/retention.h"

struct keeper;

enum { KEEPER_STALLED_MAX = 288 };

struct keeper_options {
    bool vanish; /* requests are honoured */
};

struct keeper_status {
    uint32_t rules;
    uint64_t vanished, expired;       /* events deleted in this run */
    uint64_t exported;                /* events written to files that were verified */
    int64_t done_upto;                /* the rule that is behind the most has come to this second */
    bool behind;                      /* some rule has more to do than what expires by and by */
    char stalled[KEEPER_STALLED_MAX]; /* why a rule cannot export, and so deletes nothing; "" */
};

/* The rules outlive it. */
struct keeper *keeper_open(uv_loop_t *loop, struct workers *workers, struct db *db,
                           const struct keeper_options *options, const struct retention_rule *rules,
                           size_t rules_n);

/* `done` is called when the rules are in force, or with what went wrong: then start it again. */
void keeper_start(struct keeper *k, void (*done)(void *owner, const struct err *err), void *owner);
void keeper_reconfigure(struct keeper *k, const struct keeper_options *options);
void keeper_status(const struct keeper *k, struct keeper_status *s);
void keeper_stop(struct keeper *k);  /* before the workers are closed: nothing new is begun */
void keeper_close(struct keeper *k); /* after the database was closed */

#endif
