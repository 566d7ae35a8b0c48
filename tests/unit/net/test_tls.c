/* tls: whole handshakes in memory against OpenSSL.  The certificates of the verdict table are those
 * that badssl.com shows; each is met by a strict and by a recording client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/tls.h"
#include "tls_server.h"

enum { DAY = 86400, HOST_SANS = 1000 };

static char ca_file[] = "/tmp/test-tls-ca-XXXXXX";
static struct cert root, other_root, middle;
static struct tls_context *strict, *recording;

static struct cert leaf(const char *sans, const struct cert *issuer, long from_s, long to_s)
{
    return cert_make(&(struct cert_spec){"leaf", issuer, sans, false, 0, from_s, to_s});
}

static struct cert good_leaf(void)
{
    return leaf("DNS:relay.test,DNS:*.wild.test", &root, -DAY, DAY);
}

static int set_up(void **state)
{
    struct err err;

    (void)state;
    root = cert_make(&(struct cert_spec){"root", NULL, NULL, true, 0, -DAY, DAY});
    other_root = cert_make(&(struct cert_spec){"other root", NULL, NULL, true, 0, -DAY, DAY});
    middle = cert_make(&(struct cert_spec){"middle", &root, NULL, true, 0, -DAY, DAY});
    close(mkstemp(ca_file));
    cert_write_pem(&root, ca_file);
    strict = tls_context_new(&(struct tls_options){ca_file, false}, &err);
    recording = tls_context_new(&(struct tls_options){ca_file, true}, &err);
    return strict != NULL && recording != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tls_context_free(strict);
    tls_context_free(recording);
    cert_free(&root);
    cert_free(&other_root);
    cert_free(&middle);
    return unlink(ca_file);
}

/* ---- the pipe between both
 * -------------------------------------------------------------------------------------- */

struct pair {
    struct tls *client;
    struct server server;
    size_t chunk;         /* bytes moved at once */
    size_t to_client_max; /* the server's bytes are cut off after so many */
    size_t to_client;
    enum tls_progress progress;
    struct err err;
};

static void open_pair_offering(struct pair *p, struct tls_context *c, SSL_CTX *ctx,
                               const char *host, const struct tls_session *resume,
                               enum tls_offer offer)
{
    *p = (struct pair){.chunk = 100000, .to_client_max = SIZE_MAX, .progress = TLS_MORE};
    p->client = tls_new(c, host, resume, offer, &p->err);
    assert_non_null(p->client);
    server_open(&p->server, ctx);
}

static void open_pair(struct pair *p, struct tls_context *c, SSL_CTX *ctx, const char *host,
                      const struct tls_session *resume)
{
    open_pair_offering(p, c, ctx, host, resume, TLS_OFFER_ALL);
}

static void close_pair(struct pair *p)
{
    tls_free(p->client);
    server_close(&p->server);
}

static bool move_to_server(struct pair *p)
{
    char bytes[4096];
    size_t n = tls_drain(p->client, bytes, p->chunk < sizeof(bytes) ? p->chunk : sizeof(bytes));

    if (n > 0)
        assert_int_equal(BIO_write(p->server.rx, bytes, (int)n), n);
    return n > 0;
}

static bool move_to_client(struct pair *p)
{
    char bytes[4096];
    size_t room = p->to_client_max - p->to_client,
           want = p->chunk < sizeof(bytes) ? p->chunk : sizeof(bytes);
    int n = room == 0 ? 0 : BIO_read(p->server.tx, bytes, (int)(want < room ? want : room));

    if (n <= 0)
        return false;
    p->to_client += (size_t)n;
    if (tls_feed(p->client, (struct str){bytes, (size_t)n}, &p->err) != 0)
        p->progress = TLS_FAILED;
    return true;
}

/* Until nothing moves any more. */
static enum tls_progress shake_hands(struct pair *p)
{
    bool moved = true;

    while (moved) {
        if (p->progress == TLS_MORE)
            p->progress = tls_step(p->client, &p->err);
        moved = move_to_server(p);
        SSL_do_handshake(p->server.ssl);
        moved = (p->progress != TLS_FAILED && move_to_client(p)) || moved;
    }
    return p->progress;
}

