/* The statements, by name: see stmt.def. */
#ifndef DB_STMT_H
#define DB_STMT_H

enum stmt {
#define STMT(name, sql) STMT_##name,
#include "db/stmt.def"
    STMT__COUNT
};

extern const char *const stmt[STMT__COUNT];

#endif
