/* asker: see asker.h.  Reading order: making, who is asked, one visit from its beginning to its
 * end, stopping. */
#include "services/finder/asker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/set64.h"
#include "db/mention_tally.h"
#include "db/store_asked.h"
#include "loop/workers.h"
#include "net/net.h"
#include "nostr/verify.h"
#include "relay/session.h"

enum {
    PAGE = 200,
    PAGE_BYTES_MAX = 4 * 1024 * 1024, /* what is beyond is not read: contact lists are large */
    PAGES_MAX = 20,                   /* of one visit: the rest is for the next one */
    EVENTS_MAX = 5000,                /* a relay that does not heed the limit: no more than that */
    ROWS_MAX = 8192,                  /* different relays that one visit may find */
    IDLE_MS = 15000,
    TOTAL_MS = 60000,
    FUTURE_S = 15 * 60, /* clocks that are fast; what is later still is not asked for */
    SEEN_BYTES = 4 * 1024 * 1024,
    LOOK_EVERY_MS = 1000,
    RETRY_MS = 1000,
    ARENA_BLOCK = 64 * 1024
};

/* In order, as they are sent. */
static const int32_t kinds[] = {3, 10002, 10166, 30166};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* What is remembered of one relay. */
struct asked {
    int64_t lo, hi, asked_at_ms; /* as in store_asked */
    int64_t not_before_ms;       /* UNIX */
    bool here;                   /* a visit is under way */
};

struct item {
    struct str raw;
    struct event event;
    struct hints hints;
    bool good;
};

/* One visit: it reads downwards from `until` to `floor`, seconds of created_at. */
struct asking {
    struct list link;
    struct worker_job job;
    struct asker *asker;
    struct relay *relay;
    char *host;              /* NULL: no place is held */
    struct session *session; /* NULL: it has ended */
    struct request *request; /* NULL: no question is open */
    bool working;            /* a worker has the page */
    bool dropped;            /* .. and nobody waits for it any more */
    bool history;            /* below what was read before, no longer above */
    bool failed;             /* the page was the last that this relay gives */
    uint32_t pages;
    int64_t until, floor, oldest, newest;
    struct arena page, kept; /* kept: URLs, as long as the tally */
    struct item *items;
    uint32_t n;
    size_t bytes;
    struct mention_tally tally;
    struct store_asked result;
};

struct asker {
    struct asker_parts parts;
    struct asker_options options;
    struct verifier *verifier;
    struct set64 seen;
    struct siphash_key key;
    int32_t kinds[KINDS];
    uint32_t kinds_n;    /* 0: the archive takes them all */
    struct asked *asked; /* by relay id */
    uint32_t asked_n;
    struct list asking, saving; /* saving: they have ended */
    uint32_t asking_n, saving_n;
    uint32_t turn; /* whom to look at next, of the roster */
    uint32_t jobs; /* out */
    bool loading, loaded, stopped, closed;
    int64_t look_at_ms;
};

static void on_ready(void *owner, const struct wsconn_report *report);
static void on_closed(void *owner, const struct err *err);
static void on_event(void *owner, struct str event);
static void on_settled(void *owner, const struct settlement *s);
static void page_run(struct worker_job *job);
static void page_done(struct worker_job *job);
static void save(struct asking *k);

static const struct session_ops session_ops = {.on_ready = on_ready, .on_closed = on_closed};
static const struct request_ops request_ops = {.on_event = on_event, .on_settled = on_settled};

/* Making */

static bool is_archived(const struct asker_parts *parts, int32_t kind)
{
    for (size_t i = 0; i < parts->filters_n; i++)
        if (filter_takes_kind(parts->filters[i], kind))
            return true;
    return false;
}

struct asker *asker_open(const struct asker_parts *parts, const struct asker_options *options)
{
    struct asker *a = calloc(1, sizeof(*a));

    if (a == NULL)
        abort();
    a->parts = *parts;
    a->options = *options;
    list_init(&a->asking);
    list_init(&a->saving);
    for (int i = 0; i < KINDS; i++)
        if (!is_archived(parts, kinds[i]))
            a->kinds[a->kinds_n++] = kinds[i];
    if (a->kinds_n == 0)
        return a;
    a->verifier = verifier_new();
    set64_init(&a->seen, SEEN_BYTES);
    siphash_key_random(&a->key);
    return a;
}

