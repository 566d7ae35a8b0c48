/* wsconn end to end, over real sockets on loopback. */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns_server.h"
#include "listener.h"
#include "net/net_shared.h"
#include "net/tls.h"
#include "net/wsconn.h"
#include "rig.h"
#include "tls_server.h"

/* -- the owner of a connection, and what it was told -- */

struct owner {
    struct rig *rig;
    struct wsconn *conn;
    int opened, closed, messages, pongs;
    size_t bytes;
    char last[256];
    struct err err;
    struct wsconn_report report;
    const char *send_on_open;
    int ping_on_open;
    int close_in_open, close_in_message, close_in_closed, close_in_pong;
};

static void close_it(struct owner *o)
{
    wsconn_close(o->conn);
    o->conn = NULL;
}

static void on_open(void *owner, const struct wsconn_report *report)
{
    struct owner *o = owner;
    struct err err;

    o->opened++;
    o->report = *report;
    if (o->send_on_open != NULL)
        assert_int_equal(wsconn_send(o->conn, str_z(o->send_on_open), &err), 0);
    if (o->ping_on_open)
        wsconn_ping(o->conn);
    if (o->close_in_open)
        close_it(o);
}

static void on_message(void *owner, struct str text)
{
    struct owner *o = owner;

    o->messages++;
    o->bytes += text.n;
    str_copy(o->last, sizeof(o->last), text);
    if (o->close_in_message)
        close_it(o);
}

static void on_pong(void *owner)
{
    struct owner *o = owner;

    o->pongs++;
    if (o->close_in_pong)
        close_it(o);
}

static void on_closed(void *owner, const struct err *err)
{
    struct owner *o = owner;

    assert_non_null(o->conn);
    o->closed++;
    o->err = *err;
    o->report = *wsconn_report(o->conn);
    if (o->close_in_closed)
        close_it(o);
}

static const struct wsconn_ops ops = {on_open, on_message, on_pong, on_closed};

static void open_to(struct owner *o, struct rig *r, const char *host, uint16_t port, bool tls)
{
    const struct wsconn_target target = {
        .network = NETWORK_CLEARNET, .tls = tls, .host = host, .port = port, .path = "/path?x=1"};

    memset(o, 0, sizeof(*o));
    o->rig = r;
    o->conn = wsconn_open(r->net, &target, &ops, o);
    assert_int_equal(o->opened + o->closed, 0);
}

static void end(struct owner *o)
{
    if (o->conn != NULL)
        close_it(o);
}

/* -- the relay's side -- */

static void play_echo(struct guest *g, void *arg)
{
    char head[4096], text[4096];
    size_t n;
    int first;

    if (!guest_upgrade(g, head, sizeof(head)))
        return;
    if (arg != NULL)
        str_copy(arg, 4096, str_z(head));
    while ((first = guest_read_frame(g, text, sizeof(text), &n)) >= 0) {
        if (first == 0x81)
            guest_frame(g, 0x81, text, n);
        else if (first == 0x89)
            guest_frame(g, 0x8a, text, n);
        else
            break;
    }
}

static void play_answer(struct guest *g, void *arg)
{
    char head[4096];

    if (guest_read_head(g, head, sizeof(head)))
        guest_write(g, arg, strlen(arg));
    guest_wait_end(g);
}

static void play_silence(struct guest *g, void *arg)
{
    (void)arg;
    guest_wait_end(g);
}

static void play_cut(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_read_head(g, head, sizeof(head)))
        guest_write(g, "HTTP/1.1 101 Sw", 15);
}

static void play_reset(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_upgrade(g, head, sizeof(head)))
        guest_reset(g);
}

static void play_large(struct guest *g, void *arg)
{
    size_t n = *(size_t *)arg;
    char head[4096], *payload = malloc(n);

    memset(payload, 'a', n);
    if (guest_upgrade(g, head, sizeof(head)))
        guest_frame(g, 0x81, payload, n);
    guest_wait_end(g);
    free(payload);
}

static void play_hang_up(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_read_head(g, head, sizeof(head)))
        guest_reset(g);
}

