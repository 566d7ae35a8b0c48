/* visit: see visit.h.  Reading order is running order. */
#include "services/visit/visit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/trace.h"
#include "relay/refusal.h"
#include "services/answer.h"
#include "services/visit/visit_internal.h"

enum {
    FILTER_JSON_MAX = 256 * 1024,
    TRACE_JSON_MAX = 600, /* of a request, in a trace */
    UNFOLLOWED_MS = 60 * 60 * 1000,
};

/* In the order in which they run. */
static void on_ready(void *owner, const struct wsconn_report *report);
static void on_late_event(void *owner, struct str raw);
static void on_session_closed(void *owner, const struct err *err);
static void ask(struct visit *v);
static void on_event(void *owner, struct str raw);
static void on_settled(void *owner, const struct settlement *s);
static void on_walk_done(struct visit *v);
static void retry_later(struct visit *v);

static const struct session_ops session_ops = {
    .on_ready = on_ready, .on_late_event = on_late_event, .on_closed = on_session_closed};
static const struct request_ops page_request_ops = {.on_event = on_event, .on_settled = on_settled};

/* The page that was asked last is not what it seemed: stored, but the walk begins again, and from
 * now on an EOSE is given time. */
static void on_late_event(void *owner, struct str raw)
{
    struct visit *v = owner;

    /* Once: whoever sends after every CLOSE as well would have us walk for ever. */
    if (!v->late_seen)
        v->late = v->state == VISIT_ASKING || v->state == VISIT_TOPPING;
    v->late_seen = true;
    live_event(v, raw);
}

struct visit *visit_open(struct visit_env *env, struct relay *relay, const struct visit_ops *ops)
{
    struct visit *v = calloc(1, sizeof(*v));
    struct relay_url *url = calloc(1, sizeof(*url));

    if (v == NULL || url == NULL)
        abort();
    v->env = env;
    v->relay = relay;
    v->tops = calloc(env->filters_n, sizeof(*v->tops));
    if (v->tops == NULL)
        abort();
    v->ops = ops;
    v->state = VISIT_CONNECTING;
    relay->incomplete = false;
    pace_connected(&relay->pace);
    v->started_ms = clock_mono_ms();
    roster_url(relay, url);
    struct wsconn_target target = session_target(url, relay->access.access == ACCESS_ALLOWED);
    struct session_options options = {
        .signer = env->signer, .url = relay->url, .subscriptions_max = env->subscriptions_max};
    metrics.dials_total[relay->network]++;
    trace(relay->id, "dialling");
    v->session = session_open(env->net, &target, &options, &session_ops, v);
    free(url);
    return v;
}

void visit_close(struct visit *v)
{
    live_end(v);
    if (v->page != NULL) {
        v->page->visit = NULL;
        if (!v->page->sealed)
            page_seal(v->page); /* what came is stored; it proves nothing */
    }
    visit_leave_filter(v);
    visit_account(v);
    session_close(v->session);
    if (v->loading != NULL)
        v->loading->visit = NULL;
    free(v->tops);
    free(v);
}

/* Tells the owner, who closes the visit from there. */
void visit_end(struct visit *v, const struct err *err)
{
    if (v->state == VISIT_ENDED)
        return;
    v->state = VISIT_ENDED;
    v->ops->on_ended(v->env->owner, v->relay, err);
}

void visit_unfollow(struct visit *v, const struct err *err)
{
    v->relay->follow_again_ms = clock_mono_ms() + UNFOLLOWED_MS;
    visit_end(v, err);
}

void visit_abused(struct visit *v)
{
    struct err err;

    (void)err_set(&err, ERR_INVALID_EVENTS, "%u of %u events", v->relay->bad_signatures,
                  v->relay->checked);
    page_declare(v, GAP_INVALID);
    v->relay->bad_signatures = v->relay->checked = 0;
    visit_end(v, &err);
}

