/* HTTP/1.1, client side.  See http1.h.
 *
 * The head is collected whole (it is bounded) and checked byte by byte by rules of our own before
 * http-parser sees it: http-parser accepts bare LF and folded lines, and what it accepts, another
 * reader may read differently (RFC 9112 2.2, 5.2, 6.3).  The body then streams through http-parser,
 * which knows lengths and chunks.
 *
 *     HEAD --1xx--> HEAD --final--> BODY --> DONE          any -> FAILED */
#include "net/http1.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum state { HEAD, BODY, DONE, FAILED };

/* A header that the caller asked for. */
struct kept {
    struct str value; /* into head, or into joined */
    char *joined;     /* owned; NULL until the header was repeated */
    unsigned count;
};

struct http1 {
    struct http1_options options;
    enum state state;
    http_parser parser;
    char *head; /* of the final answer; grows to HTTP1_HEAD_MAX */
    size_t head_bytes, head_size;
    size_t interim_bytes; /* of 1xx heads, against the same bound */
    unsigned interim_count;
    unsigned headers_count;
    struct kept kept[HTTP1_WANTED_MAX];
    int wanted_now; /* index of the header whose value comes next, -1: not wanted */
    char *body;
    size_t body_bytes, body_size;
    uint64_t body_raw_bytes; /* with the framing of chunks */
    struct err err;          /* set by callbacks of http-parser */
};

/* ---- request --------------------------------------------------------------- */

static bool is_token_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_token_byte((unsigned char)s.p[i]))
            return false;
    }
    return s.n > 0;
}

/* Visible ASCII only: neither a space nor a line end can start another part of the head. */
static bool is_visible(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    }
    return true;
}

/* What may stand in a value: visible bytes, space, tab, and bytes above ASCII (RFC 9110 5.5). */
static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_host(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c >= 0x7f || strchr("/?#@[]\\", c) != NULL)
            return false;
    }
    return s.n > 0;
}

static void put_host(struct buf *to, const struct http1_request *r)
{
    bool literal6 = memchr(r->host.p, ':', r->host.n) != NULL;

    buf_append_str(to, literal6 ? STR("[") : STR(""));
    buf_append_str(to, r->host);
    buf_append_str(to, literal6 ? STR("]") : STR(""));
    if (r->port != (r->tls ? 443 : 80))
        buf_printf(to, ":%u", (unsigned)r->port);
}

int http1_request(struct buf *to, const struct http1_request *r, struct err *err)
{
    if (!is_host(r->host) || !is_visible(r->path) || (r->path.n > 0 && r->path.p[0] != '/'))
        return err_set(err, ERR_URL, "host or path cannot stand in an HTTP request");
    buf_append_str(to, STR("GET "));
    buf_append_str(to, r->path.n > 0 ? r->path : STR("/"));
    buf_append_str(to, STR(" HTTP/1.1\r\nHost: "));
    put_host(to, r);
    for (size_t i = 0; i < r->headers_count; i++) {
        if (!is_token(r->headers[i].name) || !is_value(r->headers[i].value))
            return err_set(err, ERR_URL, "a header cannot stand in an HTTP request");
        buf_append_str(to, STR("\r\n"));
        buf_append_str(to, r->headers[i].name);
        buf_append_str(to, STR(": "));
        buf_append_str(to, r->headers[i].value);
    }
    buf_append_str(to, STR("\r\n\r\n"));
    if (to->overflow)
        return err_set(err, ERR_NOMEM, "an HTTP request of more than %zu bytes", to->max);
    return 0;
}

/* ---- life ------------------------------------------------------------------ */

struct http1 *http1_new(const struct http1_options *options)
{
    struct http1 *h = calloc(1, sizeof(*h));

    if (h == NULL)
        abort();
    h->options = *options;
    return h;
}

