/* probe: see probe.h.  Reading order: opening, what the connections tell, the document, the
 * deadline, the end. */
#include "services/probe/probe.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "services/probe/probe_internal.h"

enum {
    SUBSCRIPTIONS = 4,
    ARENA_BLOCK = 64 * 1024,
    HTTP_OK = 200,
    HTTP_PAYMENT_REQUIRED = 402,
    PLACE_WAIT_MIN_MS = 500
};

static void open_session(struct probe *p);
static void on_ready(void *owner, const struct wsconn_report *report);
static void on_session_closed(void *owner, const struct err *err);
static void on_gone(struct session_guest *guest);
static void later_http(struct probe *p, bool reached);
static void on_later(uv_timer_t *timer);
static void open_http(struct probe *p);
static void on_http_done(void *owner, const struct http_get_result *result);
static void on_http_failed(void *owner, const struct err *err);
static void parse_run(struct worker_job *job);
static void parse_done(struct worker_job *job);
static void on_deadline(uv_timer_t *timer);
static void on_turn(uv_timer_t *timer);
static void on_timer_closed(uv_handle_t *handle);

static const struct session_ops session_ops = {.on_ready = on_ready,
                                               .on_closed = on_session_closed};
static const struct http_get_ops http_ops = {on_http_done, on_http_failed};

static void init_report(struct probe_report *r)
{
    r->started_at_ms = clock_wall_ms();
    r->dns_us = r->tcp_us = r->proxy_us = r->tls_us = r->upgrade_us = -1;
    r->rtt_open_us = r->rtt_read_us = r->rtt_write_us = r->rtt_nip11_us = -1;
}

static void begin(struct probe *p)
{
    unsigned parts = p->options.parts;

    if ((parts & PROBE_DNS) != 0 && p->url.network == NETWORK_CLEARNET && !p->url.ip_literal)
        names_begin(p);
    bool fetches = (parts & (PROBE_NIP11 | PROBE_HTTP)) != 0,
         talks = p->own &&
                 (parts & (PROBE_OPEN | PROBE_READ | PROBE_WRITE | PROBE_CAPS | PROBE_TLS)) != 0;
    if (fetches)
        p->waiting |= WAIT_HTTP;
    if (!p->own) {
        p->session = p->options.session;
        p->guest.on_gone = on_gone;
        session_guest_add(p->session, &p->guest);
        p->report.through_session = true;
        (void)str_copy(p->report.address, sizeof(p->report.address),
                       str_z(session_report(p->session)->address));
        p->alive = true;
        p->waiting |= WAIT_TALK;
        talk_begin(p);
    } else if (talks) {
        p->waiting |= WAIT_TALK;
        open_session(p);
    }
    /* Behind the WebSocket, which has the place if there is only one. */
    p->http_last = talks && fetches && p->options.http_last;
    if (fetches && !(talks && (p->options.http_after_ms > 0 || p->http_last)))
        open_http(p); /* else: later_http() */
}

struct probe *probe_open(struct net *net, const struct relay_url *url,
                         const struct probe_options *options, probe_done *done, void *owner)
{
    struct probe *p = calloc(1, sizeof(*p));

    if (p == NULL)
        abort();
    p->net = net;
    p->options = *options;
    p->done = done;
    p->owner = owner;
    p->own = options->session == NULL;
    url_copy(&p->url, url);
    init_report(&p->report);
    arena_init(&p->arena, ARENA_BLOCK);
    list_init(&p->guest.link);
    (void)uv_timer_init(net_loop(net), &p->deadline);
    (void)uv_timer_init(net_loop(net), &p->turn);
    p->turn_over = on_turn;
    (void)uv_timer_init(net_loop(net), &p->later);
    p->deadline.data = p->turn.data = p->later.data = p;
    p->pending = 3;
    p->until_ms = clock_mono_ms() + options->timeout_ms;
    (void)uv_timer_start(&p->deadline, on_deadline, options->timeout_ms, 0);
    begin(p);
    if (p->waiting == 0)
        (void)uv_timer_start(&p->turn, on_turn, 0, 0);
    return p;
}

const char *probe_address(const struct probe *p)
{
    return p->session != NULL ? session_report(p->session)->address : p->report.address;
}