void visit_account(struct visit *v)
{
    uint64_t bytes = session_received_bytes(v->session);

    v->relay->bytes += (int64_t)(bytes - v->bytes_accounted);
    metrics.received_bytes_total[v->relay->network] += (int64_t)(bytes - v->bytes_accounted);
    v->bytes_accounted = bytes;
    uint32_t unsolicited = session_take_unsolicited(v->session);
    if (unsolicited > 0) {
        roster_rejected(v->relay, REJECT_UNSOLICITED, unsolicited);
        roster_dirty(v->env->roster, v->relay);
    }
}

struct session *visit_session(const struct visit *v, int64_t *opened_ms)
{
    if (!v->ready || v->session_gone || v->state == VISIT_ENDED || v->held ||
        v->env->subscriptions_max < 2)
        return NULL;
    *opened_ms = v->started_ms;
    return v->session;
}

const struct wsconn_report *visit_report(const struct visit *v)
{
    return session_report(v->session);
}

/* Connected */

/* 0 for a step that was not taken. */
static double step_ms(int64_t us)
{
    return us > 0 ? (double)us / 1000 : 0;
}

static void on_ready(void *owner, const struct wsconn_report *report)
{
    struct visit *v = owner;

    v->ready = true;
    trace(v->relay->id,
          "connected to %s: name %.1f ms, TCP %.1f, proxy %.1f, TLS %.1f, upgrade %.1f; %s %s",
          report->address, step_ms(report->dns_us), step_ms(report->tcp_us),
          step_ms(report->proxy_us), step_ms(report->tls_us), step_ms(report->upgrade_us),
          report->tls_version, report->tls_cipher);
    v->ops->on_ready(v->env->owner, v->relay, report);
    if (v->state == VISIT_CONNECTING)
        visit_load_coverage(v);
}

static void on_session_closed(void *owner, const struct err *err)
{
    struct visit *v = owner;

    if (err->code != ERR_ADDRESS_BUSY)
        metrics.dial_failures_total[v->relay->network][err->code]++;
    if (v->page == NULL) {
        visit_end(v, err);
        return;
    }
    v->session_gone =
        true; /* the walk hears of it when the page is scanned: it may ask for less next time */
    v->session_err = *err;
}

/* Asking */

/* The disk is nearly full and the walk has come to what is not new any more. */
static bool must_pause(const struct visit *v)
{
    return v->env->paused && walk_requests(v->walk) > 0 &&
           (!v->walking_news || walk_reached(v->walk) < clock_wall_s() - PAUSED_LOOKBACK_S);
}

/* Others wait for its place, or for one at its address. */
static bool is_wanted(const struct visit *v)
{
    return v->env->crowded || net_address_crowded(v->env->net, visit_report(v)->address);
}

void visit_next_question(struct visit *v)
{
    switch (walk_next(v->walk, &v->ask)) {
    case WALK_ASK:
        if (pace_is_hopeless(&v->relay->pace)) {
            retry_later(v);
            return;
        }
        if (v->state == VISIT_ASKING && must_pause(v)) {
            visit_end(v, NULL);
            return;
        }
        if (v->state == VISIT_ASKING && !v->relay->priority &&
            clock_mono_ms() - v->started_ms > v->env->slice_ms && is_wanted(v)) {
            visit_end(v, NULL);
            return;
        }
        ask(v);
        return;
    case WALK_DONE:
    case WALK_GIVEN_UP:
        on_walk_done(v);
        return;
    case WALK_RETRY:
        retry_later(v);
        return;
    }
    abort();
}

/* The walk is kept: it counts its failures, and asks for less, or declares a gap, when they are
 * many. */
static void keep_walk(struct visit *v)
{
    struct relay *relay = v->relay;

    if (v->walk == NULL || !v->proves || v->state == VISIT_TOPPING)
        return;
    if (relay->unfinished != NULL)
        walk_free(relay->unfinished);
    relay->unfinished = v->walk;
    relay->unfinished_filter = v->env->filter_ids[v->filter];
    relay->unfinished_news = v->walking_news;
    v->walk = NULL;
}

