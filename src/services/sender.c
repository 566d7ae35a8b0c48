/* sender: see sender.h. */
#include "services/sender.h"

#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 8,      /* events under way: a relay that answers slowly is not flooded */
    TRIES_MAX = 5,   /* of one event, when the relay asks to slow down */
    SLOWER_MS = 2000 /* twice as long each time */
};

struct slot {
    struct sender *sender;
    struct exchange *exchange; /* NULL: free */
    size_t at;                 /* index of its event */
};

struct sender {
    struct net *net;
    struct sender_options options;
    struct relay_url url;
    sender_done *done;
    void *owner;
    struct session *session;
    uv_timer_t timer; /* when the relay has asked to slow down */
    struct slot slots[WINDOW];
    size_t next;   /* event that was not sent yet */
    size_t *again; /* to be sent once more */
    size_t again_n;
    unsigned slower; /* times in a row that it asked to slow down */
    bool ready, waiting, over;
    struct sender_result result;
};

static void on_ready(void *owner, const struct wsconn_report *report);
static void on_closed(void *owner, const struct err *err);
static void on_answer(void *owner, const struct exchange_answer *answer);

static const struct session_ops session_ops = {.on_ready = on_ready, .on_closed = on_closed};

static void finish(struct sender *s, const struct err *err)
{
    struct sender_result *r = &s->result;

    if (s->over)
        return;
    s->over = true;
    r->unanswered = s->options.events_n - r->accepted - r->refused;
    if (err != NULL && r->unanswered > 0)
        r->err = *err;
    s->done(s->owner, r);
}

static bool take_next(struct sender *s, size_t *at)
{
    if (s->again_n > 0)
        *at = s->again[--s->again_n];
    else if (s->next < s->options.events_n)
        *at = s->next++;
    else
        return false;
    return true;
}

static void send_more(struct sender *s)
{
    bool busy = false;

    for (size_t i = 0; i < WINDOW; i++) {
        struct slot *slot = &s->slots[i];

        if (slot->exchange == NULL && s->ready && !s->waiting && !s->over &&
            take_next(s, &slot->at)) {
            const struct sender_event *e = &s->options.events[slot->at];

            slot->sender = s;
            slot->exchange = session_publish(s->session, e->json, &e->id, s->options.timeout_ms,
                                             on_answer, slot);
        }
        busy = busy || slot->exchange != NULL;
    }
    if (!busy && !s->waiting)
        finish(s, NULL);
}

static void on_timer(uv_timer_t *timer)
{
    struct sender *s = timer->data;

    s->waiting = false;
    send_more(s);
}

/* Once more later; false when it has asked too often. */
static bool slow_down(struct sender *s, size_t at)
{
    if (s->slower >= TRIES_MAX)
        return false;
    s->again[s->again_n++] = at;
    if (!s->waiting) {
        s->waiting = true;
        (void)uv_timer_start(&s->timer, on_timer, (uint64_t)SLOWER_MS << s->slower, 0);
        s->slower++;
    }
    return true;
}

static void on_answer(void *owner, const struct exchange_answer *answer)
{
    struct slot *slot = owner;
    struct sender *s = slot->sender;
    struct err err;

    slot->exchange = NULL;
    if (answer->how == EXCHANGE_DISCONNECTED)
        return;                            /* on_closed() follows */
    if (answer->how == EXCHANGE_TIMEOUT) { /* who answers none of eight would answer none of all */
        (void)err_set(&err, ERR_TIMEOUT, "no answer to an event");
        finish(s, &err);
        return;
    }
    if (answer->accepted || answer->prefix == PREFIX_DUPLICATE) {
        s->result.accepted++;
        s->slower = 0;
    } else if (answer->prefix != PREFIX_RATE_LIMITED || !slow_down(s, slot->at)) {
        s->result.refused++;
        (void)str_copy(s->result.text, sizeof(s->result.text), str_z(answer->text));
    }
    send_more(s);
}

static void on_ready(void *owner, const struct wsconn_report *report)
{
    struct sender *s = owner;

    (void)report;
    s->ready = true;
    send_more(s);
}

static void on_closed(void *owner, const struct err *err)
{
    struct sender *s = owner;

    s->ready = false;
    finish(s, err);
}

struct sender *sender_open(struct net *net, const struct sender_options *options, sender_done *done,
                           void *owner)
{
    struct sender *s = calloc(1, sizeof(*s));

    if (s == NULL || (s->again = calloc(WINDOW, sizeof(*s->again))) == NULL)
        abort();
    s->net = net;
    s->options = *options;
    url_copy(&s->url, options->url);
    s->done = done;
    s->owner = owner;
    (void)uv_timer_init(net_loop(net), &s->timer);
    s->timer.data = s;
    const struct wsconn_target target = session_target(&s->url, false);
    const struct session_options session = {
        .signer = options->signer, .url = s->url.text, .subscriptions_max = 1};
    s->session = session_open(net, &target, &session, &session_ops, s);
    return s;
}

static void on_handle_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void sender_close(struct sender *s)
{
    if (s == NULL)
        return;
    s->over = true;
    session_close(s->session);
    free(s->again);
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
}
