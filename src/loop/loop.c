/* Loop: signals, lag, and the one assertion at the end that nobody left a handle behind. */
#include "loop/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "core/metrics.h"

struct watch {
    uv_signal_t handle;
    void (*on_signal)(void *owner, int signum);
    void *owner;
};

struct loop {
    uv_loop_t uv;
    uv_timer_t lag_tick;
    uv_prepare_t turn;   /* runs once a turn, before the loop waits */
    int64_t turn_cpu_ns; /* of this thread when it last ran */
    uint64_t turn_max_ns;
    uint64_t tick_due_ns; /* when the next tick should come */
    uint64_t lag_max_ms;
    struct watch watches[LOOP_SIGNALS_MAX];
    unsigned watch_count;
};

static void on_lag_tick(uv_timer_t *h);
static void on_turn(uv_prepare_t *h);
static void on_signal(uv_signal_t *h, int signum);

static int64_t thread_cpu_ns(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct loop *loop_open(void)
{
    struct loop *l = calloc(1, sizeof(*l));

    if (l == NULL || uv_loop_init(&l->uv) != 0 || uv_timer_init(&l->uv, &l->lag_tick) != 0 ||
        uv_prepare_init(&l->uv, &l->turn) != 0)
        abort();
    (void)signal(SIGPIPE, SIG_IGN);
    l->lag_tick.data = l;
    l->tick_due_ns = uv_hrtime() + LOOP_LAG_TICK_MS * 1000000ULL;
    (void)uv_timer_start(&l->lag_tick, on_lag_tick, LOOP_LAG_TICK_MS, 0);
    uv_unref((uv_handle_t *)&l->lag_tick);
    l->turn.data = l;
    (void)uv_prepare_start(&l->turn, on_turn);
    uv_unref((uv_handle_t *)&l->turn);
    return l;
}

void loop_close(struct loop *l)
{
    uv_close((uv_handle_t *)&l->lag_tick, NULL);
    uv_close((uv_handle_t *)&l->turn, NULL);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT); /* signals are ours until everybody else has gone */
    for (unsigned i = 0; i < l->watch_count; i++)
        uv_close((uv_handle_t *)&l->watches[i].handle, NULL);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);

    int rc = uv_loop_close(&l->uv);

    assert(rc == 0); /* somebody's handle is still open */
    (void)rc;
    free(l);
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

void loop_run(struct loop *l)
{
    l->turn_cpu_ns = thread_cpu_ns();
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

void loop_on_signal(struct loop *l, int signum, void (*callback)(void *owner, int signum),
                    void *owner)
{
    assert(l->watch_count < LOOP_SIGNALS_MAX);

    struct watch *w = &l->watches[l->watch_count++];

    w->on_signal = callback;
    w->owner = owner;
    w->handle.data = w;
    if (uv_signal_init(&l->uv, &w->handle) != 0 ||
        uv_signal_start(&w->handle, on_signal, signum) != 0)
        abort();
    uv_unref((uv_handle_t *)&w->handle);
}

uint32_t loop_lag_take_max_ms(struct loop *l)
{
    uint64_t max = l->lag_max_ms;

    l->lag_max_ms = 0;
    return max > UINT32_MAX ? UINT32_MAX : (uint32_t)max;
}

uint32_t loop_turn_take_max_us(struct loop *l)
{
    uint64_t us = l->turn_max_ns / 1000;

    l->turn_max_ns = 0;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void loop_lag_note(struct loop *l, uint64_t late_ms)
{
    metric_observe(loop_lag_seconds, late_ms > INT32_MAX ? INT32_MAX : (int64_t)late_ms);
    if (late_ms > l->lag_max_ms)
        l->lag_max_ms = late_ms;
}

/* A loop that has just begun to run, or was stopped, comes late without anybody's fault only by the
 * time it did not run; the daemon runs it from start to end, so that is not told apart.  The due
 * time is taken from the clock and not from uv_now(), which stands still while a callback runs. */
static void on_lag_tick(uv_timer_t *h)
{
    struct loop *l = h->data;
    uint64_t now = uv_hrtime();

    loop_lag_note(l, now > l->tick_due_ns ? (now - l->tick_due_ns) / 1000000 : 0);
    l->tick_due_ns = now + LOOP_LAG_TICK_MS * 1000000ULL;
    (void)uv_timer_start(&l->lag_tick, on_lag_tick, LOOP_LAG_TICK_MS, 0);
}

/* Waiting uses no processor time: what the clock has gone on since the last turn went to its
 * callbacks. */
static void on_turn(uv_prepare_t *h)
{
    struct loop *l = h->data;
    int64_t now = thread_cpu_ns();
    uint64_t used = (uint64_t)(now - l->turn_cpu_ns);

    if (used > l->turn_max_ns)
        l->turn_max_ns = used;
    l->turn_cpu_ns = now;
}

static void on_signal(uv_signal_t *h, int signum)
{
    struct watch *w = h->data;

    w->on_signal(w->owner, signum);
}
