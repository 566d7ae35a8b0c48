/* http_get over real sockets on loopback, and http_url.  The server answers by path. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener.h"
#include "net/http_get.h"
#include "rig.h"
#include "tls_server.h"

/* ---- http_url ------------------------------------------------------------------ */

static void expect_url(const char *text, const char *host, int port, const char *path,
                       enum network network)
{
    struct http_url u = {0};
    struct err err;

    if (host == NULL) {
        assert_int_equal(http_url_parse(&u, str_z(text), &err), -1);
        assert_int_equal(err.code, ERR_URL);
        return;
    }
    assert_int_equal(http_url_parse(&u, str_z(text), &err), 0);
    assert_string_equal(u.host, host);
    assert_int_equal(u.port, port);
    assert_string_equal(u.path, path);
    assert_int_equal(u.network, network);
}

static void test_url(void **state)
{
    static const char *const bad[] = {
        "",           "a.test",          "ftp://a.test/", "file:///etc/passwd", "http://",
        "http:///x",  "http://u@a.test", "http://a b/",   "http://a:0/",        "http://a:65536/",
        "http://a:/", "http://a:1x/",    "http://[::1",   "http://[::1]x/",     "http://a/ b",
        "http://a\\b"};

    (void)state;
    expect_url("https://A.Test", "a.test", 443, "/", NETWORK_CLEARNET);
    expect_url("HTTP://a.test:8080/x?y=z#frag", "a.test", 8080, "/x?y=z", NETWORK_CLEARNET);
    expect_url("http://a.test?y", "a.test", 80, "/?y", NETWORK_CLEARNET);
    expect_url("http://[2001:DB8::1]:81/", "2001:db8::1", 81, "/", NETWORK_CLEARNET);
    expect_url("http://x.onion/a", "x.onion", 80, "/a", NETWORK_TOR);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_url(bad[i], NULL, 0, NULL, NETWORK_CLEARNET);
}

static void expect_redirect(const char *from, const char *location, const char *host,
                            const char *path, enum err_code code)
{
    struct http_url u = {0};
    struct err err = {0};

    assert_int_equal(http_url_parse(&u, str_z(from), &err), 0);
    if (http_url_redirect(&u, &u, str_z(location), &err) != (code == ERR_NONE ? 0 : -1) ||
        err.code != code)
        fail_msg("%s -> %s: %s %s", from, location, err_name(err.code), err.detail);
    if (code == ERR_NONE) {
        assert_string_equal(u.host, host);
        assert_string_equal(u.path, path);
    }
}

static void test_redirect_targets(void **state)
{
    static const char from[] = "https://a.test/dir/file?q=/x";

    (void)state;
    expect_redirect(from, "https://b.test/y#z", "b.test", "/y", ERR_NONE);
    expect_redirect(from, " /y ", "a.test", "/y", ERR_NONE);
    expect_redirect(from, "//b.test/y", "b.test", "/y", ERR_NONE);
    expect_redirect(from, "y?r", "a.test", "/dir/y?r", ERR_NONE);
    expect_redirect(from, "?r", "a.test", "/dir/file?r", ERR_NONE);
    expect_redirect(from, "/http://c.test", "a.test", "/http://c.test", ERR_NONE);
    expect_redirect("http://a.test/", "https://a.test/", "a.test", "/", ERR_NONE);
    expect_redirect(from, "http://a.test/", "", "", ERR_HTTP_STATUS);
    expect_redirect(from, "https://x.onion/", "", "", ERR_HTTP_STATUS);
    expect_redirect("http://x.onion/", "http://a.test/", "", "", ERR_HTTP_STATUS);
    expect_redirect(from, "", "", "", ERR_HTTP_PROTOCOL);
    expect_redirect(from, "file:///etc/passwd", "", "", ERR_HTTP_PROTOCOL);
    expect_redirect(from, "gopher://a.test/", "", "", ERR_HTTP_PROTOCOL);
    expect_redirect(from, "javascript:alert(1)", "", "", ERR_HTTP_PROTOCOL);
    expect_redirect(from, "https://user@b.test/", "", "", ERR_HTTP_PROTOCOL);
    expect_redirect(from, "/a b", "", "", ERR_HTTP_PROTOCOL);
}

/* ---- the server ------------------------------------------------------------------- */

