/* initializer: the list of relays to begin with, from a file or as built in, into the database.
 *
 * A line is a URL; blank lines and what follows a # are skipped.  A line that is no relay URL is
 * counted by its reason and never stops the rest.  Running it again changes nothing. */
#ifndef SERVICES_INITIALIZER_H
#define SERVICES_INITIALIZER_H

#include "db/store_relay.h"
#include "nostr/url.h"

enum { INITIALIZER_EXAMPLES = 3 };

struct initializer_report {
    uint32_t lines; /* with something on them */
    uint32_t accepted[NETWORK__COUNT];
    uint32_t refused[URL_REFUSAL__COUNT];
    uint32_t repeated; /* another spelling of one that was accepted before */
    uint32_t added;    /* new to the database */

    /* The first few refused lines of each reason, escaped. */
    struct {
        uint32_t line;
        char text[96];
    } examples[URL_REFUSAL__COUNT][INITIALIZER_EXAMPLES];
};

/* The lists that are built in. */
struct str initializer_seed_relays(void);
struct str initializer_priority_relays(void);

/* Takes the list apart.  The URLs (malloc'd array, freed by initializer_list_free) are distinct, in
 * the order of the lines. */
struct initializer_list {
    struct store_new_relay *relays;
    uint32_t n;
    struct initializer_report report;
};
struct initializer_list *initializer_parse(struct str text, const struct url_policy *policy);
void initializer_list_free(struct initializer_list *list);

/* Writes it; list stays the caller's until done.  report.added is filled. */
typedef void initializer_done(void *owner, struct initializer_list *list, const struct err *err);
void initializer_store(struct db *db, struct initializer_list *list, initializer_done *done,
                       void *owner);

/* Says it in the log: accepted by network, refused by reason with examples. */
void initializer_log(const struct initializer_report *report, const char *source);

#endif
