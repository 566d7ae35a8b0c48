/* visit: one stay at one relay: connect, read what is proven, walk what is not, then perhaps follow
 * it live.
 *
 *     CONNECTING -> LOADING -> ASKING <-> READING          (per filter, per unproven span)
 *                                |  \-> WAITING            no memory for a page, or the relay wants
 *                                |                         it slower: goes on when told
 *                                v
 *                             SYNCED --visit_follow--> OPENING -> TOPPING -> LIVE (visit_live.c)
 *
 *     any state -> ENDED: on_ended, once, last; then the owner calls visit_close()
 *
 * Coverage is the only state (PROTOCOL 2.2): a visit can be cut off at any point; what was proven
 * is in the database with its events, the rest is asked again.  Pages that are on their way to the
 * database outlive the visit. */
#ifndef SERVICES_VISIT_H
#define SERVICES_VISIT_H

#include "ingest/ingest.h"
#include "nostr/url.h"
#include "relay/session.h"
#include "services/roster.h"

/* What all visits share; made by the synchronizer, changed by reload. */
struct visit_env {
    void *owner; /* handed to visit_ops */
    uv_loop_t *loop;
    struct net *net;
    struct db *db;
    struct ingest *ingest;
    struct roster *roster;
    const struct signer *signer;

    struct filter_spec *const *filters;
    const int32_t *filter_ids; /* in the database, same order */
    size_t filters_n;
    const int32_t *kinds; /* known to the archive, commonest first */
    size_t kinds_n;

    uint32_t page, page_max; /* events asked for at once; where one second holds more of a kind */
    uint32_t subscriptions_max;
    uint32_t idle_ms, idle_overlay_ms, total_ms;
    int64_t overlap_s, overlap_backdated_s, gap_retry_s, slice_ms;
    int64_t retry_min_ms; /* the first wait after a refusal for being too fast, up to 5 s */
    bool paused;          /* the disk is nearly full: only what is new */
    bool crowded;         /* others wait for a place */
    uint32_t held;        /* visits whose reading is held for want of memory: visit_release() */
};

struct visit;

struct visit_ops {
    void (*on_ready)(void *owner, struct relay *relay, const struct wsconn_report *report);
    void (*on_waiting)(void *owner,
                       struct relay *relay); /* call visit_resume() when visit_may_resume() */
    void (*on_synced)(
        void *owner,
        struct relay *relay); /* nothing is left to ask: visit_follow() or visit_close() */
    void (*on_live)(void *owner, struct relay *relay);
    /* err NULL: it gave its place to another relay after its slice and is due again at once. */
    void (*on_ended)(void *owner, struct relay *relay, const struct err *err);
};

struct visit *visit_open(struct visit_env *env, struct relay *relay, const struct visit_ops *ops);
void visit_account(struct visit *v); /* adds what was received to relay and metrics */

/* May it ask its next question: is there memory, and has it waited as long as the relay wants? */
bool visit_may_resume(const struct visit *v, int64_t now_ms);
void visit_resume(struct visit *v);
void visit_follow(struct visit *v);
void visit_tick(struct visit *v, int64_t now_ms); /* about once a second while it is live */
bool visit_is_live(const struct visit *v);
void visit_release(struct visit *v); /* there is memory again; nothing if it is not held */

/* The session when more can be asked on it (a check, beside what is under way), else NULL.  It ends
 * with the visit.  *opened_ms: when it was dialled, monotonic. */
struct session *visit_session(const struct visit *v, int64_t *opened_ms);
void visit_close(struct visit *v);

/* What was dialled, and how far it came. */
const struct wsconn_report *visit_report(const struct visit *v);

/* Has the relay ever served what it was asked for, in this visit or before it? */
bool visit_answered(const struct visit *v);

/* The second down to which the walk has come, 0 when it is not walking. */
int64_t visit_reached(const struct visit *v);

#endif
