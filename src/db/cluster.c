/* The private PostgreSQL.  cluster_step() is the life of it, from top to bottom; a timer and the
 * ends of children call it. */
#include "db/cluster.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/str.h"
#include "db/cluster_child.h"

enum {
    TICK_MS = 20,       /* while something is about to happen */
    OLD_WAIT_MS = 3000, /* for servers of a daemon that died, before they are told */
    OLD_KILL_MS = 8000, /* .. and killed */
    BACKOFF_MIN_MS = 200,
    BACKOFF_MAX_MS = 10000,
    TRIES_MAX = 5, /* starts that fail before the first that succeeds */
    LOG_BYTES_MAX = 1 << 20,
    SERVERS_MAX = 64,
    ARGS_MAX = 128
};

enum cluster_state {
    CLUSTER_START,    /* nothing done yet */
    CLUSTER_OLD,      /* servers of an earlier daemon are still there */
    CLUSTER_INITDB,   /* initdb runs */
    CLUSTER_CREATEDB, /* postgres --single runs */
    CLUSTER_WAITING,  /* for the next try */
    CLUSTER_STARTING, /* postgres runs and does not accept connections yet */
    CLUSTER_READY,
    CLUSTER_STOPPING,
    CLUSTER_STOPPED,
    CLUSTER_FAILED,
    CLUSTER_CLOSED
};

struct cluster {
    const struct cluster_ops *ops;
    void *owner;
    enum cluster_state state;
    char root[PATH_MAX], data[PATH_MAX + 16], fresh[PATH_MAX + 16], run[PATH_MAX + 16],
        log[PATH_MAX + 16];
    char conninfo[2 * PATH_MAX], bin_dir[PATH_MAX], bin_option[PATH_MAX];
    char log_dir[PATH_MAX]; /* [backup] dir; "": its log is not kept */
    int lock_fd;

    pid_t child; /* 0: none */
    int child_status;
    bool child_ended;

    uv_timer_t tick;
    uv_signal_t sigchld;
    uv_pipe_t out; /* what the children print */
    int out_fd;    /* the children's end of it */
    char out_bytes[8192];
    int pending;

    int log_fd;
    int64_t log_bytes;
    char line[512], trouble[ERR_DETAIL_MAX]; /* being read; the last complaint */
    size_t line_n;
    bool never_again; /* the complaint says that trying again is no use */
    bool wait_for_disk, recovering, told_starting;

    int64_t since_ms; /* start of the state */
    uint32_t backoff_ms, tries;
    bool ever_ready, told_to_quit;
    int64_t stop_within_ms; /* cluster_stop() */
    struct err err;
};

static void on_tick(uv_timer_t *timer);

/* ---- what the children print ---- */

static void log_open(struct cluster *c)
{
    struct stat st;

    c->log_fd = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    c->log_bytes = c->log_fd >= 0 && fstat(c->log_fd, &st) == 0 ? st.st_size : 0;
}

static void log_bytes(struct cluster *c, const char *p, size_t n)
{
    char old[PATH_MAX + 32];

    if (c->log_bytes > LOG_BYTES_MAX) {
        snprintf(old, sizeof(old), "%s.1", c->log);
        (void)rename(c->log, old);
        if (c->log_fd >= 0)
            close(c->log_fd);
        log_open(c);
    }
    if (c->log_fd >= 0 &&
        write(c->log_fd, p, n) > 0) /* a full disk loses lines of a log, nothing else */
        c->log_bytes += (int64_t)n;
}

/* What a line says about the chances. */
static void on_line(struct cluster *c, const char *line)
{
    static const char *const hopeless[] = {"incompatible with server",
                                           "invalid value for parameter",
                                           "unrecognized configuration",
                                           "has wrong ownership",
                                           "invalid permissions",
                                           "cannot be run as root",
                                           "recovery ended before configured recovery target",
                                           "control file"};
    const char *what = NULL;
    static const char *const marks[] = {
        "PANIC:  ", "FATAL:  ", "ERROR:  ", "initdb: error: ", "postgres: ", "cannot run "};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]) && !what; i++)
        what = strstr(line, marks[i]);
    if (strstr(line, "not properly shut down") || strstr(line, "redo starts at"))
        c->recovering = true;
    if (strstr(line, "No space left on device"))
        c->wait_for_disk = true;
    for (size_t i = 0; what && i < sizeof(hopeless) / sizeof(hopeless[0]); i++)
        c->never_again |= strstr(line, hopeless[i]) != NULL;
    if (what && c->state != CLUSTER_READY)
        str_escape_text(c->trouble, sizeof(c->trouble), str_z(what));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct cluster *c = stream->data;

    if (n <= 0)
        return;
    log_bytes(c, buf->base, (size_t)n);
    for (ssize_t i = 0; i < n; i++) {
        if (buf->base[i] == '\n') {
            c->line[c->line_n] = '\0';
            on_line(c, c->line);
            c->line_n = 0;
        } else if (c->line_n < sizeof(c->line) - 1) {
            c->line[c->line_n++] = buf->base[i];
        }
    }
}

