/* packer: see packer.h. */
#include "services/sync/packer.h"

#include "core/clock.h"

enum {
    ROUND_EVERY_MS = 60 * 60 * 1000,
    A_TICK = 10,         /* statements; most find nothing and take less than a millisecond */
    A_TICK_MS = 200,     /* .. but when there is work, or the database is slow, fewer */
    ROWS_FIRST = 500,    /* in one statement */
    ROWS_MIN = 100,      /* fewer save too little for their price */
    ROWS_MAX = 4000,     /* some 50 ms of a database that has nothing else to do */
    LONG_MS = 100,       /* what a statement should not take .. */
    SHORT_MS = 40,       /* .. and what leaves room for more rows */
    SETTLED_S = 10 * 60, /* an hour is over when its last events have been written for sure */
    BUCKETS_BACK = 24    /* nine days: hardly anything older is seen live */
};

static void on_packed(void *owner, int64_t saved, const struct err *err);

uint32_t packer_rows(uint32_t rows, int64_t took_ms)
{
    if (took_ms > LONG_MS)
        return rows / 2 > ROWS_MIN ? rows / 2 : ROWS_MIN;
    if (took_ms < SHORT_MS)
        return rows + rows / 4 < ROWS_MAX ? rows + rows / 4 : ROWS_MAX;
    return rows;
}

static void pack_next(struct packer *p)
{
    int64_t hour = clock_wall_s() - SETTLED_S;

    if (p->left == 0 || p->spent_ms >= A_TICK_MS || p->next >= p->roster->n || !db_is_up(p->db))
        return;
    p->left--;
    p->busy = true;
    p->asked_ms = clock_mono_ms();
    if (p->rows == 0)
        p->rows = ROWS_FIRST;
    const struct store_packing what = {.relay_id = p->roster->relays[p->next]->id,
                                       .from_bucket = (int32_t)(hour >> 15) - BUCKETS_BACK,
                                       .hour = hour,
                                       .rows_max = p->rows};
    store_pack(p->db, &what, on_packed, p);
}

static void on_packed(void *owner, int64_t saved, const struct err *err)
{
    struct packer *p = owner;
    int64_t took = clock_mono_ms() - p->asked_ms;

    p->busy = false;
    p->spent_ms += took;
    if (err != NULL)
        return; /* tried again at the next tick */
    if (saved > 0)
        p->rows = packer_rows(p->rows, took);
    else
        p->next++;
    pack_next(p);
}

void packer_tick(struct packer *p, int64_t now_ms)
{
    if (p->busy)
        return;
    if (p->next >= p->roster->n) {
        if (p->round_ms > 0 && now_ms - p->round_ms < ROUND_EVERY_MS)
            return;
        p->round_ms = now_ms;
        p->next = 0;
    }
    p->left = A_TICK;
    p->spent_ms = 0;
    pack_next(p);
}
