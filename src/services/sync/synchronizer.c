/* synchronizer: see synchronizer.h.  Reading order: start, the tick, how a visit goes, how it ends.
 */
#include "services/sync/synchronizer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/trace.h"
#include "nostr/url.h"
#include "relay/refusal.h"
#include "services/jitter.h"
#include "services/sync/due.h"
#include "services/sync/packer.h"

enum {
    TICK_MS = 100,
    KINDS_MAX = 400,
    KINDS_EVERY_MS = 10 * 60 * 1000,
    RATE_EVERY_MS = 10 * 60 * 1000,
    NO_PROXY_MS = 10 * 60 * 1000,   /* on_proxy_up() wakes them long before */
    DENIED_MS = 24 * 60 * 60 * 1000 /* a name may lead elsewhere by then */
};

/* Places: one lane for each network, one for priority relays of any network. */
enum { LANE_PRIORITY = NETWORK__COUNT, LANES };

struct synchronizer {
    struct synchronizer_parts parts;
    struct synchronizer_options options;
    struct visit_env env;
    struct due_limits limits;
    struct budget *budget;
    uv_timer_t tick;
    struct heap due[LANES];   /* keyed by UNIX ms */
    struct heap ready[LANES]; /* due now, waiting for a place: keyed by due_rank() */
    uint32_t walking[LANES], live;
    struct list waiting, visits;
    struct packer packer;
    struct net_proxy_watch proxies;
    int32_t *filter_ids;
    int32_t *kinds;
    size_t filters_known;
    uint32_t counted; /* relays when siblings were last counted */
    bool running, stopping;
    int64_t second_ms, kinds_ms, rates_ms;
    uint32_t lot;
};

/* In the order in which they run. */
static void register_filter(struct synchronizer *s);
static void on_filter_id(void *owner, int32_t filter_id, const struct err *err);
static void ask_kinds(struct synchronizer *s);
static void on_kinds(void *owner, const int32_t *kinds, uint32_t n, const struct err *err);
static void schedule(struct synchronizer *s, struct relay *relay, int64_t at_ms);
static void on_health(void *owner, struct relay *relay);
static void on_tick(uv_timer_t *timer);
static void release_held(struct synchronizer *s);
static void resume_waiting(struct synchronizer *s);
static void start_due(struct synchronizer *s);
static void start_visit(struct synchronizer *s, struct relay *relay, int64_t now);
static void every_second(struct synchronizer *s, int64_t now);
static void on_proxy_up(struct net_proxy_watch *watch, enum network network);

static void finish(struct synchronizer *s, struct relay *relay, enum relay_state state,
                   int64_t next_at_ms);
static void end_all(struct synchronizer *s);
static void on_ready(void *owner, struct relay *relay, const struct wsconn_report *report);
static void on_waiting(void *owner, struct relay *relay);
static void on_synced(void *owner, struct relay *relay);
static void on_live(void *owner, struct relay *relay);
static void on_ended(void *owner, struct relay *relay, const struct err *err);

static const struct visit_ops visit_ops = {.on_ready = on_ready,
                                           .on_waiting = on_waiting,
                                           .on_synced = on_synced,
                                           .on_live = on_live,
                                           .on_ended = on_ended};

struct synchronizer *synchronizer_open(const struct synchronizer_parts *parts,
                                       const struct synchronizer_options *options)
{
    struct synchronizer *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    s->parts = *parts;
    s->budget = parts->budget;
    parts->roster->hooks.owner = s;
    parts->roster->hooks.on_health = on_health;
    s->filter_ids = calloc(parts->filters_n, sizeof(*s->filter_ids));
    if (s->filter_ids == NULL)
        abort();
    s->env = (struct visit_env){.owner = s,
                                .loop = parts->loop,
                                .net = parts->net,
                                .db = parts->db,
                                .ingest = parts->ingest,
                                .roster = parts->roster,
                                .signer = parts->signer,
                                .filters = parts->filters,
                                .filter_ids = s->filter_ids,
                                .filters_n = parts->filters_n};
    for (int i = 0; i < LANES; i++) {
        heap_init(&s->due[i]);
        heap_init(&s->ready[i]);
    }
    list_init(&s->waiting);
    list_init(&s->visits);
    s->proxies.up = on_proxy_up;
    net_watch_proxies(parts->net, &s->proxies);
    (void)uv_timer_init(parts->loop, &s->tick);
    s->tick.data = s;
    s->packer = (struct packer){.db = parts->db, .roster = parts->roster};
    synchronizer_reconfigure(s, options);
    return s;
}

