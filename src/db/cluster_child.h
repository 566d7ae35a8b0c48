/* Programs of PostgreSQL as our children, and what is left of them: the parts of cluster that know
 * the operating system. */
#ifndef DB_CLUSTER_CHILD_H
#define DB_CLUSTER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"

/* Runs argv[0] in a session of its own (a Ctrl-C at the terminal does not reach it), with an
 * environment without PG* and standard output and error on `out_fd`.  It gets `death_signal` when
 * the calling thread ends: call from the main thread. `input`, if not NULL, is what it reads; at
 * most PIPE_BUF bytes.  Returns its pid or -1. */
pid_t child_spawn(const char *const argv[], int out_fd, int death_signal, const char *input,
                  struct err *err) MUST_USE;

/* The server programs whose working directory is `dir` (a real path): every process of a cluster
 * has its data directory there. Returns how many there are, at most `max` pids. */
size_t child_find_servers(const char *dir, pid_t *pids, size_t max);

/* Does a file DIR/postmaster.pid stand there whose process is alive, but none of ours (its number
 * was given away again)? PostgreSQL would refuse to start; we know better.  Returns true when it
 * was removed. */
bool child_remove_stale_lock(const char *dir);

/* "ready" in DIR/postmaster.pid of the process `pid`: it accepts connections. */
bool child_server_ready(const char *dir, pid_t pid);

/* Where initdb and postgres are.  `wanted` the major version of the data, 0: any from 14 up, the
 * newest. */
int child_find_bin(const char *configured, int wanted, char *dir, size_t size,
                   struct err *err) MUST_USE;

/* The major version of the data in `dir`; 0: none. */
int child_data_version(const char *dir);

/* The settings depend on the major version of the server. */
void cluster_settings_for(int version);

void child_remove_tree(const char *dir);

#endif
