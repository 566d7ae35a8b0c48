/* restore: an archive from a backup, where none is.
 *
 *     which backup? -> is it whole? -> is there room? -> copied -> the log is replayed, by a server
 * of its own in STATE_DIR/restore -> it has ended well: renamed to STATE_DIR/postgres
 *
 * So an interrupted restore leaves nothing that a daemon would start.  A dump of another server
 * goes into an empty database by pg_restore. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/backups.h"
#include "cli/program.h"
#include "cli/service.h"
#include "cli/words.h"
#include "core/human.h"
#include "db/cluster.h"
#include "db/cluster_child.h"
#include "nostr/filter_spec.h"

enum { JOBS_MAX = 8 };

struct restore {
    const struct command *c;
    char dir[PATH_MAX / 4];    /* the folder of backups */
    char backup[PATH_MAX / 2]; /* the one that is restored */
    char logs[PATH_MAX / 2];   /* "": there are none */
    char state[CONFIG_TEXT_SIZE], root[CONFIG_TEXT_SIZE + 16], data[CONFIG_TEXT_SIZE + 32];
    int64_t until; /* -1: as far as it goes */

    uv_loop_t loop;
    struct cluster *cluster;
    bool ready, failed, stopped;
    struct err err;
};

/* ---- which one ---- */

static int choose(struct restore *r, struct err *err)
{
    char latest[BACKUP_NAME_SIZE] = "99999999T999999Z";
    struct backups all;
    size_t i;

    if (backup_is_cluster(r->dir) || backup_is_dump(r->dir) ||
        access(r->dir, R_OK) < 0) { /* a single one was named */
        char *slash = strrchr(r->dir, '/');

        if (access(r->dir, R_OK) < 0 || slash == NULL)
            return err_set(err, ERR_CONFIG, "%s cannot be read: %s", r->dir, strerror(errno));
        (void)snprintf(r->backup, sizeof(r->backup), "%s", r->dir);
        *slash = '\0';
        return 0;
    }
    if (backups_read(r->dir, &all, err) < 0) {
        backups_free(&all);
        return -1;
    }
    if (r->until >= 0)
        backup_name(r->until, latest);
    for (i = all.n; i > 0 && strcmp(all.names[i - 1], latest) > 0; i--)
        continue;
    if (i > 0)
        (void)snprintf(r->backup, sizeof(r->backup), "%s/%s", r->dir, all.names[i - 1]);
    backups_free(&all);
    return i > 0 ? 0
                 : err_set(err, ERR_CONFIG, "%s holds no finished backup%s", r->dir,
                           r->until >= 0 ? " that was made before that time" : "");
}

/* ---- the private cluster ---- */

/* The state directory, made when it is missing, and its user from here on. */
static int prepare_state(struct restore *r, struct err *err)
{
    const struct passwd *user;
    char path[CONFIG_TEXT_SIZE + 32];

    if (config_state_dir(r->c->cfg, environ, geteuid() == 0, r->state, sizeof(r->state), err) < 0)
        return -1;
    if (mkdir(r->state, 0700) == 0 && geteuid() == 0) {
        user = getpwnam(r->c->cfg->daemon_user);
        if (user == NULL || chown(r->state, user->pw_uid, user->pw_gid) < 0)
            return err_set(err, ERR_CONFIG, "%s must belong to the user %s: make that user first",
                           r->state, r->c->cfg->daemon_user);
    }
    if (program_become_owner(r->state, err) < 0)
        return -1;
    if (access(r->state, W_OK | X_OK) < 0)
        return err_set(err, ERR_IO, "%s cannot be written to: %s", r->state, strerror(errno));
    (void)umask(0077);
    (void)snprintf(path, sizeof(path), "%s/postgres", r->state);
    if (access(path, F_OK) == 0)
        return err_set(err, ERR_CONFIG,
                       "there is an archive in %s, and none is ever written over. Stop bigbrotrd, "
                       "move it away: mv %s %s.old, and say this again",
                       r->state, path, path);
    struct js *daemon = daemon_ask_json(r->c->cfg, "status", err);
    if (daemon != NULL) {
        js_free(daemon);
        return err_set(err, ERR_ALREADY_RUNNING, "bigbrotrd runs in %s: stop it first", r->state);
    }
    (void)snprintf(r->root, sizeof(r->root), "%s/restore", r->state);
    (void)snprintf(r->data, sizeof(r->data), "%s/postgres", r->root);
    child_remove_tree(r->root); /* of one that was interrupted */
    return mkdir(r->root, 0700) == 0
               ? 0
               : err_set(err, ERR_IO, "cannot make %s: %s", r->root, strerror(errno));
}

