/* Workers: two queues, a handful of threads, one uv_async to bring results home.
 *
 * Long jobs may occupy all threads but one: a TLS step that comes while a batch of signatures is
 * being checked finds a thread at once.  With a single thread a short job waits for the long one
 * that runs, never for those that are queued. */
#include "loop/workers.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Workers give way to the loop: where threads are more than processors, who only has to pass bytes
 * on would wait behind who checks a thousand signatures (measured with 50 walks on two busy
 * processors: half as many turns of the loop were interrupted for 10 ms). */
enum { WORKERS_NICE = 5 };

struct workers {
    uv_mutex_t lock;
    uv_cond_t wake;
    /* Under the lock: */
    struct list queue[WORKERS_QUEUE__COUNT];
    unsigned queued[WORKERS_QUEUE__COUNT];
    struct list finished;
    unsigned long_running, long_max;
    bool stop; /* end when both queues are empty */

    /* The loop's own: */
    uv_async_t home;
    unsigned outstanding; /* submitted, done() not yet called */
    uint64_t progress_ns; /* when a job last came home, or the first of those out was submitted */
    unsigned count;
    uv_thread_t threads[];
};

static void thread_main(void *arg);
static struct worker_job *next_job(struct workers *w, enum worker_queue *from);
static void on_home(uv_async_t *h);
static void on_home_closed(uv_handle_t *h);

struct workers *workers_open(uv_loop_t *loop, unsigned threads)
{
    if (threads == 0)
        threads = uv_available_parallelism();

    struct workers *w = calloc(1, sizeof(*w) + threads * sizeof(w->threads[0]));

    if (w == NULL || uv_mutex_init(&w->lock) != 0 || uv_cond_init(&w->wake) != 0)
        abort();
    for (int q = 0; q < WORKERS_QUEUE__COUNT; q++)
        list_init(&w->queue[q]);
    list_init(&w->finished);
    w->long_max = threads > 1 ? threads - 1 : 1;
    w->count = threads;
    if (uv_async_init(loop, &w->home, on_home) != 0)
        abort();
    w->home.data = w;
    uv_unref((uv_handle_t *)&w
                 ->home); /* referenced while a job is out: an idle pool keeps no loop alive */
    for (unsigned i = 0; i < threads; i++)
        if (uv_thread_create(&w->threads[i], thread_main, w) != 0)
            abort();
    return w;
}

/* Blocks until the queues are empty; nothing but the end of the process waits for it. */
void workers_close(struct workers *w)
{
    uv_mutex_lock(&w->lock);
    assert(!w->stop);
    w->stop = true;
    uv_cond_broadcast(&w->wake);
    uv_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->count; i++)
        uv_thread_join(&w->threads[i]);
    on_home(&w->home); /* done() of what had not come home yet */
    assert(w->outstanding == 0);
    uv_mutex_destroy(&w->lock);
    uv_cond_destroy(&w->wake);
    uv_close((uv_handle_t *)&w->home, on_home_closed);
}

void workers_submit(struct workers *w, enum worker_queue queue, struct worker_job *job)
{
    assert(queue < WORKERS_QUEUE__COUNT);
    if (w->outstanding++ == 0) {
        uv_ref((uv_handle_t *)&w->home);
        w->progress_ns = uv_hrtime();
    }
    uv_mutex_lock(&w->lock);
    assert(!w->stop);
    list_add_tail(&w->queue[queue], &job->link);
    w->queued[queue]++;
    /* One waiter is enough, whichever it is: a thread waits only while no job that it may take is
     * queued. */
    uv_cond_signal(&w->wake);
    uv_mutex_unlock(&w->lock);
}

uint64_t workers_still_ms(const struct workers *w)
{
    return w->outstanding == 0 ? 0 : (uv_hrtime() - w->progress_ns) / 1000000;
}

unsigned workers_threads(const struct workers *w)
{
    return w->count;
}

unsigned workers_queued(struct workers *w, enum worker_queue queue)
{
    uv_mutex_lock(&w->lock);
    unsigned n = w->queued[queue];
    uv_mutex_unlock(&w->lock);
    return n;
}

static void thread_main(void *arg)
{
    struct workers *w = arg;
    struct worker_job *job;
    enum worker_queue from;
    id_t self = (id_t)syscall(SYS_gettid);

    /* Of this thread alone: Linux keeps it for each.  Added to what the process was given. */
    (void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + WORKERS_NICE);
    uv_mutex_lock(&w->lock);
    while ((job = next_job(w, &from)) != NULL) {
        uv_mutex_unlock(&w->lock);
        job->run(job);
        uv_mutex_lock(&w->lock);
        if (from == WORKERS_LONG) {
            w->long_running--;
            if (!list_empty(&w->queue[WORKERS_LONG]))
                uv_cond_signal(&w->wake); /* this thread may take a short one next */
        }
        list_add_tail(&w->finished, &job->link);
        (void)uv_async_send(&w->home);
    }
    uv_mutex_unlock(&w->lock);
}

/* With the lock held.  NULL: the pool is closing and nothing is queued that this thread could do.
 */
static struct worker_job *next_job(struct workers *w, enum worker_queue *from)
{
    for (;;) {
        struct list *l = list_take_first(&w->queue[WORKERS_SHORT]);

        *from = WORKERS_SHORT;
        if (l == NULL && w->long_running < w->long_max) {
            l = list_take_first(&w->queue[WORKERS_LONG]);
            *from = WORKERS_LONG;
        }
        if (l != NULL) {
            w->queued[*from]--;
            w->long_running += *from == WORKERS_LONG;
            return CONTAINER_OF(l, struct worker_job, link);
        }
        if (w->stop)
            return NULL; /* long jobs that are still queued are taken by the threads that run long
                            ones */
        uv_cond_wait(&w->wake, &w->lock);
    }
}

static void on_home(uv_async_t *h)
{
    struct workers *w = h->data;
    struct list mine;
    struct list *l;

    list_init(&mine);
    w->progress_ns = uv_hrtime();
    uv_mutex_lock(&w->lock);
    while ((l = list_take_first(&w->finished)) != NULL)
        list_add_tail(&mine, l);
    uv_mutex_unlock(&w->lock);
    while ((l = list_take_first(&mine)) != NULL) {
        struct worker_job *job = CONTAINER_OF(l, struct worker_job, link);

        if (--w->outstanding == 0)
            uv_unref((uv_handle_t *)&w->home);
        job->done(job); /* last: it may free the job, or submit it again */
    }
}

static void on_home_closed(uv_handle_t *h)
{
    free(h->data);
}
