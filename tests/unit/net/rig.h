/* What every test of connections needs: a loop, workers, and a net that may dial loopback. */
#ifndef TEST_RIG_H
#define TEST_RIG_H

#include "net/net.h"

struct rig {
    uv_loop_t loop;
    struct workers *workers;
    struct net *net;
    struct net_options options;
};

/* Options that suit loopback: 127.0.0.0/8 and ::1 allowed, no proxies, generous times.  Change
 * them, then rig_start(). */
void rig_init(struct rig *r);
void rig_start(struct rig *r);

/* Runs the loop until *flag is not 0; fails the test after ten seconds. */
void rig_run_until(struct rig *r, const int *flag);

/* Closes all, and asserts that no handle is left: the leak test of every net test. */
void rig_finish(struct rig *r);

#endif
