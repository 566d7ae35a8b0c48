/* What the files of TLS know of each other; the only ones that know mbedTLS.
 *
 * 2.28 and 3.6 differ in small things: those that more than one file must know are gathered here.
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include "core/buf.h"
#include "net/tls.h"

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
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

struct tls_context {
    mbedtls_ssl_config config, older; /* for tls_offer */
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
    bool rsa;                  /* with such a key */
    bool wants_older;          /* the handshake failed, as it will not with less offered */
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

/* tls_certificate.c.  The library's callback, which sees every certificate of the chain that was
 * built; `user` is the struct tls. */
int tls_on_verify(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags);
enum err_code tls_judge(uint32_t flags); /* MBEDTLS_X509_BADCERT_*: the gravest names the verdict */
void tls_describe(uint32_t flags, char *to, size_t size); /* every reason, in words */

#endif
