/* One GET with limits.  See http_get.h. */
#include "net/http_get.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "net/http1.h"
#include "net/net_shared.h"

enum { REQUEST_MAX = 4096, CONDITION_MAX = 256 };

enum state { OPEN, DONE, FAILED, CLOSED };

struct http_get {
    struct net *net;
    struct http_get_ops ops;
    void *owner;
    enum state state;
    uv_timer_t deadline;
    struct transport *transport; /* while OPEN */
    struct http1 *answer;
    struct http_url url;
    unsigned redirects;
    char accept[CONDITION_MAX], if_none_match[CONDITION_MAX],
        if_modified_since[CONDITION_MAX]; /* "": none */
    size_t body_bytes_max;
    bool wanted;
    enum network via;
    struct tls_peer *peer; /* the owner's; NULL after the first connection */
    struct http_get_result result;
};

static const char *const wanted[] = {"location",
                                     "content-encoding",
                                     "content-type",
                                     "etag",
                                     "last-modified",
                                     "server",
                                     "access-control-allow-origin",
                                     "access-control-allow-headers",
                                     "access-control-allow-methods",
                                     NULL};

static void on_deadline(uv_timer_t *timer);
static void on_timer_closed(uv_handle_t *handle);
static void on_ready(void *owner);
static void on_bytes(void *owner, struct str bytes);
static void on_drained(void *owner);
static void on_failed(void *owner, const struct err *why);

/* ---- opening ----------------------------------------------------------------- */

static void connect_to(struct http_get *g)
{
    static const struct stream_ops ops = {on_ready, on_bytes, on_drained, on_failed};
    const struct http1_options http = {.wanted = wanted, .body_bytes_max = g->body_bytes_max};
    bool exit = g->url.network == NETWORK_CLEARNET && g->via != NETWORK_CLEARNET;
    const struct dial_target target = {.network = exit ? g->via : g->url.network,
                                       .exit = exit,
                                       .host = g->url.host,
                                       .port = g->url.port,
                                       .wanted = g->wanted};

    g->answer = http1_new(&http);
    g->transport = transport_open(g->net, &target,
                                  !g->url.tls       ? TRANSPORT_PLAIN
                                  : g->peer != NULL ? TRANSPORT_TLS_FRESH
                                                    : TRANSPORT_TLS,
                                  &ops, g);
}

struct http_get *http_get_open(struct net *net, const struct http_get_options *options,
                               const struct http_get_ops *ops, void *owner)
{
    struct http_get *g = calloc(1, sizeof(*g));

    if (g == NULL)
        abort();
    g->net = net;
    g->ops = *ops;
    g->owner = owner;
    g->url = *options->url;
    g->body_bytes_max = options->body_bytes_max;
    g->peer = options->peer;
    g->wanted = options->wanted;
    g->via = options->via;
    str_copy(g->accept, sizeof(g->accept), str_z(options->accept));
    /* A condition that does not fit is left out: the answer is then the whole document. */
    if (!str_copy(g->if_none_match, sizeof(g->if_none_match), str_z(options->if_none_match)))
        g->if_none_match[0] = '\0';
    if (!str_copy(g->if_modified_since, sizeof(g->if_modified_since),
                  str_z(options->if_modified_since)))
        g->if_modified_since[0] = '\0';
    uv_timer_init(net->loop, &g->deadline);
    uv_timer_start(&g->deadline, on_deadline, options->timeout_ms, 0);
    connect_to(g);
    return g;
}

/* ---- ending -------------------------------------------------------------------- */

/* The only place where OPEN is left. */
static void leave(struct http_get *g, enum state state)
{
    assert(g->state == OPEN && state != OPEN);
    g->state = state;
    uv_timer_stop(&g->deadline);
    transport_close(g->transport);
    g->transport = NULL;
}

static void fail(struct http_get *g, const struct err *err)
{
    struct err copy = *err; /* *err may be the transport's */

    leave(g, FAILED);
    g->ops.on_failed(g->owner, &copy); /* last: the owner may close in here */
}

static void finish(struct http_get *g)
{
    const struct http1 *a = g->answer;

    g->result = (struct http_get_result){
        .status = http1_status(a),
        .body = http1_body(a),
        .content_type = http1_header(a, "content-type"),
        .etag = http1_header(a, "etag"),
        .last_modified = http1_header(a, "last-modified"),
        .server = http1_header(a, "server"),
        .cors = http1_header_count(a, "access-control-allow-origin") > 0 &&
                http1_header_count(a, "access-control-allow-headers") > 0 &&
                http1_header_count(a, "access-control-allow-methods") > 0,
        .url = g->url,
        .redirects = g->redirects,
    };
    transport_report(g->transport, &g->result.report);
    leave(g, DONE);
    g->ops.on_done(g->owner, &g->result);
}

