/* ingest: the pipeline.  Reading order is the order in which things happen to a chunk. */
#include "ingest/ingest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "ingest/lane.h"
#include "ingest/pipeline.h"

/* How often known ids are asked for in the database before signatures are checked: while more than
 * this share of them is found the question (2 us) is cheaper than the checks (32 us) it saves. */
static const double lookup_worth = 0.06;
enum { LOOKUP_SAMPLE = 16, FIRST_EVENT_BYTES = 1200, HELD_PER_RAW = 3 };

/* In the order in which they run. */
static void seal_chunk(struct ingest_page *p);
static void on_scanned(struct worker_job *job);
static void page_scanned(struct ingest_page *p);
static void classify(struct chunk *c);
static bool worth_asking(struct ingest *in, const struct chunk *c);
static void ask_database(struct chunk *c);
static void on_looked_up(struct store_lookup *l, const struct err *err);
static void start_checks(struct chunk *c);
static void on_verified(struct worker_job *job);
static void settle(struct chunk *c);
static void wake_waiting(struct ingest *in);

struct ingest *ingest_open(uv_loop_t *loop, struct workers *workers, struct db *db,
                           const struct ingest_options *options)
{
    struct ingest *in = calloc(1, sizeof(*in));

    if (in == NULL)
        abort();
    in->loop = loop;
    in->workers = workers;
    in->db = db;
    in->options = *options;
    in->verifier = verifier_new();
    in->seen = seen_new(options->known_bytes_max);
    in->event_bytes = FIRST_EVENT_BYTES;
    in->found_share = 1.0;
    list_init(&in->pages);
    list_init(&in->chunks);
    for (int i = 0; i < INGEST_LANE__COUNT; i++)
        lane_open(&in->lanes[i], in, i == INGEST_LIVE ? DB_LIVE : DB_BACKFILL);
    return in;
}

void ingest_reconfigure(struct ingest *in, const struct ingest_options *options)
{
    in->options.batch_events = options->batch_events;
    in->options.batch_age_ms = options->batch_age_ms;
    in->options.keep_ephemeral = options->keep_ephemeral;
}

void ingest_stop(struct ingest *in)
{
    in->closing = true;
}

void ingest_close(struct ingest *in)
{
    assert(in->closing);
    for (int i = 0; i < INGEST_LANE__COUNT; i++)
        lane_close(&in->lanes[i]);
    LIST_FOR_EACH(l, &in->pages)
    {
        struct ingest_page *p = CONTAINER_OF(l, struct ingest_page, link);
        p->ops->on_dropped(p->owner);
        page_free(p);
    }
    assert(list_empty(&in->chunks));
    seen_free(in->seen);
    verifier_free(in->verifier);
    lane_done_all(in);
}

/* Memory */

/* After every change of what is held or reserved. */
static void weigh(struct ingest *in)
{
    uint64_t weight = in->held + in->reserved, pool = in->options.pool_bytes_max;

    in->pressed = weight > (in->pressed ? pool / 2 : pool / 8 * 7);
}

bool ingest_may_open(const struct ingest *in, uint32_t expected_events)
{
    uint64_t expected = (uint64_t)expected_events * in->event_bytes * HELD_PER_RAW;

    if (in->stalled || in->pressed || !db_is_up(in->db))
        return false; /* nothing can be written: what is held waits, more would only fill memory */
    /* An empty pipeline takes any page: a pool that is small beside one page still makes progress.
     */
    if (in->held + in->reserved == 0)
        return true;
    return in->held + in->reserved + expected <= in->options.pool_bytes_max / 4 * 3;
}

bool ingest_pressed(const struct ingest *in)
{
    return in->pressed;
}

uint64_t ingest_bytes(const struct ingest *in)
{
    return in->held;
}

uint64_t ingest_known_bytes(const struct ingest *in)
{
    return seen_bytes(in->seen);
}

bool ingest_idle(const struct ingest *in)
{
    return list_empty(&in->pages);
}

static void charge(struct chunk *c)
{
    uint64_t now = chunk_held(c);

    c->ingest->held += now - c->charged;
    c->charged = now;
    weigh(c->ingest);
}

static void unreserve(struct ingest_page *p)
{
    p->ingest->reserved -= p->reserved;
    p->reserved = 0;
    weigh(p->ingest);
}

/* Pages */

