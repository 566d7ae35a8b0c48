/* The settings that all connections share: certificates trusted, versions and signatures offered.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "net/tls_internal.h"

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#if !defined(MBEDTLS_THREADING_C)
#error "mbedTLS 3 without MBEDTLS_THREADING_C: handshakes run on several threads"
#endif
#include "net/tls_signatures.h"
#endif

/* Some old servers have nothing better, and what is read from relays is public, and signed. */
enum { DHM_BITS_MIN = 1024 };

static const char system_ca_file[] = "/etc/ssl/certs/ca-certificates.crt";

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

const char *tls_library_version(void)
{
    static const char version[] = MBEDTLS_VERSION_STRING;

    return version;
}

static int set_up_config(struct tls_context *c, mbedtls_ssl_config *config, struct err *err)
{
    if (mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return err_set(err, ERR_NOMEM, "mbedtls_ssl_config_defaults failed");
    mbedtls_ssl_conf_rng(config, random_bytes, NULL);
    mbedtls_ssl_conf_ca_chain(config, &c->ca, NULL);
    mbedtls_ssl_conf_authmode(config, c->record_only ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                     : MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_dhm_min_bitlen(config, DHM_BITS_MIN);
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_sig_algs(config, tls_signatures);
#else
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
#if MBEDTLS_VERSION_NUMBER >= 0x03060100 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
    return 0;
}

static int set_up_context(struct tls_context *c, struct err *err)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (psa_crypto_init() != PSA_SUCCESS)
        return err_set(err, ERR_NOMEM, "psa_crypto_init failed");
#endif
    if (set_up_config(c, &c->config, err) != 0 || set_up_config(c, &c->older, err) != 0)
        return -1;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    mbedtls_ssl_conf_max_tls_version(&c->older, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_sig_algs(&c->older, tls_older_signatures);
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
    mbedtls_ssl_config_init(&c->older);
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
    mbedtls_ssl_config_free(&c->older);
    mbedtls_x509_crt_free(&c->ca);
    free(c);
}
