/* Loop: the one event loop of a process, its signals, and how long it is held up.
 *
 * Lag.  A timer asks to be called every LOOP_LAG_TICK_MS.  What it comes late is time that the loop
 * was away: some callback kept it for itself, or the machine gave the processor to somebody else.
 * Ten looks a second: with fifty, they were two thirds of what an archive at rest costs.
 * The largest delay since the last look is kept here, all of them go into the metrics.  What the
 * callbacks of one turn used of the processor is measured beside it: that is our own part of it,
 * of which rule 1 of src/README.md says at most 10 ms, however busy the machine is.
 *
 * Ownership.  loop_open() once, loop_close() when everybody else has closed their handles: it runs
 * the loop until the last close callback was called and asserts that nothing is left. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdint.h>

#include <uv.h>

enum { LOOP_LAG_TICK_MS = 100, LOOP_SIGNALS_MAX = 8 };

struct loop;

struct loop *loop_open(void);
void loop_close(struct loop *l);

uv_loop_t *loop_uv(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop(), or until nothing is left to wait for */
void loop_stop(struct loop *l);

/* `callback` runs on the loop whenever `signum` arrives.  At most LOOP_SIGNALS_MAX; a watched
 * signal does not keep the loop running.  SIGPIPE is ignored from loop_open() on: a peer that went
 * away is an error of write(), not a death. */
void loop_on_signal(struct loop *l, int signum, void (*callback)(void *owner, int signum),
                    void *owner);

/* The longest delay in milliseconds since the last call of this. */
uint32_t loop_lag_take_max_ms(struct loop *l);

/* The most processor time that one turn of the loop has used since the last call of this, in
 * microseconds: never less than its longest callback. */
uint32_t loop_turn_take_max_us(struct loop *l);

/* Counts one delay.  For the timer, and for tests of what is counted. */
void loop_lag_note(struct loop *l, uint64_t late_ms);

#endif
