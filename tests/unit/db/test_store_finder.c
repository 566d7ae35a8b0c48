/* Mentions as they are counted, shares that nobody exceeds, who is handed out to be probed, and
 * what becomes of a candidate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_fixture.h"
#include "db/store_asked.h"
#include "db/store_finder.h"

enum { SHARE = 10, ROWS = 60, TAKEN_MAX = 64, DAY_MS = 86400000 };

static struct fixture fixture;
#define F (&fixture)

static int setup(void **state)
{
    return fixture_setup(state, F, 3);
}

struct ended {
    bool done;
    enum err_code code;
    int64_t n, mentions;
    char url[TAKEN_MAX][80];
    struct store_candidate taken[TAKEN_MAX];
    struct store_candidate_stats stats;
};

static void on_done(void *owner, const struct err *err)
{
    struct ended *e = owner;

    e->done = true;
    e->code = err != NULL ? err->code : ERR_NONE;
    if (err != NULL)
        print_message("%s\n", err->detail);
}

static void on_counted(void *owner, int64_t n, const struct err *err)
{
    ((struct ended *)owner)->n = n;
    on_done(owner, err);
}

static void on_folded(void *owner, int64_t rows, int64_t mentions, const struct err *err)
{
    ((struct ended *)owner)->mentions = mentions;
    on_counted(owner, rows, err);
}

static void on_row(void *owner, const struct store_candidate *row)
{
    struct ended *e = owner;

    assert_true(e->n < TAKEN_MAX);
    (void)str_copy(e->url[e->n], sizeof(e->url[0]), row->url);
    e->taken[e->n++] = *row;
}

static void on_stats(void *owner, const struct store_candidate_stats *stats, const struct err *err)
{
    ((struct ended *)owner)->stats = *stats;
    on_done(owner, err);
}

static void mention(const char *url, enum hint_source source, uint32_t events, int64_t author,
                    int32_t relay_id)
{
    struct ended e = {0};
    struct store_mention_row row = {.url = str_z(url),
                                    .source = source,
                                    .events = events,
                                    .authors = {author},
                                    .authors_n = author != 0,
                                    .relay_id = relay_id};

    row.event.b[0] = 0xab;
    store_mentions_add(F->db, &row, 1, on_done, &e);
    fixture_run(F, &e.done, "store_mentions_add");
    assert_int_equal(e.code, ERR_NONE);
}

static int64_t fold(void)
{
    struct ended e = {0};

    store_mentions_fold(F->db, 1000, SHARE, ROWS, on_folded, &e);
    fixture_run(F, &e.done, "store_mentions_fold");
    assert_int_equal(e.code, ERR_NONE);
    return e.n;
}

static void take_turns(struct ended *e, int64_t now_ms, uint32_t most, uint32_t turns)
{
    const struct store_take t = {.networks = {[NETWORK_CLEARNET] = true},
                                 .now_ms = now_ms,
                                 .lease_ms = 60000,
                                 .most = most,
                                 .turns = turns,
                                 .later_ms = now_ms + 1000};

    *e = (struct ended){0};
    store_candidates_take(F->db, &t, on_row, on_done, e);
    fixture_run(F, &e->done, "store_candidates_take");
    assert_int_equal(e->code, ERR_NONE);
}

static void take(struct ended *e, int64_t now_ms, uint32_t most)
{
    take_turns(e, now_ms, most, 1000);
}

enum { FORGIVE_MS = 777 };

static void save(const struct store_probed *rows, uint32_t n)
{
    struct ended e = {0};

    store_candidates_save(F->db, rows, n, SHARE, FORGIVE_MS, on_done, &e);
    fixture_run(F, &e.done, "store_candidates_save");
    assert_int_equal(e.code, ERR_NONE);
}

static bool has(const struct ended *e, const char *url)
{
    for (int64_t i = 0; i < e->n; i++)
        if (strcmp(e->url[i], url) == 0)
            return true;
    return false;
}

/* Counters, not rows: by source and day, with authors that are counted once each. */
static void test_counted(void **state)
{
    (void)state;
    mention("wss://a.example.com", HINT_RELAY_LIST, 3, 0x0102030405060708, 1);
    mention("wss://a.example.com", HINT_TEXT, 2, 0x0102030405060708, 2);
    mention("wss://a.example.com", HINT_TEXT, 1, -2, 2);
    mention("wss://relay1.example", HINT_POINTER, 7, -2, 2);
    assert_int_equal(fold(), 4);
    assert_int_equal(fold(), 0);
    mention("wss://a.example.com", HINT_TEXT, 1, 5, 0);
    assert_int_equal(fold(), 1);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM mention_new"), 0);
    assert_int_equal(
        fixture_number(F,
                       "SELECT mentions FROM relay_candidates WHERE url = 'wss://a.example.com'"),
        7);
    assert_int_equal(
        fixture_number(F, "SELECT authors FROM relay_candidates WHERE url = 'wss://a.example.com'"),
        3);
    assert_int_equal(
        fixture_number(F,
                       "SELECT count(*) FROM candidate_mention JOIN candidate USING (candidate_id)"
                       " WHERE url = 'wss://a.example.com'"),
        2);
    assert_string_equal(
        fixture_sql(
            F, "SELECT encode(authors, 'hex') FROM candidate_mention WHERE source = 'relay_list'"),
        "0102030405060708");
    assert_int_equal(
        fixture_number(F, "SELECT mentions FROM relay_provenance WHERE source = 'text'"), 4);
    assert_string_equal(fixture_sql(F, "SELECT first_source || first_relay FROM relay_candidates"),
                        "relay_listwss://relay1.example");
    /* A relay is counted and is no candidate. */
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM relay_candidates"), 1);
    assert_int_equal(
        fixture_number(F,
                       "SELECT mentions FROM relay_provenance WHERE url = 'wss://relay1.example'"),
        7);
    assert_int_equal(
        fixture_number(
            F,
            "SELECT count(*) FROM relay_neighbourhood WHERE mentions_url = 'wss://a.example.com'"),
        2);
    assert_int_equal(fixture_number(F, "SELECT found FROM candidates_growth"), 2);
    assert_int_equal(
        fixture_number(F, "SELECT candidates FROM candidates_by_state WHERE state = 'promoted'"),
        1);
}

