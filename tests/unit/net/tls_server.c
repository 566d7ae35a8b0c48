/* See tls_server.h.  Failures of the helper itself end the test. */
#include "tls_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "test server: %s\n", what);
        ERR_print_errors_fp(stderr);
        abort();
    }
}

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(extension != NULL && X509_add_ext(x509, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

struct cert cert_make(const struct cert_spec *spec)
{
    static long serial = 1000;
    struct cert c = {X509_new(), spec->rsa_bits > 0 ? EVP_RSA_gen((unsigned)spec->rsa_bits)
                                                    : EVP_EC_gen("P-256")};
    const struct cert *issuer = spec->issuer != NULL ? spec->issuer : &c;

    must(c.x509 != NULL && c.key != NULL, "key");
    X509_set_version(c.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), spec->from_s);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), spec->to_s);
    X509_set_pubkey(c.x509, c.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c.x509), "CN", MBSTRING_UTF8,
                               (const unsigned char *)spec->common_name, -1, -1, 0);
    X509_set_issuer_name(c.x509, X509_get_subject_name(issuer->x509));
    if (spec->is_ca)
        add_extension(c.x509, issuer->x509, NID_basic_constraints, "critical,CA:TRUE");
    if (spec->sans != NULL)
        add_extension(c.x509, issuer->x509, NID_subject_alt_name, spec->sans);
    must(X509_sign(c.x509, issuer->key, EVP_sha256()) > 0, "signature");
    return c;
}

void cert_free(struct cert *c)
{
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
}

void cert_write_pem(const struct cert *c, const char *file)
{
    FILE *f = fopen(file, "w");

    must(f != NULL && PEM_write_X509(f, c->x509) == 1, file);
    fclose(f);
}

SSL_CTX *server_ctx(const struct cert *leaf, const struct cert *const *chain, size_t chain_count)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    must(ctx != NULL, "context");
    SSL_CTX_set_security_level(ctx, 0); /* weak keys are part of the tests */
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
    must(SSL_CTX_use_certificate(ctx, leaf->x509) == 1 &&
             SSL_CTX_use_PrivateKey(ctx, leaf->key) == 1,
         "certificate");
    for (size_t i = 0; i < chain_count; i++)
        must(SSL_CTX_add1_chain_cert(ctx, chain[i]->x509) == 1, "chain");
    return ctx;
}

void server_open(struct server *s, SSL_CTX *ctx)
{
    s->ssl = SSL_new(ctx);
    s->rx = BIO_new(BIO_s_mem());
    s->tx = BIO_new(BIO_s_mem());
    must(s->ssl != NULL && s->rx != NULL && s->tx != NULL, "connection");
    BIO_set_mem_eof_return(s->rx, -1);
    SSL_set_bio(s->ssl, s->rx, s->tx);
    SSL_set_accept_state(s->ssl);
}

void server_close(struct server *s)
{
    /* Else OpenSSL takes the session for broken and forgets it. */
    SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(s->ssl); /* and its BIOs */
}
