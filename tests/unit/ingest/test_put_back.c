/* A transaction that must be put together again: what a page proves is not written before what it
 * brought, in whatever order the answers come.
 *
 * The order is made by hand, so the three calls into the database are ours here: a real one answers
 * when it wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/arena.h"
#include "ingest/ingest.h"
#include "ingest/pipeline.h"
#include "nostr/sign.h"

static struct store_write *writing;
static struct store_lookup *lookups[8];
static int lookups_n;

bool db_is_up(const struct db *db)
{
    (void)db;
    return true;
}

void store_write(struct db *db, enum db_lane lane, struct store_write *w)
{
    (void)db;
    (void)lane;
    assert_null(writing);
    writing = w;
}

void store_lookup(struct db *db, enum db_lane lane, struct store_lookup *l)
{
    (void)db;
    (void)lane;
    lookups[lookups_n++] = l;
}

struct page {
    struct ingest_page *page;
    struct store_span span;
    bool done;
};

static void on_scanned(void *owner, const struct ingest_fact *facts, size_t n)
{
    struct page *p = owner;

    (void)facts;
    (void)n;
    ingest_page_prove(p->page, &p->span, 1);
}

static void on_done(void *owner, const struct ingest_page_result *result)
{
    struct page *p = owner;

    (void)result;
    p->done = true;
}

static void on_dropped(void *owner)
{
    (void)owner;
    fail();
}

static const struct ingest_page_ops ops = {
    .on_scanned = on_scanned, .on_done = on_done, .on_dropped = on_dropped};

static void stop(uv_timer_t *t)
{
    uv_stop(t->loop);
}

static void turn(uv_loop_t *loop, uint64_t ms)
{
    uv_timer_t t;

    uv_timer_init(loop, &t);
    uv_timer_start(&t, stop, ms, 0);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&t, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}

/* Until the ingest has asked the database for something more. */
static void until_asked(uv_loop_t *loop, int n)
{
    for (int i = 0; i < 500 && lookups_n < n; i++)
        turn(loop, 10);
    assert_int_equal(lookups_n, n);
}

static void until_writing(uv_loop_t *loop)
{
    for (int i = 0; i < 500 && writing == NULL; i++)
        turn(loop, 10);
    assert_non_null(writing);
}

static void answer_write(enum err_code code)
{
    struct store_write *w = writing;
    struct err err;

    writing = NULL;
    for (uint32_t i = 0; i < w->events_n; i++)
        w->events[i].inserted = code == ERR_NONE;
    if (code != ERR_NONE)
        (void)err_set(&err, code, "as the test wants it");
    w->done(w, code != ERR_NONE ? &err : NULL);
}

static bool brings(const struct store_write *w, int64_t created_at)
{
    for (uint32_t i = 0; i < w->sightings_n; i++)
        if (w->sightings[i].created_at == created_at)
            return true;
    return false;
}

static bool proves(const struct store_write *w, int64_t lo)
{
    for (uint32_t i = 0; i < w->spans_n; i++)
        if (w->spans[i].lo == lo)
            return true;
    return false;
}

static void bring(struct ingest *in, struct ingest_page_options *o, int32_t relay_id,
                  struct page *page, struct str event)
{
    struct err err;

    o->relay_id = relay_id;
    page->page = ingest_page_open(in, o, &ops, page);
    assert_int_equal(ingest_page_add(page->page, event, &err), 0);
    ingest_page_seal(page->page);
}

/* An event that was known is deleted while a page has it, and the page above is not checked yet. */
static void test_a_proof_waits_for_what_is_checked_again(void **state)
{
    uv_loop_t *loop = uv_default_loop();
    struct workers *workers = workers_open(loop, 1);
    struct filter_spec *all = filter_spec_new("all");
    const struct filter_spec *filters[] = {all};
    const struct ingest_options options = {.pool_bytes_max = 64 << 20,
                                           .known_bytes_max = 1 << 20,
                                           .batch_events = 4000,
                                           .batch_age_ms = 10,
                                           .filters = filters,
                                           .filters_n = 1};
    struct ingest *in = ingest_open(loop, workers, NULL, &options);
    struct err err;
    struct signer *signer =
        signer_new("0000000000000000000000000000000000000000000000000000000000000003", &err);
    struct event_draft draft = {.created_at = 150, .kind = 1, .content = STR("known")};
    struct page first = {.span = {.relay_id = 9, .filter_id = 1, .lo = 100, .hi = 300}};
    struct page above = {.span = {.relay_id = 1, .filter_id = 1, .lo = 200, .hi = 300}};
    struct page below = {.span = {.relay_id = 1, .filter_id = 1, .lo = 100, .hi = 199}};
    struct ingest_page_options page = {.lane = INGEST_BACKFILL,
                                       .relay_url = "wss://relay.example",
                                       .filter = all,
                                       .ask = {-1, -1, -1, NULL, 0},
                                       .expected_events = 1};
    struct arena arena;
    bool below_came = false;

    (void)state;
    arena_init(&arena, 65536);
    struct str known = sign_event(signer, &draft, &arena, NULL);
    draft.created_at = 250;
    draft.content = STR("new");
    struct str new = sign_event(signer, &draft, &arena, NULL);

    bring(in, &page, 9, &first, known);
    until_asked(loop, 1);
    lookups[0]->done(lookups[0], NULL);
    until_writing(loop);
    answer_write(ERR_NONE);
    bring(in, &page, 1, &above, new);
    until_asked(loop, 2);
    bring(in, &page, 1, &below, known);
    until_writing(loop);
    assert_true(brings(writing, 150) && writing->events_n == 0);
    answer_write(ERR_DB_UNKNOWN_ID); /* it was deleted meanwhile: checked again */
    until_asked(loop, 3);

    lookups[1]->done(lookups[1], NULL); /* the page above goes on first */
    until_writing(loop);
    assert_true(brings(writing, 250) && proves(writing, 200));
    assert_false(proves(writing, 100));
    answer_write(ERR_NONE);
    turn(loop, 50);
    assert_true(above.done && !below.done);
    lookups[2]->done(lookups[2], NULL);
    until_writing(loop);
    below_came = brings(writing, 150) && writing->events_n == 1 && proves(writing, 100);
    answer_write(ERR_NONE);
    turn(loop, 50);
    assert_true(below_came && below.done);

    ingest_stop(in);
    workers_close(workers);
    ingest_close(in);
    uv_run(loop, UV_RUN_DEFAULT);
    signer_free(signer);
    filter_spec_free(all);
    arena_done(&arena);
    assert_int_equal(uv_loop_close(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_proof_waits_for_what_is_checked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
