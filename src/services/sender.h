/* sender: signed events to one relay, a few at a time, each until it is answered.
 *
 *     CONNECTING -> SENDING -> done        rate-limited: it waits, and sends that event again
 *
 * A relay that has an event already says so, or says nothing of it: both are "accepted".
 *
 * Ownership.  sender_close() once, from anywhere; after it returns nothing is called.  `done` at
 * most once, on the loop, never from inside sender_open(). */
#ifndef SERVICES_SENDER_H
#define SERVICES_SENDER_H

#include "nostr/url.h"
#include "relay/session.h"

struct sender;

struct sender_event {
    struct str json;
    struct id32 id;
};

struct sender_options {
    const struct relay_url *url;       /* copied */
    const struct signer *signer;       /* NULL: never authenticate */
    const struct sender_event *events; /* outlive the sender */
    size_t events_n;
    uint32_t timeout_ms; /* of one event */
};

struct sender_result {
    size_t accepted, refused, unanswered; /* sum: events_n */
    struct err err;                       /* why the rest is unanswered; ERR_NONE: nothing is */
    char text[160];                       /* what the relay said of the last one that it refused */
};

typedef void sender_done(void *owner, const struct sender_result *result);

struct sender *sender_open(struct net *net, const struct sender_options *options, sender_done *done,
                           void *owner);
void sender_close(struct sender *s); /* NULL is fine */

#endif
