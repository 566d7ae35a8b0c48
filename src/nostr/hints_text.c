/* Relays in text that people, and programs, have written.
 *
 *     .. see wss://relay.damus.io, or nostr:nevent1.. (or {"relays":["wss:\/\/nos.lol"]}) ..
 *            ^ a scheme before "://"    ^ a prefix before "1"
 *
 * Both marks are found by memchr, so that text without them costs next to nothing.  What would be
 * invented by cutting is left out: a name in other letters, a URL shortened by dots. */
#include <string.h>

#include "nostr/bech32.h"
#include "nostr/hints_parts.h"
#include "nostr/url.h"
#include "nostr/url_parts.h"

enum { TLV_SPECIAL = 0, TLV_RELAY = 1 };

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* ---- NIP-19 ---- */

static const struct str entity_prefixes[] = {
    {"nprofile", 8}, {"nevent", 6}, {"naddr", 5}, {"nrelay", 6}};

/* The relays of a TLV list; nrelay (no longer made) has its URL as the special part. */
static void read_list(struct hints_found *f, const uint8_t *bytes, size_t n, bool special)
{
    for (size_t at = 0; at + 2 <= n && at + 2 + bytes[at + 1] <= n; at += 2u + bytes[at + 1])
        if (bytes[at] == TLV_RELAY || (special && bytes[at] == TLV_SPECIAL))
            (void)hints_try_once(f, (struct str){(const char *)bytes + at + 2, bytes[at + 1]},
                                 HINT_ENTITY);
}

/* At the separator "1": how many bytes from there are read, 0 when this is no entity. */
static size_t read_entity(struct hints_found *f, struct str text, size_t one)
{
    uint8_t bytes[BECH32_BYTES_MAX];
    struct str prefix = {NULL, 0};
    char decoded[16];
    size_t end = one + 1, n;

    for (size_t i = 0; i < sizeof(entity_prefixes) / sizeof(entity_prefixes[0]); i++) {
        size_t length = entity_prefixes[i].n;

        if (one >= length && memcmp(text.p + one - length, entity_prefixes[i].p, length) == 0)
            prefix = entity_prefixes[i];
    }
    if (prefix.n == 0)
        return 0;
    while (end < text.n && end - one <= BECH32_CHARS_MAX &&
           memchr("qpzry9x8gf2tvdw0s3jn54khce6mua7l", text.p[end], 32) != NULL)
        end++;
    if (bech32_decode((struct str){text.p + one - prefix.n, end - one + prefix.n}, decoded,
                      sizeof(decoded), bytes, sizeof(bytes), &n))
        read_list(f, bytes, n, str_eq(prefix, STR("nrelay")));
    return end - one;
}

/* ---- where a URL ends ---- */

/* "/" or "\/" or, one JSON inside the other, "\\\/": how long it is; 0 when it is none. */
static size_t slash(struct str text, size_t at)
{
    size_t i = at;

    while (i < text.n && text.p[i] == '\\' && i - at < 8)
        i++;
    return i < text.n && text.p[i] == '/' ? i + 1 - at : 0;
}

/* Letters that no name has: punctuation and symbols, among them those of Chinese and Japanese,
 * after which nobody puts a space. */
static bool is_symbol(uint32_t c)
{
    return c == 0xa0 || c == 0xab || c == 0xbb || (c >= 0x2000 && c <= 0x2bff && c != 0x2026) ||
           (c >= 0x3000 && c <= 0x303f) || (c >= 0xfe00 && c <= 0xfe0f) ||
           (c >= 0xff00 && c <= 0xffef) || (c >= 0x1f000 && c <= 0x1ffff);
}

static bool ends_authority(char c)
{
    return !is_alnum(c) && (c == '\0' || strchr(".-_:%@[]", c) == NULL);
}

static bool ends_path(char c)
{
    return (unsigned char)c <= ' ' || (unsigned char)c >= 0x7f ||
           strchr("\"<>\\^`{|}',;()[]", c) != NULL;
}

static bool ends_query(char c)
{
    return (unsigned char)c <= ' ' || (unsigned char)c >= 0x7f || strchr("\"<>\\^`'", c) != NULL;
}

/* A piece of text, with "\/" as "/", that ends where `ends` says. */
struct token {
    char text[URL_MAX + 1];
    size_t n;
    bool full;
};

static size_t take(struct token *t, struct str text, size_t at, bool (*ends)(char))
{
    while (at < text.n) {
        size_t step = slash(text, at);

        if (step == 0 && ends(text.p[at]))
            break;
        if (t->n == URL_MAX) {
            t->full = true;
            break;
        }
        t->text[t->n++] = (char)(step > 0 ? '/' : text.p[at]);
        at += step > 0 ? step : 1;
    }
    return at;
}

/* Up to "/", "?", "#" or what no authority has.  False when what follows makes it doubtful. */
static bool take_authority(struct token *t, struct str text, size_t *at)
{
    uint32_t point;

    while (*at < text.n && !ends_authority(text.p[*at]) && t->n < URL_MAX)
        t->text[t->n++] = text.p[(*at)++];
    if (*at == text.n || (unsigned char)text.p[*at] < 0x80)
        return true;
    return str_utf8((struct str){text.p + *at, text.n - *at}, &point) > 0 && is_symbol(point);
}

static bool is_shortened(const struct token *t, struct str text, size_t at)
{
    return (t->n >= 2 && memcmp(t->text + t->n - 2, "..", 2) == 0) ||
           (text.n - at >= 3 && memcmp(text.p + at, "\xe2\x80\xa6", 3) == 0);
}

