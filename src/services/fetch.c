/* fetch: see fetch.h.  Reading order is running order. */
#include "services/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/set64.h"
#include "core/siphash.h"
#include "nostr/verify.h"
#include "relay/refusal.h"
#include "services/answer.h"
#include "services/pace.h"
#include "services/walk/walk.h"

enum {
    FILTER_JSON_MAX = 256 * 1024,
    TRIES_MAX = 4, /* connections in a row that brought no answer: 15 s */
    AGAIN_MS = 1000,
    SLOWED_MS = 5000, /* the first wait of whoever asks too fast */
    AGAIN_MAX_MS = 60000,
    PING_EVERY_MS = 30000,
    ALIVE_MS = 75000,
    ARENA_BYTES = 65536,
    OVERLAP_S = 120 /* of the live request, since clocks differ */
};

enum fetch_state {
    FETCH_CONNECTING,
    FETCH_ASKING,
    FETCH_SLOWED,
    FETCH_OPENING,
    FETCH_LIVE,
    FETCH_WAITING,
    FETCH_ENDED
};

struct fetch {
    struct net *net;
    struct fetch_options options;
    struct relay_url url;
    const struct fetch_ops *ops;
    void *owner;
    enum fetch_state state;
    struct session *session;
    struct err refused; /* what the relay said when it last refused a question */
    bool answered;      /* a question ended with EOSE */
    uv_timer_t timer;   /* WAITING: the next connection; SLOWED: the next question; LIVE: the next
                           ping */
    uv_timer_t turn;    /* ends what must not end inside of a call */
    int open_handles;
    unsigned tries;

    struct coverage *coverage;
    struct walk *walk;
    struct walk_traits traits;
    struct pace pace;
    struct walk_ask ask;
    struct walk_page answer;
    bool topped, late, late_seen;
    int64_t hi; /* what is above is the live request's, or was asked for */
    struct request *request, *live;
    char *filter_json;
    struct walk_event *events;
    size_t events_n, events_room;

    struct arena arena;
    struct verifier *verifier;
    struct siphash_key key;
    struct set64 known;
    struct fetch_counts counts;
    uint64_t bytes_before; /* of connections that are gone */
};

/* In the order in which they run. */
static void connect_now(struct fetch *f);
static void next_span(struct fetch *f);
static void next_question(struct fetch *f);
static void ask_in_time(struct fetch *f);
static void ask(struct fetch *f);
static void on_page_event(void *owner, struct str raw);
static void on_page_settled(void *owner, const struct settlement *s);
static void on_late_event(void *owner, struct str raw);
static void open_live(struct fetch *f);
static void on_ping(uv_timer_t *timer);

static const struct request_ops page_ops = {.on_event = on_page_event,
                                            .on_settled = on_page_settled};

static void count_bytes(struct fetch *f)
{
    f->counts.bytes =
        f->bytes_before + (f->session != NULL ? session_received_bytes(f->session) : 0);
}

static void drop_session(struct fetch *f)
{
    if (f->session == NULL)
        return;
    count_bytes(f);
    f->bytes_before = f->counts.bytes;
    session_close(f->session);
    f->session = NULL;
    f->request = f->live = NULL;
}

static void end(struct fetch *f, const struct err *err)
{
    if (f->state == FETCH_ENDED)
        return;
    f->state = FETCH_ENDED;
    drop_session(f);
    (void)uv_timer_stop(&f->timer);
    f->ops->on_pause(f->owner);
    f->ops->on_ended(f->owner, err);
}

/* Enough were asked for.  Not at once: we are inside of a session's call. */
static void on_turn(uv_timer_t *timer)
{
    end(timer->data, NULL);
}

/* Connecting */

static void on_timer(uv_timer_t *timer)
{
    struct fetch *f = timer->data;

    if (f->state == FETCH_WAITING)
        connect_now(f);
    else if (f->state == FETCH_SLOWED)
        next_question(f);
}

static void wait_again(struct fetch *f, const struct err *err)
{
    uint32_t again_ms = AGAIN_MS << (f->tries < TRIES_MAX ? f->tries : TRIES_MAX);
    struct err last = *err;

    if (f->state == FETCH_ENDED)
        return;
    drop_session(f);
    if (++f->tries > TRIES_MAX) {
        end(f, &last);
        return;
    }
    if (again_ms > AGAIN_MAX_MS)
        again_ms = AGAIN_MAX_MS;
    f->state = FETCH_WAITING;
    f->ops->on_pause(f->owner);
    f->ops->on_trouble(f->owner, &last, again_ms);
    (void)uv_timer_start(&f->timer, on_timer, again_ms, 0);
}

