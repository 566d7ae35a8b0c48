/* monitor: checks every relay again and again, and remembers what it found.
 *
 *     due -> (proxy? place? circuit? host's budget?) -> probe -> outcome -> stored, told, published
 *      ^                                                            |
 *      +------------- interval, or back-off by blame (check_due) ---+
 *
 * A heap of due times for each network: no rounds, no barrier; what is due is spread by jitter.
 * Who has a session already is asked through it, and dialled anew once a day.  Outcomes go to the
 * database in bunches, each with what is remembered of its relay in the same transaction: a crash
 * loses neither due times nor back-off, and repeats at most what was under way.  What a check
 * found is in relay->health and relay->traits at once, and who listens is told (roster_hooks).
 *
 * monitor.c: which relay is checked when.  monitor_check.c: one check, and what follows from it.
 * monitor_store.c: rows to the database and back.  monitor_publish.c: what is told to the network.
 * Loop thread only. */
#ifndef SERVICES_MONITOR_H
#define SERVICES_MONITOR_H

#include "relay/budget.h"
#include "services/monitor/publisher.h"
#include "services/probe/check_due.h"
#include "services/probe/outage.h"
#include "services/roster.h"

struct geo;
struct monitor;

struct monitor_options {
    struct check_limits limits;
    struct outage_limits outage;
    uint32_t checks[NETWORK__COUNT];  /* at the same time */
    unsigned compute, store, publish; /* of enum probe_part (probe.h) */
    uint32_t page;                    /* to measure the page limit; 0: not measured */
    char vantage[64];
    int64_t keep_checks_s; /* 0: for ever */
    bool note_hints;       /* relays that documents mention, for the finder */
    struct budget_limits budget;
};

struct monitor_parts {
    uv_loop_t *loop;
    struct net *net;
    struct db *db;
    struct budget *budget;
    struct roster *roster;
    const struct signer *signer;   /* NULL: nothing is written to relays */
    const struct geo *geo;         /* NULL: places are not looked up */
    struct publisher *publisher;   /* NULL: nothing is published */
    void (*on_ready)(void *owner); /* what is remembered was read: relay->health is right */
    void *owner;
};

struct monitor_status {
    uint32_t relays; /* that are checked at all */
    uint32_t checked, due, running, readable, failing, retired;
    uint32_t never; /* not once checked yet: what is left of the first sweep */
};

/* "open read .." -> bits of enum probe_part.  False: `word` is none of them. */
bool monitor_parts_parse(const char *list, unsigned *parts, struct str *word);

struct monitor *monitor_open(const struct monitor_parts *parts,
                             const struct monitor_options *options);
void monitor_reconfigure(struct monitor *m, const struct monitor_options *options);

/* Relays of the roster that have no place yet get one; reads what is remembered first.  Call again
 * when relays were added, and when the database is back. */
void monitor_start(struct monitor *m);

/* As synchronizer_access_changed(). */
void monitor_access_changed(struct monitor *m);
void monitor_status(const struct monitor *m, struct monitor_status *s);

/* No new checks; those under way are dropped.  What was found is still written: true when nothing
 * is left. */
void monitor_stop(struct monitor *m);
bool monitor_flush(struct monitor *m);
void monitor_close(struct monitor *m); /* after the database was closed */

#endif
