/* The log: one line on standard error, in one write, in the format of [log] format (log_line.h).
 *
 *     2026-03-01T12:00:00.123Z info relay in sync relay=wss://relay.example events=1204
 *     time                     level module message, with key=value
 *
 * Whoever decides about an error logs it, once (err.h).  Arguments are not evaluated when the level
 * is off.  Bytes that came from a relay are escaped by the caller (str_escape); as a last
 * defence control characters, and bytes that are no UTF-8, are written as '?'.  Any thread may log.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/* In the order of the words of [log] level, so that its index is one of these. */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* In the order of the words of [log] format.  AUTO: journald where standard error is its stream,
 * else text. */
enum log_format {
    LOG_FORMAT_AUTO,
    LOG_FORMAT_TEXT,
    LOG_FORMAT_LOGFMT,
    LOG_FORMAT_JSON,
    LOG_FORMAT_JOURNALD
};

/* Who writes: X(name).  Levels can be set for each alone. */
#define LOG_MODULES(X) \
    X(archive)         \
    X(daemon)          \
    X(database)        \
    X(finder) X(http) X(ingest) X(initializer) X(keeper) X(monitor) X(publisher) X(relay) X(status)

enum { LOG_LINE_MAX = 2048 }; /* longer lines are cut, with "..." */

extern atomic_int log_level_now; /* the most talkative of all modules; read through log_on() */

static inline bool log_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

#define LOG_AT(level, ...)                 \
    do {                                   \
        if (log_on(level))                 \
            log_write(level, __VA_ARGS__); \
    } while (0)

/* log_info(module, format, ...): module is a word such as "relay". */
#define log_error(...)   LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) LOG_AT(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For complaints that thousands of relays can cause: each place in the code that uses one writes at
 * most LOG_LIMIT_LINES lines in LOG_LIMIT_MS, and then says how many it swallowed. */
#define LOG_AT_LIMITED(level, ...)                               \
    do {                                                         \
        static struct log_limit limit_here_;                     \
        if (log_on(level))                                       \
            log_write_limited(&limit_here_, level, __VA_ARGS__); \
    } while (0)

#define log_error_limited(...)   LOG_AT_LIMITED(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning_limited(...) LOG_AT_LIMITED(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info_limited(...)    LOG_AT_LIMITED(LOG_LEVEL_INFO, __VA_ARGS__)

enum { LOG_LIMIT_LINES = 5, LOG_LIMIT_MS = 60000 };

struct log_limit {
    int64_t since_ms; /* start of the span that is being counted, monotonic */
    uint32_t lines, swallowed;
};

void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

/* "relay=debug, database=warning": levels of single modules beside the one of all; "" for none.
 * -1 with ERR_CONFIG, and nothing is changed. `apply` false: only looked at. */
int log_set_modules(const char *list, bool apply, struct err *err) MUST_USE;
void log_set_fd(int fd); /* default 2; not closed by us */

/* A terminal block that stands below the log: erased before a line, drawn again behind it.  Both
 * run under the log's lock, on the thread that logs, and must not log.  NULL takes the hook away.
 */
struct log_hook {
    void (*erase)(void *owner);
    void (*redraw)(void *owner);
    void *owner;
};
void log_set_hook(const struct log_hook *hook);

void log_write(enum log_level level, const char *module, const char *fmt, ...) PRINTF(3, 4);
void log_write_limited(struct log_limit *limit, enum log_level level, const char *module,
                       const char *fmt, ...) PRINTF(4, 5);

#endif
