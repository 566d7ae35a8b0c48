/* See netns.h. */
#include "netns.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

bool netns_enter(void)
{
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    return system("{ ip link set lo up && ip route add local 11.0.0.0/8 dev lo &&"
                  "  ip -6 route add local 2a0f:1234::/48 dev lo &&"
                  "  ip -6 route add local 64:ff9b::/96 dev lo &&"
                  "  ip link add c0 type veth peer name c1 && ip link set c0 up && ip link set c1 "
                  "up &&"
                  "  ip route add 12.0.0.0/8 dev c0 && ip -6 route add 2a0f:dead::/48 dev c0; } "
                  ">/dev/null 2>&1") == 0;
}

bool netns_hosts(const char *lines)
{
    char file[] = "/tmp/test_hosts.XXXXXX";
    int fd = mkstemp(file);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

    if (f == NULL)
        return false;
    fprintf(f, "127.0.0.1 localhost\n%s", lines);
    fclose(f);

    bool ok = chmod(file, 0644) == 0 && mount(file, "/etc/hosts", NULL, MS_BIND, NULL) == 0;

    unlink(file);
    return ok;
}
