/* TLS, client side, on mbedTLS.  See tls.h.
 *
 * mbedTLS asks for bytes and hands bytes out through two callbacks (bio_recv, bio_send); both only
 * touch the two buffers of struct tls.  What the library cannot be asked for afterwards is noted
 * while it happens: the chain and the verdict come from its verification callback, which also sees
 * handshakes that fail.
 *
 * 2.28 and 3.6 differ in small things, gathered at the top.  Addresses in certificates and
 * certificates without alternative names are judged here, alike for both (RFC 9525: the common name
 * is not a name to check against). */
#include "net/tls.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include "core/buf.h"
#include "core/sha256.h"
#include "net/tls_text.h"

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#if !defined(MBEDTLS_THREADING_C)
#error "mbedTLS 3 without MBEDTLS_THREADING_C: handshakes run on several threads"
#endif
#include "net/tls_signatures.h"
#define PRIVATE(member) MBEDTLS_PRIVATE(member)
#else
#define PRIVATE(member) member
#endif
#ifndef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
#define MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET \
    (-0x7B00) /* unknown to 2.28: TLS 1.2 tickets stay inside */
#endif

enum {
    HOST_MAX = 255,
    SESSION_MAX = 16 * 1024, /* of one saved session; more (a huge certificate) is not kept */
    TICKETS_MAX = 16,        /* a connection that sends more is broken */
    RECORD_EXTRA = 512       /* the most that a record is larger than its plaintext */
};

static const char system_ca_file[] = "/etc/ssl/certs/ca-certificates.crt";

struct tls_context {
    mbedtls_ssl_config config;
    mbedtls_x509_crt ca;
    bool record_only;
    unsigned references; /* the owner and every struct tls; loop thread only */
};

/* A serialised session, and what must be known to use it: a resumed connection shows no
 * certificate. */
struct tls_session {
    char host[HOST_MAX + 1];
    bool record_only;
    enum err_code verdict;
    char verdict_text[ERR_DETAIL_MAX];
    int64_t not_after; /* of the leaf */
    size_t n;
    unsigned char data[];
};

struct tls {
    struct tls_context *context;
    mbedtls_ssl_context ssl;
    char host[HOST_MAX + 1];
    unsigned char address[16]; /* of a literal host */
    size_t address_bytes;      /* 0: host is a name */
    struct buf in, out;        /* ciphertext */
    bool eof;                  /* the peer closed the socket */
    bool starved;              /* the library asked for more than has come */
    bool done;                 /* the handshake is over */
    bool closed;               /* close notify was queued */
    bool offered;              /* a session was offered to be resumed */
    bool verified;             /* the verification callback saw a leaf */
    bool given;                /* the session of TLS 1.2 was taken */
    size_t handshake_bytes;
    uint32_t flags; /* MBEDTLS_X509_BADCERT_* of the whole chain */
    unsigned tickets;
    int64_t not_after;
    struct tls_peer *peer;
    struct tls_session *session; /* newest, TLS 1.3 */
    enum err_code verdict;       /* as in peer, kept when that is dropped */
    char verdict_text[ERR_DETAIL_MAX];
};

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

/* The kernel's generator: no state of ours to share between threads. */
static int random_bytes(void *user, unsigned char *to, size_t n)
{
    (void)user;
    while (n > 0) {
        ssize_t got = getrandom(to, n < 256 ? n : 256, 0);

        if (got <= 0)
            return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
        to += got;
        n -= (size_t)got;
    }
    return 0;
}

/* ---- certificates ---------------------------------------------------------- */

static bool is_san(const mbedtls_x509_sequence *san, int type)
{
    return san->buf.p != NULL && (san->buf.tag & 0x1f) == type;
}

enum { SAN_DNS = 2, SAN_ADDRESS = 7 };

