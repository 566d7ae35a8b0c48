/* Stream: bytes over a connected socket, with TLS on top when asked for.
 *
 *     START -> HANDSHAKE (steps on a worker) -> READY          any -> FAILED, CLOSED
 *
 * Reading.  At most NET_READ_BYTES a turn, so that one fast relay cannot keep the loop; paused in
 * turn with all others when [network] bandwidth_max is used up, and while its owner holds it:
 * what the peer sends then waits in the kernel, and at the peer.  Writing.  Everything is taken;
 * stream_queued() says how much waits, on_drained that nothing does: the owner holds back what it
 * makes.
 *
 * A peer that signs as we cannot read fails with ERR_TLS_RETRY, once in NET_OLDER_MS: to the next
 * connection less is offered.
 *
 * While a handshake step runs on a worker the TLS engine is the worker's; the loop only collects
 * what arrives.
 *
 * Ownership as STYLE 11-15. The socket is the stream's from stream_open() on. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "net/net.h"
#include "net/tls.h"

struct stream_options {
    bool tls;
    const char *host;         /* for TLS: SNI, and what the certificate must name; copied */
    uint16_t port;            /* with host: whose TLS session may be resumed */
    bool tls_fresh;           /* resume nothing: the peer shows its certificates */
    uint32_t tls_timeout_ms;  /* for the whole handshake, waiting for a worker included */
    struct addr_place *place; /* of the connection, the stream's from now on; NULL: none */
};

struct stream_ops {
    void (*on_ready)(void *owner);
    void (*on_bytes)(void *owner, struct str bytes); /* a view for the time of the call */
    void (*on_drained)(void *owner);                 /* all that was written is with the kernel */
    /* Once, and the last call.  ERR_DISCONNECTED: the peer closed. */
    void (*on_failed)(void *owner, const struct err *err);
};

struct stream;

struct stream *stream_open(struct net *net, int fd, const struct stream_options *options,
                           const struct stream_ops *ops, void *owner);
void stream_close(struct stream *s);

/* Copied.  Only after on_ready; an error comes through on_failed, later. */
void stream_write(struct stream *s, struct str bytes);
size_t stream_queued(const struct stream *s);

int64_t stream_tls_us(const struct stream *s); /* -1: no TLS, or not finished */
const struct tls_peer *
stream_tls_peer(const struct stream *s); /* NULL without TLS, before its end, or when dropped */
void stream_tls_peer_drop(struct stream *s);
uint64_t stream_received_bytes(const struct stream *s); /* from the socket */

/* Nothing more is read until it is let go; what was read already may still be told. */
void stream_hold(struct stream *s, bool hold);

/* Has reading been paused, for bandwidth or by its owner, since the last call of this?  Then
 * slowness is ours. */
bool stream_take_throttled(struct stream *s);

#endif
