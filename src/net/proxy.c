/* Proxy: probing, on a timer, one candidate after the other. */
#include "net/proxy.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void begin_round(struct proxy *p);
static void try_candidate(struct proxy *p);
static void try_connect(struct proxy *p);
static void candidate_failed(struct proxy *p);
static void probe_ended(struct proxy *p, enum net_proxy_state state);
static void wake_waiters(struct proxy *p);
static void drop_socket(struct proxy *p);
static void on_timer(uv_timer_t *h);
static void on_resolved(void *owner, const struct dns_answer *answer, const struct err *err);
static void on_poll(uv_poll_t *h, int status, int events);
static void on_closed(uv_handle_t *h);

static int parse_candidate(struct proxy_candidate *c, struct str text, struct err *err)
{
    char shown[64];
    uint64_t port;
    struct str host = {text.p, 0}, digits = {NULL, 0};

    for (size_t i = 0; i < text.n; i++) /* the last colon: an IPv6 address has more */
        if (text.p[i] == ':') {
            host.n = i;
            digits = (struct str){text.p + i + 1, text.n - i - 1};
        }
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (struct str){host.p + 1, host.n - 2};
    if (host.n == 0 || !str_copy(c->host, sizeof(c->host), host) || !str_u64(digits, &port) ||
        port == 0 || port > 65535)
        return err_set(err, ERR_CONFIG, "\"%s\" is not host:port, auto or none",
                       str_escape(shown, sizeof(shown), text));
    if (network_is_overlay_name(host))
        return err_set(err, ERR_CONFIG,
                       "\"%s\" is a name inside of the network that the proxy leads to",
                       str_escape(shown, sizeof(shown), host));
    c->port = (uint16_t)port;
    return 0;
}

static bool is_none(const char *setting)
{
    return setting == NULL || setting[0] == '\0' || strcmp(setting, "none") == 0;
}

int proxy_check(const char *setting, bool auto_allowed, struct err *err)
{
    struct proxy_candidate ignored;

    if (is_none(setting))
        return 0;
    if (strcmp(setting, "auto") == 0)
        return auto_allowed
                   ? 0
                   : err_set(err, ERR_CONFIG, "auto is for Tor only: name the proxy as host:port");
    return parse_candidate(&ignored, str_z(setting), err);
}

void proxy_open(struct proxy *p, struct net *net, uv_loop_t *loop, struct dns *dns,
                const char *setting, void (*on_up)(struct proxy *proxy))
{
    struct err ignored;

    memset(p, 0, sizeof(*p));
    p->net = net;
    p->loop = loop;
    p->dns = dns;
    p->on_up = on_up;
    p->fd = -1;
    p->probe_every_ms = PROXY_PROBE_EVERY_MS;
    p->automatic = setting != NULL && strcmp(setting, "auto") == 0;
    list_init(&p->waiters);
    (void)uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    /* Looking for a proxy keeps no loop alive; a dial that waits for it has a clock. */
    uv_unref((uv_handle_t *)&p->timer);
    p->open_handles = 1;
    p->state = NET_PROXY_UNKNOWN;
    if (p->automatic) {
        p->candidates[0] = (struct proxy_candidate){"127.0.0.1", 9050};
        p->candidates[1] = (struct proxy_candidate){"127.0.0.1", 9150};
        p->candidate_count = 2;
    } else if (!is_none(setting) &&
               parse_candidate(&p->candidates[0], str_z(setting), &ignored) == 0) {
        p->candidate_count = 1;
    } else {
        p->state = NET_PROXY_NONE;
        return;
    }
    (void)uv_timer_start(&p->timer, on_timer, 0, 0);
}