/* Begins a message and leaves it unfinished. */
static void play_half(struct guest *g, void *arg)
{
    size_t n = *(size_t *)arg;
    char head[4096], *payload = malloc(n);

    memset(payload, 'a', n);
    if (guest_upgrade(g, head, sizeof(head)))
        guest_frame(g, 0x01, payload, n);
    guest_wait_end(g);
    free(payload);
}

static void play_close_frame(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_upgrade(g, head, sizeof(head)))
        guest_frame(g, 0x88, "\x03\xf1too\tbusy", 10);
    guest_wait_end(g);
}

static void play_ping_flood(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (!guest_upgrade(g, head, sizeof(head)))
        return;
    while (guest_frame(g, 0x89, "x", 1)) {
    }
}

/* -- tests -- */

static void test_echo(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    char head[4096] = "";
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_echo, head);

    rig_init(&r);
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    o.send_on_open = "[\"REQ\",\"a\",{}]";
    o.ping_on_open = 1;
    rig_run_until(&r, &o.messages);
    assert_string_equal(o.last, o.send_on_open);
    rig_run_until(&r, &o.pongs);
    assert_int_equal(o.opened, 1);
    assert_int_equal(o.closed, 0);
    assert_string_equal(o.report.address, "127.0.0.1");
    assert_int_equal(o.report.http_status, 101);
    assert_true(o.report.tcp_us >= 0 && o.report.upgrade_us >= 0);
    assert_int_equal(o.report.dns_us, -1);
    assert_int_equal(o.report.proxy_us, -1);
    assert_int_equal(o.report.tls_us, -1);
    assert_true(wsconn_received_bytes(o.conn) >= strlen(o.send_on_open));
    assert_int_equal(net_connections(r.net), 1);
    assert_true(net_connection_bytes(r.net) > 0);
    end(&o);
    rig_run_until(&r, &o.opened);
    rig_finish(&r);
    listener_close(l);
    assert_non_null(strstr(head, "GET /path?x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "bigbrotrd/test (+nobody)"));
}

/* Certificates of one authority, and files of them. */
struct certs {
    struct cert ca, stranger, good, expired, other, unknown;
    char ca_file[64];
};

static void certs_make(struct certs *c)
{
    const long day = 24 * 3600;

    c->ca = cert_make(
        &(struct cert_spec){.common_name = "CA", .is_ca = true, .from_s = -day, .to_s = day});
    c->stranger = cert_make(
        &(struct cert_spec){.common_name = "Stranger", .is_ca = true, .from_s = -day, .to_s = day});
    c->good = cert_make(&(struct cert_spec){.common_name = "relay",
                                            .issuer = &c->ca,
                                            .sans = "DNS:relay.test.org,IP:127.0.0.1",
                                            .from_s = -day,
                                            .to_s = day});
    c->expired = cert_make(&(struct cert_spec){.common_name = "relay",
                                               .issuer = &c->ca,
                                               .sans = "DNS:relay.test.org,IP:127.0.0.1",
                                               .from_s = -2 * day,
                                               .to_s = -day});
    c->other = cert_make(&(struct cert_spec){.common_name = "other",
                                             .issuer = &c->ca,
                                             .sans = "DNS:other.test.org",
                                             .from_s = -day,
                                             .to_s = day});
    c->unknown = cert_make(&(struct cert_spec){.common_name = "relay",
                                               .issuer = &c->stranger,
                                               .sans = "DNS:relay.test.org,IP:127.0.0.1",
                                               .from_s = -day,
                                               .to_s = day});
    (void)snprintf(c->ca_file, sizeof(c->ca_file), "/tmp/test_wsconn_ca.XXXXXX");
    int fd = mkstemp(c->ca_file);
    assert_true(fd >= 0);
    close(fd);
    cert_write_pem(&c->ca, c->ca_file);
}

static void certs_drop(struct certs *c)
{
    cert_free(&c->ca);
    cert_free(&c->stranger);
    cert_free(&c->good);
    cert_free(&c->expired);
    cert_free(&c->other);
    cert_free(&c->unknown);
    unlink(c->ca_file);
}

static void local_answers(const char *name, int type, struct dns_reply *r, void *arg)
{
    (void)arg;
    r->rcode = strcmp(name, "relay.test.org") == 0 ? 0 : 3;
    r->count = r->rcode == 0 && type == DNS_TYPE_A;
    r->addresses[0] = "127.0.0.1";
}

/* Talks `times` to a server with the certificate `leaf`; says how often the server resumed a
 * session. */
static long wss(const struct certs *c, const char *host, const struct cert *leaf, bool record_only,
                int times, struct owner *o)
{
    struct rig r;
    SSL_CTX *ctx = server_ctx(leaf, NULL, 0);
    struct listener *l = listener_open("127.0.0.1", 0, ctx, play_echo, NULL);
    struct dns_server *dns = dns_server_open(local_answers, NULL);
    long hits;

    rig_init(&r);
    r.options.dns_servers = dns_server_address(dns);
    r.options.tls_ca_file = c->ca_file;
    r.options.tls_record_only = record_only;
    rig_start(&r);
    for (int i = 0; i < times; i++) {
        int ended = 0;

        open_to(o, &r, host, listener_port(l), true);
        o->send_on_open = "hello";
        while (ended == 0) {
            uv_run(&r.loop, UV_RUN_ONCE);
            ended = o->messages + o->closed;
        }
        end(o);
    }
    rig_finish(&r);
    listener_close(l);
    dns_server_close(dns);
    hits = SSL_CTX_sess_hits(ctx);
    SSL_CTX_free(ctx);
    return hits;
}

/* Stands between client and server and hands on what the server says in small pieces, so that some
 * arrive while a step of the handshake runs on a worker. */
static void play_dribbling_wire(struct guest *g, void *arg)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(*(uint16_t *)arg),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char bytes[4096];
    ssize_t n = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

    while (n > 0) {
        struct pollfd p[2] = {{g->fd, POLLIN, 0}, {fd, POLLIN, 0}};

        (void)poll(p, 2, -1);
        if (p[0].revents != 0) {
            n = recv(g->fd, bytes, sizeof(bytes), 0);
            if (n > 0)
                n = send(fd, bytes, (size_t)n, MSG_NOSIGNAL);
        } else if (p[1].revents != 0) {
            n = recv(fd, bytes, 40, 0);
            if (n > 0)
                n = send(g->fd, bytes, (size_t)n, MSG_NOSIGNAL);
            usleep(200);
        }
    }
    close(fd);
}

