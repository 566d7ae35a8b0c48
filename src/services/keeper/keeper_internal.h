/* Between keeper.c and keeper_export.c. */
#ifndef SERVICES_KEEPER_KEEPER_INTERNAL_H
#define SERVICES_KEEPER_KEEPER_INTERNAL_H

#include "core/buf.h"
#include "db/store_keep.h"
#include "loop/workers.h"
#include "services/keeper/exported.h"
#include "services/keeper/keeper.h"

enum {
    LOOK_MS = 3000, /* when there was nothing */
    STEP_MS = 100,  /* between two steps */
    STEP_EVENTS = 200,
    BATCH_EVENTS = 500, /* as many as store_retention_read() brings at most */
    PUT_OFF_MAX = 50,   /* times in a row: five seconds */
    IN_FLIGHT_S = 600   /* so long may an event be on its way from a relay to its commit */
};

/* The turns: requests to vanish, then each rule. */
enum { TURN_VANISH, TURN_RULES };

/* What a rule that exports does next (keeper_export.c). */
enum export_phase {
    EXPORT_LOAD, /* the manifest: is a file's deletion under way? */
    EXPORT_READ, /* events of one month, and write them */
    EXPORT_CLOSE,
    EXPORT_CHECK, /* read the file back */
    EXPORT_TAKE,  /* events of the checked file, and delete them */
    EXPORT_DONE
};

struct keeper_export {
    struct exported *files; /* NULL: the rule does not export */
    enum export_phase phase;
    bool busy;                    /* events may be in a file of it and in the archive as well */
    bool open;                    /* a file is being written */
    int64_t after;                /* the last key that was read for it */
    int64_t month, next;          /* its first second, and that of the next one */
    uint64_t events;              /* in the file */
    int64_t wait_ms, again_at_ms; /* after trouble */
    char stalled[KEEPER_STALLED_MAX];
};

struct keeper {
    uv_timer_t timer;
    struct db *db;
    struct workers *workers;
    struct keeper_options options;
    const struct retention_rule *rules;
    struct store_retention *states; /* of each rule */
    struct keeper_export *exports;
    size_t rules_n;
    bool started, stopping;
    void (*on_started)(void *owner, const struct err *err);
    void *owner;

    size_t turn;
    bool more; /* somebody had work in this round */
    bool behind;
    uint32_t put_off;
    uint64_t vanished, expired, exported, vanished_said;

    /* What a rule has found and not deleted yet. */
    struct arena arena;
    struct id32 ids[BATCH_EVENTS];
    int64_t ats[BATCH_EVENTS];
    size_t found_n, deleted_n;
    int64_t read_n, last_key, judged_at, deleted;

    /* One step of an export on a worker. */
    struct worker_job job;
    bool job_out;
    int (*work)(struct keeper *k, struct err *err);
    void (*worked)(struct keeper *k);
    struct err job_err;
    int job_rc;
    bool job_more;   /* out: as exported.h has it */
    bool page_over;  /* what follows on the page is read again */
    bool month_over; /* and it is of a later month */
    struct buf text; /* of the events in ids, a line each */
};

static inline const struct retention_rule *keeper_rule(const struct keeper *k)
{
    return &k->rules[k->turn - TURN_RULES];
}

static inline struct store_retention *keeper_state(const struct keeper *k)
{
    return &k->states[k->turn - TURN_RULES];
}

void keeper_again_in(struct keeper *k, uint64_t ms);
void keeper_next_turn(struct keeper *k, bool more);
void keeper_trouble(struct keeper *k, const struct err *err);
void keeper_delete_some(struct keeper *k);
void keeper_rule_done(struct keeper *k); /* everything up to last_key is done */

/* Is the event one that the rule excludes?  False with a warning for what cannot be read. */
bool keeper_excludes(struct keeper *k, const struct store_retention_row *row);

void keeper_export_open(struct keeper *k, size_t i);
void keeper_export_turn(struct keeper *k);
void keeper_export_deleted(struct keeper *k); /* what was taken of the file is gone */
void keeper_export_forget(struct keeper *k);  /* all that is open begins anew */

#endif
