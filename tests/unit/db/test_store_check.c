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
    (void)fixture_setup(state, F, RELAYS);
    /* Ids were given in the order of URLs as text: let relay N be number N. */
    fixture_sql(F, "UPDATE relays SET url = 'wss://x' || relay_id || '.example'");
    fixture_sql(F, "UPDATE relays SET url = 'wss://relay' || relay_id || '.example'");
    return 0;
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
    c.dns_ttl = 86400;
    c.writable = 0;
    c.rtt_nip11 = 77;
    c.write_error = "auth-required";
    c.contradictions = contradictions;
    c.contradictions_n = 2;
    c.through_session = true;
    assert_int_equal(write_checks(&c, 1), ERR_NONE);
    assert_string_equal(
        fixture_sql(
            F, "SELECT concat_ws('|', generated_at, openable, readable, writable, rtt_open, "
               "rtt_read, rtt_write, rtt_nip11, dns_ms, tcp_ms, proxy_ms, tls_ms, "
               "upgrade_ms, dns_ttl, error, write_error, http_status, contradictions, caps_known, "
               "caps, page_cap, through_session, counts, vantage, tls, dns, geo) "
               "FROM relay_checks WHERE relay_url = 'wss://relay1.example'"),
        "1700000000|t|t|f|100|50|77|10|20|30|40|32767||auth-required|101|"
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

/* ---- documents ---- */

static void test_what_did_not_change_is_stored_once(void **state)
{
    struct store_nip11 one = nip11("{\"name\":\"same\"}", "same");
    struct store_nip11 other = nip11("{\"name\":\"other\"}", "other");
    int64_t documents = fixture_number(F, "SELECT count(*) FROM nip11");
    int64_t findings = fixture_number(F, "SELECT count(*) FROM finding");
    struct store_check c[8];

    (void)state;
    for (int i = 0; i < 8; i++) { /* two relays, in one transaction and over two */
        c[i] = good(2 + i % 2, 1700000000 + i);
        c[i].nip11 = i == 7 ? &other : &one;
        c[i].tls = document("{\"issuer\":\"the same\"}");
    }
    assert_int_equal(write_checks(c, 5), ERR_NONE);
    assert_int_equal(write_checks(c + 5, 3), ERR_NONE);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM nip11") - documents, 2);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM finding") - findings, 2);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM document WHERE json->>'issuer' = 'the same'"), 1);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM relay_metadata JOIN nip11 d ON d.id = nip11_id "
                          "WHERE d.name = 'same'"),
        7);
    c[0] = good(2, 1700000100); /* a trait that differs is another finding of the same document */
    c[0].nip11 = &one;
    c[0].tls = document("{\"issuer\":\"the same\"}");
    c[0].write_error = "blocked";
    assert_int_equal(write_checks(c, 1), ERR_NONE);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM finding") - findings, 3);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM nip11") - documents, 2);
}

/* What a document mentions is counted with the document, however many relays have it and however
 * often it is looked at, and for whoever holds the domain of the first that had it. */
static void test_mentions_of_a_document_are_counted_once(void **state)
{
    static const struct hint mentions[] = {
        {.url = {"wss://a.net", 11}, .source = HINT_NIP11},
        {.url = {"wss://b.net", 11}, .source = HINT_NIP11},
    };
    struct store_nip11 d = nip11("{\"icon\":\"wss://a.net wss://b.net\"}", "mentions");
    struct store_check c[2] = {good(2, 1690000200), good(3, 1690000200)};

    (void)state;
    d.mentions = mentions;
    d.mentions_n = 2;
    d.author = mention_author_of_relay(STR("wss://eu.relay2.example"));
    assert_true(d.author == mention_author_of_relay(STR("ws://relay2.example:81/other")));
    assert_true(d.author != mention_author_of_relay(STR("wss://relay3.example")));
    c[0].nip11 = c[1].nip11 = &d;
    assert_int_equal(write_checks(c, 2), ERR_NONE);
    c[0].generated_at = c[1].generated_at = 1690000300;
    assert_int_equal(write_checks(c, 2), ERR_NONE);
    assert_string_equal(fixture_sql(F, "SELECT string_agg(concat_ws(' ', url, source, weight, "
                                       "mentions, relay_id), ', ' ORDER BY url) FROM mention_new "
                                       "WHERE octet_length(authors) = 8 AND event_id IS NULL"),
                        "wss://a.net nip11 3 1 2, wss://b.net nip11 3 1 2");
}

