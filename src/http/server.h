/* server: metrics, health and status over HTTP, for programs and for a person with a browser.
 *
 *     uv_poll(epoll of libmicrohttpd) -> head complete -> token? -> route -> whole answer -> next
 *                    \-> not complete in 5 s, or not taken in 30 s: closed
 *
 * The one doorway to libmicrohttpd; no thread, everything runs on the loop.  GET and HEAD only,
 * without a body; a head of at most 8 KiB; at most SERVER_CLIENTS_MAX at once, who comes then waits
 * in the backlog.  /health has a listener of its own besides, so that slow clients of the others
 * cannot make the daemon look dead.  What an answer costs is bounded by keeping it for a moment
 * (SERVER_KEEP_MS), however many ask.
 *
 * Ownership: server_close() once, on the loop; after it returns nothing is called. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include "http/listen.h"

enum {
    SERVER_CLIENTS_MAX = 256,
    SERVER_HEALTH_CLIENTS_MAX = 32,
    SERVER_HEAD_BYTES_MAX = 8 * 1024,
    SERVER_HEAD_MS = 5000,
    SERVER_IDLE_MS = 15000,
    SERVER_ANSWER_MS = 30000,
    SERVER_REQUESTS_MAX = 100, /* on one connection */
    SERVER_KEEP_MS = 500,
    SERVER_WHY_MAX = 256
};

/* Texts are malloc'd and freed by the server. */
struct server_ops {
    char *(*metrics)(void *owner); /* Prometheus text */
    char *(*status)(void *owner);  /* JSON */
    char *(*page)(void *owner);    /* HTML */
    /* False: not, and `why` says in one line what is missing. */
    bool (*healthy)(void *owner, char why[SERVER_WHY_MAX]);
    bool (*ready)(void *owner, char why[SERVER_WHY_MAX]);
};

struct server_options {
    const struct listen_address *listen;
    const struct listen_address *health; /* NULL: no listener of its own */
    const char *token; /* NULL: none.  Asked for on every route but /health; copied */
};

struct server;

/* NULL with ERR_CONFIG: it cannot listen there. */
struct server *server_open(uv_loop_t *loop, const struct server_options *options,
                           const struct server_ops *ops, void *owner, struct err *err) MUST_USE;
void server_close(struct server *s);

/* The port in use (with port 0 the kernel chose it); 0 for a unix socket, or where there is none.
 */
uint16_t server_port(const struct server *s, bool health);

#endif
