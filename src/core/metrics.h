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
/* With the words for people. */
#define RELAY_STATES(X) \
    X(WAITING, "waiting", "waiting") \
    X(CONNECTING, "connecting", "connecting") \
    X(READING, "reading", "reading") \
    X(LIVE, "live", "live") \
    X(IN_SYNC, "in_sync", "in sync") \
    X(FAILING, "failing", "failing") \
    X(NO_PROXY, "no_proxy", "without a proxy")
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
#define ROW(name, value, words) RELAY_##name,
    RELAY_STATES(ROW)
#undef ROW
        RELAY_STATE__COUNT
};
const char *relay_state_name(enum relay_state state);  /* "no_proxy" */
const char *relay_state_words(enum relay_state state); /* "without a proxy" */
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
