/* control: a socket in the state directory on which `bigbrotr status` asks a running daemon.
 *
 * Whoever connects gets one JSON document and the end of the stream.  The directory is 0700: only
 * the daemon's user and root come here.  At most CONTROL_CLIENTS_MAX at once; each has a few
 * seconds. */
#ifndef HTTP_CONTROL_H
#define HTTP_CONTROL_H

#include <uv.h>

#include "core/err.h"

struct control;

enum { CONTROL_CLIENTS_MAX = 16 };

/* `answer` returns a malloc'd text; it is freed after it was written. */
struct control_ops {
    char *(*answer)(void *owner);
};

/* A socket that a dead daemon left is replaced; one that a living daemon listens on is ERR_CONFIG
 * "already running". */
struct control *control_open(uv_loop_t *loop, const char *path, const struct control_ops *ops,
                             void *owner, struct err *err);
void control_close(struct control *c); /* the socket file goes */

#endif