/* One author with many domains, one domain with many authors: each gets its share of rows; another
 * author's mention of a refused one is welcome. */
static void test_shares(void **state)
{
    char url[64];

    (void)state;
    for (int i = 0; i < 25; i++) {
        (void)snprintf(url, sizeof(url), "wss://r.s%02d.com", i);
        mention(url, HINT_TEXT, 1, 77, 0);
        (void)snprintf(url, sizeof(url), "wss://r%02d.spam.org", i);
        mention(url, HINT_TEXT, 1, 1000 + i, 0);
        (void)snprintf(url, sizeof(url), "wss://192.0.2.%d", i);
        mention(url, HINT_TEXT, 1, 2000 + i, 0);
    }
    (void)fold();
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM candidate WHERE url LIKE 'wss://r.s%'"), SHARE);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM candidate WHERE domain = 'spam.org'"),
                     SHARE);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM candidate WHERE domain = '192.0.2.0/24'"), SHARE);
    assert_int_equal(fixture_number(F, "SELECT refused FROM candidate_share WHERE what = 'all'"),
                     3 * (25 - SHARE));
    mention("wss://r.s24.com", HINT_TEXT, 1, 77, 0);
    mention("wss://r.s24.com", HINT_TEXT, 1, 78, 0);
    (void)fold();
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM candidate WHERE url = 'wss://r.s24.com'"), 1);
    /* Accounts are what the rows say. */
    assert_int_equal(fixture_number(F, "SELECT rows FROM candidate_share WHERE what = 'all'"),
                     fixture_number(F, "SELECT count(*) FROM candidate WHERE state <> 'promoted'"));
    fixture_sql(F, "DELETE FROM candidate WHERE domain = 'spam.org'");
    assert_int_equal(fixture_number(F, "SELECT rows FROM candidate_share WHERE key = 'spam.org'"),
                     0);
    assert_int_equal(fixture_number(F, "SELECT rows FROM candidate_share WHERE what = 'all'"),
                     fixture_number(F, "SELECT count(*) FROM candidate WHERE state <> 'promoted'"));
}

