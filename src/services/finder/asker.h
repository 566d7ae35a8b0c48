/* asker: relays are asked directly for the events that say where relays are, when the archive does
 * not take these: kinds 3, 10002, 10166, 30166.  They are verified, what they mention is counted
 * (source "asked"), and they are forgotten.
 *
 *     due --place? host's budget?--> session --pages, newest first--> worker: verified, read
 *      ^                                                                        |
 *      +------------- ask_interval ---- how far, and what was found: one transaction
 *
 * What is counted once: at one relay every event, since how far it was read is remembered with what
 * was found there; at several relays every event of which the id is among those remembered in
 * memory.  So after a restart an event may count once more at another relay.  What is not read:
 * what came to a relay with a time below the newest that was read before, and, where a relay has
 * had more news than the pages of one visit, the older ones of these.
 *
 * Loop thread only; signatures are checked by workers. */
#ifndef SERVICES_ASKER_H
#define SERVICES_ASKER_H

#include "nostr/filter.h"
#include "relay/budget.h"
#include "services/roster.h"

struct asker;
struct net;
struct signer;

struct asker_options {
    uint32_t relays; /* at the same time; 0: nobody is asked */
    int64_t interval_ms;
};

struct asker_parts {
    struct net *net;
    struct db *db;
    struct budget *budget;
    const struct roster *roster;
    const struct signer *signer; /* NULL: no AUTH */
    const struct filter_spec *const *filters;
    size_t filters_n; /* what is archived; 0: nothing */
};

struct asker *asker_open(const struct asker_parts *parts, const struct asker_options *options);
void asker_reconfigure(struct asker *a, const struct asker_options *options);
void asker_tick(struct asker *a); /* often; not before the relays are known */

/* As synchronizer_access_changed(). */
void asker_access_changed(struct asker *a);

/* Nobody is asked any more; visits are dropped, and what they found is found again.  True when
 * nothing is being written. */
bool asker_stop(struct asker *a);
void asker_close(struct asker *a); /* after the database was closed, and stopped */

#endif
