/* notify: see notify.h.  libsystemd would bring a dozen libraries for one datagram. */
#include "loop/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { NOTIFY_TEXT_MAX = 512 };

static int notify_fd = -1;

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = path != NULL ? strlen(path) : 0;

    if (n < 2 || n >= sizeof(un.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(un.sun_path, path, n);
    if (path[0] == '@')
        un.sun_path[0] = '\0'; /* an abstract socket */
    (void)unsetenv("NOTIFY_SOCKET");
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify_fd >= 0 && connect(notify_fd, (const struct sockaddr *)&un,
                                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0) {
        (void)close(notify_fd);
        notify_fd = -1;
    }
}

void notify_send(const char *fmt, ...)
{
    char text[NOTIFY_TEXT_MAX];
    va_list ap;

    if (notify_fd < 0)
        return;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n > 0)
        (void)!send(notify_fd, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1,
                    MSG_NOSIGNAL);
}
