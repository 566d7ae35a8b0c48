/* HTTP/1.1, client side, without I/O: writes the head of a GET, reads one answer.  The one doorway
 * to http-parser.
 *
 *     http1_request() -> bytes for the peer          bytes from the peer -> http1_feed() ->
 * HTTP1_DONE: status, headers, body
 *
 * The parser is strict where leniency would let two readers see two different answers: bare LF in
 * the head, folded headers, Content-Length twice or beside Transfer-Encoding, control bytes, more
 * than a few 1xx answers are all ERR_HTTP_PROTOCOL. Bounds: head bytes (of all 1xx and the final
 * head together), header count, body bytes; all from struct http1_options. */
#ifndef NET_HTTP1_H
#define NET_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

enum {
    HTTP1_HEAD_MAX = 16 * 1024,
    HTTP1_HEADERS_MAX = 100,
    HTTP1_INTERIM_MAX = 4, /* 1xx answers before the real one */
    HTTP1_WANTED_MAX = 12,
    HTTP1_TRAILER_MAX = 4 * 1024
};

struct http1_header {
    struct str name, value;
};

struct http1_request {
    bool tls;        /* only for the default port, which is left out of Host */
    struct str host; /* name or literal address without brackets */
    uint16_t port;
    struct str path; /* "" (means "/") or "/..." with its query */
    const struct http1_header *headers;
    size_t headers_count;
};

/* Adds "GET path HTTP/1.1", Host, then the headers, to `to`, whose maximum bounds it.  -1: ERR_URL
 * when any part holds a byte that could start another line or part (controls, SP in the path, ...),
 * ERR_NOMEM when it does not fit. */
int http1_request(struct buf *to, const struct http1_request *r, struct err *err) MUST_USE;

struct http1_options {
    const char *const *wanted; /* names of the headers to keep, NULL at the end, at most
                                  HTTP1_WANTED_MAX; static */
    size_t body_bytes_max; /* ERR_HTTP_TOO_LARGE above it; the body is kept in memory that grows as
                              it comes */
    bool head_only; /* done at the end of the head, whatever follows: the WebSocket upgrade */
};

struct http1;

struct http1 *
http1_new(const struct http1_options *options); /* aborts when out of memory: a few hundred bytes */
void http1_free(struct http1 *h);               /* NULL is fine */

/* Takes bytes from the peer.  *used: how many belong to this answer; on HTTP1_DONE the rest are not
 * ours (after a 101 they are the first frames).  HTTP1_FAILED: ERR_HTTP_PROTOCOL,
 * ERR_HTTP_TOO_LARGE.  After DONE or FAILED feed no more. */
enum http1_progress { HTTP1_MORE, HTTP1_DONE, HTTP1_FAILED };
enum http1_progress http1_feed(struct http1 *h, struct str bytes, size_t *used, struct err *err);

/* The peer closed: DONE when the body's end is the connection's end, else FAILED
 * (ERR_HTTP_PROTOCOL: cut short). */
enum http1_progress http1_feed_eof(struct http1 *h, struct err *err);

int http1_status(const struct http1 *h); /* 0 before the status line of the final answer was read */
bool http1_head_done(const struct http1 *h); /* the head of the final answer is complete */

/* A wanted header, any case of the name; values are trimmed, repeated ones joined with ", ".  Views
 * until http1_free. */
struct str http1_header(const struct http1 *h,
                        const char *name); /* {NULL, 0} when it was not sent */
unsigned http1_header_count(const struct http1 *h, const char *name);

struct str http1_body(const struct http1 *h);
char *http1_body_take(struct http1 *h, size_t *n); /* moved to the caller (free), NULL when empty */

#endif
