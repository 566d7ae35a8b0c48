/* What one store_write() is while it runs; between store_event.c (the order of things),
 * store_event_send.c (the rows), store_note.c (what is noted beside them) and store_sighting.c
 * (those of sightings). */
#ifndef DB_STORE_WRITE_H
#define DB_STORE_WRITE_H

#include "db/op.h"
#include "db/store_event.h"

enum { RANGES_MAX = 64, DETAIL_BYTES = 160 };

enum write_phase { WRITE_ASK, WRITE_ASK_TOMBSTONES, WRITE_EVENTS, WRITE_REST };

/* Which statement a result of an exchange belongs to. */
enum write_step {
    STEP_OTHER,
    STEP_TOMBSTONES_ANY,
    STEP_TOMBSTONES,
    STEP_RECIPIENTS,
    STEP_MISSING,
    STEP_SEEN,
    STEP_EVENTS,
    STEP_SIGHTINGS
};

struct range {
    uint32_t from, to;
};

struct write {
    struct op op;
    struct db *db;
    struct store_write *w;
    enum db_lane lane;
    enum write_phase phase;
    enum write_step steps[16];
    int steps_n;

    uint32_t *order;              /* events by id: positions in w->events */
    char (*detail)[DETAIL_BYTES]; /* by position in `order`: why it was refused; made when needed */
    bool careful;                 /* halving, behind savepoints */
    bool events_apart;            /* events go in an exchange before the last */
    struct range ranges[RANGES_MAX]; /* careful: still to be written, the next one last */
    uint32_t ranges_n;
    struct range now; /* what the running exchange writes */
    uint32_t missing;
    bool tombstones; /* there are some */

    struct seen *seen; /* store_sighting.c: each sighting, sorted */
    uint32_t seen_n;
};

struct store_event *write_event_at(const struct write *op, uint32_t i);
const struct store_event *write_find_event(const struct write *op,
                                           const struct id32 *id); /* of this batch, or NULL */
bool write_excluded(const struct store_event *e);                  /* nothing of it is written */
void write_add_step(struct write *op, enum write_step step);

/* The first exchange: who else must wait, is anything excluded, are the known ones there, which
 * sightings are known? */
void write_send_locks(struct write *op, struct conn *conn);
void write_send_known(struct write *op, struct conn *conn);
void write_send_seen(struct write *op, struct conn *conn);
void write_seen_known(struct write *op, struct str positions); /* what STEP_SEEN brought */

/* One of its own, where anything is excluded at all. */
void write_send_tombstones(struct write *op, struct conn *conn);

/* What the events mention; after them, which are new is known. */
void write_send_mentions(struct write *op, struct conn *conn);

/* The last. */
void write_send_events(struct write *op, struct conn *conn); /* those of op->now */
void write_send_notes(struct write *op, struct conn *conn);  /* store_note.c */
void write_send_sightings(struct write *op, struct conn *conn);
void write_send_spans(struct write *op, struct conn *conn);

#endif
