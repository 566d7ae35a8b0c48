/* lane: one writer: ready chunks and proofs in, one transaction at a time out.
 *
 *     IDLE --(enough, old enough, or hurry; database up)--> WRITING --> IDLE
 *
 * A transaction that failed for a passing reason is put together again from the same chunks, in the
 * same order. */
#ifndef INGEST_LANE_H
#define INGEST_LANE_H

#include <uv.h>

#include "core/list.h"
#include "db/store_event.h"

struct chunk;
struct ingest;
struct ingest_page;

struct lane {
    struct ingest *ingest;
    enum db_lane db_lane;
    struct list ready;       /* chunks, oldest first */
    struct list pages;       /* pages that have only a proof left to write */
    int64_t pages_at_ms;     /* since when the first of them waits, at most */
    struct list silent;      /* pages that were sealed empty: to be told from the loop */
    struct list taken;       /* chunks in the transaction */
    struct list taken_pages; /* pages whose proof is in it */
    uint32_t ready_events;
    int64_t not_before_ms; /* after a failure */
    bool hurry, writing;
    uv_timer_t timer;
    struct store_write write;
    struct store_event *events;
    struct store_sighting *sightings;
    struct store_span *spans;
    struct store_mention *mentions;
};

void lane_open(struct lane *lane, struct ingest *in, enum db_lane db_lane);
void lane_close(struct lane *lane);    /* drops what is waiting */
void lane_done_all(struct ingest *in); /* frees the ingest when the last timer has closed */

void lane_add_chunk(struct lane *lane, struct chunk *c);
void lane_add_page(struct lane *lane, struct ingest_page *p);
void lane_kick(struct lane *lane);
void lane_forget(
    struct lane *lane); /* after ERR_DB_UNKNOWN_ID: every ready chunk is sorted again */

#endif
