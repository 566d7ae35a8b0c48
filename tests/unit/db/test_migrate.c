/* Migrations: several daemons at once, a changed file, a database that is newer, a crash in the
 * middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_fixture.h"
#include "db/migrate.h"
#include "db/op.h"

static struct fixture fixture;
#define F (&fixture)

static int setup(void **state)
{
    (void)state;
    fixture_open(F, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(F);
    return 0;
}

static void open_with(const char *dbname, const struct migration *list, unsigned n)
{
    char conninfo[600];

    snprintf(conninfo, sizeof(conninfo), "%s dbname=%s", F->conninfo, dbname);
    fixture_open_db(F, conninfo);
    db_set_migrations(F->db, list, n);
}

static void test_four_daemons_start_at_once(void **state)
{
    struct db *all[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        fixture_open_db(F, NULL);
        all[i] = F->db;
    }
    fixture_run_count(F, &F->ups, 4, "four daemons");
    for (int i = 0; i < 4; i++) {
        assert_true(db_is_up(all[i]));
        assert_true(db_server_version(all[i]) >= 140000);
        db_close(all[i]);
    }
    F->db = NULL;
    assert_string_equal(fixture_sql(F, "SELECT count(*) = %u AND max(number) = %u FROM migration",
                                    migrations_n, migrations_n),
                        "t");
    assert_string_equal(fixture_sql(F, "SELECT octet_length(secret) FROM archive"), "16");
}

static void test_a_changed_file_is_refused(void **state)
{
    (void)state;
    fixture_sql(F, "UPDATE migration SET sha256 = repeat('0', 64) WHERE number = 2");
    fixture_open_db(F, NULL);
    fixture_run(F, &F->refused, "the refusal");
    assert_int_equal(F->err.code, ERR_DB_SCHEMA);
    assert_non_null(strstr(F->err.detail, migrations[1].name));
    fixture_close_db(F);
    fixture_sql(F, "UPDATE migration SET sha256 = '%s' WHERE number = 2", migrations[1].sha256);
}

static void test_a_newer_database_is_refused(void **state)
{
    (void)state;
    fixture_sql(F, "INSERT INTO migration (number, name, sha256) VALUES (%u, '9999_future', 'x')",
                migrations_n + 1);
    fixture_open_db(F, NULL);
    fixture_run(F, &F->refused, "the refusal");
    assert_int_equal(F->err.code, ERR_DB_SCHEMA);
    assert_non_null(strstr(F->err.detail, "newer"));
    fixture_close_db(F);
    fixture_sql(F, "DELETE FROM migration WHERE name = '9999_future'");
    fixture_open_db(F, NULL);
    fixture_run_count(F, &F->ups, 1, "the start after that");
    fixture_close_db(F);
}

/* The second file fails: what stands is the first, whole.  Then it is mended (it was never
 * recorded) and all goes on. */
static void test_a_file_runs_wholly_or_not_at_all(void **state)
{
    struct migration list[4];

    (void)state;
    memcpy(list, migrations, sizeof(list));
    fixture_sql(F, "CREATE DATABASE half");
    list[1] = (struct migration){2, "0002_broken", "CREATE TABLE left_over (a int); SELECT 1/0",
                                 "ab", false};
    open_with("half", list, 2);
    fixture_run(F, &F->refused, "the refusal");
    assert_non_null(strstr(F->err.detail, "0002_broken"));
    assert_non_null(strstr(F->err.detail, "division by zero"));
    fixture_close_db(F);
    open_with("half", migrations, migrations_n);
    fixture_run_count(F, &F->ups, 1, "the mended migration");
    fixture_close_db(F);
}

static void test_a_statement_outside_a_transaction(void **state)
{
    struct migration list[64];
    unsigned n = migrations_n;

    (void)state;
    memcpy(list, migrations, n * sizeof(list[0]));
    list[n] = (struct migration){
        n + 1, "0099_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS later ON relays (network)",
        "cd", true};
    fixture_sql(F, "CREATE DATABASE outside");
    open_with("outside", list, n + 1);
    fixture_run_count(F, &F->ups, 1, "an index made concurrently");
    fixture_close_db(F);
    open_with("outside", list, n + 1); /* recorded */
    fixture_run_count(F, &F->ups, 1, "the second start");
    fixture_close_db(F);
}

static void test_a_database_that_cannot_hold_text_is_refused(void **state)
{
    (void)state;
    fixture_sql(F, "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    open_with("ascii", migrations, migrations_n);
    fixture_run(F, &F->refused, "the refusal");
    assert_non_null(strstr(F->err.detail, "UTF8"));
    fixture_close_db(F);
}

static void test_a_role_without_rights_is_told(void **state)
{
    char conninfo[600];

    (void)state;
    fixture_sql(F, "CREATE ROLE nobody_special LOGIN");
    fixture_sql(F, "CREATE DATABASE strict");
    snprintf(conninfo, sizeof(conninfo), "%s dbname=strict user=nobody_special", F->conninfo);
    fixture_open_db(F, conninfo);
    fixture_run(F, &F->refused, "the refusal");
    assert_non_null(strstr(F->err.detail, "permission denied"));
    fixture_close_db(F);
}

static void test_a_conninfo_that_cannot_be_read(void **state)
{
    (void)state;
    fixture_open_db(F, "postgresql://[broken");
    fixture_run(F, &F->refused, "the refusal");
    assert_int_equal(F->err.code, ERR_CONFIG);
    fixture_close_db(F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_four_daemons_start_at_once),
        cmocka_unit_test(test_a_changed_file_is_refused),
        cmocka_unit_test(test_a_newer_database_is_refused),
        cmocka_unit_test(test_a_file_runs_wholly_or_not_at_all),
        cmocka_unit_test(test_a_statement_outside_a_transaction),
        cmocka_unit_test(test_a_database_that_cannot_hold_text_is_refused),
        cmocka_unit_test(test_a_role_without_rights_is_told),
        cmocka_unit_test(test_a_conninfo_that_cannot_be_read),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, teardown);
}