static void on_ready(void *owner, const struct wsconn_report *report)
{
    struct fetch *f = owner;

    (void)report;
    if (f->walk != NULL)
        next_question(f);
    else
        next_span(f);
}

static void on_session_closed(void *owner, const struct err *err)
{
    struct fetch *f = owner;

    if (f->counts.requests == 0 && !f->options.follow && err->code != ERR_TLS_RETRY)
        end(f, err); /* there is nothing to go on with */
    else
        wait_again(f, err); /* what was being read has been settled, and the walk knows */
}

static const struct session_ops session_ops = {
    .on_ready = on_ready, .on_late_event = on_late_event, .on_closed = on_session_closed};

static void connect_now(struct fetch *f)
{
    const struct wsconn_target target = session_target(&f->url, false);
    const struct session_options options = {
        .signer = f->options.signer, .url = f->url.text, .subscriptions_max = 2};

    f->state = FETCH_CONNECTING;
    pace_connected(&f->pace);
    f->session = session_open(f->net, &target, &options, &session_ops, f);
}

/* What to ask */

/* What is not proven, newest first; what a gap says is not asked again in this run. */
static void next_span(struct fetch *f)
{
    const struct coverage_query query = {
        .lo = filter_spec_since(f->options.filter), .hi = f->hi, .now = 0, .gap_retry_s = 1};
    struct walk_kinds kinds = {0};
    int64_t lo, hi;

    f->state = FETCH_ASKING;
    if (coverage_next(f->coverage, &query, &lo, &hi)) {
        kinds.only = filter_spec_kinds(f->options.filter, &kinds.only_n);
        if (session_asked_auth(f->session))
            f->traits.restricts = true;
        f->traits.shown = coverage_top(f->coverage) >= 0;
        f->traits.page_max = WALK_PAGE_MAX; /* events are handed out as they come */
        f->walk = walk_start(lo, hi, f->options.page, &f->traits, &kinds);
        next_question(f);
        return;
    }
    if (!f->answered && f->refused.code != ERR_NONE) {
        struct err err = f->refused;
        end(f, &err);
    } else if (!f->options.follow) {
        end(f, NULL);
    } else if (f->live == NULL) {
        open_live(f);
    } else {
        f->state = FETCH_LIVE;
        f->ops->on_pause(f->owner);
        f->ops->on_live(f->owner);
        (void)uv_timer_start(&f->timer, on_ping, PING_EVERY_MS, PING_EVERY_MS);
    }
}

static void walk_is_over(struct fetch *f)
{
    walk_free(f->walk);
    f->walk = NULL;
    if (!f->topped) { /* above lies only what came after the first question */
        f->topped = true;
        f->hi = coverage_top(f->coverage);
        if (f->hi < 0)
            f->hi = clock_wall_s() - 1;
    }
    next_span(f);
}

static void next_question(struct fetch *f)
{
    struct err err;

    if (f->state == FETCH_ENDED)
        return;
    f->state = FETCH_ASKING;
    f->ops->on_pause(f->owner);
    switch (walk_next(f->walk, &f->ask)) {
    case WALK_ASK:
        ask_in_time(f);
        return;
    case WALK_RETRY:
        (void)err_set(&err, f->refused.code != ERR_NONE ? f->refused.code : ERR_IDLE, "%s",
                      f->refused.detail);
        wait_again(f, &err);
        return;
    case WALK_DONE:
    case WALK_GIVEN_UP:
        walk_is_over(f);
        return;
    }
    abort();
}

/* Not faster than the relay wants. */
static void ask_in_time(struct fetch *f)
{
    int64_t wait = f->pace.next_ms - clock_mono_ms();
    struct err refused = f->refused;

    if (pace_is_hopeless(&f->pace)) {
        wait_again(f, &refused);
    } else if (wait > 0) {
        f->state = FETCH_SLOWED;
        if (f->pace.refusals > 0)
            f->ops->on_trouble(f->owner, &refused, (uint32_t)wait);
        (void)uv_timer_start(&f->timer, on_timer, (uint64_t)wait, 0);
    } else {
        pace_asked(&f->pace, clock_mono_ms());
        ask(f);
    }
}

static struct str question(struct fetch *f, const struct filter_ask *ask)
{
    int n = filter_write(f->options.filter, ask, f->filter_json, FILTER_JSON_MAX);

    if (n < 0)
        abort(); /* fetch_open() has tried */
    return (struct str){f->filter_json, (size_t)n};
}

