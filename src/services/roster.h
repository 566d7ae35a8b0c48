/* roster: every relay that is known, in memory: what the database remembers of it and what is being
 * done with it now.
 *
 * Made from the database at start and extended when relays are added; relays are never removed
 * while the daemon runs, so pointers stay valid.  What changes is marked dirty and written back in
 * bunches.  Loop thread only. */
#ifndef SERVICES_ROSTER_H
#define SERVICES_ROSTER_H

#include <uv.h>

#include "core/heap.h"
#include "core/list.h"
#include "core/metrics.h"
#include "core/siphash.h"
#include "db/store_relay.h"
#include "nostr/access.h"
#include "nostr/url.h"
#include "services/pace.h"
#include "services/walk/walk.h"

struct visit;
struct config_relay;

/* What the monitor has found, for those who read relays. */
struct relay_health {
    enum { HEALTH_UNKNOWN, HEALTH_UNREADABLE, HEALTH_READABLE } state;
    bool came_back;        /* readable now, and not so before */
    int64_t checked_at_ms; /* the last check that said so, UNIX ms; 0: never */
    int32_t rtt_read_ms;   /* -1: not known */
    int32_t max_limit;     /* it says that it gives no more events at once; 0: not known */
};

struct relay {
    int32_t id;
    enum network network;
    char *url; /* normal form */
    bool priority;
    bool denied;                         /* never dialled: a person does not want it */
    bool judged;                         /* access is what the lists say */
    struct access_verdict access;        /* allowed: wherever its name leads */
    const struct config_relay *settings; /* of its own section in the configuration, or NULL */

    /* Kept between runs (table relay_sync).  Times are UNIX milliseconds. */
    int64_t next_at_ms;
    int64_t last_ok_at_ms;
    int64_t synced_at_ms; /* when it was last proven complete, without a gap */
    uint32_t failures;    /* in a row, the relay's own fault */
    enum err_code error;  /* of the last visit; ERR_NONE when it was good */
    struct walk_traits traits;
    int64_t events, bytes, events_new;

    /* Of this run. */
    enum relay_state state;
    struct visit *visit;     /* the stay that is under way, or NULL */
    struct walk *unfinished; /* a walk whose last question failed, to be gone on with */
    int32_t unfinished_filter;
    bool unfinished_news;
    int64_t backdated_at_ms; /* when backdated kinds were last asked for, UNIX ms */
    int64_t rate_events_new; /* since the rate was last taken */
    double news_per_hour;    /* new events it brings, a sliding mean */
    uint32_t bad_signatures, checked;
    uint32_t *rejects;    /* by reason, since they were last saved; NULL: none ever */
    uint32_t siblings;    /* relays on the same host, itself included */
    uint32_t lot;         /* for the tenth of the live places that is drawn */
    struct heap_node due; /* when nothing is being done with it */
    uint32_t lane;        /* where it waits, and whose place it takes */
    bool waits_for_place; /* it is due, but there are not places for all */
    bool scheduled, following, dialled;
    struct pace pace;        /* how fast it may be asked */
    int64_t follow_again_ms; /* no live request before: it has refused one, or what goes with it;
                                monotonic */
    bool incomplete;         /* the visit under way has found something that stays unproven */
    char *host;              /* while a visit holds a place in the budget */
    struct list visit_link, waiting_link;
    struct list dirty_link;
    bool dirty;

    struct relay_health health;
    struct check *check; /* the monitor's own */
};

/* Where those meet who do not know each other.  NULL: nobody listens. */
struct roster_hooks {
    void *owner;
    void (*on_health)(void *owner,
                      struct relay *relay); /* a check has said what relay->health is */
};

struct roster {
    uv_loop_t *loop;
    struct db *db;
    struct relay **relays;
    uint32_t n, room;
    struct list dirty;
    uv_timer_t save_timer;
    uint32_t saving; /* statements under way */
    uint64_t bytes;  /* an estimate of memory held */
    uint32_t states[RELAY_STATE__COUNT];
    uint32_t networks[NETWORK__COUNT];
    struct roster_hooks hooks;
    struct relay **by_id; /* relay ids are dense: an index of pointers */
    uint32_t by_id_n;
    struct relay **by_url; /* a hash table; a power of two, 0 before the first relay */
    uint32_t by_url_n;
    struct siphash_key key; /* URLs are chosen by strangers */
};

typedef void roster_loaded(void *owner, const struct err *err);

void roster_open(struct roster *r, uv_loop_t *loop, struct db *db);

/* Reads all relays; those already known keep what this run knows of them. `added` may be NULL. */
void roster_load(struct roster *r, roster_loaded *done, void *owner);

/* Counts events of it that were refused; saved with the relay, when it is next dirty. */
void roster_rejected(struct relay *relay, enum reject why, uint32_t events);
void roster_dirty(struct roster *r, struct relay *relay);
void roster_set_state(struct roster *r, struct relay *relay,
                      enum relay_state state);                      /* logs old -> new at debug */
void roster_count_siblings(const struct roster *r);                 /* relay->siblings of all */
struct relay *roster_find(const struct roster *r, const char *url); /* NULL: unknown */

/* Writes what is dirty now; true when nothing is left or under way. */
bool roster_flush(struct roster *r);
void roster_close(struct roster *r); /* after the database was closed */

/* The relay's normal form, taken apart.  Addresses are not judged here: they are when it is
 * dialled. */
void roster_url(const struct relay *relay, struct relay_url *url);

#endif
