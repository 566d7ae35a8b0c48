/* Lexical JSON (RFC 8259) for the event path: a cursor over hostile bytes, with wide steps over the
 * plain inside of strings.
 *
 *     raw:  {"content":"plain plain \n plain ..."
 *                       ^ scan_plain() walks (and copies) 16 bytes at a time up to the next byte
 *                         that means something: a quote, a backslash, a control character
 *
 * Nothing here allocates or reads beyond `end`.  UTF-8 is not looked at byte by byte: `high` says
 * that a byte above 0x7f went by, and whoever owns the cursor then checks the whole text at once
 * (utf8_valid).  Numbers and nesting are bounded before they are used. */
#ifndef NOSTR_SCAN_H
#define NOSTR_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/reject.h"
#include "core/str.h"

struct scan {
    const char *p;      /* the next byte */
    const char *end;    /* behind the last */
    uint32_t depth_max; /* containers inside each other; no more than SCAN_DEPTH_MAX count */
    bool high;          /* a byte above 0x7f went by: UTF-8 is to be checked */
};

enum {
    SCAN_DEPTH_MAX = 64,
    SCAN_SLACK = 16 /* bytes behind the end of an output buffer that may be written */
};

/* What the escapes of a string were like. */
enum {
    SCAN_REWRITE = 1, /* an escape that the canonical form writes otherwise */
    SCAN_CONTROL = 2, /* a control character that NIP-01 has no escape for */
    SCAN_NUL = 4      /* one of them was NUL, decoded as U+FFFD */
};

/* Steps over white space.  False at the end of the text. */
static inline bool scan_space(struct scan *s)
{
    while (s->p < s->end) {
        if ((unsigned char)*s->p > ' ')
            return true;
        if (*s->p != ' ' && *s->p != '\n' && *s->p != '\t' && *s->p != '\r')
            return true; /* a control character: whoever looks will not know it */
        s->p++;
    }
    return false;
}

/* Steps over white space and then `c`.  False, and stands before it, when something else is there.
 */
static inline bool scan_char(struct scan *s, char c)
{
    if (s->p < s->end && *s->p == c) {
        s->p++;
        return true;
    }
    if (!scan_space(s) || *s->p != c)
        return false;
    s->p++;
    return true;
}

static inline bool scan_is_special(unsigned char c)
{
    return c == '"' || c == '\\' || c < 0x20;
}

#if !defined(__SSE2__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* A high bit in each byte of `x` that is special; only the lowest one is exact. */
static inline uint64_t scan_specials(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');

    return (((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((x - ones * 0x20) & ~x)) &
           (ones * 0x80);
}
#endif

/* Walks from `p` to the first special byte, or to `end`, copying to `out`, which has room for
 * end - p + SCAN_SLACK bytes; with out NULL it only walks. */
static inline const char *scan_plain(const char *p, const char *end, char *out, bool *high)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    const __m128i last_control = _mm_set1_epi8(0x1f);
    int upper = 0;

    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        int mask;

        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(v, last_control), v));
        mask = _mm_movemask_epi8(hit);
        upper |= _mm_movemask_epi8(v);
        if (out != NULL) {
            _mm_storeu_si128((__m128i *)(void *)out, v);
            out += 16;
        }
        if (mask != 0) {
            *high |= upper != 0;
            return p + __builtin_ctz((unsigned)mask);
        }
        p += 16;
    }
    *high |= upper != 0;
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - p >= 8) {
        uint64_t v, hit;

        memcpy(&v, p, 8);
        if (out != NULL) {
            memcpy(out, p, 8);
            out += 8;
        }
        *high |= (v & 0x8080808080808080u) != 0;
        hit = scan_specials(v);
        if (hit != 0)
            return p + __builtin_ctzll(hit) / 8;
        p += 8;
    }
#endif
    while (p < end && !scan_is_special((unsigned char)*p)) {
        *high |= (unsigned char)*p >= 0x80;
        if (out != NULL)
            *out++ = *p;
        p++;
    }
    return p;
}

/* One escape, p at its backslash: writes the character in UTF-8 (at most 4 bytes) and returns where
 * the text goes on; NULL with *why when it is none, or a lone surrogate. */
const char *scan_escape(const char *p, const char *end, char **out, unsigned *flags,
                        enum reject *why);

/* A string, the cursor behind its opening quote: decoded into `out` (room for the rest of the text
 * and SCAN_SLACK), the cursor behind its closing quote. */
enum reject scan_text(struct scan *s, char *out, size_t *n, unsigned *flags);

/* The same, only walked: *raw is the view between the quotes. */
enum reject scan_raw(struct scan *s, struct str *raw, bool *escaped);

/* One value of any kind, walked over and checked; `depth` containers are open around it. */
enum reject scan_skip(struct scan *s, uint32_t depth);

/* A number that is exactly an integer from 0 to `max` (below 10^17), also as 1.7e9 or 5.0; "-0" is
 * none.  False when it is another number, or no number at all; the cursor then stands anywhere. */
bool scan_integer(struct scan *s, int64_t max, int64_t *out);

/* Reads 2 * bytes lower-case digits; there must be that many. */
bool scan_hex(const char *p, void *to, size_t bytes);

#endif
