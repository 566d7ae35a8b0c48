/* One check of one relay, and what follows from it.  Reading order: beginning, the end, what it
 * means. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/trace.h"
#include "services/monitor/monitor_internal.h"
#include "services/visit/visit.h"

enum {
    DIAL_ANEW_MS = 24 * 60 * 60 * 1000,
    SESSION_WENT_MS = 5000,
    DENIED_MS = DIAL_ANEW_MS,
    CAPACITY_WAIT_MS = 500
};

static void on_done(void *owner, const struct probe_report *report);

int32_t check_ms(int64_t us)
{
    int64_t ms = us < 0 ? -1 : (us + 500) / 1000;

    return ms > INT32_MAX ? INT32_MAX : (int32_t)ms;
}

/* The session that the relay has already: many allow one connection an address.  But now and then
 * it must be dialled, or nobody would know that it can be. */
static struct session *live_session(struct check *c)
{
    int64_t opened = 0;
    struct session *session =
        c->relay->visit != NULL ? visit_session(c->relay->visit, &opened) : NULL;

    if (session == NULL)
        return NULL;
    const struct wsconn_report *w = session_report(session);
    const int64_t steps[] = {w->dns_us, w->tcp_us, w->proxy_us, w->tls_us, w->upgrade_us};
    c->dial = (struct check_dial){w->dns_us, w->tcp_us, w->proxy_us, w->tls_us, w->upgrade_us, 0};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        c->dial.open_us += steps[i] > 0 ? steps[i] : 0;
    if (c->dialled_ms < opened)
        c->dialled_ms = opened;
    return session;
}

static bool has_one_connection(const struct monitor *m)
{
    return m->options.budget.host_connections_max < 2;
}

/* Connections of its own: a WebSocket unless there is a session, and one for HTTP.  Where a host
 * may have only one (host_connections_max) the two share it, one after the other; a session that is
 * not ours has it already, and no document is read (the configuration says so). */
static uint32_t places_for(const struct monitor *m, const struct session *session, unsigned *parts)
{
    unsigned http = PROBE_NIP11 | PROBE_HTTP;

    if (has_one_connection(m) && session != NULL)
        *parts &= ~http;
    if (has_one_connection(m))
        return session == NULL ? 1 : 0;
    return (session == NULL ? 1U : 0U) + ((*parts & http) != 0 ? 1U : 0U);
}

static int64_t take_places(struct monitor *m, struct check *c, uint32_t places, int64_t mono)
{
    int64_t wait = 0;

    if (places > 0 && c->relay->network == NETWORK_CLEARNET)
        wait = net_dial_wait(m->parts.net, c->host->name);
    if (places > 0 && wait == 0)
        wait = budget_take(m->parts.budget, BUDGET_CHECKS, c->host->name, places, mono);
    if (wait == 0)
        c->places = places;
    return wait;
}

void check_begin(struct monitor *m, struct check *c, int64_t now)
{
    struct relay_url *url;
    struct session *session = live_session(c);
    unsigned parts = m->options.compute;
    int64_t mono = clock_mono_ms(), wait = circuit_take(&c->host->circuit, now);
    bool anew = session != NULL && mono - c->dialled_ms >= DIAL_ANEW_MS;

    if (wait > 0) {
        monitor_schedule(m, c, now + wait);
        return;
    }
    wait = take_places(m, c, places_for(m, anew ? NULL : session, &parts), mono);
    if (wait > 0 && anew) {
        anew = false;
        wait = take_places(m, c, places_for(m, session, &parts), mono);
    }
    if (wait > 0) {
        c->host->circuit.trying = false;
        monitor_schedule(m, c, now + wait);
        return;
    }
    if (anew)
        session = NULL;
    url = malloc(sizeof(*url));
    if (url == NULL)
        abort();
    roster_url(c->relay, url);
    const struct probe_options options = {
        .parts = parts,
        .timeout_ms = check_timeout_ms(&c->health, c->relay->network, &m->options.limits),
        .http_after_ms = m->options.budget.host_interval_ms,
        .http_last = has_one_connection(m),
        .signer = m->parts.signer,
        .session = session,
        .page = m->options.page,
        .wanted = c->relay->access.access == ACCESS_ALLOWED,
        .geo = m->parts.geo};
    c->began_ms = mono;
    c->through_session = session != NULL;
    if (session == NULL)
        c->dialled_ms = mono;
    m->running[c->relay->network]++;
    list_add_tail(&m->checks, &c->running_link);
    c->probe = probe_open(m->parts.net, url, &options, on_done, c);
    free(url);
}

/* Gives back all that it had. */
static void end(struct check *c)
{
    struct monitor *m = c->monitor;
    int64_t mono = clock_mono_ms();

    if (c->places > 0) {
        budget_dialled(m->parts.budget, c->host->name, mono);
        budget_release(m->parts.budget, BUDGET_CHECKS, c->host->name, c->places, mono);
    }
    c->places = 0;
    m->running[c->relay->network]--;
    list_remove(&c->running_link);
    probe_close(c->probe);
    c->probe = NULL;
}

