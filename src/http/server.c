/* server: see server.h.  Reading order: opening, the pump, one connection's life, one request. */
#include "http/server.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "core/clock.h"
#include "core/list.h"
#include "core/log.h"
#include "core/metrics.h"

enum { SWEEP_MS = 250, CONNECTION_BYTES = 2 * SERVER_HEAD_BYTES_MAX, TOKEN_MAX = 512 };

/* One listener: libmicrohttpd's own epoll, and ours around it. */
struct front {
    struct server *server;
    struct MHD_Daemon *mhd;
    struct listen_address at; /* its port is the one in use */
    uv_poll_t poll;
    uv_timer_t timer; /* when libmicrohttpd wants to be called although nothing arrived */
    bool health_only;
    bool room; /* a connection has ended */
};

/* A connection, from accept to close. */
struct client {
    struct list link;
    struct MHD_Connection *connection;
    int64_t deadline_ms; /* of the state that it is in: head, answer, or the next head */
    unsigned requests;
};

/* An answer that is given to everybody who asks within a moment. */
struct kept {
    struct MHD_Response *response;
    unsigned status;
    int64_t until_ms;
};

enum route {
#define ROUTE(path, answer, type, open) ROUTE_##answer,
#include "http/routes.def"
    ROUTE__COUNT
};

struct server {
    const struct server_ops *ops;
    void *owner;
    char token[TOKEN_MAX];
    size_t token_n;
    struct front fronts[2]; /* the main one first */
    unsigned fronts_n;
    struct list clients;
    uv_timer_t sweep;
    struct kept kept[ROUTE__COUNT];
    int handles;
};

/* In the order in which they run. */
static int front_open(struct server *s, uv_loop_t *loop, const struct listen_address *at,
                      bool health_only, struct err *err);
static void on_readable(uv_poll_t *poll, int status, int events);
static void on_due(uv_timer_t *timer);
static void pump(struct front *f);
static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what);
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_n, void **request);
static void on_answered(void *cls, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode why);
static void on_sweep(uv_timer_t *timer);
static void on_complaint(void *cls, const char *fmt, va_list ap) PRINTF(2, 0);

struct server *server_open(uv_loop_t *loop, const struct server_options *options,
                           const struct server_ops *ops, void *owner, struct err *err)
{
    struct server *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    s->ops = ops;
    s->owner = owner;
    list_init(&s->clients);
    if (options->token != NULL) {
        s->token_n = strnlen(options->token, sizeof(s->token) - 1);
        memcpy(s->token, options->token, s->token_n);
    }
    (void)uv_timer_init(loop, &s->sweep);
    s->sweep.data = s;
    s->handles = 1;
    (void)uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)&s->sweep);
    if (front_open(s, loop, options->listen, false, err) < 0 ||
        (options->health != NULL && front_open(s, loop, options->health, true, err) < 0)) {
        server_close(s);
        return NULL;
    }
    return s;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t n = sizeof(at);

    if (getsockname(fd, &at.any, &n) < 0)
        return 0;
    if (at.any.sa_family == AF_INET)
        return ntohs(at.v4.sin_port);
    return at.any.sa_family == AF_INET6 ? ntohs(at.v6.sin6_port) : 0;
}