struct ingest_page *ingest_page_open(struct ingest *in, const struct ingest_page_options *options,
                                     const struct ingest_page_ops *ops, void *owner)
{
    struct ingest_page *p = calloc(1, sizeof(*p));

    if (p == NULL)
        abort();
    p->ingest = in;
    p->ops = ops;
    p->owner = owner;
    p->lane = options->lane;
    p->relay_id = options->relay_id;
    p->relay_url = options->relay_url;
    p->filter = options->filter;
    p->ask = options->ask;
    if (options->ask.n_kinds > 0) {
        p->kinds = malloc(options->ask.n_kinds * sizeof(*p->kinds));
        if (p->kinds == NULL)
            abort();
        memcpy(p->kinds, options->ask.kinds, options->ask.n_kinds * sizeof(*p->kinds));
        p->ask.kinds = p->kinds;
    }
    p->reserved = (uint64_t)options->expected_events * in->event_bytes * HELD_PER_RAW;
    in->reserved += p->reserved;
    weigh(in);
    list_init(&p->chunks);
    list_init(&p->lane_link);
    list_add_tail(&in->pages, &p->link);
    return p;
}

int ingest_page_add(struct ingest_page *p, struct str raw, struct err *err)
{
    struct ingest *in = p->ingest;

    assert(!p->sealed);
    if (in->held + raw.n > in->options.pool_bytes_max + INGEST_OVERDRAFT_BYTES)
        return err_set(err, ERR_NOMEM, "the pool for events is full (%llu bytes)",
                       (unsigned long long)in->options.pool_bytes_max);
    if (p->filling != NULL && chunk_full(p->filling, raw.n))
        seal_chunk(p);
    if (p->filling == NULL) {
        p->filling = chunk_new(in, p);
        list_add_tail(&in->chunks, &p->filling->link);
        list_add_tail(&p->chunks, &p->filling->page_link);
        p->chunks_open++;
    }
    chunk_add(p->filling, raw, clock_wall_ms());
    charge(p->filling);
    p->result.events++;
    in->event_bytes = (in->event_bytes * 255 + (uint64_t)raw.n) / 256;
    if (in->event_bytes < 300)
        in->event_bytes = 300;
    return 0;
}

void ingest_page_seal(struct ingest_page *p)
{
    assert(!p->sealed);
    unreserve(p);
    p->sealed = true;
    if (p->filling != NULL)
        seal_chunk(p);
    else if (p->chunks_scanning == 0)
        page_soon(p); /* an empty page: told from the loop, never from inside this call */
}

void ingest_page_prove(struct ingest_page *p, const struct store_span *spans, size_t n)
{
    assert(p->scanned);
    assert(!p->proven);
    p->proven = true;
    if (n > 0) {
        p->spans = malloc(n * sizeof(*spans));
        if (p->spans == NULL)
            abort();
        memcpy(p->spans, spans, n * sizeof(*spans));
        p->spans_n = n;
    }
    if (p->chunks_open == 0)
        lane_add_page(&p->ingest->lanes[p->lane], p);
    else
        lane_kick(&p->ingest->lanes[p->lane]);
}

void page_free(struct ingest_page *p)
{
    unreserve(p);
    list_remove(&p->link);
    list_remove(&p->lane_link);
    LIST_FOR_EACH(l, &p->chunks)
    chunk_drop(CONTAINER_OF(l, struct chunk, page_link));
    free(p->facts);
    free(p->kinds);
    free(p->spans);
    free(p);
}

/* Chunks, in running order */

static void seal_chunk(struct ingest_page *p)
{
    struct chunk *c = p->filling;

    p->filling = NULL;
    p->chunks_scanning++;
    p->facts = realloc(p->facts, p->result.events * sizeof(*p->facts));
    if (p->facts == NULL)
        abort();
    c->first = p->result.events - c->n;
    c->state = CHUNK_SCANNING;
    c->verifier = p->ingest->verifier;
    c->wanted = p->ingest->options.filters;
    c->wanted_n = p->ingest->options.filters_n;
    c->retention = p->ingest->options.retention;
    c->retention_n = p->ingest->options.retention_n;
    c->relay_url = p->relay_url;
    c->now_s = clock_wall_s();
    c->filter = p->filter;
    c->ask = &p->ask;
    c->keep_ephemeral = p->ingest->options.keep_ephemeral;
    c->note_hints = p->ingest->options.note_hints;
    c->job = (struct worker_job){.run = chunk_job_scan, .done = on_scanned};
    workers_submit(p->ingest->workers, WORKERS_LONG, &c->job);
}

