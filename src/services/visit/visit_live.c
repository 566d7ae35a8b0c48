/* visit_live: following a relay that is in sync, so that the archive is seconds behind and not
 * hours.
 *
 *     OPENING: the live request is sent; after its EOSE every new event comes by itself
 *     TOPPING: what came between the last page and that moment is walked once more, per filter
 *     LIVE:    slices of what comes are written about once a second; the proof follows the clock
 *              while pings are answered
 *       ^ |
 *       | +--> held (no memory: nothing is read) --> OPENING again when there is
 *       +------------------------------------------/
 *
 * The request carries `since` three days back and limit 1: backdated arrivals come by themselves,
 * and what is stored does not come again (PROTOCOL 2.2).
 *
 * What may be called proven.  A message may wait unread for seconds, so the clock alone proves
 * nothing: what is proven is what lies before a ping that was answered, since answers and events
 * come in order; and an event may reach the relay some time after its created_at, so the proof
 * keeps a minute behind.  A slice is sealed only when the one before is committed: the proof that
 * it carries then never stands before the events below it.
 *
 * Late events.  Walks and live proofs say what the relay had at that time.  What it gets later with
 * an older created_at comes by the live request; what it got while there was none is found by the
 * topping walk, which begins some minutes below the last proof.
 *
 * Back-pressure.  When the pool for events is pressed (ingest.h) a live connection is held: no
 * event is dropped, they wait in the kernel and at the relay.  Never in the middle of a page:
 * relays give up queries of slow readers.  They may drop live events of slow readers too, and do
 * not say so; hence after a hold nothing more is proven by that live request: once there is room a
 * new one is opened and topped up like the first.  When the hold lasts too long the visit ends,
 * with what was proven before it. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "relay/refusal.h"
#include "services/visit/visit_internal.h"

enum {
    SLICE_EVERY_MS = 1000,
    PROOF_EVERY_MS = 30 * 1000,
    PING_EVERY_MS = 25 * 1000,
    ALIVE_MS = 60 * 1000,
    LIVE_SINCE_S = 3 * 24 * 3600,
    LIVE_JSON_MAX = 256 * 1024,
    PROOF_BEHIND_S = 60, /* events that are a while on their way to the relay */
    TOP_BELOW_S =
        300, /* the same between walk and live request; [synchronizer] overlap may say less */
    HELD_MAX_MS = 60 * 1000,          /* then the relay would end it, and we would not notice */
    CALM_MS = 5 * 1000,               /* after a hold, before the live request is made anew */
    UNANSWERED_MAX_MS = 5 * 60 * 1000 /* whoever answers no ping is topped up as often as this */
};

static void on_live_event(void *owner, struct str raw);
static void on_eose(void *owner);
static void on_settled(void *owner, const struct settlement *s);
static void hold(struct visit *v);
static void seal_slice(struct visit *v, bool proof);

static const struct request_ops live_ops = {
    .on_event = on_live_event, .on_eose = on_eose, .on_settled = on_settled};

/* All filters in one request. */
static size_t write_filters(const struct visit *v, char *json)
{
    struct filter_ask ask = {.since = clock_wall_s() - LIVE_SINCE_S, .until = -1, .limit = 1};
    size_t n = 0;

    for (size_t i = 0; i < v->env->filters_n; i++) {
        if (i > 0)
            json[n++] = ',';
        int wrote = filter_write(v->env->filters[i], &ask, json + n, LIVE_JSON_MAX - n - 1);
        if (wrote < 0)
            return 0;
        n += (size_t)wrote;
    }
    return n;
}

void visit_follow(struct visit *v)
{
    char *json = malloc(LIVE_JSON_MAX);
    size_t n;

    if (json == NULL)
        abort();
    n = write_filters(v, json);
    if (n == 0) {
        free(json);
        struct err err;
        (void)err_set(&err, ERR_CONFIG, "the filters are too long for a live request");
        visit_end(v, &err);
        return;
    }
    struct request_options options = {.live = true,
                                      .idle_ms = visit_idle_ms(v),
                                      .total_ms = v->env->total_ms,
                                      .events_max = 10000};
    /* A second one, after a hold, is open before the first is closed: nothing falls between. */
    v->live = v->live == &v->lives[0] ? &v->lives[1] : &v->lives[0];
    v->live->visit = v;
    v->state = VISIT_OPENING;
    v->missed = v->was_live = false;
    metrics.requests_total[v->relay->network]++;
    v->live->request =
        session_request(v->session, (struct str){json, n}, &options, &live_ops, v->live);
    free(json);
}

static void on_live_event(void *owner, struct str raw)
{
    struct live_request *live = owner;

    live_event(live->visit, raw);
}

