/* daemon_user: the state directory, and who we are on this machine.
 *
 * As root the daemon becomes the user that [daemon] user names, which is made when it is missing;
 * PostgreSQL would not run as root, and nothing here needs it. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "daemon/daemon.h"

static int make_user(const char *name, struct err *err)
{
    pid_t pid = fork();
    int status;

    if (pid < 0)
        return err_set(err, ERR_IO, "fork: %s", strerror(errno));
    if (pid == 0) {
        (void)execlp("useradd", "useradd", "--system", "--user-group", "--no-create-home",
                     "--home-dir", CONFIG_STATE_DIR_SYSTEM, "--shell", "/usr/sbin/nologin", name,
                     (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_CONFIG,
                       "the user %s does not exist and could not be made with useradd", name);
    log_info("daemon", "made the system user %s", name);
    return 0;
}

/* mkdir -p, the last one 0700. */
static int make_dirs(char *path, struct err *err)
{
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        int rc = mkdir(path, 0755);
        *p = '/';
        if (rc < 0 && errno != EEXIST)
            return err_set(err, ERR_IO,
                           "cannot make a folder above %s: %s; choose another "
                           "[daemon] state_dir",
                           path, strerror(errno));
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_IO, "cannot make %s: %s; choose another [daemon] state_dir", path,
                       strerror(errno));
    return 0;
}

static int drop_root(struct daemon *d, struct err *err)
{
    const char *name = d->cfg->daemon_user;
    struct passwd *user = getpwnam(name);

    if (user == NULL) {
        if (make_user(name, err) < 0)
            return -1;
        user = getpwnam(name);
    }
    if (user == NULL || user->pw_uid == 0)
        return err_set(err, ERR_CONFIG, "[daemon] user %s cannot be used", name);
    if (chown(d->state_dir, user->pw_uid, user->pw_gid) < 0)
        return err_set(err, ERR_IO, "cannot give %s to %s: %s", d->state_dir, name,
                       strerror(errno));
    if (initgroups(user->pw_name, user->pw_gid) < 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
        return err_set(err, ERR_IO, "cannot become %s: %s", name, strerror(errno));
    if (setuid(0) == 0)
        return err_set(err, ERR_IO, "root could be regained after it was dropped");
    (void)setenv("HOME", d->state_dir, 1);
    (void)setenv("USER", user->pw_name, 1);
    log_info("daemon", "running as %s", name);
    return 0;
}

int user_prepare(struct daemon *d, struct err *err)
{
    struct rlimit limit;

    if (config_state_dir(d->cfg, environ, geteuid() == 0, d->state_dir, sizeof(d->state_dir), err) <
            0 ||
        make_dirs(d->state_dir, err) < 0)
        return -1;
    if (geteuid() == 0 && drop_root(d, err) < 0)
        return -1;
    if (access(d->state_dir, R_OK | W_OK | X_OK) < 0)
        return err_set(
            err, ERR_IO,
            "%s cannot be used: %s. Give it to this user, or choose another [daemon] state_dir",
            d->state_dir, strerror(errno));
    (void)umask(0077);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    /* Thousands of connections: as many files as we may have. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (config_secret(d->cfg, "identity", "secret_key") != NULL) {
        const struct rlimit none = {0, 0};
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        (void)setrlimit(RLIMIT_CORE, &none);
    }
    return 0;
}
