/* bigbrotr_reader: reads all that people may rely on, and changes nothing, whatever it calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "cluster_fixture.h"

static struct fixture fixture;
#define F (&fixture)

static int setup(void **state)
{
    struct made_event made;
    struct store_event event = {.event = &made.event};
    struct store_sighting sighting = {
        .created_at = 1750000000, .seen_at_ms = 1750000001000, .relay_id = 1};
    struct store_write w = {
        .events = &event, .events_n = 1, .sightings = &sighting, .sightings_n = 1};

    (void)fixture_setup(state, F, 1);
    made_event(&made, 1, 1750000000, 1);
    sighting.id = made.event.id;
    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    return 0;
}

static const char *as_reader(const char *sql)
{
    const char *sqlstate;

    fixture_sql(F, "SET ROLE bigbrotr_reader");
    sqlstate = fixture_sql_error(F, sql);
    fixture_sql(F, "RESET ROLE");
    return sqlstate;
}

static void test_it_reads_everything(void **state)
{
    char names[16384], *name, *rest = names;

    (void)state;
    fixture_sql(F,
                "SELECT partitions_ensure(4000000000)"); /* some that are younger than the role */
    snprintf(names, sizeof(names), "%s",
             fixture_sql(F, "SELECT string_agg(oid::regclass::text, ',') FROM pg_class WHERE "
                            "relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') "
                            "AND relname <> 'archive'"));
    assert_non_null(strstr(names, "event_2025a"));
    while ((name = strsep(&rest, ",")) != NULL) {
        char sql[256];

        snprintf(sql, sizeof(sql), "SELECT * FROM %s LIMIT 1", name);
        if (as_reader(sql)[0] != '\0')
            fail_msg("%s: %s", sql, as_reader(sql));
    }
    assert_string_equal(as_reader("SELECT event_json(id), nostr_id(id), made_at FROM events, "
                                  "archive; SELECT * FROM relay_newest('wss://relay1.example', 5)"),
                        "");
    assert_string_equal(as_reader("SELECT secret FROM archive"), "42501");
}

static void test_it_changes_nothing(void **state)
{
    static const char *const writes[] = {
        "DELETE FROM events",
        "DELETE FROM relays",
        "UPDATE relay_sync SET events = 0",
        "SELECT exclude('kind', int4send(1))",
        "SELECT insert_relay('wss://other.example', 'clearnet')",
        "SELECT delete_orphan_events()",
        "SELECT delete_orphan_nip11()",
        "SELECT coverage_add(1, 1, 0, 1, 0::int2, 1)",
        "CREATE TABLE IF NOT EXISTS mine (a int)",
        "TRUNCATE event",
    };

    (void)state;
    fixture_sql(F, "REVOKE CREATE ON SCHEMA public FROM PUBLIC"); /* before version 15 all may */
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        if (strcmp(as_reader(writes[i]), "42501") != 0)
            fail_msg("%s: %s", writes[i], as_reader(writes[i]));
    assert_string_equal(
        fixture_sql(F, "SELECT count(*) FROM pg_class c, unnest(ARRAY['INSERT', 'UPDATE', "
                       "'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p WHERE relnamespace = "
                       "'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND "
                       "has_table_privilege('bigbrotr_reader', c.oid, p)"),
        "0");
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM pg_proc WHERE pronamespace = "
                                       "'public'::regnamespace AND prosecdef"),
                        "0");
    assert_string_equal(fixture_sql(F, "SELECT rolcanlogin || ' ' || array_to_string(rolconfig, "
                                       "' ') FROM pg_roles WHERE rolname = 'bigbrotr_reader'"),
                        "false default_transaction_read_only=on statement_timeout=10min "
                        "idle_in_transaction_session_timeout=10min");
}

static void test_an_archive_whose_owner_may_not_make_roles(void **state)
{
    char conninfo[sizeof(F->conninfo)];
    int n;

    (void)state;
    fixture_sql(F, "DROP OWNED BY bigbrotr_reader");
    fixture_sql(F, "DROP ROLE bigbrotr_reader");
    fixture_sql(F, "CREATE ROLE plain LOGIN");
    fixture_sql(F, "CREATE DATABASE plain OWNER plain");
    fixture_close_db(F);
    n = snprintf(conninfo, sizeof(conninfo), "%s dbname=plain user=plain", F->conninfo);
    assert_true(n > 0 && (size_t)n < sizeof(conninfo));
    fixture_open_db(F, conninfo);
    fixture_run_count(F, &F->ups, 1, "an archive without the role");
    assert_string_equal(
        fixture_sql(F, "SELECT count(*) FROM pg_roles WHERE rolname = 'bigbrotr_reader'"), "0");
    fixture_close_db(F);
    /* An administrator makes it; then the owner may give it what it needs. */
    fixture_sql(F, "CREATE ROLE bigbrotr_reader NOLOGIN");
    fixture_sql(F, "GRANT bigbrotr_reader TO plain");
    memcpy(F->conninfo, conninfo, sizeof(conninfo));
    PQfinish(F->pg);
    F->pg = NULL;
    assert_string_equal(as_reader("SELECT * FROM relays"), "42501");
    assert_string_equal(fixture_sql(F, "SELECT reader_grants()"), "t");
    assert_string_equal(as_reader("SELECT * FROM relays, event, relay_coverage"), "");
    assert_string_equal(as_reader("DELETE FROM relays"), "42501");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_reads_everything),
        cmocka_unit_test(test_it_changes_nothing),
        cmocka_unit_test(test_an_archive_whose_owner_may_not_make_roles),
    };

    if (!fixture_drop_root()) {
        print_message("SKIP: root, and there is no other user to run PostgreSQL as\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