void asker_reconfigure(struct asker *a, const struct asker_options *options)
{
    a->options = *options;
}

/* Who is asked */

static struct asked *asked_of(struct asker *a, int32_t relay_id)
{
    uint32_t n = a->asked_n > 0 ? a->asked_n : 1024;

    assert(relay_id >= 0);
    while (n <= (uint32_t)relay_id)
        n *= 2;
    if (n != a->asked_n) {
        a->asked = realloc(a->asked, n * sizeof(*a->asked));
        if (a->asked == NULL)
            abort();
        memset(a->asked + a->asked_n, 0, (n - a->asked_n) * sizeof(*a->asked));
        a->asked_n = n;
    }
    return &a->asked[relay_id];
}

static void on_loaded_row(void *owner, const struct store_asked *row)
{
    struct asker *a = owner;
    struct asked *k = asked_of(a, row->relay_id);

    k->lo = row->lo;
    k->hi = row->hi;
    k->asked_at_ms = row->asked_at_ms;
}

static void on_loaded(void *owner, const struct err *err)
{
    struct asker *a = owner;

    a->loading = false;
    a->loaded = err == NULL;
}

static bool is_readable(const struct asker *a, const struct relay *r)
{
    if (r->denied)
        return false;
    if (r->network != NETWORK_CLEARNET && net_proxy_state(a->parts.net, r->network) != NET_PROXY_UP)
        return false;
    if (r->health.state == HEALTH_UNKNOWN) /* nobody checks: whoever could be read is readable */
        return r->last_ok_at_ms > 0 && r->error == ERR_NONE;
    return r->health.state == HEALTH_READABLE;
}

static bool is_due(struct asker *a, const struct relay *r, int64_t now_ms)
{
    const struct asked *k = asked_of(a, r->id);

    return !k->here && now_ms >= k->not_before_ms &&
           (k->asked_at_ms == 0 || now_ms - k->asked_at_ms >= a->options.interval_ms);
}

static struct asking *asking_new(struct asker *a, struct relay *r, const struct asked *before)
{
    struct asking *k = calloc(1, sizeof(*k));

    if (k == NULL || (k->items = calloc(PAGE, sizeof(*k->items))) == NULL)
        abort();
    k->asker = a;
    k->relay = r;
    k->until = clock_wall_s() + FUTURE_S;
    k->floor = before->hi > 0 ? before->hi + 1 : 0;
    k->result = (struct store_asked){.relay_id = r->id, .lo = before->lo, .hi = before->hi};
    arena_init(&k->page, ARENA_BLOCK);
    arena_init(&k->kept, ARENA_BLOCK);
    mention_tally_init(&k->tally);
    return k;
}

static void begin(struct asker *a, struct relay *r)
{
    struct asked *before = asked_of(a, r->id);
    struct relay_url *url = malloc(sizeof(*url));
    struct asking *k;
    int64_t wait;

    if (url == NULL)
        abort();
    roster_url(r, url);
    wait = r->network == NETWORK_CLEARNET ? net_dial_wait(a->parts.net, url->host) : 0;
    if (wait == 0)
        wait = budget_take(a->parts.budget, BUDGET_FINDER, url->host, 1, clock_mono_ms());
    if (wait > 0) {
        before->not_before_ms = clock_wall_ms() + wait;
        free(url);
        return;
    }
    k = asking_new(a, r, before);
    before->here = true;
    k->host = strdup(url->host);
    const struct wsconn_target target = session_target(url, r->access.access == ACCESS_ALLOWED);
    const struct session_options options = {
        .signer = a->parts.signer, .url = r->url, .subscriptions_max = 1};
    list_add_tail(&a->asking, &k->link);
    a->asking_n++;
    metrics.dials_total[r->network]++;
    metrics.asked_relays_total[0]++;
    k->session = session_open(a->parts.net, &target, &options, &session_ops, k);
    free(url);
}

