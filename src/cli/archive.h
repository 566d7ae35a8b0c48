/* archive: the database as the `bigbrotr` command sees it: one connection, one statement after the
 * other, waiting for each.
 *
 * Found as the daemon finds it: [database] url, or the private cluster in the state directory. */
#ifndef CLI_ARCHIVE_H
#define CLI_ARCHIVE_H

#include <uv.h>

#include "config/config.h"
#include "db/conn.h"

struct archive;

/* The daemon's state directory as this user would see it. */
int archive_state_dir(const struct config *cfg, char *to, size_t size, struct err *err) MUST_USE;

/* The connection string of [database] url, or of the private cluster. */
int archive_conninfo(const struct config *cfg, char *to, size_t size, struct err *err) MUST_USE;

/* NULL with ERR_DB_AWAY and what to do about it. */
struct archive *archive_open(const struct config *cfg, struct err *err);
void archive_close(struct archive *a);

/* Runs one statement; `row` is called for each row while it lasts.  params may be NULL. */
typedef void archive_row(void *owner, const struct result *res, int row);
int archive_query(struct archive *a, const char *sql, const struct params *params, archive_row *row,
                  void *owner, struct err *err) MUST_USE;

/* For statements with one row: its first column.  Without a row the number stays as it is, and
 * the text, which is malloc'd, is NULL. */
int archive_int(struct archive *a, const char *sql, const struct params *params, int64_t *to,
                struct err *err) MUST_USE;
int archive_text(struct archive *a, const char *sql, const struct params *params, char **to,
                 struct err *err) MUST_USE;

#endif
