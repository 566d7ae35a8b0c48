/* finder: see finder.h.  Reading order: making, the tick, counting, taking, probing, saving,
 * stopping. */
#include "services/finder/finder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "net/net.h"
#include "services/finder/finder_internal.h"

enum {
    TICK_MS = 100,
    STARTS_MAX = 50, /* of one tick: it stays short however many are due */
    FOLD_AT_ONCE = 5000,
    FOLD_EVERY_MS = 1000,
    TAKE_EVERY_MS = 1000,
    TIDY_EVERY_MS = 60 * 1000,
    TIDY_AT_ONCE = 2000,
    COMPACT_EVERY_MS = 60 * 60 * 1000,
    DAYS_KEPT = 62, /* then mentions are kept by month */
    DAY_S = 24 * 60 * 60,
    HOUR_MS = 60 * 60 * 1000,
    STATS_EVERY_MS = 10 * 1000,
    SAVE_EVERY_MS = 300,
    RETRY_MS = 1000,
    TELL_EVERY_MS = 1000,
    LEASE_MS = 30 * 60 * 1000
};

static void on_tick(uv_timer_t *timer);

struct finder *finder_open(const struct finder_parts *parts, const struct finder_options *options)
{
    struct finder *f = calloc(1, sizeof(*f));
    struct siphash_key key;

    if (f == NULL)
        abort();
    f->parts = *parts;
    f->options = *options;
    siphash_key_random(&key);
    f->shares = shares_new(&key, options->probes_per_hour, options->share_permille);
    list_init(&f->pool);
    list_init(&f->running);
    list_init(&f->outcomes);
    list_init(&f->writing);
    const struct asker_parts ask = {.net = parts->net,
                                    .db = parts->db,
                                    .budget = parts->budget,
                                    .roster = parts->roster,
                                    .signer = parts->signer,
                                    .filters = parts->filters,
                                    .filters_n = parts->filters_n};
    f->asker = asker_open(&ask, &options->ask);
    const struct lists_parts lists = {.net = parts->net, .db = parts->db, .budget = parts->budget};
    f->lists = lists_open(&lists, &options->lists);
    (void)uv_timer_init(parts->loop, &f->tick);
    f->tick.data = f;
    return f;
}

void finder_reconfigure(struct finder *f, const struct finder_options *options)
{
    f->options = *options;
    shares_set(f->shares, options->probes_per_hour, options->share_permille);
    asker_reconfigure(f->asker, &options->ask);
    lists_reconfigure(f->lists, &options->lists);
}

void finder_start(struct finder *f)
{
    if (!f->started && !f->stopping)
        (void)uv_timer_start(&f->tick, on_tick, TICK_MS, TICK_MS);
    f->started = true;
}

static void on_released(void *owner, const struct err *err)
{
    struct finder *f = owner;

    f->taking = false;
    f->released = err == NULL;
    f->take_at_ms = clock_mono_ms() + (err == NULL ? 0 : TAKE_EVERY_MS);
}

static void on_forgiven(void *owner, const struct err *err)
{
    struct finder *f = owner;

    f->forgiving = false;
    if (err == NULL)
        f->take_at_ms = 0;
    else
        f->released = false; /* the next take begins with it */
}

void finder_access_changed(struct finder *f)
{
    if (f->stopping || !f->started)
        return;
    /* What was denied and is not yet written down. */
    LIST_FOR_EACH(l, &f->outcomes)
    {
        struct found *c = CONTAINER_OF(l, struct found, link);
        if (c->outcome.state == CANDIDATE_STATE_DENIED)
            c->outcome.state = c->tries > 0 ? CANDIDATE_STATE_FAILED : CANDIDATE_STATE_NEW;
    }
    LIST_FOR_EACH(l, &f->running)
    found_recall(CONTAINER_OF(l, struct found, link));
    asker_access_changed(f->asker);
    if (f->released && !f->forgiving) {
        f->forgiving = true;
        store_candidates_forgive(f->parts.db, on_forgiven, f);
    }
}

void finder_status(const struct finder *f, struct finder_status *s)
{
    *s = (struct finder_status){.refused = f->stats.refused,
                                .running = f->running_n,
                                .probed_this_hour = shares_taken(f->shares),
                                .probed = f->probed,
                                .promoted = f->promoted};
    memcpy(s->candidates, f->stats.in, sizeof(s->candidates));
    lists_status(f->lists, &s->lists);
}

void found_free(struct found *c)
{
    free(c->url);
    free(c->outcome_url);
    free(c);
}

/* Counting */

