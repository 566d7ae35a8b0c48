/* ingest: an event's way from raw bytes to a committed row.
 *
 *     page: open -> add, add, .. -> seal -> on_scanned -> prove -> on_done
 *
 *     chunk of a page:   FILLING -> SCANNING -> LOOKUP -> VERIFYING -> WAITING -> READY -> WRITING
 * -> gone loop      worker    database    worker       (1)       (2)      (3)
 *
 * (1) a copy of an event that another chunk is verifying waits for that verdict; (2) waits for the
 * lane's writer and for the page to be proven; (3) one transaction: events, sightings, coverage.
 *
 * A proof may rest on earlier pages of the same relay and lane too (services/walk/walk.h): it is
 * written in, or after, the transaction of the last of them.
 *
 * A page is what one request brought (or a slice of a live stream).  It is cut into chunks so that
 * no transaction is huge.  What the page proves is written in the transaction that holds its last
 * chunk, never earlier.  Chunks of a lane are committed in order of readiness; nothing is lost
 * while the database is away.
 *
 * Memory.  Weighed is what is held plus what open pages are expected to bring:
 *
 *     0 ----------- 1/2 -------------------- 3/4 ------------- 7/8 ---------- pool ------ +
 * overdraft not pressed any more   pages may be    | only live tails | pressed: live tails hold |
 * refused (if it was)            asked for       | go on           | their reading too        |
 *
 * Pressed stays until half of the pool is free again, and nothing is asked for meanwhile: so what
 * is on its way goes first.  A page that is open is read to its end, which its reservation pays
 * for. What nobody could hold back (pages larger than expected, events of one read by many) goes
 * into the overdraft; only behind that does ingest_page_add() refuse, and the caller ends the
 * session without a proof. */
#ifndef INGEST_INGEST_H
#define INGEST_INGEST_H

#include "db/store_event.h"
#include "loop/workers.h"
#include "nostr/filter.h"
#include "nostr/retention.h"
#include "nostr/verify.h"

struct ingest;
struct ingest_page;

enum ingest_lane { INGEST_LIVE, INGEST_BACKFILL, INGEST_LANE__COUNT };

struct ingest_options {
    uint64_t pool_bytes_max;  /* chunks and pages, together */
    uint64_t known_bytes_max; /* the window of committed ids */
    uint32_t batch_events;    /* in one transaction, at most (a chunk is never cut) */
    uint32_t batch_age_ms;    /* how long a ready chunk may wait for company */
    bool keep_ephemeral;
    bool note_hints; /* relays that new events mention, for the finder */
    const struct filter_spec *const
        *filters; /* what the archive wants: any of these; they outlive the ingest */
    size_t filters_n;
    const struct retention_rule *retention; /* what it does not keep; they outlive it, too */
    size_t retention_n;
};

/* What the walk needs to know of one event of a page. */
struct ingest_fact {
    int64_t created_at;
    uint64_t fingerprint;
    int32_t kind;
    bool matches; /* the filter that was asked, its kinds included, times aside */
};

struct ingest_page_result {
    uint32_t events;                 /* messages added */
    uint32_t inserted;               /* stored for the first time */
    uint32_t rejected;               /* for a fault of the event: syntax, id, signature */
    uint32_t rejects[REJECT__COUNT]; /* all that were not stored, by reason */
};

struct ingest_page_ops {
    /* All events of the sealed page are scanned; facts of those with the right id, in order of
     * arrival, a view for the time of the call.  The owner answers, now or later, with
     * ingest_page_prove(). */
    void (*on_scanned)(void *owner, const struct ingest_fact *facts, size_t n);
    /* Everything is committed, the proof too.  The page is gone after this call. */
    void (*on_done)(void *owner, const struct ingest_page_result *result);
    /* ingest_close() has come first.  The page is gone, and the owner may go too; nothing else is
     * left to be called. */
    void (*on_dropped)(void *owner);
};

struct ingest_page_options {
    enum ingest_lane lane;
    int32_t relay_id;
    const char *relay_url; /* normal form, for rules of retention; outlives the page */
    const struct filter_spec
        *filter; /* that was asked; NULL: all of them (a live request). Outlives the page */
    struct filter_ask ask;    /* what was asked; kinds are copied */
    uint32_t expected_events; /* for the memory reservation */
};

struct ingest *ingest_open(uv_loop_t *loop, struct workers *workers, struct db *db,
                           const struct ingest_options *options);
void ingest_reconfigure(struct ingest *in,
                        const struct ingest_options *options); /* batch_*, keep_ephemeral */

/* Writes what is sealed and ready at once, without waiting for company; true when nothing is left.
 */
bool ingest_flush(struct ingest *in);

/* Two steps, since jobs and statements under way still hold chunks: stop, then close the workers
 * and the database, then close.  What is not committed is dropped; after ingest_stop() a page calls
 * back only for that. */
void ingest_stop(struct ingest *in);
void ingest_close(struct ingest *in);

void ingest_database_up(struct ingest *in, bool restarted); /* `restarted`: forget every known id */

/* May a page of about so many events be asked for now? */
bool ingest_may_open(const struct ingest *in, uint32_t expected_events);

/* Should those who can stop reading do so?  (No page of theirs is open: live tails.) */
bool ingest_pressed(const struct ingest *in);
uint64_t ingest_bytes(const struct ingest *in);
uint64_t ingest_known_bytes(const struct ingest *in);
bool ingest_idle(const struct ingest *in); /* nothing open, nothing waiting */

struct ingest_page *ingest_page_open(struct ingest *in, const struct ingest_page_options *options,
                                     const struct ingest_page_ops *ops, void *owner);

/* Copies the event.  -1 (ERR_NOMEM): the pool is full. */
int ingest_page_add(struct ingest_page *p, struct str raw, struct err *err) MUST_USE;
void ingest_page_seal(struct ingest_page *p);

/* What the page proves, to be written with its last chunk; copied.  n may be 0. */
void ingest_page_prove(struct ingest_page *p, const struct store_span *spans, size_t n);

#endif
