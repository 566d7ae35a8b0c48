/* lists: lists of relays that are read over HTTP ([finder.source NAME]).
 *
 *     due -> (proxy? host's budget?) -> GET, conditional -> 304: as before
 *      ^                                      \-> 200 -> a worker reads it -> mentions ->
 * remembered
 *      +-- interval, or back-off of this one list --------------------------------------/
 *
 * What a list names is mentioned (source "list") and goes the way of all that is mentioned: it is
 * counted, ranked, probed within the shares of its domain and network.  A list stands on the
 * account of LISTS_AUTHORS authors, so that it can have a part of an hour's probes, and not all of
 * them.
 *
 * One list at a time, so that memory is bounded by the largest [finder.source] max_size, and a slow
 * one only delays the others by its timeout.  A broken one waits for itself: 1 minute, doubled each
 * time, at most its interval or a day.  ETag, Last-Modified and back-off are remembered between
 * runs (service_state), with what was found, when it was stored.  Loop thread only; reading is a
 * worker's. */
#ifndef SERVICES_LISTS_H
#define SERVICES_LISTS_H

#include "net/http_url.h"
#include "relay/budget.h"

enum { LISTS_AUTHORS = 16 };

struct db;
struct lists;
struct net;

/* One list.  Texts are copied. */
struct lists_source {
    char name[64];
    struct http_url url;
    bool json;
    char path[256];
    int64_t interval_ms;
    uint32_t timeout_ms;
    size_t bytes_max;
    bool via_tor; /* also when its name is of the clear network */
};

struct lists_options {
    const struct lists_source *sources;
    size_t sources_n;
};

struct lists_parts {
    struct net *net;
    struct db *db;
    struct budget *budget;
};

struct lists_status {
    uint32_t lists, failing;
};

struct lists *lists_open(const struct lists_parts *parts, const struct lists_options *options);

/* Lists with a new name are read at once, those with a name that is gone are forgotten. */
void lists_reconfigure(struct lists *l, const struct lists_options *options);
void lists_tick(struct lists *l); /* often; not before the database is up */
void lists_status(const struct lists *l, struct lists_status *s);

/* Nothing is asked for any more.  True when nothing is being written. */
bool lists_stop(struct lists *l);
void lists_close(struct lists *l); /* after the database was closed, and stopped */

#endif
