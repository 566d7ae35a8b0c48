/* The names that other programs and people rely on: their queries run unchanged, those that must be
 * fast use indexes, and no event that a relay can send makes a view fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "cluster_fixture.h"
#include "core/hex.h"
#include "core/sha256.h"

enum { EVENTS = 50000, BATCH = 5000, RELAYS = 20 };

static struct fixture fixture;
#define F (&fixture)

static char id_of_42[65], pubkey_of_42[65], id_of_parent[65];

/* Ten events a second over some months, each at two relays. */
static void fill(void)
{
    struct made_event *made = calloc(BATCH, sizeof(*made));
    struct store_event *events = calloc(BATCH, sizeof(*events));
    struct store_sighting *sightings = calloc(2 * BATCH, sizeof(*sightings));
    struct id32 author;

    for (uint32_t at = 0; at < EVENTS; at += BATCH) {
        struct store_write w = {
            .events = events, .events_n = BATCH, .sightings = sightings, .sightings_n = 2 * BATCH};

        for (uint32_t i = 0; i < BATCH; i++) {
            int64_t t = 1750000000 - (int64_t)(at + i) * 150;

            made_event(&made[i], at + i, t, at + i == 42 ? 1 : (int32_t)((at + i) % 7));
            events[i] = (struct store_event){.event = &made[i].event};
            sightings[i] = (struct store_sighting){made[i].event.id, t, 1760000000000 + at,
                                                   (int32_t)(at / BATCH % RELAYS) + 1, false};
            sightings[BATCH + i] = (struct store_sighting){made[i].event.id, t, 1760000500000,
                                                           (int32_t)(i % RELAYS) + 1, false};
            if (at + i == 42) {
                id_hex(id_of_42, &made[i].event.id);
                memcpy(author.b, made[i].event.pubkey.b, 32);
                id_hex(pubkey_of_42, &author);
                strcpy(id_of_parent, "topic42");
            }
        }
        assert_int_equal(fixture_write(F, DB_BACKFILL, &w), ERR_NONE);
        assert_int_equal(w.events_inserted, BATCH);
    }
    free(made);
    free(events);
    free(sightings);
    fixture_sql(F, "VACUUM ANALYZE");
}

static int setup(void **state)
{
    (void)fixture_setup(state, F, RELAYS);
    fill();
    fixture_sql(F, "INSERT INTO nip11 (id, name, document) VALUES (repeat('a', 64), 'one', '{}'), "
                   "(repeat('b', 64), 'orphan', '{}')");
    fixture_sql(F, "INSERT INTO finding (finding_id, digest, nip11_id, caps_known, caps) VALUES "
                   "(1, sha256('one'), repeat('a', 64), 0, 0)");
    /* Relays 1 and 2 and one that is not there; openable and readable. */
    fixture_sql(F, "INSERT INTO relay_check (id, finding_id, rtt_read, flags) VALUES "
                   "(check_id(1, 100, 0::int2), 1, 50, 138), (check_id(2, 100, 0::int2), NULL, 20, "
                   "138), (check_id(99, 100, 0::int2), NULL, NULL, 129)");
    fixture_sql(F, "INSERT INTO relay_monitor (relay_id, check_id) SELECT relay_id, "
                   "check_id(relay_id, 100, 0::int2) FROM relays WHERE relay_id < 3");
    return 0;
}

