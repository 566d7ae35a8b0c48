/* store_keep: what leaves the archive while the daemon runs: requests to vanish (NIP-62), in steps
 * (sql/0011_exclude.sql).  One statement each, on the lane of small things. */
#ifndef DB_STORE_KEEP_H
#define DB_STORE_KEEP_H

#include <stdbool.h>

#include "db/db.h"

struct store_step {
    bool busy; /* a writer stood in the way: nothing was done */
    bool more; /* call again */
    int64_t events, sightings;
};
typedef void store_step_done(void *owner, const struct store_step *step, const struct err *err);

/* Of requests to vanish, at most so many events.  `wait`: for writers, which then wait for it. */
void store_vanish_step(struct db *db, uint32_t events_max, bool wait, store_step_done *done,
                       void *owner);

#endif