uint32_t probe_left_ms(const struct probe *p)
{
    int64_t left = p->until_ms - clock_mono_ms();

    return left > 1 ? (uint32_t)left : 1;
}

/* The first thing that failed stays. */
void probe_fail(struct probe *p, enum err_code code, const char *text)
{
    if (p->report.error != ERR_NONE)
        return;
    p->report.error = code;
    (void)str_copy(p->report.error_text, sizeof(p->report.error_text), str_z(text));
}

/* -- the WebSocket -- */

static void open_session(struct probe *p)
{
    struct wsconn_target target = session_target(&p->url, p->options.wanted);
    char wire[URL_MAX + 2];
    const struct session_options options = {
        .signer = p->options.signer, .url = wire, .subscriptions_max = SUBSCRIPTIONS};

    target.peer = (p->options.parts & PROBE_TLS) != 0 ? &p->peer : NULL;
    url_wire(&p->url, wire);
    p->session = session_open(p->net, &target, &options, &session_ops, p);
}

/* What was taken so far; the sum of the steps is rtt_open once all of them were. */
static void take_open(struct probe *p, bool whole)
{
    const struct wsconn_report *w = session_report(p->session);
    struct probe_report *r = &p->report;
    const int64_t steps[] = {w->dns_us, w->tcp_us, w->proxy_us, w->tls_us, w->upgrade_us};

    r->dns_us = w->dns_us;
    r->tcp_us = w->tcp_us;
    r->proxy_us = w->proxy_us;
    r->tls_us = w->tls_us;
    r->upgrade_us = w->upgrade_us;
    r->upgrade_status = w->http_status;
    if (w->address[0] != '\0')
        (void)str_copy(r->address, sizeof(r->address), str_z(w->address));
    if (p->peer.verdict != ERR_NONE || p->peer.version[0] != '\0' || p->peer.chain_count > 0)
        r->tls = &p->peer;
    if (!whole)
        return;
    r->rtt_open_us = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        r->rtt_open_us += steps[i] > 0 ? steps[i] : 0;
}

static void on_ready(void *owner, const struct wsconn_report *report)
{
    struct probe *p = owner;

    (void)report;
    take_open(p, true);
    p->report.openable = PROBE_YES;
    p->alive = true;
    later_http(p, true);
    talk_begin(p);
}

static void fail_open(struct probe *p, const struct err *err)
{
    enum err_code code = err->code;

    take_open(p, false);
    if (code == ERR_WS_REFUSED && p->report.upgrade_status == HTTP_PAYMENT_REQUIRED)
        code = ERR_PAYMENT_REQUIRED;
    p->report.wait_ms = session_report(p->session)->wait_ms;
    p->report.openable = code == ERR_ADDRESS_BUSY ? PROBE_UNTESTED : PROBE_NO;
    probe_fail(p, code, err->detail);
    p->step = STEP_END;
    later_http(p, p->report.upgrade_status > 0);
    probe_settle(p, WAIT_TALK);
}

static void on_session_closed(void *owner, const struct err *err)
{
    struct probe *p = owner;

    p->alive = false;
    if (p->step == STEP_OPEN)
        fail_open(p, err);
    else
        talk_lost(p, err);
}

/* The session is its owner's, who closes it at this moment: nothing of it may be touched, and he
 * is not told of an end from inside his own call. */
static void on_gone(struct session_guest *guest)
{
    struct probe *p = CONTAINER_OF(guest, struct probe, guest);

    p->alive = false;
    p->session = NULL;
    for (int i = 0; i < ASK__COUNT; i++)
        p->asks[i].request = NULL;
    memset(p->exchanges, 0, sizeof(p->exchanges));
    (void)uv_timer_start(&p->turn, on_turn, 0, 0);
}

/* -- the document -- */

static void later_http(struct probe *p, bool reached)
{
    if ((p->waiting & WAIT_HTTP) == 0 || p->get != NULL || p->parsing || !p->own ||
        (p->options.http_after_ms == 0 && !p->http_last) || uv_is_active((uv_handle_t *)&p->later))
        return;
    if (!reached)
        p->waiting &= ~(unsigned)WAIT_HTTP;
    else if (!p->http_last)
        (void)uv_timer_start(&p->later, on_later, p->options.http_after_ms, 0);
}

