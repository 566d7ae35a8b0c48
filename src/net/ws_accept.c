/* Base64 and SHA-1 of at most two blocks, all that the upgrade needs.  See ws_accept.h. */
#include "net/ws_accept.h"

#include <stddef.h>
#include <string.h>

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static void base64(const uint8_t *from, size_t n, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)from[i] << 16;

        if (i + 1 < n)
            v |= (uint32_t)from[i + 1] << 8;
        if (i + 2 < n)
            v |= from[i + 2];
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = (char)(i + 1 < n ? digits[v >> 6 & 63] : '=');
        *to++ = (char)(i + 2 < n ? digits[v & 63] : '=');
    }
    *to = '\0';
}

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void sha1_block(uint32_t h[5], const uint8_t block[64])
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (size_t i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999u
                     : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1u
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu
                              : (b ^ c ^ d) + 0xca62c1d6u;
        uint32_t next = rotate(a, 5) + f + e + w[i];

        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void ws_key_text(const uint8_t key[WS_KEY_BYTES], char text[WS_KEY_CHARS + 1])
{
    base64(key, WS_KEY_BYTES, text);
}

void ws_accept_text(const char key_text[WS_KEY_CHARS + 1], char text[WS_ACCEPT_CHARS + 1])
{
    enum { MESSAGE = WS_KEY_CHARS + sizeof(guid) - 1 };
    _Static_assert(MESSAGE > 55 && MESSAGE < 64,
                   "the message fills one block, its length stands in the second");
    uint32_t h[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
    uint8_t blocks[128] = {0}, digest[20];

    memcpy(blocks, key_text, WS_KEY_CHARS);
    memcpy(blocks + WS_KEY_CHARS, guid, sizeof(guid) - 1);
    blocks[MESSAGE] = 0x80;
    blocks[126] = MESSAGE * 8 >> 8;
    blocks[127] = MESSAGE * 8 & 0xff;
    sha1_block(h, blocks);
    sha1_block(h, blocks + 64);
    for (size_t i = 0; i < sizeof(digest); i++)
        digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
    base64(digest, sizeof(digest), text);
}