static void test_wss_in_small_pieces(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    struct certs c;
    SSL_CTX *ctx;
    struct listener *server, *wire;
    uint16_t port;

    certs_make(&c);
    ctx = server_ctx(&c.good, NULL, 0);
    server = listener_open("127.0.0.1", 0, ctx, play_echo, NULL);
    port = listener_port(server);
    wire = listener_open("127.0.0.1", 0, NULL, play_dribbling_wire, &port);
    rig_init(&r);
    r.options.tls_ca_file = c.ca_file;
    r.options.tls_record_only = true;
    rig_start(&r);
    for (int i = 0; i < 3; i++) {
        open_to(&o, &r, "127.0.0.1", listener_port(wire), true);
        o.send_on_open = "hello";
        rig_run_until(&r, &o.messages);
        assert_string_equal(o.last, "hello");
        end(&o);
    }
    rig_finish(&r);
    listener_close(wire);
    listener_close(server);
    SSL_CTX_free(ctx);
    certs_drop(&c);
}

static void test_wss_certificates(void **state)
{
    (void)state;
    const char *host = "relay.test.org";
    struct certs c;
    struct owner o;

    certs_make(&c);
    wss(&c, host, &c.good, false, 1, &o);
    assert_string_equal(o.err.detail, "");
    assert_string_equal(o.last, "hello");
    assert_int_equal(o.report.tls_verdict, ERR_NONE);
    assert_true(strncmp(o.report.tls_version, "TLSv1.", 6) == 0);
    assert_true(o.report.tls_cipher[0] != '\0');
    assert_true(o.report.tls_us > 0 && o.report.dns_us > 0);
    wss(&c, host, &c.expired, false, 1, &o);
    assert_int_equal(o.opened, 0);
    assert_int_equal(o.err.code, ERR_TLS_CERT_EXPIRED);
    assert_int_equal(o.report.tls_verdict, ERR_TLS_CERT_EXPIRED);
    wss(&c, host, &c.other, false, 1, &o);
    assert_int_equal(o.err.code, ERR_TLS_CERT_NAME);
    wss(&c, host, &c.unknown, false, 1, &o);
    assert_int_equal(o.err.code, ERR_TLS_CERT);
    wss(&c, host, &c.expired, true, 1, &o); /* only noted */
    assert_string_equal(o.last, "hello");
    assert_int_equal(o.report.tls_verdict, ERR_TLS_CERT_EXPIRED);
    if (strncmp(tls_library_version(), "2.", 2) != 0) { /* 2.28 cannot match an address */
        wss(&c, "127.0.0.1", &c.good, false, 1, &o);
        assert_string_equal(o.last, "hello");
    }
    wss(&c, "127.0.0.1", &c.other, false, 1, &o);
    assert_int_equal(o.err.code, ERR_TLS_CERT_NAME);
    certs_drop(&c);
}

