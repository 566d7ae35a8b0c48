/* session: one conversation with one relay: a NIP-01 client on one WebSocket.
 *
 *     CONNECTING -> READY -> CLOSED          requests live and end inside READY
 *
 * A request (REQ) has an id of its own that is never used again, is settled exactly once, and is
 * closed on the wire only after EOSE.  NIP-42: when a key is configured and a request is refused
 * with auth-required, the session authenticates and asks again under a new id, once.  When a relay
 * refuses and then goes silent or hangs up, the refusal is the reason that is told.  NOTICE,
 * CLOSED, malformed EOSE and the rest: PROTOCOL 1.3.
 *
 * Ownership as wsconn: session_close() once, from anywhere; requests die with it without a further
 * call.  Callbacks run on the loop, never from inside session_open() or session_request(). */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "core/metrics.h"
#include "net/wsconn.h"
#include "nostr/message.h"
#include "nostr/url.h"
#include "relay/exchange.h"

struct session;
struct request;

struct signer; /* nostr/sign.h */

struct session_options {
    const struct signer *signer; /* NULL: never authenticate */
    const char *url;             /* the relay's normal form, for logs and the AUTH event; copied */
    uint32_t subscriptions_max;  /* requests open at once; more wait inside the session. Its part of
                                    the host's share */
};

struct session_ops {
    void (*on_ready)(void *owner, const struct wsconn_report *report);
    /* An event for a request that was settled a moment ago: some relays say EOSE first and go on
     * sending.  Real, but part of no page.  May be NULL. */
    void (*on_late_event)(void *owner, struct str event);
    void (*on_closed)(
        void *owner,
        const struct err *err); /* once, last; every open request was settled before it */
};

struct settlement {
    enum settle how;
    enum message_prefix prefix; /* of CLOSED, or of the NOTICE that refused, or came before it fell
                                   silent */
    bool finish, more;          /* NIP-67 hints of EOSE */
    bool unproven;              /* EOSE without a subscription id: taken for ours, proves nothing */
    uint32_t events;            /* EVENT messages that came for it, valid or not */
    uint64_t bytes;             /* of those messages */
    int64_t end_us;             /* from sending to EOSE; 0: none came */
    char text[160];             /* what the relay said, escaped */
};

/* Why there was no EOSE: what the relay said, where that decides, else how it ended. */
enum err_code settlement_code(const struct settlement *s);

struct request_ops {
    /* The raw JSON of one event, a view for the time of the call. */
    void (*on_event)(void *owner, struct str event);
    void (*on_eose)(void *owner);                                /* live requests only */
    void (*on_settled)(void *owner, const struct settlement *s); /* once, last */
};

struct request_options {
    bool live;         /* stays open after EOSE until request_close() */
    uint32_t idle_ms;  /* no event for it or for a live one in this time: SETTLE_TIMEOUT (not after
                          EOSE of a live one) */
    uint32_t total_ms; /* absolute, until EOSE */
    uint32_t events_max; /* more than this before EOSE: SETTLE_FLOOD, and the session is closed */
};

/* Where a relay is dialled; views into `url`.  `wanted`: the person has allowed it by name, so the
 * ranges of the deny list do not hold (net/dial.h). */
struct wsconn_target session_target(const struct relay_url *url, bool wanted);

struct session *session_open(struct net *net, const struct wsconn_target *target,
                             const struct session_options *options, const struct session_ops *ops,
                             void *owner);
void session_close(struct session *s);

/* `filters` is one or more filter objects as JSON, separated by commas; copied.  */
struct request *session_request(struct session *s, struct str filters,
                                const struct request_options *options,
                                const struct request_ops *ops, void *owner);
void request_close(struct request *r); /* before it is settled: CLOSE is sent, no further call */
uint64_t request_sent_ns(const struct request *r); /* uv_hrtime(); 0 while it waits for its place */

/* What is no REQ (exchange.h).  Publishing: `event` is the signed event as JSON.  Asking: `rest` is
 * what stands behind the subscription id, as `{"kinds":[1]}` or `{},"61000002"`.  Both are copied;
 * when auth-required is the answer and a key is configured, the session authenticates and sends
 * once more. */
struct exchange *session_publish(struct session *s, struct str event, const struct id32 *id,
                                 uint32_t timeout_ms, exchange_done *done, void *owner);
struct exchange *session_ask(struct session *s, enum exchange_kind kind, struct str rest,
                             uint32_t timeout_ms, exchange_done *done, void *owner);

/* Somebody other than the owner who has requests or exchanges here: told when the session is about
 * to be closed, and with it what he has here.  He calls nothing of the session from inside. */
struct session_guest {
    struct list link;
    void (*on_gone)(struct session_guest *guest);
};
void session_guest_add(struct session *s, struct session_guest *guest); /* when it is ready */
void session_guest_remove(struct session_guest *guest); /* harmless when he was told */

/* Milliseconds of the monotonic clock when the peer last proved alive (any message or pong). */
int64_t session_alive_at(const struct session *s);
uint32_t session_take_unsolicited(struct session *s); /* events for no request, since last asked */
void session_ping(struct session *s);

/* UNIX milliseconds at which that ping was sent which the peer has answered last; 0: none yet.
 * Messages and pongs come in order: all that the peer had sent by then has been read. */
int64_t session_answered_at(const struct session *s);

/* Stops reading (wsconn_hold) until session_release().  False, and it goes on: an answer is being
 * read or awaited, or a guest is here.  Make no request before the release. */
bool session_hold(struct session *s) MUST_USE;
void session_release(struct session *s);
bool session_asked_auth(const struct session *s); /* the relay sent AUTH: it may hide kinds */
const struct wsconn_report *session_report(const struct session *s);
uint64_t session_received_bytes(const struct session *s);

#endif
