/* A TLS server on OpenSSL for the tests, in memory, with certificates made on the spot: another
 * library than the one under test says what a correct peer does. */
#ifndef TEST_TLS_SERVER_H
#define TEST_TLS_SERVER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct cert {
    X509 *x509;
    EVP_PKEY *key;
};

struct cert_spec {
    const char *common_name;
    const struct cert *issuer; /* NULL: self-signed */
    const char *sans; /* "DNS:a.example,IP:192.0.2.1" as OpenSSL writes them, NULL for none */
    bool is_ca;
    int rsa_bits;      /* 0: EC P-256 */
    long from_s, to_s; /* validity, relative to now */
};

struct cert cert_make(const struct cert_spec *spec);
void cert_free(struct cert *c);
void cert_write_pem(const struct cert *c, const char *file);

/* One server: its leaf, and the certificates it sends after it. */
SSL_CTX *server_ctx(const struct cert *leaf, const struct cert *const *chain, size_t chain_count);

/* One connection; `rx` is what the client sends, `tx` what it gets. */
struct server {
    SSL *ssl;
    BIO *rx, *tx;
};

void server_open(struct server *s, SSL_CTX *ctx);
void server_close(struct server *s);

#endif
