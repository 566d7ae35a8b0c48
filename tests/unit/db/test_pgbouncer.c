/* The whole of store_write through PgBouncer in transaction mode, with fewer server connections
 * than we have lanes: so every transaction may land on another one.  Skipped, loudly, where
 * PgBouncer is not installed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster_fixture.h"

static struct fixture fixture;
#define F (&fixture)

static pid_t bouncer;
static char bouncer_conninfo[256];

static const char *find_bouncer(void)
{
    static const char *const places[] = {"/usr/sbin/pgbouncer", "/usr/bin/pgbouncer",
                                         "/usr/local/bin/pgbouncer"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(places[i], X_OK) == 0)
            return places[i];
    }
    return NULL;
}

static int setup(void **state)
{
    char ini[128], socket_path[128];
    FILE *f;

    (void)state;
    fixture_open(F, false);
    snprintf(ini, sizeof(ini), "%s/pgbouncer.ini", F->dir);
    f = fopen(ini, "w");
    fprintf(f,
            "[databases]\n* = host=%s/run port=5432 user=bigbrotr\n[pgbouncer]\nlisten_addr "
            "=\nlisten_port = 6432\n"
            "unix_socket_dir = %s\nauth_type = any\npool_mode = transaction\ndefault_pool_size = "
            "2\nlogfile = %s/pgbouncer.log\n"
            "pidfile = %s/pgbouncer.pid\nserver_login_retry = 1\n",
            F->dir, F->dir, F->dir, F->dir);
    fclose(f);
    bouncer = fork();
    if (bouncer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(find_bouncer(), "pgbouncer", "-q", ini, (char *)NULL);
        _exit(127);
    }
    snprintf(socket_path, sizeof(socket_path), "%s/.s.PGSQL.6432", F->dir);
    for (int i = 0; i < 500 && access(socket_path, F_OK) != 0; i++)
        usleep(10000);
    snprintf(bouncer_conninfo, sizeof(bouncer_conninfo),
             "host=%s port=6432 user=bigbrotr dbname=bigbrotr", F->dir);
    fixture_open_db(F, bouncer_conninfo);
    fixture_run_count(F, &F->ups, 1, "the database being up behind PgBouncer");
    fixture_relays(F, 10);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (F->db)
        fixture_close_db(F);
    kill(bouncer, SIGTERM);
    waitpid(bouncer, NULL, 0);
    fixture_close(F);
    return 0;
}

enum { N = 300 };

struct batch {
    struct made_event made[N];
    struct store_event events[N];
    struct store_sighting sightings[N];
    struct store_span spans[2];
    struct store_write w;
};

static void fill(struct batch *b, uint32_t from)
{
    for (uint32_t i = 0; i < N; i++) {
        made_event(&b->made[i], from + i, 1700000000 + from + i, 1);
        b->events[i] = (struct store_event){.event = &b->made[i].event, .raw = STR("{}")};
        b->sightings[i] = (struct store_sighting){b->made[i].event.id, 1700000000 + from + i,
                                                  1800000000000, (int32_t)(i % 10) + 1, false};
    }
    b->spans[0] = (struct store_span){
        .relay_id = 1, .filter_id = 1, .lo = from, .hi = from + N - 1, .grade = GRADE_P1, .at = 5};
    b->spans[1] = (struct store_span){.relay_id = 2,
                                      .filter_id = 1,
                                      .lo = from,
                                      .hi = INT64_MAX,
                                      .gap = true,
                                      .reason = GAP_AUTH,
                                      .at = 5};
    b->w = (struct store_write){.events = b->events,
                                .events_n = N,
                                .sightings = b->sightings,
                                .sightings_n = N,
                                .spans = b->spans,
                                .spans_n = 2};
}

static unsigned done;
static enum err_code code;

static void on_done(struct store_write *w, const struct err *err)
{
    (void)w;
    code = err ? err->code : ERR_NONE;
    done++;
}

static void test_all_lanes_at_once(void **state)
{
    static struct batch all[8];

    (void)state;
    done = 0;
    for (uint32_t i = 0; i < 8; i++) {
        fill(&all[i], i * N);
        all[i].w.done = on_done;
        if (i == 3)
            all[i].made[7].event.content = STR("a NUL \0 of poison");
        store_write(F->db, (enum db_lane)(i % DB_LANE__COUNT), &all[i].w);
    }
    fixture_run_count(F, &done, 8, "eight transactions");
    assert_int_equal(code, ERR_NONE);
    assert_int_equal(all[3].w.events_refused, 1);
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM events"), "2399");
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM events_relays"), "2399");
    assert_string_equal(fixture_sql(F, "SELECT hi - lo + 1 FROM coverage"), "2400");
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM event_reject"), "1");
    /* Nothing stays in a session: no lock, no setting. */
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
                        "0");
}

static void test_unknown_ids_roll_back(void **state)
{
    static struct batch b;
    struct store_sighting known = {.created_at = 1, .relay_id = 1, .known = true};

    (void)state;
    fill(&b, 100000);
    b.w.sightings = &known;
    b.w.sightings_n = 1;
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_DB_UNKNOWN_ID);
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM events"), "2399");
}

/* PgBouncer keeps our connections when the server behind it is replaced; the transaction itself
 * notices. */
static void test_the_server_is_replaced_behind_it(void **state)
{
    static struct batch b;
    unsigned readies = F->readies;
    enum err_code first;
    char path[128];
    int pid = 0;
    FILE *f;

    (void)state;
    snprintf(path, sizeof(path), "%s/postgres/postmaster.pid", F->dir);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    kill(pid, SIGINT);
    fixture_run_count(F, &F->readies, readies + 1, "the server's second start");
    fill(&b, 200000);
    first = fixture_write(F, DB_LIVE, &b.w);
    assert_int_equal(first, ERR_DB_AWAY); /* whatever the owner remembered may be false now */
    fixture_run_count(F, &F->ups, 2, "the database being up again");
    assert_int_equal(F->restarts, 1);
    assert_int_equal(fixture_write(F, DB_LIVE, &b.w), ERR_NONE);
    assert_int_equal(b.w.events_inserted, N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_lanes_at_once),
        cmocka_unit_test(test_unknown_ids_roll_back),
        cmocka_unit_test(test_the_server_is_replaced_behind_it),
    };

    if (!find_bouncer() || !fixture_drop_root()) {
        print_message(
            "SKIPPED: pgbouncer is not installed, or there is no user to run PostgreSQL as\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
