/* NIP-19: npub, nsec, note, nprofile, nevent, naddr: bech32 (BIP-173, not bech32m) for people.
 *
 * Pasted and hostile text: at most 5,000 characters, the checksum compared, mixed case refused,
 * unknown parts ignored. */
#ifndef NOSTR_BECH32_H
#define NOSTR_BECH32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

enum { BECH32_CHARS_MAX = 5000, BECH32_BYTES_MAX = BECH32_CHARS_MAX * 5 / 8 };

/* Any bech32 text: its prefix, in lower case, and its bytes.  False when it is none, or too long
 * for the caller's buffers. */
bool bech32_decode(struct str text, char *prefix, size_t prefix_size, uint8_t *bytes,
                   size_t bytes_size, size_t *n);

/* Writes prefix, separator, data and checksum, and a NUL.  False when it does not fit. */
bool bech32_encode(const char *prefix, const uint8_t *bytes, size_t n, char *to, size_t size);

enum nip19_type { NIP19_NPUB, NIP19_NSEC, NIP19_NOTE, NIP19_NPROFILE, NIP19_NEVENT, NIP19_NADDR };

struct nip19 {
    enum nip19_type type;
    uint8_t key[32]; /* public key, secret key or event id; naddr: the author */
    uint8_t author[32];
    bool has_author; /* nevent */
    int64_t kind;    /* nevent, naddr; -1 when not given */
    uint8_t bytes[BECH32_BYTES_MAX];
    size_t n; /* of the TLV list in `bytes`; 0 for the plain forms */
};

/* `nostr:` before it is allowed. */
bool nip19_decode(struct str text, struct nip19 *out);

/* The relays that it names, one a call: size_t at = 0; while (nip19_relay(&x, &at, &url)).  Views
 * into `x`, as hostile as the rest. */
bool nip19_relay(const struct nip19 *x, size_t *at, struct str *url);

enum { NIP19_PLAIN_MAX = 64 };

/* npub, nsec or note of 32 bytes, NUL-terminated. */
void nip19_encode(enum nip19_type type, const uint8_t key[32], char to[NIP19_PLAIN_MAX]);

#endif
