/* status: what the daemon says of itself, once or again and again. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include <stdio.h>
#include <time.h>

#include "cli/command.h"

/* The daemon's answer to "status" as lines for people. */
void status_print(FILE *out, const struct js *root);

/* Every so many seconds, until SIGINT or SIGTERM: then COMMAND_DONE.  On a terminal one picture
 * that is drawn over; elsewhere a line, or with --json an object on a line.  A daemon that does not
 * answer is asked again. */
int status_watch(const struct command *c, time_t seconds);

#endif