/* ---- verdicts
 * ---------------------------------------------------------------------------------------------------------
 */

static void expect_verdict(const char *what, const char *host, SSL_CTX *ctx, enum err_code verdict)
{
    struct pair p;

    for (int record = 0; record < 2; record++) {
        open_pair(&p, record ? recording : strict, ctx, host, NULL);
        enum tls_progress progress = shake_hands(&p);
        const struct tls_peer *peer = tls_peer(p.client);

        if (peer->verdict != verdict || (progress == TLS_DONE) != (record || verdict == ERR_NONE) ||
            (progress == TLS_FAILED && p.err.code != verdict))
            fail_msg("%s, record %d: progress %d, verdict %s (%s), error %s: %s", what, record,
                     (int)progress, err_name(peer->verdict), peer->verdict_text,
                     err_name(p.err.code), p.err.detail);
        assert_true((peer->verdict_text[0] == '\0') == (verdict == ERR_NONE));
        assert_true(peer->chain_count >= 1 && !peer->resumed);
        close_pair(&p);
    }
}

static void expect_leaf(const char *what, const char *host, struct cert c, enum err_code verdict)
{
    SSL_CTX *ctx = server_ctx(&c, NULL, 0);

    expect_verdict(what, host, ctx, verdict);
    SSL_CTX_free(ctx);
    cert_free(&c);
}

static void test_verdicts(void **state)
{
    (void)state;
    expect_leaf("good", "relay.test", good_leaf(), ERR_NONE);
    expect_leaf("good, another case", "Relay.TEST", good_leaf(), ERR_NONE);
    expect_leaf("wildcard", "a.wild.test", good_leaf(), ERR_NONE);
    expect_leaf("wildcard, two labels", "a.b.wild.test", good_leaf(), ERR_TLS_CERT_NAME);
    expect_leaf("wrong host", "other.test", good_leaf(), ERR_TLS_CERT_NAME);
    expect_leaf("expired", "relay.test", leaf("DNS:relay.test", &root, -DAY, -3600),
                ERR_TLS_CERT_EXPIRED);
    expect_leaf("not yet valid", "relay.test", leaf("DNS:relay.test", &root, 3600, DAY),
                ERR_TLS_CERT_EXPIRED);
    expect_leaf("expired, wrong host", "other.test", leaf("DNS:relay.test", &root, -DAY, -3600),
                ERR_TLS_CERT_EXPIRED);
    expect_leaf("untrusted root", "relay.test", leaf("DNS:relay.test", &other_root, -DAY, DAY),
                ERR_TLS_CERT);
    expect_leaf("self-signed", "relay.test", leaf("DNS:relay.test", NULL, -DAY, DAY), ERR_TLS_CERT);
    expect_leaf("incomplete chain", "relay.test", leaf("DNS:relay.test", &middle, -DAY, DAY),
                ERR_TLS_CERT);
    expect_leaf("no alternative names", "leaf", leaf(NULL, &root, -DAY, DAY), ERR_TLS_CERT_NAME);
    expect_leaf(
        "RSA-1024", "relay.test",
        cert_make(&(struct cert_spec){"leaf", &root, "DNS:relay.test", false, 1024, -DAY, DAY}),
        ERR_TLS_CERT);
    expect_leaf(
        "RSA-2048", "relay.test",
        cert_make(&(struct cert_spec){"leaf", &root, "DNS:relay.test", false, 2048, -DAY, DAY}),
        ERR_NONE);
}

static void test_addresses(void **state)
{
    (void)state;
    expect_leaf("IPv4", "192.0.2.1", leaf("DNS:a.test,IP:192.0.2.1", &root, -DAY, DAY), ERR_NONE);
    expect_leaf("another IPv4", "192.0.2.2", leaf("IP:192.0.2.1", &root, -DAY, DAY),
                ERR_TLS_CERT_NAME);
    expect_leaf("IPv4 as a name", "192.0.2.1", leaf("DNS:192.0.2.1", &root, -DAY, DAY),
                ERR_TLS_CERT_NAME);
    expect_leaf("IPv6", "2001:db8::1", leaf("IP:2001:db8::1", &root, -DAY, DAY), ERR_NONE);
    expect_leaf("another IPv6", "2001:db8::2", leaf("IP:2001:db8::1", &root, -DAY, DAY),
                ERR_TLS_CERT_NAME);
    expect_leaf("a name, the certificate has an address", "a.test",
                leaf("IP:192.0.2.1", &root, -DAY, DAY), ERR_TLS_CERT_NAME);
}

