/* http_get: one GET with limits, from URL to whole answer: NIP-11 documents and relay lists.
 *
 *     OPEN: dial -> request -> head -> body   --redirect, at most 3--> OPEN again
 *       \-> DONE (on_done)    \-> FAILED (on_failed)           any -> CLOSED (http_get_close)
 *
 * One deadline for everything, redirects included.  Each redirect is dialled by the same rules as
 * the first request (address policy), never from https to http, never into another network.  Only
 * the identity encoding is asked for and accepted.
 *
 * Ownership.  http_get_close() once, from anywhere, also from inside a callback and after the end;
 * after it returns no callback runs.  At most one callback, once, on the loop, never from inside
 * http_get_open(). */
#ifndef NET_HTTP_GET_H
#define NET_HTTP_GET_H

#include "net/http_url.h"
#include "net/net.h"
#include "net/transport.h"

enum { HTTP_GET_REDIRECTS_MAX = 3 };

struct http_get_options {
    const struct http_url *url; /* copied */
    const char *accept;         /* "application/nostr+json"; NULL for any */
    const char *if_none_match;  /* an ETag of before, NULL for none */
    const char *if_modified_since;
    size_t body_bytes_max;
    uint32_t timeout_ms;
    bool wanted; /* dial.h; holds for redirects, too */
    /* Hosts of the clear network are reached through the proxy of this one, which resolves their
     * names; NETWORK_CLEARNET: directly. */
    enum network via;
    /* Where to put what the first server showed of itself in TLS, as in wsconn.h; NULL: not
     * wanted. */
    struct tls_peer *peer;
};

/* Views are valid until http_get_close(). */
struct http_get_result {
    int status; /* whatever the server said: 200, 304, 404, ... */
    struct str body;
    struct str content_type, etag, last_modified, server; /* {NULL, 0}: not sent */
    bool cors;           /* all three Access-Control-Allow headers that NIP-11 demands were sent */
    struct http_url url; /* that answered, after redirects */
    unsigned redirects;
    struct transport_report report; /* of the last connection */
};

struct http_get_ops {
    void (*on_done)(void *owner, const struct http_get_result *result);
    /* Also ERR_HTTP_STATUS: a redirect that is not followed; ERR_TIMEOUT. */
    void (*on_failed)(void *owner, const struct err *err);
};

struct http_get;

struct http_get *http_get_open(struct net *net, const struct http_get_options *options,
                               const struct http_get_ops *ops, void *owner);
void http_get_close(struct http_get *g);

#endif
