/* wsconn under TLS: certificates, sessions, handshakes in pieces, closed at any moment. */
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
#include "net/tls.h"
#include "owner.h"
#include "tls_server.h"

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

/* An RSA key, nothing newer than TLS 1.2, and PSS first: where the library cannot read that it says
 * so once, and the next connection is asked for otherwise. */
static void test_wss_asks_for_another_signature(void **state)
{
    (void)state;
    struct certs c;
    struct rig r;
    struct owner o;
    char both[] = "RSA-PSS+SHA256:RSA+SHA256"; /* OpenSSL takes no const */
    bool new = tls_library_version()[0] >= '3';

    certs_make(&c);
    struct cert rsa = cert_make(&(struct cert_spec){.common_name = "relay",
                                                    .issuer = &c.ca,
                                                    .sans = "IP:127.0.0.1",
                                                    .rsa_bits = 2048,
                                                    .from_s = -1000,
                                                    .to_s = 1000});
    SSL_CTX *ctx = server_ctx(&rsa, NULL, 0);
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, both), 1);
    struct listener *l = listener_open("127.0.0.1", 0, ctx, play_echo, NULL);
    rig_init(&r);
    r.options.tls_ca_file = c.ca_file;
    rig_start(&r);
    for (int i = 0; i < 3; i++) {
        int ended = 0;

        open_to(&o, &r, "127.0.0.1", listener_port(l), true);
        o.send_on_open = "hello";
        while (ended == 0) {
            uv_run(&r.loop, UV_RUN_ONCE);
            ended = o.messages + o.closed;
        }
        assert_string_equal(err_name(o.err.code), new &&i == 0 ? "tls_retry" : "none");
        end(&o);
    }
    rig_finish(&r);
    listener_close(l);
    SSL_CTX_free(ctx);
    cert_free(&rsa);
    certs_drop(&c);
}

static void test_close_in_every_tick(void **state)
{
    (void)state;
    struct certs c;
    struct listener *l;
    SSL_CTX *ctx;

    certs_make(&c);
    ctx = server_ctx(&c.good, NULL, 0);
    l = listener_open("127.0.0.1", 0, ctx, play_echo, NULL);
    close_in_every_tick(l, true, c.ca_file);
    listener_close(l);
    SSL_CTX_free(ctx);
    certs_drop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wss_certificates),
        cmocka_unit_test(test_wss_resumes),
        cmocka_unit_test(test_wss_in_small_pieces),
        cmocka_unit_test(test_wss_asks_for_another_signature),
        cmocka_unit_test(test_close_in_every_tick),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
