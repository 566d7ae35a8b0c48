/* store_relay: the relays, what the synchronizer remembers of each between runs, and coverage as it
 * is read back. */
#ifndef DB_STORE_RELAY_H
#define DB_STORE_RELAY_H

#include "core/network.h"
#include "db/store_event.h"

struct store_new_relay {
    const char *url; /* normal form */
    enum network network;
};

/* Inserts what is not there yet, in one statement.  `added` counts the new ones. */
typedef void store_relays_added(void *owner, uint32_t added, const struct err *err);
void store_relays_add(struct db *db, const struct store_new_relay *relays, uint32_t n,
                      store_relays_added *done, void *owner);

/* One row of `relay_sync`: everything but identity may be zero on first sight.  Times are UNIX
 * milliseconds. */
struct store_relay {
    int32_t relay_id;
    const char *url;
    enum network network;
    int64_t next_at;       /* due; 0: never tried */
    int64_t last_ok_at;    /* last session that was ready; 0: never */
    int64_t synced_at;     /* last time nothing was left to ask; 0: never */
    int32_t failures;      /* in a row, the relay's own fault */
    const char *error;     /* name of the last failure, "" when the last try was good */
    const char *traits;    /* text the synchronizer made; "" at first */
    int64_t events, bytes; /* EVENT messages and bytes read from it, ever */
    int64_t events_new;    /* events first archived from it */
};

/* Calls row() for every relay, then done(). */
typedef void store_relay_row(void *owner, const struct store_relay *row);
typedef void store_done(void *owner, const struct err *err);
void store_relays_load(struct db *db, store_relay_row *row, store_done *done, void *owner);
void store_relays_save(struct db *db, const struct store_relay *rows, uint32_t n, store_done *done,
                       void *owner); /* rows are copied */

/* Events of a relay that were refused, to be added to what is counted (table reject_count). */
struct store_reject {
    int32_t relay_id;
    enum reject why;
    int64_t events;
};
void store_rejects_add(struct db *db, const struct store_reject *rows, uint32_t n, store_done *done,
                       void *owner); /* rows are copied; each relay and reason once */

/* The id of a filter's identity text (nostr/filter.h), made when new. */
typedef void store_filter_done(void *owner, int32_t filter_id, const struct err *err);
void store_filter_id(struct db *db, const char *identity, store_filter_done *done, void *owner);

/* Coverage and gaps of one relay and filter, ordered by lo; `spans` is valid in the call only. */
typedef void store_spans_done(void *owner, const struct store_span *spans, uint32_t n,
                              const struct err *err);
void store_coverage_load(struct db *db, int32_t relay_id, int32_t filter_id, store_spans_done *done,
                         void *owner);

/* Kinds the archive knows, for walks with explicit kinds: at most max, commonest first. */
typedef void store_kinds_done(void *owner, const int32_t *kinds, uint32_t n, const struct err *err);
void store_kinds(struct db *db, uint32_t max, store_kinds_done *done, void *owner);

/* The figures of the status block.  Counts are estimates where an exact count would cost a scan. */
struct store_stats {
    int64_t events, sightings, database_bytes, event_bytes, coverage_spans, gaps;
    int64_t relays[NETWORK__COUNT];
    int64_t data_free_bytes,
        data_total_bytes; /* of the file system, -1 when the server is not ours */
};
typedef void store_stats_done(void *owner, const struct store_stats *stats, const struct err *err);
void store_stats(struct db *db, store_stats_done *done, void *owner);

/* Packs small rows of sightings of one relay, in buckets (created_at >> 15) from `from_bucket` on:
 * at most rows_max rows, of hours that ended before `hour` (UNIX seconds); how long that takes
 * depends on what else the database does, and the relay is locked meanwhile. `saved` is how many
 * rows fewer there are; call again while it is not 0.  Loses nothing, times stay exact. */
struct store_packing {
    int32_t relay_id, from_bucket;
    int64_t hour;
    uint32_t rows_max;
};
typedef void store_packed(void *owner, int64_t saved, const struct err *err);
void store_pack(struct db *db, const struct store_packing *what, store_packed *done, void *owner);

#endif
