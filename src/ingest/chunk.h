/* chunk: some events of one page, with the arena they live in and their verdicts.
 *
 * One owner at a time: the loop while it fills and after each step, a worker while a job runs.  A
 * worker sees nothing but the chunk and the immutable filter of its page; it leaves its counts in
 * the chunk. */
#ifndef INGEST_CHUNK_H
#define INGEST_CHUNK_H

#include "core/list.h"
#include "core/metrics.h"
#include "ingest/ingest.h"
#include "nostr/hints.h"

enum { CHUNK_EVENTS_MAX = 512, CHUNK_BYTES_MAX = 2 * 1024 * 1024 };

/* Relays that the events of one chunk mention, in all.  Real ones mention 1.4 each; beyond this,
 * which only spam reaches, those of the chunk's other events are not noted. */
enum { CHUNK_HINTS_MAX = 8192 };

enum verdict {
    VERDICT_NEW,      /* as added, not yet scanned */
    VERDICT_REJECTED, /* see `why` */
    VERDICT_UNKNOWN,  /* scanned; its signature has to be checked */
    VERDICT_WAITING,  /* another chunk is checking the same id */
    VERDICT_KNOWN,    /* committed already: a sighting, no check */
    VERDICT_VERIFIED  /* signature is good */
};

struct item {
    struct str raw;
    struct event event;
    struct hints hints; /* once it is verified: the relays that it mentions */
    int64_t seen_at_ms;
    uint64_t fingerprint; /* of the id; set on the loop */
    enum verdict verdict;
    enum reject why;
    bool matches;   /* what was asked */
    bool tagged;    /* the hashes of its tags are made: every row of the database needs them */
    bool in_flight; /* this item holds the entry in the table of ids in flight */
};

enum chunk_state {
    CHUNK_FILLING,
    CHUNK_SCANNING,
    CHUNK_LOOKUP,
    CHUNK_VERIFYING,
    CHUNK_WAITING,
    CHUNK_READY,
    CHUNK_WRITING
};

struct chunk {
    struct ingest *ingest;
    struct ingest_page *page;
    struct list link;      /* on the list of its state */
    struct list page_link; /* on its page's list of chunks */
    enum chunk_state state;
    int64_t ready_at_ms; /* monotonic */

    struct arena arena;
    struct item *items; /* grows while it fills; fixed once it is scanned */
    uint32_t n, room;
    uint32_t first;   /* index of items[0] among the messages of the page */
    uint64_t bytes;   /* raw bytes added */
    uint64_t charged; /* what the pool was charged */

    struct worker_job job;
    const struct verifier *verifier; /* for the worker, as all that follows; immutable */
    const struct filter_spec *const *wanted;
    size_t wanted_n;
    const struct filter_spec *filter; /* that was asked; NULL: all that are wanted */
    const struct filter_ask *ask;
    const struct retention_rule *retention;
    size_t retention_n;
    const char *relay_url; /* that it comes from */
    int64_t now_s;         /* UNIX time, for their ages */
    bool keep_ephemeral, note_hints;

    /* What the worker counted. */
    uint32_t rejects[REJECT__COUNT];
    uint32_t variants[EVENT_VARIANT__COUNT];
    uint32_t checks, hints;

    struct store_lookup lookup;
};

struct chunk *chunk_new(struct ingest *in, struct ingest_page *page);
void chunk_free(struct chunk *c);
bool chunk_full(const struct chunk *c, size_t next_bytes);
void chunk_add(struct chunk *c, struct str raw, int64_t seen_at_ms); /* copies */
uint64_t chunk_held(const struct chunk *c);                          /* bytes of memory */

/* The worker's two jobs (check.c). */
void chunk_scan(struct chunk *c); /* VERDICT_NEW -> UNKNOWN or REJECTED */
void chunk_verify(
    struct chunk *c); /* VERDICT_UNKNOWN -> VERIFIED or REJECTED; tags hashed, hints noted */

#endif
