/* backup: one more backup in a folder of them, verified before it gets its name; the oldest go.
 *
 * The private cluster as a whole (pg_basebackup) while the daemon goes on, of another server the
 * database (pg_dump).  What is not finished has another name (cli/backups.h), so that what stands
 * there can always be restored. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/backups.h"
#include "cli/program.h"
#include "cli/service.h"
#include "cli/words.h"
#include "core/clock.h"
#include "core/human.h"
#include "db/cluster.h"
#include "db/cluster_child.h"

enum { KEEP_DEFAULT = 7, JOBS_MAX = 8, WAL_NAME_CHARS = 24 };

struct backup {
    const struct command *c;
    char dir[PATH_MAX / 2], part[PATH_MAX / 2 + 32], path[PATH_MAX / 2 + 32];
    char state[CONFIG_TEXT_SIZE], bin[PATH_MAX];
    bool own_server;
    uint64_t keep, removed;
    int lock;
    int64_t started_ms;
};

static int make_dir(struct backup *b, struct err *err)
{
    char lock[PATH_MAX];
    struct stat st;
    bool fresh = mkdir(b->dir, 0700) == 0;

    if (!fresh && errno != EEXIST)
        return err_set(err, ERR_IO, "cannot make %s: %s", b->dir, strerror(errno));
    if (fresh && !b->own_server && stat(b->state, &st) == 0 &&
        chown(b->dir, st.st_uid, st.st_gid) < 0 && geteuid() == 0)
        return err_set(err, ERR_IO, "cannot give %s to the archive's user: %s", b->dir,
                       strerror(errno));
    if (!b->own_server && program_become_owner(b->state, err) < 0)
        return -1;
    (void)umask(0077);
    (void)snprintf(lock, sizeof(lock), "%s/.lock", b->dir);
    b->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (b->lock < 0)
        return err_set(err, ERR_IO, "cannot write to %s: %s; it must belong to the archive's user",
                       b->dir, strerror(errno));
    if (flock(b->lock, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, ERR_ALREADY_RUNNING, "another backup to %s is under way", b->dir);
    return 0;
}

/* Those that were interrupted: nobody else is at work here. */
static void remove_parts(const struct backup *b)
{
    DIR *d = opendir(b->dir);
    const struct dirent *e;
    char path[PATH_MAX];

    while (d != NULL && (e = readdir(d)) != NULL) {
        struct str name = str_z(e->d_name);

        if (!str_ends(name, STR(".part")))
            continue;
        name.n -= STR(".part").n;
        if (!backup_is_name(name))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", b->dir, e->d_name);
        child_remove_tree(path);
    }
    if (d != NULL)
        closedir(d);
}

static int copy_cluster(struct backup *b, struct err *err)
{
    char basebackup[PATH_MAX + 32], verify[PATH_MAX + 32], data[CONFIG_TEXT_SIZE + 16];
    bool terminal = isatty(STDERR_FILENO) == 1;
    const char *const copy[] = {basebackup, "-d",      SERVICE,           "-D",
                                b->part,    "-X",      "stream",          "-c",
                                "fast",     "--label", "bigbrotr backup", terminal ? "-P" : NULL,
                                NULL};
    const char *const check[] = {verify, "-q", b->part, NULL};

    (void)snprintf(data, sizeof(data), "%s/postgres", b->state);
    if (child_find_bin(b->c->cfg->database_bin_dir, child_data_version(data), b->bin,
                       sizeof(b->bin), err) < 0 ||
        backup_fits(b->dir, backup_bytes(data), err) < 0)
        return -1;
    (void)snprintf(basebackup, sizeof(basebackup), "%s/pg_basebackup", b->bin);
    (void)snprintf(verify, sizeof(verify), "%s/pg_verifybackup", b->bin);
    if (program_run(copy, err) < 0)
        return -1;
    return program_run(check, err);
}

static int dump_database(struct backup *b, struct err *err)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    char jobs[16];
    struct archive *a = archive_open(b->c->cfg, err);
    int64_t bytes = 0;
    int rc;
    const char *const dump[] = {"pg_dump", "-d", SERVICE, "-F",    "d",
                                "-j",      jobs, "-f",    b->part, NULL};
    /* All of it is read and unpacked. */
    const char *const check[] = {"pg_restore", "-f", "/dev/null", b->part, NULL};

    if (a == NULL)
        return -1;
    rc = archive_int(a, "SELECT pg_database_size(current_database()) / 3", NULL, &bytes, err);
    archive_close(a);
    (void)snprintf(jobs, sizeof(jobs), "%ld",
                   processors < 1          ? 1
                   : processors > JOBS_MAX ? JOBS_MAX
                                           : processors);
    if (rc < 0 || backup_fits(b->dir, bytes, err) < 0 || program_run(dump, err) < 0)
        return -1;
    return program_run(check, err);
}

/* "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)" */
static bool first_log(const char *backup, char to[WAL_NAME_CHARS + 1])
{
    char path[2 * PATH_MAX], line[256] = "";
    const char *at;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/backup_label", backup);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    if (fgets(line, sizeof(line), f) == NULL)
        line[0] = '\0';
    (void)fclose(f);
    at = strstr(line, "(file ");
    if (at == NULL || strspn(at + 6, "0123456789ABCDEF") != WAL_NAME_CHARS)
        return false;
    memcpy(to, at + 6, WAL_NAME_CHARS);
    to[WAL_NAME_CHARS] = '\0';
    return true;
}