static void on_folded(void *owner, int64_t rows, int64_t mentions, const struct err *err)
{
    struct finder *f = owner;

    f->folding = false;
    if (err != NULL && err->code != ERR_DB_AWAY && err->code != ERR_CANCELLED)
        log_error("finder", "mentions could not be counted: %s", err->detail);
    metrics.mentions_counted_total[0] += mentions;
    f->fold_at_ms = clock_mono_ms() + (rows >= FOLD_AT_ONCE ? 0 : FOLD_EVERY_MS);
}

static void on_tidied(void *owner, int64_t forgotten, const struct err *err)
{
    struct finder *f = owner;

    (void)err;
    f->tidying = false;
    f->tidy_at_ms = clock_mono_ms() + (forgotten > 0 ? FOLD_EVERY_MS : TIDY_EVERY_MS);
}

static void on_compacted(void *owner, int64_t compacted, const struct err *err)
{
    struct finder *f = owner;

    (void)err;
    f->compacting = false;
    f->compact_at_ms = clock_mono_ms() + (compacted > 0 ? FOLD_EVERY_MS : COMPACT_EVERY_MS);
}

static void on_stats(void *owner, const struct store_candidate_stats *stats, const struct err *err)
{
    struct finder *f = owner;

    f->counting = false;
    if (err == NULL) {
        f->stats = *stats;
        for (int i = 0; i < CANDIDATE_STATE__COUNT; i++)
            metrics.candidates[i] = stats->in[i];
        metrics.candidates_refused_total[0] = stats->refused;
    }
    f->stats_at_ms = clock_mono_ms() + STATS_EVERY_MS;
}

static void count(struct finder *f, int64_t now)
{
    const struct finder_options *o = &f->options;

    if (!f->folding && now >= f->fold_at_ms) {
        f->folding = true;
        store_mentions_fold(f->parts.db, FOLD_AT_ONCE, o->share_rows, o->rows, on_folded, f);
    }
    if (!f->tidying && now >= f->tidy_at_ms) {
        f->tidying = true;
        store_candidates_tidy(f->parts.db, o->rows, TIDY_AT_ONCE, on_tidied, f);
    }
    if (!f->compacting && now >= f->compact_at_ms) {
        f->compacting = true;
        store_candidates_compact(f->parts.db, (int32_t)(clock_wall_s() / DAY_S) - DAYS_KEPT,
                                 TIDY_AT_ONCE, on_compacted, f);
    }
    if (!f->counting && now >= f->stats_at_ms) {
        f->counting = true;
        store_candidates_stats(f->parts.db, on_stats, f);
    }
}

/* Taking */

/* The best stand in front. */
static void put_in_pool(struct finder *f, struct found *c)
{
    struct list *at = f->pool.next;

    while (at != &f->pool && CONTAINER_OF(at, struct found, link)->score >= c->score)
        at = at->next;
    list_add_tail(at, &c->link);
    f->pool_n++;
}

static void on_taken_row(void *owner, const struct store_candidate *row)
{
    struct finder *f = owner;
    struct found *c = calloc(1, sizeof(*c));
    const struct candidate_facts facts = {.authors = row->authors,
                                          .mentions = row->mentions,
                                          .weight = row->weight,
                                          .tries = row->tries,
                                          .silent_ms = clock_wall_ms() - row->last_seen * 1000};

    if (c == NULL || (c->url = strndup(row->url.p, row->url.n)) == NULL)
        abort();
    c->finder = f;
    c->id = row->id;
    c->network = row->network;
    c->tries = row->tries;
    c->taken_ms = clock_mono_ms();
    c->score = candidate_score(&facts);
    c->author_n = row->author.n == sizeof(c->author) ? sizeof(c->author) : 0;
    memcpy(c->author, row->author.p, c->author_n);
    (void)str_copy(c->domain, sizeof(c->domain), row->domain);
    (void)str_copy(c->net, sizeof(c->net), row->net);
    c->as_wss = row->network == NETWORK_CLEARNET && str_starts(row->url, STR("ws://"));
    list_init(&c->link);
    put_in_pool(f, c);
}

static void on_taken(void *owner, const struct err *err)
{
    struct finder *f = owner;

    f->taking = false;
    if (err != NULL && err->code != ERR_DB_AWAY && err->code != ERR_CANCELLED)
        log_error("finder", "candidates could not be read: %s", err->detail);
    f->take_at_ms = clock_mono_ms() + TAKE_EVERY_MS;
}

