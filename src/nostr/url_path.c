/* Path and query of a relay's URL.
 *
 *     /a/./b//c/../%7euser/?relay=x&utm=y#top   ->   /a/b/~user?relay=x
 *
 * RFC 3986 section 6.2.2 (case and need of %xx, dot segments), and of ours: empty segments and the
 * trailing slash go, the fragment was never sent.
 *
 * The query is dropped, since nearly all that occur are noise that would make one relay many.  Kept
 * are the parameters whose names say that they choose between relays behind one address (proxies,
 * feeds, rooms): without them another relay would answer.  Parameters that look like secrets
 * (token, auth, key) are never part of a name that the archive publishes. */
#include <string.h>

#include "core/hex.h"
#include "nostr/url_parts.h"

struct writer {
    char *to;
    size_t n, size;
    bool full;
};

static void put(struct writer *w, char c)
{
    if (w->n + 1 < w->size)
        w->to[w->n++] = c;
    else
        w->full = true;
}

int url_percent(const char *p, const char *end)
{
    if (end - p < 3 || hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0)
        return -1;
    return hex_digit(p[1]) * 16 + hex_digit(p[2]);
}

static bool is_unreserved(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void put_percent(struct writer *w, int c)
{
    static const char digits[] = "0123456789ABCDEF";

    put(w, '%');
    put(w, digits[c >> 4]);
    put(w, digits[c & 0x0f]);
}

/* Writes text with every byte in its one spelling; false for a broken %xx. */
static bool put_text(struct writer *w, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        int c = (unsigned char)s.p[i];

        if (c == '%') {
            c = url_percent(s.p + i, s.p + s.n);
            if (c < 0x20 || c == 0x7f)
                return false; /* also NUL and line feeds, which someone would decode one day */
            i += 2;
            if (is_unreserved(c))
                put(w, (char)c);
            else
                put_percent(w, c);
        } else if (c >= 0x80) {
            put_percent(w, c);
        } else {
            put(w, (char)c);
        }
    }
    return true;
}

/* Behind the segment that begins at `start` (its slash): resolves what it means. */
static void settle_segment(struct writer *w, size_t start)
{
    struct str segment = {w->to + start + 1, w->n - start - 1};

    if (segment.n == 0 || str_eq(segment, STR("."))) {
        w->n = start;
    } else if (str_eq(segment, STR(".."))) {
        w->n = start;
        while (w->n > 0 && w->to[--w->n] != '/')
            continue;
    }
}

static bool put_path(struct writer *w, struct str path)
{
    while (path.n > 0) {
        struct str segment;
        size_t start = w->n;

        path = (struct str){path.p + 1, path.n - 1}; /* its slash */
        if (!str_cut(&path, '/', &segment))
            break;
        put(w, '/');
        if (!put_text(w, segment))
            return false;
        if (!w->full)
            settle_segment(w, start);
        if (path.p == NULL)
            break;
        path = (struct str){path.p - 1, path.n + 1}; /* the slash of the next */
    }
    return true;
}

static bool selects_relay(struct str parameter)
{
    static const char *const names[] = {"relay",     "relays", "url",    "target", "upstream",
                                        "feed",      "filter", "group",  "room",   "channel",
                                        "community", "npub",   "pubkey", "tenant"};
    struct str name = parameter;

    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '=')
            name.n = i;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_eq_nocase(name, str_z(names[i])))
            return true;
    return false;
}

static bool put_query(struct writer *w, struct str query)
{
    struct str parameter;
    char before = '?';

    while (str_cut(&query, '&', &parameter)) {
        if (!selects_relay(parameter))
            continue;
        if (w->n == 0)
            put(w, '/'); /* a query needs a path to stand on */
        put(w, before);
        before = '&';
        if (!put_text(w, parameter))
            return false;
    }
    return true;
}

enum url_refusal url_read_path(struct str written, char *to, size_t size)
{
    struct writer w = {.to = to, .size = size};
    struct str query = {NULL, 0};

    for (size_t i = 0; i < written.n; i++)
        if (written.p[i] == '?') {
            query = (struct str){written.p + i + 1, written.n - i - 1};
            written.n = i;
        }
    if (!put_path(&w, written) || !put_query(&w, query))
        return URL_PATH;
    if (w.full)
        return URL_TOO_LONG;
    to[w.n] = '\0';
    return URL_OK;
}
