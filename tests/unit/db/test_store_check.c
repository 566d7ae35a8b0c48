/* What store_checks leaves in the database, what the views make of it, and what goes when it is
 * thinned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_fixture.h"
#include "core/sha256.h"
#include "db/store_check.h"

enum { RELAYS = 20, DAY = 86400 };

static struct fixture fixture;
#define F (&fixture)

static int setup(void **state)
{
    (void)state;
    fixture_open(F, true);
    fixture_relays(F, RELAYS);
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

/* ---- waiting ---- */

struct ended {
    bool done;
    enum err_code code;
    int64_t deleted;
};

static void on_checks(void *owner, const struct err *err)
{
    struct ended *e = owner;

    e->done = true;
    e->code = err ? err->code : ERR_NONE;
    if (err)
        print_message("%s\n", err->detail);
}

static enum err_code write_from(const char *vantage, const struct store_check *checks, uint32_t n,
                                const struct store_health *health, uint32_t health_n)
{
    struct ended e = {false, ERR_NONE, 0};

    store_checks(F->db, vantage, checks, n, health, health_n, on_checks, &e);
    fixture_run(F, &e.done, "store_checks");
    return e.code;
}

static enum err_code write_checks(const struct store_check *checks, uint32_t n)
{
    return write_from("test", checks, n, NULL, 0);
}

static void on_thinned(void *owner, int64_t deleted, const struct err *err)
{
    struct ended *e = owner;

    assert_null(err);
    e->done = true;
    e->deleted = deleted;
}

static int64_t thin(int64_t before, uint32_t max)
{
    struct ended e = {false, ERR_NONE, 0};

    store_checks_thin(F->db, before, max, on_thinned, &e);
    fixture_run(F, &e.done, "store_checks_thin");
    return e.deleted;
}

/* ---- checks ---- */

/* Opened and read in 100 and 50 ms, nothing else. */
static struct store_check good(int32_t relay_id, int64_t at)
{
    return (struct store_check){.relay_id = relay_id,
                                .generated_at = at,
                                .counts = true,
                                .openable = 1,
                                .readable = 1,
                                .writable = -1,
                                .rtt_open = 100,
                                .rtt_read = 50,
                                .rtt_write = -1,
                                .rtt_nip11 = -1,
                                .dns_ms = 10,
                                .tcp_ms = 20,
                                .proxy_ms = -1,
                                .tls_ms = 30,
                                .upgrade_ms = 40,
                                .error = "",
                                .write_error = "",
                                .nip11_error = ""};
}

static struct store_check bad(int32_t relay_id, int64_t at, const char *error)
{
    struct store_check c = good(relay_id, at);

    c.openable = 0;
    c.readable = -1;
    c.rtt_open = c.rtt_read = c.dns_ms = c.tcp_ms = c.tls_ms = c.upgrade_ms = -1;
    c.error = error;
    return c;
}

static struct store_document document(const char *json)
{
    struct store_document d = {.json = json};

    sha256_of(json, strlen(json), d.id);
    return d;
}

static struct store_nip11 nip11(const char *raw, const char *name)
{
    return (struct store_nip11){.document = document(raw), .raw = str_z(raw), .name = name};
}

static void test_a_check_is_a_row_with_all_that_was_found(void **state)
{
    struct store_nip11 d = nip11("{\"name\":\"one\"}", "one");
    struct store_check c = good(1, 1700000000);
    static const char *const contradictions[] = {"nips_claimed_not_found", "limit_not_advertised"};

    (void)state;
    d.software = "strfry";
    d.supported_nips = "[1,11,42]";
    d.limitation = "{\"max_limit\":500}";
    c.nip11 = &d;
    c.tls = document("{\"version\":\"TLSv1.2\"}");
    c.geo = document("{\"country\":\"DE\"}");
    c.http_status = 101;
    c.caps_known = 3;
    c.caps = 1;
    c.page_cap = 500;
    c.writable = 0;
    c.rtt_nip11 = 77;
    c.write_error = "auth-required";
    c.contradictions = contradictions;
    c.contradictions_n = 2;
    c.through_session = true;
    assert_int_equal(write_checks(&c, 1), ERR_NONE);
    assert_string_equal(
        fixture_sql(F,
                    "SELECT concat_ws('|', generated_at, openable, readable, writable, rtt_open, "
                    "rtt_read, rtt_write, rtt_nip11, dns_ms, tcp_ms, proxy_ms, tls_ms, "
                    "upgrade_ms, error, write_error, http_status, contradictions, caps_known, "
                    "caps, page_cap, through_session, counts, vantage, tls, dns, geo) "
                    "FROM relay_checks WHERE relay_url = 'wss://relay1.example'"),
        "1700000000|t|t|f|100|50|77|10|20|30|40||auth-required|101|"
        "{nips_claimed_not_found,limit_not_advertised}|3|1|500|t|t|test|"
        "{\"version\": \"TLSv1.2\"}|{\"country\": \"DE\"}");
    assert_string_equal(
        fixture_sql(F, "SELECT concat_ws('|', nip66_openable, nip66_rtt_read, nip66_error, "
                       "nip11_name, nip11_software, nip11_supported_nips, nip11_limitation) "
                       "FROM relay_metadata_latest WHERE relay_url = 'wss://relay1.example'"),
        "t|50||one|strfry|[1, 11, 42]|{\"max_limit\": 500}");
    assert_string_equal(fixture_sql(F, "SELECT convert_from(document, 'UTF8') FROM nip11"),
                        "{\"name\":\"one\"}");
    assert_string_equal(
        fixture_sql(F, "SELECT count(*) FROM relay_metadata m JOIN nip66 n ON n.id = m.nip66_id "
                       "JOIN nip11 d ON d.id = m.nip11_id WHERE n.vantage = 'test'"),
        "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_check_is_a_row_with_all_that_was_found),
    };

    (void)number;
    (void)bad;
    (void)thin;
    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, teardown);
}