static void ask(struct fetch *f)
{
    const struct filter_ask q = {.since = f->ask.since,
                                 .until = f->ask.until,
                                 .limit = f->ask.limit,
                                 .kinds = f->ask.kinds,
                                 .n_kinds = f->ask.n_kinds};
    const struct request_options options = {.idle_ms = f->options.idle_ms,
                                            .total_ms = f->options.total_ms,
                                            .events_max = 10 * (uint32_t)f->ask.limit + 10000};

    f->answer = (struct walk_page){.asked_at = clock_wall_s()};
    f->events_n = 0;
    f->counts.requests++;
    f->request = session_request(f->session, question(f, &q), &options, &page_ops, f);
}

/* Reading */

static void note(struct fetch *f, const struct event *e, bool matches, uint64_t fingerprint)
{
    if (f->events_n == f->events_room) {
        f->events_room = f->events_room == 0 ? 512 : 2 * f->events_room;
        f->events = realloc(f->events, f->events_room * sizeof(*f->events));
        if (f->events == NULL)
            abort();
    }
    f->events[f->events_n++] = (struct walk_event){.created_at = e->created_at,
                                                   .fingerprint = fingerprint,
                                                   .kind = e->kind,
                                                   .matches = matches};
}

/* The window forgets the entries with the lowest times first.  A walk goes down: what is newest
 * will not be met again. */
static int64_t keep_order(int64_t created_at)
{
    return created_at < UINT32_MAX ? (int64_t)UINT32_MAX - created_at : 0;
}

static bool enough(const struct fetch *f)
{
    return f->options.newest > 0 && f->counts.events >= f->options.newest;
}

/* Checks one event and hands it out when it is new.  `page`: it belongs to the open question. */
static void take(struct fetch *f, struct str raw, bool page)
{
    const struct event_limits limits = event_limits_default();
    const struct filter_ask untimed = {.since = -1,
                                       .until = -1,
                                       .limit = -1,
                                       .kinds = page ? f->ask.kinds : NULL,
                                       .n_kinds = page ? f->ask.n_kinds : 0};
    const struct filter_ask whole = {.since = -1, .until = -1, .limit = -1};
    enum reject why = REJECT_NONE;
    uint64_t fingerprint;
    struct event e;

    f->counts.messages++;
    arena_reset(&f->arena);
    if (event_scan_untagged(raw, &limits, &f->arena, &e, &why) < 0) {
        f->counts.rejected++;
        return;
    }
    fingerprint = siphash(&f->key, e.id.b, sizeof(e.id.b));
    if (page)
        note(f, &e, filter_asked(f->options.filter, &untimed, &e), fingerprint);
    if (set64_has(&f->known, fingerprint) || enough(f))
        return;
    if (!filter_asked(f->options.filter, &whole, &e) || !filter_wanted(f->options.filter, &e) ||
        !verifier_check(f->verifier, &e.id, &e.pubkey, &e.sig)) {
        f->counts.rejected++;
    } else {
        (void)set64_add(&f->known, fingerprint, keep_order(e.created_at));
        f->counts.events++;
        f->ops->on_event(f->owner, &e);
        if (enough(f))
            (void)uv_timer_start(&f->turn, on_turn, 0, 0);
    }
}

static void on_page_event(void *owner, struct str raw)
{
    struct fetch *f = owner;

    take(f, raw, true);
}

static void learn(struct fetch *f, const struct walk_spans *spans)
{
    for (size_t i = 0; i < spans->n; i++) {
        const struct walk_span *s = &spans->at[i];
        const struct store_span span = {
            .lo = s->lo, .hi = s->hi, .gap = s->gap, .grade = s->grade, .reason = s->reason};

        coverage_add(f->coverage, &span);
    }
}

/* on_session_closed() follows. */
static bool ends_session(enum settle how)
{
    return how == SETTLE_DISCONNECT || how == SETTLE_FLOOD || how == SETTLE_OVERSIZE;
}

static void on_page_settled(void *owner, const struct settlement *s)
{
    struct fetch *f = owner;
    struct walk_spans spans = {.n = 0};

    f->request = NULL;
    count_bytes(f);
    f->answer = answer_page(s, f->answer.asked_at);
    /* Beside a live request there may be no place for another, ever; and it has brought the last
     * minutes. */
    f->answer.slow &= f->live == NULL;
    f->answer.events = f->events;
    f->answer.events_n = f->events_n;
    if (s->how == SETTLE_EOSE || f->events_n > 0) {
        f->answered = true;
        f->tries = 0;
        pace_answered(&f->pace);
    } else {
        (void)err_set(&f->refused, settlement_code(s), "%s", s->text);
    }
    if (f->answer.slow)
        pace_refused(&f->pace, SLOWED_MS, 0, clock_mono_ms());
    if (f->late) { /* what is unproven is walked anew */
        f->late = false;
        walk_free(f->walk);
        f->walk = NULL;
    } else {
        walk_answer(f->walk, &f->answer, &spans);
        learn(f, &spans);
    }
    if (ends_session(s->how))
        return; /* on_session_closed() follows */
    if (f->walk == NULL)
        next_span(f);
    else
        next_question(f);
}

