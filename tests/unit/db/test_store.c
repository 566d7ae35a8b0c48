/* What store_write and its neighbours leave in the database. */
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
    return fixture_setup(state, F, 20);
}

static void test_events_sightings_and_coverage_in_one_transaction(void **state)
{
    enum { N = 600 };
    struct made_event *made = calloc(N, sizeof(*made));
    struct store_event *events = calloc(N, sizeof(*events));
    struct store_sighting *sightings = calloc(2 * N, sizeof(*sightings));
    struct store_span span = {.relay_id = 1,
                              .filter_id = 1,
                              .lo = 1700000000,
                              .hi = 1700000599,
                              .grade = GRADE_P1,
                              .at = 1800000000};
    struct store_write w = {.events = events,
                            .events_n = N,
                            .sightings = sightings,
                            .sightings_n = 2 * N,
                            .spans = &span,
                            .spans_n = 1};
    char hex[65];

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        made_event(&made[i], i, 1700000000 + i, 1);
        events[i].event = &made[i].event;
        for (uint32_t r = 0; r < 2; r++)
            sightings[2 * i + r] = (struct store_sighting){made[i].event.id, 1700000000 + i,
                                                           1800000000123, (int32_t)r + 1, false};
    }
    assert_int_equal(fixture_write(F, DB_BACKFILL, &w), ERR_NONE);
    assert_int_equal(w.events_inserted, N);
    assert_int_equal(w.sightings_inserted, 2 * N);
    for (uint32_t i = 0; i < N; i++)
        assert_true(events[i].inserted);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM events"), N);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM events_relays"), 2 * N);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM relay_coverage WHERE grade = 'walk'"),
                     0); /* the filter has no row yet */
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM coverage WHERE grade = 2 AND hi - lo = 599"), 1);
    assert_int_equal(fixture_number(F, "SELECT sum(events) FROM archive_count"), N);

    /* Again, on the other lane: nothing is there twice, and the caller is told that nothing was
     * new. */
    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    assert_int_equal(w.events_inserted, 0);
    assert_int_equal(w.sightings_inserted, 0);
    assert_false(events[0].inserted);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM events_relays"), 2 * N);
    assert_int_equal(fixture_number(F, "SELECT sum(sightings) FROM archive_count"), 2 * N);

    id_hex(hex, &made[7].event.id);
    assert_string_equal(
        fixture_sql(
            F, "SELECT relay_url FROM events_relays WHERE event_id = nostr_id('%s') ORDER BY 1",
            hex),
        "wss://relay1.example");
    assert_string_equal(
        fixture_sql(F, "SELECT count(*) FROM events WHERE taghash @> tag('t', 'topic7')"), "6");
    free(made);
    free(events);
    free(sightings);
}

/* One event and the sighting of it. */
struct one {
    struct made_event made;
    struct store_event event;
    struct store_sighting sighting;
    struct store_write w;
};

static struct one *one_init(struct one *o, uint32_t n, int64_t created_at, int32_t kind)
{
    made_event(&o->made, n, created_at, kind);
    o->event = (struct store_event){.event = &o->made.event, .raw = STR("{\"the\":\"raw event\"}")};
    o->sighting = (struct store_sighting){o->made.event.id, created_at, 1800000000123, 3, false};
    o->w = (struct store_write){
        .events = &o->event, .events_n = 1, .sightings = &o->sighting, .sightings_n = 1};
    return o;
}

