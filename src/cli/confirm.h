/* A question before something that cannot be undone. */
#ifndef CLI_CONFIRM_H
#define CLI_CONFIRM_H

#include <stdbool.h>

/* Is there a person at a terminal who can be asked? */
bool confirm_possible(void);

/* True after --yes, or when the person says yes.  Without a terminal and without --yes: false, and
 * it says how to go on. */
bool confirm(bool yes, const char *question);

#endif