/* What jsonb and text refuse, one of each kind. */
static const char *const refused[] = {"{\"name\":\"\\u0000\"}",
                                      "{\"name\":\"\\ud800\"}",
                                      "{\"name\":\"\\udc00\\ud800\"}",
                                      "{\"limitation\":1e999999}",
                                      "{\"name\":\"\xff\xfe\"}",
                                      "{\"name\":\"\xed\xa0\x80\"}",
                                      "{\"a\":",
                                      "",
                                      "\x01",
                                      "{\"n\":-1e-99999999999999999999}"};

static void test_no_document_keeps_a_check_from_being_written(void **state)
{
    enum { N = sizeof(refused) / sizeof(refused[0]), BIG = 256 * 1024 };
    struct store_nip11 d[N + 2];
    struct store_check c[N + 3];
    char *deep = malloc(BIG + 1), *wide = malloc(BIG + 1), with_nul[] = "{\"name\":\"a\0b\"}";

    (void)state;
    memset(deep, '[', BIG);
    memset(wide, 'x', BIG);
    deep[BIG] = wide[BIG] = '\0';
    for (uint32_t i = 0; i < N; i++)
        d[i] = nip11(refused[i], refused[i]);
    d[0].raw = (struct str){with_nul, sizeof(with_nul) - 1};
    d[N] = nip11(deep, deep);
    d[N + 1] = nip11(wide, wide);
    for (uint32_t i = 0; i < N + 2; i++) {
        d[i].supported_nips = i % 2 ? d[i].document.json : "[1,99999999999,\"x\",1e400,[]]";
        d[i].limitation = d[i].extra_fields = d[i].software = d[i].document.json;
        c[i] = good(4, 1700001000 + i);
        c[i].nip11 = &d[i];
        c[i].tls = c[i].dns = c[i].http = c[i].geo = d[i].document;
        c[i].error = c[i].write_error = c[i].nip11_error = d[i].document.json;
    }
    c[N + 2] = good(4, 1700002000);
    assert_int_equal(write_checks(c, N + 3), ERR_NONE);
    assert_int_equal(
        fixture_number(
            F, "SELECT count(*) FROM relay_checks WHERE relay_url = 'wss://relay4.example'"),
        N + 3);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM relay_checks WHERE relay_url = "
                                       "'wss://relay4.example' AND nip11_id IS NOT NULL"),
                     N + 2);
    for (uint32_t i = 0; i < N + 2; i++) { /* set aside: columns NULL, the bytes kept */
        char *id = strdup(fixture_sql(
            F, "SELECT nip11_id FROM relay_checks WHERE generated_at = %u", 1700001000 + i));

        assert_string_equal(
            fixture_sql(F,
                        "SELECT octet_length(document) || coalesce(limitation::text, '') || "
                        "coalesce(extra_fields::text, '') FROM nip11 WHERE id = '%s'",
                        id),
            fixture_sql(F, "SELECT %zu", d[i].raw.n));
        free(id);
    }
    assert_true(
        fixture_number(F, "SELECT count(*) FROM document WHERE json IS NULL AND raw IS NOT NULL") >=
        N);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM nip11 WHERE document = "
                                       "'\\x7b226e616d65223a22610062227d'"),
                     1);
    fixture_sql(F, "SELECT count(x::text) FROM relay_checks x");
    fixture_sql(F, "SELECT count(x::text) FROM nip11 x");
    fixture_sql(F, "SELECT count(x::text) FROM supported_nips x");
    free(deep);
    free(wide);
}

/* ---- once ---- */

