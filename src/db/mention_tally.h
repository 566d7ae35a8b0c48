/* What several events mention, as what is counted: a row for each relay and source. */
#ifndef DB_MENTION_TALLY_H
#define DB_MENTION_TALLY_H

#include "core/siphash.h"
#include "db/store_candidate.h"
#include "nostr/event.h"

struct mention_tally {
    struct store_mention_row *rows;
    uint32_t n, room;
    uint32_t *slot; /* 1 + position in rows; 0: free */
    uint32_t mask;
    struct siphash_key key; /* strangers choose the URLs */
};

void mention_tally_init(struct mention_tally *t);
void mention_tally_done(struct mention_tally *t);
void mention_tally_clear(struct mention_tally *t);

/* One event mentions this; each event once for each URL and source.  The URL is a view that stays
 * as long as the rows. */
void mention_tally_add(struct mention_tally *t, const struct event *e,
                       const struct store_mention *mention);

#endif
