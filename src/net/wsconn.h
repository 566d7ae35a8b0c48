/* wsconn: one WebSocket connection to a relay, from host and port to whole messages.
 *
 *     DNS -> policy -> TCP | SOCKS5 -> TLS -> HTTP upgrade -> OPEN
 *       \________\___________\__________\_________\_____________\_ on_closed(err)
 *     any state -> CLOSED (wsconn_close)
 *
 * Ownership.  wsconn_open() allocates; the owner calls wsconn_close() exactly once, also after
 * on_closed, from anywhere, also from inside a callback.  After it returns no callback runs.
 * Callbacks run on the loop thread, never from inside wsconn_open().
 *
 * Limits of PROTOCOL 4.2 hold for every connection: message size, frames, pings, head, time for
 * each step.  Text in is valid UTF-8.  Binary messages are counted and dropped.  Pings are
 * answered. */
#ifndef NET_WSCONN_H
#define NET_WSCONN_H

#include "net/net.h"
#include "net/tls.h"

struct wsconn;

struct wsconn_target {
    enum network network;
    bool tls;
    const char *host; /* name or literal address without brackets; copied */
    uint16_t port;
    const char *path; /* "" or "/..." with its query; copied */
    bool wanted;      /* dial.h */
    /* Where to put what the peer showed of itself in TLS, also when it was refused for it; then the
     * handshake is a full one.  NULL: not wanted.  Filled before on_open or on_closed. */
    struct tls_peer *peer;
};

/* The time of each step in microseconds, -1 when the step was not taken. */
struct wsconn_report {
    int64_t dns_us, tcp_us, proxy_us, tls_us, upgrade_us;
    char address[64]; /* that was dialled; "" through a proxy */
    /* The name has private addresses beside public ones, and was refused for it
     * (ERR_ADDRESS_DENIED). */
    bool mixed_private;
    int64_t wait_ms; /* with ERR_ADDRESS_BUSY: until our turn; dial again then */
    /* ERR_NONE: trusted.  Else why not; an open connection has one only with tls_record_only. */
    enum err_code tls_verdict;
    char tls_version[16], tls_cipher[64];
    int http_status; /* of the upgrade's answer, 0 when none came */
};

struct wsconn_ops {
    void (*on_open)(void *owner, const struct wsconn_report *report);
    void (*on_message)(void *owner, struct str text); /* a view for the time of the call */
    void (*on_pong)(void *owner, bool ours);          /* ws.h */
    /* Once, and the last call.  Before on_open: the dial failed. */
    void (*on_closed)(void *owner, const struct err *err);
};

struct wsconn *wsconn_open(struct net *net, const struct wsconn_target *target,
                           const struct wsconn_ops *ops, void *owner);
void wsconn_close(struct wsconn *c);

/* Queues one text message (copied).  -1: not open, or more than 1 MiB is queued. */
int wsconn_send(struct wsconn *c, struct str text, struct err *err) MUST_USE;
void wsconn_ping(struct wsconn *c);

/* Back-pressure: nothing more is read until it is let go.  At most what one turn had read already
 * (64 KiB) is still told; no pong and no end of the connection is noticed meanwhile. */
void wsconn_hold(struct wsconn *c, bool hold);

const struct wsconn_report *
wsconn_report(struct wsconn *c); /* filled as far as it got; valid until wsconn_close */

/* Bytes of messages and of frames read since it opened (payload and all), for accounting. */
uint64_t wsconn_received_bytes(const struct wsconn *c);

#endif
