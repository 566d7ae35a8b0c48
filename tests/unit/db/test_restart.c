/* PostgreSQL dies under load: what was acknowledged is there, what was not is submitted again,
 * nothing is there twice. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_fixture.h"

enum { BATCHES = 60, BATCH = 200, IN_FLIGHT = 4 };

static struct fixture fixture;
#define F (&fixture)

static int setup(void **state)
{
    (void)state;
    fixture_open(F, true);
    fixture_relays(F, 5);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(F);
    return 0;
}

struct job {
    struct store_write w;
    struct made_event made[BATCH];
    struct store_event events[BATCH];
    struct store_sighting sightings[BATCH];
    struct store_span span;
    bool running, committed;
    unsigned tries;
};
static struct job *jobs;
static unsigned committed, unexpected;

static void on_done(struct store_write *w, const struct err *err)
{
    struct job *j = (struct job *)(void *)w;

    j->running = false;
    if (!err) {
        j->committed = true;
        committed++;
    } else if (err->code != ERR_DB_AWAY) {
        unexpected++;
        print_message("%s\n", err->detail);
    }
}

static void fill_job(struct job *j, uint32_t b)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        made_event(&j->made[i], b * BATCH + i, 1700000000 + b * BATCH + i, 1);
        j->events[i].event = &j->made[i].event;
        j->sightings[i] = (struct store_sighting){j->made[i].event.id, j->made[i].event.created_at,
                                                  1800000000000, (int32_t)(b % 5) + 1, false};
    }
    j->span = (struct store_span){.relay_id = (int32_t)(b % 5) + 1,
                                  .filter_id = 1,
                                  .lo = b,
                                  .hi = b,
                                  .grade = GRADE_P1,
                                  .at = 1};
    j->w = (struct store_write){.events = j->events,
                                .events_n = BATCH,
                                .sightings = j->sightings,
                                .sightings_n = BATCH,
                                .spans = &j->span,
                                .spans_n = 1,
                                .done = on_done};
}

/* Keeps some transactions in flight until all are committed; calls hurt() now and then. */
static void run_all(void (*hurt)(unsigned))
{
    unsigned hurts = 0, next_hurt = 3;

    jobs = calloc(BATCHES, sizeof(*jobs));
    committed = unexpected = 0;
    for (uint32_t b = 0; b < BATCHES; b++)
        fill_job(&jobs[b], b);
    while (committed < BATCHES) {
        unsigned running = 0;

        for (uint32_t b = 0; b < BATCHES; b++)
            running += jobs[b].running;
        for (uint32_t b = 0; b < BATCHES && running < IN_FLIGHT && db_is_up(F->db); b++) {
            if (!jobs[b].running && !jobs[b].committed) {
                jobs[b].running = true;
                assert_true(++jobs[b].tries < 100);
                running++;
                store_write(F->db, b % 2 ? DB_LIVE : DB_BACKFILL, &jobs[b].w);
            }
        }
        if (committed >= next_hurt && hurts < 4) {
            hurt(hurts++);
            next_hurt = committed + 12;
        }
        uv_run(&F->loop, UV_RUN_ONCE);
    }
    assert_int_equal(unexpected, 0);
    assert_int_equal(hurts, 4);
}

static void assert_exact(void)
{
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM events"), "12000");
    assert_string_equal(fixture_sql(F, "SELECT count(DISTINCT id) FROM events"), "12000");
    assert_string_equal(fixture_sql(F, "SELECT count(*) FROM events_relays"), "12000");
    assert_string_equal(fixture_sql(F, "SELECT sum(hi - lo + 1) FROM coverage"), "60");
    assert_string_equal(fixture_sql(F, "SELECT sum(events) FROM archive_count"), "12000");
    assert_string_equal(fixture_sql(F, "SELECT sum(sightings) FROM archive_count"), "12000");
}

static void kill_postmaster(unsigned n)
{
    char path[128];
    FILE *f;
    int pid = 0;

    snprintf(path, sizeof(path), "%s/postgres/postmaster.pid", F->dir);
    f = fopen(path, "r");
    if (!f)
        return;
    if (fscanf(f, "%d", &pid) == 1 && pid > 1)
        kill(pid, n % 2 ? SIGQUIT : SIGKILL);
    fclose(f);
}

static void test_postgres_is_killed_under_load(void **state)
{
    (void)state;
    run_all(kill_postmaster);
    assert_exact();
    assert_true(F->restarts >= 1); /* the owner was told to forget what it knew */
    assert_true(F->downs >= 1);
    free(jobs);
}

/* Only the connections end; the server is the one we know. */
static void terminate(unsigned n)
{
    (void)n;
    fixture_sql(F, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name "
                   "= 'bigbrotrd' AND pid <> pg_backend_pid()");
}

static void test_connections_are_terminated_under_load(void **state)
{
    unsigned restarts = F->restarts, downs = F->db_downs;

    (void)state;
    fixture_sql(F, "TRUNCATE event, sighting, coverage");
    fixture_sql(F, "UPDATE archive_count SET events = 0, sightings = 0");
    run_all(terminate);
    assert_exact();
    assert_int_equal(F->restarts, restarts);
    assert_true(F->db_downs > downs);
    free(jobs);
}

static enum err_code late_code;

static void on_late(struct store_write *w, const struct err *err)
{
    (void)w;
    late_code = err ? err->code : ERR_NONE;
}

/* Down: nothing is called from inside the call that submits, and what is submitted ends all the
 * same. */
static void test_what_is_submitted_while_down_ends(void **state)
{
    struct store_write w = {.done = on_late};
    unsigned downs = F->db_downs;

    (void)state;
    kill_postmaster(0);
    fixture_run_count(F, &F->db_downs, downs + 1, "the loss of the connection");
    late_code = ERR__COUNT;
    store_write(F->db, DB_LIVE, &w);
    assert_int_equal(late_code, ERR__COUNT);
    while (late_code == ERR__COUNT)
        uv_run(&F->loop, UV_RUN_ONCE);
    assert_int_equal(late_code, ERR_DB_AWAY);
    late_code = ERR__COUNT;
    store_write(F->db, DB_LIVE, &w);
    fixture_close_db(F);
    assert_int_equal(late_code, ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_postgres_is_killed_under_load),
        cmocka_unit_test(test_connections_are_terminated_under_load),
        cmocka_unit_test(test_what_is_submitted_while_down_ends),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, teardown);
}
