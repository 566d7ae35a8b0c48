/* query: which events a person wants: a filter of NIP-01 as JSON, words that say the same, or both;
 * and one relay to have seen them. */
#ifndef CLI_QUERY_H
#define CLI_QUERY_H

#include "cli/command.h"
#include "nostr/filter_spec.h"

enum { QUERY_TAGS_MAX = 12 };

struct query {
    struct filter_spec *filter; /* its positive half; `--tag` may name tags of several letters */
    int64_t limit;              /* INT64_MAX: all */
    char relay[2100];           /* normal form; "": wherever they were seen */
};

/* From the command line; -1 with ERR_SYNTAX.  The query is to be freed either way. */
int query_read(const struct command *c, struct query *q, struct err *err) MUST_USE;
void query_free(struct query *q);

/* Calls `each` for every event that is wanted as NIP-01 JSON, newest first, those of one second by
 * id; it returns false to stop. */
int query_run(struct archive *a, const struct query *q, each_event *each, void *owner,
              struct err *err) MUST_USE;

#endif