/* All was said over the WebSocket: its place is the document's now. */
static void begin_last(struct probe *p)
{
    p->http_last = p->alive = false;
    if (p->session != NULL) {
        talk_drop(p);
        session_close(p->session);
        p->session = NULL;
    }
    (void)uv_timer_start(&p->later, on_later, p->options.http_after_ms, 0);
}

/* The address has no place for a second connection.  The first one is given up before that one is
 * waited for: two checks that wait for each other's would wait for ever. */
static void wait_for_place(struct probe *p)
{
    int64_t wait = net_dial_wait(p->net, p->url.host);

    http_get_close(p->get);
    p->get = NULL;
    if (p->own && (p->waiting & WAIT_TALK) != 0)
        p->http_last = true;
    else if (p->own && p->session != NULL)
        begin_last(p);
    else
        (void)uv_timer_start(&p->later, on_later,
                             (uint64_t)(wait > PLACE_WAIT_MIN_MS ? wait : PLACE_WAIT_MIN_MS), 0);
}

static void on_later(uv_timer_t *timer)
{
    struct probe *p = timer->data;

    open_http(p);
    probe_settle(p, 0);
}

static void open_http(struct probe *p)
{
    char text[URL_HOST_MAX + URL_MAX + 32];
    bool literal6 = strchr(p->url.host, ':') != NULL;
    struct http_url *url = malloc(sizeof(*url));
    struct err err;

    if (url == NULL)
        abort();
    (void)snprintf(text, sizeof(text), "http%s://%s%s%s:%u%s", p->url.tls ? "s" : "",
                   literal6 ? "[" : "", p->url.host, literal6 ? "]" : "", p->url.port,
                   p->url.path[0] != '\0' ? p->url.path : "/");
    if (http_url_parse(url, str_z(text), &err) != 0) {
        p->report.nip11_error = err.code;
        p->waiting &= ~(unsigned)WAIT_HTTP;
    } else {
        /* Through a live session this is the only handshake. */
        bool shows = !p->own && p->url.tls && (p->options.parts & PROBE_TLS) != 0;
        const struct http_get_options options = {.url = url,
                                                 .accept = "application/nostr+json",
                                                 .body_bytes_max = NIP11_BYTES_MAX,
                                                 .timeout_ms = p->options.timeout_ms,
                                                 .wanted = p->options.wanted,
                                                 .peer = shows ? &p->peer : NULL};
        p->get_began_ns = uv_hrtime();
        p->get = http_get_open(p->net, &options, &http_ops, p);
        p->waiting |= WAIT_HTTP;
    }
    free(url);
}

static void take_http_peer(struct probe *p)
{
    if (!p->own && (p->peer.verdict != ERR_NONE || p->peer.version[0] != '\0'))
        p->report.tls = &p->peer;
}

static void on_http_failed(void *owner, const struct err *err)
{
    struct probe *p = owner;

    if (err->code == ERR_ADDRESS_BUSY) {
        wait_for_place(p);
        return;
    }
    take_http_peer(p);
    p->report.nip11_error = err->code;
    probe_settle(p, WAIT_HTTP);
}

/* Parsing a hostile document of 256 KiB takes some 100 ms: on a worker. */
static void parse_document(struct probe *p, struct str body)
{
    p->body = malloc(body.n + 1);
    if (p->body == NULL)
        abort();
    if (body.n > 0)
        memcpy(p->body, body.p, body.n);
    p->body_n = body.n;
    p->parsing = true;
    p->pending++;
    p->parse = (struct worker_job){.run = parse_run, .done = parse_done};
    list_init(&p->parse.link);
    workers_submit(net_workers(p->net), WORKERS_LONG, &p->parse);
}

static void on_http_done(void *owner, const struct http_get_result *result)
{
    struct probe *p = owner;
    struct probe_report *r = &p->report;

    take_http_peer(p);
    r->http_status = result->status;
    r->rtt_nip11_us = (int64_t)((uv_hrtime() - p->get_began_ns) / 1000);
    r->http_cors = result->cors;
    if (result->server.n > 0)
        (void)str_escape(r->http_server, sizeof(r->http_server), result->server);
    if (result->status == HTTP_OK && (p->options.parts & PROBE_NIP11) != 0) {
        parse_document(p, result->body);
        return;
    }
    if (result->status != HTTP_OK)
        r->nip11_error = ERR_HTTP_STATUS;
    probe_settle(p, WAIT_HTTP);
}

