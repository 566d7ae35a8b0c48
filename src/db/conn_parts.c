/* What a connection string says, for programs that are to connect as we do. */
#include <libpq-fe.h>

#include "db/conn.h"

int conn_parts(const char *conninfo, conn_part *each, void *owner, struct err *err)
{
    char *message = NULL;
    PQconninfoOption *parts = PQconninfoParse(conninfo, &message);

    if (parts == NULL) {
        (void)err_set(err, ERR_CONFIG, "%s",
                      message != NULL ? message : "the database URL cannot be read");
        PQfreemem(message);
        return -1;
    }
    for (const PQconninfoOption *p = parts; p->keyword != NULL; p++)
        if (p->val != NULL)
            each(owner, p->keyword, p->val);
    PQconninfoFree(parts);
    return 0;
}