static void drop_headers(struct http1 *h)
{
    for (size_t i = 0; i < HTTP1_WANTED_MAX; i++)
        free(h->kept[i].joined);
    memset(h->kept, 0, sizeof(h->kept));
    h->headers_count = 0;
}

void http1_free(struct http1 *h)
{
    if (h == NULL)
        return;
    drop_headers(h);
    free(h->head);
    free(h->body);
    free(h);
}

/* ---- the head, byte by byte ------------------------------------------------ */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.x ddd" and then nothing, or a space and a reason. */
static int check_status_line(struct str line, struct err *err)
{
    if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 ||
        (line.p[7] != '0' && line.p[7] != '1') || line.p[8] != ' ' || line.p[9] < '1' ||
        line.p[9] > '9' || !is_digit(line.p[10]) || !is_digit(line.p[11]) ||
        (line.n > 12 && line.p[12] != ' ') || !is_value(line)) {
        char shown[80];

        return err_set(err, ERR_HTTP_PROTOCOL, "not an HTTP/1 status line: \"%s\"",
                       str_escape(shown, sizeof(shown), line));
    }
    return 0;
}

static int check_header_line(struct str line, struct err *err)
{
    struct str value = line, name;
    char shown[80];

    if (line.p[0] == ' ' || line.p[0] == '\t')
        return err_set(err, ERR_HTTP_PROTOCOL, "a folded header line");
    if (!str_cut(&value, ':', &name) || name.n == line.n || !is_token(name) || !is_value(value))
        return err_set(err, ERR_HTTP_PROTOCOL, "not a header line: \"%s\"",
                       str_escape(shown, sizeof(shown), line));
    return 0;
}

/* The whole head, with the empty line at its end; every line ends with CR LF, which check_bytes has
 * made sure of. */
static int check_head(struct str head, struct err *err)
{
    bool first = true;

    while (head.n > 2) {
        const char *end = memchr(head.p, '\r', head.n);
        struct str line = {head.p, (size_t)(end - head.p)};

        if ((first ? check_status_line(line, err) : check_header_line(line, err)) != 0)
            return -1;
        first = false;
        head.p += line.n + 2;
        head.n -= line.n + 2;
    }
    return 0;
}

/* Appends one byte of the head: 1 when it completes the head, 0 when more must come, -1 when it
 * cannot stand there. */
static int add_head_byte(struct http1 *h, char c, struct err *err)
{
    static const char version[] = "HTTP/1.";
    size_t at = h->head_bytes;
    bool after_cr = at > 0 && h->head[at - 1] == '\r';

    if (c == '\0' || (c == '\n') != after_cr)
        return err_set(err, ERR_HTTP_PROTOCOL,
                       c == '\0' ? "a NUL byte in the head" : "a line end that is not CR LF");
    if (h->head_bytes + h->interim_bytes >= HTTP1_HEAD_MAX)
        return err_set(err, ERR_HTTP_TOO_LARGE, "the head is larger than %d bytes", HTTP1_HEAD_MAX);
    if (h->head_bytes == h->head_size) {
        size_t size = h->head_size == 0 ? 512 : h->head_size * 2;
        char *head = realloc(h->head, size);

        if (head == NULL)
            abort();
        h->head = head;
        h->head_size = size;
    }
    h->head[at] = c;
    h->head_bytes = at + 1;
    /* Who speaks another protocol (a banner, a TLS alert) is known at once, not when the deadline
     * passes. */
    if (at < sizeof(version) - 1 && c != version[at])
        return err_set(err, ERR_HTTP_PROTOCOL, "the answer does not begin with %s", version);
    return at >= sizeof(version) && c == '\n' && h->head[at - 2] == '\n';
}

/* ---- http-parser's callbacks ----------------------------------------------- */

static int find_wanted(const struct http1 *h, struct str name)
{
    if (h->options.wanted == NULL)
        return -1;
    for (int i = 0; i < HTTP1_WANTED_MAX && h->options.wanted[i] != NULL; i++) {
        if (str_eq_nocase(name, str_z(h->options.wanted[i])))
            return i;
    }
    return -1;
}

