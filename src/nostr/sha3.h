/* SHA3-256 (FIPS 202), for the checksum in onion addresses. */
#ifndef NOSTR_SHA3_H
#define NOSTR_SHA3_H

#include <stddef.h>
#include <stdint.h>

enum { SHA3_256_BYTES = 32 };

void sha3_256(const void *data, size_t n, uint8_t out[SHA3_256_BYTES]);

#endif
