/* The canonical form: NIP-01's escapes for seven characters, all else verbatim, but for the control
 * characters that NIP-01 forgot (PROTOCOL 1.1):
 *
 *              \b \t \n \f \r " \     other 00-1F     7F          all else
 *     JS       two characters         \u00xx          verbatim    verbatim
 *     NIP      two characters         verbatim        verbatim    verbatim
 *     TAO      two characters         \u00xx          \u007f      verbatim */
#include "nostr/canonical.h"

#include <string.h>

#include "nostr/scan.h"

static const char short_escape[256] = {
    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  ['\f'] = 'f',
    ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\',
};

size_t canonical_room(size_t raw, enum event_variant variant)
{
    return (variant == EVENT_VARIANT_TAO ? 6 * raw : raw) + SCAN_SLACK;
}

static char *write_control(char *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    memcpy(out, "\\u00", 4);
    out[4] = digits[c >> 4];
    out[5] = digits[c & 0x0f];
    return out + 6;
}

static char *write_byte(char *out, unsigned char c, enum event_variant variant)
{
    if (short_escape[c] != 0) {
        *out++ = '\\';
        *out++ = short_escape[c];
    } else if ((c < 0x20 && variant != EVENT_VARIANT_NIP) ||
               (c == 0x7f && variant == EVENT_VARIANT_TAO)) {
        out = write_control(out, c);
    } else {
        *out++ = (char)c;
    }
    return out;
}

/* What an escape stands for, p at its backslash, in canonical form. */
static const char *rewrite_escape(const char *p, const char *end, char **out,
                                  enum event_variant variant)
{
    char decoded[4], *stop = decoded;
    unsigned flags = 0;
    enum reject why;
    const char *next = scan_escape(p, end, &stop, &flags, &why);

    if (next == NULL)
        return end; /* cannot be: scanned before */
    if (flags & SCAN_NUL)
        *out = write_byte(*out, 0, variant);
    else if (stop == decoded + 1)
        *out = write_byte(*out, (unsigned char)decoded[0], variant);
    else
        for (const char *c = decoded; c < stop; c++)
            *(*out)++ = *c;
    return next;
}

char *canonical_string(char *out, struct str raw, enum event_variant variant)
{
    const char *p = raw.p, *end = raw.p + raw.n;
    bool high = false;

    while (p < end) {
        if (variant == EVENT_VARIANT_TAO) {
            for (; p < end && *p != '\\'; p++)
                out = write_byte(out, (unsigned char)*p, variant);
        } else {
            const char *stop = scan_plain(p, end, out, &high);

            out += stop - p;
            p = stop;
        }
        if (p < end)
            p = rewrite_escape(p, end, &out, variant);
    }
    return out;
}

char *canonical_tags(char *out, struct str raw, enum event_variant variant)
{
    struct scan s = {.p = raw.p, .end = raw.p + raw.n};

    while (scan_space(&s)) {
        struct str string;
        bool escaped;
        char c = *s.p++;

        *out++ = c;
        if (c != '"')
            continue;
        if (scan_raw(&s, &string, &escaped) != REJECT_NONE)
            break; /* cannot be: scanned before */
        out = canonical_string(out, string, variant);
        *out++ = '"';
    }
    return out;
}

char *canonical_escape(char *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        out = write_byte(out, (unsigned char)text.p[i], EVENT_VARIANT_JS);
    return out;
}

char *canonical_number(char *out, uint64_t value)
{
    char digits[20], *p = digits + sizeof(digits);

    do {
        *--p = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    memcpy(out, p, (size_t)(digits + sizeof(digits) - p));
    return out + (digits + sizeof(digits) - p);
}

size_t canonical_head(char out[CANONICAL_HEAD_MAX], const char pubkey_hex[64], int64_t created_at,
                      int32_t kind)
{
    char *p = out;

    memcpy(p, "[0,\"", 4);
    memcpy(p + 4, pubkey_hex, 64);
    memcpy(p + 68, "\",", 2);
    p = canonical_number(p + 70, (uint64_t)created_at);
    *p++ = ',';
    p = canonical_number(p, (uint64_t)kind);
    *p++ = ',';
    return (size_t)(p - out);
}