/* The page that was asked last was not all: it proves nothing, and the walk begins again.  Once:
 * whoever always sends after his EOSE would have us walk for ever. */
static void on_late_event(void *owner, struct str raw)
{
    struct fetch *f = owner;

    if (!f->late_seen)
        f->late = f->walk != NULL && f->request != NULL;
    f->late_seen = true;
    take(f, raw, false);
}

/* Following */

static void on_live_event(void *owner, struct str raw)
{
    struct fetch *f = owner;

    take(f, raw, false);
    if (f->state == FETCH_LIVE)
        f->ops->on_pause(f->owner);
}

/* From here on nothing new is missed; what came since the walk began is asked for. */
static void on_live_eose(void *owner)
{
    struct fetch *f = owner;

    f->topped = false;
    f->hi = filter_spec_until(f->options.filter);
    next_span(f);
}

static void on_live_settled(void *owner, const struct settlement *s)
{
    struct fetch *f = owner;
    struct err err;

    f->live = NULL;
    if (ends_session(s->how))
        return;
    (void)err_set(&err, settlement_code(s), "live: %s", s->text);
    wait_again(f, &err);
}

static const struct request_ops live_ops = {
    .on_event = on_live_event, .on_eose = on_live_eose, .on_settled = on_live_settled};

static void open_live(struct fetch *f)
{
    const struct filter_ask q = {.since = clock_wall_s() - OVERLAP_S, .until = -1, .limit = -1};
    const struct request_options options = {.live = true,
                                            .idle_ms = f->options.idle_ms,
                                            .total_ms = f->options.total_ms,
                                            .events_max = UINT32_MAX};

    f->state = FETCH_OPENING;
    f->counts.requests++;
    f->live = session_request(f->session, question(f, &q), &options, &live_ops, f);
}

static void on_ping(uv_timer_t *timer)
{
    struct fetch *f = timer->data;
    struct err err;

    if (f->state != FETCH_LIVE)
        return;
    if (clock_mono_ms() - session_alive_at(f->session) > ALIVE_MS) {
        (void)err_set(&err, ERR_IDLE, "no answer to a ping");
        wait_again(f, &err);
        return;
    }
    session_ping(f->session);
}

/* Beginning and end */

struct fetch_options fetch_options_of(const struct config *cfg, enum network network)
{
    return (struct fetch_options){.page = (int32_t)cfg->synchronizer_page,
                                  .idle_ms = (uint32_t)(network != NETWORK_CLEARNET
                                                            ? cfg->synchronizer_idle_timeout_overlay
                                                            : cfg->synchronizer_idle_timeout),
                                  .total_ms = (uint32_t)cfg->synchronizer_request_timeout};
}

struct fetch *fetch_open(struct net *net, const struct fetch_options *options,
                         const struct fetch_ops *ops, void *owner)
{
    struct fetch *f = calloc(1, sizeof(*f));

    if (f == NULL || (f->filter_json = malloc(FILTER_JSON_MAX)) == NULL)
        abort();
    f->net = net;
    f->options = *options;
    url_copy(&f->url, options->url);
    f->ops = ops;
    f->owner = owner;
    f->hi = filter_spec_until(options->filter);
    f->coverage = coverage_new();
    f->verifier = verifier_new();
    arena_init(&f->arena, ARENA_BYTES);
    siphash_key_random(&f->key);
    set64_init(&f->known, options->known_bytes_max);
    (void)uv_timer_init(net_loop(net), &f->timer);
    (void)uv_timer_init(net_loop(net), &f->turn);
    f->timer.data = f->turn.data = f;
    f->open_handles = 2;
    connect_now(f);
    return f;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct fetch *f = handle->data;

    if (--f->open_handles == 0)
        free(f);
}

void fetch_close(struct fetch *f)
{
    if (f == NULL)
        return;
    f->state = FETCH_ENDED;
    drop_session(f);
    walk_free(f->walk);
    coverage_free(f->coverage);
    verifier_free(f->verifier);
    arena_done(&f->arena);
    set64_done(&f->known);
    free(f->events);
    free(f->filter_json);
    uv_close((uv_handle_t *)&f->timer, on_handle_closed);
    uv_close((uv_handle_t *)&f->turn, on_handle_closed);
}

const struct coverage *fetch_coverage(const struct fetch *f)
{
    return f->coverage;
}

const struct fetch_counts *fetch_counts(const struct fetch *f)
{
    return &f->counts;
}

int64_t fetch_reached(const struct fetch *f)
{
    return f->walk != NULL ? walk_reached(f->walk) : 0;
}
