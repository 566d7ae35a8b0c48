/* store_finder: what the finder asks of the database: count what was mentioned, hand out what is to
 * be probed, remember what came of it (tables candidate, candidate_mention, candidate_share). */
#ifndef DB_STORE_FINDER_H
#define DB_STORE_FINDER_H

#include "db/store_candidate.h"
#include "db/store_relay.h"

enum candidate_state {
    CANDIDATE_STATE_NEW,
    CANDIDATE_STATE_FAILED,
    CANDIDATE_STATE_PROMOTED,
    CANDIDATE_STATE_DROPPED,
    CANDIDATE_STATE_DENIED,
    CANDIDATE_STATE__COUNT
};

/* Adds mentions that stand in no event: of lists, files and documents. */
void store_mentions_add(struct db *db, const struct store_mention_row *rows, uint32_t n,
                        store_done *done, void *owner); /* rows are copied */

/* Counts at most so many rows of mentions; `counted` is how many there were.  An author and a
 * domain get `share` candidates each, all together `rows`. */
typedef void store_counted(void *owner, int64_t counted, const struct err *err);
void store_mentions_fold(struct db *db, uint32_t most, uint32_t share, uint32_t rows,
                         store_counted *done, void *owner);

/* One candidate that is to be probed.  Texts are valid in the call only. */
struct store_candidate {
    int32_t id;
    struct str url, domain, net; /* net: where it was found to be, "" not known */
    struct str author;           /* on whose account it stands, eight bytes; empty: nobody's */
    enum network network;
    uint32_t authors, tries;
    int64_t mentions, last_seen; /* UNIX seconds */
    int32_t weight;
};
typedef void store_candidate_row(void *owner, const struct store_candidate *row);

/* Hands out those that are due on these networks, at most `most`; each is due again after the
 * lease.
 */
void store_candidates_take(struct db *db, const bool networks[NETWORK__COUNT], int64_t now_ms,
                           int64_t lease_ms, uint32_t most, store_candidate_row *row,
                           store_done *done, void *owner);

/* Takes all back that was handed out, by a run that has ended, and does as
 * store_candidates_forgive(). */
void store_candidates_release(struct db *db, store_done *done, void *owner);

/* Those that were denied are candidates again. */
void store_candidates_forgive(struct db *db, store_done *done, void *owner);

/* What came of one.  Who is promoted becomes a relay in the same transaction: under `url` where
 * that is not NULL (it answered under another scheme, and is dropped as what it was). */
struct store_probed {
    int32_t id;
    enum candidate_state state;
    uint32_t tries;
    int64_t next_at_ms, probed_at_ms; /* UNIX; 0: not probed */
    const char *error;                /* name, or "" */
    const char *net;                  /* "" not learnt */
    const char *url;
    enum network network; /* of url */
};
void store_candidates_save(struct db *db, const struct store_probed *rows, uint32_t n,
                           store_done *done, void *owner); /* rows are copied */

/* Forgets some when there is hardly room; `counted` is how many. */
void store_candidates_tidy(struct db *db, uint32_t rows, uint32_t most, store_counted *done,
                           void *owner);

/* How many there are, for the status. */
struct store_candidate_stats {
    int64_t in[CANDIDATE_STATE__COUNT];
    int64_t refused; /* URLs that were beyond somebody's share, each time they were mentioned */
};
typedef void store_candidates_counted(void *owner, const struct store_candidate_stats *stats,
                                      const struct err *err);
void store_candidates_stats(struct db *db, store_candidates_counted *done, void *owner);

const char *candidate_state_name(enum candidate_state state); /* "failed" */

#endif
