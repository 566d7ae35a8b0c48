/* session_internal: what session.c, session_auth.c and session_facts.c know of each other.  Nobody
 * else includes it. */
#ifndef RELAY_SESSION_INTERNAL_H
#define RELAY_SESSION_INTERNAL_H

#include "core/list.h"
#include "relay/session.h"

enum { SUB_ID_MAX = 16, SETTLED_REMEMBERED = 8, CHALLENGE_MAX = 512 };

enum session_state {
    SESSION_CONNECTING,
    SESSION_READY,
    SESSION_BROKEN, /* nothing is sent any more; requests are being settled */
    SESSION_CLOSED
};

enum auth_state { AUTH_NONE, AUTH_SENT, AUTH_ACCEPTED, AUTH_REFUSED };

enum request_state {
    REQUEST_QUEUED, /* not sent: no place, or waiting for AUTH */
    REQUEST_OPEN,   /* sent, stored events are coming */
    REQUEST_ENDING, /* EOSE was read; what comes with it or right behind it still counts */
    REQUEST_LIVE    /* after EOSE of a live one */
};

struct request {
    struct session *session;
    struct list link; /* in session.requests, in the order in which they were made */
    enum request_state state;
    char id[SUB_ID_MAX + 1];
    struct request_options options;
    const struct request_ops *ops;
    void *owner;
    int64_t idle_at_ms, total_at_ms; /* monotonic; INT64_MAX: none */
    int64_t ends_at_ms;              /* when ENDING */
    uint64_t sent_ns;
    bool auth_tried;
    struct settlement result;
    size_t filters_n;
    char filters[];
};

struct session {
    enum session_state state;
    struct session_options options;
    char *url;
    const struct session_ops *ops;
    void *owner;
    struct wsconn *conn;
    enum network network;
    bool counted;     /* in metrics.connections */
    uv_timer_t timer; /* the nearest deadline of any request */
    struct list requests;
    struct exchanges exchanges;
    struct list guests;
    uint32_t open;        /* requests on the wire */
    uint32_t garbage;     /* messages that made no sense */
    uint32_t unsolicited; /* events nobody asked for, not yet taken */
    int64_t alive_at_ms;
    int64_t pinged_at_ms, answered_at_ms; /* UNIX; pinged: 0 when none is under way */

    char settled[SETTLED_REMEMBERED][SUB_ID_MAX + 1]; /* ids of requests that ended last */
    uint32_t settled_n;
    bool sends_late; /* events came after their EOSE: every EOSE is given time */

    struct err refusal; /* the last one since it answered anything: why it will hang up */

    bool asked_auth;
    enum auth_state auth;
    int64_t auth_until_ms;
    char challenge[CHALLENGE_MAX + 1];
    char auth_id[65]; /* of our AUTH event, hex */
};

/* session_auth.c */
void session_hear_challenge(struct session *s, const struct message *m);
void session_send_auth(struct session *s); /* leaves s->auth at SENT or REFUSED */

#endif