static void test_many_names(void **state)
{
    char sans[HOST_SANS * 16] = "";
    size_t at = 0;

    (void)state;
    for (int i = 0; i < HOST_SANS; i++)
        at += (size_t)snprintf(sans + at, sizeof(sans) - at, "%sDNS:%d.test", i > 0 ? "," : "", i);
    expect_leaf("the last of 1,000 names", "999.test", leaf(sans, &root, -DAY, DAY), ERR_NONE);
    expect_leaf("none of 1,000 names", "1000.test", leaf(sans, &root, -DAY, DAY),
                ERR_TLS_CERT_NAME);
}

static void test_chain_is_described(void **state)
{
    struct cert c = leaf("DNS:relay.test,IP:192.0.2.1,DNS:two.test", &middle, -DAY, DAY);
    const struct cert *chain[] = {&middle, &root};
    SSL_CTX *ctx = server_ctx(&c, chain, 2);
    struct pair p;
    unsigned char digest[32];

    (void)state;
    expect_verdict("complete chain", "relay.test", ctx, ERR_NONE);
    open_pair(&p, strict, ctx, "relay.test", NULL);
    assert_int_equal(shake_hands(&p), TLS_DONE);
    const struct tls_peer *peer = tls_peer(p.client);
    assert_int_equal(peer->chain_count, 3);
    assert_int_equal(peer->chain_sent, 3);
    assert_string_equal(peer->chain[0].subject, "CN=leaf");
    assert_string_equal(peer->chain[0].issuer, "CN=middle");
    assert_string_equal(peer->chain[1].issuer, "CN=root");
    assert_string_equal(peer->chain[0].key, "EC-256");
    assert_int_equal(peer->chain[0].not_after - peer->chain[0].not_before, 2 * DAY);
    assert_true(llabs(peer->chain[0].not_before + DAY - (int64_t)time(NULL)) < 60);
    assert_string_equal(peer->sans, "dns:relay.test ip:192.0.2.1 dns:two.test");
    assert_int_equal(peer->sans_count, 3);
    assert_int_equal(X509_digest(c.x509, EVP_sha256(), digest, NULL), 1);
    assert_memory_equal(peer->chain[0].fingerprint, digest, sizeof(digest));
    assert_string_equal(peer->version, SSL_get_version(p.server.ssl));
    assert_true(strlen(peer->cipher) > 8);
    assert_true(tls_bytes(p.client) > 16384 && tls_bytes(p.client) < 128 * 1024);
    size_t bytes = tls_bytes(p.client);
    tls_peer_drop(p.client);
    assert_null(tls_peer(p.client));
    assert_int_equal(tls_bytes(p.client), bytes - sizeof(struct tls_peer));
    close_pair(&p);
    SSL_CTX_free(ctx);
    cert_free(&c);
}

static void test_names_are_cut(void **state)
{
    char sans[4000] = "", label[61];
    size_t at = 0;
    struct pair p;

    (void)state;
    memset(label, 'x', sizeof(label) - 1);
    label[sizeof(label) - 1] = '\0';
    for (int i = 0; i < 50; i++)
        at += (size_t)snprintf(sans + at, sizeof(sans) - at, "%sDNS:%d.%s", i > 0 ? "," : "", i,
                               label);
    struct cert c = leaf(sans, &root, -DAY, DAY);
    SSL_CTX *ctx = server_ctx(&c, NULL, 0);
    open_pair(&p, strict, ctx, "relay.test", NULL);
    assert_int_equal(shake_hands(&p), TLS_FAILED);
    assert_int_equal(tls_peer(p.client)->sans_count, 50);
    assert_true(strlen(tls_peer(p.client)->sans) < TLS_SANS_MAX);
    /* cut at a whole name */
    assert_string_equal(tls_peer(p.client)->sans + strlen(tls_peer(p.client)->sans) - 60, label);
    close_pair(&p);
    SSL_CTX_free(ctx);
    cert_free(&c);
}

