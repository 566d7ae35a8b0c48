/* Dial: one step function that reads from top to bottom; below the marked line nothing is decided.
 */
#include "net/dial.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "net/connect_error.h"
#include "net/net_shared.h"

/* For so long after it has served one relay a proxy is taken to be well. */
enum { PROXY_SERVES_MS = 5 * 60 * 1000 };

enum dial_state {
    DIAL_START,
    DIAL_RESOLVING,
    DIAL_CONNECTING,
    DIAL_PROXY_WAIT,
    DIAL_PROXY_CONNECTING,
    DIAL_PROXY_TALKING,
    DIAL_READY,
    DIAL_FAILED,
    DIAL_CLOSED
};

enum dial_event {
    EV_CLOCK,   /* the first turn, the step's deadline, or the proxy is known */
    EV_STAGGER, /* time for the next address */
    EV_DNS,     /* answer in candidates[], or err */
    EV_SOCKET,  /* attempt `at` is connected, readable, writable or broken */
};

struct attempt {
    uv_poll_t poll;
    struct addr_place *place;
    int fd;
    bool open; /* poll is */
};

struct dial {
    enum dial_state state;
    int pending; /* handles not yet closed; CLOSED and 0: free */
    struct err err;
    const struct dial_ops *ops;
    void *owner;
    struct net *net;

    enum network network;
    char host[256];
    uint16_t port;
    bool exit, wanted;
    struct dial_report report;
    uint64_t began_ns; /* the step that runs */

    uv_timer_t clock, stagger;
    struct dns_query *query;
    struct proxy_waiter waiter;
    struct socks5 socks5;

    struct ip candidates[DIAL_ADDRESSES_MAX];
    int candidate_count, tried; /* attempts[0..tried) have been begun */
    struct attempt attempts[DIAL_ADDRESSES_MAX];
    int at;                   /* of EV_SOCKET */
    int winner;               /* its fd is handed over */
    struct addr_place *place; /* of the winner */
    bool passed_over;         /* an address that had no place for us */
};

static void dial_run(struct dial *d, enum dial_event event);
static enum dial_state dial_step(struct dial *d, enum dial_event event);
static enum dial_state start(struct dial *d);
static enum dial_state resolved(struct dial *d);
static enum dial_state try_next(struct dial *d);
static enum dial_state attempt_ended(struct dial *d);
static enum dial_state start_proxy(struct dial *d);
static enum dial_state proxy_connected(struct dial *d);
static enum dial_state proxy_talk(struct dial *d);
static enum dial_state ready(struct dial *d, int winner);
static enum dial_state fail(struct dial *d, enum err_code code, const char *text);
static enum dial_state fail_proxy(struct dial *d);
static void note_connect_error(struct dial *d, const struct ip *ip, int error, bool at_once);
static void note_busy(struct dial *d);
static void leave_place(struct dial *d, struct addr_place **place);
static bool attempt_open(struct dial *d, int i, const struct ip *ip, uint16_t port);
static void attempt_close(struct dial *d, int i);
static void stop_all(struct dial *d);
static void on_clock(uv_timer_t *h);
static void on_stagger(uv_timer_t *h);
static void on_resolved(void *owner, const struct dns_answer *answer, const struct err *err);
static void on_proxy_known(struct proxy_waiter *w);
static void on_poll(uv_poll_t *h, int status, int events);
static void on_closed(uv_handle_t *h);

struct dial *dial_open(struct net *net, const struct dial_target *target,
                       const struct dial_ops *ops, void *owner)
{
    struct dial *d = calloc(1, sizeof(*d));

    if (d == NULL)
        abort();
    assert(target->host != NULL && strlen(target->host) < sizeof(d->host));
    d->net = net;
    d->ops = ops;
    d->owner = owner;
    d->network = target->network;
    d->port = target->port;
    d->exit = target->exit;
    d->wanted = target->wanted;
    memcpy(d->host, target->host, strlen(target->host) + 1);
    d->report.dns_us = d->report.tcp_us = d->report.proxy_us = -1;
    d->winner = -1;
    for (int i = 0; i < DIAL_ADDRESSES_MAX; i++)
        d->attempts[i].fd = -1;
    list_init(&d->waiter.link);
    d->waiter.known = on_proxy_known;
    (void)uv_timer_init(net->loop, &d->clock);
    (void)uv_timer_init(net->loop, &d->stagger);
    d->clock.data = d->stagger.data = d;
    d->pending = 2;
    (void)uv_timer_start(&d->clock, on_clock, 0, 0);
    return d;
}