static int front_open(struct server *s, uv_loop_t *loop, const struct listen_address *at,
                      bool health_only, struct err *err)
{
    struct front *f = &s->fronts[s->fronts_n];
    int fd = listen_open(at, err);

    if (fd < 0)
        return -1;
    f->server = s;
    f->health_only = health_only;
    f->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, f, MHD_OPTION_EXTERNAL_LOGGER,
        on_complaint, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(health_only ? SERVER_HEALTH_CLIENTS_MAX : SERVER_CLIENTS_MAX),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(SERVER_IDLE_MS / 1000), MHD_OPTION_NOTIFY_CONNECTION, on_connection, f,
        MHD_OPTION_NOTIFY_COMPLETED, on_answered, NULL, MHD_OPTION_END);
    if (f->mhd == NULL) {
        (void)close(fd);
        return err_set(err, ERR_NOMEM, "the HTTP server could not be started");
    }
    f->at = *at;
    f->at.port = port_of(fd);
    s->fronts_n++;
    (void)uv_poll_init(loop, &f->poll,
                       MHD_get_daemon_info(f->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    (void)uv_timer_init(loop, &f->timer);
    f->poll.data = f->timer.data = f;
    s->handles += 2;
    (void)uv_poll_start(&f->poll, UV_READABLE, on_readable);
    uv_unref((uv_handle_t *)&f->poll);
    uv_unref((uv_handle_t *)&f->timer);
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;

    if (--s->handles == 0)
        free(s);
}

static void drop_kept(struct kept *k)
{
    if (k->response != NULL)
        MHD_destroy_response(k->response);
    k->response = NULL;
}

void server_close(struct server *s)
{
    for (unsigned i = 0; i < s->fronts_n; i++) {
        struct front *f = &s->fronts[i];
        f->poll.data = f->timer.data = s;
        (void)uv_poll_stop(&f->poll); /* before its descriptor goes */
        MHD_stop_daemon(f->mhd);
        if (f->at.unix_socket)
            (void)unlink(f->at.path);
        uv_close((uv_handle_t *)&f->poll, on_closed);
        uv_close((uv_handle_t *)&f->timer, on_closed);
    }
    for (int i = 0; i < ROUTE__COUNT; i++)
        drop_kept(&s->kept[i]);
    uv_close((uv_handle_t *)&s->sweep, on_closed);
}

uint16_t server_port(const struct server *s, bool health)
{
    return s->fronts[health ? 1 : 0].at.port;
}

/* The pump */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    pump(poll->data);
}

static void on_due(uv_timer_t *timer)
{
    pump(timer->data);
}

static void pump(struct front *f)
{
    MHD_UNSIGNED_LONG_LONG ms;

    /* At its limit libmicrohttpd stops to look at the listening socket, and only when it is called
     * again after a connection has ended it looks there again. */
    f->room = false;
    (void)MHD_run(f->mhd);
    if (f->room)
        (void)MHD_run(f->mhd);
    if (MHD_get_timeout(f->mhd, &ms) == MHD_YES) {
        (void)uv_timer_start(&f->timer, on_due, ms, 0);
        uv_unref((uv_handle_t *)&f->timer);
    } else {
        (void)uv_timer_stop(&f->timer);
    }
}

static void on_complaint(void *cls, const char *fmt, va_list ap)
{
    char text[256];

    (void)cls;
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http", "%s", text);
}

/* One connection */

static enum metric_listener listener(const struct front *f)
{
    return f->health_only ? METRIC_LISTENER_HEALTH : METRIC_LISTENER_MAIN;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct front *f = cls;
    struct client *c = *context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        c = calloc(1, sizeof(*c));
        if (c == NULL)
            abort();
        c->connection = connection;
        metrics.http_connections[listener(f)]++;
        c->deadline_ms = clock_mono_ms() + SERVER_HEAD_MS;
        list_add_tail(&f->server->clients, &c->link);
        *context = c;
    } else if (c != NULL) {
        f->room = true;
        metrics.http_connections[listener(f)]--;
        list_remove(&c->link);
        free(c);
        *context = NULL;
    }
}

static struct client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

/* libmicrohttpd knows inactivity only, and a client that sends a byte a second is never inactive.
 * The socket is shut down; it is closed where it is owned. */
static void on_sweep(uv_timer_t *timer)
{
    struct server *s = timer->data;
    int64_t now = clock_mono_ms();

    for (struct list *at = s->clients.next; at != &s->clients; at = at->next) {
        struct client *c = CONTAINER_OF(at, struct client, link);
        if (now < c->deadline_ms)
            continue;
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (info != NULL)
            (void)shutdown(info->connect_fd, SHUT_RDWR);
        c->deadline_ms = INT64_MAX;
    }
}

static void on_answered(void *cls, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode why)
{
    struct client *c = client_of(connection);

    (void)cls;
    (void)why;
    *request = NULL;
    if (c != NULL && c->deadline_ms != INT64_MAX)
        c->deadline_ms = clock_mono_ms() + SERVER_IDLE_MS;
}

/* One request */

static struct MHD_Response *make_response(char *text, const char *type)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);

    if (r == NULL)
        abort();
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    (void)MHD_add_response_header(r, "Content-Security-Policy",
                                  "default-src 'none'; style-src 'unsafe-inline'; "
                                  "frame-ancestors 'none'");
    return r;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *text, const char *header, const char *value)
{
    char *copy = strdup(text);

    if (copy == NULL)
        abort();
    struct MHD_Response *r = make_response(copy, "text/plain; charset=utf-8");
    if (header != NULL)
        (void)MHD_add_response_header(r, header, value);
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result rc = MHD_queue_response(connection, status, r);
    MHD_destroy_response(r);
    return rc;
}

