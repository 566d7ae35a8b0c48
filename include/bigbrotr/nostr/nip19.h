/* NIP-19: npub, nsec, note, nprofile, nevent, naddr: keys, events and where to find them, for
 * people.  Pasted and hostile text: unknown parts are ignored, broken ones refused. */
#ifndef NOSTR_NIP19_H
#define NOSTR_NIP19_H

#include "core/names.h"
#include "nostr/bech32.h"

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

/* The `d` tag of the addressable event that an naddr names; false for all else.  A view into `x`.
 */
bool nip19_identifier(const struct nip19 *x, struct str *identifier);

/* The relays that it names, one a call: size_t at = 0; while (nip19_relay(&x, &at, &url)).  Views
 * into `x`, as hostile as the rest. */
bool nip19_relay(const struct nip19 *x, size_t *at, struct str *url);

enum { NIP19_PLAIN_MAX = 64 };

/* npub, nsec or note of 32 bytes, NUL-terminated. */
void nip19_encode(enum nip19_type type, const uint8_t key[32], char to[NIP19_PLAIN_MAX]);

/* What nprofile, nevent and naddr say, to be written.  Views are only read. */
struct nip19_list {
    enum nip19_type type;
    const uint8_t *key;    /* 32 bytes: public key, event id; naddr: the author */
    const uint8_t *author; /* 32 bytes or NULL; nevent */
    int64_t kind;          /* 0 to 65535; nevent: -1 when it is not known; naddr: needed */
    struct str identifier; /* naddr: at most 255 bytes */
    const struct str *relays;
    size_t relays_n; /* each at most 255 bytes */
};

enum { NIP19_TEXT_MAX = BECH32_CHARS_MAX + 1 };

/* False when a part is longer than 255 bytes, or all of it than BECH32_CHARS_MAX. */
bool nip19_encode_list(const struct nip19_list *list, char to[NIP19_TEXT_MAX]);

#endif