static void retry_saves(struct asker *a)
{
    LIST_FOR_EACH(l, &a->saving)
    {
        struct asking *k = CONTAINER_OF(l, struct asking, link);
        if (!k->working)
            save(k);
    }
}

void asker_tick(struct asker *a)
{
    const struct roster *r = a->parts.roster;
    int64_t now = clock_mono_ms();

    if (a->kinds_n == 0 || a->stopped || now < a->look_at_ms || !db_is_up(a->parts.db))
        return;
    a->look_at_ms = now + LOOK_EVERY_MS;
    if (!a->loaded) {
        if (!a->loading)
            store_asked_load(a->parts.db, on_loaded_row, on_loaded, a);
        a->loading = true;
        return;
    }
    retry_saves(a);
    for (uint32_t i = 0; i < r->n && a->asking_n + a->saving_n < a->options.relays; i++) {
        struct relay *relay = r->relays[a->turn++ % r->n];
        if (!is_due(a, relay, clock_wall_ms()) || !is_readable(a, relay))
            continue;
        if (!budget_may_dial(a->parts.budget, BUDGET_FINDER, now))
            return;
        begin(a, relay);
    }
}

/* One visit */

static void ask_page(struct asking *k)
{
    const struct asker *a = k->asker;
    const struct request_options options = {
        .idle_ms = IDLE_MS, .total_ms = TOTAL_MS, .events_max = EVENTS_MAX};
    char filter[256];
    int n = snprintf(filter, sizeof(filter), "{\"kinds\":[");

    for (uint32_t i = 0; i < a->kinds_n; i++)
        n += snprintf(filter + n, sizeof(filter) - (size_t)n, "%s%" PRId32, i > 0 ? "," : "",
                      a->kinds[i]);
    n += snprintf(filter + n, sizeof(filter) - (size_t)n, "],\"until\":%" PRId64, k->until);
    if (k->floor > 0)
        n += snprintf(filter + n, sizeof(filter) - (size_t)n, ",\"since\":%" PRId64, k->floor);
    n += snprintf(filter + n, sizeof(filter) - (size_t)n, ",\"limit\":%d}", PAGE);
    k->n = 0;
    k->bytes = 0;
    k->pages++;
    arena_reset(&k->page);
    k->request =
        session_request(k->session, (struct str){filter, (size_t)n}, &options, &request_ops, k);
}

static void on_ready(void *owner, const struct wsconn_report *report)
{
    (void)report;
    ask_page(owner);
}

static void on_event(void *owner, struct str event)
{
    struct asking *k = owner;

    if (k->n == PAGE || k->bytes + event.n > PAGE_BYTES_MAX)
        return;
    k->bytes += event.n;
    k->items[k->n++] = (struct item){.raw = arena_copy(&k->page, event)};
}

static void release(struct asking *k)
{
    int64_t mono = clock_mono_ms();

    if (k->session != NULL)
        session_close(k->session);
    k->session = NULL;
    k->request = NULL;
    if (k->host == NULL)
        return;
    budget_dialled(k->asker->parts.budget, k->host, mono);
    budget_release(k->asker->parts.budget, BUDGET_FINDER, k->host, 1, mono);
    free(k->host);
    k->host = NULL;
}

static void asking_free(struct asking *k)
{
    arena_done(&k->page);
    arena_done(&k->kept);
    mention_tally_done(&k->tally);
    free(k->items);
    free(k);
}

/* What was read is remembered with what was found. */
static void finish(struct asking *k)
{
    struct asker *a = k->asker;

    release(k);
    list_remove(&k->link);
    a->asking_n--;
    k->result.asked_at_ms = clock_wall_ms();
    list_add_tail(&a->saving, &k->link);
    a->saving_n++;
    save(k);
}

