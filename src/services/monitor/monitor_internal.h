/* monitor_internal: what the files of the monitor know of each other.  Nobody else includes it. */
#ifndef SERVICES_MONITOR_INTERNAL_H
#define SERVICES_MONITOR_INTERNAL_H

#include "core/arena.h"
#include "db/store_check.h"
#include "services/monitor/monitor.h"
#include "services/probe/probe.h"

enum { OUTCOMES_MAX = 1000 }; /* that wait to be written: no more checks are begun */

/* Relays with one host name share its circuit. */
struct check_host {
    struct check_host *next; /* in its bucket */
    struct check_circuit circuit;
    char name[];
};

/* What the monitor knows of one relay. */
struct check {
    struct monitor *monitor;
    struct relay *relay;
    struct check_host *host;
    struct check_health health;
    struct heap_node due;
    bool known; /* remembered from an earlier check, of this run or before */

    /* Of the newest check that counts. */
    int8_t openable, readable, writable; /* -1: not tested */
    int32_t rtt_read_ms, caps_known, caps, page_cap;
    enum err_code error;

    int64_t published_ms;
    uint8_t published_hash[32], offered_hash[32];
    bool address_denied;    /* found so when it was last checked */
    bool has_document;      /* of NIP-11, in this run */
    struct list dirty_link; /* its memory must be written although no check was made */

    /* While it is checked. */
    struct list running_link;
    struct probe *probe;
    uint32_t places; /* taken from the budget */
    int64_t began_ms;
    bool through_session;
    struct check_dial {
        int64_t dns_us, tcp_us, proxy_us, tls_us, upgrade_us, open_us;
    } dial;             /* of the session it is asked through */
    int64_t dialled_ms; /* monotonic; when it was last dialled by a check; 0: not in this run */
};

/* One check, to be written.  All text is in its arena. */
struct outcome {
    struct list link;
    struct arena arena;
    struct check *check;
    struct store_check row;
    struct store_nip11 nip11;
    const char *contradictions[NIP11_CONTRADICTION__COUNT];
};

enum { HOST_BUCKETS = 4096 };

struct monitor {
    struct monitor_parts parts;
    struct monitor_options options;
    uv_timer_t tick;
    struct heap due[NETWORK__COUNT]; /* UNIX ms */
    uint32_t running[NETWORK__COUNT];
    struct list checks; /* running */
    struct outage outages[NETWORK__COUNT];
    struct check_host **hosts;

    struct list outcomes; /* to be written, oldest first */
    uint32_t outcomes_n;
    struct list dirty;
    struct writing *writing; /* a transaction is under way */
    int64_t written_ms, retry_ms, thinned_ms;
    bool loading, loaded, again, stopping;
    int64_t load_at_ms; /* not before, after it has failed */
};

/* monitor.c */
void monitor_schedule(struct monitor *m, struct check *c, int64_t at_ms);
void monitor_loaded(struct monitor *m); /* what is remembered was read */
void monitor_load_later(struct monitor *m);

/* monitor_check.c */
void check_begin(struct monitor *m, struct check *c, int64_t now); /* or puts it off */
void check_remembered(struct check *c); /* what was read is what readers of relays see */
void check_drop(struct check *c);       /* under way: gone without a trace */
int32_t check_ms(int64_t us);           /* microseconds, -1 stays */

/* monitor_store.c */
struct outcome *outcome_new(struct check *c, const struct probe_report *r, bool counts);
void outcome_put(struct monitor *m, struct outcome *o);
void monitor_write(struct monitor *m, int64_t now); /* when there is enough, or it is old enough */
void monitor_load(struct monitor *m);
void monitor_dirty(struct monitor *m, struct check *c);
void monitor_forget_outcomes(struct monitor *m);
void monitor_thin(struct monitor *m, int64_t now);

/* monitor_publish.c */
void check_publish(struct monitor *m, struct check *c, const struct probe_report *r);
void monitor_on_published(void *owner, int32_t relay_id); /* publisher_accepted */

#endif