static void test_a_repeated_transaction_changes_nothing(void **state)
{
    struct store_check c[3] = {good(5, 1700000000), good(5, 1700000000),
                               bad(6, 1700000000, "dns_not_found")};
    struct store_health h = {.relay_id = 5,
                             .next_at = 1,
                             .openable = 1,
                             .readable = 1,
                             .writable = -1,
                             .rtt_read = -1,
                             .error = ""};
    const char *sum =
        "SELECT sum(checks) || ' ' || sum(opened) || ' ' || (SELECT sum(checks) FROM "
        "relay_day WHERE relay_id IN (5, 6)) FROM relay_tally WHERE relay_id IN (5, 6)";

    (void)state;
    assert_int_equal(write_from("test", c, 3, &h, 1), ERR_NONE);
    assert_string_equal(fixture_sql(F, "%s", sum), "2 1 2");
    for (int i = 0; i < 2; i++) { /* the answer to COMMIT was lost: it is sent again */
        unsigned downs = F->db_downs;

        fixture_sql(F, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> "
                       "pg_backend_pid() AND backend_type = 'client backend'");
        fixture_run_count(F, &F->db_downs, downs + 1, "the database being away");
        assert_int_equal(write_from("test", c, 3, &h, 1), ERR_DB_AWAY);
        fixture_run_count(F, &F->ups, F->ups + 1, "the database being back");
        assert_int_equal(write_from("test", c, 3, &h, 1), ERR_NONE);
    }
    assert_string_equal(fixture_sql(F, "%s", sum), "2 1 2");
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM relay_metadata WHERE relay_url IN "
                                       "('wss://relay5.example', 'wss://relay6.example')"),
                        "2");
    /* The same second from another place is another check. */
    assert_int_equal(write_from("elsewhere", c, 1, NULL, 0), ERR_NONE);
    assert_string_equal(fixture_sql(F, "%s", sum), "3 2 3");
}

static void test_a_check_of_an_unknown_relay_is_left_out(void **state)
{
    struct store_check c[2] = {good(777, 1700000000), good(7, 1700000000)};
    struct store_health h[2] = {{.relay_id = 777, .error = ""}, {.relay_id = 7, .error = ""}};

    (void)state;
    assert_int_equal(write_from("test", c, 2, h, 2), ERR_NONE);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM relay_check WHERE check_relay(id) = 777"), 0);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM relay_check WHERE check_relay(id) = 7"), 1);
}

static void test_vantage_points(void **state)
{
    struct store_check c = good(8, 1700000000);
    char name[100];

    (void)state;
    memset(name, 'v', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(write_from(name, &c, 1, NULL, 0), ERR_NONE);
    assert_int_equal(fixture_number(F, "SELECT length(name) FROM vantage WHERE name LIKE 'vv%'"),
                     64);
    for (int i = 0; i < 40;
         i++) { /* there are 31 places; who finds none has no name, and its check is written */
        snprintf(name, sizeof(name), "place %d", i);
        c.generated_at++;
        assert_int_equal(write_from(name, &c, 1, NULL, 0), ERR_NONE);
    }
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM vantage"), 32);
    assert_int_equal(
        fixture_number(
            F, "SELECT count(*) FROM relay_checks WHERE relay_url = 'wss://relay8.example'"),
        41);
    assert_true(fixture_number(
                    F, "SELECT count(*) FROM relay_checks WHERE relay_url = 'wss://relay8.example' "
                       "AND vantage = ''") > 5);
}

/* ---- the monitor's memory ---- */

struct loaded {
    struct ended ended;
    struct store_health rows[RELAYS];
    char errors[RELAYS][64];
    uint32_t n;
};

static void on_health(void *owner, const struct store_health *row)
{
    struct loaded *l = owner;

    assert_true(l->n < RELAYS);
    snprintf(l->errors[l->n], sizeof(l->errors[l->n]), "%s", row->error);
    l->rows[l->n] = *row;
    l->rows[l->n].error = l->errors[l->n];
    l->n++;
}

static void on_loaded(void *owner, const struct err *err)
{
    struct loaded *l = owner;

    assert_null(err);
    l->ended.done = true;
}

static const struct store_health *find_health(const struct loaded *l, int32_t relay_id)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->rows[i].relay_id == relay_id)
            return &l->rows[i];
    }
    fail_msg("no health of relay %d", relay_id);
    return NULL;
}

