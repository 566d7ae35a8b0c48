/* SHA-256 (FIPS 180-4).  The one doorway to whichever library computes it. */
#ifndef CORE_SHA256_H
#define CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "core/names.h"

enum { SHA256_BYTES = 32 };

struct sha256 {
    uint64_t opaque[16]; /* holds the library's context; sized by a static assertion in sha256.c */
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t n);
void sha256_final(struct sha256 *h, uint8_t out[SHA256_BYTES]);
void sha256_of(const void *data, size_t n, uint8_t out[SHA256_BYTES]);

#endif
