/* ask: a question to the running daemon, by way of its control socket (http/control.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/command.h"

enum { ANSWER_BYTES_MAX = 1024 * 1024, ANSWER_DEPTH_MAX = 16, ANSWER_S = 10 };

static int connect_control(const struct config *cfg, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char dir[CONFIG_TEXT_SIZE];
    int fd, n;

    if (archive_state_dir(cfg, dir, sizeof(dir), err) < 0)
        return -1;
    n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control.sock", dir);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (n < 0 || (size_t)n >= sizeof(addr.sun_path) || fd < 0 ||
        connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        (void)err_set(err, ERR_NOT_RUNNING,
                      errno == EACCES
                          ? "the daemon on %s/control.sock belongs to another user (%s): put sudo "
                            "in front"
                          : "no daemon answers on %s/control.sock (%s): start one with bigbrotrd",
                      dir, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    return fd;
}

struct js *daemon_ask_json(const struct config *cfg, const char *question, struct err *err)
{
    const struct timeval patience = {.tv_sec = ANSWER_S};
    struct buf answer;
    struct js *json = NULL;
    ssize_t n = 1;
    int fd = daemon_ask(cfg, question, err);

    if (fd < 0)
        return NULL;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    buf_init(&answer, ANSWER_BYTES_MAX);
    while (n > 0) {
        char *room = buf_reserve(&answer, 65536);
        if (room == NULL)
            break;
        n = read(fd, room, 65536);
        buf_added(&answer, n > 0 ? (size_t)n : 0);
    }
    (void)close(fd);
    if (n < 0 || buf_str(&answer).n == 0)
        (void)err_set(err, ERR_NOT_RUNNING, "the daemon did not answer: its log says more");
    else
        json = js_parse(buf_str(&answer), ANSWER_BYTES_MAX, ANSWER_DEPTH_MAX, err);
    buf_done(&answer);
    return json;
}

int daemon_ask(const struct config *cfg, const char *question, struct err *err)
{
    char line[2 * CONFIG_TEXT_SIZE];
    int fd = connect_control(cfg, err);
    int n = snprintf(line, sizeof(line), "%s\n", question);

    if (fd < 0)
        return -1;
    if (n < 0 || (size_t)n >= sizeof(line) || send(fd, line, (size_t)n, MSG_NOSIGNAL) != n) {
        (void)close(fd);
        return err_set(err, ERR_NOT_RUNNING,
                       "the daemon did not take the question: its log says more");
    }
    return fd;
}