/* "wss://a.comwss://b.com": two that nobody has put apart. */
static void cut_second_scheme(struct token *t, struct str text, size_t at)
{
    size_t first = slash(text, at), second = first > 0 ? slash(text, at + first) : 0;

    if (second == 0 || t->n < 4 || t->text[t->n - 1] != ':')
        return;
    if (memcmp(t->text + t->n - 4, "wss:", 4) == 0)
        t->n -= 4;
    else if (memcmp(t->text + t->n - 3, "ws:", 3) == 0)
        t->n -= 3;
}

/* From the bytes behind "://"; returns where it ends, or `at` when there is nothing to it. */
static size_t read_url(struct hints_found *f, struct str text, size_t at, bool tls,
                       enum hint_source source)
{
    struct token t = {.n = tls ? 6 : 5};
    size_t end = at, scheme = t.n;

    memcpy(t.text, tls ? "wss://" : "ws://", t.n);
    if (!take_authority(&t, text, &end))
        return at;
    size_t authority = t.n;
    cut_second_scheme(&t, text, end);
    if (t.n == authority && end < text.n &&
        (slash(text, end) > 0 || text.p[end] == '?' || text.p[end] == '#'))
        end = take(&t, text, end, ends_path);
    if (t.full || is_shortened(&t, text, end))
        return at;
    while (t.n > scheme && memchr(".,:;!?*_~", t.text[t.n - 1], 9) != NULL)
        t.n--;
    return hints_try_once(f, (struct str){t.text, t.n}, source) && t.n >= authority ? end : at;
}

/* ---- NIP-46, NIP-47 ---- */

static bool percent_decoded(struct str from, char to[URL_MAX], size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < from.n; i++) {
        int c = (unsigned char)from.p[i];

        if (c == '%') {
            c = url_percent(from.p + i, from.p + from.n);
            if (c < 0)
                return false;
            i += 2;
        }
        to[(*n)++] = (char)c;
    }
    return true;
}

/* `relay=` of the query; all else in such a URI, secrets above all, is passed over. */
static size_t read_connect(struct hints_found *f, struct str text, size_t at)
{
    struct token t = {.n = 0};
    size_t end = take(&t, text, at, ends_query), n;
    struct str query = {t.text, t.n}, parameter;
    char url[URL_MAX];

    if (!str_cut(&query, '?', &parameter) || query.p == NULL)
        return end;
    while (str_cut(&query, '&', &parameter))
        if (str_starts(parameter, STR("relay=")) &&
            percent_decoded((struct str){parameter.p + 6, parameter.n - 6}, url, &n))
            (void)hints_try_once(f, (struct str){url, n}, HINT_CONNECT);
    return end;
}

/* ---- the marks ---- */

enum scheme { SCHEME_NONE, SCHEME_WS, SCHEME_WSS, SCHEME_CONNECT };

/* What stands before the colon.  Letters before "ws" make it another word ("news://"), unless they
 * are an escape of JSON ("\nwss://"). */
static enum scheme scheme_before(struct str text, size_t colon)
{
    static const struct {
        struct str name;
        enum scheme scheme;
    } schemes[] = {{{"wss", 3}, SCHEME_WSS},
                   {{"ws", 2}, SCHEME_WS},
                   {{"bunker", 6}, SCHEME_CONNECT},
                   {{"nostrconnect", 12}, SCHEME_CONNECT},
                   {{"walletconnect", 13}, SCHEME_CONNECT}};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t n = schemes[i].name.n, at = colon - n;

        if (colon < n || !str_eq_nocase((struct str){text.p + at, n}, schemes[i].name))
            continue;
        if (schemes[i].scheme == SCHEME_CONNECT || at == 0 || !is_alnum(text.p[at - 1]))
            return schemes[i].scheme;
        if (at >= 2 && text.p[at - 2] == '\\' && memchr("ntrbf", text.p[at - 1], 5) != NULL)
            return schemes[i].scheme;
    }
    return SCHEME_NONE;
}

/* At a colon: where to go on. */
static size_t read_colon(struct hints_found *f, struct str text, size_t colon,
                         enum hint_source source)
{
    size_t at = colon + 1, first = slash(text, at), second;
    enum scheme scheme;

    second = first > 0 ? slash(text, at + first) : 0;
    if (second == 0)
        return at;
    scheme = scheme_before(text, colon);
    at += first + second;
    if (scheme == SCHEME_NONE)
        return at;
    if (scheme == SCHEME_CONNECT)
        return read_connect(f, text, at);
    return read_url(f, text, at, scheme == SCHEME_WSS, source);
}

static size_t find(struct str text, size_t from, char c)
{
    const char *p = from < text.n ? memchr(text.p + from, c, text.n - from) : NULL;

    return p != NULL ? (size_t)(p - text.p) : text.n;
}

void hints_read_text(struct hints_found *f, struct str text, enum hint_source source)
{
    size_t at = 0, colon = find(text, 0, ':'), one = find(text, 0, '1');

    while (at < text.n && !f->cut) {
        if (colon < at)
            colon = find(text, at, ':');
        if (one < at)
            one = find(text, at, '1');
        if (colon == text.n && one == text.n)
            return;
        if (colon < one) {
            at = read_colon(f, text, colon, source);
        } else {
            size_t n = read_entity(f, text, one);

            at = one + (n > 0 ? n : 1);
        }
    }
}
