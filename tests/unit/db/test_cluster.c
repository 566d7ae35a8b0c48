/* The private PostgreSQL: its settings, its deaths, and what a killed daemon leaves. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster_fixture.h"
#include "core/clock.h"
#include "db/cluster_child.h"

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

static void test_every_setting_is_in_force(void **state)
{
    uint32_t n;
    const struct cluster_setting *s = cluster_settings(&n);

    (void)state;
    assert_true(n > 20);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(strlen(s[i].why) > 3);
        /* As the server would show the value that was given: units and spelling are its own. */
        assert_string_equal(fixture_sql(F,
                                        "SELECT setting = boot_val OR source = 'command line' FROM "
                                        "pg_settings WHERE name = '%s'",
                                        s[i].name),
                            "t");
        assert_string_equal(fixture_sql(F, "SHOW %s", s[i].name), s[i].value);
    }
    assert_string_equal(fixture_sql(F, "SHOW max_wal_size"), "2GB");
    assert_string_equal(fixture_sql(F, "SHOW fsync"), "on");
    assert_string_equal(fixture_sql(F, "SHOW synchronous_commit"), "on");
    assert_string_equal(fixture_sql(F, "SHOW listen_addresses"), "");
    assert_string_equal(fixture_sql(F, "SHOW data_checksums"), "on");
    assert_string_equal(fixture_sql(F, "SELECT datcollate || ' ' || pg_encoding_to_char(encoding) "
                                       "FROM pg_database WHERE datname = current_database()"),
                        "C UTF8");
}

static void test_only_the_user_can_enter(void **state)
{
    struct stat st;
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/run", F->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(path, sizeof(path), "%s/postgres", F->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static pid_t postmaster(void)
{
    char path[128];
    int pid = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s/postgres/postmaster.pid", F->dir);
    f = fopen(path, "r");
    if (f) {
        if (fscanf(f, "%d", &pid) != 1)
            pid = 0;
        fclose(f);
    }
    return pid;
}

static void test_ctrl_c_does_not_reach_it(void **state)
{
    (void)state;
    assert_true(postmaster() > 1);
    assert_int_equal(getsid(postmaster()), postmaster());
}

static void test_it_is_started_again_when_it_dies(void **state)
{
    pid_t before = postmaster();

    (void)state;
    kill(before, SIGKILL);
    fixture_run_count(F, &F->readies, 2, "the second start");
    assert_int_equal(F->downs, 1);
    assert_true(postmaster() != before);
    assert_string_equal(fixture_sql(F, "SELECT 1"), "1");
}

static bool failed_now;
static struct err failed_err;
static void on_failed(void *owner, const struct err *err)
{
    (void)owner;
    failed_now = true;
    failed_err = *err;
}
static void on_nothing(void *owner)
{
    (void)owner;
}
static void on_no_down(void *owner, const struct err *err)
{
    (void)owner;
    (void)err;
}
static void on_no_ready(void *owner, const char *conninfo)
{
    (void)owner;
    (void)conninfo;
}
static const struct cluster_ops failing_ops = {.on_ready = on_no_ready,
                                               .on_down = on_no_down,
                                               .on_failed = on_failed,
                                               .on_stopped = on_nothing};

static void must_fail(const char *state_dir, const char *bin_dir, const char *why)
{
    struct cluster_options options = {.state_dir = state_dir, .bin_dir = bin_dir};
    struct cluster *c = cluster_open(&F->loop, &options, &failing_ops, NULL);

    failed_now = false;
    fixture_run(F, &failed_now, why);
    cluster_close(c);
    if (!strstr(failed_err.detail, why))
        fail_msg("not \"%s\" but \"%s\"", why, failed_err.detail);
}

static void test_what_can_never_start_says_why(void **state)
{
    char dir[64] = "/tmp/bigbrotr-test-XXXXXX", path[512], data[128];
    FILE *f;

    (void)state;
    must_fail(F->dir, "", "another daemon uses");
    assert_non_null(mkdtemp(dir));
    must_fail(dir, "/nonexistent", "bin_dir");
    snprintf(path, sizeof(path), "%s/%0120d", dir, 7);
    must_fail(path, "", "too long");
    snprintf(data, sizeof(data), "%s/postgres", dir);
    mkdir(data, 0700);
    snprintf(path, sizeof(path), "%s/PG_VERSION", data);
    f = fopen(path, "w");
    fputs("9\n", f);
    fclose(f);
    setenv("PATH", "/nonexistent", 1); /* nor is there one of unknown version */
    must_fail(dir, "", "PostgreSQL 9");
    child_remove_tree(dir);
}

/* A daemon in a process of its own, which is then killed: in the end nothing runs, and the next one
 * starts by itself. */
static void be_a_daemon(const char *dir)
{
    static struct fixture other;
    struct cluster_options options = {.state_dir = dir};

    uv_loop_init(&other.loop);
    snprintf(other.dir, sizeof(other.dir), "%s", dir);
    other.cluster = cluster_open(&other.loop, &options, &fixture_cluster_ops, &other);
    uv_run(&other.loop, UV_RUN_DEFAULT);
    _exit(1);
}

static size_t servers(const char *dir)
{
    pid_t pids[64];
    char data[128];

    snprintf(data, sizeof(data), "%s/postgres", dir);
    return child_find_servers(data, pids, 64);
}

static void wait_for_servers(const char *dir, bool some, const char *what)
{
    char ready[128];

    snprintf(ready, sizeof(ready), "%s/run/.s.PGSQL.5432", dir);
    for (int64_t end = clock_mono_ms() + 30000; clock_mono_ms() < end; usleep(20000)) {
        if (some ? access(ready, F_OK) == 0 && servers(dir) > 3 : servers(dir) == 0)
            return;
    }
    fail_msg("%s", what);
}

static void test_kill_9_of_the_daemon_leaves_nothing(void **state)
{
    char dir[64] = "/tmp/bigbrotr-test-XXXXXX", path[128];
    struct fixture again;
    pid_t pid;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (int round = 0; round < 2; round++) {
        pid = fork();
        if (pid == 0)
            be_a_daemon(dir);
        wait_for_servers(dir, true, "the daemon's server to start");
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (round == 0)
            wait_for_servers(dir, false, "the servers to end");
        /* second round: the next one comes while they are still going */
    }

    memset(&again, 0, sizeof(again));
    snprintf(again.dir, sizeof(again.dir), "%s", dir);
    if (servers(dir) == 0) { /* a lock file whose number belongs to a stranger by now: ourselves */
        snprintf(path, sizeof(path), "%s/postgres/postmaster.pid", dir);
        FILE *f = fopen(path, "w");
        fprintf(f, "%d\n%s/postgres\n1\n5432\n%s/run\n\n  1  1\n", (int)getpid(), dir, dir);
        fclose(f);
    }

    struct cluster_options options = {.state_dir = dir};
    assert_int_equal(uv_loop_init(&again.loop), 0);
    again.cluster = cluster_open(&again.loop, &options, &fixture_cluster_ops, &again);
    fixture_run_count(&again, &again.readies, 1, "the start after the kill");
    assert_string_equal(fixture_sql(&again, "SELECT 1"), "1");
    fixture_close(&again);
}

static void test_a_making_that_was_interrupted_is_begun_again(void **state)
{
    char dir[64] = "/tmp/bigbrotr-test-XXXXXX", path[128];
    struct cluster_options options = {.state_dir = dir};
    struct fixture other;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/postgres.new", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/postgres.new/PG_VERSION", dir);
    fclose(fopen(path, "w"));
    memset(&other, 0, sizeof(other));
    snprintf(other.dir, sizeof(other.dir), "%s", dir);
    assert_int_equal(uv_loop_init(&other.loop), 0);
    other.cluster = cluster_open(&other.loop, &options, &fixture_cluster_ops, &other);
    fixture_run_count(&other, &other.readies, 1, "the start");
    fixture_close(&other);
}