static void take(struct finder *f, int64_t now)
{
    int64_t wall = clock_wall_ms();
    struct store_take t = {.now_ms = wall,
                           .lease_ms = LEASE_MS,
                           .most = POOL_MAX,
                           .turns = shares_each(f->shares),
                           .later_ms = (wall / HOUR_MS + 1) * HOUR_MS};

    if (f->taking || now < f->take_at_ms || f->pool_n > POOL_MAX / 4)
        return;
    for (int i = 0; i < NETWORK__COUNT; i++)
        t.networks[i] =
            i == NETWORK_CLEARNET || net_proxy_state(f->parts.net, (enum network)i) == NET_PROXY_UP;
    f->taking = true;
    if (!f->released) { /* what the last run left behind */
        store_candidates_release(f->parts.db, on_released, f);
        return;
    }
    store_candidates_take(f->parts.db, &t, on_taken_row, on_taken, f);
}

/* Probing */

static void probe(struct finder *f, int64_t now)
{
    struct list *at = f->pool.next, *next;

    for (int i = 0; i < STARTS_MAX && at != &f->pool && f->running_n < f->options.probes;
         at = next) {
        struct found *c = CONTAINER_OF(at, struct found, link);
        next = at->next;
        if (c->not_before_ms > now)
            continue;
        if (!budget_may_dial(f->parts.budget, BUDGET_FINDER, now))
            return;
        i++;
        int64_t wait = found_begin(c);
        if (wait > 0)
            c->not_before_ms = now + wait;
    }
}

void finder_settle(struct found *c)
{
    struct finder *f = c->finder;

    list_add_tail(&f->outcomes, &c->link);
    f->outcomes_n++;
}

/* Saving */

static void on_saved(void *owner, const struct err *err)
{
    struct finder *f = owner;
    struct list *l;

    f->saving = false;
    if (err != NULL) { /* the same rows again, which changes nothing where they were written */
        if (err->code != ERR_DB_AWAY && err->code != ERR_CANCELLED)
            log_error("finder", "what probes found could not be stored: %s", err->detail);
        while ((l = list_take_first(&f->writing)) != NULL) {
            list_add_tail(&f->outcomes, l);
            f->outcomes_n++;
        }
        f->save_at_ms = clock_mono_ms() + RETRY_MS;
        return;
    }
    while ((l = list_take_first(&f->writing)) != NULL) {
        struct found *c = CONTAINER_OF(l, struct found, link);
        f->found_some = f->found_some || c->outcome.state == CANDIDATE_STATE_PROMOTED;
        found_free(c);
    }
}

static void save(struct finder *f, int64_t now)
{
    struct store_probed rows[OUTCOMES_AT_ONCE];
    uint32_t n = 0;
    struct list *l;

    if (f->saving || f->outcomes_n == 0 || now < f->save_at_ms)
        return;
    while (n < OUTCOMES_AT_ONCE && (l = list_take_first(&f->outcomes)) != NULL) {
        rows[n++] = CONTAINER_OF(l, struct found, link)->outcome;
        list_add_tail(&f->writing, l);
        f->outcomes_n--;
    }
    f->saving = true;
    f->save_at_ms = now + SAVE_EVERY_MS;
    store_candidates_save(f->parts.db, rows, n, f->options.share_rows,
                          clock_wall_ms() + f->options.limits.forgive_after_ms, on_saved, f);
}

static void on_tick(uv_timer_t *timer)
{
    struct finder *f = timer->data;
    int64_t now = clock_mono_ms();

    if (!db_is_up(f->parts.db))
        return;
    count(f, now);
    take(f, now);
    probe(f, now);
    save(f, now);
    asker_tick(f->asker);
    lists_tick(f->lists);
    if (f->found_some && now >= f->tell_at_ms) {
        f->found_some = false;
        f->tell_at_ms = now + TELL_EVERY_MS;
        f->parts.on_found(f->parts.owner);
    }
}

/* Stopping */

static void free_all(struct list *list)
{
    struct list *l;

    while ((l = list_take_first(list)) != NULL)
        found_free(CONTAINER_OF(l, struct found, link));
}

void finder_stop(struct finder *f)
{
    f->stopping = true;
    (void)uv_timer_stop(&f->tick);
    while (!list_empty(&f->running))
        found_drop(CONTAINER_OF(f->running.next, struct found, link));
    free_all(&f->pool);
    f->pool_n = 0;
    (void)asker_stop(f->asker);
    (void)lists_stop(f->lists);
}

bool finder_flush(struct finder *f)
{
    f->save_at_ms = 0;
    save(f, clock_mono_ms());
    return asker_stop(f->asker) && lists_stop(f->lists) && !f->saving && f->outcomes_n == 0;
}

static void on_tick_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void finder_close(struct finder *f)
{
    assert(list_empty(&f->running));
    free_all(&f->pool);
    free_all(&f->outcomes);
    free_all(&f->writing);
    shares_free(f->shares);
    asker_close(f->asker);
    lists_close(f->lists);
    uv_close((uv_handle_t *)&f->tick, on_tick_closed);
}
