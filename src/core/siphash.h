/* SipHash-2-4 with 64 bits of output (Aumasson, Bernstein, 2012): a keyed hash for tables whose
 * keys strangers choose.  Without the key nobody can make two inputs meet. */
#ifndef CORE_SIPHASH_H
#define CORE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1; /* the 16 bytes of the key, little-endian */
};

void siphash_key_random(struct siphash_key *key); /* from the kernel; waits only early in a boot */
uint64_t siphash(const struct siphash_key *key, const void *data, size_t n);

#endif
