/* packer: see packer.h. */
#include "services/packer.h"

#include "core/clock.h"

enum {
    ROUND_EVERY_MS = 60 * 60 * 1000,
    A_TICK = 10,         /* statements; most find nothing and take less than a millisecond */
    ROWS_MAX = 4000,     /* in one statement: some 50 ms of the database */
    SETTLED_S = 10 * 60, /* an hour is over when its last events have been written for sure */
    BUCKETS_BACK = 24    /* nine days: hardly anything older is seen live */
};

static void on_packed(void *owner, int64_t saved, const struct err *err);

static void pack_next(struct packer *p)
{
    int64_t hour = clock_wall_s() - SETTLED_S;

    if (p->left == 0 || p->next >= p->roster->n || !db_is_up(p->db))
        return;
    p->left--;
    p->busy = true;
    store_pack(p->db, p->roster->relays[p->next]->id, (int32_t)(hour >> 15) - BUCKETS_BACK, hour,
               ROWS_MAX, on_packed, p);
}

static void on_packed(void *owner, int64_t saved, const struct err *err)
{
    struct packer *p = owner;

    p->busy = false;
    if (err != NULL)
        return; /* tried again at the next tick */
    if (saved > 0)
        p->left = 0; /* that was work: the rest in a second */
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
    pack_next(p);
}
