/* http1: requests that cannot be made to say more than they should, and the torture list of
 * answers.  Every answer is fed whole, in two pieces cut at every place, and byte by byte: the end
 * must be the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/http1.h"

enum { BODY_MAX = 20 };

static const char *const wanted[] = {"Location", "content-type", "etag", NULL};

/* ---- requests ------------------------------------------------------------------ */

/* With room for `size` bytes; *n of them were written. */
static int make(char *to, size_t size, size_t *n, struct str host, uint16_t port, struct str path,
                const struct http1_header *headers, size_t count, struct err *err)
{
    const struct http1_request r = {true, host, port, path, headers, count};
    struct buf b;

    buf_init(&b, size);
    int result = http1_request(&b, &r, err);
    *n = b.n;
    assert_true(b.n <= size);
    if (b.n > 0)
        memcpy(to, buf_str(&b).p, b.n);
    buf_done(&b);
    return result;
}

static void test_request(void **state)
{
    const struct http1_header headers[] = {{STR("Accept"), STR("application/nostr+json")},
                                           {STR("X-Empty"), STR("")}};
    struct err err;
    char to[200];
    size_t n;

    (void)state;
    assert_int_equal(
        make(to, sizeof(to), &n, STR("a.test"), 443, STR("/x?y=%20"), headers, 2, &err), 0);
    assert_true(str_eq((struct str){to, n}, STR("GET /x?y=%20 HTTP/1.1\r\nHost: a.test\r\nAccept: "
                                                "application/nostr+json\r\nX-Empty: \r\n\r\n")));
    assert_int_equal(make(to, sizeof(to), &n, STR("::1"), 80, STR(""), NULL, 0, &err), 0);
    assert_true(str_eq((struct str){to, n}, STR("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n")));

    /* Every size that is too small is refused, and nothing is written behind it. */
    for (size_t size = 0; size < n; size++) {
        char *small = malloc(size + 1);
        size_t m;

        assert_int_equal(make(small, size, &m, STR("::1"), 80, STR(""), NULL, 0, &err), -1);
        assert_int_equal(err.code, ERR_NOMEM);
        free(small);
    }
}

static void test_request_cannot_be_extended(void **state)
{
    struct err err;
    char to[500];
    size_t n;

    (void)state;
    for (int c = 0; c < 256; c++) {
        const char part[3] = {'/', (char)c, 'b'};
        struct http1_header value = {STR("A"), {part, 3}}, name = {{part + 1, 2}, STR("v")};
        bool visible = c > ' ' && c < 0x7f;

        bool in_host = visible && strchr("/?#@[]\\", c) == NULL;
        assert_int_equal(
            make(to, sizeof(to), &n, (struct str){part + 1, 2}, 443, STR("/"), NULL, 0, &err),
            in_host ? 0 : -1);
        assert_int_equal(
            make(to, sizeof(to), &n, STR("a"), 443, (struct str){part, 3}, NULL, 0, &err),
            visible ? 0 : -1);
        bool in_value = (c >= ' ' && c != 0x7f) || c == '\t';
        assert_int_equal(make(to, sizeof(to), &n, STR("a"), 443, STR("/"), &value, 1, &err),
                         in_value ? 0 : -1);
        bool in_name = visible && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
        assert_int_equal(make(to, sizeof(to), &n, STR("a"), 443, STR("/"), &name, 1, &err),
                         in_name ? 0 : -1);
    }
}

/* ---- answers ---------------------------------------------------------------------- */

struct answer {
    const char *bytes;
    enum err_code code; /* ERR_NONE: complete */
    int status;
    const char *body;
    const char *rest; /* what is not part of the answer */
    bool eof;         /* complete only when the peer closes */
};

#define OK200 "HTTP/1.1 200 OK\r\n"
#define CHUNK OK200 "Transfer-Encoding: chunked\r\n\r\n"
#define BAD(bytes)                                 \
    {                                              \
        bytes, ERR_HTTP_PROTOCOL, 0, "", "", false \
    }
#define BIG(bytes)                                  \
    {                                               \
        bytes, ERR_HTTP_TOO_LARGE, 0, "", "", false \
    }

