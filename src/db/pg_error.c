/* pg_error: see pg_error.h. */
#include "db/pg_error.h"

#include <string.h>

#include "core/str.h"

static bool sqlstate_is(const char *state, const char *const *list)
{
    for (; *list; list++) {
        if (strncmp(state, *list, strlen(*list)) == 0)
            return true;
    }
    return false;
}

enum err_code pg_error_code(const char *state)
{
    static const char *const away[] = {"08", "57P", "53300", "25006", "28", "3D000", NULL};
    static const char *const retry[] = {"40001", "40P01", "55P03", "57014", "53200", NULL};
    static const char *const data[] = {"22", "54", "23", NULL};
    static const char *const full[] = {"53100", NULL};

    if (sqlstate_is(state, retry))
        return ERR_DB_RETRY;
    if (sqlstate_is(state, away))
        return ERR_DB_AWAY;
    if (sqlstate_is(state, full))
        return ERR_DISK_FULL;
    if (sqlstate_is(state, data))
        return ERR_DB_DATA;
    return ERR_DB_SQL;
}

/* Where a name has several addresses libpq tells of each attempt; the last one got furthest. */
static struct str last_attempt(struct str message)
{
    size_t at;

    while (str_find(message, STR("\nconnection to server"), &at))
        message = (struct str){message.p + at + 1, message.n - at - 1};
    return message;
}

void pg_error_set(struct err *err, enum err_code code, const char *message)
{
    char line[ERR_DETAIL_MAX];

    err_set(err, code, "%s",
            str_escape_text(line, sizeof(line), last_attempt(str_trim(str_z(message)))));
}
