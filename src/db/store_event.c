/* One transaction of the archive, in two exchanges with the server, three where there are
 * tombstones:
 *
 *     1  BEGIN, locks, are there tombstones?, are the known ones there?, which sightings are known?
 *        what is excluded?
 *     2  the rest: events, sightings, what they prove, COMMIT
 *
 * Where events mention relays, these go in an exchange of their own before 2: mentions count when
 * their event was inserted here.
 *
 * When the server refuses a value in 2, all is rolled back and begun anew in the careful way:
 * events go in by halves, each behind a savepoint, until the rows are alone that it cannot take;
 * they are set aside and the rest is written as ever. */
#include "db/store_event.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "db/store_write.h"

static void push_range(struct write *op, uint32_t from, uint32_t to)
{
    assert(op->ranges_n < RANGES_MAX && from < to); /* halving 2^32 rows leaves at most 33 open */
    op->ranges[op->ranges_n++] = (struct range){from, to};
}

static void query_plain(struct write *op, struct conn *conn, const char *sql)
{
    write_add_step(op, STEP_OTHER);
    conn_query(conn, sql, NULL);
}

static bool write_send(struct op *base, struct conn *conn)
{
    struct write *op = CONTAINER_OF(base, struct write, op);

    op->steps_n = 0;
    switch (op->phase) {
    case WRITE_ASK:
        write_send_locks(op, conn);
        write_send_known(op, conn);
        write_send_seen(op, conn);
        return false;
    case WRITE_ASK_TOMBSTONES:
        write_send_tombstones(op, conn);
        return false;
    case WRITE_EVENTS:
        op->now = op->ranges[--op->ranges_n];
        if (op->careful)
            query_plain(op, conn, "SAVEPOINT s");
        write_send_events(op, conn);
        if (op->careful)
            query_plain(op, conn, "RELEASE SAVEPOINT s");
        return false;
    case WRITE_REST:
        if (!op->events_apart) {
            op->now = (struct range){0, op->w->events_n};
            write_send_events(op, conn);
        }
        write_send_mentions(op, conn);
        write_send_notes(op, conn);
        write_send_sightings(op, conn);
        write_send_spans(op, conn);
        return true;
    }
    assert(false);
    return false;
}

/* The ids that were inserted come back in our order. */
static void note_inserted(struct write *op, const struct result *res)
{
    uint32_t i = op->now.from;

    for (int row = 0; row < result_rows(res); row++) {
        struct str id = result_str(res, row, 0);

        while (i < op->now.to &&
               (id.n != 32 || memcmp(write_event_at(op, i)->event->id.b, id.p, 32) != 0))
            i++;
        if (i < op->now.to) {
            write_event_at(op, i)->inserted = true;
            op->w->events_inserted++;
        }
    }
}

static void write_result(struct op *base, int step, const struct result *res)
{
    struct write *op = CONTAINER_OF(base, struct write, op);

    if (step >= op->steps_n) /* COMMIT */
        return;
    switch (op->steps[step]) {
    case STEP_TOMBSTONES_ANY:
        op->tombstones = result_rows(res) == 1 && result_int(res, 0, 0) != 0;
        return;
    case STEP_TOMBSTONES:
    case STEP_RECIPIENTS:
        for (int row = 0; row < result_rows(res); row++) {
            int64_t i = result_int(res, row, 0);

            if (i >= 1 && i <= op->w->events_n)
                write_event_at(op, (uint32_t)i - 1)->tombstoned = true;
        }
        return;
    case STEP_MISSING:
        if (result_rows(res) == 1)
            op->missing = binary_array_n(result_str(res, 0, 0), PG_INT4);
        return;
    case STEP_SEEN:
        if (result_rows(res) == 1)
            write_seen_known(op, result_str(res, 0, 0));
        return;
    case STEP_EVENTS:
        note_inserted(op, res);
        return;
    case STEP_SIGHTINGS:
        if (result_rows(res) == 1)
            op->w->sightings_inserted = (uint32_t)result_int(res, 0, 0);
        return;
    case STEP_OTHER:
        return;
    }
}

static bool any_to_write(const struct write *op)
{
    for (uint32_t i = 0; i < op->w->events_n; i++)
        if (!write_excluded(&op->w->events[i]))
            return true;
    return false;
}

/* Everything was asked. */
static enum op_next begin_writing(struct write *op)
{
    op->phase = WRITE_REST;
    op->events_apart = op->careful || op->w->mentions_n > 0;
    if (op->events_apart && any_to_write(op)) {
        op->phase = WRITE_EVENTS;
        push_range(op, 0, op->w->events_n);
    }
    return OP_MORE;
}

static enum op_next write_settled(struct op *base, struct err *err)
{
    struct write *op = CONTAINER_OF(base, struct write, op);

