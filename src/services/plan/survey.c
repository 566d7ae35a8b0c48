/* survey: see survey.h.  Reading order is running order. */
#include "services/plan/survey.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/siphash.h"
#include "relay/refusal.h"

enum {
    PAGES_COUNTED = 4,     /* of whoever counts: for bytes an event, and to check its count */
    CHECKS = 2,            /* windows in which COUNT is held against what came */
    COUNT_GRACE_MS = 3000, /* relays answer in order, mostly: longer after the page nobody does */
    CONNECTIONS = 2,
    FILTER_JSON_MAX = 256 * 1024,
    ANSWER_BYTES_MAX = 4096,
    ARENA_BYTES = 65536,
    ENVELOPE = 20,    /* ["EVENT","..",] */
    WINDOW_SLACK = 2, /* events */
    TOTAL_FACTOR = 4  /* beyond what the pages leave open */
};

/* Nothing of Nostr is older; what claims to be is seen when the end is reached. */
static const int64_t beginning = 1577836800;
static const double window_factor = 2, window_factor_approximate = 3;
static const double micro = 1e-6;

struct survey {
    struct net *net;
    struct survey_options options;
    struct relay_url url;
    survey_done *done;
    void *owner;
    struct session *session;
    struct request *request;
    struct exchange *exchange;
    uv_timer_t timer; /* the grace for COUNT */
    uv_timer_t deadline, turn;
    int open_handles;
    bool ended, lost_by_count; /* the connection ended when COUNT was asked: not asked again */
    uint32_t connections;

    struct estimate *estimate;
    struct arena arena;
    char *filter_json;
    int64_t until;       /* of the open page */
    int64_t first, last; /* created_at, as they came */
    uint64_t first_ns;   /* from the question to the open page's first event; 0: none has come */
    uint32_t page_events, page_raw;
    double first_s, rest_s;
    uint64_t rest_bytes;
    uint32_t pages;
    struct err refused;

    bool approximate, doubted;
    uint32_t checks;
    struct estimate_window window;
    struct survey_report report;
};

/* In the order in which they run. */
static void connect_now(struct survey *s);
static void next_page(struct survey *s);
static void count_all(struct survey *s);
static void on_page_event(void *owner, struct str raw);
static void on_page_settled(void *owner, const struct settlement *settled);
static void check_count(struct survey *s);
static void finish(struct survey *s);

static const struct request_ops page_ops = {.on_event = on_page_event,
                                            .on_settled = on_page_settled};

/* ---- the connection ---- */

static void drop_session(struct survey *s)
{
    if (s->session == NULL)
        return;
    s->report.received_bytes += session_received_bytes(s->session);
    session_close(s->session);
    s->session = NULL;
    s->request = NULL;
    s->exchange = NULL;
}

static void on_ready(void *owner, const struct wsconn_report *report)
{
    struct survey *s = owner;

    (void)report;
    if (s->pages == 0 && !s->lost_by_count)
        count_all(s);
    next_page(s);
}

/* Some relays hang up on what they do not know. */
static void on_closed(void *owner, const struct err *err)
{
    struct survey *s = owner;

    if (s->ended)
        return;
    (void)uv_timer_stop(&s->timer);
    if ((s->lost_by_count || s->pages > 0 || err->code == ERR_TLS_RETRY) &&
        s->connections < CONNECTIONS) {
        drop_session(s);
        connect_now(s);
        return;
    }
    if (s->refused.code == ERR_NONE)
        s->refused = *err;
    finish(s);
}

static const struct session_ops session_ops = {.on_ready = on_ready, .on_closed = on_closed};

static void connect_now(struct survey *s)
{
    const struct wsconn_target target = session_target(&s->url, false);
    const struct session_options options = {
        .signer = s->options.signer, .url = s->url.text, .subscriptions_max = 1};

    s->connections++;
    s->session = session_open(s->net, &target, &options, &session_ops, s);
}

/* ---- COUNT ---- */

static struct str question(struct survey *s, const struct filter_ask *ask)
{
    int n = filter_write(s->options.filter, ask, s->filter_json, FILTER_JSON_MAX);

    if (n < 0)
        abort(); /* a section of the configuration is smaller */
    return (struct str){s->filter_json, (size_t)n};
}

static int64_t read_count(struct survey *s, const struct exchange_answer *answer)
{
    struct err bad;

    if (answer->how != EXCHANGE_ANSWERED)
        return -1;
    struct js *body = js_parse(answer->body, ANSWER_BYTES_MAX, 4, &bad);
    int64_t n = js_int(js_get(body, "count"), -1);
    s->approximate = s->approximate || js_bool(js_get(body, "approximate"), false);
    js_free(body);
    return n < 0 ? -1 : n;
}

static void on_counted_all(void *owner, const struct exchange_answer *answer)
{
    struct survey *s = owner;

    s->exchange = NULL;
    if (answer->how == EXCHANGE_DISCONNECTED) {
        s->lost_by_count = true; /* on_closed() follows */
        return;
    }
    s->report.counted = read_count(s, answer);
    if (uv_is_active((uv_handle_t *)&s->timer)) {
        (void)uv_timer_stop(&s->timer);
        next_page(s);
    }
}

