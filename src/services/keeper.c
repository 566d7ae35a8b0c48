/* keeper: see keeper.h. */
#include "services/keeper.h"

#include <stdlib.h>

#include "core/log.h"
#include "core/metrics.h"
#include "db/store_keep.h"

enum {
    LOOK_MS = 3000, /* when there was nothing */
    STEP_MS = 100,  /* between two steps */
    STEP_EVENTS = 200,
    PUT_OFF_MAX = 50 /* times in a row: five seconds */
};

struct keeper {
    uv_timer_t timer;
    struct db *db;
    struct keeper_options options;
    struct keeper_status status;
    uint32_t put_off;
    uint64_t said; /* of status.vanished, in the log */
};

static void on_timer(uv_timer_t *timer);

static void again_in(struct keeper *k, uint64_t ms)
{
    (void)uv_timer_start(&k->timer, on_timer, ms, 0);
}

static void on_vanish_step(void *owner, const struct store_step *step, const struct err *err)
{
    struct keeper *k = owner;

    if (err != NULL) {
        if (err->code != ERR_CANCELLED) /* else the daemon ends */
            again_in(k, LOOK_MS);
        return;
    }
    k->put_off = step->busy ? k->put_off + 1 : 0;
    k->status.vanished += (uint64_t)step->events;
    metrics.events_deleted_total[METRIC_DELETION_VANISH] += (uint64_t)step->events;
    if (!step->more && k->status.vanished > k->said) {
        log_info("keeper", "%llu events deleted, as their authors have asked all relays (NIP-62)",
                 (unsigned long long)(k->status.vanished - k->said));
        k->said = k->status.vanished;
    }
    again_in(k, step->more ? STEP_MS : LOOK_MS);
}

static void on_timer(uv_timer_t *timer)
{
    struct keeper *k = timer->data;

    if (!db_is_up(k->db) || !k->options.vanish) {
        again_in(k, LOOK_MS);
        return;
    }
    store_vanish_step(k->db, STEP_EVENTS, k->put_off >= PUT_OFF_MAX, on_vanish_step, k);
}

struct keeper *keeper_open(uv_loop_t *loop, struct db *db, const struct keeper_options *options)
{
    struct keeper *k = calloc(1, sizeof(*k));

    if (k == NULL)
        abort();
    k->db = db;
    k->options = *options;
    (void)uv_timer_init(loop, &k->timer);
    k->timer.data = k;
    again_in(k, STEP_MS);
    return k;
}

void keeper_reconfigure(struct keeper *k, const struct keeper_options *options)
{
    k->options = *options;
}

void keeper_status(const struct keeper *k, struct keeper_status *s)
{
    *s = k->status;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void keeper_close(struct keeper *k)
{
    uv_close((uv_handle_t *)&k->timer, on_closed);
}
