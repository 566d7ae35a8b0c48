/* control: a socket in the state directory on which `bigbrotr` asks a running daemon.
 *
 *     "status\n"       one JSON document, and the end of the stream
 *     "relay URL\n"    what the daemon does with that relay now, as JSON
 *     "trace URL\n"    one line for each thing that happens with that relay, until the client goes;
 *                      "error: .." and the end when the relay is not known
 *
 * The directory is 0700: only the daemon's user and root come here.  At most CONTROL_CLIENTS_MAX at
 * once; a question has a few seconds.  A client that reads too slowly loses lines, and is told how
 * many. */
#ifndef HTTP_CONTROL_H
#define HTTP_CONTROL_H

#include <uv.h>

#include "core/err.h"

struct control;

enum { CONTROL_CLIENTS_MAX = 16, CONTROL_QUEUE_MAX = 256 * 1024 };

struct control_ops {
    char *(*answer)(void *owner); /* a malloc'd text; freed after it was written */
    /* The same for one relay; NULL: not known. */
    char *(*answer_relay)(void *owner, const char *url);
    /* The id of a relay by its URL as a person writes it; -1: not known. */
    int32_t (*relay)(void *owner, const char *url);
};

/* A socket that a dead daemon left is replaced; one that a living daemon listens on is ERR_CONFIG
 * "already running". */
struct control *control_open(uv_loop_t *loop, const char *path, const struct control_ops *ops,
                             void *owner, struct err *err);
void control_close(struct control *c); /* the socket file goes */

#endif
