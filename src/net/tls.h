/* TLS client side without I/O: ciphertext in, ciphertext out, and one step function for the
 * handshake.  The one doorway to mbedTLS (2.28 and 3.6).
 *
 *     socket --tls_feed--> [in] --tls_step--> DONE, then --tls_read--> plaintext
 *     socket <--tls_drain- [out] <-- tls_step, tls_write, tls_close_notify
 *
 * The owner moves bytes; nothing here knows a socket, a loop or a timer.  After every call that may
 * write (tls_step, tls_read, tls_write, tls_close_notify) drain what is there, also after a
 * failure: it is the alert for the peer.
 *
 * Threads.  A struct tls_context is read-only after it is made and shared by all threads.  A struct
 * tls is touched by one thread at a time: tls_step() may run on a worker while the loop keeps what
 * arrives and feeds it afterwards.
 *
 * Bounds.  The input holds at most TLS_IN_MAX bytes, the output at most TLS_OUT_MAX; a handshake
 * may take no more than TLS_FLIGHT_MAX bytes from the peer (PROTOCOL 4.2); what is kept about
 * certificates is cut to the sizes below. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

enum {
    TLS_IN_MAX = 128 * 1024,  /* ciphertext that was fed and not yet used */
    TLS_OUT_MAX = 128 * 1024, /* ciphertext that was made and not yet drained */
    TLS_FLIGHT_MAX =
        96 * 1024,      /* ciphertext of one whole handshake: 64 KiB of certificates and the rest */
    TLS_CHAIN_MAX = 6,  /* certificates kept of what the peer sent */
    TLS_NAME_MAX = 256, /* subject and issuer, escaped */
    TLS_SANS_MAX = 1024, /* the leaf's alternative names, "dns:a.example ip:192.0.2.1", escaped */
    TLS_FINGERPRINT_BYTES = 32
};

/* Some servers sign in TLS 1.2 as mbedTLS 3.6 can only read in TLS 1.3: to these less is offered
 * (tls_signatures.h). */
enum tls_offer { TLS_OFFER_ALL, TLS_OFFER_OLDER };

struct tls_options {
    const char
        *ca_file; /* PEM bundle; "" or NULL for the system's, /etc/ssl/certs/ca-certificates.crt */
    bool record_only; /* a bad certificate is noted in the verdict, not refused */
};

struct tls_context; /* certificates trusted, random, settings; one for all connections */
struct tls;         /* one connection */
struct tls_session; /* what a later connection to the same host can resume; owned by who took it */

/* One certificate of the chain, as the peer sent it: nothing in it is proven unless the verdict is
 * ERR_NONE. */
struct tls_certificate {
    char subject[TLS_NAME_MAX], issuer[TLS_NAME_MAX];
    int64_t not_before, not_after;              /* Unix seconds */
    uint8_t fingerprint[TLS_FINGERPRINT_BYTES]; /* SHA-256 of the DER form */
    char key[24];                               /* "RSA-2048", "EC-256" */
};

struct tls_peer {
    enum err_code
        verdict; /* ERR_NONE: trusted and for this host.  Else ERR_TLS_CERT, _EXPIRED, _NAME */
    char verdict_text[ERR_DETAIL_MAX]; /* every reason in words, "" when trusted */
    char version[16];                  /* "TLSv1.2" */
    char cipher[64];
    bool resumed;    /* no certificate was sent; the verdict is that of the connection resumed */
    int chain_count; /* certificates in chain[], leaf first; 0 when resumed */
    int chain_sent;  /* certificates that were sent */
    struct tls_certificate chain[TLS_CHAIN_MAX];
    char sans[TLS_SANS_MAX]; /* cut at a whole name */
    int sans_count;          /* names in the leaf, also those that were cut */
};

/* "3.6.4": the library in use, for --version. */
const char *tls_library_version(void);

