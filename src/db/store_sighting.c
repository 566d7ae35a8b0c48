/* The sightings of one store_write().
 *
 *     sorted by relay and key -> asked: which of them are known?  -> packed: one row for each
 * relay, bucket of 2^15 s and second of seeing, up to ROW_KEYS keys -> inserted as they are
 *
 * The server is asked under the locks of the relays, so that what it says holds until the commit.
 * It is asked about events that are new, too: an event may have been deleted by hand while its
 * sightings stayed. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/rows.h"
#include "db/stmt.h"
#include "db/store_write.h"

/* Four rows of 240 keys fill a page; a sighting of an event that was older than HISTORY_S says when
 * we came by and not when the event spread: such share the time of their batch. */
enum { ROW_KEYS = 240, BUCKET_SHIFT = 47, TIME_SHIFT = 32, HISTORY_S = 3600 };

struct seen {
    int64_t key, seen_at_ms;
    int64_t second; /* of its row, once it is known */
    int32_t relay_id;
    uint32_t sighting; /* position in w->sightings */
    bool known, history;
};

static int32_t bucket_of(const struct seen *s)
{
    return (int32_t)(s->key >> BUCKET_SHIFT);
}

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_relay_and_key(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    int c = compare(x->relay_id, y->relay_id);

    c = c != 0 ? c : compare(x->key, y->key);
    return c != 0 ? c : compare(x->seen_at_ms, y->seen_at_ms);
}

static int by_row_and_key(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    int c = compare(x->relay_id, y->relay_id);

    c = c != 0 ? c : compare(bucket_of(x), bucket_of(y));
    c = c != 0 ? c : compare(x->history, y->history);
    c = c != 0 ? c : compare(x->second, y->second);
    return c != 0 ? c : compare(x->key, y->key);
}

static void collect(struct write *op)
{
    const struct store_write *w = op->w;

    free(op->seen);
    op->seen_n = w->sightings_n;
    op->seen = malloc((op->seen_n + (size_t)1) * sizeof(*op->seen));
    assert(op->seen);
    for (uint32_t i = 0; i < op->seen_n; i++) {
        const struct store_sighting *s = &w->sightings[i];

        op->seen[i] = (struct seen){.key = db_event_key(op->db, &s->id, s->created_at),
                                    .seen_at_ms = s->seen_at_ms,
                                    .relay_id = s->relay_id,
                                    .sighting = i};
    }
    qsort(op->seen, op->seen_n, sizeof(*op->seen), by_relay_and_key);
}

/* ---- which are known? ---- */

void write_send_seen(struct write *op, struct conn *conn)
{
    struct array relay, bucket, lo, hi, group, key;
    struct array *all[] = {&relay, &bucket, &lo, &hi, &group, &key};
    struct params p;
    int32_t first = INT32_MAX, last = 0;

    collect(op);
    if (op->seen_n == 0)
        return;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        array_init(all[i], i + 1 < sizeof(all) / sizeof(all[0]) ? PG_INT4 : PG_INT8);
    for (uint32_t i = 0; i < op->seen_n; i++) {
        const struct seen *s = &op->seen[i], *next = s + 1;

        if (i == 0 || s->relay_id != s[-1].relay_id || bucket_of(s) != bucket_of(s - 1)) {
            array_int4(&relay, s->relay_id);
            array_int4(&bucket, bucket_of(s));
            array_int4(&lo, (int32_t)(s->key >> TIME_SHIFT));
            first = bucket_of(s) < first ? bucket_of(s) : first;
            last = bucket_of(s) > last ? bucket_of(s) : last;
        }
        array_int4(&group, (int32_t)relay.n);
        array_int8(&key, s->key);
        if (i + 1 == op->seen_n || s->relay_id != next->relay_id || bucket_of(s) != bucket_of(next))
            array_int4(&hi, (int32_t)(s->key >> TIME_SHIFT));
    }
    params_init(&p);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        params_array(&p, all[i]);
    params_int4(&p, first);
    params_int4(&p, last);
    write_add_step(op, STEP_SEEN);
    conn_query(conn, stmt[STMT_SIGHTINGS_KNOWN], &p);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        array_done(all[i]);
}

void write_seen_known(struct write *op, struct str positions)
{
    uint32_t n = binary_array_n(positions, PG_INT4);

    for (uint32_t i = 0; i < n; i++) {
        int64_t at = binary_array_int(positions, i, 4);

        if (at >= 1 && at <= op->seen_n)
            op->seen[at - 1].known = true;
    }
}