static const struct {
    const char *path, *answer;
} pages[] = {
    {"/length",
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: a/b\r\nETag: \"x\"\r\n\r\nhello"},
    {"/chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"},
    {"/end", "HTTP/1.1 200 OK\r\n\r\nhello"},
    {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"},
    {"/large", "HTTP/1.1 200 OK\r\n\r\nhello hello hello hello"},
    {"/gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"},
    {"/missing", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"},
    {"/garbage", "220 mail.test ESMTP\r\n"},
    {"/empty", ""},
    {"/one", "HTTP/1.1 301 Moved\r\nLocation: /length\r\n\r\n"},
    {"/two", "HTTP/1.1 302 Found\r\nLocation: one\r\nContent-Length: 1000\r\n\r\n"},
    {"/three", "HTTP/1.1 308 Permanent\r\nLocation: /two\r\n\r\n"},
    {"/four", "HTTP/1.1 307 Temporary\r\nLocation: /three\r\n\r\n"},
    {"/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\n\r\n"},
    {"/nowhere", "HTTP/1.1 302 Found\r\n\r\n"},
    {"/twice", "HTTP/1.1 302 Found\r\nLocation: /length\r\nLocation: /chunked\r\n\r\n"},
    {"/private", "HTTP/1.1 302 Found\r\nLocation: //10.0.0.1/\r\n\r\n"},
    {"/file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"},
    {"/plain", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"},
};

/* Keeps the last request it read. */
static char request[4096];

static void serve(struct guest *g, void *arg)
{
    char head[4096], path[100];

    (void)arg;
    if (!guest_read_head(g, head, sizeof(head)) || sscanf(head, "GET %99s HTTP/1.1", path) != 1)
        return;
    memcpy(request, head, sizeof(request));
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(path, pages[i].path) == 0)
            guest_write(g, pages[i].answer, strlen(pages[i].answer));
    }
    if (strcmp(path, "/hang") == 0)
        guest_wait_end(g);
}

/* ---- the owner -------------------------------------------------------------------- */

struct owner {
    struct http_get *get;
    int over, status;
    bool close_inside;
    unsigned redirects;
    char body[100], etag[20], path[100], address[64];
    struct err err;
};

static void end(struct owner *o)
{
    assert_int_equal(o->over++, 0);
    if (o->close_inside) {
        http_get_close(o->get);
        o->get = NULL;
    }
}

static void on_done(void *owner, const struct http_get_result *r)
{
    struct owner *o = owner;

    o->status = r->status;
    o->redirects = r->redirects;
    str_copy(o->body, sizeof(o->body), r->body);
    str_copy(o->etag, sizeof(o->etag), r->etag);
    str_copy(o->path, sizeof(o->path), str_z(r->url.path));
    str_copy(o->address, sizeof(o->address), str_z(r->report.address));
    assert_true(r->report.tcp_us >= 0);
    end(o);
}

static void on_failed(void *owner, const struct err *err)
{
    struct owner *o = owner;

    o->err = *err;
    end(o);
}

static const struct http_get_ops ops = {on_done, on_failed};

static struct http_url local(struct listener *l, bool tls, const char *path)
{
    struct http_url u = {.tls = tls, .host = "127.0.0.1", .port = listener_port(l)};

    str_copy(u.path, sizeof(u.path), str_z(path));
    return u;
}

static struct owner get(struct rig *r, struct listener *l, bool tls, const char *path,
                        uint32_t timeout_ms, bool close_inside)
{
    struct http_url url = local(l, tls, path);
    struct http_get_options options = {.url = &url,
                                       .accept = "application/nostr+json",
                                       .if_none_match = "\"old\"",
                                       .if_modified_since = "Mon",
                                       .body_bytes_max = 20,
                                       .timeout_ms = timeout_ms};
    struct owner o = {.close_inside = close_inside};

    o.get = http_get_open(r->net, &options, &ops, &o);
    assert_int_equal(o.over, 0);
    rig_run_until(r, &o.over);
    if (o.get != NULL)
        http_get_close(o.get);
    return o;
}

static void expect(struct rig *r, struct listener *l, const char *path, int status,
                   const char *body)
{
    for (int inside = 0; inside < 2; inside++) {
        struct owner o = get(r, l, false, path, 5000, inside);

        if (o.status != status || strcmp(o.body, body) != 0)
            fail_msg("%s: %d \"%s\" %s %s", path, o.status, o.body, err_name(o.err.code),
                     o.err.detail);
        assert_string_equal(o.address, "127.0.0.1");
    }
}

static void expect_failure(struct rig *r, struct listener *l, const char *path, enum err_code code)
{
    for (int inside = 0; inside < 2; inside++) {
        struct owner o = get(r, l, false, path, 5000, inside);

        if (o.err.code != code)
            fail_msg("%s: %d %s %s", path, o.status, err_name(o.err.code), o.err.detail);
    }
}

static void test_answers(void **state)
{
    struct listener *l = listener_open("127.0.0.1", 0, NULL, serve, NULL);
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    expect(&r, l, "/length", 200, "hello");
    assert_non_null(strstr(
        request,
        "\r\nAccept: application/nostr+json\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
        "If-None-Match: \"old\"\r\nIf-Modified-Since: Mon\r\n\r\n"));
    assert_non_null(strstr(request, "\r\nUser-Agent: bigbrotrd/test (+nobody)\r\n"));
    expect(&r, l, "/chunked", 200, "hello");
    expect(&r, l, "/end", 200, "hello");
    expect(&r, l, "/missing", 404, "no");
    expect_failure(&r, l, "/short", ERR_HTTP_PROTOCOL);
    expect_failure(&r, l, "/large", ERR_HTTP_TOO_LARGE);
    expect_failure(&r, l, "/gzip", ERR_HTTP_PROTOCOL);
    expect_failure(&r, l, "/garbage", ERR_HTTP_PROTOCOL);
    expect_failure(&r, l, "/empty", ERR_DISCONNECTED);
    struct owner o = get(&r, l, false, "/length", 5000, false);
    assert_string_equal(o.etag, "\"x\"");
    listener_close(l);
    rig_finish(&r);
}

static void test_redirects(void **state)
{
    struct listener *l = listener_open("127.0.0.1", 0, NULL, serve, NULL);
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    expect(&r, l, "/one", 200, "hello");
    expect(&r, l, "/three", 200, "hello");
    struct owner o = get(&r, l, false, "/three", 5000, false);
    assert_int_equal(o.redirects, 3);
    assert_string_equal(o.path, "/length");
    int before = listener_accepted(l);
    expect_failure(&r, l, "/four", ERR_HTTP_STATUS);
    expect_failure(&r, l, "/loop", ERR_HTTP_STATUS);
    assert_int_equal(listener_accepted(l) - before, 4 * (1 + HTTP_GET_REDIRECTS_MAX));
    expect_failure(&r, l, "/nowhere", ERR_HTTP_PROTOCOL);
    expect_failure(&r, l, "/twice", ERR_HTTP_PROTOCOL);
    expect_failure(&r, l, "/file", ERR_HTTP_PROTOCOL);
    expect_failure(&r, l, "/private",
                   ERR_ADDRESS_DENIED); /* each redirect is judged like the first */
    listener_close(l);
    rig_finish(&r);
}

static void test_deadline(void **state)
{
    struct listener *l = listener_open("127.0.0.1", 0, NULL, serve, NULL);
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    struct owner o = get(&r, l, false, "/hang", 100, true);
    assert_int_equal(o.err.code, ERR_TIMEOUT);
    listener_close(l);
    rig_finish(&r);
}

static void test_tls(void **state)
{
    char ca[] = "/tmp/test-get-ca-XXXXXX";
    struct cert root = cert_make(&(struct cert_spec){"root", NULL, NULL, true, 0, -1000, 1000});
    struct cert leaf =
        cert_make(&(struct cert_spec){"leaf", &root, "IP:127.0.0.1", false, 0, -1000, 1000});
    SSL_CTX *ctx = server_ctx(&leaf, NULL, 0);
    struct listener *l = listener_open("127.0.0.1", 0, ctx, serve, NULL);
    struct rig r;

    (void)state;
    close(mkstemp(ca));
    cert_write_pem(&root, ca);
    rig_init(&r);
    r.options.tls_ca_file = ca;
    rig_start(&r);
    struct owner o = get(&r, l, true, "/length", 5000, true);
    assert_string_equal(o.body, "hello");
    o = get(&r, l, true, "/end", 5000, true);
    assert_string_equal(o.body, "hello");
    o = get(&r, l, true, "/plain", 5000, true); /* from https to http */
    assert_int_equal(o.err.code, ERR_HTTP_STATUS);
    listener_close(l);
    rig_finish(&r);
    (void)unlink(ca);
    SSL_CTX_free(ctx);
    cert_free(&leaf);
    cert_free(&root);
}

/* Closed after any number of turns of the loop: nothing is called, nothing is left (rig_finish). */
static void test_close_in_every_tick(void **state)
{
    struct listener *l = listener_open("127.0.0.1", 0, NULL, serve, NULL);
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    for (int ticks = 0; ticks < 12; ticks++) {
        struct http_url url = local(l, false, "/one");
        struct http_get_options options = {.url = &url, .body_bytes_max = 20, .timeout_ms = 5000};
        struct owner o = {0};

        o.get = http_get_open(r.net, &options, &ops, &o);
        for (int i = 0; i < ticks && o.over == 0; i++)
            (void)uv_run(&r.loop, UV_RUN_ONCE);
        http_get_close(o.get);
        int over = o.over;
        for (int i = 0; i < 3; i++)
            (void)uv_run(&r.loop, UV_RUN_NOWAIT);
        assert_int_equal(o.over, over);
    }
    listener_close(l);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_redirect_targets),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_close_in_every_tick),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