/* Everybody in turn: whoever mentions one is not behind the second of whoever mentions many. */
static void test_taken(void **state)
{
    struct ended e;
    int64_t now = 1000 * (int64_t)DAY_MS;

    (void)state;
    mention("ws://abcdefghij.onion", HINT_RELAY_LIST, 1, 500, 0);
    mention("wss://lonely.net", HINT_TEXT, 1, 501, 0);
    (void)fold();
    fixture_sql(F, "UPDATE candidate SET network = 'tor' WHERE url LIKE '%%onion'");
    take(&e, now, 14);
    assert_int_equal(e.n, 14);
    assert_true(has(&e, "wss://a.example.com"));
    assert_true(has(&e, "wss://lonely.net"));
    assert_false(has(&e, "wss://relay1.example"));
    take(&e, now, TAKEN_MAX);
    assert_false(has(&e, "wss://lonely.net")); /* it is being probed */
    assert_false(has(&e, "ws://abcdefghij.onion"));
    take(&e, now + 60001, TAKEN_MAX); /* nothing was said: again */
    assert_true(has(&e, "wss://lonely.net"));
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM candidate WHERE state = 'probing'"),
                     e.n);
    e = (struct ended){0};
    store_candidates_release(F->db, on_done, &e); /* the next run has begun */
    fixture_run(F, &e.done, "store_candidates_release");
    take(&e, now + 60002, TAKEN_MAX);
    assert_true(has(&e, "wss://lonely.net"));
}

static int32_t id_of(const char *url)
{
    return atoi(fixture_sql(F, "SELECT candidate_id FROM candidate WHERE url = '%s'", url));
}

static void test_saved(void **state)
{
    struct ended e;
    int64_t now = 2000 * (int64_t)DAY_MS;

    (void)state;
    mention("ws://plain.net", HINT_TEXT, 1, 502, 0);
    mention("ws://other.net", HINT_TEXT, 1, 503, 0);
    (void)fold();
    const struct store_probed rows[] = {
        {.id = id_of("wss://a.example.com"),
         .state = CANDIDATE_STATE_PROMOTED,
         .error = "",
         .net = "192.0.2.0/24"},
        {.id = id_of("wss://lonely.net"),
         .state = CANDIDATE_STATE_DROPPED,
         .tries = 5,
         .next_at_ms = now + 5,
         .probed_at_ms =
             (fixture_number(F, "SELECT extract(epoch FROM now())::int8") + 1000) * 1000,
         .error = "timeout",
         .net = ""},
        {.id = id_of("ws://plain.net"),
         .state = CANDIDATE_STATE_PROMOTED,
         .error = "",
         .net = "",
         .url = "wss://plain.net"},
        {.id = id_of("wss://r.s24.com"), .state = CANDIDATE_STATE_DENIED, .error = "", .net = ""}};
    save(rows, 4);
    save(rows, 4); /* a repeated transaction changes nothing */
    assert_int_equal(
        fixture_number(
            F,
            "SELECT count(*) FROM relays WHERE url IN ('wss://a.example.com', 'wss://plain.net')"),
        2);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM relays"), 5);
    assert_string_equal(
        fixture_sql(F, "SELECT url || state FROM candidate WHERE url LIKE '%%://plain.net'"),
        "wss://plain.netpromoted");
    assert_int_equal(fixture_number(F, "SELECT rows FROM candidate_share WHERE what = 'all'"),
                     fixture_number(F, "SELECT count(*) FROM candidate WHERE state <> 'promoted'"));

    /* What is put off unprobed keeps what was found before. */
    const struct store_probed put_off = {.id = id_of("wss://lonely.net"),
                                         .state = CANDIDATE_STATE_DROPPED,
                                         .tries = 5,
                                         .next_at_ms = now + 5,
                                         .error = "",
                                         .net = ""};
    save(&put_off, 1);
    assert_string_equal(
        fixture_sql(F, "SELECT error FROM candidate WHERE url = 'wss://lonely.net'"), "timeout");

    /* Dropped and denied ones stay away; a dropped one that is mentioned later comes back. */
    fixture_sql(F, "INSERT INTO relays (url, network) VALUES ('wss://other.net', 'clearnet')");
    take(&e, now + 10, TAKEN_MAX);
    assert_false(has(&e, "wss://lonely.net"));
    assert_false(has(&e, "wss://r.s24.com"));
    assert_false(has(&e, "ws://plain.net"));
    assert_false(has(&e, "ws://other.net")); /* it is known under wss */
    assert_string_equal(
        fixture_sql(F, "SELECT url || state FROM candidate WHERE url LIKE '%%://other.net'"),
        "wss://other.netpromoted");
    fixture_sql(
        F,
        "UPDATE candidate SET last_seen = probed_at_ms / 1000 + 1 WHERE url = 'wss://lonely.net'");
    take(&e, now + 20, TAKEN_MAX);
    assert_true(has(&e, "wss://lonely.net"));

    /* A relay that a person deletes is not promoted again at once. */
    fixture_sql(F, "DELETE FROM relays WHERE url = 'wss://a.example.com'");
    assert_string_equal(
        fixture_sql(F, "SELECT state FROM relay_candidates WHERE url = 'wss://a.example.com'"),
        "dropped");

    struct ended s = {0};
    store_candidates_stats(F->db, on_stats, &s);
    fixture_run(F, &s.done, "store_candidates_stats");
    assert_int_equal(s.stats.in[CANDIDATE_STATE_DENIED], 1);
    assert_int_equal(s.stats.in[CANDIDATE_STATE_DROPPED], 1);
    assert_int_equal(s.stats.refused,
                     fixture_number(F, "SELECT refused FROM candidate_share WHERE what = 'all'"));
}

