/* How programs of PostgreSQL that we run find the archive: by a service file in memory, that only
 * they see; a password in the URL must stand neither on a command line nor in a file that stays. */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include "cli/command.h"

#define SERVICE "service=bigbrotr" /* what such a program gets with -d */

/* From now on, in our environment. */
int service_give(const struct command *c, struct err *err) MUST_USE;

#endif