/* Later connections to a host resume the session of the first; the verdict stays with it. */
static void test_wss_resumes(void **state)
{
    (void)state;
    struct certs c;
    struct owner o;

    certs_make(&c);
    assert_int_equal(wss(&c, "relay.test.org", &c.good, false, 3, &o), 2);
    assert_string_equal(o.last, "hello");
    assert_int_equal(o.report.tls_verdict, ERR_NONE);
    assert_int_equal(wss(&c, "relay.test.org", &c.other, true, 3, &o), 2);
    assert_int_equal(o.report.tls_verdict, ERR_TLS_CERT_NAME);
    certs_drop(&c);
}

static void ends_with(guest_script *script, void *arg, enum err_code code, const char *detail)
{
    struct rig r;
    struct owner o;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, script, arg);

    rig_init(&r);
    r.options.upgrade_timeout_ms = 300;
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    rig_run_until(&r, &o.closed);
    assert_string_equal(err_name(o.err.code), err_name(code));
    if (detail != NULL)
        assert_non_null(strstr(o.err.detail, detail));
    assert_int_equal(o.closed, 1);
    assert_int_equal(net_assembly_bytes(r.net), 0);
    end(&o);
    rig_finish(&r);
    listener_close(l);
}

static void answered(const char *answer, enum err_code code, const char *detail)
{
    char copy[256];

    (void)snprintf(copy, sizeof(copy), "%s", answer);
    ends_with(play_answer, copy, code, detail);
}

static void test_refusals(void **state)
{
    (void)state;
    answered("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ERR_WS_REFUSED, "404");
    answered("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n", ERR_RATE_LIMITED, "503, retry after 7");
    answered("HTTP/1.1 429 Slow\r\n\r\n", ERR_RATE_LIMITED, "429");
    answered("HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", ERR_WS_REFUSED, "302");
    answered("SSH-2.0-OpenSSH_9.2\r\n\r\n", ERR_HTTP_PROTOCOL, NULL);
    ends_with(play_silence, NULL, ERR_TIMEOUT, "upgrade");
    ends_with(play_hang_up, NULL, ERR_DISCONNECTED, NULL);
    ends_with(play_cut, NULL, ERR_HTTP_PROTOCOL, NULL);
}

static void test_ends_of_open_connections(void **state)
{
    (void)state;
    size_t n = 1024 * 1024 + 1;

    ends_with(play_reset, NULL, ERR_DISCONNECTED, NULL);
    ends_with(play_close_frame, NULL, ERR_DISCONNECTED, "close frame 1009 too\\x09busy");
    ends_with(play_ping_flood, NULL, ERR_FLOOD, NULL);
    ends_with(play_large, &n, ERR_MESSAGE_TOO_LARGE, NULL);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_silence, NULL);
    uint16_t port = listener_port(l);

    listener_close(l);
    rig_init(&r);
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", port, false);
    rig_run_until(&r, &o.closed);
    assert_int_equal(o.err.code, ERR_CONNECT_REFUSED);
    end(&o);
    rig_finish(&r);
}