static void test_a_known_event_that_is_not_there_rolls_everything_back(void **state)
{
    struct one new_one, missing;
    struct store_sighting both[2];
    struct store_span span = {.relay_id = 9, .filter_id = 1, .lo = 5, .hi = 6, .grade = GRADE_P1};

    (void)state;
    one_init(&new_one, 10001, 1700001000, 1);
    one_init(&missing, 10002, 1700001000, 1);
    missing.sighting.known = true;
    both[0] = new_one.sighting;
    both[1] = missing.sighting;
    new_one.w.sightings = both;
    new_one.w.sightings_n = 2;
    new_one.w.spans = &span;
    new_one.w.spans_n = 1;
    assert_int_equal(fixture_write(F, DB_LIVE, &new_one.w), ERR_DB_UNKNOWN_ID);
    assert_int_equal(new_one.w.events_inserted, 0);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM events WHERE content = 'event 10001'"),
                     0);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM coverage WHERE relay_id = 9"), 0);

    missing.sighting.known = false; /* the full way */
    new_one.w.sightings_n = 1;
    assert_int_equal(fixture_write(F, DB_LIVE, &missing.w), ERR_NONE);
    assert_int_equal(fixture_write(F, DB_LIVE, &new_one.w), ERR_NONE);
    assert_int_equal(new_one.w.events_inserted, 1);

    missing.sighting.known = true; /* now it is, at another relay */
    missing.sighting.relay_id = 4;
    missing.w.events_n = 0;
    assert_int_equal(fixture_write(F, DB_LIVE, &missing.w), ERR_NONE);
    assert_int_equal(missing.w.sightings_inserted, 1);
}

/* Rows that PostgreSQL cannot hold, among rows that it can: found, set aside, the rest stored. */
static void test_poison_rows_are_set_aside(void **state)
{
    enum { N = 50 };
    struct made_event *made = calloc(N, sizeof(*made));
    struct store_event *events = calloc(N, sizeof(*events));
    struct store_sighting *sightings = calloc(N, sizeof(*sightings));
    struct store_span span = {.relay_id = 5, .filter_id = 1, .lo = 5, .hi = 6, .grade = GRADE_P1};
    struct store_write w = {.events = events,
                            .events_n = N,
                            .sightings = sightings,
                            .sightings_n = N,
                            .spans = &span,
                            .spans_n = 1};
    uint32_t bad = 0;

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        made_event(&made[i], 20000 + i, 1700002000, 1);
        events[i] = (struct store_event){.event = &made[i].event, .raw = STR("{\"raw\":true}")};
        sightings[i] =
            (struct store_sighting){made[i].event.id, 1700002000, 1800000000123, 5, false};
    }
    made[3].event.content = STR("a NUL \0 inside");
    made[17].event.content = STR("not UTF-8 \xff\xfe");
    made[18].event.content = STR("half a surrogate \xed\xa0\x80");
    made[49].event.tags = STR("[[\"t\",\"a\nb\"]]"); /* jsonb would not read it */
    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    assert_int_equal(w.events_refused, 4);
    assert_int_equal(w.events_inserted, N - 4);
    assert_int_equal(w.sightings_inserted, N - 4);
    for (uint32_t i = 0; i < N; i++) {
        bool poison = i == 3 || i == 17 || i == 18 || i == 49;

        assert_int_equal(events[i].refused, poison);
        assert_int_equal(events[i].inserted, !poison);
        bad += events[i].refused;
    }
    assert_int_equal(bad, 4);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM event_reject WHERE reason = 'database' AND "
                          "convert_from(raw, 'UTF8') = '{\"raw\":true}'"),
        4);
    assert_int_equal(
        fixture_number(
            F, "SELECT count(*) FROM event_reject WHERE detail LIKE '%invalid byte sequence%'"),
        3);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM coverage WHERE relay_id = 5"), 1);
    assert_int_equal(
        fixture_number(
            F, "SELECT count(*) FROM events WHERE created_at = 1700002000 AND tags IS NOT NULL"),
        N - 4);

    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE); /* again: counted, not doubled */
    assert_int_equal(w.events_inserted, 0);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM event_reject"), 4);
    assert_int_equal(fixture_number(F, "SELECT max(times) FROM event_reject"), 2);
    free(made);
    free(events);
    free(sightings);
}

