/* How to reach the private database of a state directory: for the daemon that runs it, and for
 * people's commands. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "db/cluster.h"

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
