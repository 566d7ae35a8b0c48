/* archive: see archive.h. */
#include "cli/archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/cluster.h"

enum { CONNECT_MS = 5000 };

struct archive {
    uv_loop_t loop;
    struct conn *conn;
    bool ready, settled, lost;
    struct err err;
    archive_row *row;
    void *owner;
};

static void on_ready(void *owner)
{
    ((struct archive *)owner)->ready = true;
}

static void on_result(void *owner, int step, const struct result *res)
{
    struct archive *a = owner;
    int n = result_rows(res);

    (void)step;
    for (int i = 0; a->row != NULL && i < n; i++)
        a->row(a->owner, res, i);
}

static void on_settled(void *owner, const struct err *err)
{
    struct archive *a = owner;

    a->settled = true;
    if (err != NULL)
        a->err = *err;
}

static void on_lost(void *owner, const struct err *err)
{
    struct archive *a = owner;

    a->lost = true;
    a->err = *err;
}

static const struct conn_ops ops = {
    .on_ready = on_ready, .on_result = on_result, .on_settled = on_settled, .on_lost = on_lost};

int archive_state_dir(const struct config *cfg, char *to, size_t size, struct err *err)
{
    const char *own = to;

    if (config_state_dir(cfg, environ, geteuid() == 0, to, size, err) < 0)
        return -1;
    if (access(to, F_OK) < 0 && errno != EACCES && cfg->daemon_state_dir[0] == '\0' &&
        access(CONFIG_STATE_DIR_SYSTEM, F_OK) == 0)
        own = CONFIG_STATE_DIR_SYSTEM; /* the service's */
    if (own != to)
        (void)snprintf(to, size, "%s", own);
    if (access(to, X_OK) == 0)
        return 0;
    if (errno == EACCES)
        return err_set(err, ERR_CONFIG,
                       "the archive in %s belongs to another user: run this as that user, or with "
                       "sudo",
                       to);
    return err_set(
        err, ERR_NOT_RUNNING,
        "there is no archive in %s: start bigbrotrd first, or name the configuration that "
        "it uses: bigbrotr -c FILE",
        to);
}

int archive_conninfo(const struct config *cfg, char *to, size_t size, struct err *err)
{
    char dir[CONFIG_TEXT_SIZE];

    if (cfg->database_url[0] != '\0') {
        (void)snprintf(to, size, "%s", cfg->database_url);
        return 0;
    }
    if (archive_state_dir(cfg, dir, sizeof(dir), err) < 0)
        return -1;
    return cluster_conninfo(dir, to, size, err);
}

struct archive *archive_open(const struct config *cfg, struct err *err)
{
    char conninfo[CONFIG_TEXT_SIZE * 2];
    struct archive *a;

    if (archive_conninfo(cfg, conninfo, sizeof(conninfo), err) < 0)
        return NULL;
    a = calloc(1, sizeof(*a));
    if (a == NULL || uv_loop_init(&a->loop) != 0)
        abort();
    const struct conn_options options = {.conninfo = conninfo,
                                         .password = config_secret(cfg, "database", "password"),
                                         .connect_timeout_ms = CONNECT_MS};
    a->conn = conn_open(&a->loop, &options, &ops, a);
    while (!a->ready && !a->lost)
        (void)uv_run(&a->loop, UV_RUN_ONCE);
    if (a->ready)
        return a;
    /* What libpq says of a socket that is not there would not lead anybody to the daemon. */
    if (cfg->database_url[0] == '\0')
        (void)err_set(
            err, ERR_DB_AWAY,
            "the private database runs only while bigbrotrd does: start it, or wait until "
            "it is up (%.200s)",
            a->err.detail);
    else
        (void)err_set(err, ERR_DB_AWAY, "%s", a->err.detail);
    archive_close(a);
    return NULL;
}

void archive_close(struct archive *a)
{
    conn_close(a->conn);
    (void)uv_run(&a->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&a->loop);
    free(a);
}

int archive_query(struct archive *a, const char *sql, const struct params *params, archive_row *row,
                  void *owner, struct err *err)
{
    a->settled = false;
    a->err.code = ERR_NONE;
    a->row = row;
    a->owner = owner;
    conn_query(a->conn, sql, params);
    conn_sync(a->conn);
    while (!a->settled && !a->lost)
        (void)uv_run(&a->loop, UV_RUN_ONCE);
    if (a->err.code == ERR_NONE)
        return 0;
    *err = a->err;
    return -1;
}

static void on_int(void *owner, const struct result *res, int row)
{
    *(int64_t *)owner = result_int(res, row, 0);
}

int archive_int(struct archive *a, const char *sql, const struct params *params, int64_t *to,
                struct err *err)
{
    return archive_query(a, sql, params, on_int, to, err);
}

static void on_text(void *owner, const struct result *res, int row)
{
    struct str text = result_str(res, row, 0);
    char **copy = owner;

    free(*copy);
    *copy = strndup(text.p, text.n);
    if (*copy == NULL)
        abort();
}

int archive_text(struct archive *a, const char *sql, const struct params *params, char **to,
                 struct err *err)
{
    *to = NULL;
    return archive_query(a, sql, params, on_text, to, err);
}