    switch (op->phase) {
    case WRITE_ASK:
        if (op->missing > 0) {
            err_set(err, ERR_DB_UNKNOWN_ID, "of the events believed stored, %" PRIu32 " are not",
                    op->missing);
            return OP_FAIL;
        }
        if (!op->tombstones)
            return begin_writing(op);
        op->phase = WRITE_ASK_TOMBSTONES;
        return OP_MORE;
    case WRITE_ASK_TOMBSTONES:
        return begin_writing(op);
    case WRITE_EVENTS:
        if (op->ranges_n == 0)
            op->phase = WRITE_REST;
        return OP_MORE;
    case WRITE_REST:
        return OP_DONE;
    }
    assert(false);
    return OP_FAIL;
}

/* Why a row was refused, kept by its place. */
static void refuse(struct write *op, uint32_t i, const char *detail)
{
    if (!op->detail) {
        op->detail = calloc(op->w->events_n, DETAIL_BYTES);
        assert(op->detail);
    }
    str_escape(op->detail[i], DETAIL_BYTES, str_z(detail));
    write_event_at(op, i)->refused = true;
    op->w->events_refused++;
}

static enum op_next write_failed(struct op *base, const char *sqlstate, struct err *err)
{
    struct write *op = CONTAINER_OF(base, struct write, op);

    (void)sqlstate;
    if (err->code != ERR_DB_DATA || op->w->events_n == 0)
        return OP_FAIL;
    if (!op->careful && (op->phase == WRITE_REST || op->phase == WRITE_EVENTS)) {
        op->careful = true;
        return OP_RESTART;
    }
    if (op->phase != WRITE_EVENTS)
        return OP_FAIL;
    if (op->now.to - op->now.from == 1) {
        refuse(op, op->now.from, err->detail);
    } else {
        uint32_t mid = op->now.from + (op->now.to - op->now.from) / 2;

        push_range(op, mid, op->now.to);
        push_range(op, op->now.from, mid);
    }
    if (op->ranges_n == 0)
        op->phase = WRITE_REST;
    return OP_ROLLBACK_TO;
}

/* The tags become jsonb in the view: a control character there would make every scan of it fail.
 * The scanner leaves none. */
static void refuse_unreadable(struct write *op)
{
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        const struct str tags = write_event_at(op, i)->event->tags;

        for (size_t j = 0; j < tags.n; j++) {
            if ((uint8_t)tags.p[j] < 0x20) {
                refuse(op, i, "a control character in tags");
                break;
            }
        }
    }
}

static void write_restart(struct op *base)
{
    struct write *op = CONTAINER_OF(base, struct write, op);
    struct store_write *w = op->w;

    op->phase = WRITE_ASK;
    op->ranges_n = 0;
    op->missing = 0;
    op->tombstones = false;
    w->events_inserted = w->sightings_inserted = w->events_refused = w->mentions_counted = 0;
    for (uint32_t i = 0; i < w->events_n; i++)
        w->events[i].refused = w->events[i].inserted = w->events[i].tombstoned = false;
    refuse_unreadable(op);
}

static void write_end(struct op *base, const struct err *err)
{
    struct write *op = CONTAINER_OF(base, struct write, op);
    struct store_write *w = op->w;

    if (err) { /* nothing of it happened, as far as we know */
        op->ranges_n = 0;
        for (uint32_t i = 0; i < w->events_n; i++)
            w->events[i].refused = w->events[i].inserted = w->events[i].tombstoned = false;
        w->events_inserted = w->sightings_inserted = w->events_refused = w->mentions_counted = 0;
    }
    free(op->order);
    free(op->detail);
    free(op->seen);
    free(op);
    w->internal = NULL;
    w->done(w, err);
}

static const struct op_ops write_ops = {write_send,   write_result,  write_settled,
                                        write_failed, write_restart, write_end};

static int by_event_id(const void *a, const void *b, void *events)
{
    const struct store_event *all = events;

    return memcmp(all[*(const uint32_t *)a].event->id.b, all[*(const uint32_t *)b].event->id.b, 32);
}

void store_write(struct db *db, enum db_lane lane, struct store_write *w)
{
    struct write *op = calloc(1, sizeof(*op));

    assert(op && w->done);
    for (uint32_t i = 0; i < w->spans_n; i++)
        assert(w->spans[i].lo <= w->spans[i].hi);
    for (uint32_t i = 0; i < w->mentions_n; i++)
        assert(w->mentions[i].event < w->events_n);
    op->op.ops = &write_ops;
    op->db = db;
    op->lane = lane;
    op->w = w;
    op->order = malloc((w->events_n + (size_t)1) * sizeof(*op->order));
    assert(op->order);
    for (uint32_t i = 0; i < w->events_n; i++)
        op->order[i] = i;
    qsort_r(op->order, w->events_n, sizeof(*op->order), by_event_id, w->events);
    write_restart(&op->op);
    w->internal = op;
    db_submit(db, lane, &op->op);
}
