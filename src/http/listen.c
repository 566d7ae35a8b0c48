/* listen: see listen.h. */
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char unix_prefix[] = "unix:";

static int wrong(const char *text, struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "\"%s\" is no address to listen on; write 127.0.0.1:9464, [::1]:9464 or "
                   "unix:/path/to/socket",
                   text);
}

static int parse_unix(const char *text, struct listen_address *a, struct err *err)
{
    const char *path = text + sizeof(unix_prefix) - 1;
    struct sockaddr_un un;

    if (path[0] != '/')
        return wrong(text, err);
    if (strlen(path) >= sizeof(un.sun_path))
        return err_set(err, ERR_CONFIG, "the path of a unix socket has at most %zu bytes: %s",
                       sizeof(un.sun_path) - 1, path);
    a->unix_socket = a->loopback = true;
    (void)snprintf(a->path, sizeof(a->path), "%s", path);
    return 0;
}

/* The port behind the last colon, and what stands in front of it without brackets. */
static int split(const char *text, struct listen_address *a)
{
    const char *colon = strrchr(text, ':');
    char *end;

    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return -1;
    unsigned long port = strtoul(colon + 1, &end, 10);
    size_t n = (size_t)(colon - text);
    bool brackets = text[0] == '[';

    if (*end != '\0' || port > UINT16_MAX)
        return -1;
    if (brackets && (n < 2 || text[n - 1] != ']'))
        return -1;
    if (brackets) {
        text++;
        n -= 2;
    }
    if (n == 0 || n >= sizeof(a->host))
        return -1;
    memcpy(a->host, text, n);
    a->host[n] = '\0';
    a->port = (uint16_t)port;
    return brackets == (strchr(a->host, ':') != NULL) ? 0 : -1;
}

int listen_parse(const char *text, struct listen_address *a, struct err *err)
{
    struct in_addr v4;
    struct in6_addr v6;

    *a = (struct listen_address){0};
    if (strncmp(text, unix_prefix, sizeof(unix_prefix) - 1) == 0)
        return parse_unix(text, a, err);
    if (split(text, a) < 0)
        return wrong(text, err);
    if (inet_pton(AF_INET, a->host, &v4) == 1)
        a->loopback = ntohl(v4.s_addr) >> 24 == 127;
    else if (inet_pton(AF_INET6, a->host, &v6) == 1)
        a->loopback = IN6_IS_ADDR_LOOPBACK(&v6);
    else
        return wrong(text, err);
    return 0;
}

static int fail(int fd, const struct listen_address *a, struct err *err)
{
    int why = errno;

    if (fd >= 0)
        (void)close(fd);
    if (!a->unix_socket && why == EADDRINUSE)
        return err_set(err, ERR_CONFIG,
                       "cannot listen on %s port %u: another program does; "
                       "`ss -ltnp 'sport = :%u'` says which",
                       a->host, (unsigned)a->port, (unsigned)a->port);
    if (!a->unix_socket)
        return err_set(err, ERR_CONFIG, "cannot listen on %s port %u: %s", a->host,
                       (unsigned)a->port, strerror(why));
    return err_set(err, ERR_CONFIG, "cannot listen on %s: %s", a->path, strerror(why));
}

bool listen_answers(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(path);

    if (n >= sizeof(un.sun_path))
        return false;
    memcpy(un.sun_path, path, n + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* EAGAIN: somebody listens, who has not taken those that came before us */
    bool yes =
        fd >= 0 && (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 || errno == EAGAIN);

    if (fd >= 0)
        (void)close(fd);
    return yes;
}

/* What a dead daemon left is taken away; nothing else is. */
static int clear(const char *path, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return 0; /* if something else is wrong with it, bind() says what */
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_CONFIG,
                       "cannot listen on %s: that is a file or folder, not a socket; choose "
                       "another path, or remove it",
                       path);
    if (listen_answers(path))
        return err_set(err, ERR_CONFIG, "cannot listen on %s: another program does", path);
    if (unlink(path) < 0)
        return err_set(err, ERR_CONFIG, "cannot listen on %s: the old socket cannot be removed: %s",
                       path, strerror(errno));
    return 0;
}

static int open_unix(const struct listen_address *a, struct err *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return fail(fd, a, err);
    memcpy(un.sun_path, a->path, strlen(a->path) + 1);
    if (clear(a->path, err) < 0) {
        (void)close(fd);
        return -1;
    }
    mode_t before = umask(0117);
    int rc = bind(fd, (const struct sockaddr *)&un, sizeof(un));
    (void)umask(before);
    if (rc < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        return fail(fd, a, err);
    return fd;
}

int listen_open(const struct listen_address *a, struct err *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    bool is_v6 = strchr(a->host, ':') != NULL;
    const int one = 1;
    int fd;

    if (a->unix_socket)
        return open_unix(a, err);
    fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        return fail(fd, a, err);
    if (is_v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
        return fail(fd, a, err);
    (void)inet_pton(AF_INET, a->host, &v4.sin_addr);
    (void)inet_pton(AF_INET6, a->host, &v6.sin6_addr);
    const struct sockaddr *address = is_v6 ? (const void *)&v6 : (const void *)&v4;
    if (bind(fd, address, is_v6 ? sizeof(v6) : sizeof(v4)) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        return fail(fd, a, err);
    return fd;
}
