/* Workers: arithmetic off the loop, its result on the loop.
 *
 *     loop: workers_submit(job) --queue--> thread: job->run(job) --> loop: job->done(job)
 *
 * A job belongs to the worker from submit until done() is called; nobody else touches it.  Jobs
 * embed in the object they work for (container_of).  Two queues: short jobs (TLS steps) overtake
 * long ones (batches), so that a handshake never waits behind a thousand signatures.  This is the
 * only file with locks and threads. */
#ifndef LOOP_WORKERS_H
#define LOOP_WORKERS_H

#include <uv.h>

#include "core/list.h"

struct worker_job {
    void (*run)(struct worker_job *job);  /* in a worker thread */
    void (*done)(struct worker_job *job); /* on the loop, exactly once */
    struct list link;
};

enum worker_queue { WORKERS_SHORT, WORKERS_LONG, WORKERS_QUEUE__COUNT };

struct workers;

/* threads 0: one for each processor. */
struct workers *workers_open(uv_loop_t *loop, unsigned threads);

/* Runs what is queued to its end, calls done() for each, then ends the threads. Called once. */
void workers_close(struct workers *w);

void workers_submit(struct workers *w, enum worker_queue queue, struct worker_job *job);
unsigned workers_threads(const struct workers *w);

unsigned workers_queued(struct workers *w, enum worker_queue queue); /* no thread has them */

/* How long no job has come home although some are out; 0 when none is out.  Loop thread. */
uint64_t workers_still_ms(const struct workers *w);

#endif
