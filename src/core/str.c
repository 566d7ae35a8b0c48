/* Views of bytes: comparing, searching, cutting, and making them safe to show. */
#include "core/str.h"

#include <assert.h>
#include <string.h>

struct str str_z(const char *z)
{
    return z == NULL ? STR("") : (struct str){z, strlen(z)};
}

bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq((struct str){s.p, prefix.n}, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || str_eq((struct str){s.p + (s.n - suffix.n), suffix.n}, suffix));
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_find(struct str s, struct str what, size_t *at)
{
    const char *hit;

    if (what.n == 0 || s.n == 0) {
        if (what.n == 0 && at != NULL)
            *at = 0;
        return what.n == 0;
    }
    hit = memmem(s.p, s.n, what.p, what.n);
    if (hit != NULL && at != NULL)
        *at = (size_t)(hit - s.p);
    return hit != NULL;
}

bool str_cut(struct str *rest, char at, struct str *before)
{
    const char *hit;

    if (rest->p == NULL)
        return false;
    hit = rest->n == 0 ? NULL : memchr(rest->p, at, rest->n);
    if (hit == NULL) {
        *before = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    *before = (struct str){rest->p, (size_t)(hit - rest->p)};
    rest->n -= before->n + 1;
    rest->p = hit + 1;
    return true;
}

bool str_next_entry(struct str *rest, uint32_t *line, struct str *entry)
{
    struct str whole;

    while (str_cut(rest, '\n', &whole)) {
        if ((*line)++ == 0 && str_starts(whole, STR("\xef\xbb\xbf"))) {
            whole.p += 3; /* a byte order mark */
            whole.n -= 3;
        }
        (void)str_cut(&whole, '#', entry);
        *entry = str_trim(*entry);
        if (entry->n > 0)
            return true;
    }
    return false;
}

bool str_u64(struct str s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t digit = (uint64_t)(unsigned char)s.p[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool str_copy(char *to, size_t size, struct str s)
{
    size_t n = s.n < size ? s.n : size - 1;

    assert(size > 0);
    if (n > 0)
        memcpy(to, s.p, n);
    to[n] = '\0';
    return n == s.n;
}

size_t str_utf8(struct str s, uint32_t *point)
{
    const unsigned char *u = (const unsigned char *)s.p;
    size_t need = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};

    if (need == 0 || need > s.n || u[0] > 0xf4)
        return 0;
    *point = need == 1 ? u[0] : u[0] & (0x7fU >> need);
    for (size_t i = 1; i < need; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
        *point = *point << 6 | (u[i] & 0x3f);
    }
    if (*point < lowest[need] || *point > 0x10ffff || (*point >= 0xd800 && *point <= 0xdfff))
        return 0;
    return need;
}

/* Controls of both sets move the cursor; the marks and separators below reorder or hide text. */
static bool is_harmful(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == '\\' || point == '"' ||
           (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2060 && point <= 0x206f) || point == 0x061c || point == 0xfeff ||
           (point >= 0xe0000 && point <= 0xe007f);
}

static bool is_gap(uint32_t point)
{
    return point == '\n' || point == '\r' || point == '\t';
}

/* Writes what stands for the first character of *s, moves *s on, returns the length: up to 16.
 * `text`: quotes, backslashes and line ends are no danger. */
static size_t escape_one(char out[16], struct str *s, bool text)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t point = 0;
    size_t n = str_utf8(*s, &point);
    size_t written = 0;

    if (text && n > 0 && is_gap(point)) {
        out[written++] = ' ';
        while (n < s->n && is_gap((unsigned char)s->p[n]))
            n++;
    } else if (n > 0 && (!is_harmful(point) || (text && (point == '"' || point == '\\')))) {
        memcpy(out, s->p, n);
        written = n;
    } else {
        n = n == 0 ? 1 : n;
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)s->p[i];

            out[written++] = '\\';
            out[written++] = 'x';
            out[written++] = digits[c >> 4];
            out[written++] = digits[c & 0x0f];
        }
    }
    s->p += n;
    s->n -= n;
    return written;
}

static const char *escape(char *to, size_t size, struct str s, bool text)
{
    size_t used = 0;
    size_t safe = 0; /* where "..." still fits */

    assert(size >= sizeof("..."));
    while (s.n > 0) {
        char piece[16];
        size_t n = escape_one(piece, &s, text);

        if (used + n >= size) {
            memcpy(to + safe, "...", sizeof("..."));
            return to;
        }
        memcpy(to + used, piece, n);
        used += n;
        if (used + sizeof("...") <= size)
            safe = used;
    }
    to[used] = '\0';
    return to;
}

const char *str_escape(char *to, size_t size, struct str s)
{
    return escape(to, size, s, false);
}

const char *str_escape_text(char *to, size_t size, struct str s)
{
    return escape(to, size, s, true);
}