static void count_all(struct survey *s)
{
    const struct filter_ask all = {.since = -1, .until = -1, .limit = -1};

    s->exchange = session_ask(s->session, EXCHANGE_COUNT, question(s, &all), s->options.total_ms,
                              on_counted_all, s);
}

/* ---- pages ---- */

/* The first page is there, and COUNT is not: it is not known there. */
static void on_grace(uv_timer_t *timer)
{
    struct survey *s = timer->data;

    if (s->exchange != NULL)
        exchange_close(s->exchange);
    s->exchange = NULL;
    next_page(s);
}

static void next_page(struct survey *s)
{
    const struct request_options options = {.idle_ms = s->options.idle_ms,
                                            .total_ms = s->options.total_ms,
                                            .events_max = 100 * SURVEY_PAGE};
    int64_t until = 0;

    if (s->report.caution != NULL || !estimate_next(s->estimate, &until) ||
        (s->report.counted >= 0 && s->pages >= PAGES_COUNTED)) {
        check_count(s);
        return;
    }
    s->until = until;
    s->page_events = s->page_raw = 0;
    s->first_ns = 0;
    const struct filter_ask ask = {
        .since = -1, .until = until == INT64_MAX ? -1 : until, .limit = SURVEY_PAGE};
    s->request = session_request(s->session, question(s, &ask), &options, &page_ops, s);
}

static void on_page_event(void *owner, struct str raw)
{
    struct survey *s = owner;
    const struct event_limits limits = event_limits_default();
    const struct filter_ask ask = {
        .since = -1, .until = s->until == INT64_MAX ? -1 : s->until, .limit = -1};
    enum reject why = REJECT_NONE;
    struct event e;

    if (s->first_ns == 0)
        s->first_ns = uv_hrtime() - request_sent_ns(s->request);
    s->page_raw++;
    arena_reset(&s->arena);
    if (event_scan_untagged(raw, &limits, &s->arena, &e, &why) < 0 ||
        !filter_asked(s->options.filter, &ask, &e))
        return;
    s->report.messages++;
    s->report.message_bytes += raw.n + ENVELOPE;
    if (s->page_events++ == 0)
        s->first = e.created_at;
    s->last = e.created_at;
    estimate_add(s->estimate, &e.id, e.created_at,
                 filter_wanted(s->options.filter, &e) &&
                     !retention_expired(s->options.rules, s->options.rules_n, &e, s->url.text,
                                        clock_wall_s()));
}

/* A page that cannot be what was asked for says nothing of the time that it leaves out. */
static const char *page_caution(const struct survey *s)
{
    if (s->page_raw > 0 && s->page_events == 0)
        return "it does not heed \"until\"";
    if (s->page_events > 1 && s->pages == 0 && s->first < s->last)
        return "it does not send the newest first";
    return NULL;
}

static void note_times(struct survey *s, const struct settlement *settled)
{
    double first = (double)s->first_ns / 1000 * micro;

    if (s->first_ns == 0 || settled->end_us <= 0)
        return;
    s->first_s += first;
    s->rest_s += (double)settled->end_us * micro - first;
    s->rest_bytes += settled->bytes;
}

static void on_page_settled(void *owner, const struct settlement *settled)
{
    struct survey *s = owner;
    bool lost = settled->how == SETTLE_DISCONNECT || settled->how == SETTLE_FLOOD ||
                settled->how == SETTLE_OVERSIZE; /* the session ends with it */

    note_times(s, settled);
    s->request = NULL;
    if (settled->how != SETTLE_EOSE && s->page_events == 0) {
        (void)err_set(&s->refused, settlement_code(settled), "%s", settled->text);
        if (!lost)
            finish(s);
        return; /* else on_closed() follows */
    }
    if (s->report.caution == NULL)
        s->report.caution = page_caution(s);
    estimate_end(s->estimate, s->until);
    s->pages++;
    if (lost)
        return;
    if (s->exchange != NULL)
        (void)uv_timer_start(&s->timer, on_grace, COUNT_GRACE_MS, 0);
    else
        next_page(s);
}

/* ---- is COUNT to be believed? ---- */

static void on_counted_window(void *owner, const struct exchange_answer *answer)
{
    struct survey *s = owner;
    double factor, n = (double)read_count(s, answer), seen = s->window.events;

    s->exchange = NULL;
    factor = s->approximate ? window_factor_approximate : window_factor;
    if (n < 0 || n > seen * factor + WINDOW_SLACK || n < seen / factor - WINDOW_SLACK)
        s->doubted = true;
    check_count(s);
}

static void check_count(struct survey *s)
{

    if (s->report.counted < 0 || s->doubted || s->checks == CHECKS || s->session == NULL ||
        !estimate_window(s->estimate, s->checks, &s->window)) {
        finish(s);
        return;
    }
    s->checks++;
    const struct filter_ask ask = {.since = s->window.from + 1, .until = s->window.to, .limit = -1};
    s->exchange = session_ask(s->session, EXCHANGE_COUNT, question(s, &ask), s->options.total_ms,
                              on_counted_window, s);
}