static void note_sans(struct tls_peer *peer, const mbedtls_x509_crt *crt)
{
    size_t at = 0;
    bool cut = false;

    for (const mbedtls_x509_sequence *san = &crt->subject_alt_names; san != NULL; san = san->next) {
        char name[300] = "";

        if (is_san(san, SAN_DNS)) {
            tls_put_name(name, sizeof(name), "dns:", san->buf.p, san->buf.len);
        } else if (is_san(san, SAN_ADDRESS) && (san->buf.len == 4 || san->buf.len == 16)) {
            memcpy(name, "ip:", 3);
            inet_ntop(san->buf.len == 4 ? AF_INET : AF_INET6, san->buf.p, name + 3,
                      sizeof(name) - 3);
        } else {
            continue;
        }
        peer->sans_count++;
        cut = cut || at + strlen(name) + 2 > sizeof(peer->sans);
        if (!cut)
            at += (size_t)snprintf(peer->sans + at, sizeof(peer->sans) - at, "%s%s",
                                   at > 0 ? " " : "", name);
    }
}

static int64_t unix_time(const mbedtls_x509_time *x)
{
    struct tm tm = {.tm_year = x->year - 1900,
                    .tm_mon = x->mon - 1,
                    .tm_mday = x->day,
                    .tm_hour = x->hour,
                    .tm_min = x->min,
                    .tm_sec = x->sec};

    return timegm(&tm);
}

static void note_name(char *to, size_t size, const mbedtls_x509_name *name)
{
    char text[512];
    int n = mbedtls_x509_dn_gets(text, sizeof(text), name);

    str_escape(to, size, n < 0 ? STR("(longer than can be shown)") : (struct str){text, (size_t)n});
}

static void note_certificate(struct tls_certificate *c, const mbedtls_x509_crt *crt)
{
    note_name(c->subject, sizeof(c->subject), &crt->subject);
    note_name(c->issuer, sizeof(c->issuer), &crt->issuer);
    c->not_before = unix_time(&crt->valid_from);
    c->not_after = unix_time(&crt->valid_to);
    sha256_of(crt->raw.p, crt->raw.len, c->fingerprint);
    snprintf(c->key, sizeof(c->key), "%.12s-%u", mbedtls_pk_get_name(&crt->pk),
             (unsigned)mbedtls_pk_get_bitlen(&crt->pk));
}

static void note_chain(struct tls *t, const mbedtls_x509_crt *leaf)
{
    t->verified = true;
    t->not_after = unix_time(&leaf->valid_to);
    t->peer->chain_count = t->peer->chain_sent = t->peer->sans_count = 0;
    note_sans(t->peer, leaf);
    for (const mbedtls_x509_crt *crt = leaf; crt != NULL; crt = crt->next) {
        if (t->peer->chain_count < TLS_CHAIN_MAX)
            note_certificate(&t->peer->chain[t->peer->chain_count++], crt);
        t->peer->chain_sent++;
    }
}

/* The part of the name check that mbedTLS does not do, or not in every version. */
static bool name_matches(const struct tls *t, const mbedtls_x509_crt *leaf)
{
    for (const mbedtls_x509_sequence *san = &leaf->subject_alt_names; san != NULL;
         san = san->next) {
        if (t->address_bytes == 0 && is_san(san, SAN_DNS))
            return true; /* there are names; mbedTLS has compared them */
        if (t->address_bytes > 0 && is_san(san, SAN_ADDRESS) && san->buf.len == t->address_bytes &&
            memcmp(san->buf.p, t->address, t->address_bytes) == 0)
            return true;
    }
    return false;
}

