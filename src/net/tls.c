/* TLS, client side, on mbedTLS.  See tls.h.
 *
 * mbedTLS asks for bytes and hands bytes out through two callbacks (bio_recv, bio_send); both only
 * touch the two buffers of struct tls. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/error.h>

#include "net/tls_internal.h"
#include "net/tls_text.h"

/* ---- buffers --------------------------------------------------------------- */

static size_t take(struct buf *b, void *to, size_t size)
{
    size_t n = b->n < size ? b->n : size;

    if (n > 0)
        memcpy(to, b->data + b->start, n);
    buf_consume(b, n);
    if (b->n == 0)
        buf_done(b); /* an idle connection holds no buffers but the library's */
    return n;
}

static int bio_recv(void *user, unsigned char *to, size_t size)
{
    struct tls *t = user;

    if (t->in.n == 0) {
        t->starved = true;
        return t->eof ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
    }
    return (int)take(&t->in, to, size);
}

static int bio_send(void *user, const unsigned char *from, size_t n)
{
    struct tls *t = user;

    return buf_append(&t->out, from, n) ? (int)n : MBEDTLS_ERR_SSL_WANT_WRITE;
}
/* ---- one connection -------------------------------------------------------- */

/* A resumed connection shows no certificate, so the old one must still be good for what we want to
 * know. */
static void offer_session(struct tls *t, const struct tls_session *s)
{
    mbedtls_ssl_session session;

    if (s == NULL || strcmp(s->host, t->host) != 0 || s->record_only != t->context->record_only ||
        s->not_after < time(NULL))
        return;
    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_session_load(&session, s->data, s->n) == 0 &&
        mbedtls_ssl_set_session(&t->ssl, &session) == 0) {
        t->offered = true;
        t->verdict = s->verdict;
        memcpy(t->verdict_text, s->verdict_text, sizeof(t->verdict_text));
        t->not_after = s->not_after;
    }
    mbedtls_ssl_session_free(&session);
}

static int set_up(struct tls *t, enum tls_offer offer, struct err *err)
{
    t->address_bytes = inet_pton(AF_INET, t->host, t->address) == 1    ? 4
                       : inet_pton(AF_INET6, t->host, t->address) == 1 ? 16
                                                                       : 0;
    /* No name for an address: it must not be sent as SNI (RFC 6066 3), and tls_on_verify does the
     * check. */
    if (mbedtls_ssl_setup(&t->ssl, offer == TLS_OFFER_OLDER ? &t->context->older
                                                            : &t->context->config) != 0 ||
        mbedtls_ssl_set_hostname(&t->ssl, t->address_bytes > 0 ? NULL : t->host) != 0)
        return err_set(err, ERR_NOMEM, "no memory for a TLS connection");
    mbedtls_ssl_set_bio(&t->ssl, t, bio_send, bio_recv, NULL);
    mbedtls_ssl_set_verify(&t->ssl, tls_on_verify, t);
    return 0;
}

struct tls *tls_new(struct tls_context *c, const char *host, const struct tls_session *resume,
                    enum tls_offer offer, struct err *err)
{
    struct str name = str_z(host);

    if (name.n == 0 || name.n > HOST_MAX) {
        err_set(err, ERR_URL, "a host name of %zu bytes", name.n);
        return NULL;
    }
    struct tls *t = calloc(1, sizeof(*t));
    if (t == NULL || (t->peer = calloc(1, sizeof(*t->peer))) == NULL) {
        free(t);
        err_set(err, ERR_NOMEM, "no memory for a TLS connection");
        return NULL;
    }
    str_copy(t->host, sizeof(t->host), name);
    t->context = c;
    c->references++;
    mbedtls_ssl_init(&t->ssl);
    buf_init(&t->in, TLS_IN_MAX);
    buf_init(&t->out, TLS_OUT_MAX);
    if (set_up(t, offer, err) != 0) {
        tls_free(t);
        return NULL;
    }
    offer_session(t, resume);
    return t;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    mbedtls_ssl_free(&t->ssl);
    buf_done(&t->in);
    buf_done(&t->out);
    free(t->peer);
    tls_session_free(t->session);
    tls_context_free(t->context);
    free(t);
}

size_t tls_feed_room(const struct tls *t)
{
    size_t room = TLS_IN_MAX - t->in.n;
    size_t flight = TLS_FLIGHT_MAX - t->handshake_bytes;

    return t->done || room < flight ? room : flight;
}