static void on_output_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct cluster *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init(c->out_bytes, sizeof(c->out_bytes));
}

/* What was printed last may still be in the pipe when the child's end is noticed. */
static void drain_output(struct cluster *c)
{
    char bytes[4096];
    ssize_t n;
    uv_os_fd_t fd;
    uv_buf_t buf;

    if (uv_fileno((uv_handle_t *)&c->out, &fd) != 0)
        return;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
        buf = uv_buf_init(bytes, (unsigned)n);
        on_output((uv_stream_t *)&c->out, n, &buf);
    }
}

/* ---- the steps ---- */

static void enter(struct cluster *c, enum cluster_state state)
{
    c->state = state;
    c->since_ms = clock_mono_ms();
    if (state == CLUSTER_READY || state == CLUSTER_STOPPED || state == CLUSTER_FAILED)
        uv_timer_stop(&c->tick);
    else
        uv_timer_start(&c->tick, on_tick, TICK_MS, TICK_MS);
}

static bool spawn(struct cluster *c, const char *const argv[], int death_signal, const char *input)
{
    pid_t pid = child_spawn(argv, c->out_fd, death_signal, input, &c->err);

    c->child_ended = false;
    c->trouble[0] = '\0';
    c->never_again = c->wait_for_disk = c->recovering = c->told_starting = false;
    c->child = pid > 0 ? pid : 0;
    return pid > 0;
}

static void fail(struct cluster *c)
{
    enter(c, CLUSTER_FAILED);
    c->ops->on_failed(c->owner, &c->err);
}

static void progress(struct cluster *c, const char *what)
{
    if (c->ops->on_progress)
        c->ops->on_progress(c->owner, what);
}

static bool make_directory(struct cluster *c, const char *path)
{
    struct stat st;

    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        err_set(&c->err, ERR_IO, "cannot make %s: %s", path, strerror(errno));
        return false;
    }
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
        err_set(&c->err, ERR_CONFIG, "%s does not belong to the user that the daemon runs as",
                path);
        return false;
    }
    chmod(path, 0700);
    return true;
}

/* All that can be wrong before anything is started. */
static bool prepare(struct cluster *c)
{
    char lock[PATH_MAX + 32];

    if (geteuid() == 0) {
        err_set(&c->err, ERR_CONFIG,
                "PostgreSQL refuses to run as root: start the daemon as another user");
        return false;
    }
    if (cluster_conninfo(c->root, c->conninfo, sizeof(c->conninfo), &c->err) < 0)
        return false;
    if (!make_directory(c, c->root) || !make_directory(c, c->run))
        return false;
    snprintf(lock, sizeof(lock), "%s/cluster.lock", c->root);
    c->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->lock_fd < 0 || flock(c->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        err_set(&c->err, ERR_CONFIG, "another daemon uses %s", c->root);
        return false;
    }
    log_open(c);
    return child_find_bin(c->bin_option, child_data_version(c->data), c->bin_dir,
                          sizeof(c->bin_dir), &c->err) == 0;
}

/* Servers of a daemon that was killed got SIGQUIT from the kernel and are on their way.  True:
 * nobody is left. */
static bool old_gone(struct cluster *c)
{
    pid_t pids[SERVERS_MAX];
    size_t n = child_find_servers(c->data, pids, SERVERS_MAX);
    int64_t waited = clock_mono_ms() - c->since_ms;

    if (n == 0)
        return true;
    if (waited >= OLD_KILL_MS || (waited >= OLD_WAIT_MS && !c->told_to_quit)) {
        for (size_t i = 0; i < n; i++)
            kill(pids[i], waited >= OLD_KILL_MS ? SIGKILL : SIGQUIT);
        c->told_to_quit = true;
    }
    return false;
}