static void on_saved(void *owner, const struct err *err)
{
    struct asking *k = owner;
    struct asker *a = k->asker;
    struct asked *known = asked_of(a, k->relay->id);

    k->working = false;
    if (err != NULL && !a->stopped) { /* the same again, by retry_saves(): it counts once */
        if (err->code != ERR_DB_AWAY && err->code != ERR_CANCELLED)
            log_error("finder", "what %s was asked for could not be stored: %s", k->relay->url,
                      err->detail);
        a->look_at_ms = clock_mono_ms() + RETRY_MS;
        return;
    }
    if (err == NULL) {
        known->lo = k->result.lo;
        known->hi = k->result.hi;
        known->asked_at_ms = k->result.asked_at_ms;
    }
    known->here = false;
    list_remove(&k->link);
    a->saving_n--;
    asking_free(k);
}

static void save(struct asking *k)
{
    struct asker *a = k->asker;

    k->working = true;
    store_asked_save(a->parts.db, &k->result, asked_of(a, k->relay->id)->asked_at_ms, k->tally.rows,
                     k->tally.n, on_saved, k);
}

/* It was never asked: as if nothing had been, for so long. */
static void give_up(struct asking *k, int64_t wait_ms)
{
    struct asker *a = k->asker;
    struct asked *known = asked_of(a, k->relay->id);

    release(k);
    known->here = false;
    known->not_before_ms = clock_wall_ms() + wait_ms;
    list_remove(&k->link);
    a->asking_n--;
    asking_free(k);
}

/* A part is over, the one above what was known or the one below it: how far it was read. */
static void note_part(struct asking *k, bool whole)
{
    struct store_asked *r = &k->result;
    bool first = r->hi == 0;

    if (k->history && whole)
        r->lo = 0;
    else if (k->history && k->oldest > 0 && k->oldest < r->lo)
        r->lo = k->oldest;
    else if (!k->history && first)
        r->lo = whole ? 0 : k->oldest;
    if (!k->history && k->newest > r->hi)
        r->hi = k->newest;
}

/* The page is read: what to ask next. */
static void go_on(struct asking *k, bool empty)
{
    bool first = k->result.hi == 0;
    bool last = k->failed || k->pages >= PAGES_MAX || k->tally.n >= ROWS_MAX || k->session == NULL;
    bool whole = !k->failed && (empty || (k->floor > 0 && k->oldest <= k->floor));

    if (whole || last)
        note_part(k, whole);
    if (last || (whole && (k->history || first || k->result.lo == 0))) {
        finish(k);
        return;
    }
    if (whole) {
        k->history = true;
        k->oldest = 0; /* of this part */
        k->until = k->result.lo - 1;
        k->floor = 0;
    }
    ask_page(k);
}

static void on_settled(void *owner, const struct settlement *s)
{
    struct asking *k = owner;

    k->request = NULL;
    k->failed = s->how != SETTLE_EOSE;
    if (k->failed && k->n == 0) {
        if (k->pages <= 1) {
            give_up(k, k->asker->options.interval_ms);
        } else {
            note_part(k, false);
            finish(k);
        }
        return;
    }
    k->working = true;
    k->job = (struct worker_job){.run = page_run, .done = page_done};
    list_init(&k->job.link);
    k->asker->jobs++;
    workers_submit(net_workers(k->asker->parts.net), WORKERS_LONG, &k->job);
}

static void on_closed(void *owner, const struct err *err)
{
    struct asking *k = owner;
    int64_t wait_ms = err->code == ERR_ADDRESS_BUSY ? session_report(k->session)->wait_ms
                                                    : k->asker->options.interval_ms;

    session_close(k->session);
    k->session = NULL;
    k->request = NULL;
    if (k->working)
        return; /* go_on() sees it */
    if (k->pages <= 1) {
        give_up(k, wait_ms);
        return;
    }
    note_part(k, false);
    finish(k);
}

static void asker_free(struct asker *a)
{
    if (a->kinds_n > 0) {
        verifier_free(a->verifier);
        set64_done(&a->seen);
    }
    free(a->asked);
    free(a);
}

static bool is_asked(const struct asker *a, int32_t kind)
{
    for (uint32_t i = 0; i < a->kinds_n; i++)
        if (a->kinds[i] == kind)
            return true;
    return false;
}