int tls_feed(struct tls *t, struct str ciphertext, struct err *err)
{
    if (ciphertext.n > tls_feed_room(t))
        return err_set(err, ERR_TLS_PROTOCOL,
                       t->done ? "too much at once" : "a handshake of more than %d bytes",
                       TLS_FLIGHT_MAX);
    (void)buf_append_str(&t->in, ciphertext); /* fits, see above */
    if (!t->done)
        t->handshake_bytes += ciphertext.n;
    return 0;
}

void tls_feed_eof(struct tls *t)
{
    t->eof = true;
}

/* ---- the library's answers ------------------------------------------------- */

static void fail_certificate(const struct tls *t, struct err *err)
{
    enum err_code code = tls_judge(t->flags);
    char text[ERR_DETAIL_MAX];

    tls_describe(t->flags, text, sizeof(text));
    err_set(err, code == ERR_NONE ? ERR_TLS_CERT : code, "%s", text);
}

/* RFC 8446 6: the alert's two bytes stand at the start of the message that the library read last.
 */
static void fail_alert(const struct tls *t, struct err *err)
{
    unsigned alert = t->ssl.PRIVATE(in_msg) == NULL ? 0 : t->ssl.PRIVATE(in_msg)[1];

    err_set(err, ERR_TLS_ALERT, "alert %u %s", alert, tls_alert_name(alert));
}

static void fail(const struct tls *t, int r, struct err *err)
{
    char text[100];
    int high = -r & 0xff80;

    switch (r) {
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
        fail_certificate(t, err);
        return;
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
        fail_alert(t, err);
        return;
    case MBEDTLS_ERR_SSL_CONN_EOF:
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
        err_set(err, ERR_DISCONNECTED, "closed during TLS");
        return;
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
    case MBEDTLS_ERR_X509_ALLOC_FAILED:
        err_set(err, ERR_NOMEM, "no memory for TLS");
        return;
    default:
        break;
    }
    mbedtls_strerror(r, text, sizeof(text));
    /* -0x2080 to -0x3000 is the range of the X.509 module: a certificate that cannot even be read.
     */
    err_set(err, high >= 0x2080 && high <= 0x3000 ? ERR_TLS_CERT : ERR_TLS_PROTOCOL, "%s (-0x%04x)",
            text, (unsigned)-r);
}

/* TLS 1.3: after the handshake.  Keeps the newest ticket. */
static void save_session(struct tls *t)
{
    mbedtls_ssl_session session;
    size_t n = 0;

    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_get_session(&t->ssl, &session) == 0) {
        (void)mbedtls_ssl_session_save(&session, NULL, 0,
                                       &n); /* only says how much room it needs */
        struct tls_session *s = n == 0 || n > SESSION_MAX ? NULL : calloc(1, sizeof(*s) + n);

        if (s != NULL && mbedtls_ssl_session_save(&session, s->data, n, &s->n) == 0) {
            memcpy(s->host, t->host, sizeof(s->host));
            s->record_only = t->context->record_only;
            s->verdict = t->verdict;
            memcpy(s->verdict_text, t->verdict_text, sizeof(s->verdict_text));
            s->not_after = t->not_after;
            tls_session_free(t->session);
            t->session = s;
        } else {
            free(s);
        }
    }
    mbedtls_ssl_session_free(&session);
}

/* Is this answer of the library one that means "call again"?  "Want read" is, when it did not come
 * from us: 3.6 says it between noticing a ticket and reading it. */
static bool again(struct tls *t, int r)
{
    if (r == MBEDTLS_ERR_SSL_WANT_READ && !t->starved)
        return true;
    if (r != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET || ++t->tickets > TICKETS_MAX)
        return false;
    save_session(t);
    return true;
}

/* ---- handshake ------------------------------------------------------------- */

static void note_peer(struct tls *t)
{
    struct tls_peer *peer = t->peer;
    const char *cipher = mbedtls_ssl_get_ciphersuite(&t->ssl);

    if (t->verified) {
        t->verdict = tls_judge(t->flags);
        tls_describe(t->flags, t->verdict_text, sizeof(t->verdict_text));
    }
    if (peer == NULL)
        return;
    peer->verdict = t->verdict;
    memcpy(peer->verdict_text, t->verdict_text, sizeof(peer->verdict_text));
    peer->resumed = t->done && t->offered && !t->verified;
    if (t->done) {
        snprintf(peer->version, sizeof(peer->version), "%s", mbedtls_ssl_get_version(&t->ssl));
        snprintf(peer->cipher, sizeof(peer->cipher), "%s", cipher != NULL ? cipher : "");
    }
}

