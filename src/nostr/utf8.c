/* Plain ASCII goes by eight bytes at a time; everything else by the table of RFC 3629 section 4:
 *
 *     C2..DF 80..BF | E0 A0..BF 80..BF | E1..EC,EE,EF 80..BF 80..BF | ED 80..9F 80..BF
 *     F0 90..BF 80..BF 80..BF | F1..F3 80..BF x3 | F4 80..8F 80..BF 80..BF */
#include "nostr/utf8.h"

#include <stdint.h>
#include <string.h>

static bool follows(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The length of the sequence that begins at p, its first byte above 0x7f; 0 when it is none. */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned char a = p[0];

    if (a >= 0xe0 && a < 0xf0) { /* first: most of the world's scripts */
        if (left < 3 || !follows(p[1]) || !follows(p[2]))
            return 0;
        return (a == 0xe0 && p[1] < 0xa0) || (a == 0xed && p[1] > 0x9f) ? 0 : 3;
    }
    if (a >= 0xc2 && a < 0xe0)
        return left >= 2 && follows(p[1]) ? 2 : 0;
    if (a >= 0xf0 && a < 0xf5) {
        if (left < 4 || !follows(p[1]) || !follows(p[2]) || !follows(p[3]))
            return 0;
        return (a == 0xf0 && p[1] < 0x90) || (a == 0xf4 && p[1] > 0x8f) ? 0 : 4;
    }
    return 0;
}

/* The end of the ASCII that begins at p. */
static const unsigned char *skip_ascii(const unsigned char *p, const unsigned char *end)
{
    uint64_t eight;

    while (end - p >= 8) {
        memcpy(&eight, p, 8);
        if ((eight & 0x8080808080808080u) != 0)
            break;
        p += 8;
    }
    while (p < end && *p < 0x80)
        p++;
    return p;
}

bool utf8_valid(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;

    while ((p = skip_ascii(p, end)) < end)
        do {
            size_t n = sequence(p, (size_t)(end - p));

            if (n == 0)
                return false;
            p += n;
        } while (p < end && *p >= 0x80);
    return true;
}
