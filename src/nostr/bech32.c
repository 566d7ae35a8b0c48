/* Bech32 (BIP-173) without its limit of 90 characters, and NIP-19's lists of type, length, value.
 */
#include "nostr/bech32.h"

#include <string.h>

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

enum { CHECKSUM_CHARS = 6, TLV_SPECIAL = 0, TLV_RELAY = 1, TLV_AUTHOR = 2, TLV_KIND = 3 };

/* One more group of five bits into the checksum. */
static uint32_t checksum_add(uint32_t sum, uint8_t group)
{
    static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                          0x2a1462b3};
    uint32_t top = sum >> 25;

    sum = (sum & 0x1ffffff) << 5 ^ group;
    for (int i = 0; i < 5; i++)
        if (top >> i & 1)
            sum ^= generator[i];
    return sum;
}

static uint32_t checksum_prefix(struct str prefix)
{
    uint32_t sum = 1;

    for (size_t i = 0; i < prefix.n; i++)
        sum = checksum_add(sum, (uint8_t)prefix.p[i] >> 5);
    sum = checksum_add(sum, 0);
    for (size_t i = 0; i < prefix.n; i++)
        sum = checksum_add(sum, (uint8_t)prefix.p[i] & 31);
    return sum;
}

/* Copies the prefix, checks that one case is used throughout, and gives the data part. */
static bool split(struct str text, char *prefix, size_t prefix_size, struct str *data)
{
    bool lower = false, upper = false;
    size_t separator = 0;

    if (text.n > BECH32_CHARS_MAX)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c < 33 || c > 126)
            return false;
        lower |= c >= 'a' && c <= 'z';
        upper |= c >= 'A' && c <= 'Z';
        if (c == '1')
            separator = i;
    }
    if ((lower && upper) || separator == 0 || separator >= prefix_size ||
        text.n - separator - 1 < CHECKSUM_CHARS)
        return false;
    for (size_t i = 0; i < separator; i++)
        prefix[i] =
            (char)(upper && text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] | 0x20 : text.p[i]);
    prefix[separator] = '\0';
    *data = (struct str){text.p + separator + 1, text.n - separator - 1};
    return true;
}

bool bech32_decode(struct str text, char *prefix, size_t prefix_size, uint8_t *bytes,
                   size_t bytes_size, size_t *n)
{
    struct str data;
    uint32_t sum, pending = 0, bits = 0;

    *n = 0;
    if (!split(text, prefix, prefix_size, &data))
        return false;
    sum = checksum_prefix(str_z(prefix));
    for (size_t i = 0; i < data.n; i++) {
        char c = (char)(data.p[i] >= 'A' && data.p[i] <= 'Z' ? data.p[i] | 0x20 : data.p[i]);
        const char *found = memchr(alphabet, c, 32);

        if (found == NULL)
            return false;
        sum = checksum_add(sum, (uint8_t)(found - alphabet));
        if (i >= data.n - CHECKSUM_CHARS)
            continue;
        pending = (pending << 5 | (uint32_t)(found - alphabet)) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            if (*n == bytes_size)
                return false;
            bits -= 8;
            bytes[(*n)++] = (uint8_t)(pending >> bits);
        }
    }
    /* What is left over pads: fewer than five bits, all zero. */
    return sum == 1 && bits < 5 && (pending & ((1u << bits) - 1)) == 0;
}

