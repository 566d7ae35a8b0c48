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
#include "db/rows.h"
#include "nostr/hints.h"
#include "nostr/types.h"

/* One relay that one event mentions; distinct by (event, url).  Relays that are known already are
 * mentioned too. */
struct store_mention {
    uint32_t event; /* position in store_write.events; the author is that event's pubkey */
    struct str url; /* normal form, at most HINTS_URL_MAX bytes, ASCII */
    enum network network;
    enum hint_source source;
    int32_t relay_id; /* that the event came from */
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
    struct id32 event;                    /* one of these events */
    int32_t relay_id;                     /* the relay that it came from; 0: not known */
};

/* The columns of such rows, for a statement that has more of its own; `params` are views of them.
 */
enum { MENTION_COLUMNS = 9 };
struct mention_columns {
    struct array a[MENTION_COLUMNS];
};
void mention_columns_init(struct mention_columns *c);
void mention_columns_add(struct mention_columns *c, const struct store_mention_row *row);
void mention_columns_params(struct mention_columns *c, struct params *p);
void mention_columns_done(struct mention_columns *c);

/* On whose account stands what a relay says in its own name, as its document: whoever holds its
 * domain.  In the place of an author. */
int64_t mention_author_of_relay(struct str relay_url);

/* Queues the statement MENTIONS for these rows, in the transaction that is open on the connection:
 * one result comes.  Nothing is queued for n == 0.  Urls are copied before it returns. */
struct conn;
void store_mentions_send(struct conn *conn, const struct store_mention_row *rows, uint32_t n);

#endif