/* Errors: ERR_CONFIG (no such file, no certificate in it), ERR_NOMEM. */
struct tls_context *tls_context_new(const struct tls_options *options, struct err *err) MUST_USE;
void tls_context_free(struct tls_context *c); /* when no struct tls is left; NULL is fine */

/* `host`: name or literal address without brackets; copied.  Sent as SNI unless it is an address;
 * the certificate is checked against it.  `resume` may be NULL; it is only used when it belongs to
 * this host and context mode, and not freed. NULL and *err on ERR_NOMEM or ERR_URL (host too long).
 */
struct tls *tls_new(struct tls_context *c, const char *host, const struct tls_session *resume,
                    enum tls_offer offer, struct err *err) MUST_USE;
void tls_free(struct tls *t); /* NULL is fine */

/* Takes ciphertext from the peer (copied).  -1 with ERR_TLS_PROTOCOL: more than the bounds above.
 */
int tls_feed(struct tls *t, struct str ciphertext, struct err *err) MUST_USE;

/* How many bytes tls_feed would take now. */
size_t tls_feed_room(const struct tls *t);

/* The peer closed its side of the socket: reads that need more fail from now on (truncation)
 * instead of asking for more. */
void tls_feed_eof(struct tls *t);

/* The handshake, as far as the bytes go.  The first call makes the ClientHello.  May take
 * milliseconds of CPU: see Threads. TLS_FAILED fills *err: ERR_TLS_CERT, ERR_TLS_CERT_EXPIRED,
 * ERR_TLS_CERT_NAME, ERR_TLS_PROTOCOL, ERR_TLS_ALERT, ERR_DISCONNECTED (after tls_feed_eof),
 * ERR_NOMEM. */
enum tls_progress { TLS_MORE, TLS_DONE, TLS_FAILED };
enum tls_progress tls_step(struct tls *t, struct err *err);

/* After TLS_FAILED: would a connection with TLS_OFFER_OLDER come further? */
bool tls_wants_older(const struct tls *t);

/* Decrypts at most `size` bytes into `to`.
 * TLS_READ_SOME: *n > 0 bytes.  TLS_READ_MORE: feed first.  TLS_READ_CLOSED: the peer said close
 * notify. TLS_READ_FAILED: *err is ERR_TLS_PROTOCOL, ERR_TLS_ALERT or ERR_DISCONNECTED (end without
 * close notify). */
enum tls_read_result { TLS_READ_SOME, TLS_READ_MORE, TLS_READ_CLOSED, TLS_READ_FAILED };
enum tls_read_result tls_read(struct tls *t, void *to, size_t size, size_t *n, struct err *err);

/* Encrypts as much of `plain` as the output has room for; *taken says how much (0 when it is full:
 * drain, then call again). */
int tls_write(struct tls *t, struct str plain, size_t *taken, struct err *err) MUST_USE;

/* Queues the close notify alert, once.  Nothing can be written after it. */
void tls_close_notify(struct tls *t);

/* Moves at most `size` bytes of ciphertext for the peer into `to`; returns how many. */
size_t tls_drain(struct tls *t, void *to, size_t size);
size_t tls_pending(const struct tls *t); /* bytes to drain */

/* Who is on the other side; filled when tls_step has answered TLS_DONE or TLS_FAILED.  Valid until
 * tls_peer_drop or tls_free.  NULL after tls_peer_drop, which gives its memory (about 6 KiB) back.
 */
const struct tls_peer *tls_peer(const struct tls *t);
void tls_peer_drop(struct tls *t);

/* The newest session that can be resumed, moved to the caller; NULL when there is none (yet:
 * TLS 1.3 sends it after the handshake, so ask when the connection ends). */
struct tls_session *tls_session_take(struct tls *t);
void tls_session_free(struct tls_session *s); /* NULL is fine */
size_t tls_session_bytes(const struct tls_session *s);

/* Memory held by this connection, an estimate that includes the library's buffers. */
size_t tls_bytes(const struct tls *t);

#endif
