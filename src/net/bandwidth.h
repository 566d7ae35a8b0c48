/* Bandwidth: one token bucket for all that is read from relays ([network] bandwidth_max).
 *
 *     a stream reads n bytes -> bandwidth_take -> bucket empty: it stops reading and queues up
 *     tick: refill -> the first in the queue -> resume() -> ...
 *
 * The queue is what makes it fair: whoever has just read goes to its end.  With no limit nothing
 * happens at all. */
#ifndef NET_BANDWIDTH_H
#define NET_BANDWIDTH_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/list.h"

enum { BANDWIDTH_TICK_MS = 20, BANDWIDTH_TURN_BYTES = 64 * 1024 };

/* Embedded in a stream. */
struct bandwidth_user {
    struct list link; /* in the queue while it waits */
    void (*resume)(struct bandwidth_user *user);
};

struct bandwidth {
    uv_timer_t tick;
    uint64_t rate;  /* bytes a second, 0: no limit */
    int64_t tokens; /* below zero: overdrawn by the last reader */
    uint64_t filled_ns;
    struct list queue;
};

void bandwidth_init(struct bandwidth *b, uv_loop_t *loop, uint64_t rate);
void bandwidth_set_rate(struct bandwidth *b, uint64_t rate); /* may resume all */
void bandwidth_close(struct bandwidth *b,
                     uv_close_cb closed); /* nobody waits any more; handle.data is the caller's */

void bandwidth_user_init(struct bandwidth_user *user, void (*resume)(struct bandwidth_user *user));
bool bandwidth_take(struct bandwidth *b, struct bandwidth_user *user,
                    uint64_t bytes);               /* true: stop reading until resume() */
void bandwidth_leave(struct bandwidth_user *user); /* harmless when it does not wait */

#endif