static int verify_and_copy(struct restore *r, struct err *err)
{
    char bin[PATH_MAX], verify[PATH_MAX + 32];
    const char *const check[] = {verify, "-q", r->backup, NULL};
    const char *const copy[] = {"cp", "-R", "--reflink=auto", "--", r->backup, r->data, NULL};

    if (child_find_bin(r->c->cfg->database_bin_dir, child_data_version(r->backup), bin, sizeof(bin),
                       err) < 0 ||
        backup_fits(r->root, backup_bytes(r->backup), err) < 0)
        return -1;
    (void)snprintf(verify, sizeof(verify), "%s/pg_verifybackup", bin);
    if (program_run(check, err) < 0 || program_run(copy, err) < 0)
        return -1;
    return chmod(r->data, 0700) == 0 ? 0 : err_set(err, ERR_IO, "%s: %s", r->data, strerror(errno));
}

static int touch(const char *dir, const char *name, struct err *err)
{
    char path[PATH_MAX];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "we");
    if (f == NULL || fclose(f) != 0)
        return err_set(err, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

/* What the server is told of the log, in the file that ALTER SYSTEM writes; `size` is what it was.
 */
static int tell_recovery(struct restore *r, off_t *size, struct err *err)
{
    char path[PATH_MAX], until[HUMAN_TIME_SIZE];
    struct stat st;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/postgresql.auto.conf", r->data);
    f = fopen(path, "ae");
    if (f == NULL || fstat(fileno(f), &st) < 0) {
        if (f != NULL)
            (void)fclose(f);
        return err_set(err, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    }
    *size = st.st_size;
    (void)fprintf(
        f,
        "\nrestore_command = 'test -f \"%s/%%f.gz\" && gzip -dc <\"%s/%%f.gz\" >\"%%p\"'\n"
        "recovery_target_action = 'promote'\nhot_standby = off\n",
        r->logs, r->logs);
    if (r->until >= 0)
        (void)fprintf(f, "recovery_target_time = '%s+00'\n", human_time(until, r->until));
    if (fclose(f) != 0)
        return err_set(err, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return touch(r->data, "recovery.signal", err);
}

static void on_progress(void *owner, const char *what)
{
    (void)owner;
    if (isatty(STDERR_FILENO) == 1)
        (void)fprintf(stderr, "%s\n", what);
}

static void on_ready(void *owner, const char *conninfo)
{
    (void)conninfo;
    ((struct restore *)owner)->ready = true;
}

static void on_down(void *owner, const struct err *err)
{
    ((struct restore *)owner)->err = *err;
}

static void on_failed(void *owner, const struct err *err)
{
    struct restore *r = owner;

    r->failed = true;
    r->err = *err;
}

static void on_stopped(void *owner)
{
    ((struct restore *)owner)->stopped = true;
}

/* Accepting connections, it has come to the end of what it was told, and is no copy any more. */
static int replay(struct restore *r, struct err *err)
{
    static const struct cluster_ops ops = {.on_progress = on_progress,
                                           .on_ready = on_ready,
                                           .on_down = on_down,
                                           .on_failed = on_failed,
                                           .on_stopped = on_stopped};
    const struct cluster_options options = {.state_dir = r->root,
                                            .bin_dir = r->c->cfg->database_bin_dir,
                                            .log_dir = r->logs[0] != '\0' ? r->dir : ""};

    if (uv_loop_init(&r->loop) != 0)
        abort();
    r->cluster = cluster_open(&r->loop, &options, &ops, r);
    while (!r->ready && !r->failed)
        (void)uv_run(&r->loop, UV_RUN_ONCE);
    if (r->ready)
        cluster_stop(r->cluster, CLUSTER_STOP_MS);
    while (!r->stopped && !r->failed)
        (void)uv_run(&r->loop, UV_RUN_ONCE);
    cluster_close(r->cluster);
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&r->loop);
    if (!r->failed)
        return 0;
    if (strstr(r->err.detail, "before configured recovery target") != NULL)
        return err_set(
            err, ERR_CONFIG,
            "the log that was kept ends before that time: without --until it is restored "
            "as far as it goes");
    *err = r->err;
    return -1;
}

static int restore_cluster(struct restore *r, struct err *err)
{
    char final[CONFIG_TEXT_SIZE + 16], conf[PATH_MAX];
    off_t size = 0;

    if (choose(r, err) < 0)
        return -1;
    if (!backup_is_cluster(r->backup))
        return err_set(err, ERR_CONFIG,
                       "%s is a dump of another server: name that with [database] url", r->backup);
    if (cluster_log_path(r->dir, r->backup, r->logs, sizeof(r->logs), err) < 0 ||
        access(r->logs, R_OK) < 0)
        r->logs[0] = '\0';
    if (r->until >= 0 && r->logs[0] == '\0')
        return err_set(err, ERR_CONFIG,
                       "%s has no log of this archive ([backup] dir was not set): it can be "
                       "restored only as it was, without --until",
                       r->dir);
    if (prepare_state(r, err) < 0 || verify_and_copy(r, err) < 0 ||
        (r->logs[0] != '\0' && tell_recovery(r, &size, err) < 0) || replay(r, err) < 0)
        return -1;
    (void)snprintf(conf, sizeof(conf), "%s/postgresql.auto.conf", r->data);
    if (r->logs[0] != '\0' && truncate(conf, size) < 0)
        return err_set(err, ERR_IO, "%s: %s", conf, strerror(errno));
    (void)snprintf(final, sizeof(final), "%s/postgres", r->state);
    if (backup_rename(r->data, final, r->state, err) < 0)
        return -1;
    child_remove_tree(r->root);
    return 0;
}

/* ---- another server ---- */

static int restore_dump(struct restore *r, struct err *err)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    char jobs[16];
    int64_t tables = 0;
    struct archive *a;
    int rc;
    const char *const load[] = {"pg_restore", "-d",         SERVICE,           "-j",
                                jobs,         "--no-owner", "--no-privileges", "--exit-on-error",
                                r->backup,    NULL};

    if (r->until >= 0)
        return err_set(
            err, ERR_CONFIG,
            "a dump can be restored only as it was: --until is for the private database; "
            "your server has means of its own");
    if (choose(r, err) < 0)
        return -1;
    if (backup_is_cluster(r->backup))
        return err_set(err, ERR_CONFIG,
                       "%s is a private cluster: restore it without [database] url", r->backup);
    a = archive_open(r->c->cfg, err);
    if (a == NULL)
        return -1;
    rc = archive_int(a,
                     "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = "
                     "c.relnamespace WHERE n.nspname = current_schema() AND c.relkind IN ('r', "
                     "'p', 'v')",
                     NULL, &tables, err);
    archive_close(a);
    if (rc < 0)
        return -1;
    if (tables > 0)
        return err_set(err, ERR_CONFIG,
                       "the database of [database] url is not empty, and none is ever written "
                       "over: name a new one");
    (void)snprintf(jobs, sizeof(jobs), "%ld",
                   processors < 1          ? 1
                   : processors > JOBS_MAX ? JOBS_MAX
                                           : processors);
    if (service_give(r->c, err) < 0)
        return -1;
    return program_run(load, err);
}

static void report(const struct restore *r)
{
    struct js *out;

    if (!r->c->json) {
        (void)printf("restored from %s%s; start bigbrotrd: relays are read again from where this "
                     "archive ends\n",
                     r->backup, r->logs[0] != '\0' ? " and the log after it" : "");
        return;
    }
    out = js_new_object();
    js_set_z(out, "backup", r->backup);
    js_set_bool(out, "log", r->logs[0] != '\0');
    if (r->until >= 0)
        js_set_int(out, "until", r->until);
    js_print(out, JS_PRETTY, stdout);
    js_free(out);
}

int command_restore(const struct command *c)
{
    const char *until = NULL;
    struct word_option options[] = {{"--until", &until, 1, 0}, {0}};
    struct restore *r = calloc(1, sizeof(*r));
    struct words words;
    struct err err;
    int code = COMMAND_DONE, rc;

    if (r == NULL)
        abort();
    r->c = c;
    r->until = -1;
    if (!words_read(c, options, &words) || words.n != 1) {
        (void)fputs(
            "usage: bigbrotr restore DIR [--until TIME]\nDIR holds backups, or is one; TIME "
            "is UNIX seconds, 2024-05-01 or 2024-05-01T12:00:00Z\n",
            stderr);
        free(r);
        return COMMAND_USAGE;
    }
    if ((until != NULL && filter_read_time(str_z(until), &r->until, &err) < 0) ||
        backup_path(words.plain[0], r->dir, sizeof(r->dir), &err) < 0) {
        free(r);
        return command_fail(&err);
    }
    rc = c->cfg->database_url[0] != '\0' ? restore_dump(r, &err) : restore_cluster(r, &err);
    if (rc < 0) {
        code = command_fail(&err);
        if (r->root[0] != '\0')
            child_remove_tree(r->root);
    } else {
        report(r);
    }
    free(r);
    return code;
}