/* The head is parsed in one piece, so each field and each value comes in one piece too. */
static int on_header_field(http_parser *p, const char *at, size_t n)
{
    struct http1 *h = p->data;

    if (h->state != HEAD)
        return 0; /* a trailer: read over */
    h->wanted_now = find_wanted(h, (struct str){at, n});
    if (++h->headers_count > HTTP1_HEADERS_MAX)
        return err_set(&h->err, ERR_HTTP_TOO_LARGE, "more than %d headers", HTTP1_HEADERS_MAX);
    return 0;
}

static void join(struct kept *k, struct str value)
{
    size_t n = k->value.n + 2 + value.n;
    char *joined = malloc(n);

    if (joined == NULL)
        abort();
    memcpy(joined, k->value.p, k->value.n);
    memcpy(joined + k->value.n, ", ", 2);
    memcpy(joined + k->value.n + 2, value.p, value.n);
    free(k->joined);
    k->joined = joined;
    k->value = (struct str){joined, n};
}

static int on_header_value(http_parser *p, const char *at, size_t n)
{
    struct http1 *h = p->data;

    if (h->state != HEAD || h->wanted_now < 0)
        return 0;
    struct kept *k = &h->kept[h->wanted_now];
    struct str value = str_trim((struct str){at, n});

    if (k->count++ == 0)
        k->value = value;
    else
        join(k, value);
    return 0;
}

static int on_headers_complete(http_parser *p)
{
    struct http1 *h = p->data;

    unsigned status = p->status_code;

    /* 1: no body follows, whatever the head says (RFC 9112 6.3); http-parser would wait for that of
     * a 304. */
    return h->options.head_only || status / 100 == 1 || status == 204 || status == 304;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct http1 *h = p->data;

    if (n > h->options.body_bytes_max - h->body_bytes)
        return err_set(&h->err, ERR_HTTP_TOO_LARGE, "the body is larger than %zu bytes",
                       h->options.body_bytes_max);
    if (h->body_bytes + n > h->body_size) {
        size_t size = h->body_size == 0 ? 4096 : h->body_size;

        while (size < h->body_bytes + n)
            size *= 2;
        if (size > h->options.body_bytes_max)
            size = h->options.body_bytes_max;
        char *body = realloc(h->body, size);
        if (body == NULL)
            return err_set(&h->err, ERR_NOMEM, "no memory for a body of %zu bytes", size);
        h->body = body;
        h->body_size = size;
    }
    memcpy(h->body + h->body_bytes, at, n);
    h->body_bytes += n;
    return 0;
}

static int on_message_complete(http_parser *p)
{
    struct http1 *h = p->data;

    if (h->state == BODY)
        h->state = DONE;
    http_parser_pause(p, 1); /* what follows is not part of this answer */
    return 0;
}

/* ---- running --------------------------------------------------------------- */

static enum http1_progress fail(struct http1 *h, struct err *err)
{
    if (h->err.code == ERR_NONE)
        err_set(&h->err, ERR_HTTP_PROTOCOL, "%s",
                http_errno_description(HTTP_PARSER_ERRNO(&h->parser)));
    h->state = FAILED;
    *err = h->err;
    return HTTP1_FAILED;
}

/* Gives bytes to http-parser; false when it refuses them.  Being paused is how it says that the
 * answer is complete. */
static bool execute(struct http1 *h, const char *p, size_t n, size_t *used)
{
    static const http_parser_settings settings = {
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };

    *used = http_parser_execute(&h->parser, &settings, p, n);
    enum http_errno e = HTTP_PARSER_ERRNO(&h->parser);
    return h->err.code == ERR_NONE && (e == HPE_OK || e == HPE_PAUSED);
}