static void test_largest_message(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    size_t n = 1024 * 1024;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_large, &n);

    rig_init(&r);
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    rig_run_until(&r, &o.messages);
    assert_int_equal(o.bytes, n);
    assert_int_equal(net_assembly_bytes(r.net), 0);
    end(&o);
    rig_finish(&r);
    listener_close(l);
}

/* The budget is for all connections together: the one that would pass it fails, the others do not.
 */
static void test_assembly_budget(void **state)
{
    (void)state;
    enum { N = 8 };
    struct rig r;
    struct owner o[N];
    size_t half = 200 * 1024;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_half, &half);
    int failed = 0;

    rig_init(&r);
    r.options.assembly_bytes_max = 1024 * 1024;
    rig_start(&r);
    for (int i = 0; i < N; i++)
        open_to(&o[i], &r, "127.0.0.1", listener_port(l), false);
    while (failed < 3) {
        uv_run(&r.loop, UV_RUN_ONCE);
        failed = 0;
        for (int i = 0; i < N; i++)
            failed += o[i].closed;
        assert_true(net_assembly_bytes(r.net) <= r.options.assembly_bytes_max);
    }
    for (int i = 0; i < N; i++) {
        if (o[i].closed)
            assert_int_equal(o[i].err.code, ERR_NOMEM);
        end(&o[i]);
    }
    assert_int_equal(net_assembly_bytes(r.net), 0);
    rig_finish(&r);
    listener_close(l);
}

/* Never reads what it is told. */
static void play_deaf(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_upgrade(g, head, sizeof(head)))
        (void)poll(&(struct pollfd){.fd = g->fd, .events = POLLRDHUP}, 1, -1);
}

/* Dribbles a message for ever, one byte of it at a time. */
static void play_dribble(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (!guest_upgrade(g, head, sizeof(head)))
        return;
    if (!guest_write(g, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10))
        return;
    while (guest_write(g, "a", 1))
        usleep(1500);
}

static void slow_peer(guest_script *script, void *arg, uint32_t window_ms, bool too_slow)
{
    struct rig r;
    struct owner o;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, script, arg);

    rig_init(&r);
    rig_start(&r);
    r.net->rate_window_ms = window_ms;
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    rig_run_until(&r, too_slow ? &o.closed : &o.messages);
    if (too_slow)
        assert_string_equal(err_name(o.err.code), "too_slow");
    assert_int_equal(net_assembly_bytes(r.net) > 0, too_slow); /* until the owner closes */
    end(&o);
    assert_int_equal(net_assembly_bytes(r.net), 0);
    rig_finish(&r);
    listener_close(l);
}

static void test_slow_messages(void **state)
{
    (void)state;
    slow_peer(play_half, &(size_t){20}, 100, true); /* begun and left */
    slow_peer(play_dribble, NULL, 200, true);       /* 600 bytes a second at most */
    slow_peer(play_large, &(size_t){500 * 1024}, 100, false);
}

/* The bucket is far smaller than what comes: everybody has to wait, and everybody gets all.  (Whose
 * turn it is: test_bandwidth.c.) */
static void test_bandwidth_is_shared(void **state)
{
    (void)state;
    enum { N = 4 };
    struct rig r;
    struct owner o[N];
    size_t n = 60 * 1024;
    int ended = 0, waited = 0;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_large, &n);

    rig_init(&r);
    r.options.bandwidth_max = 256 * 1024;
    rig_start(&r);
    for (int i = 0; i < N; i++)
        open_to(&o[i], &r, "127.0.0.1", listener_port(l), false);
    while (ended < N) {
        uv_run(&r.loop, UV_RUN_ONCE);
        ended = 0;
        for (int i = 0; i < N; i++)
            ended += o[i].messages;
        waited += !list_empty(&r.net->bandwidth.queue);
    }
    assert_true(waited > 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(o[i].closed, 0);
        assert_int_equal(o[i].bytes, n);
        end(&o[i]);
    }
    rig_finish(&r);
    listener_close(l);
}

