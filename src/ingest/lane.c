/* lane: see lane.h. */
#include "ingest/lane.h"

#include <assert.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "ingest/pipeline.h"

enum { RETRY_SOON_MS = 50, RETRY_LATER_MS = 5000 };

/* Of raw events in one transaction: the loop copies them three times over (arrays, libpq, socket)
 * in one turn, which must stay short for large events too. */
enum { TRANSACTION_BYTES = 4 * 1024 * 1024 };

/* Of relays that they mention, for the same reason: one chunk of these at most, or many honest. */
enum { TRANSACTION_HINTS = CHUNK_HINTS_MAX };

/* In the order in which they run. */
static void on_timer(uv_timer_t *timer);
static void start_write(struct lane *lane);
static void take(struct lane *lane, uint32_t *events, uint32_t *spans);
static void fill(struct lane *lane, uint32_t events, uint32_t spans);
static void on_written(struct store_write *w, const struct err *err);
static void commit_chunk(struct lane *lane, struct chunk *c, const struct store_event *results,
                         uint32_t *at);
static void finish_page(struct ingest_page *p);
static void put_back(struct lane *lane);

void lane_open(struct lane *lane, struct ingest *in, enum db_lane db_lane)
{
    lane->ingest = in;
    lane->db_lane = db_lane;
    list_init(&lane->ready);
    list_init(&lane->pages);
    list_init(&lane->silent);
    list_init(&lane->taken);
    list_init(&lane->taken_pages);
    (void)uv_timer_init(in->loop, &lane->timer);
    lane->timer.data = lane;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct lane *lane = handle->data;
    struct ingest *in = lane->ingest;

    lane->ingest = NULL;
    for (int i = 0; i < INGEST_LANE__COUNT; i++)
        if (in->lanes[i].ingest != NULL)
            return;
    free(in);
}

static void free_arrays(struct lane *lane)
{
    free(lane->events);
    free(lane->sightings);
    free(lane->spans);
    free(lane->mentions);
    lane->events = NULL;
    lane->sightings = NULL;
    lane->spans = NULL;
    lane->mentions = NULL;
}

void lane_close(struct lane *lane)
{
    assert(!lane->writing); /* the database was closed before, and ended what it had */
    (void)uv_timer_stop(&lane->timer);
    free_arrays(lane);
}

void lane_done_all(struct ingest *in)
{
    for (int i = 0; i < INGEST_LANE__COUNT; i++)
        uv_close((uv_handle_t *)&in->lanes[i].timer, on_timer_closed);
}

void lane_add_chunk(struct lane *lane, struct chunk *c)
{
    list_remove(&c->link);
    list_add_tail(&lane->ready, &c->link);
    lane->ready_events += c->n;
    lane_kick(lane);
}

void lane_add_page(struct lane *lane, struct ingest_page *p)
{
    if (list_empty(&lane->pages))
        lane->pages_at_ms = clock_mono_ms();
    list_remove(&p->lane_link);
    list_add_tail(&lane->pages, &p->lane_link);
    lane_kick(lane);
}

void page_soon(struct ingest_page *p)
{
    struct lane *lane = &p->ingest->lanes[p->lane];

    list_remove(&p->lane_link);
    list_add_tail(&lane->silent, &p->lane_link);
    (void)uv_timer_start(&lane->timer, on_timer, 0, 0);
}

/* Decides only when; the transaction is always put together from the loop, never from inside a
 * caller. */
