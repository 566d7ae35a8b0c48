/* store_keep: what leaves the archive while the daemon runs: requests to vanish (NIP-62,
 * sql/0011_exclude.sql), and what rules of retention exclude (sql/0013_retention.sql, 0016).  Small
 * transactions on the lane of small things. */
#ifndef DB_STORE_KEEP_H
#define DB_STORE_KEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"
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

/* A rule of retention as the database knows it. */
struct store_retention {
    const char *identity, *name; /* the caller's, while operations run */
    const char *relays;          /* that it is about, as a JSON array; "": all */
    int64_t max_age_s;
    int64_t done_key, events; /* out: how far it has come, what it has deleted */
};

/* These rules are in force from now on, and no others.  Where one was taken out or gives more time,
 * what was proven of its time is taken back: `forgotten` is the last second of that, -1: none.
 * Before anybody reads coverage. */
typedef void store_retention_settled(void *owner, int64_t forgotten, const struct err *err);
void store_retention_settle(struct db *db, struct store_retention *rules, size_t n,
                            store_retention_settled *done, void *owner);

/* Some events after `after`, in the order of their keys, up to the second `upto`; as JSON those of
 * these kinds (kinds_n 0: any).  None: there are no more. */
struct store_retention_range {
    int64_t after, upto;
    const int32_t *kinds;
    size_t kinds_n;
};
struct store_retention_row {
    int64_t key, created_at;
    struct id32 id;
    struct str json; /* n 0: of another kind */
};
typedef void store_retention_rows(void *owner, const struct store_retention_row *row);
typedef void store_retention_read_done(void *owner, const struct err *err);
void store_retention_read(struct db *db, const struct store_retention_range *range,
                          store_retention_rows *each, store_retention_read_done *done, void *owner);

/* What it points to is read before it returns.  `wait` as above. */
struct store_retention_batch {
    const struct id32 *ids;
    const int64_t *ats;
    size_t n;
    char *const
        *relays; /* not empty: what was seen there goes, and the events with the last of it */
    size_t relays_n;
    bool wait;
};
void store_retention_delete(struct db *db, const struct store_retention_batch *batch,
                            store_step_done *done, void *owner);

/* Everything up to `key` is deleted, these many events with the last of it. */
void store_retention_done(struct db *db, const char *identity, int64_t key, int64_t events);

#endif
