/* The control socket: who follows a relay and does not read loses lines, is told how many, and
 * costs bounded memory. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/trace.h"
#include "http/control.h"

enum { RELAY = 7, LINES = 20000, LINE = 400 };

static char *no_answer(void *owner)
{
    (void)owner;
    return NULL;
}

static char *no_relay_answer(void *owner, const char *url)
{
    (void)owner;
    (void)url;
    return NULL;
}

static int32_t find(void *owner, const char *url)
{
    (void)owner;
    return strcmp(url, "wss://known.example.org") == 0 ? RELAY : -1;
}

static const struct control_ops ops = {
    .answer = no_answer, .answer_relay = no_relay_answer, .relay = find};

struct rig {
    uv_loop_t loop;
    struct control *control;
    char dir[32], path[64];
};

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct err err;

    if (r == NULL)
        return -1;
    (void)strcpy(r->dir, "/tmp/bb-control-XXXXXX");
    if (mkdtemp(r->dir) == NULL)
        return -1;
    (void)snprintf(r->path, sizeof(r->path), "%s/control.sock", r->dir);
    (void)uv_loop_init(&r->loop);
    r->control = control_open(&r->loop, r->path, &ops, r, &err);
    *state = r;
    return r->control == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    control_close(r->control);
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&r->loop);
    (void)rmdir(r->dir); /* the socket has gone */
    bool left = access(r->dir, F_OK) == 0;
    free(r);
    return rc != 0 || left ? -1 : 0;
}

static int ask(struct rig *r, const char *question)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)strcpy(un.sun_path, r->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(write(fd, question, strlen(question)), strlen(question));
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* All that comes, until nothing does for some turns of the loop, or the end. */
static char *read_all(struct rig *r, int fd, size_t *n)
{
    char *text = calloc(1, (size_t)LINES * LINE);

    assert_non_null(text);
    *n = 0;
    for (int idle = 0; idle < 10; idle++) {
        (void)uv_run(&r->loop, UV_RUN_NOWAIT);
        ssize_t more = read(fd, text + *n, (size_t)LINES * LINE - *n - 1);
        if (more > 0) {
            *n += (size_t)more;
            idle = 0;
        }
    }
    return text;
}

static void test_who_does_not_read_loses_lines(void **state)
{
    struct rig *r = *state;
    int fd = ask(r, "trace wss://known.example.org\n"), room = 0, next = 0, lost = 0;
    socklen_t size = sizeof(room);
    size_t n;

    while (trace_sinks == 0)
        (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &size), 0);
    for (int i = 0; i < LINES; i++) {
        trace(RELAY, "line %d %0300d", i, 0);
        trace(RELAY + 1, "of another relay");
        if (i % 100 == 0)
            (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    }
    char *text = read_all(r, fd, &n);
    assert_in_range(n, CONTROL_QUEUE_MAX, CONTROL_QUEUE_MAX + (size_t)room + 4096);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        int i = -1;
        assert_int_equal(sscanf(line, "line %d ", &i), 1);
        assert_int_equal(i, next++); /* what came is what was first, without a hole */
    }
    free(text);
    trace(RELAY, "again");
    text = read_all(r, fd, &n);
    assert_int_equal(sscanf(text, "(%d lines lost: read faster)\nagain\n", &lost), 1);
    assert_int_equal(lost, LINES - next);
    free(text);
    (void)close(fd);
    while (trace_sinks > 0)
        (void)uv_run(&r->loop, UV_RUN_NOWAIT);
}

static void test_what_cannot_be_answered(void **state)
{
    static const char *const questions[] = {"trace wss://nobody.example.org\n", "relay x\n",
                                            "what\n"};
    struct rig *r = *state;
    size_t n;

    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        int fd = ask(r, questions[i]);
        char *text = read_all(r, fd, &n);
        assert_memory_equal(text, "error: ", 7);
        free(text);
        (void)close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_does_not_read_loses_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_answered, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
