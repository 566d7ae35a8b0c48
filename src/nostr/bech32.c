/* bech32: see bech32.h. */
#include "nostr/bech32.h"

#include <string.h>

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

enum { CHECKSUM_CHARS = 6 };

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