bool bech32_encode(const char *prefix, const uint8_t *bytes, size_t n, char *to, size_t size)
{
    size_t length = strlen(prefix), at = length + 1;
    uint32_t sum = checksum_prefix(str_z(prefix)), pending = 0, bits = 0;

    if (n > BECH32_BYTES_MAX || length + 1 + (n * 8 + 4) / 5 + CHECKSUM_CHARS + 1 > size)
        return false;
    memcpy(to, prefix, length);
    to[length] = '1';
    for (size_t i = 0; i < n; i++) {
        pending = (pending << 8 | bytes[i]) & 0xfff;
        for (bits += 8; bits >= 5;) {
            bits -= 5;
            sum = checksum_add(sum, (uint8_t)(pending >> bits & 31));
            to[at++] = alphabet[pending >> bits & 31];
        }
    }
    if (bits > 0) {
        uint8_t last = (uint8_t)(pending << (5 - bits) & 31);

        sum = checksum_add(sum, last);
        to[at++] = alphabet[last];
    }
    for (int i = 0; i < CHECKSUM_CHARS; i++)
        sum = checksum_add(sum, 0);
    sum ^= 1;
    for (int i = 0; i < CHECKSUM_CHARS; i++)
        to[at++] = alphabet[sum >> (5 * (5 - i)) & 31];
    to[at] = '\0';
    return true;
}

static const struct {
    const char *prefix;
    enum nip19_type type;
    bool list;
} nip19_forms[] = {
    {"npub", NIP19_NPUB, false},    {"nsec", NIP19_NSEC, false},
    {"note", NIP19_NOTE, false},    {"nprofile", NIP19_NPROFILE, true},
    {"nevent", NIP19_NEVENT, true}, {"naddr", NIP19_NADDR, true},
};

/* One part of the list; false at its end, or when it is cut off. */
static bool next_part(const struct nip19 *x, size_t *at, uint8_t *type, struct str *value)
{
    if (*at + 2 > x->n || *at + 2 + x->bytes[*at + 1] > x->n)
        return false;
    *type = x->bytes[*at];
    *value = (struct str){(const char *)x->bytes + *at + 2, x->bytes[*at + 1]};
    *at += 2 + value->n;
    return true;
}

/* The first part of each type counts. */
static bool read_list(struct nip19 *x)
{
    bool has_key = false;
    struct str value;
    size_t at = 0;
    uint8_t type;

    while (next_part(x, &at, &type, &value)) {
        bool naddr_author = type == TLV_AUTHOR && x->type == NIP19_NADDR;

        if (value.n == 32 && !has_key &&
            (naddr_author || (type == TLV_SPECIAL && x->type != NIP19_NADDR))) {
            memcpy(x->key, value.p, 32);
            has_key = true;
        } else if (value.n == 32 && type == TLV_AUTHOR && !x->has_author) {
            memcpy(x->author, value.p, 32);
            x->has_author = true;
        } else if (value.n == 4 && type == TLV_KIND && x->kind < 0) {
            const uint8_t *b = (const uint8_t *)value.p;

            x->kind = (int64_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
        }
    }
    return has_key && at == x->n;
}

bool nip19_decode(struct str text, struct nip19 *out)
{
    char prefix[16];
    size_t n;

    if (str_starts(text, STR("nostr:")))
        text = (struct str){text.p + 6, text.n - 6};
    out->kind = -1;
    out->has_author = false;
    out->n = 0;
    if (!bech32_decode(text, prefix, sizeof(prefix), out->bytes, sizeof(out->bytes), &n))
        return false;
    for (size_t i = 0; i < sizeof(nip19_forms) / sizeof(nip19_forms[0]); i++) {
        if (strcmp(prefix, nip19_forms[i].prefix) != 0)
            continue;
        out->type = nip19_forms[i].type;
        if (nip19_forms[i].list) {
            out->n = n;
            return read_list(out);
        }
        if (n != 32)
            return false;
        memcpy(out->key, out->bytes, 32);
        return true;
    }
    return false;
}

bool nip19_relay(const struct nip19 *x, size_t *at, struct str *url)
{
    uint8_t type;

    while (next_part(x, at, &type, url))
        if (type == TLV_RELAY)
            return true;
    return false;
}

void nip19_encode(enum nip19_type type, const uint8_t key[32], char to[NIP19_PLAIN_MAX])
{
    const char *prefix = type == NIP19_NSEC ? "nsec" : type == NIP19_NOTE ? "note" : "npub";

    if (!bech32_encode(prefix, key, 32, to, NIP19_PLAIN_MAX))
        to[0] = '\0'; /* cannot be: 4 + 1 + 52 + 6 */
}
