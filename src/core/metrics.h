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
    X(NO_PROXY, "no_proxy", "without a proxy") \
    X(DENIED, "denied", "denied")
#define SETTLES(X) \
    X(EOSE, "eose") \
    X(CLOSED, "closed") \
    X(TIMEOUT, "timeout") \
    X(DISCONNECT, "disconnect") \
    X(OVERSIZE, "oversize") \
    X(FLOOD, "flood") \
    X(CANCELLED, "cancelled")
#define HEALTHS(X) \
    X(NEVER, "never_checked") \
    X(READABLE, "readable") \
    X(FAILING, "failing") \
    X(RETIRED, "retired")
#define DB_LANES(X) \
    X(LIVE, "live") \
    X(BACKFILL, "backfill") \
    X(MISC, "misc")
#define CANDIDATE_STATES(X) \
    X(NEW, "new") \
    X(FAILED, "failed") \
    X(PROMOTED, "promoted") \
    X(DROPPED, "dropped") \
    X(DENIED, "denied")
/* Plain: it did not answer as wss:// and is tried as ws://; inconclusive: the fault was not its own. */
#define CANDIDATE_PROBES(X) \
    X(PROMOTED, "promoted") \
    X(FAILED, "failed") \
    X(DROPPED, "dropped") \
    X(INNOCENT, "inconclusive") \
    X(PLAIN, "plain")
#define FETCHES(X) \
    X(READ, "read") \
    X(UNCHANGED, "unchanged") \
    X(FAILED, "failed")
#define WORKER_QUEUES(X) \
    X(SHORT, "short") \
    X(LONG, "long")
#define LISTENERS(X) \
    X(MAIN, "main") \
    X(HEALTH, "health")
#define RELOADS(X) \
    X(APPLIED, "applied") \
    X(REFUSED, "refused")

#define DELETIONS(X)    \
    X(VANISH, "vanish") \
    X(RETENTION, "retention")

/* Upper bounds of buckets in milliseconds: X(1) X(2) .. */
#define LAG_BOUNDS(X) X(1) X(2) X(5) X(10) X(25) X(50) X(100) X(250) X(1000)
#define LATENCY_BOUNDS(X) \
    X(100) X(250) X(500) X(1000) X(2500) X(5000) X(10000) X(30000) X(60000) X(300000) X(3600000)
#define DATABASE_BOUNDS(X) \
    X(1) X(2) X(5) X(10) X(25) X(50) X(100) X(250) X(500) X(1000) X(2500) X(10000)
/* clang-format on */

enum metric_worker_queue {
#define ROW(name, value) METRIC_WORKER_QUEUE_##name,
    WORKER_QUEUES(ROW)
#undef ROW
};
enum metric_listener {
#define ROW(name, value) METRIC_LISTENER_##name,
    LISTENERS(ROW)
#undef ROW
};
enum metric_reload {
#define ROW(name, value) METRIC_RELOAD_##name,
    RELOADS(ROW)
#undef ROW
};
enum metric_deletion {
#define ROW(name, value) METRIC_DELETION_##name,
    DELETIONS(ROW)
#undef ROW
};
enum candidate_state {
#define ROW(name, value) CANDIDATE_STATE_##name,
    CANDIDATE_STATES(ROW)
#undef ROW
        CANDIDATE_STATE__COUNT
};
const char *candidate_state_name(enum candidate_state state); /* "failed" */
enum candidate_probe {
#define ROW(name, value) CANDIDATE_PROBE_##name,
    CANDIDATE_PROBES(ROW)
#undef ROW
        CANDIDATE_PROBE__COUNT
};
enum metric_fetch {
#define ROW(name, value) METRIC_FETCH_##name,
    FETCHES(ROW)
#undef ROW
};
enum pool {
#define ROW(name, value) POOL_##name,
    POOLS(ROW)
#undef ROW
        POOL__COUNT
};
enum health {
#define ROW(name, value) HEALTH_METRIC_##name,
    HEALTHS(ROW)
#undef ROW
        HEALTH_METRIC__COUNT
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
const char *settle_name(enum settle how); /* "eose" */

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
    METRIC_N_SETTLES = SETTLE__COUNT,
    METRIC_N_HEALTHS = HEALTH_METRIC__COUNT,
    METRIC_N_DB_LANES = 0 DB_LANES(METRIC_ONE),
    METRIC_N_CANDIDATE_STATES = CANDIDATE_STATE__COUNT,
    METRIC_N_CANDIDATE_PROBES = CANDIDATE_PROBE__COUNT,
    METRIC_N_FETCHES = 0 FETCHES(METRIC_ONE),
    METRIC_N_WORKER_QUEUES = 0 WORKER_QUEUES(METRIC_ONE),
    METRIC_N_LISTENERS = 0 LISTENERS(METRIC_ONE),
    METRIC_N_RELOADS = 0 RELOADS(METRIC_ONE),
    METRIC_N_DELETIONS = 0 DELETIONS(METRIC_ONE)
};
#undef METRIC_ONE

enum { HISTOGRAM_BUCKETS_MAX = 15 }; /* the last one in use has no bound */

struct histogram {
    int64_t counts[HISTOGRAM_BUCKETS_MAX]; /* not cumulative */
    int64_t sum_ms;
};

/* metrics.relays[NETWORK_TOR], metrics.dial_failures_total[NETWORK_TOR][ERR_PROXY_DOWN]++,
 * metrics.batches_total[0]++ */
struct metrics {
#define METRIC(name, kind, label, labels, help) int64_t name[METRIC_N_##labels];
#define METRIC_OF_TWO(name, kind, label_a, labels_a, label_b, labels_b, help) \
    int64_t name[METRIC_N_##labels_a][METRIC_N_##labels_b];
#define HISTOGRAM(name, bounds, help) struct histogram name;
#define BY_RELAY(name, kind, help)
#include "core/metrics.def"
};

/* metric_observe(event_latency_seconds, ms): one more observation, in milliseconds; below 0 is 0.
 */
#define metric_observe(name, ms) metric_observe_in(&metrics.name, ms)
extern struct metrics metrics; /* the one global: one process, one page of numbers */

void metric_observe_in(struct histogram *h, int64_t ms); /* a field of `metrics` */

/* Prometheus text exposition, every name with the prefix bigbrotr_. */
void metrics_print(FILE *out);

/* For those who print numbers of their own: what goes before them, and the value of a label. */
enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
void metrics_print_head(FILE *out, const char *name, const char *help, enum metric_kind kind);
void metrics_print_escaped(FILE *out, const char *value);

#endif
