/* Hexadecimal: ids, keys and signatures of every event pass through here. */
#include "core/hex.h"

#include <stdint.h>

enum { NOT_HEX = 0xff };

static uint8_t digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint8_t)(c - 'a' + 10);
    return NOT_HEX;
}

void hex_encode(char *to, const void *from, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = from;

    for (size_t i = 0; i < bytes; i++) {
        to[2 * i] = digits[in[i] >> 4];
        to[2 * i + 1] = digits[in[i] & 0x0f];
    }
}

bool hex_decode(void *to, struct str s, size_t bytes)
{
    uint8_t *out = to;
    uint8_t bad = 0; /* gathered over the whole string: one branch at the end */

    if (s.n / 2 != bytes || s.n % 2 != 0)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t high = digit_value(s.p[2 * i]);
        uint8_t low = digit_value(s.p[2 * i + 1]);

        bad |= (uint8_t)((high | low) & 0xf0);
        out[i] = (uint8_t)((uint8_t)(high << 4) | (low & 0x0f));
    }
    return bad == 0;
}
