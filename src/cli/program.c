/* program: see program.h. */
#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 32, NOT_THERE = 127 };

static void become(const char *const argv[], pid_t parent)
{
    char *args[ARGS_MAX + 1] = {NULL};
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
        dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        _exit(1);
    for (int i = 0; argv[i] != NULL && i < ARGS_MAX; i++) /* exec takes no const, changes nothing */
        memcpy(&args[i], &argv[i], sizeof(args[i]));
    if (args[0] != NULL)
        (void)execvp(args[0], args);
    _exit(errno == ENOENT ? NOT_THERE : 126);
}

int program_run(const char *const argv[], struct err *err)
{
    pid_t parent = getpid(), pid = fork();
    int status;

    if (pid == 0)
        become(argv, parent);
    if (pid < 0)
        return err_set(err, ERR_IO, "cannot run %s: %s", argv[0], strerror(errno));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(err, ERR_IO, "%s: %s", argv[0], strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE)
        return err_set(err, ERR_IO, "%s is not installed: apt install postgresql-client", argv[0]);
    if (WIFSIGNALED(status))
        return err_set(err, ERR_IO, "%s was ended by signal %d", argv[0], WTERMSIG(status));
    return err_set(err, ERR_IO, "%s ended with status %d; it says why above", argv[0],
                   WEXITSTATUS(status));
}

int program_become_owner(const char *path, struct err *err)
{
    const struct passwd *user;
    struct stat st;

    if (geteuid() != 0)
        return 0;
    if (stat(path, &st) < 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    user = getpwuid(st.st_uid);
    if (user == NULL || st.st_uid == 0)
        return err_set(err, ERR_CONFIG, "%s must belong to the user that the daemon runs as", path);
    if (initgroups(user->pw_name, user->pw_gid) < 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
        setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
        return err_set(err, ERR_IO, "cannot become %s: %s", user->pw_name, strerror(errno));
    return 0;
}