static void retry_later(struct visit *v)
{
    struct err err;

    (void)err_set(&err, v->retry_code, "%s", v->settled.text);
    keep_walk(v);
    visit_end(v, &err);
}

static void on_walk_done(struct visit *v)
{
    walk_free(v->walk);
    v->walk = NULL;
    if (v->walking_news) {
        /* Above this lies only what has come since the first question; the next visit, or the live
         * request, has that. */
        v->topped = true;
        v->hi = coverage_top(v->coverage);
        if (v->hi < 0)
            v->hi = clock_wall_s() - 1;
    }
    if (v->state == VISIT_TOPPING) {
        live_topped(v);
        return;
    }
    visit_next_span(v);
}

static uint32_t expected_events(const struct visit *v, int32_t limit)
{
    int32_t cap = v->relay->traits.cap;

    if (limit > visit_page_size(v))
        return (uint32_t)limit; /* asked because its usual page was full */
    return (uint32_t)(cap > 0 && cap < limit ? cap : limit);
}

static void ask(struct visit *v)
{
    const struct filter_spec *filter = v->env->filters[v->filter];
    struct filter_ask q = {.since = v->ask.since,
                           .until = v->ask.until,
                           .limit = v->ask.limit,
                           .kinds = v->ask.kinds,
                           .n_kinds = v->ask.n_kinds};

    if (!visit_may_resume(v, clock_mono_ms())) {
        v->waiting = true;
        v->ops->on_waiting(v->env->owner, v->relay);
        return;
    }
    pace_asked(&v->relay->pace, clock_mono_ms());
    visit_release(v); /* a page is always read to its end */
    char *json = malloc(FILTER_JSON_MAX);
    if (json == NULL)
        abort();
    int n = filter_write(filter, &q, json, FILTER_JSON_MAX);
    if (n < 0)
        abort(); /* the configuration bounds filters so that they fit */
    struct request_options options = {.idle_ms = visit_idle_ms(v),
                                      .total_ms = v->env->total_ms,
                                      .events_max = 10 * (uint32_t)v->ask.limit + 10000};
    v->asked_at = clock_wall_s();
    if (v->walking_news && v->news_asked_at == 0)
        v->news_asked_at = v->asked_at;
    v->page = page_open(v, &q, false, expected_events(v, v->ask.limit));
    v->settled = (struct settlement){0};
    metrics.requests_total[v->relay->network]++;
    trace(v->relay->id, "REQ %.*s", n < TRACE_JSON_MAX ? n : TRACE_JSON_MAX, json);
    v->request =
        session_request(v->session, (struct str){json, (size_t)n}, &options, &page_request_ops, v);
    free(json);
}

bool visit_may_resume(const struct visit *v, int64_t now_ms)
{
    return now_ms >= v->relay->pace.next_ms &&
           ingest_may_open(v->env->ingest, expected_events(v, v->ask.limit));
}

void visit_resume(struct visit *v)
{
    assert(v->waiting);
    v->waiting = false;
    ask(v);
}

/* Reading */

void visit_count_event(struct visit *v, struct str raw)
{
    metrics.event_messages_total[v->relay->network]++;
    metrics.event_bytes_total[0] += (int64_t)raw.n;
    v->relay->events++;
}

static void on_event(void *owner, struct str raw)
{
    struct visit *v = owner;
    struct err err;

    visit_count_event(v, raw);
    if (ingest_page_add(v->page->ingest_page, raw, &err) == 0)
        return;
    /* No memory for the rest of it: the walk asks for less. */
    struct settlement s = {.how = SETTLE_OVERSIZE};
    request_close(v->request);
    (void)str_copy(s.text, sizeof(s.text), str_z(err.detail));
    on_settled(v, &s);
}

static void on_settled(void *owner, const struct settlement *s)
{
    struct visit *v = owner;

    trace(v->relay->id, "answered by %s: %u events, %llu bytes%s%s", settle_name(s->how), s->events,
          (unsigned long long)s->bytes, s->text[0] != '\0' ? ": " : "", s->text);
    v->request = NULL;
    v->settled = *s;
    page_seal(v->page);
}