void dial_close(struct dial *d)
{
    assert(d->state != DIAL_CLOSED);
    stop_all(d);
    leave_place(d, &d->place);
    d->state = DIAL_CLOSED;
    uv_close((uv_handle_t *)&d->clock, on_closed);
    uv_close((uv_handle_t *)&d->stagger, on_closed);
}

const struct dial_report *dial_report(const struct dial *d)
{
    return &d->report;
}

struct addr_place *dial_take_place(struct dial *d)
{
    struct addr_place *place = d->place;

    d->place = NULL;
    return place;
}

/* The only place where state changes, and the only guard against an event that comes too late. */
static void dial_run(struct dial *d, enum dial_event event)
{
    if (d->state == DIAL_CLOSED || d->state == DIAL_READY || d->state == DIAL_FAILED)
        return;
    d->state = dial_step(d, event);

    /* Last: an owner may dial_close() in here. */
    if (d->state == DIAL_READY)
        d->ops->on_connected(d->owner, d->winner);
    else if (d->state == DIAL_FAILED)
        d->ops->on_failed(d->owner, &d->err);
}

/* Read from top to bottom: this is the life of a dial. */
static enum dial_state dial_step(struct dial *d, enum dial_event event)
{
    switch (d->state) {
    case DIAL_START:
        return d->network == NETWORK_CLEARNET ? start(d) : start_proxy(d);

    case DIAL_RESOLVING: /* the resolver has a deadline of its own */
        return event == EV_DNS ? resolved(d) : d->state;

    case DIAL_CONNECTING:
        if (event == EV_CLOCK)
            return fail(d, ERR_CONNECT_TIMEOUT, d->report.address);
        return event == EV_STAGGER ? try_next(d) : attempt_ended(d);

    case DIAL_PROXY_WAIT:
        if (!list_empty(&d->waiter.link))
            return fail(d, ERR_PROXY_DOWN, "it is not known in time whether it is there");
        return start_proxy(d);

    case DIAL_PROXY_CONNECTING:
        if (event == EV_CLOCK) {
            (void)err_set(&d->err, ERR_PROXY_DOWN, "it does not accept the connection in time");
            return fail_proxy(d);
        }
        return proxy_connected(d);

    case DIAL_PROXY_TALKING:
        if (event == EV_CLOCK && socks5_asked(&d->socks5)) {
            (void)err_set(&d->err, ERR_CONNECT_TIMEOUT, "the proxy found no way in time");
            return fail_proxy(d);
        }
        if (event == EV_CLOCK) {
            (void)err_set(&d->err, ERR_PROXY_DOWN, "it does not answer in time");
            return fail_proxy(d);
        }
        return proxy_talk(d);

    case DIAL_READY:
    case DIAL_FAILED:
    case DIAL_CLOSED:
        break;
    }
    return d->state;
}

static int64_t step_us(struct dial *d)
{
    uint64_t now = uv_hrtime();
    int64_t us = (int64_t)((now - d->began_ns) / 1000);

    d->began_ns = now;
    return us;
}

/* -- clearnet -- */

/* A person may have denied it since the name was resolved. */
static bool is_denied(const struct dial *d, const struct ip *ip)
{
    return !d->wanted && net_denies(d->net, ip);
}

static enum dial_state start(struct dial *d)
{
    struct str host = str_z(d->host);
    const char *why = addr_policy_port(d->port);

    d->began_ns = uv_hrtime();
    if (why != NULL)
        return fail(d, ERR_ADDRESS_DENIED, why);
    if (ip_parse(&d->candidates[0], host)) {
        d->candidate_count = 1;
        why = addr_policy_ip(net_policy(d->net), &d->candidates[0], d->port);
        if (why != NULL)
            return fail(d, ERR_ADDRESS_DENIED, why);
        return try_next(d);
    }
    why = addr_policy_name(host);
    if (why != NULL)
        return fail(d, ERR_ADDRESS_DENIED, why);
    d->query = dns_lookup(d->net->dns, host, on_resolved, d);
    return DIAL_RESOLVING;
}

static enum dial_state resolved(struct dial *d)
{
    d->report.dns_us = step_us(d);
    if (d->candidate_count > 0)
        return try_next(d);
    stop_all(d);
    return DIAL_FAILED; /* on_resolved has said why */
}

/* IPv6 first, then in turn (RFC 8305, 4).  One address that the policy refuses condemns the name:
 * somebody who mixes private addresses into public ones tries to have us dial them. */
