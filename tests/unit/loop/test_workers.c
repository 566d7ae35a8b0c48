/* Workers: every job is run once and comes home once, short ones overtake, long ones leave a thread
 * free. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "loop/workers.h"

/* Jobs meet at gates instead of sleeping. */
struct gate {
    uv_mutex_t lock;
    uv_cond_t changed;
    int value;
};

static void gate_init(struct gate *g)
{
    uv_mutex_init(&g->lock);
    uv_cond_init(&g->changed);
    g->value = 0;
}

static void gate_done(struct gate *g)
{
    uv_mutex_destroy(&g->lock);
    uv_cond_destroy(&g->changed);
}

static void gate_add(struct gate *g, int n)
{
    uv_mutex_lock(&g->lock);
    g->value += n;
    uv_cond_broadcast(&g->changed);
    uv_mutex_unlock(&g->lock);
}

static void gate_wait(struct gate *g, int at_least)
{
    uv_mutex_lock(&g->lock);
    while (g->value < at_least)
        uv_cond_wait(&g->changed, &g->lock);
    uv_mutex_unlock(&g->lock);
}

struct task {
    struct worker_job job;
    struct gate *entered, *leave; /* NULL: pass */
    int *order_counter;           /* guarded by entered->lock */
    int order;
    int ran, done;
    uv_thread_t loop_thread;
};

static void task_run(struct worker_job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);
    uv_thread_t self = uv_thread_self();

    assert_false(uv_thread_equal(&self, &t->loop_thread));
    t->ran++;
    if (t->order_counter != NULL) {
        uv_mutex_lock(&t->entered->lock);
        t->order = (*t->order_counter)++;
        uv_mutex_unlock(&t->entered->lock);
    }
    if (t->entered != NULL)
        gate_add(t->entered, 1);
    if (t->leave != NULL)
        gate_wait(t->leave, 1);
}

static void task_done(struct worker_job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);
    uv_thread_t self = uv_thread_self();

    assert_true(uv_thread_equal(&self, &t->loop_thread));
    t->done++;
}

static struct task task_make(struct gate *entered, struct gate *leave)
{
    return (struct task){.job = {.run = task_run, .done = task_done},
                         .entered = entered,
                         .leave = leave,
                         .loop_thread = uv_thread_self()};
}