void synchronizer_reconfigure(struct synchronizer *s, const struct synchronizer_options *o)
{
    uint32_t a_session = o->host_subscriptions_max / o->budget.host_connections_max;

    s->options = *o;
    s->limits = (struct due_limits){.retry_min_ms = o->retry_min_ms,
                                    .retry_max_ms = o->retry_max_ms,
                                    .poll_interval_ms = o->poll_interval_ms};
    s->env.page = o->page;
    s->env.page_max = o->page_max;
    s->env.subscriptions_max = a_session > 0 ? a_session : 1;
    s->env.idle_ms = o->idle_ms;
    s->env.idle_overlay_ms = o->idle_overlay_ms;
    s->env.total_ms = o->total_ms;
    s->env.overlap_s = o->overlap_s;
    s->env.overlap_backdated_s = o->overlap_backdated_s;
    s->env.gap_retry_s = o->gap_retry_s;
    s->env.slice_ms = o->slice_ms;
    s->env.retry_min_ms = o->retry_min_ms;
}

void synchronizer_start(struct synchronizer *s)
{
    const struct roster *r = s->parts.roster;
    int64_t now = clock_wall_ms();

    if (!uv_is_active((uv_handle_t *)&s->tick))
        (void)uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
    if (!s->running) {
        s->running = true;
        if (s->filters_known < s->parts.filters_n)
            register_filter(s);
    }
    if (s->filters_known < s->parts.filters_n)
        return; /* on_filter_id() comes back here */
    if (s->counted != r->n)
        roster_count_siblings(r);
    s->counted = r->n;
    for (uint32_t i = 0; i < r->n; i++) {
        struct relay *relay = r->relays[i];
        if (relay->scheduled)
            continue;
        relay->scheduled = true;
        relay->lot = s->lot++;
        if (relay->denied)
            roster_set_state(s->parts.roster, relay, RELAY_DENIED);
        else
            schedule(s, relay,
                     jitter_first(relay->next_at_ms, now, relay->lot, r->n,
                                  s->options.budget.dials_per_second));
    }
}

/* The filters' numbers, one after the other; then the kinds; then the work. */
static void register_filter(struct synchronizer *s)
{
    char *identity = filter_spec_identity(s->parts.filters[s->filters_known]);

    store_filter_id(s->parts.db, identity, on_filter_id, s);
    free(identity);
}

static void on_filter_id(void *owner, int32_t filter_id, const struct err *err)
{
    struct synchronizer *s = owner;

    if (s->stopping)
        return;
    if (err != NULL) {
        s->running = false; /* on_tick() begins anew */
        return;
    }
    s->filter_ids[s->filters_known++] = filter_id;
    if (s->filters_known < s->parts.filters_n) {
        register_filter(s);
        return;
    }
    ask_kinds(s);
    synchronizer_start(s);
}

static void ask_kinds(struct synchronizer *s)
{
    s->kinds_ms = clock_mono_ms();
    store_kinds(s->parts.db, KINDS_MAX, on_kinds, s);
}

static void on_kinds(void *owner, const int32_t *kinds, uint32_t n, const struct err *err)
{
    struct synchronizer *s = owner;

    if (err != NULL || s->stopping || n == 0)
        return;
    int32_t *copy = malloc(n * sizeof(*copy));
    if (copy == NULL)
        abort();
    memcpy(copy, kinds, n * sizeof(*copy));
    free(s->kinds); /* walks keep a copy of their own */
    s->kinds = copy;
    s->env.kinds = copy;
    s->env.kinds_n = n;
}

static void unschedule(struct synchronizer *s, struct relay *relay)
{
    heap_remove(relay->waits_for_place ? &s->ready[relay->lane] : &s->due[relay->lane],
                &relay->due);
    relay->waits_for_place = false;
}

static void schedule(struct synchronizer *s, struct relay *relay, int64_t at_ms)
{
    unschedule(s, relay);
    relay->lane = relay->priority ? LANE_PRIORITY : (uint32_t)relay->network;
    relay->next_at_ms = at_ms;
    heap_put(&s->due[relay->lane], &relay->due, at_ms);
}