static void test_what_the_monitor_remembers(void **state)
{
    static struct loaded l;
    struct store_health h[2] = {{.relay_id = 10,
                                 .next_at = 4102444800001,
                                 .last_check_at = 2,
                                 .last_ok_at = 3,
                                 .last_fail_at = 4,
                                 .failing_since = 12,
                                 .failures = 5,
                                 .unconfirmed = true,
                                 .retired = false,
                                 .rtt_p95 = 6,
                                 .openable = 1,
                                 .readable = 0,
                                 .writable = -1,
                                 .rtt_read = 7,
                                 .caps_known = 8,
                                 .caps = 9,
                                 .page_cap = 10,
                                 .error = "timeout",
                                 .published_at = 11,
                                 .published_hash = {1, 2, 3}},
                                {.relay_id = 9,
                                 .retired = true,
                                 .openable = -1,
                                 .readable = -1,
                                 .writable = 1,
                                 .rtt_read = -1,
                                 .error = ""}};

    (void)state;
    for (int round = 0; round < 2; round++) { /* new, then over itself */
        assert_int_equal(write_from("test", NULL, 0, h, 2), ERR_NONE);
        memset(&l, 0, sizeof(l));
        store_health_load(F->db, on_health, on_loaded, &l);
        fixture_run(F, &l.ended.done, "store_health_load");
        for (int i = 0; i < 2; i++) {
            struct store_health got = *find_health(&l, h[i].relay_id);

            assert_string_equal(got.error, h[i].error);
            got.error = h[i].error;
            assert_memory_equal(&got.published_hash, &h[i].published_hash, 32);
            assert_true(got.next_at == h[i].next_at && got.last_check_at == h[i].last_check_at &&
                        got.last_ok_at == h[i].last_ok_at &&
                        got.last_fail_at == h[i].last_fail_at &&
                        got.failing_since == h[i].failing_since &&
                        got.published_at == h[i].published_at && got.failures == h[i].failures);
            assert_true(got.unconfirmed == h[i].unconfirmed && got.retired == h[i].retired &&
                        got.rtt_p95 == h[i].rtt_p95 && got.rtt_read == h[i].rtt_read &&
                        got.openable == h[i].openable && got.readable == h[i].readable &&
                        got.writable == h[i].writable && got.caps == h[i].caps &&
                        got.caps_known == h[i].caps_known && got.page_cap == h[i].page_cap);
        }
    }
    assert_string_equal(
        fixture_sql(
            F, "SELECT concat_ws('|', state, failures_in_row, error, circuit, last_check) FROM "
               "(SELECT *, extract(epoch FROM next_check) AS last_check FROM relay_health) x "
               "WHERE relay_url = 'wss://relay10.example'"),
        "failing|5|timeout|open|4102444800.001000");
}

/* ---- uptime ---- */

/* The windows counted from the checks themselves: what relay_uptime must say. */
static const char by_hand[] =
    "SELECT concat_ws('|', count(*), count(*) FILTER (WHERE openable), min(generated_at), "
    "max(generated_at),"
    " count(*) FILTER (WHERE h), count(*) FILTER (WHERE h AND openable),"
    " count(*) FILTER (WHERE d > 6), count(*) FILTER (WHERE d > 6 AND openable),"
    " count(*) FILTER (WHERE d > 0), count(*) FILTER (WHERE d > 0 AND openable)) FROM ("
    "SELECT *, generated_at / 3600 >= extract(epoch FROM now())::int8 / 3600 - 24 AS h,"
    " CASE WHEN generated_at / 86400 >= extract(epoch FROM now())::int8 / 86400 - 6 THEN 7"
    " WHEN generated_at / 86400 >= extract(epoch FROM now())::int8 / 86400 - 29 THEN 1 ELSE 0 END "
    "AS d"
    " FROM relay_checks WHERE counts";
static const char by_view[] = "SELECT concat_ws('|', total_checks, successful_checks, first_check, "
                              "last_check, total_checks_1d,"
                              " successful_checks_1d, total_checks_7d, successful_checks_7d, "
                              "total_checks_30d, successful_checks_30d)"
                              " FROM relay_uptime";

