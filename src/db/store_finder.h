/* store_finder: what the finder asks of the database: count what was mentioned, hand out what is to
 * be probed, remember what came of it (tables candidate, candidate_mention, candidate_share). */
#ifndef DB_STORE_FINDER_H
#define DB_STORE_FINDER_H

#include "core/metrics.h"
#include "db/store_candidate.h"
#include "db/store_relay.h"

/* Adds mentions that stand in no event: of lists, files and documents. */
void store_mentions_add(struct db *db, const struct store_mention_row *rows, uint32_t n,
                        store_done *done, void *owner); /* rows are copied */

/* Counts at most so many rows of mentions.  An author and a domain get `share` candidates each, all
 * together `rows`. */
typedef void store_folded(void *owner, int64_t rows, int64_t mentions, const struct err *err);
void store_mentions_fold(struct db *db, uint32_t most, uint32_t share, uint32_t rows,
                         store_folded *done, void *owner);

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

struct store_take {
    bool networks[NETWORK__COUNT];
    int64_t now_ms, lease_ms;
    uint32_t most;
    uint32_t turns;   /* of one author, domain or network; those behind are put off */
    int64_t later_ms; /* .. until then, UNIX */
};

/* Hands out those that are due on these networks, at most `most`; each is due again after the
 * lease. */
void store_candidates_take(struct db *db, const struct store_take *t, store_candidate_row *row,
                           store_done *done, void *owner);

/* Takes all back that was handed out, by a run that has ended, and does as
 * store_candidates_forgive(). */
void store_candidates_release(struct db *db, store_done *done, void *owner);

/* Those that were denied are candidates again. */
void store_candidates_forgive(struct db *db, store_done *done, void *owner);

/* What came of one.  Who is promoted becomes a relay in the same transaction: under `url` where
 * that is not NULL (it answered under another scheme, and what was counted is that one's). */
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
/* A /24 or /48 that names lead to gets `share` candidates: who is one too many is forgotten. wss://
 * of which ws:// is a relay is looked at again after `forgive_ms` (UNIX), if it was mentioned
 * since. Rows are copied. */
void store_candidates_save(struct db *db, const struct store_probed *rows, uint32_t n,
                           uint32_t share, int64_t forgive_ms, store_done *done, void *owner);

/* Forgets some when there is hardly room; `counted` is how many. */
typedef void store_counted(void *owner, int64_t counted, const struct err *err);
void store_candidates_tidy(struct db *db, uint32_t rows, uint32_t most, store_counted *done,
                           void *owner);

/* Makes months of days of mentions before `before` (days since 1970-01-01), at most `most` rows. */
void store_candidates_compact(struct db *db, int32_t before, uint32_t most, store_counted *done,
                              void *owner);

/* How many there are, for the status. */
struct store_candidate_stats {
    int64_t in[CANDIDATE_STATE__COUNT];
    int64_t refused; /* URLs that were beyond somebody's share, each time they were mentioned */
};
typedef void store_candidates_counted(void *owner, const struct store_candidate_stats *stats,
                                      const struct err *err);
void store_candidates_stats(struct db *db, store_candidates_counted *done, void *owner);

#endif
