/* wsconn: a transport and the WebSocket engine, each telling the other what came. */
#include "net/wsconn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_shared.h"
#include "net/transport.h"
#include "net/ws.h"

enum wsconn_state { WSCONN_DIALLING, WSCONN_UPGRADING, WSCONN_OPEN, WSCONN_FAILED, WSCONN_CLOSED };

/* With the kernel busy the rest waits in the engine, where WS_SEND_MAX counts it. */
enum { OUT_QUEUED_MAX = 64 * 1024 };

struct wsconn {
    enum wsconn_state state;
    const struct wsconn_ops *ops;
    void *owner;
    struct net *net;
    struct wsconn_report report;
    struct err err;

    bool overlay, tls;
    struct tls_peer *peer; /* the owner's */
    uint16_t port;
    char host[256];
    char *path;

    uv_timer_t clock; /* UPGRADING: the deadline; OPEN: the rate of a message in assembly */
    struct transport *transport; /* NULL from FAILED on */
    struct ws *ws;               /* NULL until UPGRADING */
    uint64_t upgrade_began_ns;
    bool answered;        /* the peer sent something */
    bool feeding;         /* inside ws_feed(): the engine is drained after it */
    bool message_ended;   /* in this ws_feed() */
    bool peer_closed;     /* err says how */
    size_t assembling;    /* our share of net->assembly_bytes */
    uint64_t window_from; /* ws_data_bytes when the window began */
    size_t counted;       /* our share of net_connection_bytes */
};

static void take_report(struct wsconn *c);
static void on_ready(void *owner);
static void on_bytes(void *owner, struct str bytes);
static void on_drained(void *owner);
static void on_transport_failed(void *owner, const struct err *err);
static void on_ws_open(void *owner);
static void on_ws_text(void *owner, struct str text);
static void on_ws_pong(void *owner, bool ours);
static void on_ws_close(void *owner, uint16_t code, struct str reason);
static bool on_ws_reserve(void *owner, size_t bytes);
static void on_ws_release(void *owner, size_t bytes);
static void pump(struct wsconn *c);
static void watch_rate(struct wsconn *c);
static void fail(struct wsconn *c, const struct err *err);
static void on_clock(uv_timer_t *h);
static void on_closed(uv_handle_t *h);

static const struct stream_ops transport_ops = {on_ready, on_bytes, on_drained,
                                                on_transport_failed};
static const struct ws_ops ws_ops = {.on_open = on_ws_open,
                                     .on_text = on_ws_text,
                                     .on_pong = on_ws_pong,
                                     .on_close = on_ws_close,
                                     .reserve = on_ws_reserve,
                                     .release = on_ws_release};

struct wsconn *wsconn_open(struct net *net, const struct wsconn_target *target,
                           const struct wsconn_ops *ops, void *owner)
{
    struct wsconn *c = calloc(1, sizeof(*c));
    const struct dial_target dial = {.network = target->network,
                                     .host = target->host,
                                     .port = target->port,
                                     .wanted = target->wanted};

    if (c == NULL || (c->path = strdup(target->path == NULL ? "" : target->path)) == NULL)
        abort();
    assert(strlen(target->host) < sizeof(c->host));
    c->net = net;
    c->ops = ops;
    c->owner = owner;
    c->overlay = target->network != NETWORK_CLEARNET;
    c->tls = target->tls;
    c->peer = target->tls ? target->peer : NULL;
    c->port = target->port;
    memcpy(c->host, target->host, strlen(target->host) + 1);
    c->report.dns_us = c->report.tcp_us = c->report.proxy_us = c->report.tls_us =
        c->report.upgrade_us = -1;
    (void)uv_timer_init(net->loop, &c->clock);
    c->clock.data = c;
    c->transport = transport_open(net, &dial,
                                  !target->tls           ? TRANSPORT_PLAIN
                                  : target->peer != NULL ? TRANSPORT_TLS_FRESH
                                                         : TRANSPORT_TLS,
                                  &transport_ops, c);
    return c;
}

void wsconn_close(struct wsconn *c)
{
    assert(c->state != WSCONN_CLOSED);
    if (c->state == WSCONN_OPEN && !c->feeding) {
        ws_close(c->ws, 1000); /* polite; nobody waits for the answer */
        pump(c);
    }
    c->state = WSCONN_CLOSED;
    if (c->transport != NULL)
        transport_close(c->transport);
    c->transport = NULL;
    ws_free(c->ws);
    c->ws = NULL;
    net_count_bytes(c->net, &c->counted, 0);
    uv_close((uv_handle_t *)&c->clock, on_closed);
}