/* In one statement, since the windows move. */
static void assert_uptime(int relay)
{
    char *sql = NULL;
    int n = asprintf(&sql,
                     "SELECT concat_ws(' for ', a.x, b.x) FROM (%s WHERE relay_url = "
                     "'wss://relay%d.example') a(x), (%s AND relay_url = 'wss://relay%d.example') "
                     "y) b(x) WHERE a.x <> b.x OR a.x IS NULL",
                     by_view, relay, by_hand, relay);

    assert_true(n > 0);
    assert_string_equal(fixture_sql(F, "%s", sql), "");
    free(sql);
    assert_string_equal(fixture_sql(F,
                                    "SELECT count(*) FROM relay_uptime WHERE relay_url = "
                                    "'wss://relay%d.example'",
                                    relay),
                        "1");
}

static void test_uptime_is_what_the_checks_say(void **state)
{
    int64_t now = fixture_number(F, "SELECT extract(epoch FROM now())::int8");
    /* Every 50 minutes; every 5 hours, with days of silence; once, long ago. */
    static const int64_t every[] = {3000, 18000};
    static struct store_check c[2000];

    (void)state;
    for (int relay = 0; relay < 2; relay++) {
        uint32_t n = 0;

        for (int64_t at = now - 41 * DAY; at <= now && n < 2000; at += every[relay]) {
            if (relay == 1 && (at / DAY) % 5 < 2)
                continue;
            c[n] = at * 2654435761u % 7 < 2 ? bad(11 + relay, at, "timeout") : good(11 + relay, at);
            c[n].counts = at % 11 != 0;
            n++;
        }
        for (uint32_t i = 0; i < n; i += 100)
            assert_int_equal(write_checks(c + i, n - i < 100 ? n - i : 100), ERR_NONE);
        assert_uptime(11 + relay);
    }
    c[0] = good(13, now - 40 * DAY);
    assert_int_equal(write_checks(c, 1), ERR_NONE);
    assert_uptime(13);
    assert_true(fixture_number(F, "SELECT count(*) FROM relay_checks WHERE NOT counts") > 20);

    /* After silence that is longer than the rings: nothing old is left in them. */
    c[0] = good(19, now - 40 * DAY);
    c[1] = bad(19, now, "timeout");
    assert_int_equal(write_checks(c, 2), ERR_NONE);
    assert_uptime(19);

    /* Late ones count, as of the newest; the day they are of has them too. */
    c[0] = bad(13, now - 60 * DAY, "timeout");
    assert_int_equal(write_checks(c, 1), ERR_NONE);
    assert_uptime(13);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM relay_day WHERE relay_id = 13"), 2);
    assert_string_equal(fixture_sql(F, "SELECT nip66_openable FROM relay_metadata_latest WHERE "
                                       "relay_url = 'wss://relay13.example'"),
                        "t");
}

static void test_what_got_worse_since_yesterday(void **state)
{
    int64_t now = fixture_number(F, "SELECT extract(epoch FROM now())::int8");
    struct store_check c[2];

    (void)state;
    for (int64_t at = now - 20 * DAY; at <= now; at += DAY / 6) {
        bool today = at > now - DAY;

        c[0] = today ? bad(14, at, "timeout") : good(14, at);
        c[1] = good(15, at);
        if (today)
            c[1].rtt_open = 900;
        assert_int_equal(write_checks(c, 2), ERR_NONE);
    }
    assert_string_equal(
        fixture_sql(
            F,
            "SELECT string_agg(relay_url || array_to_string(reasons, ','), ' ' ORDER BY relay_url) "
            "FROM relay_degraded WHERE relay_url IN ('wss://relay14.example', "
            "'wss://relay15.example')"),
        "wss://relay14.exampleuptime wss://relay15.examplertt_open");
}

/* ---- what goes ---- */