static void test_tombstones_keep_events_out(void **state)
{
    struct one a, b, c, d;
    char hex[65], pubkey[65];
    struct id32 author;

    (void)state;
    one_init(&a, 30001, 1700003000, 1);    /* by its id */
    one_init(&b, 30020, 1700003000, 1);    /* by its author, old enough */
    one_init(&c, 30021, 1700003100, 1);    /* by the same author, later */
    one_init(&d, 30030, 1700003000, 1059); /* a gift wrap to somebody who vanished */
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE);
    id_hex(hex, &a.made.event.id);
    memcpy(author.b, b.made.event.pubkey.b, 32);
    id_hex(pubkey, &author);
    assert_string_equal(fixture_sql(F, "SELECT exclude('event', '\\x%s')", hex), "0");
    assert_string_equal(
        fixture_sql(F, "SELECT exclude('author', '\\x%s', 1700003050, 'vanish')", pubkey), "1");
    fixture_sql(F, "SELECT exclude('recipient', '\\x%s')", pubkey);
    d.made.hashes[0] = event_tag_hash(STR("p"), (struct str){pubkey, 64});

    assert_int_equal(fixture_write(F, DB_LIVE, &a.w), ERR_NONE);
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE);
    assert_int_equal(fixture_write(F, DB_LIVE, &c.w), ERR_NONE);
    assert_int_equal(fixture_write(F, DB_LIVE, &d.w), ERR_NONE);
    assert_true(a.event.tombstoned && b.event.tombstoned && !c.event.tombstoned &&
                d.event.tombstoned);
    assert_int_equal(a.w.sightings_inserted, 0);
    assert_true(c.event.inserted);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM events WHERE content IN ('event 30001', 'event "
                          "30020', 'event 30030')"),
        0);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM events WHERE content = 'event 30021'"),
                     1);
    fixture_sql(F, "SELECT exclude('kind', int4send(1234))");
    one_init(&a, 30040, 1700003000, 1234);
    assert_int_equal(fixture_write(F, DB_LIVE, &a.w), ERR_NONE);
    assert_true(a.event.tombstoned);
}

static void test_expirations_and_deletions_are_noted(void **state)
{
    struct one a, b;
    char target[65];

    (void)state;
    one_init(&a, 40001, 1700004000, 1);
    a.made.elements[0] = STR("expiration");
    a.made.elements[1] = STR("1700009999");
    assert_int_equal(fixture_write(F, DB_LIVE, &a.w), ERR_NONE);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM expiration WHERE expires_at = 1700009999"), 1);

    one_init(&b, 40002, 1700004000, 5);
    id_hex(target, &a.made.event.id);
    b.made.elements[0] = STR("e");
    b.made.elements[1] = (struct str){target, 64};
    b.made.elements[2] = STR("a");
    b.made.elements[3] = STR("30023:abc:d");
    b.made.tag_start[2] = 4;
    b.made.event.tags_n = 2;
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE);
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM deletion"), 2);
    assert_string_equal(
        fixture_sql(F, "SELECT count(*) FROM deletion d JOIN event e ON e.id = d.target_id"), "1");
    assert_int_equal(
        fixture_number(
            F, "SELECT count(*) FROM deletion WHERE target_tag = (tag('a', '30023:abc:d'))[1]"),
        1);
}

struct counted {
    struct store_write w;
    unsigned *done;
    enum err_code code;
};

static void on_counted(struct store_write *w, const struct err *err)
{
    struct counted *c = (struct counted *)(void *)w;

    c->code = err ? err->code : ERR_NONE;
    ++*c->done;
}

/* Four writers, two connections of two daemons each, offer the same rows at the same time, each in
 * another order. */