void live_event(void *owner, struct str raw)
{
    struct visit *v = owner;
    struct filter_ask any = {.since = -1, .until = -1, .limit = -1};
    struct err err;

    visit_count_event(v, raw);
    if (v->slice == NULL)
        v->slice = page_open(v, &any, true, 0);
    if (ingest_page_add(v->slice->ingest_page, raw, &err) < 0) {
        /* This event is lost to us: what came with it may not be called proven. */
        v->missed = true;
        visit_end(v, &err);
        return;
    }
    if (ingest_pressed(v->env->ingest))
        hold(v);
}

/* Holding */

static void hold(struct visit *v)
{
    if (v->held || (v->state != VISIT_LIVE && v->state != VISIT_TOPPING) ||
        !session_hold(v->session))
        return;
    v->held = true;
    v->missed = true;
    v->held_at_ms = clock_mono_ms();
    v->env->held++;
    if (!v->slice_writing)
        seal_slice(v, false);
    log_debug("relay", "%s: held for want of memory", v->relay->url);
}

void visit_release(struct visit *v)
{
    if (!v->held)
        return;
    v->held = false;
    v->released_at_ms = clock_mono_ms();
    v->env->held--;
    session_release(v->session);
}

/* From here on nothing new is missed.  What came before is asked for filter by filter. */
static void on_eose(void *owner)
{
    struct live_request *live = owner;
    struct visit *v = live->visit;
    struct live_request *before = live == &v->lives[0] ? &v->lives[1] : &v->lives[0];

    if (before->request != NULL)
        request_close(before->request);
    before->request = NULL;
    free(v->live_from);
    v->live_from = calloc(v->env->filters_n, sizeof(*v->live_from));
    if (v->live_from == NULL)
        abort();
    v->state = VISIT_TOPPING;
    v->live_since = clock_wall_s();
    v->walking_news = false;
    v->filter = 0;
    live_top(v);
}

/* From what this visit knows: the database may not have committed its last pages yet. */
void live_top(struct visit *v)
{
    const struct filter_spec *filter = v->env->filters[v->filter];
    const struct store_span known = {.lo = 0, .hi = v->tops[v->filter], .grade = GRADE_P1};

    if (v->coverage == NULL)
        v->coverage = coverage_new();
    if (known.hi >= 0)
        coverage_add(v->coverage, &known);
    int64_t below = v->env->overlap_s < TOP_BELOW_S ? v->env->overlap_s : TOP_BELOW_S;
    int64_t lo = coverage_top(v->coverage) + 1 - below, since = filter_spec_since(filter);
    int64_t until = filter_spec_until(filter);

    if (lo < since)
        lo = since;
    if (v->env->paused && lo < clock_wall_s() - 3600)
        lo = clock_wall_s() - 3600;
    if (lo > until) { /* a filter that has ended */
        v->live_from[v->filter] = INT64_MAX;
        live_topped(v);
        return;
    }
    visit_start_walk(v, lo, until);
}

void live_topped(struct visit *v)
{
    if (v->live_from[v->filter] != INT64_MAX) {
        /* The walk began after the EOSE of the live request, so that second is complete if the walk
         * proved what was before it. Otherwise the live proof begins behind it and leaves the hole
         * open. */
        int64_t next = coverage_top(v->coverage) + 1;
        v->tops[v->filter] = next - 1;
        v->live_from[v->filter] = next >= v->live_since ? next : v->live_since + 1;
    }
    coverage_free(v->coverage);
    v->coverage = NULL;
    if (++v->filter < v->env->filters_n) {
        live_top(v);
        return;
    }
    v->state = VISIT_LIVE;
    v->was_live = true;
    v->proof_at_ms = v->slice_at_ms = clock_mono_ms();
    v->ping_at_ms = v->proof_at_ms + PING_EVERY_MS;
    v->ops->on_live(v->env->owner, v->relay);
}

/* The relay ends the live request: it is in sync all the same, and will be polled. */
static void on_settled(void *owner, const struct settlement *s)
{
    struct live_request *live = owner;
    struct visit *v = live->visit;
    struct err err;

    live->request = NULL;
    if (live != v->live)
        return; /* the one before it */
    (void)err_set(&err, settlement_code(s), "live: %s", s->text);
    if (s->how == SETTLE_CLOSED && (v->state == VISIT_OPENING || refusal_by_policy(err.code)))
        visit_unfollow(v, &err);
    else if (s->how == SETTLE_CLOSED || s->how == SETTLE_TIMEOUT)
        visit_end(v, &err);
}

bool visit_is_live(const struct visit *v)
{
    return v->state == VISIT_LIVE;
}

