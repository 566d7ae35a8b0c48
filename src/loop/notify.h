/* notify: tells systemd how we are (sd_notify(3)): one datagram, nothing where nobody listens.
 *
 *     READY=1            up; STATUS=..      one line for `systemctl status`
 *     RELOADING=1        .. READY=1        around a reload, with MONOTONIC_USEC
 *     STOPPING=1         WATCHDOG=1        still making progress */
#ifndef LOOP_NOTIFY_H
#define LOOP_NOTIFY_H

#include "core/err.h"

/* Reads NOTIFY_SOCKET and takes it out of the environment, so that no child speaks in our name.
 * Once, at the start. */
void notify_open(void);

/* One or more lines "KEY=value", separated by line feeds.  Never blocks; a failure is not told. */
void notify_send(const char *fmt, ...) PRINTF(1, 2);

#endif