/* ---- data
 * ------------------------------------------------------------------------------------------------------------------
 */

static void exchange(struct pair *p, size_t bytes)
{
    char *sent = malloc(bytes), *got = malloc(bytes);
    size_t written = 0, echoed = 0, received = 0;

    for (size_t i = 0; i < bytes; i++)
        sent[i] = (char)(i * 7 + i / 251);
    while (received < bytes) {
        char some[3000];
        size_t n;

        if (written < bytes) {
            assert_int_equal(
                tls_write(p->client, (struct str){sent + written, bytes - written}, &n, &p->err),
                0);
            written += n;
            assert_true(tls_pending(p->client) <= TLS_OUT_MAX);
        }
        while (move_to_server(p)) {
        }
        for (int r; (r = SSL_read(p->server.ssl, some, sizeof(some))) > 0; echoed += (size_t)r)
            assert_int_equal(SSL_write(p->server.ssl, some, r), r);
        while (move_to_client(p)) {
            while (tls_read(p->client, some, sizeof(some), &n, &p->err) == TLS_READ_SOME) {
                memcpy(got + received, some, n);
                received += n;
            }
        }
    }
    assert_int_equal(echoed, bytes);
    assert_memory_equal(sent, got, bytes);
    free(sent);
    free(got);
}

static void expect_exchange(size_t chunk, size_t bytes, int version)
{
    struct cert c = good_leaf();
    SSL_CTX *ctx = server_ctx(&c, NULL, 0);
    struct pair p;

    SSL_CTX_set_max_proto_version(ctx, version);
    open_pair(&p, strict, ctx, "relay.test", NULL);
    p.chunk = chunk;
    assert_int_equal(shake_hands(&p), TLS_DONE);
    exchange(&p, bytes);
    close_pair(&p);
    SSL_CTX_free(ctx);
    cert_free(&c);
}

static void test_data(void **state)
{
    (void)state;
    expect_exchange(100000, 400000, TLS1_2_VERSION);
    expect_exchange(100000, 400000, TLS1_3_VERSION);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    expect_exchange(1, 5000, TLS1_2_VERSION);
    expect_exchange(1, 5000, TLS1_3_VERSION);
}

static void test_output_is_bounded(void **state)
{
    struct cert c = good_leaf();
    SSL_CTX *ctx = server_ctx(&c, NULL, 0);
    char *plain = calloc(1, 1024 * 1024);
    struct pair p;
    size_t taken;

    (void)state;
    open_pair(&p, strict, ctx, "relay.test", NULL);
    assert_int_equal(shake_hands(&p), TLS_DONE);
    assert_int_equal(tls_write(p.client, (struct str){plain, 1024 * 1024}, &taken, &p.err), 0);
    assert_true(taken > TLS_OUT_MAX / 2 && taken < TLS_OUT_MAX &&
                tls_pending(p.client) <= TLS_OUT_MAX);
    size_t again;
    assert_int_equal(tls_write(p.client, (struct str){plain, 1024 * 1024}, &again, &p.err), 0);
    assert_true(again < 2 * 16384);
    close_pair(&p);
    SSL_CTX_free(ctx);
    cert_free(&c);
    free(plain);
}

