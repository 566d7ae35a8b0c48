/* publisher: see publisher.h.  Reading order: making, the queue, a target's life, the monitor's own
 * kinds, stopping. */
#include "services/monitor/publisher.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "core/clock.h"
#include "core/hex.h"
#include "core/json.h"
#include "core/list.h"
#include "core/log.h"
#include "core/metrics.h"
#include "db/store_state.h"
#include "net/net.h"
#include "nostr/access.h"
#include "nostr/url.h"
#include "relay/budget.h"
#include "relay/session.h"

enum {
    TICK_MS = 250,
    RETRY_MIN_MS = 5000,
    ANSWER_MS = 20000,
    IDLE_MS = 10000,
    TRIES_MAX = 20, /* of one event at one target; it comes again when it is due */
    OWN_EVERY_MS = 60 * 1000,
    STATE_BYTES = 512,
    STATE_DEPTH = 4,
    ARENA_BLOCK = 16 * 1024
};

/* One signed event; lives as long as a target has not done with it. */
struct publication {
    struct list link; /* in publisher.queue, oldest first */
    uint64_t number;
    int32_t token; /* > 0 a relay's; < 0 one of our own kinds; 0: replaced, nobody hears of it */
    bool accepted, sent;
    uint32_t waiting; /* bits of targets that have not done with it */
    uint8_t tries[PUBLISHER_TARGETS_MAX];
    struct id32 id;
    size_t n;
    char json[];
};

enum target_state { TARGET_IDLE, TARGET_CONNECTING, TARGET_READY, TARGET_SENT };

struct target {
    struct publisher *publisher;
    uint32_t bit;
    struct relay_url url;
    char wire[URL_MAX + 2];
    enum target_state state;
    struct session *session;
    struct exchange *exchange;
    struct publication *at; /* that it was sent */
    int64_t retry_at_ms, idle_since_ms, wait_ms;
    bool complained, dialling; /* dialling: the budget waits for the end of it */
};

/* What is remembered of 10166, 0, 10002: when it was published, and what it said. */
struct own {
    const char *name;
    enum publisher_kind bit;
    int64_t at_ms;
    uint8_t hash[32], offered[32];
    int64_t offered_ms;
};
enum { OWN_MONITOR, OWN_PROFILE, OWN_LIST, OWN__COUNT };

struct publisher {
    struct publisher_parts parts;
    struct publisher_options options;
    uv_timer_t tick;
    struct target *targets;
    uint32_t targets_n, wanted; /* bits of those that no deny list has */
    struct list queue;
    uint32_t queue_n;
    uint64_t numbers;
    struct own own[OWN__COUNT];
    uint32_t own_asked; /* of their memories: read so far */
    int64_t own_ms;
    bool started, own_known, stopping;
    publisher_accepted *accepted;
    void *listener;
};

static void on_tick(uv_timer_t *timer);
static void target_run(struct target *t, int64_t now);
static void on_ready(void *owner, const struct wsconn_report *report);
static void on_closed(void *owner, const struct err *err);
static void on_answer(void *owner, const struct exchange_answer *answer);
static void own_run(struct publisher *p, int64_t now);

static const struct session_ops session_ops = {.on_ready = on_ready, .on_closed = on_closed};

static const struct {
    const char *name;
    enum publisher_kind kind;
} kind_names[] = {{"30166", PUBLISH_RELAYS},
                  {"10166", PUBLISH_MONITOR},
                  {"0", PUBLISH_PROFILE},
                  {"10002", PUBLISH_LIST}};

bool publisher_kinds_parse(const char *list, unsigned *kinds, struct str *word)
{
    *kinds = 0;
    while (config_list_next(&list, word)) {
        unsigned before = *kinds;
        for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
            if (str_eq(*word, str_z(kind_names[i].name)))
                *kinds |= kind_names[i].kind;
        if (*kinds == before)
            return false;
    }
    return true;
}

/* Making */