/* False: the connection is dead, and the visit has ended. */
static bool still_alive(struct visit *v, int64_t now_ms)
{
    int64_t alive_at = session_alive_at(v->session);
    int64_t silent = now_ms - (alive_at > v->released_at_ms ? alive_at : v->released_at_ms);

    if (silent > ALIVE_MS) {
        struct err err;
        (void)err_set(&err, ERR_IDLE, "no answer to a ping for %lld s", (long long)silent / 1000);
        visit_end(v, &err);
        return false;
    }
    if (now_ms >= v->ping_at_ms) {
        v->ping_at_ms = now_ms + PING_EVERY_MS;
        session_ping(v->session);
    }
    return true;
}

/* The last second that is surely behind us; -62 at most: none. */
static int64_t proven_until(const struct visit *v)
{
    return session_answered_at(v->session) / 1000 - 1 - PROOF_BEHIND_S;
}

/* The first second that waits for its proof, of any filter; INT64_MAX: all have ended. */
static int64_t unproven_from(const struct visit *v)
{
    int64_t first = INT64_MAX;

    for (size_t i = 0; i < v->env->filters_n; i++)
        if (v->live_from[i] < first)
            first = v->live_from[i];
    return first;
}

static bool may_prove(const struct visit *v)
{
    return v->was_live && !v->missed && !v->slice_writing && unproven_from(v) <= proven_until(v);
}

/* Is what the live request brings not enough, or not any more? */
static bool must_open_again(const struct visit *v, int64_t now_ms)
{
    if (v->state != VISIT_LIVE || v->held || ingest_pressed(v->env->ingest))
        return false;
    if (v->missed)
        return now_ms - v->released_at_ms >= CALM_MS;
    return now_ms - v->proof_at_ms >= UNANSWERED_MAX_MS && unproven_from(v) != INT64_MAX;
}

/* False: the visit has ended. */
static bool tick_held(struct visit *v, int64_t now_ms)
{
    struct err err;

    if (now_ms - v->held_at_ms < HELD_MAX_MS)
        return true;
    (void)err_set(&err, ERR_NOMEM, "live events had to wait for %d s", HELD_MAX_MS / 1000);
    visit_end(v, &err);
    return false;
}

void visit_tick(struct visit *v, int64_t now_ms)
{
    bool following =
        v->state == VISIT_LIVE || v->state == VISIT_OPENING || v->state == VISIT_TOPPING;
    if (following && !(v->held ? tick_held(v, now_ms) : still_alive(v, now_ms)))
        return;
    bool proof =
        v->state == VISIT_LIVE && now_ms - v->proof_at_ms >= PROOF_EVERY_MS && may_prove(v);
    if (!v->slice_writing &&
        (proof || (v->slice != NULL && now_ms - v->slice_at_ms >= SLICE_EVERY_MS)))
        seal_slice(v, proof);
    if (must_open_again(v, now_ms))
        visit_follow(v);
}

static void add_proof(struct visit *v, struct page *page)
{
    int64_t hi = proven_until(v);

    page->spans = calloc(v->env->filters_n, sizeof(*page->spans));
    if (page->spans == NULL)
        abort();
    for (size_t i = 0; i < v->env->filters_n; i++) {
        if (v->live_from[i] > hi)
            continue;
        page->spans[page->spans_n++] = (struct store_span){.relay_id = v->relay->id,
                                                           .filter_id = v->env->filter_ids[i],
                                                           .lo = v->live_from[i],
                                                           .hi = hi,
                                                           .grade = GRADE_LIVE,
                                                           .at = clock_wall_s()};
        if (v->tops[i] + 1 >= v->live_from[i])
            v->tops[i] = hi;
        v->live_from[i] = hi + 1;
        v->proof_at_ms = clock_mono_ms();
    }
}

static void seal_slice(struct visit *v, bool proof)
{
    struct filter_ask any = {.since = -1, .until = -1, .limit = -1};
    struct page *page = v->slice != NULL ? v->slice : page_open(v, &any, true, 0);

    v->slice = NULL;
    v->slice_writing = true;
    v->slice_at_ms = clock_mono_ms();
    if (proof)
        add_proof(v, page);
    v->writing = page;
    page_seal(page);
}

void visit_slice_done(struct visit *v)
{
    v->slice_writing = false;
    v->writing = NULL;
    if (v->held && v->slice != NULL)
        seal_slice(v, false); /* what is held gives its memory back as soon as it can */
}

/* What has come is stored.  It is proven only when nothing that came before it is still on its way.
 */
void live_end(struct visit *v)
{
    if (v->writing != NULL)
        v->writing->visit = NULL;
    if (v->held)
        v->env->held--;
    v->held = false;
    if (may_prove(v))
        seal_slice(v, true);
    else if (v->slice != NULL)
        page_seal(v->slice);
    if (v->slice != NULL)
        v->slice->visit = NULL;
    if (v->writing != NULL)
        v->writing->visit = NULL;
    v->slice = NULL;
    free(v->live_from);
    v->live_from = NULL;
}
