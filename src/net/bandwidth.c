/* Bandwidth: a bucket that holds a tenth of a second. */
#include "net/bandwidth.h"

#include <assert.h>

static void on_tick(uv_timer_t *h);

static int64_t capacity(const struct bandwidth *b)
{
    return (int64_t)(b->rate / 10 > 1 ? b->rate / 10 : 1);
}

void bandwidth_init(struct bandwidth *b, uv_loop_t *loop, uint64_t rate)
{
    (void)uv_timer_init(loop, &b->tick);
    b->tick.data = b;
    list_init(&b->queue);
    b->rate = rate;
    b->tokens = capacity(b);
    b->filled_ns = uv_hrtime();
}

static void fill(struct bandwidth *b)
{
    uint64_t now = uv_hrtime();
    uint64_t elapsed = now - b->filled_ns;

    if (elapsed > 1000000000)
        elapsed = 1000000000; /* more would only be cut off below, and could overflow */

    int64_t earned = (int64_t)((double)b->rate * (double)elapsed / 1e9);

    if (earned == 0)
        return;
    b->filled_ns = now;
    b->tokens = b->tokens + earned > capacity(b) ? capacity(b) : b->tokens + earned;
}

static void resume_some(struct bandwidth *b)
{
    int64_t promised = 0;
    struct list *l;

    while ((b->rate == 0 || b->tokens > promised) && (l = list_take_first(&b->queue)) != NULL) {
        struct bandwidth_user *user = CONTAINER_OF(l, struct bandwidth_user, link);

        promised += BANDWIDTH_TURN_BYTES; /* it may read as much before it is asked again */
        user->resume(user);
    }
    if (list_empty(&b->queue))
        (void)uv_timer_stop(&b->tick);
}

void bandwidth_set_rate(struct bandwidth *b, uint64_t rate)
{
    b->rate = rate;
    b->tokens = capacity(b);
    b->filled_ns = uv_hrtime();
    resume_some(b);
}

void bandwidth_close(struct bandwidth *b, uv_close_cb closed)
{
    assert(list_empty(&b->queue));
    uv_close((uv_handle_t *)&b->tick, closed);
}

void bandwidth_user_init(struct bandwidth_user *user, void (*resume)(struct bandwidth_user *user))
{
    list_init(&user->link);
    user->resume = resume;
}

bool bandwidth_take(struct bandwidth *b, struct bandwidth_user *user, uint64_t bytes)
{
    if (b->rate == 0)
        return false;
    fill(b);
    b->tokens -= (int64_t)bytes;
    if (b->tokens > 0)
        return false;
    list_remove(&user->link);
    list_add_tail(&b->queue, &user->link);
    if (!uv_is_active((uv_handle_t *)&b->tick))
        (void)uv_timer_start(&b->tick, on_tick, BANDWIDTH_TICK_MS, BANDWIDTH_TICK_MS);
    return true;
}

void bandwidth_leave(struct bandwidth_user *user)
{
    list_remove(&user->link);
}

static void on_tick(uv_timer_t *h)
{
    struct bandwidth *b = CONTAINER_OF(h, struct bandwidth, tick);

    fill(b);
    resume_some(b);
}
