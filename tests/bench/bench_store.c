/* What PostgreSQL pays for the archive: CPU seconds of all server processes, bytes of heap and
 * index, WAL, against a bare binary COPY of the same rows into the same tables with the same
 * indexes.  Run by hand; prints a table; passes or fails nothing.
 *
 *     bench_store [events] [relays of an event] [events of a batch]           default 200000 3 4000
 *     bench_store EVENTS 1 BATCH MILLIONS [EVENTS A DAY]    grows it to so many sightings, then
 * waits for Enter with the server running
 *
 * The load is that of a first walk: 64 relays at once, each newest first, pages of 500 into
 * batches.  The floor is the mean of several COPYs: one is soon over, and its CPU varies. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "cluster_fixture.h"
#include "core/clock.h"
#include "core/hex.h"

enum { RELAYS = 64, GROWN_RELAYS = 2000, PAGE = 500, TEXT = 512, FLOOR_ROUNDS = 4 };

static int64_t day = 864000; /* events of a day of created_at */

static struct fixture fixture;
#define F (&fixture)

/* CPU seconds of the cluster's processes, ended children of the postmaster included. */
static double server_cpu(void)
{
    char data[128], cwd[256], path[64], line[1024];
    double ticks = 0;
    DIR *proc = opendir("/proc");

    snprintf(data, sizeof(data), "%s/postgres", fixture.dir);
    for (struct dirent *e; (e = readdir(proc)) != NULL;) {
        unsigned long u, s, cu, cs;
        ssize_t n;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%.20s/cwd", e->d_name);
        n = readlink(path, cwd, sizeof(cwd) - 1);
        if (n <= 0)
            continue;
        cwd[n] = '\0';
        if (strcmp(cwd, data) != 0)
            continue;
        snprintf(path, sizeof(path), "/proc/%.20s/stat", e->d_name);
        f = fopen(path, "r");
        if (!f || !fgets(line, sizeof(line), f)) {
            if (f)
                fclose(f);
            continue;
        }
        fclose(f);
        if (sscanf(strrchr(line, ')') + 2,
                   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &u, &s, &cu,
                   &cs) == 4)
            ticks += (double)(u + s + cu + cs);
    }
    closedir(proc);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

static double number(const char *sql)
{
    return atof(fixture_sql(F, "%s", sql));
}

struct row {
    struct event event;
    char *tags, *content;
    struct str elements[4];
    uint32_t tag_start[3];
    int64_t hashes[2];
};

static uint64_t seed = 88172645463325252ULL;
static uint32_t rnd(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 11) % n);
}