static void choose_candidates(struct dial *d, const struct dns_answer *answer)
{
    const struct addr_policy *policy = net_policy(d->net);
    struct ip good[2 * DNS_ADDRESSES_MAX];
    int good_count = 0, refused = 0;
    const char *why = NULL;

    for (int i = 0; i < answer->count; i++) {
        const char *denied = addr_policy_ip(policy, &answer->ips[i], d->port);

        if (denied == NULL) {
            good[good_count++] = answer->ips[i];
        } else {
            refused++;
            why = denied;
        }
    }
    if (refused > 0) {
        d->report.mixed_private = good_count > 0;
        (void)err_set(&d->err, ERR_ADDRESS_DENIED, "%s: %s%s", d->host, why,
                      good_count > 0 ? ", beside public addresses" : "");
        return;
    }
    for (int i = 0; i < good_count; i++)
        if (is_denied(d, &good[i])) {
            (void)err_set(&d->err, ERR_DENIED, "%s", d->host);
            return;
        }

    int next[2] = {0, 0}; /* of IPv6, of IPv4 */

    for (int turn = 0; d->candidate_count < DIAL_ADDRESSES_MAX; turn++) {
        int want = turn % 2 == 0 ? AF_INET6 : AF_INET, *i = &next[turn % 2];

        while (*i < good_count && good[*i].family != want)
            (*i)++;
        if (*i < good_count)
            d->candidates[d->candidate_count++] = good[(*i)++];
        else if (next[0] >= good_count && next[1] >= good_count)
            break;
    }
}

static bool take_place(struct dial *d, int i)
{
    struct ip reached = addr_policy_reached(&d->net->policy, &d->candidates[i]);

    d->attempts[i].place = addr_places_take(d->net->places, &reached, clock_mono_ms());
    d->passed_over = d->passed_over || d->attempts[i].place == NULL;
    return d->attempts[i].place != NULL;
}

/* Begins the next address; those that fail on the spot, or have no place, are passed over. */
static enum dial_state try_next(struct dial *d)
{
    if (d->tried == 0)
        (void)uv_timer_start(&d->clock, on_clock, d->net->connect_timeout_ms, 0);
    while (d->tried < d->candidate_count) {
        int i = d->tried++;
        char text[IP_TEXT_MAX];

        if (is_denied(d, &d->candidates[i]))
            return fail(d, ERR_DENIED, ip_text(&d->candidates[i], text));
        if (!take_place(d, i))
            continue;
        (void)str_copy(d->report.address, sizeof(d->report.address),
                       str_z(ip_text(&d->candidates[i], text)));
        if (attempt_open(d, i, &d->candidates[i], d->port)) {
            if (d->tried < d->candidate_count)
                (void)uv_timer_start(&d->stagger, on_stagger, DIAL_STAGGER_MS, 0);
            return DIAL_CONNECTING;
        }
        note_connect_error(d, &d->candidates[i], errno, true);
    }
    for (int i = 0; i < d->tried; i++)
        if (d->attempts[i].open)
            return DIAL_CONNECTING;
    d->report.tcp_us = step_us(d);
    note_busy(d);
    stop_all(d);
    return DIAL_FAILED;
}

/* Of an address that was not tried nothing is known, so the name has not failed. */
static void note_busy(struct dial *d)
{
    char text[IP_TEXT_MAX];

    if (!d->passed_over)
        return;
    d->report.tcp_us = -1;
    d->report.wait_ms = net_places_wait(d->net, d->candidates, d->candidate_count);
    (void)err_set(&d->err, ERR_ADDRESS_BUSY, "%s", ip_text(&d->candidates[0], text));
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t n = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        return errno;
    return error;
}

static enum dial_state attempt_ended(struct dial *d)
{
    int i = d->at, error = socket_error(d->attempts[i].fd);
    struct sockaddr_storage peer;
    socklen_t n = sizeof(peer);
    struct ip ip;

    if (error == 0 && getpeername(d->attempts[i].fd, (struct sockaddr *)&peer, &n) != 0)
        error = errno;
    if (error != 0) {
        attempt_close(d, i);
        note_connect_error(d, &d->candidates[i], error, false);
        return try_next(d);
    }
    /* What connect() was told and what it reached cannot differ; if they ever do, nothing is said
     * to it. */
    if (!ip_from_sockaddr(&ip, (struct sockaddr *)&peer) ||
        addr_policy_ip(&d->net->policy, &ip, d->port) != NULL)
        return fail(d, ERR_ADDRESS_DENIED, "the socket is connected to a refused address");
    if (is_denied(d, &ip)) /* since it was begun */
        return fail(d, ERR_DENIED, d->report.address);
    (void)ip_text(&ip, d->report.address);
    d->report.tcp_us = step_us(d);
    return ready(d, i);
}