static void test_four_writers_store_nothing_twice(void **state)
{
    enum { N = 2000, WRITERS = 4 };
    static struct counted c[WRITERS];
    struct made_event *made = calloc(N, sizeof(*made));
    struct store_event *events = calloc(WRITERS * N, sizeof(*events));
    struct store_sighting *sightings = calloc(WRITERS * N, sizeof(*sightings));
    struct db *first = F->db, *second;
    unsigned done = 0;
    uint32_t inserted = 0, seen = 0;

    (void)state;
    fixture_open_db(F, NULL);
    second = F->db;
    fixture_run_count(F, &F->ups, 1, "the second daemon");
    for (uint32_t i = 0; i < N; i++)
        made_event(&made[i], 50000 + i, 1700005000 + i, 1);
    for (uint32_t wr = 0; wr < WRITERS; wr++) {
        for (uint32_t i = 0; i < N; i++) {
            uint32_t j = (wr % 2 ? N - 1 - i : i + wr * 100) % N;

            events[wr * N + i].event = &made[j].event;
            sightings[wr * N + i] =
                (struct store_sighting){made[j].event.id, made[j].event.created_at,
                                        1800000000000 + wr, (int32_t)(1 + j % 10), false};
        }
        c[wr] = (struct counted){.w = {.events = events + wr * N,
                                       .events_n = N,
                                       .sightings = sightings + wr * N,
                                       .sightings_n = N,
                                       .done = on_counted},
                                 .done = &done};
        store_write(wr < 2 ? first : second, wr % 2 ? DB_LIVE : DB_BACKFILL, &c[wr].w);
    }
    fixture_run_count(F, &done, WRITERS, "four transactions");
    for (uint32_t wr = 0; wr < WRITERS; wr++) {
        assert_int_equal(c[wr].code, ERR_NONE);
        inserted += c[wr].w.events_inserted;
        seen += c[wr].w.sightings_inserted;
    }
    assert_int_equal(inserted, N);
    assert_int_equal(seen, N);
    assert_int_equal(
        fixture_number(
            F, "SELECT count(*) FROM events WHERE created_at BETWEEN 1700005000 AND 1700006999"),
        N);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM (SELECT event_id, relay_url FROM events_relays "
                          "GROUP BY 1, 2 HAVING count(*) > 1) x"),
        0);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM events_relays r JOIN events e ON e.id = r.event_id "
                          "WHERE e.created_at BETWEEN 1700005000 AND 1700006999"),
        N);

    /* Sightings alone, of events that are there: only the lock of each relay keeps them apart. */
    done = 0;
    seen = 0;
    for (uint32_t i = 0; i < WRITERS * N; i++) {
        sightings[i].known = true;
        sightings[i].relay_id += 10;
    }
    for (uint32_t wr = 0; wr < WRITERS; wr++) {
        c[wr].w.events_n = 0;
        store_write(wr < 2 ? first : second, wr % 2 ? DB_LIVE : DB_BACKFILL, &c[wr].w);
    }
    fixture_run_count(F, &done, WRITERS, "four transactions of sightings");
    for (uint32_t wr = 0; wr < WRITERS; wr++) {
        assert_int_equal(c[wr].code, ERR_NONE);
        seen += c[wr].w.sightings_inserted;
    }
    assert_int_equal(seen, N);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM events_relays r JOIN events e ON e.id = r.event_id "
                          "WHERE e.created_at BETWEEN 1700005000 AND 1700006999"),
        2 * N);
    db_close(second);
    F->db = first;
    free(made);
    free(events);
    free(sightings);
}

struct looked {
    struct store_lookup l;
    bool done;
};

static void on_looked(struct store_lookup *l, const struct err *err)
{
    assert_null(err);
    ((struct looked *)(void *)l)->done = true;
}

static void test_look_up(void **state)
{
    struct id32 ids[3];
    int64_t at[3] = {1700005000, 1700005001, 1700005001};
    bool known[3] = {false, true, false};
    struct looked l = {
        .l = {.ids = ids, .created_at = at, .n = 3, .known = known, .done = on_looked}};

    (void)state;
    made_id(&ids[0], 50000);
    made_id(&ids[1], 999999);
    made_id(&ids[2], 50001);
    store_lookup(F->db, DB_LIVE, &l.l);
    fixture_run(F, &l.done, "store_lookup");
    assert_true(known[0] && !known[1] && known[2]);
}

