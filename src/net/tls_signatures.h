/* The signature schemes that we offer, best first (RFC 8446, 4.2.3), for mbedTLS 3.6.
 *
 * PKCS #1 stands before PSS: a server with an RSA certificate that speaks nothing newer than TLS
 * 1.2 takes the first one that it can make (OpenSSL and Go follow the client), and mbedTLS reads
 * PSS in TLS 1.3 only.  There PKCS #1 is not allowed in a handshake, so servers take PSS whatever
 * comes first.
 *
 * A server that follows its own order may take PSS in TLS 1.2 all the same; to it we offer the
 * second list, without PSS, and nothing newer than TLS 1.2. */
#ifndef NET_TLS_SIGNATURES_H
#define NET_TLS_SIGNATURES_H

#include <stdint.h>

static const uint16_t tls_signatures[] = {
    0x0403, 0x0503, 0x0603, /* ECDSA over P-256, P-384, P-521, with SHA-256, -384, -512 */
    0x0401, 0x0501, 0x0601, /* RSA PKCS #1, with the same */
    0x0804, 0x0805, 0x0806, /* RSA PSS, with the same */
    0                       /* the end */
};

static const uint16_t tls_older_signatures[] = {0x0403, 0x0503, 0x0603, 0x0401, 0x0501, 0x0601, 0};

#endif