static void test_close_while_paused(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    size_t n = 1000 * 1024;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_large, &n);

    rig_init(&r);
    r.options.bandwidth_max = 1000; /* the first read uses up a minute */
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    while (list_empty(&r.net->bandwidth.queue))
        uv_run(&r.loop, UV_RUN_ONCE);
    end(&o);
    assert_true(list_empty(&r.net->bandwidth.queue));
    rig_finish(&r);
    listener_close(l);
}

static void test_send_is_bounded(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    struct err err;
    char *big = malloc(400 * 1024);
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_deaf, NULL);
    int rc = 0;

    memset(big, 'x', 400 * 1024);
    rig_init(&r);
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    assert_int_equal(wsconn_send(o.conn, STR("early"), &err), -1);
    assert_int_equal(err.code, ERR_DISCONNECTED);
    rig_run_until(&r, &o.opened);
    for (int i = 0; i < 100 && rc == 0;
         i++) /* nobody reads: the kernel's buffers, then ours, are full */
        rc = wsconn_send(o.conn, (struct str){big, 400 * 1024}, &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, ERR_NOMEM);
    end(&o);
    rig_finish(&r);
    listener_close(l);
    free(big);
}

static void test_close_inside_each_callback(void **state)
{
    (void)state;
    for (int where = 0; where < 4; where++) {
        struct rig r;
        struct owner o;
        struct listener *l =
            listener_open("127.0.0.1", 0, NULL, where == 3 ? play_close_frame : play_echo, NULL);

        rig_init(&r);
        rig_start(&r);
        open_to(&o, &r, "127.0.0.1", listener_port(l), false);
        o.send_on_open = where == 0 ? NULL : "hello";
        o.ping_on_open = where == 2;
        o.close_in_open = where == 0;
        o.close_in_message = where == 1;
        o.close_in_pong = where == 2;
        o.close_in_closed = where == 3;
        rig_run_until(&r, where == 0   ? &o.opened
                          : where == 1 ? &o.messages
                          : where == 2 ? &o.pongs
                                       : &o.closed);
        assert_null(o.conn);
        rig_finish(&r);
        assert_int_equal(o.closed, where == 3);
        listener_close(l);
    }
}

static void close_after_ticks(bool tls, const char *ca_file, SSL_CTX *ctx)
{
    struct listener *l = listener_open("127.0.0.1", 0, ctx, play_echo, NULL);

    for (int ticks = 0, done = 0; !done && ticks < 400; ticks++) {
        struct rig r;
        struct owner o;

        rig_init(&r);
        r.options.tls_ca_file = ca_file;
        r.options.tls_record_only = true;
        rig_start(&r);
        open_to(&o, &r, "127.0.0.1", listener_port(l), tls);
        o.send_on_open = "hello";
        for (int i = 0; i < ticks && !o.messages; i++)
            uv_run(&r.loop, UV_RUN_ONCE);
        done = o.messages; /* every earlier moment was tried */
        end(&o);
        rig_finish(&r);
        assert_int_equal(o.closed, 0);
    }
    listener_close(l);
}

static void test_close_in_every_tick(void **state)
{
    (void)state;
    struct certs c;
    SSL_CTX *ctx;

    close_after_ticks(false, "", NULL);
    certs_make(&c);
    ctx = server_ctx(&c.good, NULL, 0);
    close_after_ticks(true, c.ca_file, ctx);
    SSL_CTX_free(ctx);
    certs_drop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_wss_certificates),
        cmocka_unit_test(test_wss_resumes),
        cmocka_unit_test(test_wss_in_small_pieces),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ends_of_open_connections),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_largest_message),
        cmocka_unit_test(test_assembly_budget),
        cmocka_unit_test(test_slow_messages),
        cmocka_unit_test(test_bandwidth_is_shared),
        cmocka_unit_test(test_close_while_paused),
        cmocka_unit_test(test_send_is_bounded),
        cmocka_unit_test(test_close_inside_each_callback),
        cmocka_unit_test(test_close_in_every_tick),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