int wsconn_send(struct wsconn *c, struct str text, struct err *err)
{
    if (c->state != WSCONN_OPEN)
        return err_set(err, ERR_DISCONNECTED, "not open");
    if (ws_text(c->ws, text, err) != 0)
        return -1;
    pump(c);
    return 0;
}

void wsconn_ping(struct wsconn *c)
{
    if (c->state != WSCONN_OPEN)
        return;
    ws_ping(c->ws);
    pump(c);
}

void wsconn_hold(struct wsconn *c, bool hold)
{
    if (c->state == WSCONN_OPEN)
        transport_hold(c->transport, hold);
}

const struct wsconn_report *wsconn_report(struct wsconn *c)
{
    if (c->state == WSCONN_DIALLING)
        take_report(c); /* how far it has come */
    return &c->report;
}

uint64_t wsconn_received_bytes(const struct wsconn *c)
{
    return c->ws == NULL ? 0 : ws_received_bytes(c->ws);
}

/* -- what the transport tells -- */

static void take_report(struct wsconn *c)
{
    const struct tls_peer *peer = transport_tls_peer(c->transport);
    struct transport_report t;

    transport_report(c->transport, &t);
    c->report.dns_us = t.dns_us;
    c->report.tcp_us = t.tcp_us;
    c->report.proxy_us = t.proxy_us;
    c->report.tls_us = t.tls_us;
    c->report.mixed_private = t.mixed_private;
    c->report.wait_ms = t.wait_ms;
    c->report.tls_verdict = t.tls_verdict;
    memcpy(c->report.address, t.address, sizeof(c->report.address));
    memcpy(c->report.tls_version, t.tls_version, sizeof(c->report.tls_version));
    memcpy(c->report.tls_cipher, t.tls_cipher, sizeof(c->report.tls_cipher));
    if (c->peer != NULL && peer != NULL)
        *c->peer = *peer;
}

static void on_ready(void *owner)
{
    struct wsconn *c = owner;
    const struct ws_options options = {.tls = c->tls,
                                       .host = c->host,
                                       .port = c->port,
                                       .path = c->path,
                                       .user_agent = c->net->user_agent,
                                       .message_bytes_max = c->net->message_bytes_max};
    struct err err;

    take_report(c);
    transport_tls_peer_drop(c->transport);
    c->ws = ws_new(&options, &ws_ops, c, &err);
    if (c->ws == NULL) {
        fail(c, &err);
        return;
    }
    c->state = WSCONN_UPGRADING;
    c->upgrade_began_ns = uv_hrtime();
    (void)uv_timer_start(&c->clock, on_clock,
                         c->overlay ? c->net->overlay_timeout_ms : c->net->upgrade_timeout_ms, 0);
    pump(c);
}

/* A refusal that asks for patience is not a refusal for good. */
static void say_refused(struct wsconn *c, struct err *err)
{
    int status = c->report.http_status;
    char shown[64];
    struct str after = ws_http_header(c->ws, "retry-after");
    enum err_code code = status == 429 || status == 503 ? ERR_RATE_LIMITED : ERR_WS_REFUSED;

    if (after.n > 0)
        (void)err_set(err, code, "HTTP %d, retry after %s", status,
                      str_escape(shown, sizeof(shown), after));
    else
        (void)err_set(err, code, "HTTP %d", status);
}

static void on_bytes(void *owner, struct str bytes)
{
    struct wsconn *c = owner;
    struct err err;

    if (c->state != WSCONN_UPGRADING && c->state != WSCONN_OPEN)
        return;
    c->answered = true;
    c->feeding = true;
    c->message_ended = false;

    int rc = ws_feed(c->ws, bytes, (int64_t)uv_now(c->net->loop), &err);

    if (c->state == WSCONN_CLOSED)
        return; /* in a callback, and the engine with it */
    c->feeding = false;
    c->report.http_status = ws_http_status(c->ws);
    pump(c);
    if (c->peer_closed) {
        fail(c, &c->err);
    } else if (rc != 0) {
        if (err.code == ERR_WS_REFUSED)
            say_refused(c, &err);
        fail(c, &err);
    } else {
        watch_rate(c);
    }
}

static void on_drained(void *owner)
{
    pump(owner);
}

