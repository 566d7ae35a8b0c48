/* One line, one write, one lock. */
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

atomic_int log_level_now = LOG_LEVEL_INFO;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDERR_FILENO; /* under the lock, as is the hook */
static struct log_hook log_hook;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_now, (int)level, memory_order_relaxed);
}

void log_set_fd(int fd)
{
    (void)pthread_mutex_lock(&lock);
    log_fd = fd;
    (void)pthread_mutex_unlock(&lock);
}

void log_set_hook(const struct log_hook *hook)
{
    (void)pthread_mutex_lock(&lock);
    log_hook = hook != NULL ? *hook : (struct log_hook){NULL, NULL, NULL};
    (void)pthread_mutex_unlock(&lock);
}

/* "2026-03-01T12:00:00.123Z info relay " */
static size_t write_head(char *to, size_t size, enum log_level level, const char *module)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    int64_t now_ms = clock_wall_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm tm;
    char stamp[32] = "";
    int n;

    if (gmtime_r(&now_s, &tm) != NULL)
        (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    n = snprintf(to, size, "%s.%03dZ %s %s ", stamp, (int)(now_ms % 1000), words[level], module);
    return (size_t)n < size ? (size_t)n : size - 1;
}

static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t wrote = write(fd, p, n);

        if (wrote < 0 && errno != EINTR)
            return; /* nobody is left to tell */
        if (wrote > 0) {
            p += wrote;
            n -= (size_t)wrote;
        }
    }
}

PRINTF(4, 0)
static void write_line(enum log_level level, const char *module, uint32_t swallowed,
                       const char *fmt, va_list ap)
{
    enum { TAIL = 32 }; /* room for " swallowed=4294967295\n" */
    char line[LOG_LINE_MAX + TAIL];
    size_t head = write_head(line, LOG_LINE_MAX, level, module);
    int body = vsnprintf(line + head, LOG_LINE_MAX - head, fmt, ap);
    size_t n = head + (body > 0 ? (size_t)body : 0);

    if (n >= LOG_LINE_MAX) {
        n = LOG_LINE_MAX - 1;
        memcpy(line + n - 3, "...", 3);
    }
    if (swallowed > 0)
        n += (size_t)snprintf(line + n, TAIL, " swallowed=%u", swallowed);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[n++] = '\n';

    if (log_hook.erase != NULL)
        log_hook.erase(log_hook.owner);
    write_all(log_fd, line, n);
    if (log_hook.redraw != NULL)
        log_hook.redraw(log_hook.owner);
}

void log_write(enum log_level level, const char *module, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)pthread_mutex_lock(&lock);
    write_line(level, module, 0, fmt, ap);
    (void)pthread_mutex_unlock(&lock);
    va_end(ap);
}

/* May one more line pass?  *swallowed is what was held back in the span that has just ended. */
static bool limit_pass(struct log_limit *limit, uint32_t *swallowed)
{
    int64_t now = clock_mono_ms();

    *swallowed = 0;
    if (limit->lines == 0 || now - limit->since_ms >= LOG_LIMIT_MS) {
        *swallowed = limit->swallowed;
        *limit = (struct log_limit){.since_ms = now};
    }
    if (limit->lines >= LOG_LIMIT_LINES) {
        limit->swallowed++;
        return false;
    }
    limit->lines++;
    return true;
}

void log_write_limited(struct log_limit *limit, enum log_level level, const char *module,
                       const char *fmt, ...)
{
    uint32_t swallowed;
    va_list ap;

    va_start(ap, fmt);
    (void)pthread_mutex_lock(&lock);
    if (limit_pass(limit, &swallowed))
        write_line(level, module, swallowed, fmt, ap);
    (void)pthread_mutex_unlock(&lock);
    va_end(ap);
}
