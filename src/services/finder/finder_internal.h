/* finder_internal: what the files of the finder know of each other.  Nobody else includes it. */
#ifndef SERVICES_FINDER_INTERNAL_H
#define SERVICES_FINDER_INTERNAL_H

#include "core/list.h"
#include "nostr/domain.h"
#include "nostr/url.h"
#include "services/finder/finder.h"
#include "services/probe/probe.h"

enum { POOL_MAX = 200, OUTCOMES_AT_ONCE = 200 };

/* A candidate in hand. */
struct found {
    struct list link; /* pool, running or outcomes */
    struct finder *finder;
    int32_t id;
    enum network network;
    uint32_t tries;
    double score;
    int64_t taken_ms, not_before_ms; /* monotonic */
    char author[8];
    uint32_t author_n;
    char domain[DOMAIN_SIZE], net[DOMAIN_SIZE];
    char *url;
    bool as_wss;             /* is probed as wss:// though it was mentioned as ws:// */
    bool wanted;             /* the allow list has it */
    bool charged;            /* on the accounts of this hour */
    bool resolved;           /* where its name leads to has been asked for */
    struct dns_query *query; /* .. or is just now */

    struct probe *probe;
    char host[URL_HOST_MAX + 1];

    struct store_probed outcome;
    char outcome_error[64];
    char *outcome_url;
};

struct finder {
    struct finder_parts parts;
    struct finder_options options;
    struct shares *shares;
    struct asker *asker;
    struct lists *lists;
    uv_timer_t tick;
    struct list pool, running, outcomes, writing;
    uint32_t pool_n, running_n, outcomes_n;
    bool started, stopping, released, folding, taking, tidying, compacting, counting, saving,
        found_some, forgiving;
    int64_t fold_at_ms, take_at_ms, tidy_at_ms, compact_at_ms, stats_at_ms, save_at_ms,
        tell_at_ms; /* monotonic */
    struct store_candidate_stats stats;
    uint64_t probed, promoted;
};

/* finder_probe.c */
int64_t found_begin(struct found *c); /* 0: it has left the pool; else ask again after so many ms */
void found_drop(struct found *c);     /* under way: gone without a trace */
void found_recall(struct found *c);   /* under way: ends when it is denied now */

/* finder.c: it is decided, c->outcome is filled. */
void finder_settle(struct found *c);
void found_free(struct found *c);

#endif