static void test_close_notify(void **state)
{
    struct cert c = good_leaf();
    SSL_CTX *ctx = server_ctx(&c, NULL, 0);
    struct pair p;
    char some[10];
    size_t n;

    (void)state;
    open_pair(&p, strict, ctx, "relay.test", NULL);
    assert_int_equal(shake_hands(&p), TLS_DONE);
    assert_int_equal(tls_read(p.client, some, sizeof(some), &n, &p.err), TLS_READ_MORE);
    tls_close_notify(p.client);
    tls_close_notify(p.client);
    while (move_to_server(&p)) {
    }
    assert_int_equal(SSL_read(p.server.ssl, some, sizeof(some)), 0);
    assert_int_equal(SSL_get_error(p.server.ssl, 0), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(tls_write(p.client, STR("late"), &n, &p.err), -1);
    SSL_shutdown(p.server.ssl);
    while (move_to_client(&p)) {
    }
    assert_int_equal(tls_read(p.client, some, sizeof(some), &n, &p.err), TLS_READ_CLOSED);
    close_pair(&p);

    open_pair(&p, strict, ctx, "relay.test", NULL);
    assert_int_equal(shake_hands(&p), TLS_DONE);
    tls_feed_eof(p.client);
    assert_int_equal(tls_read(p.client, some, sizeof(some), &n, &p.err), TLS_READ_FAILED);
    assert_int_equal(p.err.code, ERR_DISCONNECTED);
    close_pair(&p);
    SSL_CTX_free(ctx);
    cert_free(&c);
}

/* ---- resumption
 * -------------------------------------------------------------------------------------------------------------
 */

static struct tls_session *visit(struct tls_context *c, SSL_CTX *ctx, const char *host,
                                 const struct tls_session *resume, bool *resumed)
{
    struct pair p;
    char some[10];
    size_t n;

    open_pair(&p, c, ctx, host, resume);
    if (shake_hands(&p) != TLS_DONE)
        fail_msg("%s: %s", err_name(p.err.code), p.err.detail);
    while (tls_read(p.client, some, sizeof(some), &n, &p.err) == TLS_READ_SOME) {
    }
    *resumed = SSL_session_reused(p.server.ssl);
    assert_int_equal(tls_peer(p.client)->resumed, *resumed);
    assert_int_equal(tls_peer(p.client)->chain_count, *resumed ? 0 : 1);
    struct tls_session *s = tls_session_take(p.client);
    assert_null(tls_session_take(p.client));
    exchange(&p, 1000);
    close_pair(&p);
    return s;
}

static void expect_resumption(int version, unsigned long options)
{
    struct cert c = good_leaf(), bad = leaf("DNS:relay.test", &other_root, -DAY, DAY);
    SSL_CTX *ctx = server_ctx(&c, NULL, 0), *bad_ctx = server_ctx(&bad, NULL, 0);
    bool resumed;

    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(bad_ctx, version);
    SSL_CTX_set_options(ctx, options);
    struct tls_session *s = visit(strict, ctx, "relay.test", NULL, &resumed);
    assert_false(resumed);
    assert_non_null(s);
    assert_true(tls_session_bytes(s) > 100 && tls_session_bytes(s) < 16 * 1024);
    tls_session_free(visit(strict, ctx, "relay.test", s, &resumed));
    assert_true(resumed);
    tls_session_free(
        visit(strict, ctx, "a.wild.test", s, &resumed)); /* another host: not offered */
    assert_false(resumed);
    tls_session_free(
        visit(recording, ctx, "relay.test", s, &resumed)); /* another mode: not offered */
    assert_false(resumed);
    tls_session_free(s);

    /* The verdict goes with the session. */
    s = visit(recording, bad_ctx, "relay.test", NULL, &resumed);
    struct pair p;
    open_pair(&p, recording, bad_ctx, "relay.test", s);
    assert_int_equal(shake_hands(&p), TLS_DONE);
    assert_true(tls_peer(p.client)->resumed);
    assert_int_equal(tls_peer(p.client)->verdict, ERR_TLS_CERT);
    assert_true(tls_peer(p.client)->verdict_text[0] != '\0');
    close_pair(&p);
    tls_session_free(s);
    SSL_CTX_free(ctx);
    SSL_CTX_free(bad_ctx);
    cert_free(&c);
    cert_free(&bad);
}

/* Nothing newer than TLS 1.2, an RSA key, and an order of its own with PSS first: mbedTLS 3.6 reads
 * that in TLS 1.3 only; asked for less, the server signs otherwise if it can.  2.28 never offers
 * it. */
static void test_signatures_that_cannot_be_read(void **state)
{
    (void)state;
    struct cert rsa = cert_make(
        &(struct cert_spec){"relay.test", &root, "DNS:relay.test", false, 2048, -DAY, DAY});
    struct cert wrong = cert_make(
        &(struct cert_spec){"relay.test", &other_root, "DNS:relay.test", false, 2048, -DAY, DAY});
    SSL_CTX *ctx = server_ctx(&rsa, NULL, 0), *untrusted = server_ctx(&wrong, NULL, 0);
    char pss[] = "RSA-PSS+SHA256",
         both[] = "RSA-PSS+SHA256:RSA+SHA256"; /* OpenSSL takes no const */
    bool new = tls_library_version()[0] >= '3';
    struct pair p;

    for (int only = 0; only < 2; only++) {
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
        SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
        assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, only ? pss : both), 1);
        open_pair(&p, strict, ctx, "relay.test", NULL);
        assert_int_equal(shake_hands(&p), new || only ? TLS_FAILED : TLS_DONE);
        assert_int_equal(tls_wants_older(p.client), new);
        close_pair(&p);

        open_pair_offering(&p, strict, ctx, "relay.test", NULL, TLS_OFFER_OLDER);
        assert_int_equal(shake_hands(&p), only ? TLS_FAILED : TLS_DONE);
        assert_false(tls_wants_older(p.client));
        if (!only)
            assert_string_equal(tls_peer(p.client)->version, "TLSv1.2");
        close_pair(&p);
    }
    open_pair(&p, strict, untrusted, "relay.test", NULL);
    assert_int_equal(shake_hands(&p), TLS_FAILED);
    assert_false(tls_wants_older(p.client)); /* that is another failure */
    close_pair(&p);
    SSL_CTX_free(ctx);
    SSL_CTX_free(untrusted);
    cert_free(&rsa);
    cert_free(&wrong);
}