/* Has the monitor found it readable, lately? */
static bool is_readable(const struct synchronizer *s, const struct relay *relay, int64_t now)
{
    int64_t most = s->options.max_check_age_ms;

    if (!s->options.require_readable)
        return true;
    return relay->health.state == HEALTH_READABLE &&
           (most == 0 || now - relay->health.checked_at_ms <= most);
}

/* What a check has found: a relay that waited for it, or has come back, is read at once. */
static void on_health(void *owner, struct relay *relay)
{
    struct synchronizer *s = owner;
    int64_t now = clock_wall_ms();

    if (s->stopping || !relay->scheduled || relay->visit != NULL || relay->denied)
        return;
    if (!is_readable(s, relay, now)) {
        if (s->options.require_readable && relay->health.state == HEALTH_UNREADABLE)
            roster_set_state(s->parts.roster, relay, RELAY_FAILING);
        return;
    }
    bool parked = !heap_has(&relay->due);
    if (!parked && relay->next_at_ms <= now)
        return; /* it is due already, and keeps its turn */
    bool fresh = relay->last_ok_at_ms == 0 && relay->failures == 0;
    if (due_is_policy(relay->error) && relay->failures > 0 && relay->next_at_ms > now) {
        if (parked)
            schedule(s, relay, relay->next_at_ms);
        return;
    }
    if (parked || fresh || relay->health.came_back)
        schedule(s, relay, now);
}

/* The tick: ten times a second, and cheap when nothing is due. */

static void on_tick(uv_timer_t *timer)
{
    struct synchronizer *s = timer->data;
    int64_t now = clock_mono_ms();

    release_held(s);
    resume_waiting(s);
    if (s->options.enabled && db_is_up(s->parts.db))
        start_due(s);
    if (now - s->second_ms >= 1000) {
        s->second_ms = now;
        if (!s->running && !s->stopping && db_is_up(s->parts.db))
            synchronizer_start(s);
        every_second(s, now);
    }
}

/* Live tails first: what they bring has nobody to ask for it again. */
static void release_held(struct synchronizer *s)
{
    if (s->env.held == 0 || ingest_pressed(s->parts.ingest))
        return;
    LIST_FOR_EACH(l, &s->visits)
    visit_release(CONTAINER_OF(l, struct relay, visit_link)->visit);
}

/* Each once at the most: who is not satisfied is back at the end at once. */
static void resume_waiting(struct synchronizer *s)
{
    const struct list *last = s->waiting.prev;
    struct list *next, *l = s->waiting.next;
    int64_t now = clock_mono_ms();

    for (bool more = !list_empty(&s->waiting); more; l = next) {
        struct relay *relay = CONTAINER_OF(l, struct relay, waiting_link);
        next = l->next;
        more = l != last;
        if (visit_may_resume(relay->visit, now)) {
            list_remove(l);
            visit_resume(relay->visit);
        }
    }
}

static uint32_t places(const struct synchronizer *s, int lane)
{
    return lane == LANE_PRIORITY ? s->options.sessions_priority : s->options.sessions[lane];
}

/* Who is due waits for a place, the best first. */
static void make_ready(struct synchronizer *s, int lane, int64_t now)
{
    struct heap_node *node;

    while ((node = heap_take_due(&s->due[lane], now)) != NULL) {
        struct relay *relay = CONTAINER_OF(node, struct relay, due);
        relay->waits_for_place = true;
        heap_put(&s->ready[lane], node,
                 due_rank(relay->next_at_ms, relay->health.rtt_read_ms, relay->news_per_hour));
    }
}

static void start_due(struct synchronizer *s)
{
    static const int order[LANES] = {LANE_PRIORITY, NETWORK_CLEARNET, NETWORK_TOR, NETWORK_I2P,
                                     NETWORK_LOKI};
    int64_t now = clock_wall_ms(), mono = clock_mono_ms();
    bool crowded = false;

    for (int i = 0; i < LANES; i++) {
        int lane = order[i];
        struct heap_node *first;
        make_ready(s, lane, now);
        /* At most so many tries a tick: a tick stays short however many are due. */
        for (uint32_t tries = 0; tries < 200; tries++) {
            first = heap_first(&s->ready[lane]);
            if (first == NULL)
                break;
            if (s->walking[lane] >= places(s, lane) || budget_is_full(s->budget, BUDGET_ARCHIVE)) {
                crowded = true;
                break;
            }
            if (!budget_may_dial(s->budget, BUDGET_ARCHIVE, mono))
                break;
            struct relay *relay = CONTAINER_OF(first, struct relay, due);
            unschedule(s, relay);
            start_visit(s, relay, now);
        }
    }
    s->env.crowded = crowded;
}