void check_drop(struct check *c)
{
    c->host->circuit.trying = false;
    end(c);
}

/* What it means */

/* What was held against relays while the outage was not seen yet is taken back. */
static void forgive(struct monitor *m, enum network network)
{
    struct roster *r = m->parts.roster;
    int64_t now = clock_wall_ms();
    int64_t since = now - m->options.outage.window_ms - m->options.limits.confirm_ms;

    for (uint32_t i = 0; i < r->n; i++) {
        struct check *c = r->relays[i]->check;
        if (c == NULL || c->relay->network != network || c->health.failures == 0 ||
            c->health.last_ok_ms == 0 || c->health.failing_since_ms < since)
            continue;
        c->health.failures = 0;
        c->health.unconfirmed = true;
        c->openable = c->readable = 1;
        c->error = ERR_NONE;
        c->relay->health.state = HEALTH_READABLE;
        c->health.next_at_ms = now + m->options.limits.confirm_ms;
        if (heap_has(&c->due))
            monitor_schedule(m, c, c->health.next_at_ms);
        monitor_dirty(m, c);
    }
}

/* Is everybody down?  Said once. */
static bool look_for_outage(struct monitor *m, const struct check *c, enum err_code error)
{
    enum network network = c->relay->network;
    struct outage *o = &m->outages[network];
    bool before = o->down;
    enum outage_sort sort = !c->known                 ? OUTAGE_NEVER_SEEN
                            : c->health.failures == 0 ? OUTAGE_WAS_GOOD
                                                      : OUTAGE_WAS_BAD;

    if (err_blame(error) == ERR_BLAME_SELF && error != ERR_NONE)
        return before;
    (void)outage_enter(o, sort, check_failed(error), clock_mono_ms(), &m->options.outage);
    metrics.monitor_outage[network] = o->down;
    if (o->down && !before) {
        log_warning("monitor",
                    "nearly all relays on %s seem down: it is probably us, no relay is blamed",
                    network_name(network));
        forgive(m, network);
    } else if (!o->down && before) {
        log_info("monitor", "relays on %s can be reached again", network_name(network));
    }
    return o->down;
}

/* What was measured, for whoever walks this relay next.  Only what makes a walk more careful: what
 * it may rely on it finds out for itself. */
static void tell_traits(struct relay *relay, const struct probe_report *r)
{
    struct walk_traits *t = &relay->traits;
    unsigned known = r->caps_known, caps = r->caps;
    bool restricts = (known & caps & (CAP_NIP42 | CAP_READ_RESTRICTED)) != 0;

    for (uint32_t i = 0; r->nip11 != NULL && i < r->nip11->nips_n; i++)
        restricts = restricts || r->nip11->nips[i] == 42;
    if (r->nip11 != NULL)
        relay->health.max_limit = r->nip11->max_limit > 0 && r->nip11->max_limit <= INT32_MAX
                                      ? (int32_t)r->nip11->max_limit
                                      : 0;
    if (relay->visit != NULL || relay->unfinished != NULL)
        return; /* a walk is using them; its session sees the same */
    t->restricts = t->restricts || restricts;
    if (r->page_cap > 0 && r->page_cap < INT32_MAX && (int32_t)r->page_cap > t->cap)
        t->cap = (int32_t)r->page_cap;
    if ((known & ~caps & CAP_UNTIL) != 0 && t->honours_until == TRI_UNKNOWN)
        t->honours_until = TRI_NO;
    if ((known & ~caps & CAP_NEWEST_FIRST) != 0 && t->newest_first == TRI_UNKNOWN)
        t->newest_first = TRI_NO;
}

static int8_t answer(enum probe_answer a)
{
    return (int8_t)(a == PROBE_UNTESTED ? -1 : a == PROBE_YES);
}

static void tell_health(struct monitor *m, struct check *c, bool readable, int64_t now)
{
    struct relay *relay = c->relay;
    struct roster_hooks *hooks = &m->parts.roster->hooks;
    bool was_unreadable = relay->health.state == HEALTH_UNREADABLE;

    relay->health.state = readable ? HEALTH_READABLE : HEALTH_UNREADABLE;
    relay->health.came_back = readable && was_unreadable;
    relay->health.checked_at_ms = now;
    relay->health.rtt_read_ms = c->rtt_read_ms;
    if (hooks->on_health != NULL)
        hooks->on_health(hooks->owner, relay);
}

