/* What `check URL` and `check --proxy` share. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/outside.h"

enum { CHECK_MESSAGES_MAX = 16 * 1024 * 1024 };

int check_proxy(const struct command *c);

/* "what it means" for a person, by whose fault an error is. */
const char *check_blame_text(enum err_code code);

#endif