static void add_targets(struct publisher *p)
{
    const char *at = p->parts.relays;
    struct str item;

    p->targets = calloc(PUBLISHER_TARGETS_MAX, sizeof(*p->targets));
    if (p->targets == NULL)
        abort();
    while (p->targets_n < PUBLISHER_TARGETS_MAX && config_list_next(&at, &item)) {
        struct target *t = &p->targets[p->targets_n];
        if (url_parse(item, &url_any_address, &t->url) != URL_OK)
            continue; /* the configuration was checked */
        t->publisher = p;
        t->bit = 1U << p->targets_n++;
        url_wire(&t->url, t->wire);
    }
}

static void judge_targets(struct publisher *p)
{
    p->wanted = 0;
    for (uint32_t i = 0; i < p->targets_n; i++) {
        struct target *t = &p->targets[i];
        if (access_judge(p->parts.access, &t->url).access != ACCESS_DENIED)
            p->wanted |= t->bit;
        else
            log_warning("publisher",
                        "%s is not published to: it stands in [finder] deny_file; take it out of "
                        "one of the two",
                        t->url.text);
    }
}

struct publisher *publisher_open(const struct publisher_parts *parts,
                                 const struct publisher_options *options)
{
    struct publisher *p = calloc(1, sizeof(*p));

    if (p == NULL)
        abort();
    p->parts = *parts;
    list_init(&p->queue);
    p->own[OWN_MONITOR] = (struct own){.name = "10166", .bit = PUBLISH_MONITOR};
    p->own[OWN_PROFILE] = (struct own){.name = "0", .bit = PUBLISH_PROFILE};
    p->own[OWN_LIST] = (struct own){.name = "10002", .bit = PUBLISH_LIST};
    add_targets(p);
    judge_targets(p);
    (void)uv_timer_init(parts->loop, &p->tick);
    p->tick.data = p;
    publisher_reconfigure(p, options);
    return p;
}

void publisher_reconfigure(struct publisher *p, const struct publisher_options *options)
{
    p->options = *options;
    p->own_ms = 0;
}

void publisher_listen(struct publisher *p, publisher_accepted *accepted, void *owner)
{
    p->accepted = accepted;
    p->listener = owner;
}

static bool in_flight(const struct publisher *p, const struct publication *e)
{
    for (uint32_t i = 0; i < p->targets_n; i++)
        if (p->targets[i].at == e)
            return true;
    return false;
}

/* The oldest that somebody has taken: it may go, a target that was away gets what is newer. */
static struct publication *spare(const struct publisher *p)
{
    LIST_FOR_EACH(l, &p->queue)
    {
        struct publication *e = CONTAINER_OF(l, struct publication, link);
        if (e->accepted && !in_flight(p, e))
            return e;
    }
    return NULL;
}

static bool has_room(const struct publisher *p)
{
    return p->parts.dry ||
           (p->wanted != 0 && (p->queue_n < PUBLISHER_QUEUE_MAX || spare(p) != NULL));
}

bool publisher_wants(const struct publisher *p, enum publisher_kind kind)
{
    return !p->stopping && (p->options.kinds & kind) != 0 && has_room(p);
}

int64_t publisher_interval_ms(const struct publisher *p)
{
    return p->options.interval_ms;
}

/* The queue */

static void forget(struct publisher *p, struct publication *e)
{
    list_remove(&e->link);
    p->queue_n--;
    free(e);
}

static void was_accepted(struct publisher *p, struct publication *e)
{
    if (e->accepted)
        return;
    e->accepted = true;
    metrics.published_total[0]++;
    if (e->token > 0 && p->accepted != NULL)
        p->accepted(p->listener, e->token);
    if (e->token >= 0)
        return;
    struct own *own = &p->own[-e->token - 1];
    char json[STATE_BYTES], hash[65] = "";
    own->at_ms = clock_wall_ms();
    memcpy(own->hash, own->offered, sizeof(own->hash));
    hex_encode(hash, own->hash, sizeof(own->hash));
    (void)snprintf(json, sizeof(json), "{\"published_at_ms\":%lld,\"hash\":\"%s\"}",
                   (long long)own->at_ms, hash);
    store_state_put(p->parts.db, "publisher", own->name, json, NULL, NULL);
}