static void test_thinning_keeps_uptime_and_the_newest(void **state)
{
    int64_t now = fixture_number(F, "SELECT extract(epoch FROM now())::int8");
    static struct store_check c[400];
    char *before, *days;
    uint32_t n = 0;

    (void)state;
    for (int64_t at = now - 60 * DAY; at <= now; at += DAY / 6)
        c[n++] = at % 3 ? good(16, at) : bad(16, at, "timeout");
    assert_int_equal(write_checks(c, n), ERR_NONE);
    before = strdup(fixture_sql(
        F, "SELECT x::text FROM relay_uptime x WHERE relay_url = 'wss://relay16.example'"));
    days = strdup(fixture_sql(F, "SELECT sum(total_checks) FROM relay_uptime_daily WHERE relay_url "
                                 "= 'wss://relay16.example'"));
    assert_int_equal(thin(now - 30 * DAY, 7), 7);
    while (thin(now - 30 * DAY, 100) > 0)
        continue;
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM relay_check WHERE check_relay(id) = 16"), 181);
    assert_int_equal(thin(now - 30 * DAY, 100), 0);
    while (thin(now + DAY, 1000) > 0)
        continue;
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM relay_check WHERE check_relay(id) = 16"), 1);
    assert_int_equal(
        fixture_number(F,
                       "SELECT count(*) - count(check_id) FROM relay_monitor WHERE relay_id = 16"),
        0);
    assert_string_equal(
        fixture_sql(F,
                    "SELECT x::text FROM relay_uptime x WHERE relay_url = 'wss://relay16.example'"),
        before);
    assert_string_equal(fixture_sql(F, "SELECT sum(total_checks) FROM relay_uptime_daily WHERE "
                                       "relay_url = 'wss://relay16.example'"),
                        days);
    free(before);
    free(days);
}

static void test_deletes_by_hand(void **state)
{
    struct store_nip11 d = nip11("{\"name\":\"goes\"}", "goes");
    struct store_check c[3] = {good(17, 1700000000), good(17, 1700000100), good(18, 1700000000)};

    (void)state;
    c[0].nip11 = c[1].nip11 = &d;
    assert_int_equal(write_checks(c, 3), ERR_NONE);
    fixture_sql(F, "DELETE FROM relay_metadata WHERE relay_url = 'wss://relay17.example' AND "
                   "generated_at > 1700000000");
    assert_string_equal(fixture_sql(F, "SELECT generated_at FROM relay_metadata_latest WHERE "
                                       "relay_url = 'wss://relay17.example'"),
                        "1700000000");
    fixture_sql(F, "SELECT delete_orphan_nip11()");
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM nip11 WHERE name = 'goes'"), 1);
    fixture_sql(F, "DELETE FROM nip66 WHERE id = (SELECT nip66_id FROM relay_metadata WHERE "
                   "relay_url = 'wss://relay17.example')");
    assert_int_equal(
        fixture_number(
            F, "SELECT count(*) FROM relay_metadata WHERE relay_url = 'wss://relay17.example'"),
        0);
    assert_int_equal(
        fixture_number(
            F,
            "SELECT count(*) FROM relay_metadata_latest WHERE relay_url = 'wss://relay17.example'"),
        0);
    fixture_sql(
        F, "DELETE FROM relays WHERE url IN ('wss://relay17.example', 'wss://relay18.example')");
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM relay_check WHERE check_relay(id) IN (17, 18)"), 0);
    assert_int_equal(fixture_number(F, "SELECT delete_orphan_nip66()"), 0);
    assert_true(fixture_number(F, "SELECT delete_orphan_nip11()") >= 1);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM nip11 WHERE name = 'goes'"), 0);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM nip11 WHERE name = 'same'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_check_is_a_row_with_all_that_was_found),
        cmocka_unit_test(test_what_did_not_change_is_stored_once),
        cmocka_unit_test(test_mentions_of_a_document_are_counted_once),
        cmocka_unit_test(test_no_document_keeps_a_check_from_being_written),
        cmocka_unit_test(test_a_repeated_transaction_changes_nothing),
        cmocka_unit_test(test_a_check_of_an_unknown_relay_is_left_out),
        cmocka_unit_test(test_vantage_points),
        cmocka_unit_test(test_what_the_monitor_remembers),
        cmocka_unit_test(test_uptime_is_what_the_checks_say),
        cmocka_unit_test(test_what_got_worse_since_yesterday),
        cmocka_unit_test(test_thinning_keeps_uptime_and_the_newest),
        cmocka_unit_test(test_deletes_by_hand),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
