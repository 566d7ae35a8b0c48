/* connect_error: see connect_error.h. */
#include "net/connect_error.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

enum err_code connect_error(int error, int family, bool at_once)
{
    switch (error) {
    case ECONNREFUSED:
        return ERR_CONNECT_REFUSED;
    case ECONNRESET: /* accepted, and thrown out before we looked: as if it were a moment later */
    case ENOTCONN:
        return ERR_DISCONNECTED;
    case ETIMEDOUT:
        return ERR_CONNECT_TIMEOUT;
    case ENETUNREACH:
        /* At once: our own routing table has no way.  For IPv6 that is common and no outage. */
        return at_once && family == AF_INET ? ERR_NETWORK_DOWN : ERR_CONNECT_UNREACHABLE;
    case ENETDOWN:
        return ERR_NETWORK_DOWN;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
        return ERR_IO;
    default:
        return ERR_CONNECT_UNREACHABLE;
    }
}

static size_t rank(enum err_code code)
{
    static const enum err_code order[] = {ERR_NONE,
                                          ERR_NETWORK_DOWN,
                                          ERR_IO,
                                          ERR_CONNECT_UNREACHABLE,
                                          ERR_CONNECT_TIMEOUT,
                                          ERR_CONNECT_REFUSED,
                                          ERR_DISCONNECTED};
    size_t at = 0;

    while (order[at] != code) {
        at++;
        assert(at < sizeof(order) / sizeof(order[0]));
    }
    return at;
}

bool connect_error_tells_more(enum err_code code, enum err_code than)
{
    return rank(code) > rank(than);
}