static void on_scanned(struct worker_job *job)
{
    struct chunk *c = CONTAINER_OF(job, struct chunk, job);
    struct ingest_page *p = c->page;

    if (c->ingest->closing)
        return;
    charge(c);
    for (int i = 0; i < EVENT_VARIANT__COUNT; i++)
        metrics.event_id_variant_total[i] += c->variants[i];
    for (uint32_t i = 0; i < c->n; i++) {
        struct item *item = &c->items[i];
        item->fingerprint = seen_fingerprint(c->ingest->seen, &item->event.id);
        p->facts[c->first + i] = (struct page_fact){.is_event = item_is_event(item),
                                                    .fact = {.created_at = item->event.created_at,
                                                             .fingerprint = item->fingerprint,
                                                             .kind = item->event.kind,
                                                             .matches = item->matches}};
    }
    p->chunks_scanning--;
    classify(c);
    page_told(p);
}

/* Tells the owner what came. */
static void page_scanned(struct ingest_page *p)
{
    struct ingest_fact *facts = malloc((p->result.events + 1) * sizeof(*facts));
    size_t n = 0;

    if (facts == NULL)
        abort();
    for (uint32_t i = 0; i < p->result.events; i++)
        if (p->facts[i].is_event)
            facts[n++] = p->facts[i].fact;
    free(p->facts);
    p->facts = NULL;
    p->scanned = true;
    p->ops->on_scanned(p->owner, facts, n); /* last: it may prove the page */
    free(facts);
}

void page_told(struct ingest_page *p)
{
    if (p->sealed && p->chunks_scanning == 0 && !p->scanned)
        page_scanned(p);
}

/* Known, in flight, or unknown. */
static void classify(struct chunk *c)
{
    struct seen *seen = c->ingest->seen;
    uint32_t unknown = 0;

    for (uint32_t i = 0; i < c->n; i++) {
        struct item *item = &c->items[i];
        if (item->verdict != VERDICT_UNKNOWN)
            continue;
        if (!item->in_flight && seen_known(seen, item->fingerprint))
            item->verdict = VERDICT_KNOWN;
        else if (!item->in_flight && item_meets_flight(seen, item))
            continue;
        else
            unknown++;
    }
    if (unknown > 0 && worth_asking(c->ingest, c))
        ask_database(c);
    else
        start_checks(c);
}

static bool worth_asking(struct ingest *in, const struct chunk *c)
{
    if (c->page->lane == INGEST_LIVE || !db_is_up(in->db))
        return false; /* what is new on a live tail is new */
    return in->found_share > lookup_worth || ++in->not_asked % LOOKUP_SAMPLE == 0;
}

static void ask_database(struct chunk *c)
{
    struct id32 *ids = arena_alloc(&c->arena, c->n * sizeof(*ids));
    int64_t *created = arena_alloc(&c->arena, c->n * sizeof(*created));
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n; i++)
        if (c->items[i].verdict == VERDICT_UNKNOWN) {
            ids[n] = c->items[i].event.id;
            created[n++] = c->items[i].event.created_at;
        }
    bool *known = arena_alloc(&c->arena, n * sizeof(*known));
    memset(known, 0, n * sizeof(*known));
    c->lookup = (struct store_lookup){
        .ids = ids, .created_at = created, .n = n, .known = known, .done = on_looked_up};
    c->state = CHUNK_LOOKUP;
    charge(c);
    store_lookup(c->ingest->db, DB_MISC, &c->lookup);
}

static void on_looked_up(struct store_lookup *l, const struct err *err)
{
    struct chunk *c = CONTAINER_OF(l, struct chunk, lookup);
    struct ingest *in = c->ingest;
    uint32_t found = 0, at = 0;

    if (in->closing)
        return;
    for (uint32_t i = 0; err == NULL && i < c->n; i++) {
        struct item *item = &c->items[i];
        if (item->verdict != VERDICT_UNKNOWN || !l->known[at++])
            continue;
        found++;
        item->verdict = VERDICT_KNOWN;
        item_leave_flight(in->seen, item);
        seen_commit(in->seen, item->fingerprint, item->event.created_at);
    }
    if (err == NULL && l->n > 0)
        in->found_share += ((double)found / l->n - in->found_share) / 8;
    if (found > 0)
        wake_waiting(in);
    start_checks(c);
}

