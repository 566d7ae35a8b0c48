/* cluster: the private PostgreSQL: made once, started, watched, stopped with the daemon.
 *
 *     INIT (initdb) -> STARTING -> READY -> STOPPED          dies: back-off, STARTING again
 *
 * Lives in STATE_DIR/postgres (data) and STATE_DIR/run (socket, 0700).  No TCP.  The postmaster is
 * our child and gets SIGQUIT from the kernel when we die, so that a kill -9 of the daemon leaves no
 * process behind. */
#ifndef DB_CLUSTER_H
#define DB_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/err.h"

struct cluster;

struct cluster_options {
    const char *state_dir;
    const char *bin_dir; /* "": the newest below /usr/lib/postgresql, then PATH */
    const char *log_dir; /* "": its log is not kept; else DIR/wal has it, for bigbrotr restore */
};

struct cluster_ops {
    void (*on_progress)(void *owner,
                        const char *what); /* "making the database", "starting it", "recovering" */
    void (*on_ready)(void *owner, const char *conninfo); /* each time it accepts connections */
    void (*on_down)(void *owner, const struct err *err); /* it died; it is being restarted */
    void (*on_failed)(void *owner,
                      const struct err *err); /* it can never start: bin missing, version of the
                                                 data differs, not ours */
    void (*on_stopped)(void *owner);          /* after cluster_stop(): no process is left */
};

struct cluster *cluster_open(uv_loop_t *loop, const struct cluster_options *options,
                             const struct cluster_ops *ops, void *owner);
enum { CLUSTER_STOP_MS = 8500 };
/* Fast shutdown; when that takes too long an immediate one, from which the next start recovers;
 * what still lives after `within_ms` is killed.  Ends in on_stopped. */
void cluster_stop(struct cluster *c, uint32_t within_ms);
void cluster_close(struct cluster *c); /* after on_stopped or on_failed */

/* DIR/wal/N of the cluster whose data is in `data`: N is what PostgreSQL calls its system
 * identifier, so that the logs of two archives never meet. */
int cluster_log_path(const char *dir, const char *data, char *to, size_t size,
                     struct err *err) MUST_USE;

/* What libpq needs to reach the private database of this state directory, whoever runs it. */
int cluster_conninfo(const char *state_dir, char *to, size_t size, struct err *err) MUST_USE;

/* The settings it runs with and why: for `bigbrotr status` and the test that reads them back with
 * SHOW. */
struct cluster_setting {
    const char *name, *value, *why;
};
const struct cluster_setting *cluster_settings(uint32_t *n);

#endif
