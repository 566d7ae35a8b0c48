/* service: see service.h. */
#include "cli/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/buf.h"

enum { SERVICE_BYTES_MAX = 65536 };

/* One line of a service file; they have no quoting, and end at the end of the line. */
static void put_part(void *owner, const char *key, const char *value)
{
    static const char *const ours[] = {"options", "service", "servicefile", NULL};

    for (int i = 0; ours[i] != NULL; i++)
        if (strcmp(key, ours[i]) == 0)
            return;
    if (strpbrk(value, "\r\n") == NULL)
        buf_printf(owner, "%s=%s\n", key, value);
}

int service_give(const struct command *c, struct err *err)
{
    char conninfo[CONFIG_TEXT_SIZE * 2];
    const char *password = config_secret(c->cfg, "database", "password");
    struct buf text;
    char path[64];
    int fd, rc;

    if (archive_conninfo(c->cfg, conninfo, sizeof(conninfo), err) < 0)
        return -1;
    fd = memfd_create("bigbrotr", 0); /* the program that is run inherits it */
    buf_init(&text, SERVICE_BYTES_MAX);
    buf_printf(&text, "[bigbrotr]\n");
    if (password != NULL)
        put_part(&text, "password", password); /* the first of two counts */
    rc = conn_parts(conninfo, put_part, &text, err);
    struct str s = buf_str(&text);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (rc == 0 &&
        (fd < 0 || write(fd, s.p, s.n) != (ssize_t)s.n || setenv("PGSERVICEFILE", path, 1) != 0))
        rc = err_set(err, ERR_IO, "%s", strerror(errno));
    buf_done(&text);
    return rc;
}