/* What was to be replaced anyway need not be sent. */
static void drop_older(struct publisher *p, int32_t token)
{
    LIST_FOR_EACH(l, &p->queue)
    {
        struct publication *e = CONTAINER_OF(l, struct publication, link);
        if (e->token == token && !in_flight(p, e)) {
            forget(p, e);
            return;
        }
    }
}

bool publisher_put(struct publisher *p, const struct event_draft *draft, int32_t token)
{
    struct arena arena;
    struct id32 id;
    struct str json;
    struct publication *e;

    if (p->stopping || !has_room(p))
        return false;
    if (p->queue_n >= PUBLISHER_QUEUE_MAX)
        forget(p, spare(p));
    arena_init(&arena, ARENA_BLOCK);
    json = sign_event(p->parts.signer, draft, &arena, &id);
    e = calloc(1, sizeof(*e) + json.n);
    if (e == NULL)
        abort();
    memcpy(e->json, json.p, json.n);
    e->n = json.n;
    e->id = id;
    e->token = token;
    e->number = ++p->numbers;
    arena_done(&arena);
    if (p->parts.dry) {
        (void)fwrite(e->json, 1, e->n, stdout);
        (void)fputc('\n', stdout);
        (void)fflush(stdout);
        free(e);
        return true;
    }
    drop_older(p, token);
    e->waiting = p->wanted;
    list_add_tail(&p->queue, &e->link);
    p->queue_n++;
    return true;
}

/* A target's life */

static void on_tick(uv_timer_t *timer)
{
    struct publisher *p = timer->data;
    int64_t now = clock_mono_ms();

    own_run(p, now);
    for (uint32_t i = 0; i < p->targets_n; i++)
        target_run(&p->targets[i], now);
}

static struct publication *next_for(const struct target *t)
{
    LIST_FOR_EACH(l, &t->publisher->queue)
    {
        struct publication *e = CONTAINER_OF(l, struct publication, link);
        if ((e->waiting & t->bit) != 0)
            return e;
    }
    return NULL;
}

static void dialled(struct target *t)
{
    if (t->dialling)
        budget_dialled(t->publisher->parts.budget, t->url.host, clock_mono_ms());
    t->dialling = false;
}

static void hang_up(struct target *t)
{
    if (t->exchange != NULL)
        exchange_close(t->exchange);
    t->exchange = NULL;
    t->at = NULL;
    if (t->session != NULL) {
        session_close(t->session);
        dialled(t);
        budget_release(t->publisher->parts.budget, BUDGET_PUBLISHING, t->url.host, 1,
                       clock_mono_ms());
    }
    t->session = NULL;
    t->state = TARGET_IDLE;
}

static void back_off(struct target *t)
{
    t->wait_ms = t->wait_ms == 0 ? RETRY_MIN_MS : t->wait_ms * 2;
    if (t->wait_ms > t->publisher->options.retry_max_ms)
        t->wait_ms = t->publisher->options.retry_max_ms;
    t->retry_at_ms = clock_mono_ms() + t->wait_ms;
}

/* This target has done with it, whatever it said. */
static void done_with(struct target *t, struct publication *e)
{
    e->waiting &= ~t->bit;
    if (e->waiting == 0)
        forget(t->publisher, e);
}

void publisher_access_changed(struct publisher *p)
{
    judge_targets(p);
    for (uint32_t i = 0; i < p->targets_n && !p->stopping; i++) {
        struct target *t = &p->targets[i];
        bool there = t->session != NULL &&
                     net_address_denied(p->parts.net, session_report(t->session)->address) &&
                     access_judge(p->parts.access, &t->url).access != ACCESS_ALLOWED;
        bool denied = (p->wanted & t->bit) == 0;
        if (denied || there)
            hang_up(t);
        LIST_FOR_EACH(l, &p->queue)
        {
            struct publication *e = CONTAINER_OF(l, struct publication, link);
            if (denied && (e->waiting & t->bit) != 0)
                done_with(t, e);
        }
    }
}

