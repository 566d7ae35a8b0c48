/* The fixed-size values of Nostr, as structs, so that one cannot be passed for another. */
#ifndef NOSTR_TYPES_H
#define NOSTR_TYPES_H

#include <stdint.h>

#include "core/names.h"

struct id32 {
    uint8_t b[32]; /* SHA-256 of the canonical event (NIP-01) */
};

struct pubkey32 {
    uint8_t b[32]; /* x-only secp256k1 public key (BIP-340) */
};

struct sig64 {
    uint8_t b[64]; /* BIP-340 signature over the id */
};

#endif
