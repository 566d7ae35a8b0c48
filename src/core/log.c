/* One line, one write, one lock. */
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log_line.h"
#include "core/str.h"

atomic_int log_level_now = LOG_LEVEL_INFO;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDERR_FILENO; /* under the lock, as is the hook */
static struct log_hook log_hook;
static enum log_format log_format = LOG_FORMAT_TEXT;

static const char *const level_words[] = {"error", "warning", "info", "debug"};
enum { LEVELS = sizeof(level_words) / sizeof(level_words[0]) };

/* The words of LOG_MODULES and the level of each; -1: that of all.  Under the lock. */
static const char *const modules[] = {
#define ROW(name) #name,
    LOG_MODULES(ROW)
#undef ROW
};
enum { MODULES = sizeof(modules) / sizeof(modules[0]) };
static int module_levels[MODULES];
static bool modules_differ;
static int level_of_all = LOG_LEVEL_INFO;

static void publish_level(void)
{
    int most = level_of_all;

    for (int i = 0; modules_differ && i < MODULES; i++)
        most = module_levels[i] > most ? module_levels[i] : most;
    atomic_store_explicit(&log_level_now, most, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
    (void)pthread_mutex_lock(&lock);
    level_of_all = (int)level;
    publish_level();
    (void)pthread_mutex_unlock(&lock);
}

static int find_word(const char *const *words, int n, struct str word)
{
    for (int i = 0; i < n; i++)
        if (str_eq(word, str_z(words[i])))
            return i;
    return -1;
}

/* One "module=level". */
static int read_module(struct str item, int levels[MODULES], struct err *err)
{
    const char *equals = memchr(item.p, '=', item.n);
    size_t name_n = equals != NULL ? (size_t)(equals - item.p) : item.n;
    int module = find_word(modules, MODULES, (struct str){item.p, name_n});
    char known[256] = "";

    for (int i = 0; i < MODULES; i++)
        (void)snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
                       i > 0 ? ", " : "", modules[i]);
    if (module < 0 || equals == NULL)
        return err_set(err, ERR_CONFIG, "\"%.*s\" is not of the form module=level; modules are %s",
                       (int)item.n, item.p, known);
    levels[module] = find_word(level_words, LEVELS, (struct str){equals + 1, item.n - name_n - 1});
    if (levels[module] < 0)
        return err_set(err, ERR_CONFIG, "\"%.*s\": the level is error, warning, info or debug",
                       (int)item.n, item.p);
    return 0;
}

int log_set_modules(const char *list, bool apply, struct err *err)
{
    int levels[MODULES];
    bool differ = false;

    for (int i = 0; i < MODULES; i++)
        levels[i] = -1;
    for (const char *p = list; *p != '\0';) {
        size_t n = strcspn(p, ", ");
        if (n > 0 && read_module((struct str){p, n}, levels, err) < 0)
            return -1;
        differ = differ || n > 0;
        p += n + (p[n] != '\0');
    }
    if (!apply)
        return 0;
    (void)pthread_mutex_lock(&lock);
    memcpy(module_levels, levels, sizeof(levels));
    modules_differ = differ;
    publish_level();
    (void)pthread_mutex_unlock(&lock);
    return 0;
}

/* With the lock held. */
static bool wanted(enum log_level level, const char *module)
{
    int most = level_of_all;

    for (int i = 0; modules_differ && i < MODULES; i++)
        if (module_levels[i] >= 0 && strcmp(modules[i], module) == 0)
            most = module_levels[i];
    return (int)level <= most;
}

/* systemd says in JOURNAL_STREAM which file its stream is, as device:inode. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char here[64];
    struct stat st;

    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
        return false;
    (void)snprintf(here, sizeof(here), "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    return strcmp(stream, here) == 0;
}

void log_set_format(enum log_format format)
{
    if (format == LOG_FORMAT_AUTO)
        format = stderr_is_journal() ? LOG_FORMAT_JOURNALD : LOG_FORMAT_TEXT;
    (void)pthread_mutex_lock(&lock);
    log_format = format;
    (void)pthread_mutex_unlock(&lock);
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
    char text[LOG_LINE_MAX], line[LOG_LINE_MAX + LOG_LINE_TAIL - 1];
    const struct log_record record = {.wall_ms = clock_wall_ms(),
                                      .level = level,
                                      .module = module,
                                      .text = text,
                                      .swallowed = swallowed};
    int n = vsnprintf(text, sizeof(text), fmt, ap);

    if (n < 0)
        return;
    if ((size_t)n >= sizeof(text))
        memcpy(text + sizeof(text) - 4, "...", 4);
    size_t line_n = log_line(line, sizeof(line), log_format, &record);
    if (log_hook.erase != NULL)
        log_hook.erase(log_hook.owner);
    write_all(log_fd, line, line_n);
    if (log_hook.redraw != NULL)
        log_hook.redraw(log_hook.owner);
}

void log_write(enum log_level level, const char *module, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)pthread_mutex_lock(&lock);
    if (wanted(level, module))
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
    if (wanted(level, module) && limit_pass(limit, &swallowed))
        write_line(level, module, swallowed, fmt, ap);
    (void)pthread_mutex_unlock(&lock);
    va_end(ap);
}