static void finish(uv_loop_t *loop, struct workers *w)
{
    workers_close(w);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void test_every_job_comes_home_once(void **state)
{
    (void)state;
    enum { N = 5000 };
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct workers *w = workers_open(&loop, 4);
    struct task *tasks = calloc(N, sizeof(*tasks));

    assert_int_equal(workers_threads(w), 4);
    for (int i = 0; i < N; i++) {
        tasks[i] = task_make(NULL, NULL);
        workers_submit(w, i % 3 == 0 ? WORKERS_LONG : WORKERS_SHORT, &tasks[i].job);
    }
    uv_run(&loop, UV_RUN_DEFAULT); /* ends by itself: an idle pool does not keep the loop alive */
    for (int i = 0; i < N; i++) {
        assert_int_equal(tasks[i].ran, 1);
        assert_int_equal(tasks[i].done, 1);
    }
    finish(&loop, w);
    free(tasks);
}

static void test_short_overtakes_long(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct workers *w = workers_open(&loop, 1);
    struct gate entered, leave;
    gate_init(&entered);
    gate_init(&leave);
    int counter = 0;
    struct task first = task_make(&entered, &leave), late = task_make(&entered, NULL),
                quick = task_make(&entered, NULL);

    late.order_counter = quick.order_counter = &counter;
    workers_submit(w, WORKERS_LONG, &first.job);
    gate_wait(&entered, 1);
    workers_submit(w, WORKERS_LONG, &late.job);
    workers_submit(w, WORKERS_SHORT, &quick.job);
    gate_add(&leave, 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(quick.order, 0);
    assert_int_equal(late.order, 1);
    finish(&loop, w);
    gate_done(&entered);
    gate_done(&leave);
}

static void test_long_jobs_leave_a_thread_free(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct workers *w = workers_open(&loop, 3);
    struct gate entered, leave, quick_entered;
    gate_init(&entered);
    gate_init(&leave);
    gate_init(&quick_entered);
    struct task heavy[6], quick = task_make(&quick_entered, NULL);

    for (int i = 0; i < 6; i++) {
        heavy[i] = task_make(&entered, &leave);
        workers_submit(w, WORKERS_LONG, &heavy[i].job);
    }
    gate_wait(&entered, 2);
    workers_submit(w, WORKERS_SHORT, &quick.job);
    gate_wait(&quick_entered, 1); /* hangs when the long ones have taken all threads */
    uv_mutex_lock(&entered.lock);
    assert_int_equal(entered.value, 2);
    uv_mutex_unlock(&entered.lock);
    gate_add(&leave, 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 6; i++)
        assert_int_equal(heavy[i].done, 1);
    finish(&loop, w);
    gate_done(&entered);
    gate_done(&leave);
    gate_done(&quick_entered);
}

/* What the watchdog and the metrics look at. */
static void test_how_long_nothing_came_home_and_what_waits(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct workers *w = workers_open(&loop, 1);
    struct gate entered, leave;
    gate_init(&entered);
    gate_init(&leave);
    struct task stuck = task_make(&entered, &leave), late[3];

    assert_int_equal(workers_still_ms(w), 0);
    workers_submit(w, WORKERS_LONG, &stuck.job);
    gate_wait(&entered, 1);
    for (int i = 0; i < 3; i++) {
        late[i] = task_make(NULL, NULL);
        workers_submit(w, i == 0 ? WORKERS_SHORT : WORKERS_LONG, &late[i].job);
    }
    assert_int_equal(workers_queued(w, WORKERS_SHORT), 1);
    assert_int_equal(workers_queued(w, WORKERS_LONG), 2);
    uint64_t before = workers_still_ms(w);
    while (workers_still_ms(w) < before + 20) /* a loop that turns is not enough */
        uv_run(&loop, UV_RUN_NOWAIT);
    gate_add(&leave, 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(workers_still_ms(w), 0);
    assert_int_equal(workers_queued(w, WORKERS_SHORT) + workers_queued(w, WORKERS_LONG), 0);
    finish(&loop, w);
    gate_done(&entered);
    gate_done(&leave);
}

static void test_close_finishes_what_is_queued(void **state)
{
    (void)state;
    enum { N = 64 };
    for (unsigned threads = 1; threads <= 3; threads++) {
        uv_loop_t loop;
        uv_loop_init(&loop);
        struct workers *w = workers_open(&loop, threads);
        struct task tasks[N];

        for (int i = 0; i < N; i++) {
            tasks[i] = task_make(NULL, NULL);
            workers_submit(w, i % 2 ? WORKERS_LONG : WORKERS_SHORT, &tasks[i].job);
        }
        workers_close(w);
        for (int i = 0; i < N; i++)
            assert_int_equal(tasks[i].done, 1);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
    }
}

struct again {
    struct worker_job job;
    struct workers *w;
    int left;
};

static void again_run(struct worker_job *job)
{
    (void)job;
}

static void again_done(struct worker_job *job)
{
    struct again *a = CONTAINER_OF(job, struct again, job);

    if (--a->left > 0)
        workers_submit(a->w, WORKERS_SHORT, &a->job);
}

static void test_done_may_submit_again(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct workers *w = workers_open(&loop, 2);
    struct again a = {.job = {.run = again_run, .done = again_done}, .w = w, .left = 500};

    workers_submit(w, WORKERS_SHORT, &a.job);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(a.left, 0);
    finish(&loop, w);
}

static void test_default_number_of_threads(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct workers *w = workers_open(&loop, 0);

    assert_int_equal(workers_threads(w), uv_available_parallelism());
    finish(&loop, w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_comes_home_once),
        cmocka_unit_test(test_short_overtakes_long),
        cmocka_unit_test(test_long_jobs_leave_a_thread_free),
        cmocka_unit_test(test_how_long_nothing_came_home_and_what_waits),
        cmocka_unit_test(test_close_finishes_what_is_queued),
        cmocka_unit_test(test_done_may_submit_again),
        cmocka_unit_test(test_default_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
