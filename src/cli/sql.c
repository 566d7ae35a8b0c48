/* sql: psql on the archive, as the role that may only read.
 *
 * The role is set with the connection's options, so that nothing is left behind in a session that
 * somebody else might get: a pool in transaction mode refuses such options. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/service.h"

enum { OPTIONS_MAX = 8192 };

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
    char psql[] = "psql", dbname[] = "-d", service[] = SERVICE;

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
    if (service_give(c, &err) < 0)
        return command_fail(&err);
    give_options();
    return run_psql(c);
}
