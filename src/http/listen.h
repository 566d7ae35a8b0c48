/* listen: where a server of ours listens: `address:port`, `[address]:port` or `unix:/path`.
 *
 * Only literal addresses: a name could mean another machine tomorrow. */
#ifndef HTTP_LISTEN_H
#define HTTP_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

enum { LISTEN_TEXT_MAX = 256, LISTEN_BACKLOG = 512 };

struct listen_address {
    bool unix_socket;
    char host[64];              /* literal, without brackets; "" for a unix socket */
    uint16_t port;              /* 0: any that is free (tests) */
    char path[LISTEN_TEXT_MAX]; /* of a unix socket, else "" */
    bool loopback;              /* nobody else can come: a unix socket, 127/8, ::1 */
};

/* -1 with ERR_CONFIG: what is wrong, and how it should look. */
int listen_parse(const char *text, struct listen_address *a, struct err *err) MUST_USE;

/* A listening, non-blocking socket, the caller's.  -1 with ERR_CONFIG when the address is taken
 * or not ours.  A unix socket that nobody answers on is replaced; the new one
 * may be used by owner and group. */
int listen_open(const struct listen_address *a, struct err *err) MUST_USE;

/* Does anybody answer on this unix socket?  A path that is too long: nobody. */
bool listen_answers(const char *path);

#endif
