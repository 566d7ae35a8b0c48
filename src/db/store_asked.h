/* store_asked: how far relays were read that are asked directly for what the archive does not take
 * (table relay_asked), and what was found there. */
#ifndef DB_STORE_ASKED_H
#define DB_STORE_ASKED_H

#include "db/store_candidate.h"
#include "db/store_relay.h"

struct store_asked {
    int32_t relay_id;
    int64_t lo, hi;      /* created_at that was read, both included; lo 0: from the beginning; hi 0:
                            nothing yet */
    int64_t asked_at_ms; /* UNIX; 0: never */
};
typedef void store_asked_row(void *owner, const struct store_asked *row);
void store_asked_load(struct db *db, store_asked_row *row, store_done *done, void *owner);

/* One transaction: how far it was read now, and the mentions that were found.  `before` is
 * asked_at_ms of what was known: where that is no longer so (this very call was repeated, or
 * another daemon was quicker) nothing is written and nothing counted. */
void store_asked_save(struct db *db, const struct store_asked *asked, int64_t before,
                      const struct store_mention_row *rows, uint32_t n, store_done *done,
                      void *owner); /* all is encoded before it returns */

#endif