/* After a late event: the page proves nothing, and what is unproven is walked anew. */
static void begin_again(struct visit *v, struct page *page)
{
    v->page = NULL;
    page->visit = NULL;
    page_prove(page, NULL, v->coverage);
    walk_free(v->walk);
    v->walk = NULL;
    if (v->session_gone) {
        struct err err = v->session_err;
        visit_end(v, &err);
    } else if (v->state == VISIT_TOPPING) {
        live_top(v);
    } else {
        visit_next_span(v);
    }
}

/* How fast it may be asked: what it says of that, it says by refusing. */
static void learn_pace(struct visit *v, const struct settlement *s)
{
    struct pace *pace = &v->relay->pace;

    if (s->how == SETTLE_EOSE) {
        pace_answered(pace);
    } else if (answer_is_too_fast(s)) {
        pace_refused(pace, v->env->retry_min_ms, v->relay->lot, clock_mono_ms());
        trace(v->relay->id, "too fast: the next question in %lld ms",
              (long long)(pace->next_ms - clock_mono_ms()));
    }
}

/* The seam between walk and live request cannot be closed: no question is answered beside a live
 * request.  That is no gap, but a relay to be polled. */
static bool is_seam_refused(const struct visit *v, const struct walk_spans *proofs)
{
    bool refused = answer_is_too_fast(&v->settled) && v->relay->pace.refusals > 1;

    for (size_t i = 0; i < proofs->n; i++)
        refused |= proofs->at[i].gap && proofs->at[i].reason == GAP_REFUSED;
    return v->state == VISIT_TOPPING && refused;
}

/* Asks the walk what the page proves. */
static void judge(struct visit *v, const struct settlement *s, const struct ingest_fact *facts,
                  size_t n, struct walk_spans *proofs)
{
    struct walk_event *events = malloc((n + 1) * sizeof(*events));
    struct walk_page answer = answer_page(s, v->asked_at);

    if (events == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        events[i] = (struct walk_event){.created_at = facts[i].created_at,
                                        .fingerprint = facts[i].fingerprint,
                                        .kind = facts[i].kind,
                                        .matches = facts[i].matches};
    answer.events = events;
    answer.events_n = n;
    walk_answer(v->walk, &answer, proofs);
    free(events);
}

/* A page is scanned: what does it prove, and what next? */
void visit_page_scanned(struct visit *v, struct page *page, const struct ingest_fact *facts,
                        size_t n)
{
    const struct settlement *s = &v->settled;
    struct walk_spans proofs = {.n = 0};

    if (session_asked_auth(v->session))
        v->relay->traits.restricts = true;
    if (v->late) {
        v->late = false;
        begin_again(v, page);
        return;
    }
    judge(v, s, facts, n, &proofs);
    learn_pace(v, s);
    v->retry_code = settlement_code(s);
    if (s->how == SETTLE_EOSE)
        v->answered = true;
    else if (s->how == SETTLE_CLOSED)
        (void)err_set(&v->refused, v->retry_code, "%s", s->text);
    roster_dirty(v->env->roster, v->relay); /* what was learnt of it outlives a crash */
    bool seam_refused = is_seam_refused(v, &proofs);
    v->page = NULL;
    page->visit = NULL;
    page_prove(page, v->proves && !seam_refused ? &proofs : NULL, v->coverage);
    if (v->session_gone) {
        struct err err = v->session_err;
        struct walk_ask next;
        enum walk_state state =
            walk_next(v->walk, &next); /* hears that it waits, or what it asks next time */
        if (state == WALK_RETRY || state == WALK_ASK)
            keep_walk(v);
        visit_end(v, &err);
        return;
    }
    if (seam_refused) {
        struct err err = v->refused;
        visit_unfollow(v, &err);
        return;
    }
    visit_next_question(v);
}

bool visit_answered(const struct visit *v)
{
    return v->answered || v->top >= 0;
}

int64_t visit_reached(const struct visit *v)
{
    return v->walk != NULL && v->proves ? walk_reached(v->walk) : 0;
}
