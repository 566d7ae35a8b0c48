/* What `relay` and `report` share: a relay's URL, one question about it to the archive, and the
 * answer as one JSON document, which --json shows as it is. */
#ifndef CLI_RELAY_FACTS_H
#define CLI_RELAY_FACTS_H

#include "cli/command.h"

struct relay_question {
    const char *usage;
    /* Each gives one JSON text, or no row, with $1 as the URL in its normal form; the first that
     * gives one is the answer. */
    const char *sql[2];
    void (*print)(const struct command *c, const char *url, const struct js *facts);
};

/* The whole command. */
int relay_facts(const struct command *c, const struct relay_question *q);

#endif
