/* Where an HTTP request goes, and where a redirect leads from there.  Pure.
 *
 * Strict: http and https, a host without user, a port, an absolute path.  Whether the host may be
 * dialled is the address policy's to say, each time. */
#ifndef NET_HTTP_URL_H
#define NET_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/network.h"
#include "core/str.h"

enum { HTTP_HOST_MAX = 255, HTTP_PATH_MAX = 2048 };

struct http_url {
    enum network network;
    bool tls;
    char host[HTTP_HOST_MAX + 1]; /* lower case, without brackets */
    uint16_t port;
    char path[HTTP_PATH_MAX + 1]; /* "/..." with its query */
};

/* "https://host:port/path?query#ignored".  The network is told by the name: .onion, .i2p, .loki,
 * else clearnet.  ERR_URL. */
int http_url_parse(struct http_url *u, struct str text, struct err *err) MUST_USE;

/* A Location header, absolute or relative to *from; `u` and `from` may be the same.
 * ERR_HTTP_PROTOCOL: not such a URL; ERR_HTTP_STATUS: from https to http, or into another network.
 */
int http_url_redirect(struct http_url *u, const struct http_url *from, struct str location,
                      struct err *err) MUST_USE;

#endif
