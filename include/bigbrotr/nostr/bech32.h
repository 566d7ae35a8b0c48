/* Bech32 (BIP-173, not bech32m) without its limit of 90 characters.
 *
 * Pasted and hostile text: at most 5,000 characters, the checksum compared, mixed case refused. */
#ifndef NOSTR_BECH32_H
#define NOSTR_BECH32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/names.h"
#include "core/str.h"

enum { BECH32_CHARS_MAX = 5000, BECH32_BYTES_MAX = BECH32_CHARS_MAX * 5 / 8 };

/* Any bech32 text: its prefix, in lower case, and its bytes.  False when it is none, or too long
 * for the caller's buffers. */
bool bech32_decode(struct str text, char *prefix, size_t prefix_size, uint8_t *bytes,
                   size_t bytes_size, size_t *n);

/* Writes prefix, separator, data and checksum, and a NUL.  False when it does not fit. */
bool bech32_encode(const char *prefix, const uint8_t *bytes, size_t n, char *to, size_t size);

#endif
