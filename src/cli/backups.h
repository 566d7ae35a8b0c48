/* A folder of backups, as `bigbrotr backup` fills it:
 *
 *     DIR/20261121T101500Z/   one backup: of the private cluster as pg_basebackup leaves it, of
 *                             another server as pg_dump does; named by when it was finished, UTC
 *     DIR/20261121T111500Z.part/   one that is not finished, or was interrupted
 *     DIR/wal/N/              every piece of the log of cluster N (db/cluster.h) */
#ifndef CLI_BACKUPS_H
#define CLI_BACKUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

enum { BACKUPS_MAX = 4096, BACKUP_NAME_SIZE = 24 };

struct backups {
    char (*names)[BACKUP_NAME_SIZE]; /* finished ones, oldest first */
    size_t n;
};

/* `dir` as an absolute path; it need not be there yet. */
int backup_path(const char *dir, char *to, size_t size, struct err *err) MUST_USE;

int backups_read(const char *dir, struct backups *b, struct err *err) MUST_USE;
void backups_free(struct backups *b);

void backup_name(int64_t at, char to[BACKUP_NAME_SIZE]);
bool backup_is_name(struct str name); /* could backup_name() have made it? */
bool backup_is_cluster(const char *path);
bool backup_is_dump(const char *path);

/* Bytes of all files below; 0 when it cannot be read. */
int64_t backup_bytes(const char *path);

/* ERR_DISK_FULL unless so many bytes, and some more, are free where `path` is. */
int backup_fits(const char *path, int64_t bytes, struct err *err) MUST_USE;

/* Renames what stands in `dir`, for good: it has its new name after a crash, too. */
int backup_rename(const char *from, const char *to, const char *dir, struct err *err) MUST_USE;

#endif