static void assert_accounts(void)
{
    /* Accounts are what the rows say. */
    assert_int_equal(
        fixture_number(F, "WITH c AS (SELECT * FROM candidate WHERE state <> 'promoted'),"
                          " k AS (SELECT 'all' AS what, ''::bytea AS key, count(*) AS n FROM c"
                          "  UNION ALL SELECT 'author', author, count(*) FROM c WHERE author <> "
                          "'' GROUP BY author"
                          "  UNION ALL SELECT 'domain', convert_to(domain, 'UTF8'), count(*) "
                          "FROM c GROUP BY domain"
                          "  UNION ALL SELECT 'net', convert_to(net, 'UTF8'), count(*) FROM c "
                          "WHERE net <> '' GROUP BY net)"
                          " SELECT count(*) FROM k FULL JOIN candidate_share s USING (what, key)"
                          " WHERE coalesce(k.n, 0) <> coalesce(s.rows, 0)"),
        0);
}

/* One relay under two schemes: what was counted of both is wss's, where that answers. */
static void test_variants(void **state)
{
    (void)state;
    fixture_sql(F, "DELETE FROM candidate WHERE url LIKE 'wss://full%%'");
    mention("ws://two.net", HINT_TEXT, 2, 601, 1);
    (void)fold();
    mention("wss://two.net", HINT_TEXT, 3, 602, 2);
    mention("wss://two.net", HINT_RELAY_LIST, 4, 602, 2);
    mention("ws://only.net", HINT_TEXT, 1, 603, 0);
    mention("wss://only.net", HINT_TEXT, 1, 603, 0);
    (void)fold();
    fixture_sql(
        F, "UPDATE candidate SET first_seen = 5, first_source = 'file' WHERE url = 'ws://two.net'");
    const struct store_probed rows[] = {{.id = id_of("ws://two.net"),
                                         .state = CANDIDATE_STATE_PROMOTED,
                                         .probed_at_ms = 9,
                                         .error = "",
                                         .net = "192.0.2.0/24",
                                         .url = "wss://two.net"},
                                        {.id = id_of("ws://only.net"),
                                         .state = CANDIDATE_STATE_PROMOTED,
                                         .probed_at_ms = 9,
                                         .error = "",
                                         .net = ""}};
    save(rows, 2);
    save(rows, 2);
    assert_string_equal(
        fixture_sql(
            F, "SELECT string_agg(concat_ws(' ', url, state, mentions, first_seen, first_source,"
               " octet_length(authors), relays::text), ', ') FROM candidate WHERE url LIKE "
               "'%%://two.net'"),
        "wss://two.net promoted 9 5 file 16 {1,2}");
    assert_string_equal(
        fixture_sql(F, "SELECT string_agg(source || mentions, ' ' ORDER BY source) FROM "
                       "relay_provenance WHERE url = 'wss://two.net'"),
        "relay_list4 text5");
    mention("ws://two.net", HINT_TEXT, 1, 604, 0); /* from now on at once */
    (void)fold();
    assert_int_equal(
        fixture_number(F, "SELECT mentions FROM candidate WHERE url = 'wss://two.net'"), 10);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM candidate WHERE url = 'ws://two.net'"),
                     0);

    /* It answers as ws only: wss waits until somebody mentions it later. */
    assert_string_equal(
        fixture_sql(F, "SELECT concat_ws(' ', state, error, next_at_ms, probed_at_ms) FROM "
                       "candidate WHERE url = 'wss://only.net'"),
        "dropped merged 777 9");
    mention("ws://first.net", HINT_TEXT, 1, 605, 0);
    mention("wss://first.net", HINT_TEXT, 1, 605, 0);
    (void)fold();
    fixture_sql(F, "INSERT INTO relays (url, network) VALUES ('ws://first.net', 'clearnet')");
    const struct store_probed fails = {.id = id_of("wss://first.net"),
                                       .state = CANDIDATE_STATE_FAILED,
                                       .tries = 1,
                                       .next_at_ms = 5,
                                       .probed_at_ms = 9,
                                       .error = "timeout",
                                       .net = ""};
    save(&fails, 1);
    assert_string_equal(
        fixture_sql(F, "SELECT state || error FROM candidate WHERE url = 'wss://first.net'"),
        "droppedmerged");
    assert_accounts();
}