/* The functions that read a relay by index say what the view says. */
static void check_reading(uint32_t relay, int64_t from, int64_t to)
{
    char url[64];

    snprintf(url, sizeof(url), "%s",
             fixture_sql(F, "SELECT url FROM relays WHERE relay_id = %u", relay));
    for (unsigned n = 1; n < 1000; n = n * 3 + 1)
        assert_string_equal(
            fixture_sql(F,
                        "SELECT string_agg(seen_at || ' ' || seen_at_ms, ',' ORDER BY place) || "
                        "' ' || count(DISTINCT event_id) FROM relay_newest('%s', %u) WITH "
                        "ORDINALITY x(event_id, seen_at, seen_at_ms, place)",
                        url, n),
            fixture_sql(F,
                        "SELECT string_agg(seen_at || ' ' || seen_at_ms, ',' ORDER BY seen_at_ms "
                        "DESC) || ' ' || count(*) FROM (SELECT * FROM events_relays WHERE "
                        "relay_url = '%s' ORDER BY seen_at_ms DESC LIMIT %u) x",
                        url, n));
    for (int64_t width = 0; width <= to - from; width = width * 7 + 1) {
        assert_string_equal(
            fixture_sql(F,
                        "SELECT md5(string_agg(x::text, ',')) FROM relay_seen('%s', %lld, %lld) x",
                        url, (long long)from, (long long)(from + width)),
            fixture_sql(F,
                        "SELECT md5(string_agg((event_id, seen_at, seen_at_ms)::text, ',' ORDER BY "
                        "seen_at_ms, event_id)) FROM events_relays WHERE relay_url = '%s' AND "
                        "seen_at BETWEEN %lld AND %lld",
                        url, (long long)from, (long long)(from + width)));
        assert_string_equal(
            fixture_sql(
                F, "SELECT md5(string_agg(x::text, ',')) FROM relay_events('%s', %lld, %lld) x",
                url, (long long)from, (long long)(from + width)),
            fixture_sql(F,
                        "SELECT md5(string_agg((id, created_at, seen_at, seen_at_ms)::text, ',' "
                        "ORDER BY created_at, id)) FROM events_relays r JOIN events e ON e.id = "
                        "r.event_id WHERE relay_url = '%s' AND created_at BETWEEN %lld AND %lld",
                        url, (long long)from, (long long)(from + width)));
    }
}