static void test_it_can_be_stopped_in_every_state(void **state)
{
    (void)state;
    /* After so many turns of the loop: from before anything was begun, through initdb, to the
     * running server. */
    for (int turns = 0; turns <= 60; turns += turns < 4 ? 1 : 14) {
        char dir[64] = "/tmp/bigbrotr-test-XXXXXX";
        struct cluster_options options = {.state_dir = dir};
        struct fixture other;

        assert_non_null(mkdtemp(dir));
        memset(&other, 0, sizeof(other));
        snprintf(other.dir, sizeof(other.dir), "%s", dir);
        assert_int_equal(uv_loop_init(&other.loop), 0);
        other.cluster = cluster_open(&other.loop, &options, &fixture_cluster_ops, &other);
        for (int i = 0; i < turns; i++)
            uv_run(&other.loop, UV_RUN_ONCE);
        fixture_close(&other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_setting_is_in_force),
        cmocka_unit_test(test_only_the_user_can_enter),
        cmocka_unit_test(test_ctrl_c_does_not_reach_it),
        cmocka_unit_test(test_it_is_started_again_when_it_dies),
        cmocka_unit_test(test_what_can_never_start_says_why),
        cmocka_unit_test(test_kill_9_of_the_daemon_leaves_nothing),
        cmocka_unit_test(test_a_making_that_was_interrupted_is_begun_again),
        cmocka_unit_test(test_it_can_be_stopped_in_every_state),
    };

    if (!fixture_drop_root())
        return 77;
    return cmocka_run_group_tests(tests, setup, teardown);
}