static void dial(struct target *t, int64_t now)
{
    const struct wsconn_target to = session_target(
        &t->url, access_judge(t->publisher->parts.access, &t->url).access == ACCESS_ALLOWED);
    const struct session_options options = {
        .signer = t->publisher->parts.signer, .url = t->wire, .subscriptions_max = 1};
    int64_t wait = t->url.network == NETWORK_CLEARNET
                       ? net_dial_wait(t->publisher->parts.net, t->url.host)
                       : 0;

    if (wait == 0)
        wait = budget_take(t->publisher->parts.budget, BUDGET_PUBLISHING, t->url.host, 1, now);
    if (wait > 0) {
        t->retry_at_ms = now + wait;
        return;
    }
    t->dialling = true;
    t->state = TARGET_CONNECTING;
    t->session = session_open(t->publisher->parts.net, &to, &options, &session_ops, t);
}

static void target_run(struct target *t, int64_t now)
{
    struct publication *e = next_for(t);

    switch (t->state) {
    case TARGET_IDLE:
        if (e != NULL && now >= t->retry_at_ms)
            dial(t, now);
        return;
    case TARGET_READY:
        if (e == NULL || now < t->retry_at_ms) {
            if (now - t->idle_since_ms >= IDLE_MS)
                hang_up(t);
            return;
        }
        t->state = TARGET_SENT;
        t->at = e;
        e->sent = true;
        t->exchange = session_publish(t->session, (struct str){e->json, e->n}, &e->id, ANSWER_MS,
                                      on_answer, t);
        return;
    case TARGET_CONNECTING:
    case TARGET_SENT:
        return;
    }
}

static void on_ready(void *owner, const struct wsconn_report *report)
{
    struct target *t = owner;

    (void)report;
    dialled(t);
    t->state = TARGET_READY;
    t->idle_since_ms = clock_mono_ms();
    target_run(t, t->idle_since_ms);
}

/* It goes on trying; a person is told once. */
static void failed(struct target *t, const char *what)
{
    metrics.publish_failures_total[0]++;
    if (!t->complained)
        log_warning("publisher", "%s: cannot be published to, trying again: %s", t->url.text, what);
    t->complained = true;
    back_off(t);
}

static void tried_in_vain(struct target *t, struct publication *e)
{
    uint32_t i = (uint32_t)(t - t->publisher->targets);

    if (++e->tries[i] >= TRIES_MAX)
        done_with(t, e);
}

static void on_closed(void *owner, const struct err *err)
{
    struct target *t = owner;
    struct publication *e = t->at;
    bool was_idle = t->state == TARGET_READY, busy = err->code == ERR_ADDRESS_BUSY;

    t->exchange = NULL; /* it died with its session */
    if (busy)
        t->retry_at_ms = clock_mono_ms() + session_report(t->session)->wait_ms;
    hang_up(t);
    if (was_idle || busy)
        return;
    failed(t, err_text(err->code));
    if (e != NULL)
        tried_in_vain(t, e);
}

/* Refused for what it is: asking again would be no use.  For how it was asked: later. */
static bool is_final(enum message_prefix prefix)
{
    return prefix != PREFIX_RATE_LIMITED && prefix != PREFIX_ERROR && prefix != PREFIX_NONE;
}

static void on_answer(void *owner, const struct exchange_answer *answer)
{
    struct target *t = owner;
    struct publisher *p = t->publisher;
    struct publication *e = t->at;
    bool taken = answer->accepted || answer->prefix == PREFIX_DUPLICATE;

    t->exchange = NULL;
    t->at = NULL;
    t->state = TARGET_READY;
    t->idle_since_ms = clock_mono_ms();
    if (answer->how == EXCHANGE_ANSWERED && taken) {
        t->wait_ms = t->retry_at_ms = 0;
        t->complained = false;
        was_accepted(p, e);
        done_with(t, e);
    } else if (answer->how == EXCHANGE_ANSWERED && is_final(answer->prefix)) {
        metrics.publish_failures_total[0]++;
        if (!t->complained)
            log_warning("publisher", "%s refuses what we publish: %s", t->url.text, answer->text);
        t->complained = true;
        done_with(t, e);
    } else {
        failed(t, answer->text[0] != '\0' ? answer->text : "no answer");
        tried_in_vain(t, e);
        if (answer->how == EXCHANGE_DISCONNECTED)
            return; /* on_closed() follows */
    }
    target_run(t, clock_mono_ms());
}

