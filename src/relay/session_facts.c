/* session_facts: what others may ask of a session, and whether it reads. */
#include "core/clock.h"
#include "relay/refusal.h"
#include "relay/session_internal.h"

uint64_t request_sent_ns(const struct request *r)
{
    return r->sent_ns;
}

int64_t session_alive_at(const struct session *s)
{
    return s->alive_at_ms;
}

void session_ping(struct session *s)
{
    if (s->state != SESSION_READY)
        return;
    /* The answer to an older one that is still under way may come yet: that one counts. */
    if (s->pinged_at_ms == 0)
        s->pinged_at_ms = clock_wall_ms();
    wsconn_ping(s->conn);
}

uint32_t session_take_unsolicited(struct session *s)
{
    uint32_t n = s->unsolicited;

    s->unsolicited = 0;
    return n;
}

int64_t session_answered_at(const struct session *s)
{
    return s->answered_at_ms;
}

bool session_hold(struct session *s)
{
    if (s->state != SESSION_READY || !list_empty(&s->guests))
        return false;
    LIST_FOR_EACH(l, &s->requests)
    if (CONTAINER_OF(l, struct request, link)->state != REQUEST_LIVE)
        return false;
    wsconn_hold(s->conn, true);
    return true;
}

void session_release(struct session *s)
{
    if (s->state == SESSION_READY)
        wsconn_hold(s->conn, false);
}

bool session_asked_auth(const struct session *s)
{
    return s->asked_auth;
}

const struct wsconn_report *session_report(const struct session *s)
{
    return wsconn_report(s->conn);
}

uint64_t session_received_bytes(const struct session *s)
{
    return wsconn_received_bytes(s->conn);
}

enum err_code settlement_code(const struct settlement *s)
{
    enum err_code refusal = refusal_code(s->prefix, s->text);

    switch (s->how) {
    case SETTLE_TIMEOUT:
        return refusal_by_policy(refusal) ? refusal : ERR_IDLE;
    case SETTLE_DISCONNECT:
        return refusal_by_policy(refusal) ? refusal : ERR_DISCONNECTED;
    case SETTLE_OVERSIZE:
        return ERR_MESSAGE_TOO_LARGE;
    case SETTLE_FLOOD:
        return ERR_FLOOD;
    case SETTLE_CANCELLED:
        return ERR_CANCELLED;
    case SETTLE_EOSE:
    case SETTLE_CLOSED:
    case SETTLE__COUNT:
        break;
    }
    return refusal;
}

struct wsconn_target session_target(const struct relay_url *url, bool wanted)
{
    return (struct wsconn_target){.network = url->network,
                                  .tls = url->tls,
                                  .host = url->host,
                                  .port = url->port,
                                  .path = url->path,
                                  .wanted = wanted};
}