static void test_every_query_of_the_contract_runs(void **state)
{
    static const char *const queries[] = {
        "SELECT COUNT(*) FROM events",
        "SELECT network, COUNT(*) FROM relays GROUP BY network",
        "SELECT * FROM relay_metadata_latest LIMIT 10",
        "SELECT * FROM readable_relays",
        "SELECT relay_url, COUNT(*) AS event_count FROM events_relays GROUP BY relay_url ORDER BY "
        "event_count DESC LIMIT 10",
        "SELECT id, kind, created_at, content FROM events ORDER BY created_at DESC LIMIT 10",
        "SELECT id FROM events WHERE taghash @> tag('e', '5c83da77')",
        "SELECT event_id FROM events_relays WHERE relay_url = 'wss://relay.example.com' ORDER BY "
        "seen_at DESC LIMIT 50",
        "SELECT r.url, r.network, m.generated_at, n.readable, n.rtt_read FROM relays r "
        "LEFT JOIN relay_metadata_latest m ON m.relay_url = r.url LEFT JOIN nip66 n ON n.id = "
        "m.nip66_id",
        "SELECT * FROM unique_events_stats",
        "SELECT * FROM relay_uptime",
        "SELECT * FROM relay_health",
        "SELECT * FROM relay_degraded",
        "SELECT * FROM relay_software",
        "SELECT * FROM supported_nips",
        "SELECT * FROM network_stats",
        "SELECT * FROM relay_checks",
        "SELECT * FROM relay_history('wss://relay1.example', 5)",
        "SELECT * FROM relay_metadata",
        "SELECT * FROM service_state",
        "SELECT * FROM relay_coverage",
        "SELECT * FROM relay_gap",
        "SELECT * FROM event_reject",
        "SELECT url, network, state, mentions, authors, first_seen, last_seen FROM "
        "relay_candidates",
        "SELECT id, name, description, banner, icon, pubkey, contact, supported_nips, software, "
        "version, privacy_policy, "
        "terms_of_service, limitation, extra_fields, document FROM nip11",
        "SELECT id, openable, readable, writable, rtt_open, rtt_read, rtt_write FROM nip66",
        "SELECT relay_url, generated_at, nip11_id, nip66_id, nip66_openable, nip66_readable, "
        "nip66_writable, nip66_rtt_open, "
        "nip66_rtt_read, nip66_rtt_write, nip11_name, nip11_software FROM relay_metadata_latest",
        "SELECT relay_url, total_checks, successful_checks, uptime_percentage, first_check, "
        "last_check FROM relay_uptime",
        "SELECT id, pubkey, sig, created_at, kind, tags, tagvalues, taghash, content, lossy FROM "
        "events LIMIT 5",
        "SELECT event_id, relay_url, seen_at, seen_at_ms FROM events_relays LIMIT 5",
        "SELECT url, network, inserted_at FROM relays",
        "SELECT delete_orphan_nip66()",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        fixture_sql(F, "%s", queries[i]);
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM events"), "50000");
    assert_string_equal(
        fixture_sql(
            F, "SELECT sum(n) FROM (SELECT count(*) AS n FROM events_relays GROUP BY relay_url) x"),
        fixture_sql(F, "SELECT total_event_relay_pairs FROM unique_events_stats"));
    assert_string_equal(fixture_sql(F, "SELECT nip66_rtt_read FROM readable_relays"), "20");
    assert_string_equal(fixture_sql(F, "SELECT delete_orphan_nip11()"), "1");
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM nip66"), "2");
}

/* The plan of a query, by EXPLAIN (ANALYZE), must read no table as a whole. */
static void assert_by_index(const char *sql)
{
    PGconn *pg = PQconnectdb(F->conninfo);
    char *explain = NULL;
    PGresult *res;

    assert_true(asprintf(&explain, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) %s", sql) > 0);
    res = PQexec(pg, explain);
    assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
    for (int i = 0; i < PQntuples(res); i++) {
        const char *line = PQgetvalue(res, i, 0), *scan = strstr(line, "Seq Scan on ");

        /* Empty partitions are read as a whole, and so is the list of relays. */
        if (scan && !strstr(line, "rows=0 ") && !strstr(line, "(never executed)") &&
            strncmp(scan + 12, "relays", 6) != 0) {
            for (int j = 0; j < PQntuples(res); j++)
                print_message("%s\n", PQgetvalue(res, j, 0));
            fail_msg("%s", sql);
        }
        if (scan && i + 1 < PQntuples(res) && strstr(PQgetvalue(res, i + 1, 0), "Rows Removed"))
            fail_msg("%s: %s", sql, line);
    }
    PQclear(res);
    PQfinish(pg);
    free(explain);
}

static void test_what_must_be_fast_uses_indexes(void **state)
{
    char sql[512];

    (void)state;
    assert_by_index(
        "SELECT id, kind, created_at, content FROM events ORDER BY created_at DESC LIMIT 10");
    snprintf(sql, sizeof(sql), "SELECT * FROM events WHERE id = nostr_id('%s')", id_of_42);
    assert_by_index(sql);
    snprintf(sql, sizeof(sql),
             "SELECT id FROM events WHERE pubkey = nostr_id('%s') AND kind = 1 ORDER BY created_at "
             "DESC LIMIT 50",
             pubkey_of_42);
    assert_by_index(sql);
    assert_by_index("SELECT id FROM events WHERE taghash @> tag('t', 'topic42')");
    assert_by_index("SELECT id FROM events WHERE kind = 3 ORDER BY created_at DESC LIMIT 20");
    snprintf(sql, sizeof(sql),
             "SELECT relay_url, seen_at FROM events_relays WHERE event_id = nostr_id('%s') ORDER "
             "BY seen_at",
             id_of_42);
    assert_by_index(sql);
    assert_by_index("SELECT event_id FROM events_relays WHERE relay_url = 'wss://relay5.example' "
                    "ORDER BY seen_at DESC LIMIT 50");
    snprintf(sql, sizeof(sql), "SELECT event_json('%s')", id_of_42);
    assert_by_index(sql);

    assert_by_index("SELECT event_id FROM events_relays WHERE relay_url = 'wss://relay5.example' "
                    "LIMIT 50");

    /* What functions read does not show in a plan: rows read by scans, all in one transaction. */
    fixture_sql(F,
                "CREATE TEMP VIEW scanned AS SELECT sum(seq_tup_read) AS n, sum(idx_tup_fetch) AS "
                "fetched FROM pg_stat_xact_user_tables WHERE relname ~ '^(event|sighting)_'");
    assert_string_equal(
        fixture_sql(F,
                    "CREATE TEMP TABLE before AS SELECT * FROM scanned; "
                    "SELECT * FROM relay_newest('wss://relay5.example', 50); "
                    "SELECT * FROM relay_seen('wss://relay5.example', 1760000000, 1760000100); "
                    "SELECT * FROM relay_events('wss://relay5.example', 1749000000, 1749900000); "
                    "SELECT s.n - b.n || ' ' || (s.fetched > b.fetched) FROM scanned s, before b"),
        "0 true");
    assert_string_equal(
        fixture_sql(F, "SELECT count(*) FROM events_relays WHERE event_id = '%s'", id_of_42), "2");
    assert_string_equal(fixture_sql(F,
                                    "SELECT string_agg(content, ' ' ORDER BY content) FROM events "
                                    "WHERE pubkey = nostr_id('%s') AND kind = 1",
                                    pubkey_of_42),
                        "event 42 event 43");
}

static void test_ids_in_all_their_forms(void **state)
{
    (void)state;
    /* The examples of NIP-19. */
    assert_string_equal(
        fixture_sql(
            F,
            "SELECT nostr_id('npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg')"),
        "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e");
    assert_string_equal(
        fixture_sql(F, "SELECT "
                       "nostr_id('nostr:"
                       "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69u"
                       "hhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p')"),
        "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d");
    assert_string_equal(fixture_sql(F, "SELECT nostr_id(upper('%s'))", id_of_42), id_of_42);
    assert_string_equal(
        fixture_sql_error(
            F,
            "SELECT nostr_id('npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptx')"),
        "22023");
    assert_string_equal(fixture_sql_error(F, "SELECT nostr_id('')"), "22023");
    assert_string_equal(fixture_sql_error(F, "SELECT nostr_id('1')"), "22023");
    assert_string_equal(fixture_sql_error(F, "SELECT nostr_id('note1')"), "22023");
    assert_string_equal(fixture_sql_error(F, "SELECT nostr_id(repeat('1', 100000))"), "22023");
    assert_string_equal(fixture_sql_error(F, "SELECT nostr_id('nöte1qqqqqq')"), "22023");
    for (int i = 0; i < 3; i++) { /* the same hash on both sides */
        static const struct str values[] = {
            {"bitcoin", 7}, {"", 0}, {"\xe2\x82\xbf \xf0\x9f\x98\x80", 8}};

        assert_int_equal(atoll(fixture_sql(F, "SELECT (tag('t', '%.*s'))[1]", STR_ARG(values[i]))),
                         event_tag_hash(STR("t"), values[i]));
    }
}

/* ---- hostile events ---- */

struct hostile {
    struct event event;
    char *tags, *content, *canonical;
};

/* JSON.stringify of what stands in `decoded`, by hand where it matters: given by each case. */
static void add_hostile(struct store_event *list, struct hostile *h, uint32_t *n,
                        int64_t created_at, int32_t kind, const char *tags, const char *content,
                        struct str canonical_rest)
{
    struct hostile *x = &h[*n];
    char pubkey[65];
    int head;

    memset(x, 0, sizeof(*x));
    made_id(&x->event.id, 900000 + *n);
    x->event.created_at = created_at;
    x->event.kind = kind;
    x->tags = strdup(tags);
    x->content = strdup(content);
    x->event.tags = str_z(x->tags);
    x->event.content = str_z(x->content);
    if (canonical_rest.n > 0) { /* kept exactly: the id is that of these very bytes */
        hex_encode(pubkey, x->event.pubkey.b, 32);
        pubkey[64] = '\0';
        x->canonical = malloc(canonical_rest.n + 256);
        head = sprintf(x->canonical, "[0,\"%s\",%lld,%d,", pubkey, (long long)created_at, kind);
        memcpy(x->canonical + head, canonical_rest.p, canonical_rest.n);
        x->event.canonical = (struct str){x->canonical, (size_t)head + canonical_rest.n};
        x->event.lossy = memchr(canonical_rest.p, 0, canonical_rest.n) != NULL ||
                         str_find(x->event.canonical, STR("\\u0000"), NULL);
    }
    x->event.elements = NULL;
    x->event.tag_start = NULL;
    list[(*n)++] = (struct store_event){.event = &x->event, .raw = STR("{}")};
}

static void test_no_event_breaks_an_index_or_a_view(void **state)
{
    static struct store_event list[32];
    static struct hostile h[32];
    struct store_sighting sightings[32];
    uint32_t n = 0;
    char *long_value = malloc(50000), *long_tags = malloc(100000), *many = malloc(400000), hex[65];
    size_t at = 0;
    struct store_write w = {.events = list, .sightings = sightings};

    (void)state;
    memset(long_value, 'x', 49000);
    long_value[49000] = '\0';
    sprintf(long_tags, "[[\"e\",\"%s\"],[\"r\",\"wss://%.29000s\"]]", long_value, long_value);
    at = (size_t)sprintf(many, "[");
    for (int i = 0; i < 20000; i++)
        at += (size_t)sprintf(many + at, "%s[\"p\",\"%d\"]", i ? "," : "", i);
    sprintf(many + at, "]");

    add_hostile(list, h, &n, 1700000000, 1, "[]", "", (struct str){NULL, 0});
    add_hostile(list, h, &n, 0, 0, "[[]]", "at the beginning of time", (struct str){NULL, 0});
    add_hostile(list, h, &n, 9007199254740991, 65535, "[[\"\"]]", "at its end",
                (struct str){NULL, 0});
    add_hostile(list, h, &n, 1000000000000000, 1, "[[\"t\",\"far\"]]", "milliseconds",
                (struct str){NULL, 0});
    add_hostile(list, h, &n, 2147483647, 1, "[[\"t\",\"edge\"]]", "the last second of 31 bits",
                (struct str){NULL, 0});
    add_hostile(list, h, &n, 2147483648, 1, "[[\"t\",\"edge\"]]", "one more",
                (struct str){NULL, 0});
    add_hostile(list, h, &n, 1700000000, 1, long_tags, long_value, (struct str){NULL, 0});
    add_hostile(list, h, &n, 1700000000, 3, many, "{\"not\":\"parsed\"", (struct str){NULL, 0});
    add_hostile(list, h, &n, 1700000000, 1, "[[\"a\",\"\\u0001\\u001f\\\\u0000\\\"\\b\\f\"]]",
                "\x01\x1f\x7f\\u0000 \\ud800 \"\b\f\n\r\t", (struct str){NULL, 0});
    add_hostile(list, h, &n, 1700000000, 1, "[[\"n\",\"1e999999\"],[\"n\",\"\xf4\x8f\xbf\xbf\"]]",
                "\xe2\x80\xa8\xe2\x80\xa9 %s '; DROP TABLE relays;--", (struct str){NULL, 0});
    /* A NUL, as \u0000 and (the letter of NIP-01) as a byte of its own. */
    add_hostile(list, h, &n, 1700000000, 1, "[[\"t\",\"a\xef\xbf\xbd\"]]", "x\xef\xbf\xbdy",
                STR("[[\"t\",\"a\\u0000\"],[\"]\",\"\\\"]\"]],\"x\\u0000y\"]"));
    add_hostile(list, h, &n, 1700000000, 1, "[[\"t\",\"\\u0001\"]]", "\xef\xbf\xbd\x02",
                STR("[[\"t\",\"\1\"]],\"\0\2\"]"));
    add_hostile(list, h, &n, 1700000000, 1, "[]", "", STR("[],\"\"]"));
    w.events_n = w.sightings_n = n;
    for (uint32_t i = 0; i < n; i++)
        sightings[i] =
            (struct store_sighting){h[i].event.id, h[i].event.created_at, 1760000000000, 3, false};

    int before = fixture_number(F, "SELECT count(*) FROM events");

    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    assert_int_equal(w.events_refused, 0);
    assert_int_equal(w.events_inserted, n);
    assert_int_equal(w.sightings_inserted, n);

    /* Every column of every row of every view. */
    assert_int_equal(fixture_number(F, "SELECT count(x::text) FROM events x"), before + (int)n);
    assert_true(fixture_number(F, "SELECT count(x::text) FROM events_relays x") > 0);
    fixture_sql(
        F,
        "DO $$ DECLARE v record; BEGIN FOR v IN SELECT table_name FROM information_schema.tables "
        "WHERE table_schema = 'public' "
        "LOOP EXECUTE format('SELECT count(x::text) FROM %%I x', v.table_name); END LOOP; END $$");
    assert_int_equal(
        fixture_number(F, "SELECT count(event_json(id)::json) FROM events WHERE NOT lossy"),
        before + (int)n - 2);
    assert_int_equal(fixture_number(F, "SELECT count(event_json(id)) FROM events WHERE lossy"), 2);
    for (uint32_t i = 0; i < n; i++) { /* both directions, clamped keys too */
        id_hex(hex, &h[i].event.id);
        assert_string_equal(
            fixture_sql(F, "SELECT count(*) FROM events_relays WHERE event_id = '%s'", hex), "1");
    }

    id_hex(hex, &h[8].event.id); /* what was decoded comes back escaped as JSON.stringify does */
    assert_string_equal(
        fixture_sql(F, "SELECT substring(event_json('%s') FROM '\"tags\".*\"sig')", hex),
        "\"tags\":[[\"a\",\"\\u0001\\u001f\\\\u0000\\\"\\b\\f\"]],\"content\":"
        "\"\\u0001\\u001f\x7f\\\\u0000 \\\\ud800 \\\"\\b\\f\\n\\r\\t\",\"sig");
    id_hex(hex, &h[10].event.id);
    assert_string_equal(
        fixture_sql(F, "SELECT substring(event_json('%s') FROM '\"tags\".*\"sig')", hex),
        "\"tags\":[[\"t\",\"a\\u0000\"],[\"]\",\"\\\"]\"]],\"content\":\"x\\u0000y\",\"sig");
    id_hex(hex, &h[11].event.id);
    assert_string_equal(
        fixture_sql(F, "SELECT substring(event_json('%s') FROM '\"tags\".*\"sig')", hex),
        "\"tags\":[[\"t\",\"\\u0001\"]],\"content\":\"\\u0000\\u0002\",\"sig");
    for (uint32_t i = 0; i < n; i++) {
        free(h[i].tags);
        free(h[i].content);
        free(h[i].canonical);
    }
    free(long_value);
    free(long_tags);
    free(many);
}

static void test_relays_are_inserted_by_hand(void **state)
{
    (void)state;
    assert_string_equal(
        fixture_sql(F, "SELECT insert_relay('wss://nos.example/path?x=1', 'clearnet')"), "t");
    assert_string_equal(
        fixture_sql(F, "SELECT insert_relay('wss://nos.example/path?x=1', 'clearnet')"), "f");
    assert_string_equal(fixture_sql(F, "SELECT insert_relay('ws://abc.onion', 'tor')"), "t");
    assert_string_equal(fixture_sql_error(F, "SELECT insert_relay('ws://abc.onion', 'clearnet')"),
                        "22023");
    assert_string_equal(
        fixture_sql_error(F, "SELECT insert_relay('https://x.example', 'clearnet')"), "22023");
    assert_string_equal(fixture_sql_error(F, "SELECT insert_relay('wss://X.example', 'clearnet')"),
                        "22023");
    assert_string_equal(
        fixture_sql_error(F, "SELECT insert_relay('wss://u@x.example', 'clearnet')"), "22023");
    assert_string_equal(
        fixture_sql_error(
            F, "SELECT insert_relay('wss://x.example/' || repeat('y', 29000), 'clearnet')"),
        "22023");
    assert_string_equal(
        fixture_sql_error(
            F, "INSERT INTO mention_new (url, network, domain, source, weight, day, mentions, "
               "authors) VALUES (repeat('y', 29000), 'tor', '', 'text', 1, 1, 1, '')"),
        "23514");
}

/* Runs last: it deletes. */
static void test_deletes_through_the_view_and_of_orphans(void **state)
{
    (void)state;
    assert_string_equal(
        fixture_sql(F, "SELECT count(*) FROM events WHERE created_at < 1743000000")[0] == '0'
            ? "none"
            : "some",
        "some");
    fixture_sql(
        F, "DELETE FROM events WHERE created_at < EXTRACT(EPOCH FROM to_timestamp(1743000000))");
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM events WHERE created_at < 1743000000"),
                        "0");
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM events_relays r LEFT JOIN events e ON "
                                       "e.id = r.event_id WHERE e.id IS NULL"),
                        "0");
    assert_string_equal(fixture_sql(F, "SELECT delete_orphan_events()"), "0");
    fixture_sql(F, "DELETE FROM sighting WHERE bucket = (SELECT max(bucket) FROM sighting WHERE "
                   "tmax < 2000000000)");
    assert_true(fixture_number(F, "SELECT delete_orphan_events()") > 0);
    assert_string_equal(fixture_sql(F, "SELECT delete_orphan_events()"), "0");
    assert_string_equal(fixture_sql_error(F, "INSERT INTO events (kind, created_at) VALUES (1, 1)"),
                        "23502");
}