/* Names of many domains that lead to one network: so many rows, so many turns. */
static void test_networks(void **state)
{
    struct store_probed rows[SHARE + 5];
    int64_t now = 3000 * (int64_t)DAY_MS, refused;
    struct ended e;
    char url[64];

    (void)state;
    fixture_sql(F, "DELETE FROM candidate WHERE state <> 'promoted'");
    for (int i = 0; i < SHARE + 5; i++) {
        (void)snprintf(url, sizeof(url), "wss://n%02d.com", i);
        mention(url, HINT_TEXT, 1, 7000 + i, 0);
    }
    (void)fold();
    for (int i = 0; i < SHARE + 5; i++) {
        (void)snprintf(url, sizeof(url), "wss://n%02d.com", i);
        rows[i] = (struct store_probed){.id = id_of(url),
                                        .state = i == 0 ? CANDIDATE_STATE_PROMOTED
                                                        : CANDIDATE_STATE_FAILED,
                                        .tries = 1,
                                        .next_at_ms = now,
                                        .probed_at_ms = 9,
                                        .error = "",
                                        .net = "198.51.100.0/24"};
    }
    refused = fixture_number(F, "SELECT refused FROM candidate_share WHERE what = 'all'");
    save(rows, SHARE - 2);
    assert_int_equal(
        fixture_number(
            F, "SELECT rows FROM candidate_share WHERE what = 'net' AND key = '198.51.100.0/24'"),
        SHARE - 3);
    save(rows + SHARE - 2, 7);
    assert_int_equal(
        fixture_number(
            F, "SELECT rows FROM candidate_share WHERE what = 'net' AND key = '198.51.100.0/24'"),
        SHARE);
    assert_int_equal(
        fixture_number(
            F, "SELECT count(*) FROM candidate WHERE net = '198.51.100.0/24' AND state = 'failed'"),
        SHARE);
    assert_int_equal(
        fixture_number(F, "SELECT refused FROM candidate_share WHERE what = 'all'") - refused, 4);
    assert_accounts();
    take_turns(&e, now + 1, TAKEN_MAX, 3);
    assert_int_equal(e.n, 3);
    take_turns(&e, now + 2, TAKEN_MAX, 3); /* the others are put off for a second */
    assert_int_equal(e.n, 0);
    take_turns(&e, now + 1002, TAKEN_MAX, 3);
    assert_int_equal(e.n, 3);
}

static void compact(int32_t before, int64_t want)
{
    struct ended e = {0};

    store_candidates_compact(F->db, before, 1000, on_counted, &e);
    fixture_run(F, &e.done, "store_candidates_compact");
    assert_int_equal(e.code, ERR_NONE);
    assert_int_equal(e.n, want);
}

/* Days become months, sums stay. */
static void test_months(void **state)
{
    (void)state;
    fixture_sql(F, "DELETE FROM candidate_mention");
    fixture_sql(F,
                "INSERT INTO candidate_mention SELECT (SELECT min(candidate_id) FROM candidate), "
                "'text', d, 1,"
                " int8send(d / 10) FROM generate_series(19997, 20100) d"); /* 2024-10-01 is 19997 */
    assert_int_equal(fixture_number(F, "SELECT month_of(19997)"), 19997);
    assert_int_equal(fixture_number(F, "SELECT month_of(20027)"), 19997);
    compact(20040, 30 + 11); /* October, and the first days of November */
    compact(20040, 0);
    assert_string_equal(fixture_sql(F, "SELECT string_agg(day || ':' || mentions || ':' || "
                                       "octet_length(authors), ' ' ORDER BY day) FROM"
                                       " candidate_mention WHERE day < 20042"),
                        "19997:31:32 20028:12:16 20040:1:8 20041:1:8");
    compact(20059, 18); /* the last of these is the first of December */
    assert_string_equal(fixture_sql(F, "SELECT string_agg(day || ':' || mentions, ' ' ORDER BY "
                                       "day) FROM candidate_mention WHERE day < 20059"),
                        "19997:31 20028:30 20058:1");
    assert_int_equal(fixture_number(F, "SELECT sum(mentions) FROM candidate_mention"), 104);
}

