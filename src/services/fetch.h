/* fetch: every event of one relay that matches a filter, without a database: the same walk as the
 * archive's, its state in memory.
 *
 *     CONNECTING -> ASKING <-> READING -> (follow: OPENING -> ASKING -> LIVE)
 *          ^           |
 *          +- WAITING <+   the connection was lost, or an answer did not come
 *
 * Each event is checked, id and signature, and handed out once, as soon as it comes.  What could
 * not be read is a gap in fetch_coverage(), never silence.  Everything happens on the loop;
 * checking signatures too, so it is for a program that does nothing else.
 *
 * Ownership.  fetch_close() once, from anywhere; after it returns nothing is called.  on_ended at
 * most once, last, never from inside fetch_open(). */
#ifndef SERVICES_FETCH_H
#define SERVICES_FETCH_H

#include "config/config.h"
#include "nostr/event.h"
#include "nostr/filter.h"
#include "nostr/url.h"
#include "relay/session.h"
#include "services/walk/coverage.h"

struct fetch;

struct fetch_options {
    const struct relay_url *url;      /* copied */
    const struct filter_spec *filter; /* outlives the fetch */
    const struct signer *signer;      /* NULL: never authenticate */
    int32_t page;                     /* asked for at once */
    uint32_t idle_ms, total_ms;       /* of one request */
    uint64_t newest;                  /* only so many, 0: all */
    bool follow;                      /* what comes later, too, until it is closed */
    size_t known_bytes_max; /* for remembering which events were handed out: 14 to 28 bytes each */
};

struct fetch_ops {
    /* A new event; its views are good for the time of the call. */
    void (*on_event)(void *owner, const struct event *e);
    /* Nothing is being read: time for what takes long, as writing to a slow reader. */
    void (*on_pause)(void *owner);
    void (*on_live)(void *owner); /* follow: everything before is there */
    void (*on_trouble)(void *owner, const struct err *err, uint32_t again_ms);
    void (*on_ended)(void *owner, const struct err *err); /* NULL: nothing is left to ask */
};

struct fetch_counts {
    uint64_t events;   /* handed out */
    uint64_t messages; /* EVENT messages, repeated and invalid ones included */
    uint64_t rejected;
    uint64_t requests;
    uint64_t bytes; /* received, all connections */
};

/* What the configuration says of walks in this network; the rest is for the caller to set. */
struct fetch_options fetch_options_of(const struct config *cfg, enum network network);

struct fetch *fetch_open(struct net *net, const struct fetch_options *options,
                         const struct fetch_ops *ops, void *owner);
void fetch_close(struct fetch *f); /* NULL is fine */

/* What is proven, and what is a gap and why; as long as the fetch lives. */
const struct coverage *fetch_coverage(const struct fetch *f);
const struct fetch_counts *fetch_counts(const struct fetch *f);
int64_t fetch_reached(const struct fetch *f); /* see walk_reached() */

#endif