/* The monitor's own kinds */

static void own_draft(const struct publisher *p, int which, int64_t now_s, struct arena *arena,
                      struct event_draft *draft)
{
    struct str urls[PUBLISHER_TARGETS_MAX];

    for (uint32_t i = 0; i < p->targets_n; i++)
        urls[i] = str_z(p->targets[i].wire);
    switch (which) {
    case OWN_MONITOR:
        nip66_monitor(&p->options.monitor, now_s, arena, draft);
        return;
    case OWN_PROFILE:
        nip66_profile(p->options.name, p->options.about, now_s, arena, draft);
        return;
    default:
        nip66_relay_list(urls, p->targets_n, now_s, arena, draft);
        return;
    }
}

static void own_offer(struct publisher *p, int which, int64_t now_ms)
{
    struct own *own = &p->own[which];
    struct event_draft draft;
    struct arena arena;
    uint8_t hash[32];

    arena_init(&arena, ARENA_BLOCK);
    own_draft(p, which, now_ms / 1000, &arena, &draft);
    nip66_fingerprint(&draft, hash);
    bool known = memcmp(hash, own->hash, sizeof(hash)) == 0;
    bool offered = memcmp(hash, own->offered, sizeof(hash)) == 0;
    bool due = now_ms - own->at_ms >= p->options.interval_ms;
    bool on_its_way = offered && now_ms - own->offered_ms < p->options.interval_ms;
    if ((!known || due) && !on_its_way && publisher_put(p, &draft, -which - 1)) {
        memcpy(own->offered, hash, sizeof(hash));
        own->offered_ms = now_ms;
    }
    arena_done(&arena);
}

static void own_run(struct publisher *p, int64_t now)
{
    if (!p->own_known || (p->own_ms != 0 && now - p->own_ms < OWN_EVERY_MS))
        return;
    p->own_ms = now;
    for (int i = 0; i < OWN__COUNT; i++)
        if (publisher_wants(p, p->own[i].bit))
            own_offer(p, i, clock_wall_ms());
}

static void on_state(void *owner, struct str json, const struct err *err)
{
    struct publisher *p = owner;
    struct own *own = &p->own[p->own_asked];
    struct err ignored;

    if (err != NULL || p->stopping) {
        p->started = false; /* publisher_start() comes again */
        return;
    }
    struct js *root = json.n > 0 ? js_parse(json, STATE_BYTES, STATE_DEPTH, &ignored) : NULL;
    struct str hash = js_str(js_get(root, "hash"), STR(""));
    own->at_ms = js_int(js_get(root, "published_at_ms"), 0);
    if (!hex_decode(own->hash, hash, sizeof(own->hash)))
        memset(own->hash, 0, sizeof(own->hash));
    js_free(root);
    if (++p->own_asked < OWN__COUNT)
        store_state_get(p->parts.db, "publisher", p->own[p->own_asked].name, on_state, p);
    else
        p->own_known = true;
}

void publisher_start(struct publisher *p)
{
    if (p->started || p->stopping)
        return;
    p->started = true;
    if (!p->own_known) {
        p->own_asked = 0;
        store_state_get(p->parts.db, "publisher", p->own[0].name, on_state, p);
    }
    if (!uv_is_active((uv_handle_t *)&p->tick))
        (void)uv_timer_start(&p->tick, on_tick, 0, TICK_MS);
}

void publisher_status(const struct publisher *p, struct publisher_status *s)
{
    *s = (struct publisher_status){.targets = p->targets_n, .waiting = p->queue_n};
}

/* Stopping */

void publisher_stop(struct publisher *p)
{
    p->stopping = true;
    (void)uv_timer_stop(&p->tick);
    for (uint32_t i = 0; i < p->targets_n; i++)
        hang_up(&p->targets[i]);
}

static void on_tick_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void publisher_close(struct publisher *p)
{
    assert(p->stopping);
    while (!list_empty(&p->queue))
        forget(p, CONTAINER_OF(p->queue.next, struct publication, link));
    free(p->targets);
    uv_close((uv_handle_t *)&p->tick, on_tick_closed);
}