/* A check that counts is what is known of the relay from now on. */
static void learn(struct monitor *m, struct check *c, const struct probe_report *r, int64_t now)
{
    c->known = true;
    c->openable = answer(r->openable);
    c->readable = answer(r->readable);
    c->writable = answer(r->writable);
    c->error = r->error;
    if (r->rtt_read_us >= 0)
        c->rtt_read_ms = check_ms(r->rtt_read_us);
    /* Through a session less is measured: what was known stays. */
    c->caps = (int32_t)(((unsigned)c->caps & ~r->caps_known) | (r->caps & r->caps_known));
    c->caps_known = (int32_t)((unsigned)c->caps_known | r->caps_known);
    if (r->page_cap > 0)
        c->page_cap = (int32_t)r->page_cap;
    tell_traits(c->relay, r);
    /* With reading switched off, a relay that can be opened is worth a try. */
    bool readable =
        r->readable == PROBE_YES || (r->readable == PROBE_UNTESTED && r->openable == PROBE_YES);
    tell_health(m, c, readable, now);
}

void check_remembered(struct check *c)
{
    struct relay_health *h = &c->relay->health;

    c->known = c->openable >= 0 || c->readable >= 0 || c->health.failures > 0;
    if (c->known) {
        bool readable = c->readable == 1 || (c->readable < 0 && c->openable == 1);
        h->state = readable ? HEALTH_READABLE : HEALTH_UNREADABLE;
        h->checked_at_ms = c->health.last_check_ms;
        h->rtt_read_ms = c->rtt_read_ms;
    }
}

static const char *answer_word(enum probe_answer a)
{
    return a == PROBE_YES ? "yes" : a == PROBE_NO ? "no" : "not tested";
}

static void say(const struct check *c, const struct probe_report *r, uint32_t took, bool counts)
{
    const struct relay *relay = c->relay;
    bool good = r->error == ERR_NONE;

    log_debug("monitor", "%s: checked openable=%d readable=%d writable=%d error=%s took=%u%s",
              relay->url, answer(r->openable), answer(r->readable), answer(r->writable),
              good ? "none" : err_name(r->error), took, counts ? "" : " does_not_count");
    trace(relay->id, "checked in %u ms: opened %s, read %s, written %s%s%s", took,
          answer_word(r->openable), answer_word(r->readable), answer_word(r->writable),
          good ? "" : ": ", good ? "" : err_text(r->error));
}

static void settle(struct check *c, const struct probe_report *r)
{
    struct monitor *m = c->monitor;
    struct relay *relay = c->relay;
    int64_t now = clock_wall_ms();
    uint32_t took = (uint32_t)(clock_mono_ms() - c->began_ms);
    const struct check_outcome outcome = {.error = r->error,
                                          .outage = look_for_outage(m, c, r->error),
                                          .network = relay->network,
                                          .lot = (uint32_t)relay->id};
    enum check_verdict verdict = check_settle(&c->health, &outcome, now, &m->options.limits);
    bool counts = verdict == CHECK_GOOD || verdict == CHECK_BAD;

    if (verdict == CHECK_GOOD && !c->through_session)
        c->health.slow_ms = check_slow(c->health.slow_ms, took);
    circuit_settle(&c->host->circuit, r->openable == PROBE_YES || !check_unreached(r->error),
                   verdict == CHECK_INNOCENT, now, &m->options.limits);
    metrics.checks_total[relay->network]++;
    if (check_failed(r->error))
        metrics.check_failures_total[relay->network][r->error]++;
    say(c, r, took, counts);
    outcome_put(m, outcome_new(c, r, counts));
    if (counts)
        learn(m, c, r, now);
    if (verdict == CHECK_GOOD)
        check_publish(m, c, r);
    monitor_schedule(m, c, c->health.next_at_ms);
}

static void on_done(void *owner, const struct probe_report *report)
{
    struct check *c = owner;
    struct monitor *m = c->monitor;
    struct probe_report r = *report;
    bool went = c->through_session && r.readable == PROBE_UNTESTED && r.error == ERR_NONE &&
                (m->options.compute & PROBE_READ) != 0;

    if (went) { /* the session ended meanwhile, and nothing was learnt */
        c->host->circuit.trying = false;
        monitor_schedule(m, c, clock_wall_ms() + SESSION_WENT_MS);
    } else if (r.error == ERR_ADDRESS_BUSY) { /* it was not even dialled */
        c->host->circuit.trying = false;
        monitor_schedule(m, c, clock_wall_ms() + r.wait_ms);
    } else if (r.error ==
               ERR_DENIED) { /* a person does not want to know; names may lead elsewhere */
        c->host->circuit.trying = false;
        c->address_denied = true;
        monitor_schedule(m, c, clock_wall_ms() + DENIED_MS);
    } else {
        if (c->through_session) {
            r.openable = PROBE_YES;
            r.dns_us = c->dial.dns_us;
            r.tcp_us = c->dial.tcp_us;
            r.proxy_us = c->dial.proxy_us;
            r.tls_us = c->dial.tls_us;
            r.upgrade_us = c->dial.upgrade_us;
            r.rtt_open_us = c->dial.open_us;
        }
        settle(c, &r);
    }
    end(c); /* the report goes with the probe */
}