/* Called for every certificate of the chain that was built, the leaf last. */
static int on_verify(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct tls *t = user;

    if (depth == 0) {
        if (t->peer != NULL)
            note_chain(t, crt);
        if (!name_matches(t, crt))
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
    t->flags |= *flags;
    return 0;
}

/* The gravest reason names the verdict. */
static enum err_code judge(uint32_t flags)
{
    const uint32_t dates = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;

    if (flags == 0)
        return ERR_NONE;
    if ((flags & ~(dates | MBEDTLS_X509_BADCERT_CN_MISMATCH)) != 0)
        return ERR_TLS_CERT;
    return (flags & dates) != 0 ? ERR_TLS_CERT_EXPIRED : ERR_TLS_CERT_NAME;
}

static void describe(uint32_t flags, char *to, size_t size)
{
    char text[512] = "";
    size_t at = 0;

    if (flags != 0 && mbedtls_x509_crt_verify_info(text, sizeof(text), "", flags) < 0)
        snprintf(text, sizeof(text), "flags 0x%x", (unsigned)flags);
    for (const char *p = text; *p != '\0' && at + 3 < size; p++) {
        if (*p != '\n')
            to[at++] = *p;
        else if (p[1] != '\0')
            at += (size_t)snprintf(to + at, size - at, "; ");
    }
    to[at] = '\0';
}

/* ---- the context ----------------------------------------------------------- */

const char *tls_library_version(void)
{
    static const char version[] = MBEDTLS_VERSION_STRING;

    return version;
}

static int set_up_context(struct tls_context *c, struct err *err)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (psa_crypto_init() != PSA_SUCCESS)
        return err_set(err, ERR_NOMEM, "psa_crypto_init failed");
#endif
    if (mbedtls_ssl_config_defaults(&c->config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return err_set(err, ERR_NOMEM, "mbedtls_ssl_config_defaults failed");
    mbedtls_ssl_conf_rng(&c->config, random_bytes, NULL);
    mbedtls_ssl_conf_ca_chain(&c->config, &c->ca, NULL);
    mbedtls_ssl_conf_authmode(&c->config, c->record_only ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                         : MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_session_tickets(&c->config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    mbedtls_ssl_conf_min_tls_version(&c->config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_sig_algs(&c->config, tls_signatures);
#else
    mbedtls_ssl_conf_min_version(&c->config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3);
#endif
#if MBEDTLS_VERSION_NUMBER >= 0x03060100 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        &c->config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
    return 0;
}

static int load_ca(struct tls_context *c, const char *file, struct err *err)
{
    if (file == NULL || file[0] == '\0')
        file = system_ca_file;
    int r = mbedtls_x509_crt_parse_file(&c->ca, file);
    /* Positive: so many of the bundle could not be read, the others were. */
    if (r < 0 || c->ca.raw.p == NULL)
        return err_set(err, ERR_CONFIG, "no certificates can be read from %s (mbedTLS -0x%04x)",
                       file, r < 0 ? -r : 0);
    return 0;
}

struct tls_context *tls_context_new(const struct tls_options *options, struct err *err)
{
    struct tls_context *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the TLS settings");
        return NULL;
    }
    c->references = 1;
    c->record_only = options->record_only;
    mbedtls_ssl_config_init(&c->config);
    mbedtls_x509_crt_init(&c->ca);
    if (set_up_context(c, err) != 0 || load_ca(c, options->ca_file, err) != 0) {
        tls_context_free(c);
        return NULL;
    }
    return c;
}

void tls_context_free(struct tls_context *c)
{
    if (c == NULL || --c->references > 0)
        return;
    mbedtls_ssl_config_free(&c->config);
    mbedtls_x509_crt_free(&c->ca);
    free(c);
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

static int set_up(struct tls *t, struct err *err)
{
    t->address_bytes = inet_pton(AF_INET, t->host, t->address) == 1    ? 4
                       : inet_pton(AF_INET6, t->host, t->address) == 1 ? 16
                                                                       : 0;
    /* No name for an address: it must not be sent as SNI (RFC 6066 3), and on_verify does the
     * check. */
    if (mbedtls_ssl_setup(&t->ssl, &t->context->config) != 0 ||
        mbedtls_ssl_set_hostname(&t->ssl, t->address_bytes > 0 ? NULL : t->host) != 0)
        return err_set(err, ERR_NOMEM, "no memory for a TLS connection");
    mbedtls_ssl_set_bio(&t->ssl, t, bio_send, bio_recv, NULL);
    mbedtls_ssl_set_verify(&t->ssl, on_verify, t);
    return 0;
}

struct tls *tls_new(struct tls_context *c, const char *host, const struct tls_session *resume,
                    struct err *err)
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
    if (set_up(t, err) != 0) {
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
    enum err_code code = judge(t->flags);
    char text[ERR_DETAIL_MAX];

    describe(t->flags, text, sizeof(text));
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
        t->verdict = judge(t->flags);
        describe(t->flags, t->verdict_text, sizeof(t->verdict_text));
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