void http_get_close(struct http_get *g)
{
    assert(g->state != CLOSED);
    if (g->state == OPEN)
        leave(g, CLOSED);
    g->state = CLOSED;
    g->deadline.data = g;
    uv_close((uv_handle_t *)&g->deadline, on_timer_closed);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct http_get *g = handle->data;

    http1_free(g->answer);
    free(g);
}

/* What is told of a peer is told of the first, whom we meant. */
static void take_peer(struct http_get *g)
{
    const struct tls_peer *peer = transport_tls_peer(g->transport);

    if (g->peer != NULL && peer != NULL)
        *g->peer = *peer;
    g->peer = NULL;
}

/* ---- the conversation ------------------------------------------------------------- */

static int make_request(const struct http_get *g, struct buf *to, struct err *err)
{
    struct http1_header headers[6] = {
        {STR("User-Agent"), str_z(g->net->user_agent)},
        {STR("Accept"), g->accept[0] != '\0' ? str_z(g->accept) : STR("*/*")},
        {STR("Accept-Encoding"), STR("identity")},
        {STR("Connection"), STR("close")},
    };
    size_t count = 4;

    if (g->if_none_match[0] != '\0')
        headers[count++] = (struct http1_header){STR("If-None-Match"), str_z(g->if_none_match)};
    if (g->if_modified_since[0] != '\0')
        headers[count++] =
            (struct http1_header){STR("If-Modified-Since"), str_z(g->if_modified_since)};
    const struct http1_request request = {
        .tls = g->url.tls,
        .host = str_z(g->url.host),
        .port = g->url.port,
        .path = str_z(g->url.path),
        .headers = headers,
        .headers_count = count,
    };
    return http1_request(to, &request, err);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int redirect(struct http_get *g, struct err *err)
{
    if (g->redirects == HTTP_GET_REDIRECTS_MAX)
        return err_set(err, ERR_HTTP_STATUS, "more than %d redirects", HTTP_GET_REDIRECTS_MAX);
    if (http1_header_count(g->answer, "location") != 1)
        return err_set(err, ERR_HTTP_PROTOCOL, "status %d without one Location",
                       http1_status(g->answer));
    if (http_url_redirect(&g->url, &g->url, http1_header(g->answer, "location"), err) != 0)
        return -1;
    g->redirects++;
    transport_close(g->transport);
    http1_free(g->answer);
    connect_to(g);
    return 0;
}

/* The head is complete, or the whole answer is. */
static int look_at_answer(struct http_get *g, enum http1_progress progress, struct err *err)
{
    struct str encoding = http1_header(g->answer, "content-encoding");
    char shown[32];

    if (progress == HTTP1_FAILED)
        return -1;
    if (!http1_head_done(g->answer))
        return 0;
    if (is_redirect(http1_status(g->answer)))
        return redirect(g, err); /* without waiting for its body */
    if (encoding.n > 0 && !str_eq_nocase(encoding, STR("identity")))
        return err_set(err, ERR_HTTP_PROTOCOL, "compressed (%s), which was not asked for",
                       str_escape(shown, sizeof(shown), encoding));
    return progress == HTTP1_DONE ? 1 : 0;
}

static void go_on(struct http_get *g, enum http1_progress progress, struct err *err)
{
    int r = look_at_answer(g, progress, err);

    if (r < 0)
        fail(g, err);
    else if (r > 0)
        finish(g);
}

/* ---- callbacks ---------------------------------------------------------------------- */

static void on_ready(void *owner)
{
    struct http_get *g = owner;
    struct buf request;
    struct err err;

    take_peer(g);
    buf_init(&request, REQUEST_MAX);
    if (make_request(g, &request, &err) != 0)
        fail(g, &err);
    else
        transport_write(g->transport, buf_str(&request));
    buf_done(&request);
}

static void on_bytes(void *owner, struct str bytes)
{
    struct http_get *g = owner;
    struct err err;
    size_t used; /* what follows the answer is not read */

    go_on(g, http1_feed(g->answer, bytes, &used, &err), &err);
}

static void on_drained(void *owner)
{
    (void)owner; /* a request is written once */
}

static void on_failed(void *owner, const struct err *why)
{
    struct http_get *g = owner;
    struct err err = *why;

    take_peer(g);
    /* An answer without a length ends with the connection; one that has begun and is not complete
     * is broken. */
    if (why->code == ERR_DISCONNECTED && http1_head_done(g->answer))
        go_on(g, http1_feed_eof(g->answer, &err), &err);
    else
        fail(g, &err);
}

static void on_deadline(uv_timer_t *timer)
{
    struct http_get *g = CONTAINER_OF(timer, struct http_get, deadline);
    struct err err;

    err_set(&err, ERR_TIMEOUT, "%s",
            g->redirects > 0 ? "after a redirect" : "no whole answer in time");
    fail(g, &err);
}