static void page_run(struct worker_job *job)
{
    struct asking *k = CONTAINER_OF(job, struct asking, job);
    const struct event_limits limits = event_limits_default();
    enum reject why;

    for (uint32_t i = 0; i < k->n; i++) {
        struct item *item = &k->items[i];
        struct event *e = &item->event;

        item->good = event_scan_untagged(item->raw, &limits, &k->page, e, &why) == 0 &&
                     is_asked(k->asker, e->kind) &&
                     verifier_check(k->asker->verifier, &e->id, &e->pubkey, &e->sig);
        if (item->good)
            item->hints = hints_of_event(e, &k->page);
    }
}

/* It is archived, and counted there. */
static bool is_wanted(const struct asker *a, const struct event *e)
{
    for (size_t i = 0; i < a->parts.filters_n; i++)
        if (filter_wanted(a->parts.filters[i], e))
            return true;
    return false;
}

/* True: it is new, and what it mentions is counted. */
static bool count(struct asking *k, const struct item *item)
{
    struct asker *a = k->asker;
    const struct event *e = &item->event;

    if (!set64_add(&a->seen, siphash(&a->key, e->id.b, sizeof(e->id.b)), e->created_at))
        return false;
    if (is_wanted(a, e))
        return true;
    metrics.asked_events_total[0]++;
    for (uint32_t i = 0; i < item->hints.n && k->tally.n < ROWS_MAX; i++) {
        const struct hint *hint = &item->hints.hint[i];
        const struct store_mention m = {.url = arena_copy(&k->kept, hint->url),
                                        .network = hint->network,
                                        .source = HINT_ASKED,
                                        .relay_id = k->relay->id};
        mention_tally_add(&k->tally, e, &m);
    }
    return true;
}

static void page_done(struct worker_job *job)
{
    struct asking *k = CONTAINER_OF(job, struct asking, job);
    int64_t now = clock_wall_s(), until = k->until;
    bool empty = true, moved = false;

    k->working = false;
    k->asker->jobs--;
    if (k->dropped) {
        struct asker *a = k->asker;
        asking_free(k);
        if (a->closed && a->jobs == 0)
            asker_free(a);
        return;
    }
    for (uint32_t i = 0; i < k->n; i++) {
        const struct event *e = &k->items[i].event;

        if (!k->items[i].good || e->created_at > k->until || e->created_at < k->floor)
            continue;
        moved = count(k, &k->items[i]) || moved;
        if (empty || e->created_at < until)
            until = e->created_at;
        if (e->created_at > k->newest)
            k->newest = e->created_at < now ? e->created_at : now;
        empty = false;
    }
    if (!empty) {
        k->oldest = until;
        /* The oldest second once more, since it may hold more; but not for ever. */
        k->until = moved && until < k->until ? until : until - 1;
    }
    go_on(k, empty || k->until <= 0);
}

/* Stopping */

static void drop(struct asking *k)
{
    struct asker *a = k->asker;

    release(k);
    list_remove(&k->link);
    a->asking_n--;
    if (k->working)
        k->dropped = true;
    else
        asking_free(k);
}

void asker_access_changed(struct asker *a)
{
    LIST_FOR_EACH(l, &a->asking)
    {
        struct asking *k = CONTAINER_OF(l, struct asking, link);
        bool address_denied = k->relay->access.access != ACCESS_ALLOWED && k->session != NULL &&
                              net_address_denied(a->parts.net, session_report(k->session)->address);
        if (!k->relay->denied && !address_denied)
            continue;
        asked_of(a, k->relay->id)->here = false;
        drop(k);
    }
}

bool asker_stop(struct asker *a)
{
    a->stopped = true;
    while (!list_empty(&a->asking))
        drop(CONTAINER_OF(a->asking.next, struct asking, link));
    LIST_FOR_EACH(l, &a->saving)
    {
        struct asking *k = CONTAINER_OF(l, struct asking, link);
        if (k->working)
            return false;
    }
    return true;
}

void asker_close(struct asker *a)
{
    struct list *l;

    assert(list_empty(&a->asking));
    while ((l = list_take_first(&a->saving)) != NULL)
        asking_free(CONTAINER_OF(l, struct asking, link));
    a->closed = true;
    if (a->jobs == 0)
        asker_free(a);
}