/* Times: exact for what is fresh, one for the batch for what is old; kept through compaction. */
static void test_times_of_sightings(void **state)
{
    enum { N = 400 };
    struct made_event *made = calloc(N, sizeof(*made));
    char before[64], after[64], count[64];
    int64_t now = 1760000000;

    (void)state;
    for (uint32_t i = 0; i < N; i++) { /* live: each in a transaction of its own, some ms apart */
        struct store_event event = {.event = &made[i].event};
        struct store_sighting s = {
            .created_at = now + i, .seen_at_ms = (now + i) * 1000 + 1 + i % 977, .relay_id = 7};
        struct store_write w = {.events = &event, .events_n = 1, .sightings = &s, .sightings_n = 1};

        made_event(&made[i], 60000 + i, now + i, 1);
        s.id = made[i].event.id;
        assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    }
    assert_int_equal(
        fixture_number(
            F,
            "SELECT count(*) FROM events_relays r JOIN events e ON e.id = r.event_id JOIN relays x "
            "ON x.url = r.relay_url WHERE x.relay_id = 7 AND e.created_at >= 1760000000 AND "
            "r.seen_at_ms = e.created_at * 1000 + 1 + (e.created_at - 1760000000) % 977 "
            "AND r.seen_at = r.seen_at_ms / 1000"),
        N);
    snprintf(before, sizeof(before), "%s",
             fixture_sql(F, "SELECT md5(string_agg(event_id || relay_url || seen_at_ms, ',' ORDER "
                            "BY event_id, relay_url)) FROM events_relays"));
    snprintf(count, sizeof(count), "%s", fixture_sql(F, "SELECT count(*) FROM events_relays"));

    for (uint32_t i = 0; i < 40; i++) { /* history: a row for each batch */
        struct store_sighting s = {.id = made[i].event.id,
                                   .created_at = now + i,
                                   .seen_at_ms = (now + 7205 + 10 * i) * 1000,
                                   .relay_id = 8,
                                   .known = true};
        struct store_write w = {.sightings = &s, .sightings_n = 1};

        assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
        assert_int_equal(w.sightings_inserted, 1);
    }
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM sighting WHERE relay_id = 8 AND bucket > 53000"),
        40);
    assert_int_equal(fixture_number(F, "SELECT sighting_pack(8, 53000, 1760266799, 100)"),
                     0); /* too early */
    assert_true(fixture_number(F, "SELECT sighting_pack(8, 53000, 1760270400, 100)") >= 38);
    assert_int_equal(fixture_number(F, "SELECT sighting_pack(8, 53000, 1760270400, 100)"), 0);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM sighting WHERE relay_id = 8 AND bucket > 53000"),
        1);
    assert_true(fixture_number(
                    F, "SELECT count(*) FROM sighting WHERE relay_id = 7 AND bucket > 53000") >= N);
    check_reading(7, now - 5, now + N);
    assert_int_equal(fixture_number(F, "SELECT sighting_pack(7, 53000, 1760000399, 1000)"),
                     0); /* not over */
    assert_true(fixture_number(F, "SELECT sighting_pack(7, 53000, 1760000400, 300)") >= 298);
    assert_true(fixture_number(F, "SELECT sighting_pack(7, 53000, 1760000400, 1000)") >= 90);
    assert_int_equal(fixture_number(F, "SELECT sighting_pack(7, 53000, 1760000400, 1000)"), 0);
    assert_true(fixture_number(
                    F, "SELECT count(*) FROM sighting WHERE relay_id = 7 AND bucket > 53000") <= 4);
    assert_int_equal(fixture_number(F, "SELECT count(*) FROM events_relays"), atoi(count) + 40);
    assert_int_equal(
        fixture_number(F,
                       "SELECT min(seen_at) FROM sighting WHERE relay_id = 8 AND bucket > 53000"),
        now + 7205);
    snprintf(after, sizeof(after), "%s",
             fixture_sql(F,
                         "SELECT md5(string_agg(event_id || relay_url || seen_at_ms, ',' ORDER "
                         "BY event_id, relay_url)) FROM events_relays WHERE NOT (seen_at = %lld)",
                         (long long)now + 7205));
    assert_string_equal(before, after);

    check_reading(7, now - 5, now + N);
    check_reading(7, now + 100, now + N);
    check_reading(8, now + 7205, now + 7700);

    /* Rows that reach into each other's time, and history between. */
    fixture_sql(F,
                "INSERT INTO sighting SELECT 1760100000 + x.row * 10, 9, x.bucket, 2147483647, 0, "
                "(SELECT url FROM relays WHERE relay_id = 9), array_agg(x.key ORDER BY x.key), "
                "CASE WHEN x.row %% 7 > 0 THEN array_agg(((x.key & 16777215) * 7919 %% "
                "3600000)::int4 ORDER BY "
                "x.key) END FROM (SELECT e.key, (e.key >> 47)::int4 AS bucket, e.created_at %% 40 "
                "AS row FROM event e WHERE e.created_at BETWEEN 1760000000 AND 1760000399) x "
                "GROUP BY x.row, x.bucket");
    check_reading(9, 1760100000, 1760104000);
    for (int i = 0; i < 2; i++) /* two hours of ten rows of 100 keys: a thousand keys at a time */
        fixture_sql(F,
                    "INSERT INTO sighting SELECT 1760400000 + x.row, 9, 53711, 2147483647, 0, "
                    "'x', array_agg(x.key ORDER BY x.key), NULL FROM (SELECT (53711::int8 << 47) + "
                    "n AS key, n %% 10 + %d AS row FROM generate_series(1, 1000) n) x GROUP BY "
                    "x.row",
                    i * 3600);
    assert_int_equal(fixture_number(F, "SELECT sighting_pack(9, 53711, 1770000000, 20)"), 5);
    assert_int_equal(fixture_number(F, "SELECT sighting_pack(9, 53711, 1770000000, 20)"), 5);
    assert_int_equal(fixture_number(F, "SELECT sighting_pack(9, 53711, 1770000000, 20)"), 0);
    assert_int_equal(
        fixture_number(F, "SELECT sum(cardinality(keys)) FROM sighting WHERE relay_id = 9 AND "
                          "bucket = 53711 AND relay_url = 'x'"),
        2000);
    fixture_sql(F, "DELETE FROM sighting WHERE relay_id = 9");

    /* Seen again: known from the row that was made. */
    struct store_sighting again = {made[5].event.id, now + 5, 1770000000000, 8, true};
    struct store_write w = {.sightings = &again, .sightings_n = 1};

    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    assert_int_equal(w.sightings_inserted, 0);
    free(made);
}

