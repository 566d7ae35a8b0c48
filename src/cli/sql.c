/* sql: psql on the archive, as the role that may only read.
 *
 * The role is set with the connection's options, so that nothing is left behind in a session that
 * somebody else might get: a pool in transaction mode refuses such options. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/command.h"
#include "core/buf.h"

enum { OPTIONS_MAX = 8192, SERVICE_BYTES_MAX = 65536 };

/* What a reader's session begins with; a person may raise the limits in it. */
#define SESSION_OPTIONS                                                                       \
    "-c role=bigbrotr_reader -c default_transaction_read_only=on -c statement_timeout=10min " \
    "-c idle_in_transaction_session_timeout=10min"

struct reader {
    char user[256];
    bool here, may;
};

static void on_reader(void *owner, const struct result *res, int row)
{
    struct reader *r = owner;

    if (!str_copy(r->user, sizeof(r->user), result_str(res, row, 0)))
        r->user[0] = '\0';
    r->here = result_int(res, row, 1) != 0;
    r->may = result_int(res, row, 2) != 0;
}

/* Is the role there, and may we be it?  Gives it what it lacks on the way: somebody may have made
 * it after the archive. */
static int find_reader(struct archive *a, struct reader *r, struct err *err)
{
    *r = (struct reader){.here = false};
    return archive_query(
        a,
        "SELECT quote_ident(current_user), reader_grants()::int4, (SELECT count(*) FROM pg_roles r "
        "WHERE r.rolname = 'bigbrotr_reader' AND pg_has_role(r.oid, 'MEMBER'))::int4",
        NULL, on_reader, r, err);
}

static int explain(const struct reader *r)
{
    (void)fprintf(stderr, "bigbrotr: %s: as an administrator of the server, run\n\n",
                  r->here ? "the user of [database] url may not be the role bigbrotr_reader"
                          : "there is no role bigbrotr_reader, and the user of [database] url may "
                            "not make one");
    if (!r->here)
        (void)fputs("    CREATE ROLE bigbrotr_reader NOLOGIN;\n", stderr);
    (void)fprintf(stderr, "    GRANT bigbrotr_reader TO %s;\n\nand this again.\n", r->user);
    return COMMAND_FAILED;
}

/* One line of a service file; they have no quoting, and end at the end of the line. */
static void put_part(void *owner, const char *key, const char *value)
{
    static const char *const ours[] = {"options", "service", "servicefile", NULL};

    for (int i = 0; ours[i] != NULL; i++)
        if (strcmp(key, ours[i]) == 0)
            return;
    if (strpbrk(value, "\r\n") == NULL)
        buf_printf(owner, "%s=%s\n", key, value);
}

/* Where to connect to, in a file that only psql sees: a password in the URL must stand neither on a
 * command line nor in a file that stays. */
static int give_service(const struct command *c, const char *conninfo, struct err *err)
{
    const char *password = config_secret(c->cfg, "database", "password");
    struct buf text;
    char path[64];
    int fd = memfd_create("bigbrotr", 0), rc;

    buf_init(&text, SERVICE_BYTES_MAX);
    buf_printf(&text, "[bigbrotr]\n");
    if (password != NULL)
        put_part(&text, "password", password); /* the first of two counts */
    rc = conn_parts(conninfo, put_part, &text, err);
    struct str s = buf_str(&text);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (rc == 0 &&
        (fd < 0 || write(fd, s.p, s.n) != (ssize_t)s.n || setenv("PGSERVICEFILE", path, 1) != 0))
        rc = err_set(err, ERR_IO, "%s", strerror(errno));
    buf_done(&text);
    return rc;
}

static void give_options(void)
{
    const char *before = getenv("PGOPTIONS");
    char options[OPTIONS_MAX];
    int n = snprintf(options, sizeof(options), "%s%s" SESSION_OPTIONS, before != NULL ? before : "",
                     before != NULL ? " " : "");

    if (n < 0 || (size_t)n >= sizeof(options))
        (void)snprintf(options, sizeof(options), "%s", SESSION_OPTIONS);
    if (setenv("PGOPTIONS", options, 1) != 0 || setenv("PGAPPNAME", "bigbrotr sql", 0) != 0)
        abort();
}

static int run_psql(const struct command *c)
{
    char **words = calloc((size_t)c->argc + 4, sizeof(*words));
    char psql[] = "psql", dbname[] = "-d", service[] = "service=bigbrotr";

    if (words == NULL)
        abort();
    words[0] = psql;
    words[1] = dbname;
    words[2] = service;
    for (int i = 0; i < c->argc; i++)
        words[3 + i] = c->argv[i];
    (void)execvp(psql, words);
    if (errno == ENOENT)
        (void)fputs("bigbrotr: psql is not installed: apt install postgresql-client\n", stderr);
    else
        (void)fprintf(stderr, "bigbrotr: psql cannot be run: %s\n", strerror(errno));
    free(words);
    return COMMAND_FAILED;
}

int command_sql(const struct command *c)
{
    char conninfo[CONFIG_TEXT_SIZE * 2];
    struct reader reader;
    struct err err;
    struct archive *a = archive_open(c->cfg, &err);

    if (a == NULL)
        return command_fail(&err);
    int rc = find_reader(a, &reader, &err);
    archive_close(a);
    if (rc < 0)
        return command_fail(&err);
    if (!reader.may)
        return explain(&reader);
    if (archive_conninfo(c->cfg, conninfo, sizeof(conninfo), &err) < 0 ||
        give_service(c, conninfo, &err) < 0)
        return command_fail(&err);
    give_options();
    return run_psql(c);
}
