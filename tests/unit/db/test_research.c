/* What only one relay holds, what may be lost, how events spread: right, and by index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "cluster_fixture.h"

enum { EVENTS = 6000, T0 = 1750000000 };

static struct fixture fixture;
#define F (&fixture)

/* Event i stands at relay 1 + i % 5; every third also at relay 6, live, (i % 7) seconds later;
 * every fourth also at relay 7, which is dying, as is relay 2. */
static void fill(void)
{
    struct made_event *made = calloc(EVENTS, sizeof(*made));
    struct store_event *events = calloc(EVENTS, sizeof(*events));
    struct store_sighting *s = calloc(3 * (size_t)EVENTS, sizeof(*s));
    struct store_write w = {.events = events, .events_n = EVENTS, .sightings = s};

    for (uint32_t i = 0; i < EVENTS; i++) {
        int64_t t = T0 + (int64_t)i * 20;

        made_event(&made[i], i, t, 1);
        events[i] = (struct store_event){.event = &made[i].event};
        s[w.sightings_n++] = (struct store_sighting){made[i].event.id, t, t * 1000 + 500,
                                                     1 + (int32_t)(i % 5), false};
        if (i % 3 == 0)
            s[w.sightings_n++] = (struct store_sighting){made[i].event.id, t,
                                                         t * 1000 + 500 + 1000 * (i % 7), 6, false};
        if (i % 4 == 0)
            s[w.sightings_n++] =
                (struct store_sighting){made[i].event.id, t, (t + 900000) * 1000, 7, false};
    }
    assert_int_equal(fixture_write(F, DB_BACKFILL, &w), ERR_NONE);
    free(made);
    free(events);
    free(s);
}

static int setup(void **state)
{
    (void)state;
    fixture_open(F, true);
    fixture_relays(F, 8);
    fill();
    fixture_sql(F, "INSERT INTO relay_monitor (relay_id, last_check_at_ms, failures, "
                   "failing_since_ms, retired) SELECT relay_id, 1, CASE WHEN relay_id IN (2, 3) "
                   "THEN 9 ELSE 0 END, CASE relay_id WHEN 2 THEN (extract(epoch FROM now()) - "
                   "8 * 86400)::int8 * 1000 WHEN 3 THEN (extract(epoch FROM now()) - "
                   "86400)::int8 * 1000 ELSE 0 END, relay_id = 7 FROM relays");
    fixture_sql(F, "VACUUM ANALYZE");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(F);
    return 0;
}

static void test_counts(void **state)
{
    uint32_t alone = 0, endangered = 0, alone_at_2 = 0;

    (void)state;
    for (uint32_t i = 0; i < EVENTS; i++) {
        bool six = i % 3 == 0, seven = i % 4 == 0, at_2 = i % 5 == 1;

        alone += !six && !seven;
        alone_at_2 += !six && !seven && at_2;
        endangered += at_2 && !six ? 1 + seven : 0; /* a row for each of the dying */
    }
    assert_int_equal(atoi(fixture_sql(F, "SELECT count(*) FROM events_on_one_relay")), alone);
    assert_int_equal(atoi(fixture_sql(F, "SELECT count(*) FROM events_on_one_relay WHERE "
                                         "relay_url = 'wss://relay2.example'")),
                     alone_at_2);
    assert_string_equal(
        fixture_sql(F, "SELECT string_agg(relay_url, ' ' ORDER BY relay_url) FROM relay_dying"),
        "wss://relay2.example wss://relay7.example");
    assert_int_equal(atoi(fixture_sql(F, "SELECT count(*) FROM endangered_events")), endangered);
    assert_string_equal(fixture_sql(F,
                                    "SELECT string_agg(DISTINCT relay_url, ' ') FROM "
                                    "endangered_events WHERE created_at < %d + 40000",
                                    T0),
                        "wss://relay2.example wss://relay7.example");
}

/* Event 12, of relay 3, came to relay 6 five seconds later; what relay 7 has is history. */
static void test_propagation(void **state)
{
    char id[65];
    struct id32 made;

    (void)state;
    made_id(&made, 12);
    id_hex(id, &made);
    assert_string_equal(
        fixture_sql(F,
                    "SELECT string_agg(relay_url || ' ' || first_relay_url || ' ' || delay_ms, ', "
                    "' ORDER BY delay_ms) FROM event_propagation WHERE event_id = '%s'",
                    id),
        "wss://relay3.example wss://relay3.example 0, "
        "wss://relay6.example wss://relay3.example 5000");
    assert_string_equal(
        fixture_sql(F,
                    "SELECT first_relay_url || ' ' || relays || ' ' || median_ms || ' ' || last_ms "
                    "FROM events_propagation(%d, %d) WHERE event_id = '%s'",
                    T0 + 200, T0 + 260, id),
        "wss://relay3.example 2 5000 5000");
    assert_string_equal(fixture_sql(F,
                                    "SELECT count(*) || ' ' || count(median_ms) FROM "
                                    "events_propagation(%d, %d)",
                                    T0, T0 + 20 * 299),
                        "300 100");
}

/* Rows that scans of whole tables have read, in one statement. */
static void test_they_read_by_index(void **state)
{
    static const char *const queries[] = {
        "SELECT * FROM event_propagation WHERE event_id = (SELECT id FROM events LIMIT 1)",
        "SELECT * FROM events_on_one_relay WHERE event_id = (SELECT id FROM events LIMIT 1)",
        "SELECT * FROM events_propagation(1750000000, 1750001000)",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        PGconn *pg = PQconnectdb(F->conninfo);
        PGresult *res;

        PQclear(PQexec(pg, "BEGIN"));
        PQclear(PQexec(pg, queries[i]));
        res = PQexec(pg, "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_xact_user_tables "
                         "WHERE relname ~ '^(event|sighting)_'");
        assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
        if (atoi(PQgetvalue(res, 0, 0)) > 50) /* LIMIT 1 of all events reads one page */
            fail_msg("%s: %s rows were scanned", queries[i], PQgetvalue(res, 0, 0));
        PQclear(res);
        PQfinish(pg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_propagation),
        cmocka_unit_test(test_they_read_by_index),
    };

    if (!fixture_drop_root()) {
        print_message("SKIP: root, and there is no other user to run PostgreSQL as\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