static void start_checks(struct chunk *c)
{
    c->state = CHUNK_VERIFYING;
    c->checks = 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->items[i].verdict == VERDICT_UNKNOWN || item_needs_tags(&c->items[i])) {
            c->job = (struct worker_job){.run = chunk_job_verify, .done = on_verified};
            workers_submit(c->ingest->workers, WORKERS_LONG, &c->job);
            return;
        }
    settle(c);
}

static void on_verified(struct worker_job *job)
{
    struct chunk *c = CONTAINER_OF(job, struct chunk, job);
    struct seen *seen = c->ingest->seen;

    if (c->ingest->closing)
        return;
    metrics.signature_checks_total[0] += c->checks;
    charge(c);
    for (uint32_t i = 0; i < c->n; i++) {
        struct item *item = &c->items[i];
        if (!item->in_flight)
            continue;
        if (item->verdict == VERDICT_VERIFIED)
            seen_flight_good(seen, &item->event.id, item->fingerprint);
        else
            item_leave_flight(seen, item);
    }
    settle(c);
    wake_waiting(c->ingest);
}

/* No check of its own is left: are there copies whose first one is still being checked elsewhere?
 */
static void settle(struct chunk *c)
{
    struct seen *seen = c->ingest->seen;
    bool waiting = false, unknown = false;

    for (uint32_t i = 0; i < c->n; i++) {
        struct item *item = &c->items[i];
        unknown = unknown || item_needs_tags(item);
        if (item->verdict != VERDICT_WAITING)
            continue;
        item->verdict = VERDICT_UNKNOWN;
        if (seen_known(seen, item->fingerprint))
            item->verdict = VERDICT_KNOWN;
        else if (!item_meets_flight(seen, item))
            unknown = true; /* the first copy was bad: this one is checked */
        waiting = waiting || item->verdict == VERDICT_WAITING;
        unknown = unknown || item_needs_tags(item);
    }
    if (unknown) {
        start_checks(c);
        return;
    }
    if (waiting) {
        c->state = CHUNK_WAITING;
        return;
    }
    c->state = CHUNK_READY;
    c->ready_at_ms = clock_mono_ms();
    lane_add_chunk(&c->ingest->lanes[c->page->lane], c);
}

static void wake_waiting(struct ingest *in)
{
    LIST_FOR_EACH(l, &in->chunks)
    {
        struct chunk *c = CONTAINER_OF(l, struct chunk, link);
        if (c->state == CHUNK_WAITING)
            settle(c);
    }
}

/* Items */

bool item_is_event(const struct item *item)
{
    return item->verdict != VERDICT_REJECTED || item->why > REJECT_ID_MISMATCH;
}

bool item_meets_flight(struct seen *seen, struct item *item)
{
    const struct event *e = &item->event;

    switch (seen_flight(seen, &e->id, item->fingerprint, &e->sig)) {
    case FLIGHT_PENDING:
        item->verdict = VERDICT_WAITING;
        return true;
    case FLIGHT_GOOD:
        item->verdict = VERDICT_VERIFIED;
        return true;
    case FLIGHT_NONE:
        item->in_flight = seen_flight_take(seen, &e->id, item->fingerprint, &e->sig);
        return false;
    }
    abort();
}

void item_leave_flight(struct seen *seen, struct item *item)
{
    if (item->in_flight)
        seen_flight_drop(seen, &item->event.id, item->fingerprint);
    item->in_flight = false;
}

/* From the lanes */

void chunk_again(struct chunk *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->items[i].verdict == VERDICT_KNOWN)
            c->items[i].verdict = VERDICT_UNKNOWN;
    list_remove(&c->link);
    list_add_tail(&c->ingest->chunks, &c->link);
    classify(c);
}

void chunk_drop(struct chunk *c)
{
    struct ingest *in = c->ingest;

    for (uint32_t i = 0; i < c->n; i++)
        item_leave_flight(in->seen, &c->items[i]);
    in->held -= c->charged;
    weigh(in);
    if (c->page->filling == c)
        c->page->filling = NULL;
    chunk_free(c);
}

bool ingest_flush(struct ingest *in)
{
    for (int i = 0; i < INGEST_LANE__COUNT; i++) {
        in->lanes[i].hurry = true;
        lane_kick(&in->lanes[i]);
    }
    return ingest_idle(in);
}

void ingest_database_up(struct ingest *in, bool restarted)
{
    in->stalled = false;
    if (restarted)
        seen_forget_all(in->seen);
    for (int i = 0; i < INGEST_LANE__COUNT; i++)
        lane_kick(&in->lanes[i]);
}