static const struct answer answers[] = {
    {OK200 "Content-Length: 5\r\n\r\nhelloREST", ERR_NONE, 200, "hello", "REST", false},
    {OK200 "content-length:5\r\n\r\nhello", ERR_NONE, 200, "hello", "", false},
    {OK200 "Content-Length: 0\r\n\r\nREST", ERR_NONE, 200, "", "REST", false},
    {OK200 "A: b\r\n\r\nuntil the end", ERR_NONE, 200, "until the end", "", true},
    {"HTTP/1.0 200 OK\r\n\r\nold", ERR_NONE, 200, "old", "", true},
    {"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", ERR_NONE, 200, "x", "", false},
    {"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", ERR_NONE, 200, "x", "", false},
    {"HTTP/1.1 404 \xc3\xa9\r\nContent-Length: 1\r\n\r\nx", ERR_NONE, 404, "x", "", false},
    {"HTTP/1.1 204 No Content\r\n\r\nREST", ERR_NONE, 204, "", "REST", false},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nREST", ERR_NONE, 304, "", "REST",
     false},
    {"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nREST", ERR_NONE, 101, "", "REST",
     false},
    {CHUNK "5\r\nhello\r\n0\r\n\r\nREST", ERR_NONE, 200, "hello", "REST", false},
    {CHUNK "2;a=b\r\nhe\r\n00003\r\nllo\r\n0;c\r\nTrailer: x\r\nContent-Length: 9\r\n\r\nREST",
     ERR_NONE, 200, "hello", "REST", false},
    {CHUNK "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", ERR_NONE, 200, "01234567890123456789",
     "", false},
    {"HTTP/1.1 100 Continue\r\n\r\n" OK200 "Content-Length: 1\r\n\r\nx", ERR_NONE, 200, "x", "",
     false},
    {"HTTP/1.1 103 Early\r\nLocation: /early\r\n\r\nHTTP/1.1 102 P\r\n\r\n" OK200
     "Content-Length: 1\r\n\r\nx",
     ERR_NONE, 200, "x", "", false},
    /* the head */
    BAD("HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    BAD(OK200 "Content-Length: 0\n\r\n"),
    BAD(OK200 "Content-Length: 0\r\n\n"),
    BAD(OK200 "A: b\rC: d\r\n\r\n"),
    BAD(OK200 "A: b\r\n folded\r\n\r\n"),
    BAD(OK200 "A: b\r\n\tfolded\r\n\r\n"),
    BAD(OK200 " A: b\r\n\r\n"),
    BAD(OK200 "A : b\r\n\r\n"),
    BAD(OK200 ": b\r\n\r\n"),
    BAD(OK200 "no colon\r\n\r\n"),
    BAD(OK200 "A: b\x01\r\n\r\n"),
    BAD(OK200 "A\x80: b\r\n\r\n"),
    BAD("\r\n" OK200 "\r\n"),
    BAD("HTTP/1.1 99 Low\r\n\r\n"),
    BAD("HTTP/1.1 2000 High\r\n\r\n"),
    BAD("HTTP/1.1 20x\r\n\r\n"),
    BAD("HTTP/1.1  200 OK\r\n\r\n"),
    BAD("HTTP/1.12 200 OK\r\n\r\n"),
    BAD("HTTP/2.0 200 OK\r\n\r\n"),
    BAD("http/1.1 200 OK\r\n\r\n"),
    BAD("ICY 200 OK\r\n\r\n"),
    BAD("<html>\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    /* lengths */
    BAD(OK200 "Content-Length: -1\r\n\r\n"),
    BAD(OK200 "Content-Length: +1\r\n\r\nx"),
    BAD(OK200 "Content-Length: 1x\r\n\r\nx"),
    BAD(OK200 "Content-Length: 1, 1\r\n\r\nx"),
    BAD(OK200 "Content-Length: 1 1\r\n\r\nx"),
    BAD(OK200 "Content-Length: 0x1\r\n\r\nx"),
    BAD(OK200 "Content-Length: 18446744073709551616\r\n\r\n"),
    BAD(OK200 "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
    BAD(OK200 "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    BAD(OK200 "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD(OK200 "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n"),
    BAD(CHUNK "x\r\n"),
    BAD(CHUNK "-1\r\n"),
    BAD(CHUNK "10000000000000000\r\n"),
    BAD(CHUNK "5\r\nhelloX0\r\n\r\n"),
    BAD(CHUNK "5\nhello\r\n0\r\n\r\n"),
    BIG(OK200 "Content-Length: 21\r\n\r\n012345678901234567890"),
    BIG(OK200 "\r\n012345678901234567890"),
    BIG(CHUNK "A\r\n0123456789\r\nB\r\n01234567890\r\n0\r\n\r\n"),
};

struct end {
    enum http1_progress progress;
    size_t used;
    struct err err;
    struct http1 *h;
};

static void feed(struct end *e, const char *bytes, size_t n)
{
    size_t used;
    char *copy;

    if (e->progress != HTTP1_MORE || n == 0)
        return;
    copy = malloc(n);
    memcpy(copy, bytes, n);
    e->progress = http1_feed(e->h, (struct str){copy, n}, &used, &e->err);
    free(copy);
    e->used += used;
}

static void check(const struct answer *a, struct end *e, size_t cut)
{
    if (a->eof) {
        assert_int_equal(e->progress, HTTP1_MORE);
        e->progress = http1_feed_eof(e->h, &e->err);
    }
    if (e->progress != (a->code == ERR_NONE ? HTTP1_DONE : HTTP1_FAILED) ||
        (a->code != ERR_NONE && e->err.code != a->code))
        fail_msg("cut %zu of\n%s\n-> %d %s %s", cut, a->bytes, (int)e->progress,
                 err_name(e->err.code), e->err.detail);
    if (a->code == ERR_NONE) {
        assert_int_equal(http1_status(e->h), a->status);
        assert_true(str_eq(http1_body(e->h), str_z(a->body)));
        assert_string_equal(a->bytes + e->used, a->rest);
        assert_null(
            http1_header(e->h, "location").p); /* that of an interim answer does not count */
    }
    http1_free(e->h);
}

static void test_answers(void **state)
{
    const struct http1_options options = {wanted, BODY_MAX, false};

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct answer *a = &answers[i];
        size_t n = strlen(a->bytes);

        for (size_t cut = 0; cut < n; cut++) {
            struct end e = {HTTP1_MORE, 0, {0}, http1_new(&options)};

            feed(&e, a->bytes, cut);
            feed(&e, a->bytes + cut, n - cut);
            check(a, &e, cut);
        }
        struct end e = {HTTP1_MORE, 0, {0}, http1_new(&options)};
        for (size_t at = 0; at < n; at++)
            feed(&e, a->bytes + at, 1);
        check(a, &e, n);
    }
}

/* Every complete answer, cut short anywhere, is not taken for complete. */
static void test_cut_short(void **state)
{
    const struct http1_options options = {wanted, BODY_MAX, false};

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct answer *a = &answers[i];
        size_t whole = strlen(a->bytes) - strlen(a->rest);

        if (a->code != ERR_NONE || a->eof)
            continue;
        for (size_t n = 0; n < whole; n++) {
            struct end e = {HTTP1_MORE, 0, {0}, http1_new(&options)};

            feed(&e, a->bytes, n);
            assert_int_equal(e.progress, HTTP1_MORE);
            assert_int_equal(http1_feed_eof(e.h, &e.err), HTTP1_FAILED);
            assert_int_equal(e.err.code, ERR_HTTP_PROTOCOL);
            http1_free(e.h);
        }
    }
}

static void test_headers(void **state)
{
    static const char bytes[] = "HTTP/1.1 302 Found\r\nLOCATION:  /first "
                                "\t\r\nContent-Type:\r\nOther: x\r\nlocation: /second\r\n"
                                "Content-Length: 0\r\n\r\n";
    const struct http1_options options = {wanted, BODY_MAX, false};
    struct end e = {HTTP1_MORE, 0, {0}, http1_new(&options)};

    (void)state;
    assert_false(http1_head_done(e.h));
    feed(&e, bytes, sizeof(bytes) - 1);
    assert_true(http1_head_done(e.h));
    assert_true(str_eq(http1_header(e.h, "location"), STR("/first, /second")));
    assert_int_equal(http1_header_count(e.h, "Location"), 2);
    assert_int_equal(http1_header_count(e.h, "content-type"), 1);
    assert_int_equal(http1_header(e.h, "content-type").n, 0);
    assert_non_null(http1_header(e.h, "content-type").p);
    assert_int_equal(http1_header_count(e.h, "other"), 0); /* not asked for */
    assert_null(http1_header(e.h, "etag").p);
    http1_free(e.h);
}

static void test_head_only(void **state)
{
    static const char bytes[] = "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhello";
    const struct http1_options options = {wanted, 0, true};
    struct end e = {HTTP1_MORE, 0, {0}, http1_new(&options)};

    (void)state;
    feed(&e, bytes, sizeof(bytes) - 1);
    assert_int_equal(e.progress, HTTP1_DONE);
    assert_string_equal(bytes + e.used, "hello");
    http1_free(e.h);
}

static void test_body_is_moved(void **state)
{
    const struct http1_options options = {wanted, 100000, false};
    struct end e = {HTTP1_MORE, 0, {0}, http1_new(&options)};
    size_t n;

    (void)state;
    feed(&e, OK200 "Content-Length: 50000\r\n\r\n", strlen(OK200 "Content-Length: 50000\r\n\r\n"));
    for (int i = 0; i < 5000; i++)
        feed(&e, "0123456789", 10);
    assert_int_equal(e.progress, HTTP1_DONE);
    char *body = http1_body_take(e.h, &n);
    assert_int_equal(n, 50000);
    assert_memory_equal(body + 49990, "0123456789", 10);
    assert_int_equal(http1_body(e.h).n, 0);
    assert_null(http1_body_take(e.h, &n));
    free(body);
    http1_free(e.h);
}

/* ---- bounds --------------------------------------------------------------------------- */

/* Feeds `start`, then `again` until it ends. */
static enum err_code endless(const char *start, const char *again, size_t again_n, size_t bytes_max)
{
    const struct http1_options options = {wanted, BODY_MAX, false};
    struct end e = {HTTP1_MORE, 0, {0}, http1_new(&options)};

    feed(&e, start, strlen(start));
    while (e.progress == HTTP1_MORE && e.used < bytes_max)
        feed(&e, again, again_n);
    http1_free(e.h);
    return e.progress == HTTP1_FAILED ? e.err.code : ERR_NONE;
}

static void test_endless(void **state)
{
    (void)state;
    assert_int_equal(endless("HTTP/1.1 200 ", "a", 1, 20000), ERR_HTTP_TOO_LARGE);
    assert_int_equal(endless(OK200 "A: ", "a", 1, 20000), ERR_HTTP_TOO_LARGE);
    assert_int_equal(endless(OK200, "A: b\r\n", 6, 20000), ERR_HTTP_TOO_LARGE);
    assert_int_equal(endless("", "HTTP/1.1 100 C\r\nA: b\r\n\r\n", 24, 20000), ERR_HTTP_PROTOCOL);
    assert_int_equal(endless("", "\0", 1, 10), ERR_HTTP_PROTOCOL);
    assert_int_equal(endless(CHUNK "1;", "a", 1, 100000), ERR_HTTP_TOO_LARGE);
    assert_int_equal(endless(CHUNK "", "0", 1, 100000), ERR_HTTP_TOO_LARGE);
    assert_int_equal(endless(CHUNK "0\r\n", "A: b\r\n", 6, 100000), ERR_HTTP_TOO_LARGE);
}

static enum http1_progress many_headers(int count, struct err *err)
{
    const struct http1_options options = {wanted, BODY_MAX, false};
    struct end e = {HTTP1_MORE, 0, {0}, http1_new(&options)};

    feed(&e, OK200, strlen(OK200));
    for (int i = 1; i < count; i++)
        feed(&e, "A: b\r\n", 6);
    feed(&e, "Content-Length: 0\r\n\r\n", 21);
    *err = e.err;
    http1_free(e.h);
    return e.progress;
}

static void test_faults_are_named(void **state)
{
    static const char *const faults[][2] = {
        {OK200 "A: b\r\n folded\r\n\r\n", "a folded header line"},
        {OK200 "A b\r\n\r\n", "not a header line: \"A b\""},
        {OK200 "A: b\n", "a line end that is not CR LF"},
        {"SSH-2.0", "the answer does not begin with HTTP/1."},
        {"HTTP/1.x 200\r\n\r\n", "not an HTTP/1 status line: \"HTTP/1.x 200\""},
    };
    const struct http1_options options = {wanted, BODY_MAX, false};

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct end e = {HTTP1_MORE, 0, {0}, http1_new(&options)};

        feed(&e, faults[i][0], strlen(faults[i][0]));
        assert_string_equal(e.err.detail, faults[i][1]);
        http1_free(e.h);
    }
}

static void test_header_count(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(many_headers(HTTP1_HEADERS_MAX, &err), HTTP1_DONE);
    assert_int_equal(many_headers(HTTP1_HEADERS_MAX + 1, &err), HTTP1_FAILED);
    assert_int_equal(err.code, ERR_HTTP_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),       cmocka_unit_test(test_request_cannot_be_extended),
        cmocka_unit_test(test_answers),       cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_headers),       cmocka_unit_test(test_head_only),
        cmocka_unit_test(test_body_is_moved), cmocka_unit_test(test_endless),
        cmocka_unit_test(test_header_count),  cmocka_unit_test(test_faults_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