/* Or puts it back until it may be visited. */
static void start_visit(struct synchronizer *s, struct relay *relay, int64_t now)
{
    struct relay_url *url;
    int64_t wait;

    if (relay->network != NETWORK_CLEARNET &&
        net_proxy_state(s->parts.net, relay->network) != NET_PROXY_UP) {
        roster_set_state(s->parts.roster, relay, RELAY_NO_PROXY);
        schedule(s, relay, now + NO_PROXY_MS + relay->lot % 1000);
        return;
    }
    if (!is_readable(s, relay, now)) { /* parked: on_health() wakes it */
        roster_set_state(s->parts.roster, relay,
                         relay->health.state == HEALTH_UNREADABLE ? RELAY_FAILING : RELAY_WAITING);
        return;
    }
    url = malloc(sizeof(*url));
    if (url == NULL)
        abort();
    roster_url(relay, url);
    wait = url->network == NETWORK_CLEARNET ? net_dial_wait(s->parts.net, url->host) : 0;
    if (wait == 0)
        wait = budget_take(s->budget, BUDGET_ARCHIVE, url->host, 1, clock_mono_ms());
    if (wait > 0) {
        free(url);
        schedule(s, relay, now + wait);
        return;
    }
    relay->host = strdup(url->host);
    free(url);
    if (relay->host == NULL)
        abort();
    s->walking[relay->lane]++;
    list_add_tail(&s->visits, &relay->visit_link);
    roster_set_state(s->parts.roster, relay, RELAY_CONNECTING);
    relay->visit = visit_open(&s->env, relay, &visit_ops);
}

/* Nobody is followed live at an address that others find full: there all are polled in turn. */
static bool is_in_the_way(const struct synchronizer *s, const struct relay *relay)
{
    return !relay->priority &&
           net_address_crowded(s->parts.net, visit_report(relay->visit)->address);
}

static void every_second(struct synchronizer *s, int64_t now)
{
    bool rates = now - s->rates_ms >= RATE_EVERY_MS;

    LIST_FOR_EACH(l, &s->visits)
    {
        struct relay *relay = CONTAINER_OF(l, struct relay, visit_link);
        visit_account(relay->visit);
        visit_tick(relay->visit, now);
        if (relay->following && is_in_the_way(s, relay))
            finish(s, relay, RELAY_IN_SYNC,
                   due_after_sync(clock_wall_ms(), relay->lot, &s->limits));
    }
    if (rates) {
        s->rates_ms = now;
        for (uint32_t i = 0; i < s->parts.roster->n; i++) {
            struct relay *relay = s->parts.roster->relays[i];
            relay->news_per_hour =
                due_rate(relay->news_per_hour, relay->rate_events_new, RATE_EVERY_MS);
            relay->rate_events_new = 0;
        }
    }
    packer_tick(&s->packer, now);
    if (now - s->kinds_ms >= KINDS_EVERY_MS && db_is_up(s->parts.db))
        ask_kinds(s);
}

/* A proxy answers: whoever waits for it is due. */
static void on_proxy_up(struct net_proxy_watch *watch, enum network network)
{
    struct synchronizer *s = CONTAINER_OF(watch, struct synchronizer, proxies);
    int64_t now = clock_wall_ms();

    for (uint32_t i = 0; i < s->parts.roster->n && !s->stopping; i++) {
        struct relay *relay = s->parts.roster->relays[i];
        bool waits = relay->state == RELAY_NO_PROXY || relay->error == ERR_PROXY_DOWN ||
                     relay->error == ERR_PROXY_NONE;

        if (relay->network == network && waits && heap_has(&relay->due))
            schedule(s, relay, now);
    }
}

/* How a visit goes */

