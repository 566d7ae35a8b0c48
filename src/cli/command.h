/* command: what the sub-commands of `bigbrotr` share.
 *
 * Results go to standard output, progress and errors to standard error.  Exit codes: 0 done, 1
 * failed, 2 bad usage or configuration, 3 done but something was wrong with the data (verify,
 * import).
 *
 * To add a command: one file with its run function, one row in commands[] of main.c. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>

#include "cli/archive.h"
#include "core/json.h"

enum { COMMAND_DONE = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2, COMMAND_FOUND = 3 };

struct command {
    const struct config *cfg;
    bool json;
    int argc;
    char **argv; /* what stands behind the command's name */
};

int command_status(const struct command *c);
int command_relay(const struct command *c);
int command_trace(const struct command *c);
int command_fetch(const struct command *c);
int command_rescue(const struct command *c);
int command_publish(const struct command *c);
int command_plan(const struct command *c);
int command_check(const struct command *c);
int command_discover(const struct command *c);
int command_export(const struct command *c);
int command_import(const struct command *c);
int command_verify(const struct command *c);
int command_backup(const struct command *c);
int command_restore(const struct command *c);
int command_maintenance(const struct command *c);
int command_purge(const struct command *c);
int command_vanish(const struct command *c);
int command_relays(const struct command *c);
int command_events(const struct command *c);
int command_report(const struct command *c);
int command_release(const struct command *c);
int command_sql(const struct command *c);
int command_key(const struct command *c);
int command_event(const struct command *c);
int command_encode(const struct command *c);
int command_decode(const struct command *c);

/* A connection to the running daemon on which `question` was asked; the caller's to close.  -1 with
 * ERR_NOT_RUNNING. */
int daemon_ask(const struct config *cfg, const char *question, struct err *err) MUST_USE;

/* The same for a question that has one answer.  NULL with err. */
struct js *daemon_ask_json(const struct config *cfg, const char *question, struct err *err);

/* "bigbrotr: TEXT: DETAIL" on standard error; returns COMMAND_FAILED, or COMMAND_USAGE when the
 * person is to blame. */
int command_fail(const struct err *err);

/* The end of a command that writes a stream: COMMAND_DONE when all of it was taken, otherwise said
 * on standard error. */
int command_flush(void);

/* Progress: at most a line a second on standard error, only when that is a terminal; `done` ends
 * it. */
struct progress {
    const char *what;
    int64_t shown_ms, started_ms;
    uint64_t n;
    bool terminal;
};
void progress_start(struct progress *p, const char *what);
void progress_add(struct progress *p, uint64_t n);
void progress_done(struct progress *p);

/* Calls `each` for every event of the archive as NIP-01 JSON, ordered by created_at, then id.
 * `sample` > 0: about one event in so many.  `each` returns false to stop. */
typedef bool each_event(void *owner, struct str json);
int command_each_event(struct archive *a, uint32_t sample, each_event *each, void *owner,
                       struct err *err) MUST_USE;

/* The same from a key on.  `window` is told after each few thousand where the next begin,
 * INT64_MAX: there are no more; it may query the archive.  Going on from there later, no event
 * comes twice. */
typedef int each_window(void *owner, int64_t next, struct err *err);
int command_each_event_from(struct archive *a, int64_t from, each_event *each, each_window *window,
                            void *owner, struct err *err) MUST_USE;

#endif