/* Of several failures the most telling one is kept. */
static void note_connect_error(struct dial *d, const struct ip *ip, int error, bool at_once)
{
    enum err_code code = connect_error(error, ip->family, at_once);
    char text[IP_TEXT_MAX];

    if (connect_error_tells_more(code, d->err.code))
        (void)err_set(&d->err, code, "%s: %s", ip_text(ip, text), strerror(error));
}

/* -- through a proxy -- */

static enum dial_state start_proxy(struct dial *d)
{
    struct proxy *p = d->net->proxies[d->network];
    char password[SOCKS5_PASSWORD_SIZE];

    if (d->began_ns == 0)
        d->began_ns = uv_hrtime();
    const char *why =
        addr_policy_behind_proxy(net_policy(d->net), d->network, d->exit, str_z(d->host), d->port);
    if (why != NULL)
        return fail(d, ERR_ADDRESS_DENIED, why);
    switch (p->state) {
    case NET_PROXY_UNKNOWN:
        if (list_empty(&d->waiter.link))
            proxy_wait(p, &d->waiter);
        (void)uv_timer_start(&d->clock, on_clock, d->net->overlay_timeout_ms, 0);
        return DIAL_PROXY_WAIT;
    case NET_PROXY_NOT_NEEDED:
    case NET_PROXY_NONE:
        return fail(d, ERR_PROXY_NONE, network_name(d->network));
    case NET_PROXY_DOWN:
        return fail(d, ERR_PROXY_DOWN, "waiting for it to come back");
    case NET_PROXY_UP:
        break;
    }
    circuit_password(&d->net->circuits, d->host, password);
    socks5_init(&d->socks5, d->host, d->port, SOCKS5_USER, password);
    (void)uv_timer_start(&d->clock, on_clock, d->net->connect_timeout_ms, 0);
    if (!attempt_open(d, 0, &p->ip, p->candidates[p->candidate].port)) {
        (void)err_set(&d->err, ERR_PROXY_DOWN, "%s", strerror(errno));
        return fail_proxy(d);
    }
    return DIAL_PROXY_CONNECTING;
}

static enum dial_state proxy_connected(struct dial *d)
{
    int error = socket_error(d->attempts[0].fd);

    if (error != 0) {
        (void)err_set(&d->err, ERR_PROXY_DOWN, "%s", strerror(error));
        return fail_proxy(d);
    }
    return proxy_talk(d);
}

/* The bytes of one message fit into any socket's buffer, so a send that takes only a part of them
 * is an error. */
static enum dial_state proxy_talk(struct dial *d)
{
    int fd = d->attempts[0].fd;

