/* Mentions count exactly once: with the transaction that inserts their event, and only then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_fixture.h"

static struct fixture fixture;
#define F (&fixture)

static int setup(void **state)
{
    return fixture_setup(state, F, 3);
}

/* What of these mentions was counted, and then forgotten: the next look sees only what is new. */
static int64_t counted(const char *url, const char *source)
{
    return atoll(fixture_sql(F,
                             "WITH d AS (DELETE FROM mention_new WHERE url = '%s' AND source = '%s'"
                             " RETURNING mentions) SELECT coalesce(sum(mentions), 0) FROM d",
                             url, source));
}

enum { N = 40, EACH = 3 };

/* Events of four authors, each of which mentions one relay of its own and two that all mention. */
struct batch {
    struct made_event made[N];
    struct store_event events[N];
    struct store_mention mentions[N * EACH];
    char urls[N][40];
    struct store_write w;
};

static void batch_init(struct batch *b, uint32_t first)
{
    memset(b, 0, sizeof(*b));
    for (uint32_t i = 0; i < N; i++) {
        struct store_mention *m = &b->mentions[i * EACH];

        made_event(&b->made[i], first + i, 1700000000 + i, 1);
        b->events[i] = (struct store_event){.event = &b->made[i].event, .raw = STR("{}")};
        snprintf(b->urls[i], sizeof(b->urls[i]), "wss://own%u.net", first + i);
        for (uint32_t k = 0; k < EACH; k++)
            m[k] = (struct store_mention){
                .event = i, .url = STR("wss://all.net"), .source = HINT_TEXT, .relay_id = 2};
        m[0].url = str_z(b->urls[i]);
        m[2].source = HINT_RELAY_LIST;
    }
    b->w = (struct store_write){
        .events = b->events, .events_n = N, .mentions = b->mentions, .mentions_n = N * EACH};
}

static void test_a_row_for_each_relay_and_source(void **state)
{
    static struct batch b;

    (void)state;
    batch_init(&b, 0);
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE);
    assert_int_equal(b.w.events_inserted, N);
    assert_int_equal(b.w.mentions_counted, N * EACH);
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM mention_new"), "42");
    assert_string_equal(
        fixture_sql(F, "SELECT concat_ws(' ', mentions, octet_length(authors), weight, relay_id,"
                       " (SELECT count(*) FROM event e WHERE e.id = m.event_id))"
                       " FROM mention_new m WHERE url = 'wss://all.net' AND source = 'text'"),
        "40 32 1 2 1");
    assert_string_equal(
        fixture_sql(F, "SELECT authors = (SELECT substr(pubkey, 1, 8) FROM event e"
                       " WHERE e.id = m.event_id) FROM mention_new m WHERE url = 'wss://own7.net'"),
        "t");
    assert_int_equal(counted("wss://all.net", "text"), N);
    assert_int_equal(counted("wss://all.net", "relay_list"), N);
    assert_int_equal(counted("wss://own7.net", "text"), 1);
}

static void test_duplicates_do_not_count(void **state)
{
    static struct batch b;

    (void)state;
    batch_init(&b, 20); /* half of them are there */
    b.made[N - 1] = b.made[N - 2];
    b.events[N - 1].event = &b.made[N - 2].event; /* one comes twice in one transaction */
    assert_int_equal(fixture_write(F, DB_BACKFILL, &b.w), ERR_NONE);
    assert_int_equal(b.w.events_inserted, 19);
    assert_int_equal(counted("wss://all.net", "text"), 19);
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE); /* all of it again */
    assert_int_equal(b.w.mentions_counted, 0);
    assert_int_equal(counted("wss://all.net", "text"), 0);
}

/* A transaction that begins anew, by halves, counts as one that did not. */
static void test_refused_and_excluded_events_do_not_count(void **state)
{
    static struct batch b;
    char hex[65];

    (void)state;
    fixture_sql(F, "DELETE FROM mention_new");
    batch_init(&b, 1000);
    b.made[5].event.content = STR("a NUL \0 inside");
    id_hex(hex, &b.made[6].event.id);
    fixture_sql(F, "SELECT exclude('event', '\\x%s')", hex);
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE);
    assert_int_equal(b.w.events_inserted, N - 2);
    assert_true(b.events[5].refused && b.events[6].tombstoned);
    assert_int_equal(b.w.mentions_counted, EACH * (N - 2));
    assert_int_equal(counted("wss://all.net", "relay_list"), N - 2);
    assert_int_equal(counted("wss://own1005.net", "text"), 0);
    assert_int_equal(counted("wss://own1006.net", "text"), 0);
    assert_int_equal(counted("wss://own1007.net", "text"), 1);
}

static void test_nothing_but_excluded_events(void **state)
{
    static struct batch b;
    char hex[65];

    (void)state;
    batch_init(&b, 1006);
    b.w.events_n = 1;
    b.w.mentions_n = EACH;
    id_hex(hex, &b.made[0].event.id);
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE);
    assert_true(b.events[0].tombstoned);
    assert_int_equal(b.w.mentions_counted, 0);
}

/* What a transaction that fails has counted is gone with it. */
static void test_a_failed_transaction_counts_nothing(void **state)
{
    static struct batch b;
    struct store_sighting missing = {
        .created_at = 1700000000, .seen_at_ms = 1, .relay_id = 1, .known = true};

    (void)state;
    fixture_sql(F, "DELETE FROM mention_new");
    batch_init(&b, 2000);
    b.w.sightings = &missing;
    b.w.sightings_n = 1;
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_DB_UNKNOWN_ID);
    assert_int_equal(b.w.mentions_counted, 0);
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM mention_new"), "0");
    b.w.sightings_n = 0;
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE);
    assert_int_equal(counted("wss://all.net", "text"), N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_for_each_relay_and_source),
        cmocka_unit_test(test_duplicates_do_not_count),
        cmocka_unit_test(test_refused_and_excluded_events_do_not_count),
        cmocka_unit_test(test_nothing_but_excluded_events),
        cmocka_unit_test(test_a_failed_transaction_counts_nothing),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