static void test_partitions_ahead_of_need(void **state)
{
    int far = fixture_number(F, "SELECT count(*) FROM event_far");

    (void)state;
    /* There is room for two years; more is cut off the front of the open one, with what it holds.
     */
    assert_string_equal(
        fixture_sql(F, "SELECT partitions_ensure(extract(epoch FROM now())::int8 + 700 * 86400)"),
        "0");
    assert_true(far > 0);
    assert_true(fixture_number(F, "SELECT partitions_ensure(2147483647)") > 0);
    assert_true(fixture_number(F, "SELECT count(*) FROM event_far") < far);
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM event_2038a"), "2");
    assert_string_equal(fixture_sql(F, "SELECT partitions_ensure(2147483647)"), "0");
    assert_string_equal(
        fixture_sql(F, "SELECT count(*) FROM pg_constraint WHERE contype = 'x'"),
        fixture_sql(F, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_query_of_the_contract_runs),
        cmocka_unit_test(test_what_must_be_fast_uses_indexes),
        cmocka_unit_test(test_ids_in_all_their_forms),
        cmocka_unit_test(test_no_event_breaks_an_index_or_a_view),
        cmocka_unit_test(test_relays_are_inserted_by_hand),
        cmocka_unit_test(test_partitions_ahead_of_need),
        cmocka_unit_test(test_deletes_through_the_view_and_of_orphans),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