/* ---- the rows ---- */

/* Leaves what is to be stored: not known, not excluded with its event, each once, first seen first.
 */
static uint32_t keep_fresh(struct write *op)
{
    struct seen *to = op->seen;

    for (const struct seen *s = op->seen; s < op->seen + op->seen_n; s++) {
        const struct store_sighting *sighting = &op->w->sightings[s->sighting];
        const struct store_event *e = sighting->known ? NULL : write_find_event(op, &sighting->id);

        if (s->known || (e && write_excluded(e)))
            continue;
        if (to > op->seen && to[-1].relay_id == s->relay_id && to[-1].key == s->key)
            continue;
        *to++ = *s;
    }
    return (uint32_t)(to - op->seen);
}

/* The second of each one's row; then those of one row stand together. */
static void date(struct seen *seen, uint32_t n)
{
    for (uint32_t from = 0, to; from < n; from = to) {
        int64_t first_ms = INT64_MAX;

        for (to = from; to < n && seen[to].relay_id == seen[from].relay_id &&
                        bucket_of(&seen[to]) == bucket_of(&seen[from]);
             to++) {
            struct seen *s = &seen[to];

            s->history = s->seen_at_ms / 1000 - (s->key >> TIME_SHIFT) > HISTORY_S;
            if (s->history && s->seen_at_ms < first_ms)
                first_ms = s->seen_at_ms;
        }
        for (uint32_t i = from; i < to; i++)
            seen[i].second = (seen[i].history ? first_ms : seen[i].seen_at_ms) / 1000;
    }
    qsort(seen, n, sizeof(*seen), by_row_and_key);
}

static bool same_row(const struct seen *a, const struct seen *b)
{
    return a->relay_id == b->relay_id && bucket_of(a) == bucket_of(b) && a->history == b->history &&
           a->second == b->second;
}

struct row_arrays {
    struct array seen_at, relay, bucket, tmax, tmin, keys, from, to, lags, lag_from, lag_to;
};

/* One row, of n that belong together.  Its keys are those from..to of all; no lags: NULL. */
static void add_row(struct row_arrays *a, const struct seen *s, uint32_t n)
{
    array_int8(&a->seen_at, s->second);
    array_int4(&a->relay, s->relay_id);
    array_int4(&a->bucket, bucket_of(s));
    array_int4(&a->tmax, (int32_t)(s[n - 1].key >> TIME_SHIFT));
    array_int4(&a->tmin, (int32_t)(s->key >> TIME_SHIFT));
    array_int4(&a->from, (int32_t)a->keys.n + 1);
    array_int4(&a->lag_from, s->history ? 0 : (int32_t)a->lags.n + 1);
    for (uint32_t i = 0; i < n; i++) {
        array_int8(&a->keys, s[i].key);
        if (!s->history)
            array_int4(&a->lags, (int32_t)(s[i].seen_at_ms - s->second * 1000));
    }
    array_int4(&a->to, (int32_t)a->keys.n);
    array_int4(&a->lag_to, (int32_t)a->lags.n);
}

void write_send_sightings(struct write *op, struct conn *conn)
{
    struct row_arrays a;
    struct array *all[] = {&a.seen_at, &a.relay, &a.bucket, &a.tmax,     &a.tmin,  &a.keys,
                           &a.from,    &a.to,    &a.lags,   &a.lag_from, &a.lag_to};
    struct params p;

    op->seen_n = keep_fresh(op);
    if (op->seen_n == 0)
        return;
    date(op->seen, op->seen_n);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        array_init(all[i], all[i] == &a.seen_at || all[i] == &a.keys ? PG_INT8 : PG_INT4);
    for (uint32_t from = 0, to; from < op->seen_n; from = to) {
        for (to = from + 1;
             to < op->seen_n && to - from < ROW_KEYS && same_row(&op->seen[from], &op->seen[to]);)
            to++;
        add_row(&a, &op->seen[from], to - from);
    }
    params_init(&p);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        params_array(&p, all[i]);
    params_int4(&p, (int32_t)op->lane);
    write_add_step(op, STEP_SIGHTINGS);
    conn_query(conn, stmt[STMT_SIGHTINGS], &p);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        array_done(all[i]);
}
