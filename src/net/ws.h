/* WebSocket (RFC 6455), client side, without I/O: the upgrade, then frames in and whole messages
 * out.  The one doorway to wslay.
 *
 *     UPGRADING --101--> OPEN --close frame in or out, a broken rule--> CLOSED
 *
 *     socket --ws_feed--> on_open, on_text, on_pong, on_close          ws_text, ws_ping, ws_close
 * --ws_drain--> socket
 *
 * The answer to the upgrade is checked strictly; extensions and subprotocols are never offered, so
 * one in the answer fails. Pings are answered.  Binary messages are counted and dropped.  Text that
 * is not UTF-8 closes with 1007.
 *
 * Messages are assembled in memory of our own that grows as bytes come, not as they are announced:
 * every growth is asked for first (ops->reserve) and given back (ops->release), so a peer that
 * announces much and sends nothing costs nothing.
 *
 * Ownership.  ws_free() may be called from inside a callback: no callback follows, and the memory
 * goes when ws_feed() ends. */
#ifndef NET_WS_H
#define NET_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

enum {
    WS_FRAMES_MAX = 1024,           /* frames of one message */
    WS_PINGS_A_SECOND = 10,         /* on average */
    WS_PINGS_BURST = 100,           /* at once: what has piled up while we did not read */
    WS_PONGS_BYTES_MAX = 64 * 1024, /* answers that the peer does not read */
    WS_SEND_MAX = 1024 * 1024       /* bytes of messages queued by ws_text */
};

enum ws_state { WS_UPGRADING, WS_OPEN, WS_CLOSED };

struct ws_options {
    bool tls;         /* only for the port in the Host header */
    const char *host; /* name or literal address without brackets */
    uint16_t port;
    const char *path; /* "" or "/..." with its query */
    const char *user_agent;
    uint32_t message_bytes_max;
};

struct ws_ops {
    void (*on_open)(void *owner); /* the upgrade was accepted */
    void (*on_text)(void *owner,
                    struct str text); /* valid UTF-8; a view for the time of the call */
    /* `ours`: it answers the ping that was sent last.  Any other came unasked (RFC 6455 5.5.3
     * allows it) and says nothing about what was read before. */
    void (*on_pong)(void *owner, bool ours);
    /* The peer sent a close frame (1005 when it named no code); the answer waits to be drained.
     * Drain, then close. */
    void (*on_close)(void *owner, uint16_t code, struct str reason);
    /* Memory for messages in assembly, in bytes, beyond what was reserved before.  False: over the
     * budget, and this connection fails with ERR_NOMEM.  Both may be NULL. */
    bool (*reserve)(void *owner, size_t bytes);
    void (*release)(void *owner, size_t bytes);
};

struct ws;

/* Makes the upgrade request, ready to drain.  Options are copied.  ERR_URL (host or path cannot be
 * sent), ERR_NOMEM. */
struct ws *ws_new(const struct ws_options *options, const struct ws_ops *ops, void *owner,
                  struct err *err) MUST_USE;
void ws_free(struct ws *ws); /* releases what it reserved; NULL is fine */

/* Takes all the bytes; callbacks run inside.  The caller bounds the work of one call by the bytes
 * it gives (64 KiB a turn). `now_ms`: monotonic, for the rate of pings. -1: ERR_WS_REFUSED (not
 * 101; ws_http_status), ERR_HTTP_PROTOCOL, ERR_HTTP_TOO_LARGE, ERR_WS_PROTOCOL,
 * ERR_MESSAGE_TOO_LARGE, ERR_FLOOD (pings), ERR_NOMEM.  The close frame for the peer, if one is
 * due, can be drained; nothing more is taken in. 0 when ws_free() was called from a callback: `ws`
 * is gone then. */
int ws_feed(struct ws *ws, struct str bytes, int64_t now_ms, struct err *err) MUST_USE;

/* The peer closed the socket.  Always -1: ERR_DISCONNECTED, ERR_HTTP_PROTOCOL during the upgrade.
 */
int ws_feed_eof(struct ws *ws, struct err *err);

/* Queues a text message (copied).  -1: ERR_DISCONNECTED when not open, ERR_NOMEM when more than
 * WS_SEND_MAX is queued. */
int ws_text(struct ws *ws, struct str text, struct err *err) MUST_USE;
void ws_ping(struct ws *ws); /* nothing when not open, or one is still queued */
void ws_close(
    struct ws *ws,
    uint16_t code); /* queues a close frame, once; what was queued before it is still sent */

/* Moves at most `size` bytes for the peer into `to`; returns how many. */
size_t ws_drain(struct ws *ws, void *to, size_t size);
size_t ws_pending(
    const struct ws *ws); /* bytes to drain, about (headers of frames not counted); 0 means none */

enum ws_state ws_state(const struct ws *ws);
int ws_http_status(const struct ws *ws); /* of the upgrade's answer, 0 when none came */
struct str ws_http_header(
    const struct ws *ws,
    const char *name); /* "server", "retry-after", "location" of the answer; until ws_free */
uint64_t ws_received_bytes(
    const struct ws *ws); /* bytes of frames taken in, heads and all, after the upgrade */
uint64_t ws_data_bytes(const struct ws *ws); /* of these, what messages are made of */
uint64_t ws_binary_messages(const struct ws *ws);
size_t ws_bytes(const struct ws *ws); /* memory held, an estimate; messages in assembly included */

#endif