/* A complete head: interim (read the next one), final without body (DONE), or final with a body to
 * come (BODY). */
static bool run_head(struct http1 *h)
{
    size_t used;
    struct str head = {h->head, h->head_bytes};

    if (check_head(head, &h->err) != 0)
        return false;
    http_parser_init(&h->parser, HTTP_RESPONSE);
    h->parser.data = h;
    if (!execute(h, head.p, head.n, &used))
        return false;
    bool complete = HTTP_PARSER_ERRNO(&h->parser) == HPE_PAUSED;

    if (h->parser.status_code / 100 == 1 && h->parser.status_code != 101) {
        if (++h->interim_count > HTTP1_INTERIM_MAX) {
            err_set(&h->err, ERR_HTTP_PROTOCOL, "more than %d interim answers", HTTP1_INTERIM_MAX);
            return false;
        }
        h->interim_bytes += h->head_bytes;
        h->head_bytes = 0;
        drop_headers(h);
        return true;
    }
    h->state = complete ? DONE : BODY;
    return true;
}

static size_t feed_head(struct http1 *h, struct str bytes)
{
    size_t used = 0;

    while (used < bytes.n && h->state == HEAD) {
        int r = add_head_byte(h, bytes.p[used++], &h->err);

        if (r < 0 || (r == 1 && !run_head(h)))
            h->state = FAILED;
    }
    return used;
}

static size_t feed_body(struct http1 *h, struct str bytes)
{
    size_t used;

    if (!execute(h, bytes.p, bytes.n, &used)) {
        h->state = FAILED;
        return used;
    }
    h->body_raw_bytes += used;
    /* Chunks of one byte cost six more on the wire; beyond that the framing itself is the attack.
     */
    if (h->body_raw_bytes > 8 * (uint64_t)h->options.body_bytes_max + HTTP1_TRAILER_MAX) {
        err_set(&h->err, ERR_HTTP_TOO_LARGE, "the framing of the body is too large");
        h->state = FAILED;
    }
    return used;
}

enum http1_progress http1_feed(struct http1 *h, struct str bytes, size_t *used, struct err *err)
{
    *used = feed_head(h, bytes);
    if (h->state == BODY && *used < bytes.n)
        *used += feed_body(h, (struct str){bytes.p + *used, bytes.n - *used});
    if (h->state == FAILED)
        return fail(h, err);
    return h->state == DONE ? HTTP1_DONE : HTTP1_MORE;
}

enum http1_progress http1_feed_eof(struct http1 *h, struct err *err)
{
    size_t used;

    if (h->state == DONE)
        return HTTP1_DONE;
    if (h->state == BODY && execute(h, NULL, 0, &used) && h->state == DONE)
        return HTTP1_DONE;
    if (h->err.code == ERR_NONE)
        err_set(&h->err, ERR_HTTP_PROTOCOL, "the answer was cut short");
    return fail(h, err);
}

/* ---- results --------------------------------------------------------------- */

bool http1_head_done(const struct http1 *h)
{
    return h->state == BODY || h->state == DONE;
}

int http1_status(const struct http1 *h)
{
    return http1_head_done(h) ? (int)h->parser.status_code : 0;
}

struct str http1_header(const struct http1 *h, const char *name)
{
    int i = find_wanted(h, str_z(name));

    return i < 0 || h->kept[i].count == 0 ? (struct str){NULL, 0} : h->kept[i].value;
}

unsigned http1_header_count(const struct http1 *h, const char *name)
{
    int i = find_wanted(h, str_z(name));

    return i < 0 ? 0 : h->kept[i].count;
}

struct str http1_body(const struct http1 *h)
{
    return (struct str){h->body, h->body_bytes};
}

char *http1_body_take(struct http1 *h, size_t *n)
{
    char *body = h->body;

    *n = h->body_bytes;
    h->body = NULL;
    h->body_bytes = h->body_size = 0;
    return body;
}
