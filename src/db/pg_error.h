/* pg_error: what PostgreSQL says went wrong, in our terms.  Pure. */
#ifndef DB_PG_ERROR_H
#define DB_PG_ERROR_H

#include "core/err.h"

/* What to do about an SQLSTATE, by the classes of PostgreSQL's appendix A. */
enum err_code pg_error_code(const char *sqlstate);

/* A message of libpq as one line.  Never holds the password: libpq does not print it. */
void pg_error_set(struct err *err, enum err_code code, const char *message);

#endif
