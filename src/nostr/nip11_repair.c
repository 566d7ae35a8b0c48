/* nip11_repair: see nip11_repair.h.  One pass; `outside` strings and inside of them differ. */
#include "nostr/nip11_repair.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

enum { NUMBER_MAX = 400, ESCAPE_BYTES = 6, INT64_DIGITS = 18 };

static bool is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* A token of a number: strings stand for what no double holds, reals for what no int64_t does. */
static size_t repair_number(struct buf *to, struct str s)
{
    char text[NUMBER_MAX + 1];
    size_t n = 0;
    bool whole = true;

    while (n < s.n && is_number_byte(s.p[n])) {
        whole = whole && s.p[n] != '.' && s.p[n] != 'e' && s.p[n] != 'E';
        n++;
    }
    if (n > NUMBER_MAX) { /* too long to be meant: as text */
        (void)buf_append_char(to, '"');
        (void)buf_append(to, s.p, n);
        (void)buf_append_char(to, '"');
        return n;
    }
    memcpy(text, s.p, n);
    text[n] = '\0';
    errno = 0;
    if (whole && n > INT64_DIGITS && (strtoll(text, NULL, 10), errno == ERANGE)) {
        (void)buf_append(to, s.p, n);
        (void)buf_append(to, ".0", 2);
    } else if (!whole && !isfinite(strtod(text, NULL))) {
        (void)buf_append_char(to, '"');
        (void)buf_append(to, s.p, n);
        (void)buf_append_char(to, '"');
    } else {
        (void)buf_append(to, s.p, n);
    }
    return n;
}

/* The code unit of \uXXXX at s.p + at, or -1. */
static int32_t unit_at(struct str s, size_t at)
{
    int32_t unit = 0;

    if (s.n - at < ESCAPE_BYTES || s.p[at] != '\\' || s.p[at + 1] != 'u')
        return -1;
    for (size_t i = at + 2; i < at + ESCAPE_BYTES; i++) {
        int digit = hex_digit(s.p[i]);

        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool is_high(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* s begins with a backslash. */
static size_t repair_escape(struct buf *to, struct str s)
{
    int32_t unit = unit_at(s, 0);
    size_t n = unit >= 0 ? ESCAPE_BYTES : s.n > 1 && (unsigned char)s.p[1] < 0x80 ? 2 : 1;

    if (is_high(unit) && s.n > ESCAPE_BYTES && is_low(unit_at(s, ESCAPE_BYTES))) {
        n = 2 * (size_t)ESCAPE_BYTES;
    } else if (unit == 0 || is_high(unit) || is_low(unit)) {
        (void)buf_append(to, replacement, sizeof(replacement) - 1);
        return n;
    }
    (void)buf_append(to, s.p, n);
    return n;
}

/* One character inside a string; not its closing quote. */
static size_t repair_char(struct buf *to, struct str s)
{
    unsigned char c = (unsigned char)s.p[0];
    uint32_t point;
    size_t n;

    if (c == '\\')
        return repair_escape(to, s);
    if (c == 0) {
        (void)buf_append(to, replacement, sizeof(replacement) - 1);
        return 1;
    }
    if (c < 0x20) {
        (void)buf_printf(to, "\\u%04x", c);
        return 1;
    }
    n = str_utf8(s, &point);
    (void)buf_append(to, n > 0 ? s.p : replacement, n > 0 ? n : sizeof(replacement) - 1);
    return n > 0 ? n : 1;
}

void nip11_repair(struct buf *to, struct str text)
{
    bool inside = false;

    if (str_starts(text, STR("\xef\xbb\xbf"))) { /* a byte order mark */
        text.p += 3;
        text.n -= 3;
    }
    while (text.n > 0) {
        size_t used = 1;
        char c = text.p[0];

        if (c == '"') {
            inside = !inside;
            (void)buf_append_char(to, c);
        } else if (inside) {
            used = repair_char(to, text);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            used = repair_number(to, text);
        } else {
            (void)buf_append_char(to, c);
        }
        text.p += used;
        text.n -= used;
    }
}