/* One relay, one bucket, one batch: rows of up to 240 keys, sorted; what comes twice is stored
 * once, as it was first seen. */
static void test_rows_of_sightings(void **state)
{
    enum { N = 500 };
    struct made_event *made = calloc(N, sizeof(*made));
    struct store_event *events = calloc(N, sizeof(*events));
    struct store_sighting *sightings = calloc(2 * N, sizeof(*sightings));
    struct store_write w = {
        .events = events, .events_n = N, .sightings = sightings, .sightings_n = 2 * N};
    int64_t at = 53000LL << 15;

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        made_event(&made[i], 70000 + i, at + i * 7 % N, 1);
        events[i].event = &made[i].event;
        sightings[i] = (struct store_sighting){made[i].event.id, made[i].event.created_at,
                                               (at + 90000) * 1000 + 500 - i, 11, false};
        sightings[N + i] = sightings[i];
        sightings[N + i].seen_at_ms += 100000;
    }
    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    assert_int_equal(w.sightings_inserted, N);
    assert_string_equal(
        fixture_sql(F, "SELECT string_agg(concat_ws(' ', cardinality(keys), tmin - bucket * 32768, "
                       "tmax - bucket * 32768, seen_at - bucket * 32768, lags), ', ' ORDER BY "
                       "tmin) FROM sighting WHERE relay_id = 11 AND bucket = 53000"),
        "240 0 239 90000, 240 240 479 90000, 20 480 499 90000");
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM (SELECT keys, array_agg(k ORDER BY k) AS sorted "
                          "FROM sighting, unnest(keys) k WHERE relay_id = 11 AND bucket = 53000 "
                          "GROUP BY ctid, tableoid, keys) x WHERE keys <> sorted"),
        0);

    /* Events that were deleted by hand and come again: their sightings are there still. */
    fixture_sql(F, "DELETE FROM events WHERE created_at BETWEEN %lld AND %lld", (long long)at,
                (long long)at + 99);
    for (uint32_t i = 0; i < N; i++)
        sightings[N + i].relay_id = 12;
    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    assert_int_equal(w.events_inserted, 100);
    assert_int_equal(w.sightings_inserted, N);
    assert_int_equal(fixture_write(F, DB_LIVE, &w), ERR_NONE);
    assert_int_equal(w.sightings_inserted, 0);
    assert_int_equal(
        fixture_number(F, "SELECT count(*) FROM (SELECT event_id, relay_url FROM events_relays "
                          "GROUP BY 1, 2 HAVING count(*) > 1) x"),
        0);
    free(made);
    free(events);
    free(sightings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_sightings_and_coverage_in_one_transaction),
        cmocka_unit_test(test_a_known_event_that_is_not_there_rolls_everything_back),
        cmocka_unit_test(test_poison_rows_are_set_aside),
        cmocka_unit_test(test_tombstones_keep_events_out),
        cmocka_unit_test(test_expirations_and_deletions_are_noted),
        cmocka_unit_test(test_four_writers_store_nothing_twice),
        cmocka_unit_test(test_look_up),
        cmocka_unit_test(test_times_of_sightings),
        cmocka_unit_test(test_rows_of_sightings),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