static void test_resumption(void **state)
{
    (void)state;
    expect_resumption(TLS1_2_VERSION, 0);
    expect_resumption(TLS1_2_VERSION, SSL_OP_NO_TICKET);
    expect_resumption(TLS1_3_VERSION, 0); /* 2.28 does TLS 1.2 here */
}

/* ---- bad peers
 * ------------------------------------------------------------------------------------------------------------------
 */

static int on_sni(SSL *ssl, int *alert, void *seen)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    snprintf(seen, 100, "%s", name != NULL ? name : "(none)");
    return SSL_TLSEXT_ERR_OK;
}

static void test_server_name(void **state)
{
    struct cert c = leaf("DNS:relay.test,IP:192.0.2.1", &root, -DAY, DAY);
    SSL_CTX *ctx = server_ctx(&c, NULL, 0);
    char seen[100] = "";

    (void)state;
    SSL_CTX_set_tlsext_servername_callback(ctx, on_sni);
    SSL_CTX_set_tlsext_servername_arg(ctx, seen);
    expect_verdict("SNI", "relay.test", ctx, ERR_NONE);
    assert_string_equal(seen, "relay.test");
    expect_verdict("no SNI for an address", "192.0.2.1", ctx, ERR_NONE);
    assert_string_equal(seen, "(none)");
    SSL_CTX_free(ctx);
    cert_free(&c);
}

static void test_truncation(void **state)
{
    struct cert c = good_leaf();
    SSL_CTX *ctx = server_ctx(&c, NULL, 0);
    struct pair p;

    (void)state;
    for (size_t cut = 0; cut < 600; cut += 7) {
        open_pair(&p, strict, ctx, "relay.test", NULL);
        p.to_client_max = cut;
        assert_int_equal(shake_hands(&p), TLS_MORE);
        tls_feed_eof(p.client);
        assert_int_equal(shake_hands(&p), TLS_FAILED);
        assert_int_equal(p.err.code, ERR_DISCONNECTED);
        close_pair(&p);
    }
    SSL_CTX_free(ctx);
    cert_free(&c);
}

/* Every byte of the server's first flight, changed: a typed failure (or, for a byte that does not
 * matter, success). */
