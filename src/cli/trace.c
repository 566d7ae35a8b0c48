/* trace: one relay followed on the running daemon, line by line, until it is interrupted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"

enum { CHUNK_SIZE = 16384 };

struct output {
    bool line_begins;
};

/* Each line gets the time at which it came. */
static void print(struct output *o, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (o->line_begins) {
            struct timespec now;
            struct tm tm;
            char stamp[16] = "";
            (void)clock_gettime(CLOCK_REALTIME, &now);
            if (localtime_r(&now.tv_sec, &tm) != NULL)
                (void)strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm);
            (void)printf("%s.%03ld ", stamp, now.tv_nsec / 1000000);
        }
        (void)putchar(p[i]);
        o->line_begins = p[i] == '\n';
    }
    (void)fflush(stdout);
}

int command_trace(const struct command *c)
{
    static const char refusal[] = "error: ";
    char question[CONFIG_TEXT_SIZE + 16], chunk[CHUNK_SIZE];
    struct output out = {.line_begins = true};
    struct err err;
    bool first = true;
    ssize_t n;

    if (c->argc != 1) {
        (void)fputs("usage: bigbrotr trace URL\n", stderr);
        return COMMAND_USAGE;
    }
    (void)snprintf(question, sizeof(question), "trace %.1000s", c->argv[0]);
    int fd = daemon_ask(c->cfg, question, &err);
    if (fd < 0)
        return command_fail(&err);
    (void)fprintf(stderr, "following %s; Ctrl-C ends it\n", c->argv[0]);
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        if (first && (size_t)n >= sizeof(refusal) - 1 &&
            memcmp(chunk, refusal, sizeof(refusal) - 1) == 0) {
            (void)fprintf(stderr, "bigbrotr: %.*s", (int)(n - (ssize_t)sizeof(refusal) + 1),
                          chunk + sizeof(refusal) - 1);
            (void)close(fd);
            return COMMAND_FAILED;
        }
        first = false;
        print(&out, chunk, (size_t)n);
    }
    (void)close(fd);
    (void)fputs("the daemon has ended\n", stderr);
    return COMMAND_DONE;
}
