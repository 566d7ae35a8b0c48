/* Metrics: a table of counters and gauges, written only by the loop thread, so plain integers.
 * Worker threads return counts inside their job; whoever takes the job back adds them here.
 *
 * To add a metric: one row in metrics.def.  To add a label: one list below, its
 * length in the enum, its values in metrics.c. */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "core/err.h"
#include "core/network.h"
#include "core/reject.h"

/* Label value lists: X(NAME, "value"). */
/* clang-format off */
#define NO_LABEL(X) \
    X(ALL, "")
#define VARIANTS(X) \
    X(JS, "js") \
    X(NIP, "nip") \
    X(TAO, "tao")
#define POOLS(X) \
    X(BATCHES, "batches") \
    X(KNOWN_IDS, "known_ids") \
    X(MESSAGES, "messages") \
    X(CONNECTIONS, "connections") \
    X(RELAYS, "relays")
#define RELAY_STATES(X) \
    X(WAITING, "waiting") \
    X(CONNECTING, "connecting") \
    X(WALKING, "walking") \
    X(LIVE, "live") \
    X(IN_SYNC, "in_sync") \
    X(FAILING, "failing") \
    X(NO_PROXY, "no_proxy")
#define SETTLES(X) \
    X(EOSE, "eose") \
    X(CLOSED, "closed") \
    X(TIMEOUT, "timeout") \
    X(DISCONNECT, "disconnect") \
    X(OVERSIZE, "oversize") \
    X(FLOOD, "flood") \
    X(CANCELLED, "cancelled")
/* clang-format on */

enum pool {
#define ROW(name, value) POOL_##name,
    POOLS(ROW)
#undef ROW
        POOL__COUNT
};
enum relay_state {
#define ROW(name, value) RELAY_##name,
    RELAY_STATES(ROW)
#undef ROW
        RELAY_STATE__COUNT
};
/* How a request ended. */
enum settle {
#define ROW(name, value) SETTLE_##name,
    SETTLES(ROW)
#undef ROW
        SETTLE__COUNT
};

/* NETWORKS comes from network.h; REJECTS (reject.def) and ERRORS (err.def, without ERR_NONE, zeros
 * are not printed) bring their enums and their names with them.  How many values each list has: */
#define METRIC_ONE(name, value) +1
enum {
    METRIC_N_NO_LABEL = 1,
    METRIC_N_NETWORKS = NETWORK__COUNT,
    METRIC_N_REJECTS = REJECT__COUNT,
    METRIC_N_ERRORS = ERR__COUNT,
    METRIC_N_VARIANTS = 0 VARIANTS(METRIC_ONE),
    METRIC_N_POOLS = POOL__COUNT,
    METRIC_N_RELAY_STATES = RELAY_STATE__COUNT,
    METRIC_N_SETTLES = SETTLE__COUNT
};
#undef METRIC_ONE

/* metrics.relays[NETWORK_TOR], metrics.events_rejected_total[REJECT_SYNTAX]++,
 * metrics.batches_total[0]++ */
struct metrics {
#define METRIC(name, kind, label, labels, help) int64_t name[METRIC_N_##labels];
#include "core/metrics.def"
};
extern struct metrics metrics; /* the one global: one process, one page of numbers */

void metrics_print(
    FILE *out); /* Prometheus text exposition, every name with the prefix bigbrotr_ */

#endif