/* About the size of a real one: 512 bytes of tags and content, two tags that are indexed. */
static void make(struct row *r, uint32_t n, uint32_t all, int64_t newest)
{
    uint32_t author = 0x80000000u + rnd(1 + all / 20);
    struct id32 other;
    char hex[65], key[65];

    memset(r, 0, sizeof(*r));
    made_id(&r->event.id, n);
    memcpy(r->event.sig.b, r->event.id.b, 32);
    memcpy(r->event.sig.b + 32, r->event.id.b, 32);
    made_id(&other, author);
    memcpy(r->event.pubkey.b, other.b, 32);
    r->event.created_at = newest - (int64_t)n * 86400 / day;
    r->event.kind = rnd(10) < 6 ? 1 : (int32_t)rnd(20) * 7;
    made_id(&other, n > 100 ? n - rnd(100) : n);
    id_hex(hex, &other);
    made_id(&other, 0x80000000u + rnd(1 + all / 20));
    id_hex(key, &other);
    if (asprintf(&r->tags, "[[\"e\",\"%s\",\"wss://relay.example\",\"reply\"],[\"p\",\"%s\"]]", hex,
                 key) < 0)
        abort();
    r->content = malloc(TEXT);
    for (size_t i = 0; i < TEXT - 190; i++)
        r->content[i] =
            (char)("etaoin shrdlucmfwypvbgkqjxz ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[rnd(64)]);
    r->content[TEXT - 190] = '\0';
    r->event.tags = str_z(r->tags);
    r->event.content = str_z(r->content);
    r->hashes[0] = event_tag_hash(STR("e"), (struct str){hex, 64});
    r->hashes[1] = event_tag_hash(STR("p"), (struct str){key, 64});
    r->event.taghash = r->hashes;
    r->event.taghash_n = 2;
    r->event.elements = r->elements;
    r->event.tag_start = r->tag_start;
}

struct cost {
    double cpu, wal, wall;
};

static void settle(void)
{
    fixture_sql(F, "CHECKPOINT");
    fixture_sql(F, "SELECT pg_stat_force_next_flush()");
}

static void begin(struct cost *c)
{
    c->cpu = server_cpu();
    c->wal = number("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')");
    c->wall = (double)clock_mono_us();
}

static void end(struct cost *c)
{
    c->wal = number("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')") - c->wal;
    c->wall = ((double)clock_mono_us() - c->wall) / 1e6;
    c->cpu = server_cpu() - c->cpu;
}

static void print(const char *what, const struct cost *c, double n)
{
    printf("%-34s %8.2f us CPU %8.0f B WAL %8.2f s\n", what, c->cpu * 1e6 / n, c->wal / n, c->wall);
    fflush(stdout);
}

/* The floor: COPY of what was stored into empty copies of the partitions with the same indexes. */
static void copy_floor(double n, const struct cost *ours)
{
    struct cost sum = {0};

    fixture_sql(F,
                "CREATE TEMP TABLE parts AS SELECT i.inhrelid AS part, row_number() OVER () AS n "
                "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent IN "
                "('event'::regclass, 'sighting'::regclass) AND pg_relation_size(c.oid) > 0");
    for (int i = 1; i <= atoi(fixture_sql(F, "SELECT count(*) FROM parts")); i++) {
        char *part = strdup(fixture_sql(F, "SELECT part::regclass FROM parts WHERE n = %d", i));
        char *exclude = strdup(fixture_sql(
            F,
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '%s'::regclass "
            "AND contype = 'x'",
            part));
        char file[128];

        snprintf(file, sizeof(file), "%s/copy.bin", fixture.dir);
        fixture_sql(F, "COPY (SELECT * FROM %s ORDER BY ctid) TO '%s' (FORMAT binary)", part, file);
        fixture_sql(F, "CREATE TABLE floor (LIKE %s INCLUDING ALL)", part);
        if (exclude[0]) /* LIKE leaves it behind */
            fixture_sql(F, "ALTER TABLE floor ADD %s", exclude);
        for (int round = 0; round < FLOOR_ROUNDS; round++) {
            struct cost c;

            fixture_sql(F, "TRUNCATE floor");
            settle();
            begin(&c);
            fixture_sql(F, "COPY floor FROM '%s' (FORMAT binary)", file);
            end(&c);
            sum.cpu += c.cpu / FLOOR_ROUNDS;
            sum.wal += c.wal / FLOOR_ROUNDS;
            sum.wall += c.wall / FLOOR_ROUNDS;
        }
        fixture_sql(F, "DROP TABLE floor");
        unlink(file);
        free(exclude);
        free(part);
    }
    fixture_sql(F, "DROP TABLE parts");
    print("  floor: bare COPY, same indexes", &sum, n);
    printf("  ratio to the floor: %.2f\n", ours->cpu / sum.cpu);
}

static void sizes(double events, double sightings)
{
    printf("event: heap %.0f B, indexes %.0f B\n",
           number("SELECT sum(pg_table_size(inhrelid)) FROM pg_inherits WHERE inhparent = "
                  "'event'::regclass") /
               events,
           number("SELECT sum(pg_indexes_size(inhrelid)) FROM pg_inherits WHERE inhparent = "
                  "'event'::regclass") /
               events);
    printf("sighting: heap %.1f B, indexes %.1f B\n",
           number("SELECT sum(pg_table_size(inhrelid)) FROM pg_inherits WHERE inhparent = "
                  "'sighting'::regclass") /
               sightings,
           number("SELECT sum(pg_indexes_size(inhrelid)) FROM pg_inherits WHERE inhparent = "
                  "'sighting'::regclass") /
               sightings);
    fixture_sql(F,
                "CREATE TEMP TABLE s AS SELECT string_agg(line, E'\\n') AS t FROM (SELECT format(' "
                " %%s %%s B', "
                "CASE WHEN i.indexrelid::regclass::text ~ '_id$' THEN 'exclude id' ELSE "
                "regexp_replace(pg_get_indexdef(i.indexrelid), '.* USING ', '') END, "
                "round(sum(pg_relation_size(i.indexrelid)) / CASE WHEN i.indrelid::regclass::text "
                "~ '^event' THEN %f ELSE %f END, 1)) AS line "
                "FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indrelid WHERE h.inhparent "
                "IN ('event'::regclass, 'sighting'::regclass) "
                "AND pg_relation_size(i.indexrelid) > 200000 GROUP BY i.indexrelid, i.indrelid) x",
                events, sightings);
    printf("%s\n", fixture_sql(F, "SELECT t FROM s"));
}

/* The queries that must be quick, as a person sends them: the best of five, planning included. */
static void reads(void)
{
    char *id = strdup(
        fixture_sql(F, "SELECT id FROM events ORDER BY created_at DESC OFFSET 5000 LIMIT 1"));
    char *author = strdup(fixture_sql(F, "SELECT pubkey FROM events WHERE id = '%s'", id));
    char *quoted = strdup(fixture_sql(F, "SELECT tags -> 0 ->> 1 FROM events WHERE id = '%s'", id));
    struct {
        const char *what, *sql, *argument;
    } all[] = {
        {"event by id", "SELECT * FROM events WHERE id = '%s'", id},
        {"newest of an author, kind 1",
         "SELECT id FROM events WHERE pubkey = '%s' AND kind = 1 ORDER BY created_at DESC LIMIT 50",
         author},
        {"events with a tag", "SELECT id FROM events WHERE taghash @> tag('e', '%s')", quoted},
        {"newest ten",
         "SELECT id, kind, created_at, content FROM events ORDER BY created_at DESC LIMIT 10 -- %s",
         ""},
        {"relays of an event",
         "SELECT relay_url, seen_at FROM events_relays WHERE event_id = '%s' ORDER BY seen_at", id},
        {"newest seen at a relay",
         "SELECT event_id FROM events_relays WHERE relay_url = '%s' ORDER BY seen_at DESC LIMIT 50",
         "wss://relay7.example"},
        {"the same by relay_newest()", "SELECT * FROM relay_newest('%s', 50)",
         "wss://relay7.example"},
        {"event_json", "SELECT event_json('%s')", id},
        {"events in all", "SELECT count(*) FROM events -- %s", ""},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int64_t best = INT64_MAX;
        char *sql = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (asprintf(&sql, all[i].sql, all[i].argument) < 0)
            abort();
#pragma GCC diagnostic pop
        for (int j = 0; j < 5; j++) {
            int64_t from = clock_mono_us();

            fixture_sql(F, "%s", sql);
            if (clock_mono_us() - from < best)
                best = clock_mono_us() - from;
        }
        printf("  %-28s %8.2f ms\n", all[i].what, (double)best / 1000);
        free(sql);
    }
    free(id);
    free(author);
    free(quoted);
}

/* What a round writes. */
enum round {
    BOTH,      /* new events, each with the sighting of the one relay that had it */
    EVENTS,    /* new events alone */
    SIGHTINGS, /* of events that are there, at so many relays */
    AGAIN,     /* events that are there */
    ROUNDS
};

static const char *const round_names[ROUNDS] = {"new event and its sighting", "new event",
                                                "new sighting of a known event",
                                                "event that is there"};

struct load {
    uint32_t n, copies, batch;
    int64_t newest;
    struct row *rows;
    struct store_event *events;
    struct store_sighting *sightings;
};

/* Events number `at` to `at + k`. */
static void write_batch(struct load *l, enum round round, uint32_t at, uint32_t k)
{
    uint32_t relays = round == BOTH ? 1 : round == SIGHTINGS ? l->copies : 0;
    struct store_write w = {.events = l->events,
                            .events_n = round == SIGHTINGS ? 0 : k,
                            .sightings = l->sightings,
                            .sightings_n = k * relays};

    seed = 88172645463325252ULL + at; /* the same in each round */
    for (uint32_t i = 0; i < k; i++) {
        make(&l->rows[i], at + i, l->n, l->newest);
        l->events[i] = (struct store_event){.event = &l->rows[i].event};
        for (uint32_t r = 0; r < relays; r++) /* relay-major, as pages come */
            l->sightings[r * k + i] = (struct store_sighting){
                l->rows[i].event.id, l->rows[i].event.created_at, clock_wall_ms(),
                (int32_t)((at / l->batch * 7 + r * 5 + i / 500) % RELAYS) + 1, round == SIGHTINGS};
    }
    assert_int_equal(fixture_write(F, DB_BACKFILL, &w), ERR_NONE);
    assert_int_equal(w.events_inserted, round == BOTH || round == EVENTS ? k : 0);
    assert_int_equal(w.sightings_inserted, k * relays);
    for (uint32_t i = 0; i < k; i++) {
        free(l->rows[i].tags);
        free(l->rows[i].content);
    }
}

/* ---- growth ---- */

/* Does relay r have event n?  Relays are of very different size: number r has a share of 6 / (r +
 * 6). */
static bool has(uint32_t r, uint32_t n)
{
    uint64_t x = ((uint64_t)r << 32 | n) * 0x9e3779b97f4a7c15ULL;

    x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9ULL;
    return (x >> 40) * (r + 6) < 6ULL << 24;
}

/* One page of a walk from `*at` on. */
static uint32_t page(const struct load *l, const struct id32 *ids, uint32_t r, uint32_t *at,
                     struct store_sighting *to)
{
    uint32_t n = 0;

    for (; *at < l->n && n < PAGE; ++*at) {
        if (has(r, *at))
            to[n++] = (struct store_sighting){ids[*at], l->newest - (int64_t)*at * 86400 / day,
                                              clock_wall_ms(), (int32_t)r + 1, true};
    }
    return n;
}

/* Walks relay after relay, 64 at once, until there are so many sightings; a line for each million.
 */
static void grow(const struct load *l, double until)
{
    struct id32 *ids = calloc(l->n, sizeof(*ids));
    struct store_sighting *sightings = calloc((size_t)l->batch + PAGE, sizeof(*sightings));
    uint32_t at[RELAYS] = {0}, relay[RELAYS], next = RELAYS, k = 0;
    double stored = 0, lines = 0;
    struct cost c;

    for (uint32_t i = 0; i < l->n; i++)
        made_id(&ids[i], i);
    for (uint32_t i = 0; i < RELAYS; i++)
        relay[i] = i * 7 % RELAYS;
    begin(&c);
    for (uint32_t i = 0; stored < until && next < GROWN_RELAYS; i = (i + 1) % RELAYS) {
        struct store_write w = {.sightings = sightings};

        k += page(l, ids, relay[i], &at[i], sightings + k);
        if (at[i] == l->n) {
            relay[i] = next++;
            at[i] = 0;
        }
        if (k < l->batch)
            continue;
        w.sightings_n = k;
        k = 0;
        assert_int_equal(fixture_write(F, DB_BACKFILL, &w), ERR_NONE);
        stored += w.sightings_inserted;
        if (stored >= (lines + 1) * 1e6) {
            end(&c);
            printf("%4.0f M sightings, relay %4u: ", ++lines, next);
            print("", &c, 1e6);
            begin(&c);
        }
    }
    free(ids);
    free(sightings);
    sizes(l->n, stored);
    printf("%s\n", F->conninfo);
    fflush(stdout);
    getchar();
}

static void bench(void **state)
{
    const char *const *args = *state;
    struct load l = {.n = (uint32_t)atoi(args[0]),
                     .copies = (uint32_t)atoi(args[1]),
                     .batch = (uint32_t)atoi(args[2]),
                     .newest = clock_wall_s() - 7 * 86400};

    l.rows = calloc(l.batch, sizeof(*l.rows));
    l.events = calloc(l.batch, sizeof(*l.events));
    l.sightings = calloc((size_t)l.batch * l.copies, sizeof(*l.sightings));
    printf("%u events, %u sightings each, batches of %u\n", l.n, l.copies, l.batch);
    if (args[4])
        day = atoll(args[4]);
    fixture_relays(F, args[3] ? GROWN_RELAYS : RELAYS);
    if (args[3]) {
        for (uint32_t at = 0; at < l.n; at += l.batch)
            write_batch(&l, EVENTS, at, l.n - at < l.batch ? l.n - at : l.batch);
        grow(&l, atof(args[3]) * 1e6);
        return;
    }
    for (enum round round = BOTH; round < ROUNDS; round++) {
        struct cost c;

        settle();
        begin(&c);
        for (uint32_t at = 0; at < l.n; at += l.batch)
            write_batch(&l, round, at, l.n - at < l.batch ? l.n - at : l.batch);
        end(&c);
        print(round_names[round], &c, round == SIGHTINGS ? (double)l.n * l.copies : l.n);
        if (round == BOTH || round == EVENTS)
            copy_floor(l.n, &c);
        if (round == BOTH)
            fixture_sql(F, "TRUNCATE event, sighting");
    }
    fixture_sql(F, "VACUUM ANALYZE");
    sizes(l.n, (double)l.n * l.copies);
    reads();
    free(l.rows);
    free(l.events);
    free(l.sightings);
}

static int setup(void **state)
{
    (void)state;
    fixture_open(F, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(F);
    return 0;
}

int main(int argc, char **argv)
{
    const char *args[] = {argc > 1 ? argv[1] : "200000", argc > 2 ? argv[2] : "3",
                          argc > 3 ? argv[3] : "4000", argc > 4 ? argv[4] : NULL,
                          argc > 5 ? argv[5] : NULL};
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(bench, args)};

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests_name("store", tests, setup, teardown);
}