/* ---- the end ---- */

static void judge_count(struct survey *s)
{
    struct survey_report *r = &s->report;
    double n = (double)r->counted;
    bool near = n <= r->estimate.high * TOTAL_FACTOR && n >= r->estimate.low / TOTAL_FACTOR;

    if (r->counted < 0)
        return;
    if (s->doubted || r->counted < r->estimate.seen || (r->caution == NULL && !near)) {
        r->count = SURVEY_COUNT_DOUBTED;
        return;
    }
    r->count = s->approximate ? SURVEY_COUNT_APPROXIMATE : SURVEY_COUNT_BELIEVED;
    r->estimate.events = r->estimate.low = r->estimate.high = n;
    r->caution = NULL;
}

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* A rule excludes up to its horizon.  Where only what was seen is sure, it is all that is judged.
 */
static void judge_wanted(struct survey *s)
{
    int64_t *ends = calloc(s->options.rules_n + 1, sizeof(*ends)), now = clock_wall_s();
    size_t n = 0;

    if (ends == NULL)
        abort();
    for (size_t i = 0; i < s->options.rules_n && s->report.caution == NULL; i++)
        if (s->options.rules[i].max_age_s > 0)
            ends[n++] = retention_horizon(&s->options.rules[i], now);
    qsort(ends, n, sizeof(*ends), by_time);
    s->report.wanted = estimate_wanted(s->estimate, ends, n);
    free(ends);
}

static void draw_ids(struct survey *s)
{
    struct siphash_key lot;

    siphash_key_random(&lot);
    for (uint32_t i = 0; i < s->options.ids && i < SURVEY_IDS_MAX; i++) {
        double x = (double)(siphash(&lot, &i, sizeof(i)) >> 11) * 0x1p-53;
        const struct id32 *id = estimate_draw(s->estimate, x);

        if (id == NULL)
            return;
        s->report.ids[s->report.ids_n++] = *id;
    }
}

static void on_turn(uv_timer_t *timer)
{
    struct survey *s = timer->data;
    struct survey_report *r = &s->report;

    drop_session(s);
    if (s->pages == 0)
        r->err = s->refused;
    else
        estimate_result(s->estimate, &r->estimate);
    if (r->caution != NULL) { /* only what was seen is sure */
        r->estimate.low = r->estimate.events = r->estimate.seen;
        r->estimate.high = r->estimate.seen;
    }
    judge_count(s);
    judge_wanted(s);
    draw_ids(s);
    if (s->rest_bytes > 0 && s->pages > 0) {
        r->first_s = s->first_s / s->pages;
        r->bytes_per_s = s->rest_s > micro ? (double)s->rest_bytes / s->rest_s : 0;
    }
    s->done(s->owner, r);
}

/* Not at once: we are inside of a session's call. */
static void finish(struct survey *s)
{
    if (s->ended)
        return;
    s->ended = true;
    (void)uv_timer_stop(&s->timer);
    (void)uv_timer_stop(&s->deadline);
    (void)uv_timer_start(&s->turn, on_turn, 0, 0);
}

static void on_deadline(uv_timer_t *timer)
{
    struct survey *s = timer->data;

    if (s->pages == 0 && s->refused.code == ERR_NONE)
        (void)err_set(&s->refused, ERR_IDLE, "no page within %" PRIu32 " s",
                      s->options.deadline_ms / 1000);
    finish(s);
}

struct survey *survey_open(struct net *net, const struct survey_options *options, survey_done *done,
                           void *owner)
{
    struct survey *s = calloc(1, sizeof(*s));
    int64_t since = filter_spec_since(options->filter), until = filter_spec_until(options->filter);
    int64_t now = clock_wall_s();

    if (s == NULL || (s->filter_json = malloc(FILTER_JSON_MAX)) == NULL)
        abort();
    s->net = net;
    s->options = *options;
    url_copy(&s->url, options->url);
    s->done = done;
    s->owner = owner;
    s->report.counted = -1;
    s->estimate =
        estimate_new(since > beginning ? since : beginning, until < now ? until : now, SURVEY_PAGE);
    arena_init(&s->arena, ARENA_BYTES);
    (void)uv_timer_init(net_loop(net), &s->timer);
    (void)uv_timer_init(net_loop(net), &s->deadline);
    (void)uv_timer_init(net_loop(net), &s->turn);
    s->timer.data = s->deadline.data = s->turn.data = s;
    s->open_handles = 3;
    (void)uv_timer_start(&s->deadline, on_deadline, options->deadline_ms, 0);
    connect_now(s);
    return s;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct survey *s = handle->data;

    if (--s->open_handles == 0)
        free(s);
}

void survey_close(struct survey *s)
{
    if (s == NULL)
        return;
    drop_session(s);
    estimate_free(s->estimate);
    arena_done(&s->arena);
    free(s->filter_json);
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
    uv_close((uv_handle_t *)&s->deadline, on_handle_closed);
    uv_close((uv_handle_t *)&s->turn, on_handle_closed);
}
