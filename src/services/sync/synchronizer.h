/* synchronizer: which relays are read now, and what happens to them afterwards.
 *
 *     due -> (proxy? readable? place? host's budget?) -> visit -> in sync: live, or polled later
 *                                                    -> failed: back-off by blame
 *     denied by a person (relay->denied, or its address) -> ended at once, not scheduled
 *
 * A relay that no check has found readable is parked until one does (roster_hooks).  Places: so
 * many per network, and a lane of its own for priority relays.  What is due is decided
 * by due.c, what is asked by walk.c; this file only moves relays between lists. */
#ifndef SERVICES_SYNCHRONIZER_H
#define SERVICES_SYNCHRONIZER_H

#include "relay/budget.h"
#include "services/visit/visit.h"

struct synchronizer;

/* Times in milliseconds unless the name says otherwise. */
struct synchronizer_options {
    bool enabled;
    bool require_readable;    /* only relays that a check has found readable are read */
    int64_t max_check_age_ms; /* and not longer ago than this; 0: whenever */
    uint32_t page, page_max;  /* events asked for at once; where one second holds more of a kind */
    uint32_t live_max;
    uint32_t sessions[NETWORK__COUNT], sessions_priority;
    int64_t poll_interval_ms, retry_min_ms, retry_max_ms, slice_ms;
    int64_t overlap_s, overlap_backdated_s, gap_retry_s;
    uint32_t idle_ms, idle_overlay_ms, total_ms;
    struct budget_limits budget;
    uint32_t host_subscriptions_max;
};

struct synchronizer_parts {
    uv_loop_t *loop;
    struct budget *budget;
    struct net *net;
    struct db *db;
    struct ingest *ingest;
    struct roster *roster;
    const struct signer *signer;
    struct filter_spec *const *filters; /* at least one */
    size_t filters_n;
};

struct synchronizer *synchronizer_open(const struct synchronizer_parts *parts,
                                       const struct synchronizer_options *options);
void synchronizer_reconfigure(struct synchronizer *s, const struct synchronizer_options *options);

/* Everything in the roster that is not yet scheduled gets its place.  Call after the roster was
 * loaded, and again when relays were added. Registers the filters the first time. */
void synchronizer_start(struct synchronizer *s);

/* relay->denied or the addresses that net denies have changed: what is denied now ends, what is so
 * no longer is due. */
void synchronizer_access_changed(struct synchronizer *s);

/* The database went away: visits go on as long as there is memory.  It came back as another
 * process: they begin anew. */
void synchronizer_database_restarted(struct synchronizer *s);
void synchronizer_pause(struct synchronizer *s, bool paused); /* only what is new */

/* No new visits, the ones under way end; what they brought is still written.  Pages are sealed at
 * once. */
void synchronizer_stop(struct synchronizer *s);
void synchronizer_close(struct synchronizer *s);

#endif
