/* pipeline: what the files of this folder know of each other.  Nobody outside includes it. */
#ifndef INGEST_PIPELINE_H
#define INGEST_PIPELINE_H

#include <uv.h>

#include "ingest/chunk.h"
#include "ingest/lane.h"
#include "ingest/seen.h"

/* A page in flight is read to its end even when the pool has just become full: this much more is
 * let in before sessions are ended. */
#define INGEST_OVERDRAFT_BYTES ((uint64_t)8 * 1024 * 1024)

struct ingest {
    uv_loop_t *loop;
    struct workers *workers;
    struct db *db;
    struct ingest_options options;
    struct verifier *verifier;
    struct seen *seen;
    bool closing;
    bool stalled; /* the last transaction of some lane failed, and will again for a while */

    struct list pages;  /* every page */
    struct list chunks; /* every chunk that no lane has */
    struct lane lanes[INGEST_LANE__COUNT];

    uint64_t held;        /* memory of all chunks */
    uint64_t reserved;    /* what open pages are expected to bring */
    bool pressed;         /* see ingest.h */
    uint64_t event_bytes; /* a sliding mean of raw size */
    double found_share;   /* of ids unknown to the window that the database had, sliding */
    uint32_t not_asked;   /* chunks since it was last asked for want of worth */
};

struct page_fact {
    struct ingest_fact fact;
    bool is_event;
};

struct ingest_page {
    struct ingest *ingest;
    const struct ingest_page_ops *ops;
    void *owner;
    struct list link;      /* in ingest.pages */
    struct list lane_link; /* in a lane's list of pages that wait to be told or written */

    enum ingest_lane lane;
    int32_t relay_id;
    const char *relay_url;
    const struct filter_spec *filter;
    struct filter_ask ask;
    int32_t *kinds; /* ours; what ask.kinds points to */

    struct list chunks; /* all that are not committed, in order of arrival */
    struct chunk *filling;
    struct page_fact *facts; /* one for each message, until the owner was told */
    uint32_t chunks_open, chunks_scanning;
    uint64_t reserved;
    bool sealed, scanned, proven;

    struct store_span *spans;
    size_t spans_n;
    struct ingest_page_result result;
};

void page_free(struct ingest_page *p);
void page_told(struct ingest_page *p); /* an empty page: its owner hears it now */
void page_soon(struct ingest_page *p); /* ..and this asks for that from the loop */

void chunk_job_scan(struct worker_job *job);
void chunk_job_verify(struct worker_job *job);

void chunk_again(struct chunk *c); /* what was taken for known is not: check it */
void chunk_drop(struct chunk *c);  /* frees it, its ids leave the table of ids in flight */

/* Is it what it says, signature aside?  Else nobody knows whether it took the place of an event on
 * its page, or came besides. */
bool item_is_event(const struct item *item);

/* Verified, perhaps by a copy of it, and without the hashes of its tags: a worker makes them. */
bool item_needs_tags(const struct item *item);

/* VERDICT_UNKNOWN item: someone else has it in flight (its verdict is set: WAITING or VERIFIED;
 * true), or it takes the entry. */
bool item_meets_flight(struct seen *seen, struct item *item);
void item_leave_flight(struct seen *seen, struct item *item);

#endif
