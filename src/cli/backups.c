/* backups: see backups.h. */
#include "cli/backups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/human.h"

enum { NAME_CHARS = 16, FILES_OPEN_MAX = 16 }; /* 20261121T101500Z */

bool backup_is_name(struct str name)
{
    static const char form[] = "00000000T000000Z";

    if (name.n != NAME_CHARS)
        return false;
    for (int i = 0; i < NAME_CHARS; i++)
        if (form[i] == '0' ? name.p[i] < '0' || name.p[i] > '9' : name.p[i] != form[i])
            return false;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

int backup_path(const char *dir, char *to, size_t size, struct err *err)
{
    char *real = realpath(dir, NULL), *here = NULL;
    int n;

    if (real == NULL && dir[0] != '/')
        here = getcwd(NULL, 0);
    n = snprintf(to, size, "%s%s%s", here != NULL ? here : "", here != NULL ? "/" : "",
                 real != NULL ? real : dir);
    free(real);
    free(here);
    return n < (int)size ? 0 : err_set(err, ERR_CONFIG, "the path is too long: %.100s", dir);
}

int backups_read(const char *dir, struct backups *b, struct err *err)
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    *b = (struct backups){.names = calloc(BACKUPS_MAX, sizeof(*b->names))};
    if (b->names == NULL)
        abort();
    if (d == NULL)
        return err_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    while (b->n < BACKUPS_MAX && (e = readdir(d)) != NULL)
        if (backup_is_name(str_z(e->d_name)))
            memcpy(b->names[b->n++], e->d_name, NAME_CHARS + 1);
    closedir(d);
    qsort(b->names, b->n, sizeof(*b->names), by_name);
    return 0;
}

void backups_free(struct backups *b)
{
    free(b->names);
    *b = (struct backups){0};
}

void backup_name(int64_t at, char to[BACKUP_NAME_SIZE])
{
    time_t t = (time_t)at;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(to, BACKUP_NAME_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
        to[0] = '\0';
}

static bool holds(const char *path, const char *name)
{
    char file[PATH_MAX];

    return snprintf(file, sizeof(file), "%s/%s", path, name) < (int)sizeof(file) &&
           access(file, R_OK) == 0;
}

bool backup_is_cluster(const char *path)
{
    return holds(path, "PG_VERSION");
}

bool backup_is_dump(const char *path)
{
    return holds(path, "toc.dat");
}

static int64_t counted; /* nftw() has no owner */

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (type == FTW_F)
        counted += (int64_t)st->st_size;
    return 0;
}

int64_t backup_bytes(const char *path)
{
    counted = 0;
    (void)nftw(path, count_one, FILES_OPEN_MAX, FTW_PHYS);
    return counted;
}

int backup_fits(const char *path, int64_t bytes, struct err *err)
{
    char need[32], have[32];
    struct statvfs fs;

    bytes += bytes / 20 + (int64_t)64 * 1024 * 1024; /* and the log that is written meanwhile */
    if (statvfs(path, &fs) < 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    if ((double)fs.f_bavail * (double)fs.f_frsize >= (double)bytes)
        return 0;
    return err_set(err, ERR_DISK_FULL, "%s is needed below %s, %s is free",
                   human_bytes(need, sizeof(need), (double)bytes), path,
                   human_bytes(have, sizeof(have), (double)fs.f_bavail * (double)fs.f_frsize));
}

int backup_rename(const char *from, const char *to, const char *dir, struct err *err)
{
    int fd;

    if (rename(from, to) < 0)
        return err_set(err, ERR_IO, "cannot rename %s: %s", from, strerror(errno));
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        if (fd >= 0)
            close(fd);
        return err_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    }
    close(fd);
    return 0;
}
