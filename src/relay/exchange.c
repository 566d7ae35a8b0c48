/* exchange: see exchange.h. */
#include "relay/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/hex.h"

enum { ID_MAX = 64 };

struct exchange {
    struct exchanges *exchanges;
    struct list link;
    enum exchange_kind kind;
    bool waiting;    /* for authentication */
    bool auth_tried; /* a second refusal counts */
    exchange_done *done;
    void *owner;
    int64_t until_ms; /* monotonic */
    uint64_t sent_ns;
    char id[ID_MAX + 1]; /* the event's in hex, or a name of our own that is never used again */
    size_t body_n;
    char body[];
};

void exchanges_init(struct exchanges *x, struct wsconn *conn)
{
    list_init(&x->all);
    x->conn = conn;
}

static void name_exchange(struct exchange *e, const struct id32 *id)
{
    static uint64_t counter;

    if (id != NULL)
        hex_encode(e->id, id->b, sizeof(id->b));
    else
        (void)snprintf(e->id, sizeof(e->id), "x%llu", (unsigned long long)++counter);
}

/* What cannot be queued is not answered either: the deadline ends it. */
static void send_exchange(struct exchange *e)
{
    static const char *const words[] = {
        [EXCHANGE_EVENT] = "EVENT", [EXCHANGE_COUNT] = "COUNT", [EXCHANGE_NEG] = "NEG-OPEN"};
    const char *word = words[e->kind];
    size_t room = e->body_n + ID_MAX + sizeof("[\"NEG-OPEN\",\"\",]");
    char *text = malloc(room);
    struct err err;
    int n;

    if (text == NULL)
        abort();
    if (e->kind == EXCHANGE_EVENT)
        n = snprintf(text, room, "[\"%s\",%.*s]", word, (int)e->body_n, e->body);
    else
        n = snprintf(text, room, "[\"%s\",\"%s\",%.*s]", word, e->id, (int)e->body_n, e->body);
    e->sent_ns = uv_hrtime();
    e->waiting = false;
    if (e->exchanges->conn != NULL)
        (void)!wsconn_send(e->exchanges->conn, (struct str){text, (size_t)n}, &err);
    free(text);
}

struct exchange *exchanges_add(struct exchanges *x, const struct exchange_question *q,
                               exchange_done *done, void *owner)
{
    struct exchange *e = calloc(1, sizeof(*e) + q->body.n + 1);

    if (e == NULL)
        abort();
    e->exchanges = x;
    e->kind = q->kind;
    e->done = done;
    e->owner = owner;
    e->until_ms = clock_mono_ms() + q->timeout_ms;
    e->body_n = q->body.n;
    memcpy(e->body, q->body.p, q->body.n);
    name_exchange(e, q->id);
    list_add_tail(&x->all, &e->link);
    send_exchange(e);
    return e;
}

static void forget(struct exchange *e)
{
    list_remove(&e->link);
    free(e);
}

void exchange_close(struct exchange *e)
{
    char text[ID_MAX + 32];
    struct err err;

    if (e->kind == EXCHANGE_NEG && !e->waiting && e->exchanges->conn != NULL) {
        int n = snprintf(text, sizeof(text), "[\"NEG-CLOSE\",\"%s\"]", e->id);
        (void)!wsconn_send(e->exchanges->conn, (struct str){text, (size_t)n}, &err);
    }
    forget(e);
}

/* The owner is called last: he may close the session. */
static void settle(struct exchange *e, const struct exchange_answer *answer)
{
    exchange_done *done = e->done;
    void *owner = e->owner;

    if (answer->how == EXCHANGE_ANSWERED || answer->how == EXCHANGE_TIMEOUT)
        exchange_close(e);
    else
        forget(e);
    done(owner, answer);
}

void exchanges_drop(struct exchanges *x)
{
    x->conn = NULL;
    LIST_FOR_EACH(l, &x->all)
    forget(CONTAINER_OF(l, struct exchange, link));
}

void exchanges_fail(struct exchanges *x)
{
    const struct exchange_answer answer = {.how = EXCHANGE_DISCONNECTED, .us = -1};

    x->conn = NULL;
    while (!list_empty(&x->all))
        settle(CONTAINER_OF(x->all.next, struct exchange, link), &answer);
}

/* -- what the relay says -- */

static bool answers(const struct exchange *e, const struct message *m)
{
    if (!str_eq(m->sub, str_z(e->id)))
        return false;
    switch (m->type) {
    case MESSAGE_OK:
        return e->kind == EXCHANGE_EVENT;
    case MESSAGE_COUNT:
        return e->kind == EXCHANGE_COUNT;
    case MESSAGE_NEG_MSG:
    case MESSAGE_NEG_ERR:
        return e->kind == EXCHANGE_NEG;
    case MESSAGE_CLOSED:
        return e->kind != EXCHANGE_EVENT;
    case MESSAGE_INVALID:
    case MESSAGE_EVENT:
    case MESSAGE_EOSE:
    case MESSAGE_NOTICE:
    case MESSAGE_AUTH:
        break;
    }
    return false;
}

static struct exchange *find(struct exchanges *x, const struct message *m)
{
    LIST_FOR_EACH(l, &x->all)
    {
        struct exchange *e = CONTAINER_OF(l, struct exchange, link);
        if (!e->waiting && answers(e, m))
            return e;
    }
    return NULL;
}

bool exchanges_hear(struct exchanges *x, const struct message *m, bool may_auth)
{
    struct exchange *e = find(x, m);
    struct exchange_answer answer = {.how = EXCHANGE_ANSWERED, .accepted = m->ok};
    bool refused = m->type == MESSAGE_CLOSED || m->type == MESSAGE_NEG_ERR;

    if (e == NULL)
        return false;
    answer.us = (int64_t)((uv_hrtime() - e->sent_ns) / 1000);
    if (refused)
        answer.how = EXCHANGE_REFUSED;
    if (refused || m->type == MESSAGE_OK) {
        answer.prefix = message_prefix(m->text);
        (void)str_escape(answer.text, sizeof(answer.text), m->text);
    }
    answer.authenticated = e->auth_tried;
    answer.body = m->type == MESSAGE_COUNT ? m->extra : m->text;
    if (answer.prefix == PREFIX_AUTH_REQUIRED && !m->ok && may_auth && !e->auth_tried) {
        e->auth_tried = e->waiting = true;
        return true;
    }
    settle(e, &answer);
    return false;
}

void exchanges_resend(struct exchanges *x)
{
    LIST_FOR_EACH(l, &x->all)
    {
        struct exchange *e = CONTAINER_OF(l, struct exchange, link);
        if (e->waiting)
            send_exchange(e);
    }
}

/* -- time -- */

int64_t exchanges_next(const struct exchanges *x)
{
    int64_t next = INT64_MAX;

    LIST_FOR_EACH(l, &x->all)
    {
        const struct exchange *e = CONTAINER_OF(l, struct exchange, link);
        if (e->until_ms < next)
            next = e->until_ms;
    }
    return next;
}

void exchanges_tick(struct exchanges *x, int64_t now_ms)
{
    const struct exchange_answer answer = {.how = EXCHANGE_TIMEOUT, .us = -1};

    LIST_FOR_EACH(l, &x->all)
    {
        struct exchange *e = CONTAINER_OF(l, struct exchange, link);
        if (e->until_ms <= now_ms) {
            settle(e, &answer);
            return;
        }
    }
}