static void test_garbage(void **state)
{
    struct cert c = good_leaf();
    SSL_CTX *ctx = server_ctx(&c, NULL, 0);
    char flight[8192], hello[1024];

    (void)state;
    for (size_t i = 0; i < 1200; i += 5) {
        struct pair p;

        open_pair(&p, strict, ctx, "relay.test", NULL);
        assert_int_equal(tls_step(p.client, &p.err), TLS_MORE);
        size_t n = tls_drain(p.client, hello, sizeof(hello));
        assert_int_equal(BIO_write(p.server.rx, hello, (int)n), n);
        SSL_do_handshake(p.server.ssl);
        int got = BIO_read(p.server.tx, flight, sizeof(flight));
        assert_true(got > 0);
        flight[i % (size_t)got] ^= (char)(1 + i % 255);
        assert_int_equal(tls_feed(p.client, (struct str){flight, (size_t)got}, &p.err), 0);
        if (tls_step(p.client, &p.err) == TLS_FAILED)
            assert_true(err_blame(p.err.code) == ERR_BLAME_PEER);
        close_pair(&p);
    }
    SSL_CTX_free(ctx);
    cert_free(&c);
}

static void expect_answer(struct str answer, enum err_code code)
{
    struct err err = {0};
    struct tls *t = tls_new(strict, "relay.test", NULL, TLS_OFFER_ALL, &err);

    assert_int_equal(tls_step(t, &err), TLS_MORE);
    assert_int_equal(tls_feed(t, answer, &err), 0);
    assert_int_equal(tls_step(t, &err), TLS_FAILED);
    assert_int_equal(err.code, code);
    tls_free(t);
}

static void test_not_tls(void **state)
{
    struct err err;

    (void)state;
    expect_answer(STR("HTTP/1.1 400 Bad Request\r\n\r\n"), ERR_TLS_PROTOCOL);
    expect_answer(STR("\x15\x03\x03\x00\x02\x02\x28"), ERR_TLS_ALERT); /* handshake_failure */
    expect_answer(STR("\x15\x03\x01\x00\x02\x02\x70"), ERR_TLS_ALERT); /* unrecognized_name */
    assert_null(tls_new(strict, "", NULL, TLS_OFFER_ALL, &err));
    assert_int_equal(err.code, ERR_URL);
}

static void test_flight_is_bounded(void **state)
{
    struct err err = {0};
    struct tls *t = tls_new(strict, "relay.test", NULL, TLS_OFFER_ALL, &err);
    static char flight[TLS_FLIGHT_MAX];

    (void)state;
    assert_int_equal(tls_feed_room(t), TLS_FLIGHT_MAX);
    assert_int_equal(tls_feed(t, (struct str){flight, sizeof(flight)}, &err), 0);
    assert_int_equal(tls_feed(t, STR("x"), &err), -1);
    assert_int_equal(err.code, ERR_TLS_PROTOCOL);
    tls_free(t);
}

static void test_context(void **state)
{
    struct err err;

    (void)state;
    assert_null(tls_context_new(&(struct tls_options){"/nonexistent.pem", false}, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(tls_context_new(&(struct tls_options){"/dev/null", false}, &err));
    assert_int_equal(err.code, ERR_CONFIG);

    /* The last connection keeps what it needs. */
    struct tls_context *c = tls_context_new(&(struct tls_options){ca_file, false}, &err);
    struct tls *t = tls_new(c, "relay.test", NULL, TLS_OFFER_ALL, &err);
    tls_context_free(c);
    assert_int_equal(tls_step(t, &err), TLS_MORE);
    tls_free(t);
    assert_true(tls_library_version()[0] >= '2');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),      cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_many_names),    cmocka_unit_test(test_chain_is_described),
        cmocka_unit_test(test_names_are_cut), cmocka_unit_test(test_data),
        cmocka_unit_test(test_byte_by_byte),  cmocka_unit_test(test_output_is_bounded),
        cmocka_unit_test(test_close_notify),  cmocka_unit_test(test_signatures_that_cannot_be_read),
        cmocka_unit_test(test_resumption),    cmocka_unit_test(test_server_name),
        cmocka_unit_test(test_truncation),    cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_not_tls),       cmocka_unit_test(test_flight_is_bounded),
        cmocka_unit_test(test_context),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