    for (;;) {
        struct str out = socks5_output(&d->socks5);
        enum socks5_progress progress;
        char in[512];

        if (out.n > 0) {
            if (send(fd, out.p, out.n, MSG_NOSIGNAL) != (ssize_t)out.n) {
                (void)err_set(&d->err, socks5_asked(&d->socks5) ? ERR_PROXY_FAILED : ERR_PROXY_DOWN,
                              "%s", strerror(errno));
                return fail_proxy(d);
            }
            socks5_sent(&d->socks5, out.n);
            (void)uv_poll_start(&d->attempts[0].poll, UV_READABLE, on_poll);
            if (socks5_asked(&d->socks5)) /* from here on the time is the network's */
                (void)uv_timer_start(&d->clock, on_clock, d->net->overlay_timeout_ms, 0);
        }

        ssize_t n = recv(fd, in, socks5_wants(&d->socks5), 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return DIAL_PROXY_TALKING;
        if (n <= 0)
            progress = socks5_feed_eof(&d->socks5, &d->err);
        else
            progress = socks5_feed(&d->socks5, (struct str){in, (size_t)n}, &d->err);
        if (progress == SOCKS5_ERROR)
            return fail_proxy(d);
        if (progress == SOCKS5_OK) {
            d->report.proxy_us = step_us(d);
            d->net->proxies[d->network]->served_ms = clock_mono_ms();
            circuit_ended(&d->net->circuits, d->host, ERR_NONE);
            return ready(d, 0);
        }
    }
}

/* Tor says "general failure" of an onion service whose own server is gone, too: while the proxy
 * serves others, it is not the proxy's.  Else such a relay would be tried for ever without
 * back-off. */
static void blame(struct dial *d)
{
    int64_t served_ms = d->net->proxies[d->network]->served_ms;
    enum err_code code =
        d->network == NETWORK_TOR && !d->exit ? ERR_ONION_UNREACHABLE : ERR_CONNECT_UNREACHABLE;

    if (d->err.code == ERR_PROXY_FAILED && d->socks5.general_failure && served_ms > 0 &&
        clock_mono_ms() - served_ms < PROXY_SERVES_MS)
        (void)err_set(&d->err, code,
                      "the proxy says: general failure (0x01), and serves other relays");
}

static enum dial_state fail_proxy(struct dial *d)
{
    blame(d);
    if (d->err.code == ERR_PROXY_DOWN || d->err.code == ERR_PROXY_PROTOCOL)
        proxy_failed(d->net->proxies[d->network]);
    circuit_ended(&d->net->circuits, d->host, d->err.code);
    d->report.proxy_us = step_us(d);
    stop_all(d);
    return DIAL_FAILED;
}

/* -- ends -- */

static enum dial_state ready(struct dial *d, int winner)
{
    d->place = d->attempts[winner].place;
    d->attempts[winner].place = NULL;
    d->winner = d->attempts[winner].fd;
    d->attempts[winner].fd = -1;
    attempt_close(d, winner);
    stop_all(d);
    return DIAL_READY;
}

static enum dial_state fail(struct dial *d, enum err_code code, const char *text)
{
    if (d->state == DIAL_CONNECTING && code == ERR_CONNECT_TIMEOUT)
        d->report.tcp_us = step_us(d);
    (void)err_set(&d->err, code, "%s", text);
    if (code == ERR_CONNECT_TIMEOUT)
        note_busy(d);
    stop_all(d);
    return DIAL_FAILED;
}

static void leave_place(struct dial *d, struct addr_place **place)
{
    if (*place != NULL)
        addr_places_leave(d->net->places, *place, clock_mono_ms());
    *place = NULL;
}

static void stop_all(struct dial *d)
{
    if (d->query != NULL)
        dns_cancel(d->query);
    d->query = NULL;
    proxy_unwait(&d->waiter);
    for (int i = 0; i < DIAL_ADDRESSES_MAX; i++)
        attempt_close(d, i);
    (void)uv_timer_stop(&d->clock);
    (void)uv_timer_stop(&d->stagger);
}

/* False with errno when it fails on the spot. */
static bool attempt_open(struct dial *d, int i, const struct ip *ip, uint16_t port)
{
    struct attempt *a = &d->attempts[i];
    struct sockaddr_storage sa;
    socklen_t n = ip_to_sockaddr(ip, port, &sa);
    int on = 1, rc;

    a->fd = socket(ip->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0)
        return false;
    (void)setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(a->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (connect(a->fd, (struct sockaddr *)&sa, n) != 0 && errno != EINPROGRESS)
        goto failed;
    rc = uv_poll_init(d->net->loop, &a->poll, a->fd);
    if (rc != 0) {
        errno = -rc;
        goto failed;
    }
    a->poll.data = d;
    a->open = true;
    d->pending++;
    (void)uv_poll_start(&a->poll, UV_WRITABLE, on_poll);
    return true;
failed:
    rc = errno;
    attempt_close(d, i);
    errno = rc;
    return false;
}

static void attempt_close(struct dial *d, int i)
{
    struct attempt *a = &d->attempts[i];

    if (a->open)
        uv_close((uv_handle_t *)&a->poll,
                 on_closed); /* takes the fd out of epoll before it returns */
    a->open = false;
    if (a->fd >= 0)
        (void)close(a->fd);
    a->fd = -1;
    leave_place(d, &a->place);
}

/* From libuv to dial_run(): no decisions below this line. */

static void on_clock(uv_timer_t *h)
{
    dial_run(h->data, EV_CLOCK);
}

static void on_stagger(uv_timer_t *h)
{
    dial_run(h->data, EV_STAGGER);
}

static void on_resolved(void *owner, const struct dns_answer *answer, const struct err *err)
{
    struct dial *d = owner;

    d->query = NULL;
    if (answer != NULL)
        choose_candidates(d, answer);
    else
        d->err = *err;
    dial_run(d, EV_DNS);
}

static void on_proxy_known(struct proxy_waiter *w)
{
    struct dial *d = CONTAINER_OF(w, struct dial, waiter);

    (void)uv_timer_start(&d->clock, on_clock, 0, 0);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct dial *d = h->data;

    (void)status; /* the socket itself says what happened */
    (void)events;
    d->at = (int)(CONTAINER_OF(h, struct attempt, poll) - d->attempts);
    dial_run(d, EV_SOCKET);
}

static void on_closed(uv_handle_t *h)
{
    struct dial *d = h->data;

    d->pending--;
    if (d->state == DIAL_CLOSED && d->pending == 0)
        free(d);
}
