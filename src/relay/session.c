/* session: see session.h.  Reading order: opening, what the relay says, how a request ends, time,
 * closing. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "relay/refusal.h"
#include "relay/session_internal.h"

enum { LATE_MS = 300, GARBAGE_MAX = 20 };

/* In the order in which they run. */
static void on_open(void *owner, const struct wsconn_report *report);
static void on_message(void *owner, struct str text);
static void on_event_message(struct session *s, const struct message *m, size_t bytes);
static void on_eose_message(struct session *s, const struct message *m);
static void on_closed_message(struct session *s, const struct message *m);
static void on_notice(struct session *s, const struct message *m);
static void on_answer(struct session *s, const struct message *m);
static void on_ok(struct session *s, const struct message *m);
static void send_waiting(struct session *s);
static void settle(struct request *r, enum settle how);
static void on_timer(uv_timer_t *timer);
static void arm(struct session *s);
static void fail(struct session *s, const struct err *err);
static void on_pong(void *owner, bool ours);
static void on_closed(void *owner, const struct err *err);

static const struct wsconn_ops conn_ops = {
    .on_open = on_open, .on_message = on_message, .on_pong = on_pong, .on_closed = on_closed};

struct session *session_open(struct net *net, const struct wsconn_target *target,
                             const struct session_options *options, const struct session_ops *ops,
                             void *owner)
{
    struct session *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    s->options = *options;
    s->url = strdup(options->url);
    if (s->url == NULL)
        abort();
    s->options.url = s->url;
    s->ops = ops;
    s->owner = owner;
    list_init(&s->requests);
    (void)uv_timer_init(net_loop(net), &s->timer);
    s->timer.data = s;
    list_init(&s->guests);
    s->network = target->network;
    s->conn = wsconn_open(net, target, &conn_ops, s);
    exchanges_init(&s->exchanges, s->conn);
    return s;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct session *s = handle->data;

    free(s->url);
    free(s);
}

static void request_free(struct request *r)
{
    if (r->state != REQUEST_QUEUED)
        r->session->open--;
    list_remove(&r->link);
    free(r);
}

static void uncount(struct session *s)
{
    if (s->counted)
        metrics.connections[s->network]--;
    s->counted = false;
}

