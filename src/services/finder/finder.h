/* finder: from what is mentioned to relays.
 *
 *     mention_new (the transaction that stored an event) --counted--> candidate
 *     candidate --taken, ranked--> [pool] --share? place? host's budget?--> probe
 *                                                       --> promoted: a relay; failed; dropped
 *
 * Counting is one statement in short bunches; candidates are handed out a few hundred at a time, so
 * that memory does not grow with their number, and are due again after a lease: a crash loses none.
 * A probe is OPEN and READ of services/probe.  ws:// of the clear network is tried as wss:// first,
 * and is that relay when it answers: variants of one relay become one.
 *
 * finder.c: counting, taking, starting, stopping.  finder_probe.c: one probe and what follows.
 * candidates.c (pure): ranks, verdicts, fair shares.  Loop thread only. */
#ifndef SERVICES_FINDER_H
#define SERVICES_FINDER_H

#include "db/store_finder.h"
#include "relay/budget.h"
#include "services/finder/asker.h"
#include "services/finder/candidates.h"
#include "services/finder/lists.h"
#include "services/roster.h"

struct finder;
struct net;

struct finder_options {
    struct candidate_limits limits;
    uint32_t probes; /* at the same time */
    uint32_t probes_per_hour, share_permille;
    uint32_t share_rows, rows;
    uint32_t timeout_ms, timeout_overlay_ms;
    struct asker_options ask;
    struct lists_options lists;
};

struct finder_parts {
    uv_loop_t *loop;
    struct net *net;
    struct db *db;
    struct budget *budget;
    const struct roster *roster;
    const struct signer *signer; /* NULL: no AUTH */
    const struct filter_spec *const *filters;
    size_t filters_n;              /* what is archived; 0: nothing */
    const struct access *access;   /* what stands in its deny list is not probed */
    void (*on_found)(void *owner); /* relays were added to the database: read them */
    void *owner;
};

struct finder_status {
    int64_t candidates[CANDIDATE_STATE__COUNT]; /* as the database said last */
    int64_t refused;
    uint32_t running, probed_this_hour;
    struct lists_status lists;
    uint64_t probed, promoted; /* in this run */
};

struct finder *finder_open(const struct finder_parts *parts, const struct finder_options *options);
void finder_reconfigure(struct finder *f, const struct finder_options *options);
void finder_start(
    struct finder *f); /* once the relays are known; again when the database is back */

/* The access lists have changed: probes of what is denied now are dropped, and all that was denied
 * is looked at again. */
void finder_access_changed(struct finder *f);
void finder_status(const struct finder *f, struct finder_status *s);

/* No new probes; those under way are dropped and are due again after their lease.  What was found
 * is still written: true when nothing is left. */
void finder_stop(struct finder *f);
bool finder_flush(struct finder *f);
void finder_close(struct finder *f); /* after the database was closed */

#endif