static void on_transport_failed(void *owner, const struct err *err)
{
    struct wsconn *c = owner;
    struct err told = *err;

    if (c->state == WSCONN_DIALLING)
        take_report(c);
    if (c->state == WSCONN_UPGRADING && c->answered && err->code == ERR_DISCONNECTED)
        (void)ws_feed_eof(c->ws, &told); /* it knows how far the answer had come */
    fail(c, &told);
}

/* -- what the engine tells -- */

static void on_ws_open(void *owner)
{
    struct wsconn *c = owner;

    (void)uv_timer_stop(&c->clock);
    c->state = WSCONN_OPEN;
    c->report.upgrade_us = (int64_t)((uv_hrtime() - c->upgrade_began_ns) / 1000);
    c->report.http_status = ws_http_status(c->ws);
    net_count_bytes(c->net, &c->counted, sizeof(*c) + ws_bytes(c->ws));
    c->ops->on_open(c->owner, &c->report);
}

static void on_ws_text(void *owner, struct str text)
{
    struct wsconn *c = owner;

    c->message_ended = true;
    c->ops->on_message(c->owner, text);
}

static void on_ws_pong(void *owner, bool ours)
{
    struct wsconn *c = owner;

    c->ops->on_pong(c->owner, ours);
}

static void on_ws_close(void *owner, uint16_t code, struct str reason)
{
    struct wsconn *c = owner;
    char shown[128];

    c->peer_closed = true;
    (void)err_set(&c->err, ERR_DISCONNECTED, "close frame %u %s", code,
                  str_escape(shown, sizeof(shown), reason));
}

static bool on_ws_reserve(void *owner, size_t bytes)
{
    struct wsconn *c = owner;

    if (bytes > c->net->assembly_bytes_max ||
        c->net->assembly_bytes > c->net->assembly_bytes_max - bytes)
        return false;
    c->net->assembly_bytes += bytes;
    c->assembling += bytes;
    return true;
}

static void on_ws_release(void *owner, size_t bytes)
{
    struct wsconn *c = owner;

    assert(bytes <= c->assembling);
    c->net->assembly_bytes -= bytes;
    c->assembling -= bytes;
}

/* -- in between -- */

static void pump(struct wsconn *c)
{
    char bytes[16 * 1024];
    size_t n;

    if (c->feeding || c->ws == NULL || c->transport == NULL)
        return;
    while (transport_queued(c->transport) < OUT_QUEUED_MAX &&
           (n = ws_drain(c->ws, bytes, sizeof(bytes))) > 0)
        transport_write(c->transport, (struct str){bytes, n});
}

/* The clock runs while a message is in assembly; each message has a window of its own. */
static void watch_rate(struct wsconn *c)
{
    if (c->state != WSCONN_OPEN)
        return;
    if (c->assembling == 0) {
        (void)uv_timer_stop(&c->clock);
    } else if (c->message_ended || !uv_is_active((uv_handle_t *)&c->clock)) {
        c->window_from = ws_data_bytes(c->ws);
        (void)transport_take_throttled(c->transport);
        (void)uv_timer_start(&c->clock, on_clock, c->net->rate_window_ms, 0);
    }
}

static void on_clock(uv_timer_t *h)
{
    struct wsconn *c = h->data;
    struct err err;
    uint64_t moved;

    if (c->state == WSCONN_UPGRADING) {
        (void)err_set(&err, ERR_TIMEOUT, "WebSocket upgrade");
        fail(c, &err);
        return;
    }
    assert(c->state == WSCONN_OPEN);
    moved = ws_data_bytes(c->ws) - c->window_from;
    if (moved * 1000 < (uint64_t)c->net->rate_window_ms * NET_RATE_BYTES_A_SECOND &&
        !transport_take_throttled(c->transport)) {
        (void)err_set(&err, ERR_TOO_SLOW, "%u bytes of a message in %u ms", (unsigned)moved,
                      c->net->rate_window_ms);
        fail(c, &err);
        return;
    }
    c->message_ended = true; /* the next window */
    watch_rate(c);
}

/* The socket goes at once; the report and the counters stay for the owner. */
static void fail(struct wsconn *c, const struct err *err)
{
    c->err = *err;
    c->state = WSCONN_FAILED;
    (void)uv_timer_stop(&c->clock);
    transport_close(c->transport);
    c->transport = NULL;
    c->ops->on_closed(c->owner, &c->err); /* last: it may close */
}

static void on_closed(uv_handle_t *h)
{
    struct wsconn *c = h->data;

    assert(c->assembling == 0);
    free(c->path);
    free(c);
}