/* The log before the oldest backup that is kept is of no use. */
static void remove_logs(struct backup *b, const char *oldest)
{
    char clean[PATH_MAX + 32], path[PATH_MAX + 32], logs[PATH_MAX], first[WAL_NAME_CHARS + 1];
    const char *const argv[] = {clean, "-x", ".gz", logs, first, NULL};
    struct err err;

    (void)snprintf(path, sizeof(path), "%s/%s", b->dir, oldest);
    (void)snprintf(clean, sizeof(clean), "%s/pg_archivecleanup", b->bin);
    if (!backup_is_cluster(path) || !first_log(path, first) ||
        cluster_log_path(b->dir, path, logs, sizeof(logs), &err) < 0 || access(logs, F_OK) < 0)
        return;
    if (program_run(argv, &err) < 0)
        (void)fprintf(stderr, "bigbrotr: old pieces of the log stay in %s: %s\n", logs, err.detail);
}

/* Never the one that was just made, nor any whose name is later: the clock was wrong once. */
static int remove_old(struct backup *b, struct err *err)
{
    struct backups all;
    const char *made = strrchr(b->path, '/') + 1;
    int rc = backups_read(b->dir, &all, err);
    size_t i = 0, older = 0;

    while (older < all.n && strcmp(all.names[older], made) < 0)
        older++;
    if (older + 1 < all.n)
        (void)fprintf(
            stderr,
            "bigbrotr: %s has backups with names in the future, as %s; was a clock wrong? "
            "They stay until you delete them\n",
            b->dir, all.names[all.n - 1]);
    for (; rc == 0 && i + b->keep < older + 1; i++) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", b->dir, all.names[i]);
        child_remove_tree(path);
        b->removed++;
    }
    if (rc == 0 && i < all.n && older + 1 == all.n && !b->own_server)
        remove_logs(b, all.names[i]);
    backups_free(&all);
    return rc;
}

static int run(struct backup *b, struct err *err)
{
    char name[BACKUP_NAME_SIZE];
    struct archive *a = archive_open(b->c->cfg, err);

    if (a == NULL) /* it says what to do better than the program that is run */
        return -1;
    archive_close(a);
    if (make_dir(b, err) < 0)
        return -1;
    remove_parts(b);
    backup_name(clock_wall_s(), name);
    (void)snprintf(b->part, sizeof(b->part), "%s/%s.part", b->dir, name);
    if (service_give(b->c, err) < 0 ||
        (b->own_server ? dump_database(b, err) : copy_cluster(b, err)) < 0)
        return -1;
    backup_name(clock_wall_s(), name); /* what was committed until now is in it */
    (void)snprintf(b->path, sizeof(b->path), "%s/%s", b->dir, name);
    if (backup_rename(b->part, b->path, b->dir, err) < 0)
        return -1;
    return remove_old(b, err);
}

static void report(const struct backup *b)
{
    int64_t bytes = backup_bytes(b->path), ms = clock_mono_ms() - b->started_ms;
    char kept[PATH_MAX / 2];
    struct err ignored;
    bool log = !b->own_server && b->c->cfg->backup_dir[0] != '\0' &&
               backup_path(b->c->cfg->backup_dir, kept, sizeof(kept), &ignored) == 0 &&
               strcmp(kept, b->dir) == 0;
    char size[32], took[32];
    struct js *out;

    if (b->c->json) {
        out = js_new_object();
        js_set_z(out, "backup", b->path);
        js_set_int(out, "bytes", bytes);
        js_set_int(out, "milliseconds", ms);
        js_set_int(out, "removed", (int64_t)b->removed);
        js_set_bool(out, "log", log);
        js_print(out, JS_PRETTY, stdout);
        js_free(out);
        return;
    }
    (void)printf("%s: %s, verified, in %s; %" PRIu64 " older %s removed\n", b->path,
                 human_bytes(size, sizeof(size), (double)bytes),
                 human_duration(took, sizeof(took), (double)ms / 1000), b->removed,
                 human_noun((int64_t)b->removed, "one", "ones"));
    if (!log && !b->own_server)
        (void)printf(
            "It can be restored as it is now. To any second after it: [backup] dir = %s in "
            "the configuration, and a restart.\n",
            b->dir);
}

int command_backup(const struct command *c)
{
    const char *keep = NULL, *dir;
    struct word_option options[] = {{"--keep", &keep, 1, 0}, {0}};
    struct backup *b = calloc(1, sizeof(*b));
    struct words words;
    struct err err;
    int code = COMMAND_DONE;

    if (b == NULL)
        abort();
    *b = (struct backup){.c = c,
                         .keep = KEEP_DEFAULT,
                         .lock = -1,
                         .own_server = c->cfg->database_url[0] != '\0',
                         .started_ms = clock_mono_ms()};
    dir = c->cfg->backup_dir;
    if (!words_read(c, options, &words) || words.n > 1 || (words.n == 0 && dir[0] == '\0') ||
        (keep != NULL &&
         (!str_u64(str_z(keep), &b->keep) || b->keep == 0 || b->keep > BACKUPS_MAX))) {
        (void)fputs("usage: bigbrotr backup [DIR] [--keep N]\nwithout DIR: [backup] dir; N backups "
                    "are kept, 7 without it\n",
                    stderr);
        free(b);
        return COMMAND_USAGE;
    }
    if (words.n == 1)
        dir = words.plain[0];
    if (backup_path(dir, b->dir, sizeof(b->dir), &err) < 0 ||
        (!b->own_server && archive_state_dir(c->cfg, b->state, sizeof(b->state), &err) < 0) ||
        run(b, &err) < 0) {
        code = command_fail(&err);
        if (b->part[0] != '\0')
            child_remove_tree(b->part);
    } else {
        report(b);
    }
    if (b->lock >= 0)
        close(b->lock);
    free(b);
    return code;
}
