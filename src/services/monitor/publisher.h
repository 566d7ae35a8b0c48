/* publisher: brings signed events to the relays that a person has chosen.
 *
 *     publisher_put -> signed -> [queue] --for each target--> connect -> EVENT -> OK, next
 *                                              ^                 |
 *                                              +--- back-off ----+  refused: not asked again
 *
 * Each target takes the queue in its own pace, one event after the other, over a connection that is
 * opened when there is something to send and closed a little later.  A newer event with the same
 * token takes the place of one that nobody was sent yet.  The queue is bounded: what does not fit
 * is offered again by whoever offers it.  Nothing here holds up anybody else: connections are a
 * part of the budget of their own (relay/budget.h), and waits belong to one target.
 *
 * The monitor's own kinds (10166, 0, 10002) are published from here: when they changed or are due,
 * which is remembered between runs (service_state).
 *
 * Dry: nothing is sent; every event is printed, one a line.  Loop thread only. */
#ifndef SERVICES_PUBLISHER_H
#define SERVICES_PUBLISHER_H

#include <uv.h>

#include "core/str.h"
#include "nostr/nip66.h"
#include "nostr/sign.h"

struct access;
struct budget;
struct net;
struct db;
struct publisher;

enum publisher_kind {
    PUBLISH_RELAYS = 1,  /* 30166 */
    PUBLISH_MONITOR = 2, /* 10166 */
    PUBLISH_PROFILE = 4, /* 0 */
    PUBLISH_LIST = 8     /* 10002 */
};

enum {
    PUBLISHER_TARGETS_MAX = 32, /* relays; the configuration has no more */
    PUBLISHER_QUEUE_MAX = 2000,
    PUBLISHER_CONTENT_MAX = 32 * 1024
};

struct publisher_options {
    unsigned kinds;
    int64_t interval_ms, retry_max_ms;
    char name[256], about[1024];
    struct nip66_monitor monitor; /* its checks: static text */
};

struct publisher_parts {
    uv_loop_t *loop;
    struct net *net;
    struct db *db;
    struct budget *budget;
    const struct signer *signer;
    const struct access *access; /* what stands in its deny list is not published to */
    const char *relays;          /* a list, as in the configuration */
    bool dry;
};

/* A relay has taken the event with this token (dry: it was printed), for the first time. */
typedef void publisher_accepted(void *owner, int32_t token);

/* "30166 10166" -> bits.  False: `word` is none of them. */
bool publisher_kinds_parse(const char *list, unsigned *kinds, struct str *word);

struct publisher *publisher_open(const struct publisher_parts *parts,
                                 const struct publisher_options *options);
void publisher_reconfigure(struct publisher *p, const struct publisher_options *options);

/* As synchronizer_access_changed(). */
void publisher_access_changed(struct publisher *p);

/* Who hears of what was accepted.  One listener. */
void publisher_listen(struct publisher *p, publisher_accepted *accepted, void *owner);

/* The database is there: what was published before is read, then the monitor's own kinds follow. */
void publisher_start(struct publisher *p);
bool publisher_wants(const struct publisher *p, enum publisher_kind kind);
int64_t publisher_interval_ms(const struct publisher *p);

/* token > 0.  False: there is no room now. */
bool publisher_put(struct publisher *p, const struct event_draft *draft, int32_t token);

struct publisher_status {
    uint32_t targets, waiting; /* events that a target has not answered yet */
};
void publisher_status(const struct publisher *p, struct publisher_status *s);
void publisher_stop(struct publisher *p); /* connections are closed */
void publisher_close(struct publisher *p);

#endif
