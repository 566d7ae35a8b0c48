/* The table that stmt.def describes. */
#include "db/stmt.h"

const char *const stmt[STMT__COUNT] = {
#define STMT(name, sql) [STMT_##name] = sql,
#include "db/stmt.def"
};
