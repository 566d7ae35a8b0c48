/* Mentions of relays, as store_write() takes them along with the events that they stand in.
 *
 *     nostr/hints (a worker) --> struct store_mention --store_write--> counters, in the transaction
 *                                                                      that stores the event
 *
 * A mention counts when its event was inserted by this very transaction: not when it was a
 * duplicate, refused or excluded.  So each event's mentions are counted exactly once, whatever
 * crashes or is repeated. */
#ifndef DB_STORE_CANDIDATE_H
#define DB_STORE_CANDIDATE_H

#include "core/network.h"
#include "core/str.h"
#include "nostr/hints.h"

/* One relay that one event mentions; distinct by (event, url).  Relays that are known already are
 * mentioned too. */
struct store_mention {
    uint32_t event; /* position in store_write.events; the author is that event's pubkey */
    struct str url; /* normal form, at most HINTS_URL_MAX bytes, ASCII */
    enum network network;
    enum hint_source source;
};

/* What a transaction counted of one (url, source): one row of the statement MENTIONS. */
enum { MENTION_AUTHORS_MAX = 8 };
struct store_mention_row {
    struct str url;
    enum network network;
    enum hint_source source;
    uint32_t events;                      /* how many inserted events mention it */
    int64_t authors[MENTION_AUTHORS_MAX]; /* a sample of distinct authors: the first eight bytes */
    uint32_t authors_n;                   /* of each public key, big-endian */
};

#endif
