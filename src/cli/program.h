/* Programs that a command runs and waits for: those of PostgreSQL, and cp. */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include "core/err.h"

/* Runs argv[0] (found on PATH when it has no slash) to its end; what it prints goes to standard
 * error. It ends with us.  -1 with err when it cannot be run or fails. */
int program_run(const char *const argv[], struct err *err) MUST_USE;

/* Root becomes the user that owns `path`, for good: what is made from here on belongs to the
 * archive's user, and PostgreSQL would not run as root. */
int program_become_owner(const char *path, struct err *err) MUST_USE;

#endif