static void on_ready(void *owner, struct relay *relay, const struct wsconn_report *report)
{
    struct synchronizer *s = owner;

    budget_dialled(s->budget, relay->host, clock_mono_ms());
    relay->dialled = true;
    relay->last_ok_at_ms = clock_wall_ms();
    roster_set_state(s->parts.roster, relay, RELAY_READING);
    roster_dirty(s->parts.roster, relay);
    log_debug("relay", "%s: connected address=%s tls=%s", relay->url, report->address,
              report->tls_version);
}

static void on_waiting(void *owner, struct relay *relay)
{
    struct synchronizer *s = owner;

    list_add_tail(&s->waiting, &relay->waiting_link);
}

static struct due_claim claim_of(const struct synchronizer *s, const struct relay *relay)
{
    return (struct due_claim){.new_per_hour = relay->news_per_hour,
                              .priority = relay->priority,
                              .lot = relay->lot,
                              .drawn_of = due_drawn_of(s->parts.roster->n, s->options.live_max)};
}

/* Makes room among the live ones if this relay has a better claim than the weakest of them. */
static bool win_live_place(struct synchronizer *s, const struct relay *relay)
{
    uint32_t round = (uint32_t)(clock_wall_s() / 3600);
    struct due_claim claim = claim_of(s, relay);
    struct relay *weakest = NULL;

    if (s->live < s->options.live_max)
        return true;
    LIST_FOR_EACH(l, &s->visits)
    {
        struct relay *other = CONTAINER_OF(l, struct relay, visit_link);
        struct due_claim theirs = claim_of(s, other);
        if (other->following && due_displaces(&claim, &theirs, round) &&
            (weakest == NULL || theirs.new_per_hour < weakest->news_per_hour))
            weakest = other;
    }
    if (weakest == NULL)
        return false;
    finish(s, weakest, RELAY_IN_SYNC, due_after_sync(clock_wall_ms(), weakest->lot, &s->limits));
    return true;
}

static void on_synced(void *owner, struct relay *relay)
{
    struct synchronizer *s = owner;

    relay->failures = 0;
    relay->error = ERR_NONE;
    if (!relay->incomplete)
        relay->synced_at_ms = clock_wall_ms();
    roster_dirty(s->parts.roster, relay);
    /* A live connection is held for long: where a host has more relays than connections, all are
     * polled in turn.  And it needs a second request, to be topped up with. */
    bool room = relay->siblings <= s->options.budget.host_connections_max &&
                s->env.subscriptions_max >= 2 && !is_in_the_way(s, relay) &&
                clock_mono_ms() >= relay->follow_again_ms;
    if (!s->stopping && room && win_live_place(s, relay)) {
        relay->following = true;
        s->live++;
        s->walking[relay->lane]--;
        visit_follow(relay->visit);
        return;
    }
    finish(s, relay, RELAY_IN_SYNC, due_after_sync(clock_wall_ms(), relay->lot, &s->limits));
}

static void on_live(void *owner, struct relay *relay)
{
    struct synchronizer *s = owner;

    roster_set_state(s->parts.roster, relay, RELAY_LIVE);
}

/* How it ends */

static void finish(struct synchronizer *s, struct relay *relay, enum relay_state state,
                   int64_t next_at_ms)
{
    struct visit *visit = relay->visit;

    relay->visit = NULL;
    visit_close(visit);
    list_remove(&relay->visit_link);
    list_remove(&relay->waiting_link);
    if (!relay->dialled)
        budget_dialled(s->budget, relay->host, clock_mono_ms());
    relay->dialled = false;
    budget_release(s->budget, BUDGET_ARCHIVE, relay->host, 1, clock_mono_ms());
    free(relay->host);
    relay->host = NULL;
    if (relay->following)
        s->live--;
    else
        s->walking[relay->lane]--;
    relay->following = false;
    roster_set_state(s->parts.roster, relay, state);
    roster_dirty(s->parts.roster, relay);
    schedule(s, relay, next_at_ms);
}