static void start_initdb(struct cluster *c)
{
    char initdb[PATH_MAX + 16];
    const char *argv[] = {initdb,
                          "-D",
                          c->fresh,
                          "-U",
                          "bigbrotr",
                          "--auth-local=trust",
                          "--auth-host=reject",
                          "-k",
                          "-E",
                          "UTF8",
                          "--locale=C.UTF-8",
                          "--lc-collate=C",
                          "--no-instructions",
                          NULL};

    snprintf(initdb, sizeof(initdb), "%s/initdb", c->bin_dir);
    child_remove_tree(c->fresh); /* of an initdb that was interrupted */
    progress(c, "making the database");
    if (!spawn(c, argv, SIGKILL, NULL)) {
        fail(c);
        return;
    }
    enter(c, CLUSTER_INITDB);
}

static void start_createdb(struct cluster *c)
{
    char postgres[PATH_MAX + 16];
    const char *argv[] = {postgres, "--single", "-D", c->fresh, "postgres", NULL};

    snprintf(postgres, sizeof(postgres), "%s/postgres", c->bin_dir);
    if (!spawn(c, argv, SIGKILL, "CREATE DATABASE bigbrotr\n")) {
        fail(c);
        return;
    }
    enter(c, CLUSTER_CREATEDB);
}

/* Room for the log, and how PostgreSQL puts a piece there: whole or not at all, and on the disk
 * before it is said to be there.  Put there already (before a crash) is well, too. */
static bool keep_log(struct cluster *c, char *to, size_t size)
{
    char path[PATH_MAX];

    if (cluster_log_path(c->log_dir, c->data, path, sizeof(path), &c->err) < 0)
        return false;
    for (char *p = path + strlen(c->log_dir); p != NULL; p = strchr(p + 1, '/')) {
        char end = *p;

        *p = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            err_set(&c->err, ERR_CONFIG, "[backup] dir: cannot make %s: %s", path, strerror(errno));
            return false;
        }
        *p = end;
    }
    if ((mkdir(path, 0700) != 0 && errno != EEXIST) || access(path, W_OK | X_OK) != 0) {
        err_set(&c->err, ERR_CONFIG, "[backup] dir: cannot write to %s: %s", path, strerror(errno));
        return false;
    }
    (void)snprintf(
        to, size,
        "archive_command=f='%s/%%f.gz'; test -f \"$f\" || { gzip -1 <'%%p' >\"$f.part\" && "
        "sync \"$f.part\" && mv \"$f.part\" \"$f\" && sync '%s'; }",
        path, path);
    return true;
}

static void start_server(struct cluster *c)
{
    static char log_command[3 * PATH_MAX];
    static char arguments[ARGS_MAX][128];
    char postgres[PATH_MAX + 16], sockets[PATH_MAX + 64];
    const char *argv[2 * ARGS_MAX];
    const struct cluster_setting *settings;
    uint32_t settings_n;
    int n = 0;

    cluster_settings_for(child_data_version(c->data));
    settings = cluster_settings(&settings_n);
    assert(settings_n < ARGS_MAX - 8);
    snprintf(postgres, sizeof(postgres), "%s/postgres", c->bin_dir);
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", c->run);
    argv[n++] = postgres, argv[n++] = "-D", argv[n++] = c->data;
    argv[n++] = "-c", argv[n++] = sockets;
    argv[n++] = "-c", argv[n++] = "port=5432";
    for (uint32_t i = 0; i < settings_n; i++) {
        snprintf(arguments[i], sizeof(arguments[i]), "%s=%s", settings[i].name, settings[i].value);
        argv[n++] = "-c", argv[n++] = arguments[i];
    }
    if (c->log_dir[0] != '\0') {
        if (!keep_log(c, log_command, sizeof(log_command))) {
            fail(c);
            return;
        }
        argv[n++] = "-c", argv[n++] = "archive_mode=on";
        argv[n++] = "-c", argv[n++] = "archive_timeout=60";
        argv[n++] = "-c", argv[n++] = log_command;
    }
    argv[n] = NULL;
    child_remove_stale_lock(c->data);
    progress(c, "starting the database");
    if (!spawn(c, argv, SIGQUIT, NULL)) {
        fail(c);
        return;
    }
    enter(c, CLUSTER_STARTING);
}

static void retry_later(struct cluster *c)
{
    enter(c, CLUSTER_WAITING);
    uv_timer_start(&c->tick, on_tick, c->backoff_ms, 0);
    c->backoff_ms = c->backoff_ms * 2 < BACKOFF_MAX_MS ? c->backoff_ms * 2 : BACKOFF_MAX_MS;
}

