/* Transport: dial, then stream: what a WebSocket and an HTTP request have in common.
 *
 *     DIALLING -> SECURING (TLS, or nothing) -> READY          any -> FAILED, CLOSED
 *
 * Ownership as STYLE 11-15: transport_close() once, from anywhere; callbacks on the loop, never
 * from transport_open(). */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include "net/dial.h"
#include "net/stream.h"

struct transport_report {
    int64_t dns_us, tcp_us, proxy_us, tls_us; /* -1: not taken */
    char address[64];
    bool mixed_private;
    int64_t wait_ms; /* dial_report */
    enum err_code tls_verdict;
    char tls_version[16], tls_cipher[64];
};

struct transport;

enum transport_security {
    TRANSPORT_PLAIN,
    TRANSPORT_TLS,
    TRANSPORT_TLS_FRESH /* no resumption: the peer shows its certificates */
};

/* The ops are those of a stream; on_failed also tells of a dial that failed. */
struct transport *transport_open(struct net *net, const struct dial_target *target,
                                 enum transport_security security, const struct stream_ops *ops,
                                 void *owner);
void transport_close(struct transport *t);

void transport_write(struct transport *t, struct str bytes); /* after on_ready; copied */
size_t transport_queued(const struct transport *t);

/* How far it got; all valid until transport_close. */
void transport_report(const struct transport *t, struct transport_report *report);
const struct tls_peer *transport_tls_peer(const struct transport *t); /* stream_tls_peer */
void transport_tls_peer_drop(struct transport *t);
uint64_t transport_received_bytes(const struct transport *t);
bool transport_take_throttled(struct transport *t);
void transport_hold(struct transport *t, bool hold); /* stream_hold */

#endif
