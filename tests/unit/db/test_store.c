/* What store_write and its neighbours leave in the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_fixture.h"

static struct fixture fixture;
#define F (&fixture)

static int setup(void **state)
{
    (void)state;
    fixture_open(F, true);
    fixture_relays(F, 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(F);
    return 0;
}

static int64_t number(const char *sql)
{
    return atoll(fixture_sql(F, "%s", sql));
}

static void test_events_sightings_and_coverage_in_one_transaction(void **state)
{
    enum { N = 600 };
    struct made_event *made = calloc(N, sizeof(*made));
    struct store_event *events = calloc(N, sizeof(*events));
    struct store_sighting *sightings = calloc(2 * N, sizeof(*sightings));
    struct store_span span = {.relay_id = 1, .filter_id = 1, .lo = 1700000000, .hi = 1700000599, .grade = GRADE_P1, .at = 1800000000};
    struct store_write w = {.events = events, .events_n = N, .sightings = sightings, .sightings_n = 2 * N, .spans = &span, .spans_n = 1};
    char hex[65];

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        made_event(&made[i], i, 1700000000 + i, 1);
        events[i].event = &made[i].event;
        for (uint32_t r = 0; r < 2; r++)
            sightings[2 * i + r] = (struct store_sighting){made[i].event.id, 1700000000 + i, 1800000000123, (int32_t)r + 1, false};
    }
    assert_int_equal(fixture_write(F, DB_BACKFILL, &w), ERR_NONE);
    assert_int_equal(w.events_inserted, N);
    assert_int_equal(w.sightings_inserted, 2 * N);
    for (uint32_t i = 0; i < N; i++)
        assert_true(events[i].inserted);
    assert_int_equal(number("SELECT count(*) FROM events"), N);
    assert_int_equal(number("SELECT count(*) FROM events_relays"), 2 * N);
    assert_int_equal(number("SELECT count(*) FROM relay_coverage WHERE grade = 'walk'"), 0); /* the filter has no row yet */
    assert_int_equal(number("SELECT count(*) FROM coverage WHERE grade = 2 AND hi - lo = 599"), 1);
    assert_int_equal(number("SELECT sum(events) FROM archive_count"), N);

    /* Again, on the other lane: nothing is there twice, and the caller is told that nothing was new. */
    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    assert_int_equal(w.events_inserted, 0);
    assert_int_equal(w.sightings_inserted, 0);
    assert_false(events[0].inserted);
    assert_int_equal(number("SELECT count(*) FROM events_relays"), 2 * N);
    assert_int_equal(number("SELECT sum(sightings) FROM archive_count"), 2 * N);

    id_hex(hex, &made[7].event.id);
    assert_string_equal(fixture_sql(F, "SELECT relay_url FROM events_relays WHERE event_id = nostr_id('%s') ORDER BY 1", hex),
                        "wss://relay1.example");
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM events WHERE taghash @> tag('t', 'topic7')"), "6");
    free(made);
    free(events);
    free(sightings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_sightings_and_coverage_in_one_transaction),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, teardown);
}