void proxy_close(struct proxy *p, void (*on_released)(struct proxy *proxy))
{
    assert(!p->closed);
    p->closed = true;
    p->on_released = on_released;
    drop_socket(p);
    wake_waiters(p); /* SIGHUP with another address: they ask for the new one */
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

void proxy_failed(struct proxy *p)
{
    if (p->state != NET_PROXY_UP)
        return;
    p->state = NET_PROXY_DOWN;
    (void)uv_timer_start(&p->timer, on_timer, 1, 0);
}

void proxy_wait(struct proxy *p, struct proxy_waiter *waiter)
{
    assert(p->state == NET_PROXY_UNKNOWN);
    list_add_tail(&p->waiters, &waiter->link);
}

void proxy_unwait(struct proxy_waiter *waiter)
{
    list_remove(&waiter->link);
}

static void begin_round(struct proxy *p)
{
    p->probing = true;
    p->candidate = 0;
    try_candidate(p);
}

static void try_candidate(struct proxy *p)
{
    const struct proxy_candidate *c = &p->candidates[p->candidate];

    (void)uv_timer_start(&p->timer, on_timer, PROXY_PROBE_TIMEOUT_MS, 0);
    if (strcmp(c->host, "localhost") == 0)
        (void)ip_parse(&p->trying, STR("127.0.0.1"));
    else if (!ip_parse(&p->trying, str_z(c->host))) {
        p->query = dns_lookup(p->dns, str_z(c->host), on_resolved, p);
        return;
    }
    try_connect(p);
}

static void try_connect(struct proxy *p)
{
    struct sockaddr_storage sa;
    socklen_t n = ip_to_sockaddr(&p->trying, p->candidates[p->candidate].port, &sa);

    p->fd = socket(p->trying.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || (connect(p->fd, (struct sockaddr *)&sa, n) != 0 && errno != EINPROGRESS) ||
        uv_poll_init(p->loop, &p->poll, p->fd) != 0) {
        candidate_failed(p);
        return;
    }
    p->poll.data = p;
    p->poll_open = true;
    p->open_handles++;
    uv_unref((uv_handle_t *)&p->poll);
    socks5_init_probe(&p->socks5);
    (void)uv_poll_start(&p->poll, UV_WRITABLE, on_poll);
}

static void candidate_failed(struct proxy *p)
{
    drop_socket(p);
    p->candidate++;
    if (p->candidate < p->candidate_count)
        (void)uv_timer_start(&p->timer, on_timer, 1,
                             0); /* in a later turn: the old handle must be closed */
    else if (p->automatic && p->state != NET_PROXY_DOWN)
        probe_ended(p, NET_PROXY_NONE);
    else
        probe_ended(p, NET_PROXY_DOWN);
}

static void probe_ended(struct proxy *p, enum net_proxy_state state)
{
    drop_socket(p);
    p->probing = false;
    p->state = state;
    if (state == NET_PROXY_UP) {
        const struct proxy_candidate *c = &p->candidates[p->candidate];

        p->ip = p->trying;
        (void)snprintf(p->text, sizeof(p->text), strchr(c->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
                       c->host, c->port);
        (void)uv_timer_stop(&p->timer);
    } else {
        p->text[0] = '\0';
        (void)uv_timer_start(&p->timer, on_timer, p->probe_every_ms, 0);
    }
    wake_waiters(p);
    if (state == NET_PROXY_UP)
        p->on_up(p);
}

static void wake_waiters(struct proxy *p)
{
    struct list *l;

    while ((l = list_take_first(&p->waiters)) != NULL) {
        struct proxy_waiter *w = CONTAINER_OF(l, struct proxy_waiter, link);

        w->known(w);
    }
}

static void drop_socket(struct proxy *p)
{
    if (p->query != NULL)
        dns_cancel(p->query);
    p->query = NULL;
    if (p->poll_open)
        uv_close((uv_handle_t *)&p->poll, on_closed);
    p->poll_open = false;
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
}

/* The greeting fits into any socket's buffer, the answer has two bytes: one try each is enough. */
static void talk(struct proxy *p)
{
    struct str out = socks5_output(&p->socks5);
    char in[8];
    struct err err;

    if (out.n > 0) {
        if (send(p->fd, out.p, out.n, MSG_NOSIGNAL) != (ssize_t)out.n) {
            candidate_failed(p);
            return;
        }
        socks5_sent(&p->socks5, out.n);
        (void)uv_poll_start(&p->poll, UV_READABLE, on_poll);
        return;
    }

    ssize_t n = recv(p->fd, in, socks5_wants(&p->socks5), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        candidate_failed(p);
        return;
    }
    switch (socks5_feed(&p->socks5, (struct str){in, (size_t)n}, &err)) {
    case SOCKS5_MORE:
        break;
    case SOCKS5_OK:
        probe_ended(p, NET_PROXY_UP);
        break;
    case SOCKS5_ERROR:
        candidate_failed(p);
        break;
    }
}

/* Time for the next round, for the next candidate, or the end of this candidate's time. */
static void on_timer(uv_timer_t *h)
{
    struct proxy *p = h->data;

    if (!p->probing)
        begin_round(p);
    else if (p->fd < 0 && p->query == NULL)
        try_candidate(p);
    else
        candidate_failed(p);
}

static void on_resolved(void *owner, const struct dns_answer *answer, const struct err *err)
{
    struct proxy *p = owner;

    (void)err;
    p->query = NULL;
    if (answer == NULL) {
        candidate_failed(p);
        return;
    }
    p->trying = answer->ips[0];
    for (int i = 0; i < answer->count;
         i++) /* a container's name may have both; IPv4 is the one that listens */
        if (answer->ips[i].family == AF_INET)
            p->trying = answer->ips[i];
    try_connect(p);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct proxy *p = h->data;

    (void)events;
    if (status < 0)
        candidate_failed(p);
    else
        talk(p);
}

static void on_closed(uv_handle_t *h)
{
    struct proxy *p = h->data;

    p->open_handles--;
    if (p->closed && p->open_handles == 0)
        p->on_released(p);
}