static void on_ended(void *owner, struct relay *relay, const struct err *err)
{
    struct synchronizer *s = owner;
    int64_t now = clock_wall_ms(), next;
    bool was_live = relay->state == RELAY_LIVE;

    if (err == NULL) {
        finish(s, relay, RELAY_WAITING, now);
        return;
    }
    if (err->code == ERR_ADDRESS_BUSY) { /* it was not even dialled */
        finish(s, relay, RELAY_WAITING, now + visit_report(relay->visit)->wait_ms);
        return;
    }
    log_debug("relay", "%s: ended error=%s detail=\"%s\"", relay->url, err_name(err->code),
              err->detail);
    relay->error = err->code;
    if (err->code == ERR_DENIED) {
        finish(s, relay, RELAY_DENIED, now + DENIED_MS);
        return;
    }
    /* What is served, but not live, is polled. */
    bool unfollowed = relay->follow_again_ms > clock_mono_ms();
    if (relay->following && unfollowed && visit_answered(relay->visit)) {
        finish(s, relay, RELAY_IN_SYNC, due_after_sync(now, relay->lot, &s->limits));
        return;
    }
    /* A live connection that ended was good: what came meanwhile is asked for soon, with the
     * overlap. */
    if (was_live)
        relay->failures = 0;
    next = due_after_failure(err->code, now, relay->lot, &relay->failures, &s->limits);
    if (was_live) /* and holds nothing against it: it may have been the proxy that went */
        relay->failures = 0;
    trace(relay->id, "ended: %s: %s; again in %.1f s", err_text(err->code), err->detail,
          (double)(next - now) / 1000);
    finish(s, relay,
           err_blame(err->code) == ERR_BLAME_PEER && !was_live ? RELAY_FAILING : RELAY_WAITING,
           next);
}

/* What a person wants */

void synchronizer_access_changed(struct synchronizer *s)
{
    int64_t now = clock_wall_ms();

    for (uint32_t i = 0; i < s->parts.roster->n && !s->stopping; i++) {
        struct relay *relay = s->parts.roster->relays[i];
        if (!relay->scheduled)
            continue;
        if (relay->denied) {
            if (relay->visit != NULL)
                finish(s, relay, RELAY_DENIED, 0);
            unschedule(s, relay);
            roster_set_state(s->parts.roster, relay, RELAY_DENIED);
        } else if (relay->state == RELAY_DENIED) { /* its address may still be: that is seen then */
            roster_set_state(s->parts.roster, relay, RELAY_WAITING);
            schedule(s, relay, now + relay->lot % 1000);
        } else if (relay->visit != NULL && relay->access.access != ACCESS_ALLOWED &&
                   net_address_denied(s->parts.net, visit_report(relay->visit)->address)) {
            relay->error = ERR_DENIED;
            finish(s, relay, RELAY_DENIED, now + DENIED_MS);
        }
    }
}

void synchronizer_pause(struct synchronizer *s, bool paused)
{
    bool resumed = s->env.paused && !paused;
    int64_t now = clock_wall_ms();

    s->env.paused = paused;
    if (!resumed || s->stopping)
        return;
    /* Those that stopped short of their history, followed live or not, go on with it. */
    for (uint32_t i = 0; i < s->parts.roster->n; i++) {
        struct relay *relay = s->parts.roster->relays[i];
        if (!relay->incomplete || !relay->scheduled)
            continue;
        if (relay->following)
            finish(s, relay, RELAY_WAITING, now);
        else if (relay->visit == NULL && relay->failures == 0)
            schedule(s, relay, now);
    }
}

/* What a visit remembers (its coverage) may not be what the database holds: all begin anew. */
void synchronizer_database_restarted(struct synchronizer *s)
{
    end_all(s);
    if (s->running || s->filters_known < s->parts.filters_n)
        synchronizer_start(s);
}

static void end_all(struct synchronizer *s)
{
    int64_t now = clock_wall_ms();

    LIST_FOR_EACH(l, &s->visits)
    finish(s, CONTAINER_OF(l, struct relay, visit_link), RELAY_WAITING, now);
}

void synchronizer_stop(struct synchronizer *s)
{
    s->stopping = true;
    (void)uv_timer_stop(&s->tick);
    end_all(s);
}

static void on_tick_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void synchronizer_close(struct synchronizer *s)
{
    assert(list_empty(&s->visits));
    net_unwatch_proxies(&s->proxies);
    for (int i = 0; i < LANES; i++) {
        heap_done(&s->due[i]);
        heap_done(&s->ready[i]);
    }
    free(s->filter_ids);
    free(s->kinds);
    uv_close((uv_handle_t *)&s->tick, on_tick_closed);
}
