/* fork, exec, /proc and postmaster.pid. */
#include "db/cluster_child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/str.h"

extern char **environ;

enum { ENV_MAX = 256, VERSION_MIN = 14, VERSION_MAX = 99 };

/* ---- running ---- */

/* Between fork and exec: only what is safe there. */
static void become(char *const argv[], char *const env[], int in_fd, int out_fd, int death_signal,
                   pid_t parent)
{
    sigset_t none;

    setsid();
    prctl(PR_SET_PDEATHSIG, death_signal);
    if (getppid() != parent) /* it died before that took hold */
        _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++)
        (void)signal(s, SIG_DFL);
    if (dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(out_fd, 2) < 0)
        _exit(127);
    close_range(3, ~0U, 0);
    umask(077);
    execve(argv[0], argv, env);
    dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

pid_t child_spawn(const char *const argv[], int out_fd, int death_signal, const char *input,
                  struct err *err)
{
    char *env[ENV_MAX], *args[ENV_MAX] = {NULL};
    char locale[] = "LC_ALL=C";
    int n = 0, in[2];
    pid_t parent = getpid(), pid;

    for (char **e = environ; *e && n < ENV_MAX - 2; e++) {
        if (strncmp(*e, "PG", 2) != 0 && strncmp(*e, "LC_", 3) != 0 && strncmp(*e, "LANG", 4) != 0)
            env[n++] = *e;
    }
    env[n++] = locale;
    env[n] = NULL;
    for (int i = 0; argv[i] && i < ENV_MAX - 1; i++) /* exec takes no const, and changes nothing */
        memcpy(&args[i], &argv[i], sizeof(args[i]));
    if (pipe2(in, O_CLOEXEC) != 0)
        return err_set(err, ERR_IO, "cannot run %s: %s", argv[0], strerror(errno));
    if (input && write(in[1], input, strlen(input)) != (ssize_t)strlen(input)) {
        close(in[0]);
        close(in[1]);
        return err_set(err, ERR_IO, "cannot run %s: %s", argv[0], strerror(errno));
    }
    pid = fork();
    if (pid == 0)
        become(args, env, in[0], out_fd, death_signal, parent);
    close(in[0]);
    close(in[1]);
    if (pid < 0)
        return err_set(err, ERR_IO, "cannot run %s: %s", argv[0], strerror(errno));
    return pid;
}

/* ---- what is there already ---- */

static bool link_is(const char *path, const char *what, bool suffix)
{
    char to[PATH_MAX];
    ssize_t n = readlink(path, to, sizeof(to) - 1);

    if (n <= 0)
        return false;
    to[n] = '\0';

    struct str target = {to, (size_t)n};

    if (str_ends(target, STR(" (deleted)"))) /* the package was upgraded under a running server */
        target.n -= sizeof(" (deleted)") - 1;
    return suffix ? str_ends(target, str_z(what)) : str_eq(target, str_z(what));
}

size_t child_find_servers(const char *dir, pid_t *pids, size_t max)
{
    DIR *proc = opendir("/proc");
    size_t n = 0;

    for (struct dirent *e; proc && n < max && (e = readdir(proc)) != NULL;) {
        char path[64];
        uint64_t pid;

        if (!str_u64(str_z(e->d_name), &pid) || pid == (uint64_t)getpid())
            continue;
        snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
        if (!link_is(path, dir, false))
            continue;
        snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
        if (link_is(path, "/postgres", true))
            pids[n++] = (pid_t)pid;
    }
    if (proc)
        closedir(proc);
    return n;
}

/* Lines of DIR/postmaster.pid; empty when it is not there. */
static void read_lock_file(const char *dir, char *text, size_t size)
{
    char path[PATH_MAX];
    FILE *f;
    size_t n = 0;

    snprintf(path, sizeof(path), "%s/postmaster.pid", dir);
    f = fopen(path, "re");
    if (f) {
        n = fread(text, 1, size - 1, f);
        (void)fclose(f);
    }
    text[n] = '\0';
}

bool child_remove_stale_lock(const char *dir)
{
    char text[1024], path[PATH_MAX];
    pid_t ours[8], pid;

    read_lock_file(dir, text, sizeof(text));
    pid = (pid_t)strtol(text, NULL, 10);
    if (pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH)) /* PostgreSQL sees that by itself */
        return false;
    if (child_find_servers(dir, ours, 8) > 0)
        return false;
    snprintf(path, sizeof(path), "%s/postmaster.pid", dir);
    return unlink(path) == 0;
}

bool child_server_ready(const char *dir, pid_t pid)
{
    char text[1024];
    struct str rest, line = {NULL, 0};

    read_lock_file(dir, text, sizeof(text));
    if ((pid_t)strtol(text, NULL, 10) != pid)
        return false;
    rest = str_z(text);
    for (int i = 0; i < 8; i++) { /* the eighth line is the state, padded with spaces */
        if (!str_cut(&rest, '\n', &line))
            return false;
    }
    return str_eq(str_trim(line), STR("ready"));
}

static bool has_server(const char *dir)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/postgres", dir);
    if (access(path, X_OK) != 0)
        return false;
    snprintf(path, sizeof(path), "%s/initdb", dir);
    return access(path, X_OK) == 0;
}

static bool find_in_path(char *dir, size_t size)
{
    struct str rest = str_z(getenv("PATH")), one;

    while (str_cut(&rest, ':', &one)) {
        if (one.n > 0 && str_copy(dir, size, one) && has_server(dir))
            return true;
    }
    return false;
}

int child_find_bin(const char *configured, int wanted, char *dir, size_t size, struct err *err)
{
    if (configured && *configured) {
        str_copy(dir, size, str_z(configured));
        if (has_server(dir))
            return 0;
        return err_set(err, ERR_CONFIG, "[database] bin_dir %s holds no initdb and postgres",
                       configured);
    }
    for (int v = wanted ? wanted : VERSION_MAX; v >= (wanted ? wanted : VERSION_MIN); v--) {
        snprintf(dir, size, "/usr/lib/postgresql/%d/bin", v);
        if (has_server(dir))
            return 0;
    }
    if (find_in_path(dir, size))
        return 0;
    if (wanted)
        return err_set(err, ERR_CONFIG,
                       "the database was made by PostgreSQL %d, which is not installed: apt "
                       "install postgresql-%d",
                       wanted, wanted);
    return err_set(err, ERR_CONFIG,
                   "PostgreSQL 14 or later is not installed: apt install postgresql");
}

int child_data_version(const char *dir)
{
    char path[PATH_MAX], text[16] = "";
    FILE *f;

    snprintf(path, sizeof(path), "%s/PG_VERSION", dir);
    f = fopen(path, "re");
    if (!f)
        return 0;
    if (!fgets(text, sizeof(text), f))
        text[0] = '\0';
    (void)fclose(f);
    return (int)strtol(text, NULL, 10);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void child_remove_tree(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
