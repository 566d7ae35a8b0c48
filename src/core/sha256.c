/* The doorway to the library that computes SHA-256.
 *
 * libcrypto where it is present (libpq brings it into the process anyway): on processors with SHA
 * instructions it takes about a third of the time of mbedTLS 2.28, which is used elsewhere.  The
 * low-level SHA256_* functions of libcrypto are deprecated in favour of EVP, but EVP allocates a
 * context on the heap for every digest, and these are called for every event. */
#include "core/sha256.h"

#if BIGBROTR_SHA256_LIBCRYPTO
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256), "struct sha256 is too small");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct sha256), "struct sha256 is not aligned");

static SHA256_CTX *context(struct sha256 *h)
{
    return (SHA256_CTX *)(void *)h->opaque;
}

void sha256_init(struct sha256 *h)
{
    (void)SHA256_Init(context(h)); /* these three cannot fail */
}

void sha256_add(struct sha256 *h, const void *data, size_t n)
{
    (void)SHA256_Update(context(h), data, n);
}

void sha256_final(struct sha256 *h, uint8_t out[SHA256_BYTES])
{
    (void)SHA256_Final(out, context(h));
}

#else
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>

/* The functions that return a code had another name before 3.0.  They fail only with accelerators.
 */
#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define starts mbedtls_sha256_starts_ret
#define update mbedtls_sha256_update_ret
#define finish mbedtls_sha256_finish_ret
#else
#define starts mbedtls_sha256_starts
#define update mbedtls_sha256_update
#define finish mbedtls_sha256_finish
#endif

_Static_assert(sizeof(mbedtls_sha256_context) <= sizeof(struct sha256),
               "struct sha256 is too small");
_Static_assert(_Alignof(mbedtls_sha256_context) <= _Alignof(struct sha256),
               "struct sha256 is not aligned");

static mbedtls_sha256_context *context(struct sha256 *h)
{
    return (mbedtls_sha256_context *)(void *)h->opaque;
}

void sha256_init(struct sha256 *h)
{
    mbedtls_sha256_init(context(h));
    (void)starts(context(h), 0);
}

void sha256_add(struct sha256 *h, const void *data, size_t n)
{
    (void)update(context(h), data, n);
}

void sha256_final(struct sha256 *h, uint8_t out[SHA256_BYTES])
{
    (void)finish(context(h), out);
    mbedtls_sha256_free(context(h));
}
#endif

void sha256_of(const void *data, size_t n, uint8_t out[SHA256_BYTES])
{
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, data, n);
    sha256_final(&h, out);
}