/* Time tells nothing about where the first difference is. */
static bool token_is(const struct server *s, const char *header)
{
    static const char scheme[] = "Bearer ";
    unsigned char different = 0;

    if (header == NULL || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
        return false;
    header += sizeof(scheme) - 1;
    size_t n = strlen(header);
    for (size_t i = 0; i < s->token_n; i++)
        different |= (unsigned char)((i < n ? header[i] : '\0') ^ s->token[i]);
    return different == 0 && n == s->token_n;
}

static char *one_line(bool good, const char *why)
{
    size_t n = strlen(why) + 8;
    char *text = malloc(n);

    if (text == NULL)
        abort();
    (void)snprintf(text, n, "%s\n", good ? "ok" : why);
    return text;
}

static char *make_text(const struct server *s, enum route route, unsigned *status)
{
    char why[SERVER_WHY_MAX] = "";
    bool good = true;

    switch (route) {
    case ROUTE_page:
        return s->ops->page(s->owner);
    case ROUTE_metrics:
        return s->ops->metrics(s->owner);
    case ROUTE_status:
        return s->ops->status(s->owner);
    case ROUTE_ready:
        good = s->ops->ready(s->owner, why);
        break;
    case ROUTE_healthy:
        good = s->ops->healthy(s->owner, why);
        break;
    case ROUTE__COUNT:
        abort();
    }
    *status = good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    return one_line(good, why);
}

static enum MHD_Result answer_route(struct server *s, struct MHD_Connection *connection,
                                    enum route route, const char *type, bool last)
{
    struct kept *k = &s->kept[route];
    int64_t now = clock_mono_ms();

    if (k->response == NULL || now >= k->until_ms || last) {
        drop_kept(k);
        k->status = MHD_HTTP_OK;
        k->response = make_response(make_text(s, route, &k->status), type);
        k->until_ms = now + SERVER_KEEP_MS;
        if (last)
            (void)MHD_add_response_header(k->response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    enum MHD_Result rc = MHD_queue_response(connection, k->status, k->response);
    if (last) /* the connection has had its share: this answer ends it, the next makes another */
        drop_kept(k);
    return rc;
}

/* No route of ours takes a body: who sends one gets its answer before it is read, and the
 * connection ends (so nothing of it can be taken for a second request). */
static bool has_body(struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL ||
           (length != NULL && strcmp(length, "0") != 0);
}

static enum MHD_Result route_to(struct front *f, struct MHD_Connection *connection, const char *url,
                                bool last)
{
    static const struct {
        const char *path, *type;
        bool open;
    } routes[] = {
#define ROUTE(path, answer, type, open) {path, type, open},
#include "http/routes.def"
    };
    struct server *s = f->server;

    for (int i = 0; i < ROUTE__COUNT; i++) {
        if (strcmp(url, routes[i].path) != 0 || (f->health_only && i != ROUTE_healthy))
            continue;
        if (!routes[i].open && s->token_n > 0 &&
            !token_is(s, MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_AUTHORIZATION)))
            return answer_text(connection, MHD_HTTP_UNAUTHORIZED, "a bearer token is needed\n",
                               MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
        return answer_route(s, connection, (enum route)i, routes[i].type, last);
    }
    return answer_text(connection, MHD_HTTP_NOT_FOUND,
                       f->health_only ? "only /health is here\n"
                                      : "here are /, /metrics, /status, /ready and /health\n",
                       NULL, NULL);
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are the library's */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_n, void **request)
{
    struct front *f = cls;
    struct client *c = client_of(connection);

    (void)version;
    (void)body;
    if (*request == NULL) { /* the head is complete, a body is not read yet */
        *request = f;
        if (c != NULL) {
            c->deadline_ms = clock_mono_ms() + SERVER_ANSWER_MS;
            c->requests++;
        }
        if (has_body(connection))
            return answer_text(connection, MHD_HTTP_CONTENT_TOO_LARGE,
                               "a body is not expected here\n", NULL, NULL);
        return MHD_YES;
    }
    *body_n = 0;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n",
                           MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    return route_to(f, connection, url, c != NULL && c->requests >= SERVER_REQUESTS_MAX);
}
