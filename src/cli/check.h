/* What `check URL` and `check --proxy` share: a loop and connections of their own, as the
 * configuration has them; no database, no daemon. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/command.h"
#include "loop/loop.h"
#include "loop/workers.h"
#include "net/net.h"

struct check_parts {
    struct loop *loop;
    struct workers *workers;
    struct net *net;
};

int check_open(struct check_parts *parts, const struct config *cfg, struct err *err) MUST_USE;
void check_close(struct check_parts *parts); /* also after check_open() failed */

int check_proxy(const struct command *c);

/* "what it means" for a person, by whose fault an error is. */
const char *check_blame_text(enum err_code code);

#endif
