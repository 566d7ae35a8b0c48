/* How to reach the private database of a state directory: for the daemon that runs it, and for
 * people's commands. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "db/cluster.h"

int cluster_log_path(const char *dir, const char *data, char *to, size_t size, struct err *err)
{
    char path[PATH_MAX];
    uint64_t identifier = 0;
    FILE *f;

    if (strpbrk(dir, "'%\\\n") != NULL || dir[0] != '/')
        return err_set(
            err, ERR_CONFIG,
            "[backup] dir must be an absolute path without quotes, backslashes and %%: %s", dir);
    /* The first eight bytes of it, since ever (pg_control.h). */
    (void)snprintf(path, sizeof(path), "%s/global/pg_control", data);
    f = fopen(path, "re");
    if (f == NULL || fread(&identifier, sizeof(identifier), 1, f) != 1)
        identifier = 0;
    if (f != NULL)
        (void)fclose(f);
    if (identifier == 0)
        return err_set(err, ERR_IO, "%s cannot be read", path);
    if (snprintf(to, size, "%s/wal/%" PRIu64, dir, identifier) >= (int)size)
        return err_set(err, ERR_CONFIG, "the path of [backup] dir is too long: %s", dir);
    return 0;
}

int cluster_conninfo(const char *state_dir, char *to, size_t size, struct err *err)
{
    char quoted[2 * PATH_MAX];
    size_t n = 0;

    /* The socket's name must fit into a sockaddr_un, and libpq takes a comma for a list of hosts.
     */
    if (strlen(state_dir) + sizeof("/run/.s.PGSQL.5432") > 107 || strchr(state_dir, ',') != NULL)
        return err_set(err, ERR_CONFIG,
                       "the path of state_dir is too long for a socket, or has a comma: %s",
                       state_dir);
    for (const char *p = state_dir; *p != '\0'; p++) {
        if (*p == '\'' || *p == '\\')
            quoted[n++] = '\\';
        quoted[n++] = *p;
    }
    quoted[n] = '\0';
    if (snprintf(to, size, "user=bigbrotr dbname=bigbrotr port=5432 host='%s/run'", quoted) >=
        (int)size)
        return err_set(err, ERR_CONFIG, "the path of state_dir is too long: %s", state_dir);
    return 0;
}