/* What was denied is looked at again. */
static void test_forgiven(void **state)
{
    struct ended e = {0};

    (void)state;
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM candidate WHERE state = 'denied'"), 1);
    fixture_sql(F, "UPDATE candidate SET error = 'denied' WHERE state = 'denied'");
    store_candidates_forgive(F->db, on_done, &e);
    fixture_run(F, &e.done, "store_candidates_forgive");
    assert_int_equal(
        fixture_number(F,
                       "SELECT count(*) FROM candidate WHERE error = 'denied' AND next_at_ms = 0 "
                       "AND state IN ('new', 'failed')"),
        1);
    fixture_sql(F, "UPDATE candidate SET state = 'denied' WHERE error = 'denied'");
}

/* When it is full nothing new is taken, and what was given up makes room. */
static void test_full(void **state)
{
    struct ended e = {0};
    char url[64];

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(url, sizeof(url), "wss://full%d.net", i);
        mention(url, HINT_TEXT, 1, 9000 + i, 0);
    }
    (void)fold();
    assert_int_equal(fixture_number(F, "SELECT rows FROM candidate_share WHERE what = 'all'"),
                     ROWS);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM candidate WHERE state <> 'promoted'"),
                     ROWS);
    store_candidates_tidy(F->db, ROWS, 4, on_counted, &e);
    fixture_run(F, &e.done, "store_candidates_tidy");
    assert_int_equal(e.n, 4);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM candidate WHERE state = 'dropped'"),
                     0);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM candidate WHERE state = 'denied'"), 0);
    assert_int_equal(fixture_number(F, "SELECT rows FROM candidate_share WHERE what = 'all'"),
                     ROWS - 4);
}

struct loaded {
    struct store_asked row;
    bool done;
};

static void on_asked_row(void *owner, const struct store_asked *row)
{
    ((struct loaded *)owner)->row = *row;
}

static void on_loaded(void *owner, const struct err *err)
{
    assert_null(err);
    ((struct loaded *)owner)->done = true;
}

static void on_flag(void *owner, const struct err *err)
{
    assert_null(err);
    *(bool *)owner = true;
}

static void save_asked(const struct store_asked *asked, int64_t before)
{
    const struct store_mention_row row = {
        .url = STR("wss://asked.net"), .source = HINT_ASKED, .events = 2, .relay_id = 1};
    bool done = false;

    store_asked_save(F->db, asked, before, &row, 1, on_flag, &done);
    fixture_run(F, &done, "store_asked_save");
}

/* How far a relay was read and what was found there: both or neither, and not twice. */
static void test_asked(void **state)
{
    struct store_asked asked = {.relay_id = 1, .lo = 10, .hi = 20, .asked_at_ms = 1000}, read;
    struct loaded loaded = {.done = false};

    (void)state;
    fixture_sql(F, "DELETE FROM mention_new");
    save_asked(&asked, 0);
    save_asked(&asked, 0); /* the answer was lost */
    asked.lo = 0;
    asked.asked_at_ms = 2000;
    save_asked(&asked, 999); /* somebody else was quicker */
    assert_int_equal(
        fixture_number(F, "SELECT sum(mentions) FROM mention_new WHERE source = 'asked'"), 2);
    save_asked(&asked, 1000);
    assert_int_equal(
        fixture_number(F, "SELECT sum(mentions) FROM mention_new WHERE source = 'asked'"), 4);
    read = asked;
    read.relay_id = 999; /* there is no such relay */
    save_asked(&read, 0);
    assert_int_equal(
        fixture_number(F, "SELECT sum(mentions) FROM mention_new WHERE source = 'asked'"), 4);
    store_asked_load(F->db, on_asked_row, on_loaded, &loaded);
    fixture_run(F, &loaded.done, "store_asked_load");
    assert_memory_equal(&loaded.row, &asked, sizeof(asked));
    fixture_sql(F, "DELETE FROM mention_new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted),  cmocka_unit_test(test_shares),
        cmocka_unit_test(test_taken),    cmocka_unit_test(test_saved),
        cmocka_unit_test(test_forgiven), cmocka_unit_test(test_full),
        cmocka_unit_test(test_asked),    cmocka_unit_test(test_variants),
        cmocka_unit_test(test_networks), cmocka_unit_test(test_months),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
