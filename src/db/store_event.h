/* store_event: one transaction of the archive: new events, sightings, and the coverage that they
 * prove.
 *
 *     BEGIN; events; mentions; sightings (joined by full id); coverage and gaps; COMMIT
 *
 * The caller owns the struct and everything it points to until done() is called; the store encodes
 * what it needs at submission or later.  Rows the database refuses (class 22, 54000) are found by
 * bisection, written to event_reject with their reason, marked in `refused`, and the rest goes on:
 * done() then reports success. */
#ifndef DB_STORE_EVENT_H
#define DB_STORE_EVENT_H

#include "db/db.h"
#include "db/store_candidate.h"
#include "nostr/event.h"

struct store_event {
    const struct event *event;
    struct str raw;  /* as it came, for event_reject */
    bool refused;    /* out */
    bool inserted;   /* out: stored now for the first time */
    bool tombstoned; /* out: excluded by a tombstone; counts as covered */
};

struct store_sighting {
    struct id32 id;
    int64_t created_at;
    int64_t seen_at_ms; /* UNIX milliseconds */
    int32_t relay_id;
    bool known; /* its event is not in `events`: it must be in the database, or everything rolls
                   back with ERR_DB_UNKNOWN_ID */
};

/* Grades of proof, best first (PROTOCOL 2.2); names are what relay_coverage.grade shows. */
#define GRADES(X)        \
    X(P3, "negentropy")  \
    X(P2, "finish")      \
    X(P1, "walk")        \
    X(P1K, "walk-kinds") \
    X(LIVE, "live")      \
    X(H, "heuristic")
enum grade {
#define GRADE_ROW(name, text) GRADE_##name,
    GRADES(GRADE_ROW)
#undef GRADE_ROW
        GRADE__COUNT
};

#define GAP_REASONS(X)                \
    X(DENSE, "dense")                 \
    X(HIDDEN, "hidden")               \
    X(IGNORES_UNTIL, "ignores_until") \
    X(UNSORTED, "unsorted")           \
    X(AUTH, "auth")                   \
    X(TIMEOUT, "timeout")             \
    X(TOO_LARGE, "too_large")         \
    X(BUDGET, "budget")               \
    X(REFUSED, "refused")             \
    X(SCRAPER, "scraper_blocked")     \
    X(INVALID, "invalid_events")
enum gap_reason {
#define GAP_ROW(name, text) GAP_##name,
    GAP_REASONS(GAP_ROW)
#undef GAP_ROW
        GAP_REASON__COUNT
};

/* A closed interval of created_at. INT64_MAX as hi is +infinity (gaps only). */
struct store_span {
    int32_t relay_id, filter_id;
    int64_t lo, hi;
    bool gap;
    enum grade grade;       /* of coverage */
    enum gap_reason reason; /* of a gap */
    uint16_t gap_tries;     /* read only: filled by store_coverage_load */
    int64_t at;             /* proved_at, or when the gap was last tried; UNIX seconds */
};

struct store_write;
typedef void store_write_done(struct store_write *w,
                              const struct err *err); /* err NULL: committed */

struct store_write {
    struct store_event *events; /* verified; any order: the store sorts its rows by id */
    uint32_t events_n;
    const struct store_sighting *sightings;
    uint32_t sightings_n;
    const struct store_span *spans;
    uint32_t spans_n;
    const struct store_mention *mentions; /* of `events`: those inserted count */
    uint32_t mentions_n;
    store_write_done *done;

    /* out, valid in done() when err is NULL */
    uint32_t events_inserted, sightings_inserted, events_refused, mentions_counted;

    void *internal; /* the store's */
};

void store_write(struct db *db, enum db_lane lane, struct store_write *w);

/* Which of these ids are in the archive?  known[i] is set for those.  ids and created_at stay the
 * caller's until done(). */
struct store_lookup {
    const struct id32 *ids;
    const int64_t *created_at;
    uint32_t n;
    bool *known;
    void (*done)(struct store_lookup *l, const struct err *err);
    void *internal;
};
void store_lookup(struct db *db, enum db_lane lane, struct store_lookup *l);

#endif
