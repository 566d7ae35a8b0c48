/* Transport: holds a dial until it is connected, then a stream. */
#include "net/transport.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_shared.h"

struct transport {
    struct net *net;
    const struct stream_ops *ops;
    void *owner;
    struct dial *dial;     /* until it is over; kept when it failed, for its report */
    struct stream *stream; /* from then on */
    struct dial_report dialled;
    enum network network;
    enum transport_security security;
    uint16_t port;
    char host[256];
};

static void on_connected(void *owner, int fd);
static void on_dial_failed(void *owner, const struct err *err);

static const struct dial_ops dial_ops = {on_connected, on_dial_failed};

struct transport *transport_open(struct net *net, const struct dial_target *target,
                                 enum transport_security security, const struct stream_ops *ops,
                                 void *owner)
{
    struct transport *t = calloc(1, sizeof(*t));

    if (t == NULL)
        abort();
    assert(strlen(target->host) < sizeof(t->host));
    t->net = net;
    t->ops = ops;
    t->owner = owner;
    t->network = target->network;
    t->security = security;
    t->port = target->port;
    memcpy(t->host, target->host, strlen(target->host) + 1);
    t->dial = dial_open(net, target, &dial_ops, t);
    return t;
}

/* It has no handles of its own, so it can go at once; its parts know how to wait for theirs. */
void transport_close(struct transport *t)
{
    if (t->dial != NULL)
        dial_close(t->dial);
    if (t->stream != NULL)
        stream_close(t->stream);
    free(t);
}

void transport_write(struct transport *t, struct str bytes)
{
    if (t->stream != NULL)
        stream_write(t->stream, bytes);
}

size_t transport_queued(const struct transport *t)
{
    return t->stream == NULL ? 0 : stream_queued(t->stream);
}

void transport_report(const struct transport *t, struct transport_report *report)
{
    const struct dial_report *d = t->dial != NULL ? dial_report(t->dial) : &t->dialled;
    const struct tls_peer *peer = transport_tls_peer(t);

    memset(report, 0, sizeof(*report));
    report->dns_us = d->dns_us;
    report->tcp_us = d->tcp_us;
    report->proxy_us = d->proxy_us;
    report->tls_us = t->stream != NULL ? stream_tls_us(t->stream) : -1;
    report->mixed_private = d->mixed_private;
    report->wait_ms = d->wait_ms;
    memcpy(report->address, d->address, sizeof(report->address));
    if (peer != NULL) {
        report->tls_verdict = peer->verdict;
        memcpy(report->tls_version, peer->version, sizeof(report->tls_version));
        memcpy(report->tls_cipher, peer->cipher, sizeof(report->tls_cipher));
    }
}

const struct tls_peer *transport_tls_peer(const struct transport *t)
{
    return t->stream == NULL ? NULL : stream_tls_peer(t->stream);
}

void transport_tls_peer_drop(struct transport *t)
{
    if (t->stream != NULL)
        stream_tls_peer_drop(t->stream);
}

uint64_t transport_received_bytes(const struct transport *t)
{
    return t->stream == NULL ? 0 : stream_received_bytes(t->stream);
}

bool transport_take_throttled(struct transport *t)
{
    return t->stream != NULL && stream_take_throttled(t->stream);
}

void transport_hold(struct transport *t, bool hold)
{
    if (t->stream != NULL)
        stream_hold(t->stream, hold);
}

static void on_connected(void *owner, int fd)
{
    struct transport *t = owner;
    struct stream_options options = {.tls = t->security != TRANSPORT_PLAIN,
                                     .tls_fresh = t->security == TRANSPORT_TLS_FRESH,
                                     .host = t->host,
                                     .port = t->port,
                                     .tls_timeout_ms = t->network == NETWORK_CLEARNET
                                                           ? t->net->tls_timeout_ms
                                                           : t->net->overlay_timeout_ms};

    t->dialled = *dial_report(t->dial);
    options.place = dial_take_place(t->dial);
    dial_close(t->dial);
    t->dial = NULL;
    t->stream = stream_open(t->net, fd, &options, t->ops, t->owner);
}

static void on_dial_failed(void *owner, const struct err *err)
{
    struct transport *t = owner;

    t->ops->on_failed(t->owner, err);
}