static void parse_run(struct worker_job *job)
{
    struct probe *p = CONTAINER_OF(job, struct probe, parse);

    p->parsed = nip11_parse((struct str){p->body, p->body_n}, &p->parse_err);
}

static void parse_done(struct worker_job *job)
{
    struct probe *p = CONTAINER_OF(job, struct probe, parse);

    p->pending--;
    p->parsing = false;
    if (p->life == LIFE_CLOSED) {
        probe_release(p);
    } else if (p->life == LIFE_RUNNING) {
        p->report.nip11 = p->parsed;
        if (p->parsed == NULL)
            p->report.nip11_error = p->parse_err.code;
        probe_settle(p, WAIT_HTTP);
    }
}

/* -- the deadline -- */

static void deadline_open(struct probe *p)
{
    bool up = net_proxy_state(p->net, p->url.network) == NET_PROXY_UP;
    struct err err;

    judge_stage(&p->url, session_report(p->session), up, &err);
    fail_open(p, &err);
}

static void on_deadline(uv_timer_t *timer)
{
    struct probe *p = timer->data;

    (void)uv_timer_stop(&p->later);
    if ((p->waiting & WAIT_HTTP) != 0) {
        if (p->get != NULL || p->parsing)
            p->report.nip11_error = ERR_TIMEOUT;
        p->waiting &= ~(unsigned)WAIT_HTTP;
    }
    if ((p->waiting & WAIT_DNS) != 0)
        names_end(p);
    p->waiting &= ~(unsigned)WAIT_DNS;
    if ((p->waiting & WAIT_TALK) == 0)
        (void)uv_timer_start(&p->turn, on_turn, 0, 0);
    else if (p->step == STEP_OPEN)
        deadline_open(p);
    else
        talk_deadline(p);
}

static void on_turn(uv_timer_t *timer)
{
    struct probe *p = timer->data;

    if (p->waiting == 0)
        probe_settle(p, 0);
    else if (p->session == NULL && p->step != STEP_END)
        talk_lost(p, NULL);
    else if (p->step == STEP_READ)
        talk_read_enough(p);
    else if (p->step == STEP_CAPS)
        caps_grace_over(p);
}

/* -- the end -- */

static void drop_all(struct probe *p)
{
    (void)uv_timer_stop(&p->deadline);
    (void)uv_timer_stop(&p->turn);
    (void)uv_timer_stop(&p->later);
    if (p->get != NULL)
        http_get_close(p->get);
    p->get = NULL;
    names_drop(p);
    if (p->session == NULL)
        return;
    talk_drop(p);
    if (p->own)
        session_close(p->session);
    else
        session_guest_remove(&p->guest);
    p->session = NULL;
}

/* The only place where the owner is told. */
void probe_settle(struct probe *p, unsigned what)
{
    p->waiting &= ~what;
    if (p->life == LIFE_RUNNING && (p->waiting & WAIT_TALK) == 0 && (p->waiting & WAIT_HTTP) != 0 &&
        p->http_last)
        begin_last(p);
    if (p->waiting != 0 || p->life != LIFE_RUNNING)
        return;
    p->life = LIFE_ENDED;
    if ((p->options.parts & PROBE_GEO) != 0)
        geo_find(p->options.geo, p->report.address, &p->report.place);
    p->report.contradictions = judge_contradictions(&p->report, p->asks[ASK_PAGE].events);
    drop_all(p);
    p->done(p->owner, &p->report); /* last: it may close */
}

void probe_close(struct probe *p)
{
    assert(p->life != LIFE_CLOSED);
    drop_all(p);
    p->life = LIFE_CLOSED;
    uv_close((uv_handle_t *)&p->deadline, on_timer_closed);
    uv_close((uv_handle_t *)&p->turn, on_timer_closed);
    uv_close((uv_handle_t *)&p->later, on_timer_closed);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct probe *p = handle->data;

    p->pending--;
    probe_release(p);
}

void probe_release(struct probe *p)
{
    if (p->life != LIFE_CLOSED || p->pending > 0)
        return;
    nip11_free(p->parsed);
    arena_done(&p->arena);
    free(p->body);
    free(p->report.dns_json);
    free(p);
}