/* A signature that the library cannot read, of an RSA key in TLS 1.2: it was offered for TLS 1.3.
 */
static bool is_unreadable_signature(const struct tls *t, int r)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return r == MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER && t->verified && t->rsa &&
           mbedtls_ssl_get_version_number(&t->ssl) == MBEDTLS_SSL_VERSION_TLS1_2;
#else
    (void)t;
    (void)r;
    return false;
#endif
}

bool tls_wants_older(const struct tls *t)
{
    return t->wants_older;
}

enum tls_progress tls_step(struct tls *t, struct err *err)
{
    int r;

    if (t->done)
        return TLS_DONE;
    do {
        t->starved = false;
        r = mbedtls_ssl_handshake(&t->ssl);
    } while (again(t, r));
    if (r == MBEDTLS_ERR_SSL_WANT_READ)
        return TLS_MORE;
    t->done = r == 0;
    note_peer(t);
    if (t->done)
        return TLS_DONE;
    t->wants_older = is_unreadable_signature(t, r);
    fail(t, r, err);
    return TLS_FAILED;
}

/* ---- data ------------------------------------------------------------------ */

enum tls_read_result tls_read(struct tls *t, void *to, size_t size, size_t *n, struct err *err)
{
    int r;

    *n = 0;
    do {
        t->starved = false;
        r = mbedtls_ssl_read(&t->ssl, to, size);
    } while (again(t, r));
    if (r > 0) {
        *n = (size_t)r;
        return TLS_READ_SOME;
    }
    if (r == MBEDTLS_ERR_SSL_WANT_READ)
        return TLS_READ_MORE;
    if (r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        return TLS_READ_CLOSED;
    fail(t, r == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : r, err);
    return TLS_READ_FAILED;
}

int tls_write(struct tls *t, struct str plain, size_t *taken, struct err *err)
{
    int record = mbedtls_ssl_get_max_out_record_payload(&t->ssl);

    *taken = 0;
    if (!t->done || t->closed || record <= 0)
        return err_set(err, ERR_DISCONNECTED, "TLS is not open");
    while (*taken < plain.n) {
        size_t n = plain.n - *taken < (size_t)record ? plain.n - *taken : (size_t)record;

        /* A record is written whole or not begun: mbedTLS wants the same bytes again after "want
         * write". */
        if (t->out.n + n + RECORD_EXTRA > TLS_OUT_MAX)
            return 0;
        t->starved = true; /* writing reads nothing */
        int r = mbedtls_ssl_write(&t->ssl, (const unsigned char *)plain.p + *taken, n);
        if (again(t, r))
            continue;
        if (r <= 0) {
            fail(t, r, err);
            return -1;
        }
        *taken += (size_t)r;
    }
    return 0;
}

void tls_close_notify(struct tls *t)
{
    if (t->done && !t->closed)
        (void)mbedtls_ssl_close_notify(&t->ssl); /* a courtesy: there is no second try */
    t->closed = true;
}

size_t tls_drain(struct tls *t, void *to, size_t size)
{
    return take(&t->out, to, size);
}

size_t tls_pending(const struct tls *t)
{
    return t->out.n;
}

/* ---- facts ----------------------------------------------------------------- */

const struct tls_peer *tls_peer(const struct tls *t)
{
    return t->peer;
}

void tls_peer_drop(struct tls *t)
{
    free(t->peer);
    t->peer = NULL;
}

struct tls_session *tls_session_take(struct tls *t)
{
    /* TLS 1.2 has its one session when the handshake is done. */
    if (t->done && !t->given && strcmp(mbedtls_ssl_get_version(&t->ssl), "TLSv1.3") != 0) {
        t->given = true;
        save_session(t);
    }
    struct tls_session *s = t->session;
    t->session = NULL;
    return s;
}

void tls_session_free(struct tls_session *s)
{
    free(s);
}

size_t tls_session_bytes(const struct tls_session *s)
{
    return sizeof(*s) + s->n;
}

size_t tls_bytes(const struct tls *t)
{
    enum {
        LIBRARY = MBEDTLS_SSL_IN_CONTENT_LEN + MBEDTLS_SSL_OUT_CONTENT_LEN + 6 * 1024
    }; /* its buffers, keys, peer's leaf */

    return sizeof(*t) + LIBRARY + t->in.size + t->out.size +
           (t->peer != NULL ? sizeof(*t->peer) : 0);
}