void session_close(struct session *s)
{
    struct list *l;

    assert(s->state != SESSION_CLOSED);
    uncount(s);
    s->state = SESSION_CLOSED;
    while ((l = list_take_first(&s->guests)) != NULL) {
        struct session_guest *guest = CONTAINER_OF(l, struct session_guest, link);
        guest->on_gone(guest);
    }
    exchanges_drop(&s->exchanges);
    LIST_FOR_EACH(at, &s->requests)
    request_free(CONTAINER_OF(at, struct request, link));
    wsconn_close(s->conn);
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void on_open(void *owner, const struct wsconn_report *report)
{
    struct session *s = owner;

    s->state = SESSION_READY;
    s->counted = true;
    metrics.connections[s->network]++;
    s->alive_at_ms = clock_mono_ms();
    s->ops->on_ready(s->owner, report);
}

/* Requests */

struct request *session_request(struct session *s, struct str filters,
                                const struct request_options *options,
                                const struct request_ops *ops, void *owner)
{
    struct request *r = calloc(1, sizeof(*r) + filters.n + 1);

    assert(s->state == SESSION_READY);
    if (r == NULL)
        abort();
    r->session = s;
    r->state = REQUEST_QUEUED;
    r->options = *options;
    r->ops = ops;
    r->owner = owner;
    r->idle_at_ms = r->total_at_ms = INT64_MAX;
    r->filters_n = filters.n;
    memcpy(r->filters, filters.p, filters.n);
    list_add_tail(&s->requests, &r->link);
    send_waiting(s);
    return r;
}

/* Ids are never used twice in the life of the process: a late EOSE can then not be taken for
 * another's (PROTOCOL 1.2). */
static void name_request(struct request *r)
{
    static uint64_t counter;

    (void)snprintf(r->id, sizeof(r->id), "b%llu", (unsigned long long)++counter);
}

static int send_text(struct session *s, const char *head, const char *id, struct str tail)
{
    char small[512];
    size_t room = strlen(head) + strlen(id) + tail.n + sizeof("[\"\",\"\",]");
    char *text = room <= sizeof(small) ? small : malloc(room);
    struct err err;

    if (text == NULL)
        abort();
    int n = snprintf(text, room, "[\"%s\",\"%s\"%s%.*s]", head, id, tail.n > 0 ? "," : "",
                     (int)tail.n, tail.p);
    int rc = wsconn_send(s->conn, (struct str){text, (size_t)n}, &err);
    if (text != small)
        free(text);
    return rc;
}

static void send_request(struct request *r)
{
    int64_t now = clock_mono_ms();

    name_request(r);
    r->state = REQUEST_OPEN;
    r->sent_ns = uv_hrtime();
    r->session->open++;
    r->idle_at_ms = now + r->options.idle_ms;
    r->total_at_ms = now + r->options.total_ms;
    /* When the queue is full the relay does not read: the idle time ends the request. */
    (void)send_text(r->session, "REQ", r->id, (struct str){r->filters, r->filters_n});
}

static void send_waiting(struct session *s)
{
    if (s->state == SESSION_READY && s->auth != AUTH_SENT) {
        LIST_FOR_EACH(l, &s->requests)
        {
            struct request *r = CONTAINER_OF(l, struct request, link);
            if (s->open >= s->options.subscriptions_max)
                break;
            if (r->state == REQUEST_QUEUED)
                send_request(r);
        }
    }
    arm(s);
}

void request_close(struct request *r)
{
    struct session *s = r->session;

    if (r->state != REQUEST_QUEUED && s->state == SESSION_READY)
        (void)send_text(s, "CLOSE", r->id, STR(""));
    request_free(r);
    send_waiting(s);
}

/* What the relay says */

static struct request *find(struct session *s, struct str id)
{
    LIST_FOR_EACH(l, &s->requests)
    {
        struct request *r = CONTAINER_OF(l, struct request, link);
        if (r->state != REQUEST_QUEUED && str_eq(id, str_z(r->id)))
            return r;
    }
    return NULL;
}

/* The one request whose stored events are still coming; NULL when there is none or more than one.
 */
static struct request *only_open(struct session *s)
{
    struct request *only = NULL;

    LIST_FOR_EACH(l, &s->requests)
    {
        struct request *r = CONTAINER_OF(l, struct request, link);
        if (r->state != REQUEST_OPEN)
            continue;
        if (only != NULL)
            return NULL;
        only = r;
    }
    return only;
}

static void on_message(void *owner, struct str text)
{
    struct session *s = owner;
    struct message m;

    s->alive_at_ms = clock_mono_ms();
    message_parse(text, &m);
    switch (m.type) {
    case MESSAGE_EVENT:
        on_event_message(s, &m, text.n);
        return;
    case MESSAGE_EOSE:
        on_eose_message(s, &m);
        return;
    case MESSAGE_CLOSED:
        on_closed_message(s, &m);
        return;
    case MESSAGE_NOTICE:
        on_notice(s, &m);
        return;
    case MESSAGE_AUTH:
        session_hear_challenge(s, &m);
        return;
    case MESSAGE_OK:
        on_ok(s, &m);
        return;
    case MESSAGE_COUNT:
    case MESSAGE_NEG_MSG:
    case MESSAGE_NEG_ERR:
        on_answer(s, &m);
        return;
    case MESSAGE_INVALID:
        if (++s->garbage > GARBAGE_MAX) {
            struct err err;
            (void)err_set(&err, ERR_WS_PROTOCOL, "%u messages that are not Nostr", s->garbage);
            fail(s, &err);
        }
        return;
    }
}

static bool was_settled(const struct session *s, struct str id)
{
    for (int i = 0; i < SETTLED_REMEMBERED; i++)
        if (id.n > 0 && str_eq(id, str_z(s->settled[i])))
            return true;
    return false;
}

/* Live events are delivered, perhaps many that had to wait: answers stand in one queue with them,
 * and their silence is no silence of the relay. */
static void others_wait(struct session *s)
{
    LIST_FOR_EACH(l, &s->requests)
    {
        struct request *r = CONTAINER_OF(l, struct request, link);
        if (r->state == REQUEST_OPEN)
            r->idle_at_ms = clock_mono_ms() + r->options.idle_ms;
    }
}

static void on_event_message(struct session *s, const struct message *m, size_t bytes)
{
    struct request *r = find(s, m->sub);

    if (r == NULL) {
        if (s->ops->on_late_event != NULL && was_settled(s, m->sub)) {
            s->sends_late = true;
            s->ops->on_late_event(s->owner, m->event);
        } else {
            metrics.events_rejected_total[REJECT_UNSOLICITED]++;
            s->unsolicited++;
        }
        return;
    }
    r->result.events++;
    r->result.bytes += bytes;
    s->refusal.code = ERR_NONE;
    if (r->state == REQUEST_LIVE)
        others_wait(s);
    if (r->state == REQUEST_OPEN) {
        r->idle_at_ms = clock_mono_ms() + r->options.idle_ms;
        if (r->result.events > r->options.events_max) {
            struct err err;
            (void)err_set(&err, ERR_FLOOD, "more than %u events for one request",
                          r->options.events_max);
            settle(r, SETTLE_FLOOD);
            if (s->state != SESSION_CLOSED)
                fail(s, &err);
            return;
        }
    }
    r->ops->on_event(r->owner, m->event); /* last: the owner may close the request or the session */
}

static void on_eose_message(struct session *s, const struct message *m)
{
    struct request *r = find(s, m->sub);

    if (r == NULL && m->sub.n == 0) {
        r = only_open(s);
        if (r != NULL)
            r->result.unproven = true;
    }
    if (r == NULL || r->state != REQUEST_OPEN)
        return;
    s->refusal.code = ERR_NONE;
    r->result.end_us = (int64_t)((uv_hrtime() - r->sent_ns) / 1000);
    r->result.finish = m->hint_finish;
    r->result.more = m->hint_more;
    if (!r->options.live) {
        r->state = REQUEST_ENDING;
        r->ends_at_ms = clock_mono_ms() + (s->sends_late ? LATE_MS : 0);
        r->idle_at_ms = r->total_at_ms = INT64_MAX;
        arm(s);
        return;
    }
    r->state = REQUEST_LIVE;
    r->idle_at_ms = r->total_at_ms = INT64_MAX;
    arm(s);
    if (r->ops->on_eose != NULL)
        r->ops->on_eose(r->owner);
}

/* What it said may be why it does not answer, or hangs up. */
static void note_refusal(struct session *s, struct request *r, struct str text,
                         enum message_prefix prefix)
{
    char shown[160];

    (void)str_escape(shown, sizeof(shown), text);
    if (refusal_by_policy(refusal_code(prefix, shown)))
        (void)err_set(&s->refusal, refusal_code(prefix, shown), "%s", shown);
    if (r == NULL)
        return;
    r->result.prefix = prefix;
    memcpy(r->result.text, shown, sizeof(shown));
}

static void refuse(struct request *r, struct str text, enum message_prefix prefix)
{
    struct session *s = r->session;

    note_refusal(s, r, text, prefix);
    metrics.refusals_total[refusal_code(prefix, r->result.text)]++;
    /* Asked to authenticate: once, then the same question under a new id. */
    if (prefix == PREFIX_AUTH_REQUIRED && s->options.signer != NULL && !r->auth_tried &&
        s->asked_auth && s->auth != AUTH_REFUSED) {
        r->auth_tried = true;
        s->open--;
        r->state = REQUEST_QUEUED;
        r->idle_at_ms = r->total_at_ms = INT64_MAX;
        if (s->auth == AUTH_NONE)
            session_send_auth(s);
        send_waiting(s);
        return;
    }
    settle(r, SETTLE_CLOSED);
}

static void on_closed_message(struct session *s, const struct message *m)
{
    struct request *r = find(s, m->sub);

    if (r != NULL)
        refuse(r, m->text, message_prefix(m->text));
    else
        on_answer(s, m);
}

static void on_notice(struct session *s, const struct message *m)
{
    struct request *r = only_open(s);
    enum message_prefix prefix = message_prefix(m->text);
    char text[160];

    (void)str_escape(text, sizeof(text), m->text);
    log_debug("relay", "%s says \"%s\"", s->url, text);
    if (r != NULL && message_notice_refuses(m->text)) {
        (void)send_text(s, "CLOSE", r->id, STR(""));
        refuse(r, m->text, prefix);
    } else if (refusal_by_policy(refusal_code(prefix, text))) {
        note_refusal(s, r, m->text, prefix); /* a greeting, perhaps: time will tell */
    }
}

/* What is no REQ */

struct exchange *session_publish(struct session *s, struct str event, const struct id32 *id,
                                 uint32_t timeout_ms, exchange_done *done, void *owner)
{
    struct exchange *e;

    assert(s->state == SESSION_READY);
    e = exchanges_add(&s->exchanges,
                      &(struct exchange_question){EXCHANGE_EVENT, event, id, timeout_ms}, done,
                      owner);
    arm(s);
    return e;
}

struct exchange *session_ask(struct session *s, enum exchange_kind kind, struct str rest,
                             uint32_t timeout_ms, exchange_done *done, void *owner)
{
    struct exchange *e;

    assert(s->state == SESSION_READY && kind != EXCHANGE_EVENT);
    e = exchanges_add(&s->exchanges, &(struct exchange_question){kind, rest, NULL, timeout_ms},
                      done, owner);
    arm(s);
    return e;
}

void session_guest_add(struct session *s, struct session_guest *guest)
{
    assert(s->state == SESSION_READY);
    list_add_tail(&s->guests, &guest->link);
}

void session_guest_remove(struct session_guest *guest)
{
    list_remove(&guest->link);
}

/* NIP-42 */

static void end_auth(struct session *s, enum auth_state state)
{
    s->auth = state;
    exchanges_resend(&s->exchanges);
    send_waiting(s); /* asked again; when refused, the relay's second answer settles each request */
}

/* What may be the answer to an exchange; its owner may close the session in here. */
static void on_answer(struct session *s, const struct message *m)
{
    bool may_auth = s->options.signer != NULL && s->asked_auth && s->auth != AUTH_REFUSED;

    if (exchanges_hear(&s->exchanges, m, may_auth)) {
        if (s->auth == AUTH_NONE)
            session_send_auth(s);
        if (s->auth != AUTH_SENT)
            exchanges_resend(&s->exchanges);
    }
    arm(s);
}

static void on_ok(struct session *s, const struct message *m)
{
    if (s->auth == AUTH_SENT && str_eq(m->sub, str_z(s->auth_id)))
        end_auth(s, m->ok ? AUTH_ACCEPTED : AUTH_REFUSED);
    else
        on_answer(s, m);
}

/* How a request ends */

static void settle(struct request *r, enum settle how)
{
    struct session *s = r->session;
    const struct request_ops *ops = r->ops;
    void *owner = r->owner;
    struct settlement result = r->result;

    result.how = how;
    memcpy(s->settled[s->settled_n++ % SETTLED_REMEMBERED], r->id, sizeof(r->id));
    request_free(r);
    metrics.pages_total[how]++;
    ops->on_settled(owner, &result); /* the session may be closed now */
    if (s->state == SESSION_READY)
        send_waiting(s);
}

/* Time */

static void arm(struct session *s)
{
    int64_t now = clock_mono_ms(), next;

    if (s->state != SESSION_READY)
        return;
    next = exchanges_next(&s->exchanges);
    LIST_FOR_EACH(l, &s->requests)
    {
        const struct request *r = CONTAINER_OF(l, struct request, link);
        if (r->state == REQUEST_ENDING && r->ends_at_ms < next)
            next = r->ends_at_ms;
        if (r->idle_at_ms < next)
            next = r->idle_at_ms;
        if (r->total_at_ms < next)
            next = r->total_at_ms;
    }
    if (s->auth == AUTH_SENT && s->auth_until_ms < next)
        next = s->auth_until_ms;
    if (next == INT64_MAX)
        (void)uv_timer_stop(&s->timer);
    else
        (void)uv_timer_start(&s->timer, on_timer, next > now ? (uint64_t)(next - now) : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct session *s = timer->data;
    int64_t now = clock_mono_ms();

    if (s->auth == AUTH_SENT && now >= s->auth_until_ms)
        end_auth(s, AUTH_REFUSED);
    LIST_FOR_EACH(l, &s->requests)
    {
        struct request *r = CONTAINER_OF(l, struct request, link);
        bool ended = r->state == REQUEST_ENDING && now >= r->ends_at_ms;
        if (!ended && now < r->idle_at_ms && now < r->total_at_ms)
            continue;
        (void)send_text(s, "CLOSE", r->id, STR(""));
        settle(r, ended ? SETTLE_EOSE : SETTLE_TIMEOUT);
        break; /* the owner may have changed the list; arm() brings us back at once for the next */
    }
    if (s->state == SESSION_READY)
        exchanges_tick(&s->exchanges, now);
    arm(s);
}

/* Closing */

/* Every open request is settled first, then the owner hears the end. */
static void fail(struct session *s, const struct err *err)
{
    struct err copy =
        err->code == ERR_DISCONNECTED && s->refusal.code != ERR_NONE ? s->refusal : *err;
    struct list *l;

    if (s->state == SESSION_READY)
        s->state = SESSION_BROKEN;
    uncount(s);
    enum settle how = err->code == ERR_MESSAGE_TOO_LARGE || err->code == ERR_NOMEM
                          ? SETTLE_OVERSIZE
                          : SETTLE_DISCONNECT;

    while (s->state != SESSION_CLOSED && (l = list_take_first(&s->requests)) != NULL)
        settle(CONTAINER_OF(l, struct request, link), how);
    if (s->state != SESSION_CLOSED)
        exchanges_fail(&s->exchanges);
    if (s->state != SESSION_CLOSED)
        s->ops->on_closed(s->owner, &copy);
}

static void on_pong(void *owner, bool ours)
{
    struct session *s = owner;

    s->alive_at_ms = clock_mono_ms();
    if (!ours)
        return;
    if (s->pinged_at_ms > 0)
        s->answered_at_ms = s->pinged_at_ms;
    s->pinged_at_ms = 0;
}

static void on_closed(void *owner, const struct err *err)
{
    fail(owner, err);
}
