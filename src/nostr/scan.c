/* The parts of the scanner that are not on the hot path, or too large to be inlined there. */
#include "nostr/scan.h"

#include "core/hex.h"

/* What follows a backslash, for the escapes of one letter. */
static const char simple_escape[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* The four digits at p, or -1. */
static long unit_value(const char *p, const char *end)
{
    long unit = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int v = hex_digit(p[i]);

        if (v < 0)
            return -1;
        unit = unit * 16 + v;
    }
    return unit;
}

static char *write_utf8(char *out, unsigned long c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | (c >> 6));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | (c >> 12));
        *out++ = (char)(0x80 | ((c >> 6) & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | (c >> 18));
        *out++ = (char)(0x80 | ((c >> 12) & 0x3f));
        *out++ = (char)(0x80 | ((c >> 6) & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* \u00xx of a control character: is it written as the canonical form does? */
static unsigned control_flags(const char *digits, long unit)
{
    unsigned flags = unit == 0 ? SCAN_NUL | SCAN_CONTROL : SCAN_CONTROL;

    if (unit == '\b' || unit == '\t' || unit == '\n' || unit == '\f' || unit == '\r')
        return SCAN_REWRITE;
    if (digits[3] >= 'A' && digits[3] <= 'F')
        flags |= SCAN_REWRITE;
    return flags;
}

/* p behind "\u". */
static const char *unicode_escape(const char *p, const char *end, char **out, unsigned *flags,
                                  enum reject *why)
{
    long unit = unit_value(p, end);

    *why = REJECT_SYNTAX;
    if (unit < 0)
        return NULL;
    if (unit < 0x20) {
        *flags |= control_flags(p, unit);
        *out = write_utf8(*out, unit == 0 ? 0xfffd : (unsigned long)unit);
        return p + 4;
    }
    *flags |= SCAN_REWRITE;
    p += 4;
    if (unit >= 0xd800 && unit <= 0xdfff) {
        long low = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? unit_value(p + 2, end) : -1;

        if (unit >= 0xdc00 || low < 0xdc00 || low > 0xdfff) {
            *why = REJECT_BAD_UTF8;
            return NULL;
        }
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    }
    *out = write_utf8(*out, (unsigned long)unit);
    return p;
}

const char *scan_escape(const char *p, const char *end, char **out, unsigned *flags,
                        enum reject *why)
{
    char plain;

    if (end - p < 2) {
        *why = REJECT_SYNTAX;
        return NULL;
    }
    plain = simple_escape[(unsigned char)p[1]];
    if (plain != 0) {
        if (plain == '/')
            *flags |= SCAN_REWRITE;
        *(*out)++ = plain;
        return p + 2;
    }
    if (p[1] == 'u')
        return unicode_escape(p + 2, end, out, flags, why);
    *why = REJECT_SYNTAX;
    return NULL;
}

enum reject scan_text(struct scan *s, char *out, size_t *n, unsigned *flags)
{
    const char *p = s->p, *end = s->end;
    char *start = out;
    unsigned seen = 0;
    bool high = false;

    for (;;) {
        const char *stop = scan_plain(p, end, out, &high);
        enum reject why;

        out += stop - p;
        p = stop;
        if (p == end || (unsigned char)*p < 0x20)
            return REJECT_SYNTAX;
        if (*p == '"')
            break;
        /* The commonest of all, a quote or line feed inside of JSON inside of content, at once. */
        if (end - p >= 2 && (p[1] == '"' || p[1] == 'n' || p[1] == '\\')) {
            *out++ = (char)(p[1] == 'n' ? '\n' : p[1]);
            p += 2;
            continue;
        }
        p = scan_escape(p, end, &out, &seen, &why);
        if (p == NULL)
            return why;
    }
    s->p = p + 1;
    s->high |= high;
    *flags |= seen;
    *n = (size_t)(out - start);
    return REJECT_NONE;
}

enum reject scan_raw(struct scan *s, struct str *raw, bool *escaped)
{
    const char *p = s->p;

    *escaped = false;
    for (;;) {
        char decoded[4], *out = decoded;
        unsigned flags = 0;
        enum reject why;

        p = scan_plain(p, s->end, NULL, &s->high);
        if (p == s->end || (unsigned char)*p < 0x20)
            return REJECT_SYNTAX;
        if (*p == '"')
            break;
        p = scan_escape(p, s->end, &out, &flags, &why);
        if (p == NULL)
            return why;
        *escaped = true;
    }
    *raw = (struct str){s->p, (size_t)(p - s->p)};
    s->p = p + 1;
    return REJECT_NONE;
}

static bool scan_digits(struct scan *s)
{
    const char *start = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > start;
}

static bool at(const struct scan *s, char a, char b)
{
    return s->p < s->end && (*s->p == a || *s->p == b);
}

/* number = [ "-" ] int [ frac ] [ exp ], RFC 8259 section 6. */
static bool scan_number(struct scan *s)
{
    if (at(s, '-', '-'))
        s->p++;
    if (at(s, '0', '0'))
        s->p++;
    else if (!scan_digits(s))
        return false;
    if (at(s, '.', '.')) {
        s->p++;
        if (!scan_digits(s))
            return false;
    }
    if (at(s, 'e', 'E')) {
        s->p++;
        if (at(s, '+', '-'))
            s->p++;
        if (!scan_digits(s))
            return false;
    }
    return true;
}

static enum reject skip_word(struct scan *s, struct str word)
{
    if ((size_t)(s->end - s->p) < word.n || memcmp(s->p, word.p, word.n) != 0)
        return REJECT_SYNTAX;
    s->p += word.n;
    return REJECT_NONE;
}

static enum reject skip_scalar(struct scan *s)
{
    struct str raw;
    bool escaped;

    switch (*s->p) {
    case '"':
        s->p++;
        return scan_raw(s, &raw, &escaped);
    case 't':
        return skip_word(s, STR("true"));
    case 'f':
        return skip_word(s, STR("false"));
    case 'n':
        return skip_word(s, STR("null"));
    default:
        return scan_number(s) ? REJECT_NONE : REJECT_SYNTAX;
    }
}

/* The name of a member and its colon. */
static enum reject skip_name(struct scan *s)
{
    struct str raw;
    bool escaped;
    enum reject why;

    if (!scan_char(s, '"'))
        return REJECT_SYNTAX;
    why = scan_raw(s, &raw, &escaped);
    if (why == REJECT_NONE && !scan_char(s, ':'))
        why = REJECT_SYNTAX;
    return why;
}

/* The containers that are open inside the value that is skipped, the innermost in the lowest bit.
 */
struct nest {
    uint64_t objects; /* bit set: an object, else an array */
    uint32_t open;
};

/* Behind a value: steps over closing brackets and one comma.  *more is false when all is closed. */
static enum reject skip_closers(struct scan *s, struct nest *nest, bool *more)
{
    while (nest->open > 0) {
        bool object = (nest->objects & 1) != 0;

        if (scan_char(s, ',')) {
            *more = true;
            return object ? skip_name(s) : REJECT_NONE;
        }
        if (!scan_char(s, object ? '}' : ']'))
            return REJECT_SYNTAX;
        nest->open--;
        nest->objects >>= 1;
    }
    *more = false;
    return REJECT_NONE;
}

/* At an opening bracket.  *inside is true when its first value follows. */
static enum reject skip_opener(struct scan *s, struct nest *nest, uint32_t depth, bool *inside)
{
    bool object = *s->p == '{';

    if (depth + nest->open >= s->depth_max || nest->open >= SCAN_DEPTH_MAX)
        return REJECT_DEPTH;
    s->p++;
    *inside = !scan_char(s, object ? '}' : ']');
    if (!*inside)
        return REJECT_NONE;
    nest->open++;
    nest->objects = nest->objects << 1 | object;
    return object ? skip_name(s) : REJECT_NONE;
}

enum reject scan_skip(struct scan *s, uint32_t depth)
{
    struct nest nest = {0};
    bool more = true;

    while (more) {
        enum reject why;
        bool inside = false;

        if (!scan_space(s))
            return REJECT_SYNTAX;
        if (*s->p == '{' || *s->p == '[')
            why = skip_opener(s, &nest, depth, &inside);
        else
            why = skip_scalar(s);
        if (why == REJECT_NONE && !inside)
            why = skip_closers(s, &nest, &more);
        if (why != REJECT_NONE)
            return why;
    }
    return REJECT_NONE;
}

/* The exponent of a number, cut to what makes any number too large or too small. */
static int64_t exponent_value(const char *p, const char *end)
{
    bool negative = p < end && *p == '-';
    int64_t value = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    for (; p < end; p++)
        value = value > INT32_MAX ? value : value * 10 + (*p - '0');
    return negative ? -value : value;
}

/* A number with a fraction or an exponent, its grammar checked and without sign: digits without
 * leading or trailing zeros, times a power of ten, in exact arithmetic. */
static bool decimal_value(const char *p, const char *end, int64_t max, int64_t *out)
{
    int64_t digits = 0, power = 0, length = 0, zeros = 0; /* zeros: not known yet to be trailing */
    bool fraction = false;

    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        power -= fraction;
        if (*p == '0') {
            zeros += digits != 0;
            continue;
        }
        length += zeros + 1;
        if (length > 17)
            return false; /* larger than 10^17, or not integral */
        for (; zeros >= 0; zeros--)
            digits *= 10;
        digits += *p - '0';
        zeros = 0;
    }
    power += zeros;
    if (p < end)
        power += exponent_value(p + 1, end);
    if (digits == 0)
        power = 0;
    if (power < 0 || length + power > 17)
        return false;
    for (; power > 0; power--)
        digits *= 10;
    *out = digits;
    return digits <= max;
}

bool scan_integer(struct scan *s, int64_t max, int64_t *out)
{
    const char *start = s->p, *p = start;
    int64_t value = 0;

    while (p < s->end && p - start < 17 && *p >= '0' && *p <= '9')
        value = value * 10 + (*p++ - '0');
    if (p > start && p < s->end && (*p == ',' || *p == '}') && (*start != '0' || p == start + 1)) {
        s->p = p; /* nearly always */
        *out = value;
        return value <= max;
    }
    if (!scan_number(s) || *start == '-')
        return false;
    return decimal_value(start, s->p, max, out);
}

#ifdef __SSE2__
/* Sixteen digits at a time: the value of each, those of a pair joined, pairs packed. */
bool scan_hex(const char *p, void *to, size_t bytes)
{
    const __m128i ten = _mm_set1_epi8(10), six = _mm_set1_epi8(6);
    __m128i bad = _mm_setzero_si128();
    uint8_t *out = to;

    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i));
        __m128i number = _mm_sub_epi8(c, _mm_set1_epi8('0'));
        __m128i letter = _mm_sub_epi8(c, _mm_set1_epi8('a'));
        /* x < n, unsigned, is min(x, n - 1) == x */
        __m128i is_number =
            _mm_cmpeq_epi8(_mm_min_epu8(number, _mm_sub_epi8(ten, _mm_set1_epi8(1))), number);
        __m128i is_letter =
            _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_sub_epi8(six, _mm_set1_epi8(1))), letter);
        __m128i value = _mm_or_si128(_mm_and_si128(is_number, number),
                                     _mm_and_si128(is_letter, _mm_add_epi8(letter, ten)));
        __m128i pair = _mm_or_si128(_mm_slli_epi16(value, 4), _mm_srli_epi16(value, 8));

        bad = _mm_or_si128(bad,
                           _mm_cmpeq_epi8(_mm_or_si128(is_number, is_letter), _mm_setzero_si128()));
        pair = _mm_and_si128(pair, _mm_set1_epi16(0xff));
        _mm_storel_epi64((__m128i *)(void *)(out + i), _mm_packus_epi16(pair, pair));
    }
    return _mm_movemask_epi8(bad) == 0 &&
           hex_decode(out + bytes / 8 * 8, (struct str){p + bytes / 8 * 16, bytes % 8 * 2},
                      bytes % 8);
}
#else
bool scan_hex(const char *p, void *to, size_t bytes)
{
    return hex_decode(to, (struct str){p, 2 * bytes}, bytes);
}
#endif