void lane_kick(struct lane *lane)
{
    const struct ingest *in = lane->ingest;
    int64_t now = clock_mono_ms(), since = INT64_MAX;

    if (lane->writing || in->closing || !list_empty(&lane->silent))
        return;
    if (list_empty(&lane->ready) && list_empty(&lane->pages))
        return;
    bool enough = lane->hurry || lane->ready_events >= in->options.batch_events ||
                  in->held > in->options.pool_bytes_max / 2;
    if (!list_empty(&lane->ready))
        since = CONTAINER_OF(lane->ready.next, struct chunk, link)->ready_at_ms;
    if (!list_empty(&lane->pages) && lane->pages_at_ms < since)
        since = lane->pages_at_ms;
    int64_t due = enough ? now : since + in->options.batch_age_ms;
    if (due < lane->not_before_ms)
        due = lane->not_before_ms;
    uint64_t wait = due > now ? (uint64_t)(due - now) : 0;
    if (!uv_is_active((uv_handle_t *)&lane->timer) || uv_timer_get_due_in(&lane->timer) > wait)
        (void)uv_timer_start(&lane->timer, on_timer, wait, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct lane *lane = timer->data;
    bool silent = !list_empty(&lane->silent);
    struct list *l;

    while ((l = list_take_first(&lane->silent)) != NULL)
        page_told(CONTAINER_OF(l, struct ingest_page, lane_link));
    if (silent) {
        lane_kick(lane); /* what these have proven waits for company, too */
        return;
    }
    if (lane->writing || lane->ingest->closing || !db_is_up(lane->ingest->db))
        return;
    if (!list_empty(&lane->ready) || !list_empty(&lane->pages))
        start_write(lane);
}

static void start_write(struct lane *lane)
{
    uint32_t events, spans;

    take(lane, &events, &spans);
    if (list_empty(&lane->taken) && list_empty(&lane->taken_pages))
        return; /* proofs that wait for pages which are still being checked: those kick again */
    fill(lane, events, spans);
    lane->writing = true;
    store_write(lane->ingest->db, lane->db_lane, &lane->write);
}

/* Is everything that earlier pages of this relay brought committed, or in this transaction? */
static bool may_prove(struct lane *lane, const struct ingest_page *p)
{
    struct list *head = &lane->ingest->pages;

    if (p->chunks_open > 0)
        return false;
    for (struct list *l = p->link.prev; l != head; l = l->prev) {
        const struct ingest_page *earlier = CONTAINER_OF(l, struct ingest_page, link);
        if (earlier->relay_id == p->relay_id && earlier->lane == p->lane &&
            earlier->chunks_open > 0)
            return false;
    }
    return true;
}

static void take_proof(struct lane *lane, struct ingest_page *p, uint32_t *spans)
{
    list_remove(&p->lane_link);
    list_add_tail(&lane->taken_pages, &p->lane_link);
    *spans += (uint32_t)p->spans_n;
}

/* Moves what fits into one transaction to the `taken` lists. */
static void take(struct lane *lane, uint32_t *events, uint32_t *spans)
{
    uint64_t bytes = 0;
    uint32_t hints = 0;

    *events = 0;
    *spans = 0;
    while (!list_empty(&lane->ready)) {
        struct chunk *c = CONTAINER_OF(lane->ready.next, struct chunk, link);
        if (*events > 0 &&
            (*events + c->n > lane->ingest->options.batch_events ||
             bytes + c->bytes > TRANSACTION_BYTES || hints + c->hints > TRANSACTION_HINTS))
            break;
        *events += c->n;
        hints += c->hints;
        bytes += c->bytes;
        lane->ready_events -= c->n;
        list_remove(&c->link);
        list_add_tail(&lane->taken, &c->link);
        c->state = CHUNK_WRITING;
        if (--c->page->chunks_open == 0 && c->page->proven) {
            list_remove(&c->page->lane_link);
            list_add_tail(&lane->pages, &c->page->lane_link);
        }
    }
    LIST_FOR_EACH(l, &lane->pages)
    {
        struct ingest_page *p = CONTAINER_OF(l, struct ingest_page, lane_link);
        if (may_prove(lane, p))
            take_proof(lane, p, spans);
    }
}

/* What the event at `at` mentions, behind those that are there: how many there are now. */
static uint32_t fill_mentions(struct lane *lane, uint32_t n, const struct item *item, uint32_t at,
                              int32_t relay_id)
{
    for (uint32_t i = 0; i < item->hints.n; i++)
        lane->mentions[n++] = (struct store_mention){.event = at,
                                                     .url = item->hints.hint[i].url,
                                                     .network = item->hints.hint[i].network,
                                                     .source = item->hints.hint[i].source,
                                                     .relay_id = relay_id};
    return n;
}

static void fill(struct lane *lane, uint32_t events, uint32_t spans)
{
    uint32_t e = 0, s = 0, p = 0, m = 0, hints = 0;

    lane->events = calloc((size_t)events + 1, sizeof(*lane->events));
    lane->sightings = calloc((size_t)events + 1, sizeof(*lane->sightings));
    lane->spans = calloc((size_t)spans + 1, sizeof(*lane->spans));
    LIST_FOR_EACH(l, &lane->taken)
    {
        hints += CONTAINER_OF(l, struct chunk, link)->hints;
    }
    lane->mentions = calloc((size_t)hints + 1, sizeof(*lane->mentions));
    if (!lane->events || !lane->sightings || !lane->spans || !lane->mentions)
        abort();
    LIST_FOR_EACH(l, &lane->taken)
    {
        const struct chunk *c = CONTAINER_OF(l, struct chunk, link);
        for (uint32_t i = 0; i < c->n; i++) {
            const struct item *item = &c->items[i];
            if (item->verdict == VERDICT_REJECTED)
                continue;
            if (item->verdict == VERDICT_VERIFIED) {
                m = fill_mentions(lane, m, item, e, c->page->relay_id);
                lane->events[e++] = (struct store_event){.event = &item->event, .raw = item->raw};
            }
            lane->sightings[s++] = (struct store_sighting){.id = item->event.id,
                                                           .created_at = item->event.created_at,
                                                           .seen_at_ms = item->seen_at_ms,
                                                           .relay_id = c->page->relay_id,
                                                           .known = item->verdict == VERDICT_KNOWN};
        }
    }
    LIST_FOR_EACH(l, &lane->taken_pages)
    {
        const struct ingest_page *page = CONTAINER_OF(l, struct ingest_page, lane_link);
        for (size_t i = 0; i < page->spans_n; i++)
            lane->spans[p++] = page->spans[i];
    }
    lane->write = (struct store_write){.events = lane->events,
                                       .events_n = e,
                                       .sightings = lane->sightings,
                                       .sightings_n = s,
                                       .spans = lane->spans,
                                       .spans_n = p,
                                       .mentions = lane->mentions,
                                       .mentions_n = m,
                                       .done = on_written};
}

/* What is not a lost race or a lost connection will not pass by itself soon (a full disk): nothing
 * more is asked for meanwhile. */
static void wait_and_retry(struct lane *lane, const struct err *err)
{
    lane->not_before_ms =
        clock_mono_ms() + (err->code == ERR_DB_RETRY ? RETRY_SOON_MS : RETRY_LATER_MS);
    if (err->code == ERR_DB_UNKNOWN_ID) {
        lane_forget(lane);
    } else if (err->code != ERR_DB_AWAY && err->code != ERR_DB_RETRY) {
        lane->ingest->stalled = true;
        log_error_limited("ingest",
                          "a transaction failed and will be tried again error=%s detail=\"%s\"",
                          err_name(err->code), err->detail);
    }
    lane_kick(lane);
}

static void on_written(struct store_write *w, const struct err *err)
{
    struct lane *lane = CONTAINER_OF(w, struct lane, write);
    uint32_t at = 0;
    struct list *l;

    lane->writing = false;
    if (err != NULL) {
        metrics.batch_retries_total[0]++;
        put_back(lane);
        free_arrays(lane);
        if (!lane->ingest->closing)
            wait_and_retry(lane, err);
        return;
    }
    lane->not_before_ms = 0;
    lane->ingest->stalled = false;
    metrics.batches_total[0]++;
    metrics.sightings_total[0] += w->sightings_inserted;
    while ((l = list_take_first(&lane->taken)) != NULL)
        commit_chunk(lane, CONTAINER_OF(l, struct chunk, link), lane->events, &at);
    free_arrays(lane);
    while ((l = list_take_first(&lane->taken_pages)) != NULL)
        finish_page(CONTAINER_OF(l, struct ingest_page, lane_link));
    lane_kick(lane);
}

/* Some id was not in the database although it should be: somebody deleted events under us.  Nothing
 * known is trusted any more. */
void lane_forget(struct lane *lane)
{
    struct ingest *in = lane->ingest;
    struct list again;

    log_warning(
        "ingest",
        "events were deleted from the archive while it was written to; known ids are forgotten");
    seen_forget_all(in->seen);
    list_init(&again);
    while (!list_empty(&lane->ready)) {
        struct list *l = list_take_first(&lane->ready);
        list_add_tail(&again, l);
    }
    lane->ready_events = 0;
    lane->not_before_ms = 0;
    for (struct list *l = list_take_first(&again); l != NULL; l = list_take_first(&again))
        chunk_again(CONTAINER_OF(l, struct chunk, link));
}

static void count_rejects(const struct chunk *c)
{
    struct ingest_page_result *result = &c->page->result;

    for (int why = 0; why < REJECT__COUNT; why++) {
        metrics.events_rejected_total[why] += c->rejects[why];
        result->rejects[why] += c->rejects[why];
        if (why <= REJECT_SIGNATURE)
            result->rejected += c->rejects[why];
    }
}

/* `results` runs in step with the verified items of all chunks, in the order of fill(). */
static void commit_chunk(struct lane *lane, struct chunk *c, const struct store_event *results,
                         uint32_t *at)
{
    struct seen *seen = lane->ingest->seen;
    bool live = lane == &lane->ingest->lanes[INGEST_LIVE];
    int64_t now_ms = clock_wall_ms();

    for (uint32_t i = 0; i < c->n; i++) {
        struct item *item = &c->items[i];
        if (item->verdict == VERDICT_REJECTED)
            continue;
        const struct store_event *r = item->verdict == VERDICT_VERIFIED ? &results[(*at)++] : NULL;
        if (r != NULL && (r->refused || r->tombstoned)) {
            c->rejects[r->refused ? REJECT_DATABASE : REJECT_TOMBSTONE]++;
        } else if (r != NULL && r->inserted) {
            metrics.events_archived_total[0]++;
            if (live) {
                metric_observe(event_latency_seconds, now_ms - item->event.created_at * 1000);
                metric_observe(archive_delay_seconds, now_ms - item->seen_at_ms);
            }
            c->page->result.inserted++;
            seen_commit(seen, item->fingerprint, item->event.created_at);
        } else {
            metrics.events_duplicate_total[0]++;
            if (r != NULL)
                seen_commit(seen, item->fingerprint, item->event.created_at);
        }
    }
    count_rejects(c);
    chunk_drop(c);
}

static void finish_page(struct ingest_page *p)
{
    const struct ingest_page_ops *ops = p->ops;
    void *owner = p->owner;
    struct ingest_page_result result = p->result;

    page_free(p);
    ops->on_done(owner, &result);
}

/* To the head of the queues again, in the old order. */
static void put_back(struct lane *lane)
{
    while (!list_empty(&lane->taken)) {
        struct chunk *c = CONTAINER_OF(lane->taken.prev, struct chunk, link);
        list_remove(&c->link);
        list_add_head(&lane->ready, &c->link);
        c->state = CHUNK_READY;
        if (c->page->chunks_open++ == 0)
            list_remove(&c->page->lane_link); /* its proof waits for this chunk again */
        lane->ready_events += c->n;
    }
    while (!list_empty(&lane->taken_pages)) {
        struct ingest_page *p = CONTAINER_OF(lane->taken_pages.prev, struct ingest_page, lane_link);
        list_remove(&p->lane_link);
        if (p->chunks_open == 0)
            list_add_head(&lane->pages, &p->lane_link);
    }
}
