/* status: one picture of the daemon, for people and programs: the block on a terminal, the line in
 * a log, /status, `bigbrotr status`.  Taken by the daemon about once a second; a copy, so that
 * whoever shows it cannot disturb anything. */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

#include "core/json.h"
#include "core/metrics.h"

enum { STATUS_TEXT_MAX = 160 };

struct status {
    const char *phase;  /* "making the database", "archiving", "stopping" */
    int64_t started_at; /* UNIX seconds */
    int64_t uptime_s;
    char database[STATUS_TEXT_MAX]; /* "private cluster, PostgreSQL 15.4", or why it is away */
    char state_dir[STATUS_TEXT_MAX];
    bool database_up;
    char paused[STATUS_TEXT_MAX]; /* why history waits; "" when it does not */
    char proxies[NETWORK__COUNT]
                [STATUS_TEXT_MAX]; /* "127.0.0.1:9050", or what is missing; "" not needed */

    uint32_t relays, relays_on[NETWORK__COUNT], relays_in[RELAY_STATE__COUNT];
    uint32_t connections;

    /* The archive as the database tells (estimates), and what this run did. */
    int64_t events, sightings, database_bytes, gaps, spans;
    int64_t archived, duplicates, rejected, received_bytes;  /* since the start */
    double archived_per_s, duplicates_per_s, received_per_s; /* over the last seconds */
    double growth_bytes_per_h;                 /* of the database; 0 while too little is known */
    int64_t disk_free_bytes, disk_total_bytes; /* -1: not ours to see */

    /* Relays of which every second up to their last visit is proven, or declared a gap, as a share
     * of those that ever answered. */
    uint32_t relays_ever_ready, relays_synced;

    /* What the monitor knows; all zero without one. */
    struct status_monitor {
        bool enabled, outage; /* outage: nearly all relays of a network seem down, so it is us */
        uint32_t relays, checked, due, running, readable, failing, retired;
        uint32_t publish_waiting;
    } monitor;

    /* What the finder knows; all zero without one. */
    struct status_finder {
        bool enabled;
        int64_t waiting, failed, dropped, denied, promoted; /* candidates, by state */
        int64_t refused;                                    /* mentions beyond somebody's share */
        uint32_t running, probed_this_hour;
        uint32_t lists, lists_failing; /* read over HTTP */
    } finder;

    /* What the keeper does; all zero without a rule and a request. */
    struct status_keeper {
        uint32_t rules;
        int64_t vanished, expired; /* events deleted in this run */
        int64_t done_upto;         /* UNIX seconds: where the last of the rules is */
        bool behind;
        int64_t exported;
        char stalled[2 * STATUS_TEXT_MAX]; /* a rule cannot export, and why; "" */
    } keeper;

    int64_t memory_used[POOL__COUNT], memory_max[POOL__COUNT];
    int64_t loop_lag_max_ms, loop_turn_max_us;
};

struct js *status_json(const struct status *s);

/* The block for a terminal, several lines, each at most `width` columns; and the one-line summary.
 */
void status_block(const struct status *s, uint32_t width, FILE *out, uint32_t *lines);
void status_line(const struct status *s, char *to, size_t size);

#endif