/* The server ended and was not told to. */
static void server_died(struct cluster *c, bool was_ready)
{
    char how[64];

    if (WIFSIGNALED(c->child_status))
        snprintf(how, sizeof(how), "it was ended by signal %d", WTERMSIG(c->child_status));
    else
        snprintf(how, sizeof(how), "it ended with status %d", WEXITSTATUS(c->child_status));
    err_set(&c->err, c->wait_for_disk ? ERR_DISK_FULL : ERR_DB_AWAY, "%s",
            c->trouble[0] ? c->trouble : how);
    if (was_ready) {
        c->backoff_ms = BACKOFF_MIN_MS;
        c->tries = 0;
    }
    if (c->never_again || (!c->ever_ready && !c->wait_for_disk && ++c->tries >= TRIES_MAX)) {
        err_set(&c->err, ERR_CONFIG, "PostgreSQL does not start: %.100s (more in %.60s)",
                c->trouble[0] ? c->trouble : how, c->log);
        fail(c);
        return;
    }
    retry_later(c);
    c->ops->on_down(c->owner, &c->err);
}

static void made(struct cluster *c)
{
    int fd;

    if (rename(c->fresh, c->data) != 0) {
        err_set(&c->err, ERR_IO, "cannot rename %.80s: %s", c->fresh, strerror(errno));
        fail(c);
        return;
    }
    fd = open(c->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    start_server(c);
}

static void making_ended(struct cluster *c)
{
    bool good =
        WIFEXITED(c->child_status) && WEXITSTATUS(c->child_status) == 0 && c->trouble[0] == '\0';

    if (good && c->state == CLUSTER_INITDB) {
        start_createdb(c);
    } else if (good) {
        made(c);
    } else {
        err_set(&c->err, c->wait_for_disk ? ERR_DISK_FULL : ERR_IO,
                "the database could not be made: %.140s",
                c->trouble[0] ? c->trouble : "see postgres.log");
        fail(c);
    }
}

static void stopping(struct cluster *c)
{
    int64_t waited = clock_mono_ms() - c->since_ms;
    pid_t pids[SERVERS_MAX];
    size_t left;

    if (c->child == 0) {
        /* Of a postmaster that was killed some may still be on their way. */
        left = child_find_servers(c->data, pids, SERVERS_MAX);
        for (size_t i = 0; i < left && c->lock_fd >= 0; i++)
            kill(pids[i], waited >= c->stop_within_ms ? SIGKILL : SIGQUIT);
        if (left > 0 && c->lock_fd >= 0)
            return;
        enter(c, CLUSTER_STOPPED);
        c->ops->on_stopped(c->owner);
    } else if (waited >= c->stop_within_ms) {
        kill(c->child, SIGKILL);
    } else if (waited >= c->stop_within_ms / 10 * 7 && !c->told_to_quit) {
        kill(c->child, SIGQUIT);
        c->told_to_quit = true;
    }
}

static void look_for_child(struct cluster *c)
{
    if (c->child > 0 && waitpid(c->child, &c->child_status, WNOHANG) == c->child) {
        drain_output(c);
        c->child = 0;
        c->child_ended = true;
    }
}

/* The only place where the state changes but for cluster_stop(). */
static void cluster_step(struct cluster *c)
{
    bool ended;

    look_for_child(c);
    ended = c->child_ended;
    c->child_ended = false;
    switch (c->state) {
    case CLUSTER_START:
        if (!prepare(c))
            fail(c);
        else
            enter(c, CLUSTER_OLD);
        return;
    case CLUSTER_OLD:
        if (!old_gone(c))
            return;
        c->told_to_quit = false;
        if (child_data_version(c->data) == 0)
            start_initdb(c);
        else
            start_server(c);
        return;
    case CLUSTER_INITDB:
    case CLUSTER_CREATEDB:
        if (ended)
            making_ended(c);
        return;
    case CLUSTER_WAITING: /* a server that was killed may have left processes behind */
        enter(c, CLUSTER_OLD);
        return;
    case CLUSTER_STARTING:
        if (ended) {
            server_died(c, false);
        } else if (child_server_ready(c->data, c->child)) {
            c->ever_ready = true;
            enter(c, CLUSTER_READY);
            c->ops->on_ready(c->owner, c->conninfo);
        } else if (c->recovering && !c->told_starting) {
            c->told_starting = true;
            progress(c, "recovering the database after an unclean stop");
        }
        return;
    case CLUSTER_READY:
        if (ended)
            server_died(c, true);
        return;
    case CLUSTER_STOPPING:
        stopping(c);
        return;
    case CLUSTER_STOPPED:
    case CLUSTER_FAILED:
    case CLUSTER_CLOSED:
        return;
    }
}

/* ---- callbacks: no decisions below ---- */

static void on_tick(uv_timer_t *timer)
{
    cluster_step(timer->data);
}

static void on_sigchld(uv_signal_t *handle, int signum)
{
    struct cluster *c = handle->data;

    (void)signum;
    if (c->child == 0)
        return;
    look_for_child(c);
    if (c->child_ended)
        cluster_step(c);
}

/* ---- the owner's side ---- */

struct cluster *cluster_open(uv_loop_t *loop, const struct cluster_options *options,
                             const struct cluster_ops *ops, void *owner)
{
    struct cluster *c = calloc(1, sizeof(*c));
    int fds[2];

    assert(c && options->state_dir && ops->on_ready && ops->on_down && ops->on_failed &&
           ops->on_stopped);
    c->ops = ops;
    c->owner = owner;
    c->lock_fd = c->log_fd = -1;
    c->backoff_ms = BACKOFF_MIN_MS;
    mkdir(options->state_dir, 0700); /* so that it has a real path; prepare() looks at it closely */
    if (!realpath(options->state_dir, c->root))
        str_copy(c->root, sizeof(c->root), str_z(options->state_dir));
    str_copy(c->bin_option, sizeof(c->bin_option), str_z(options->bin_dir));
    if (options->log_dir)
        str_copy(c->log_dir, sizeof(c->log_dir), str_z(options->log_dir));
    snprintf(c->data, sizeof(c->data), "%s/postgres", c->root);
    snprintf(c->fresh, sizeof(c->fresh), "%s/postgres.new", c->root);
    snprintf(c->run, sizeof(c->run), "%s/run", c->root);
    snprintf(c->log, sizeof(c->log), "%s/postgres.log", c->root);

    int rc = pipe2(fds, O_CLOEXEC);

    assert(rc == 0);
    c->out_fd = fds[1];
    uv_pipe_init(loop, &c->out, 0);
    c->out.data = c;
    rc = uv_pipe_open(&c->out, fds[0]);
    assert(rc == 0);
    uv_read_start((uv_stream_t *)&c->out, on_output_alloc, on_output);
    uv_signal_init(loop, &c->sigchld);
    c->sigchld.data = c;
    uv_signal_start(&c->sigchld, on_sigchld, SIGCHLD);
    uv_timer_init(loop, &c->tick);
    c->tick.data = c;
    c->pending = 3;
    uv_timer_start(&c->tick, on_tick, 0, TICK_MS);
    return c;
}

void cluster_stop(struct cluster *c, uint32_t within_ms)
{
    if (c->state == CLUSTER_STOPPING || c->state == CLUSTER_STOPPED || c->state == CLUSTER_FAILED ||
        c->state == CLUSTER_CLOSED)
        return;
    bool making = c->state == CLUSTER_INITDB || c->state == CLUSTER_CREATEDB;
    /* Fast: no new connections, open transactions rolled back, then a checkpoint.  initdb simply
     * ends, and all that it has started: they are of its group (child_spawn). */
    if (c->child > 0 && (!making || kill(-c->child, SIGKILL) < 0))
        kill(c->child, making ? SIGKILL : SIGINT);
    c->told_to_quit = false;
    c->stop_within_ms = within_ms;
    enter(c, CLUSTER_STOPPING);
}

static void on_closed(uv_handle_t *handle)
{
    struct cluster *c = handle->data;

    if (--c->pending == 0)
        free(c);
}

void cluster_close(struct cluster *c)
{
    assert(c->state != CLUSTER_CLOSED);
    if (c->child > 0)
        kill(c->child, SIGQUIT);
    c->state = CLUSTER_CLOSED;
    close(c->out_fd);
    if (c->log_fd >= 0)
        close(c->log_fd);
    if (c->lock_fd >= 0)
        close(c->lock_fd);
    uv_close((uv_handle_t *)&c->out, on_closed);
    uv_close((uv_handle_t *)&c->sigchld, on_closed);
    uv_close((uv_handle_t *)&c->tick, on_closed);
}
