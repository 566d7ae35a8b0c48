/* From any string to the one form of a relay's URL, or the reason why it is none (PROTOCOL 1.15).
 *
 *     wss://EXAMPLE.com:443/a/../b/#c
 *     scheme  authority    path          each part is cut off here and read in a file of its own */
#include "nostr/url.h"

#include <stdio.h>
#include <string.h>

#include "core/port.h"
#include "nostr/url_parts.h"
#include "nostr/utf8.h"

const char *url_refusal_name(enum url_refusal why)
{
    static const char *const names[URL_REFUSAL__COUNT] = {
        [URL_OK] = "ok",
        [URL_EMPTY] = "empty",
        [URL_TOO_LONG] = "too_long",
        [URL_CHARACTERS] = "characters",
        [URL_SCHEME] = "scheme",
        [URL_USERINFO] = "userinfo",
        [URL_HOST] = "host",
        [URL_PORT] = "port",
        [URL_PORT_DENIED] = "port_denied",
        [URL_PATH] = "path",
        [URL_PRIVATE_ADDRESS] = "private_address",
        [URL_LOCAL_NAME] = "local_name",
        [URL_ONION] = "onion",
        [URL_I2P] = "i2p",
        [URL_LOKI] = "loki",
    };

    return names[why];
}

const char *url_refusal_text(enum url_refusal why)
{
    static const char *const texts[URL_REFUSAL__COUNT] = {[URL_OK] = "is a relay URL",
#define TEXT_ROW(name, text) [URL_##name] = text,
                                                          URL_REFUSALS(TEXT_ROW)
#undef TEXT_ROW
    };

    return texts[why];
}

/* Bytes that no part of a URL may hold (RFC 3986, appendix A); UTF-8 is let through to be encoded.
 */
static enum url_refusal check_characters(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c == 0x7f || memchr("\"<>\\^`{|}", c, 9) != NULL)
            return URL_CHARACTERS;
    }
    return utf8_valid(s) ? URL_OK : URL_CHARACTERS;
}

/* Takes `ws://` or `wss://` off the front. */
static enum url_refusal take_scheme(struct str *rest, bool *tls)
{
    static const struct str schemes[] = {{"ws://", 5}, {"wss://", 6}};

    for (size_t i = 0; i < 2; i++)
        if (rest->n >= schemes[i].n &&
            str_eq_nocase((struct str){rest->p, schemes[i].n}, schemes[i])) {
            *rest = (struct str){rest->p + schemes[i].n, rest->n - schemes[i].n};
            *tls = i == 1;
            return URL_OK;
        }
    return URL_SCHEME;
}

/* Up to the path, query or fragment. */
static struct str take_authority(struct str *rest)
{
    struct str authority = {rest->p, 0};

    while (authority.n < rest->n && memchr("/?#", rest->p[authority.n], 3) == NULL)
        authority.n++;
    *rest = (struct str){rest->p + authority.n, rest->n - authority.n};
    return authority;
}

/* "host:port": leaves the host.  An empty port is the default one (RFC 3986, 6.2.3). */
static enum url_refusal take_port(struct str *host, bool tls, uint16_t *port)
{
    size_t at = host->n;
    uint64_t value;
    struct str digits;

    *port = tls ? 443 : 80;
    while (at > 0 && host->p[at - 1] != ':' && host->p[at - 1] != ']')
        at--;
    if (at == 0 || host->p[at - 1] == ']')
        return at > 0 && at < host->n ? URL_PORT : URL_OK;
    digits = (struct str){host->p + at, host->n - at};
    host->n = at - 1;
    if (digits.n == 0)
        return URL_OK;
    if (digits.n > 5 || !str_u64(digits, &value) || value == 0 || value > 65535)
        return URL_PORT;
    *port = (uint16_t)value;
    return URL_OK;
}

/* Scheme, host, port and path, each in normal form, become the text. */
static enum url_refusal write_text(struct relay_url *u, const char *path)
{
    bool brackets = strchr(u->host, ':') != NULL;
    char port[8] = "";
    int n;

    if (u->port != (u->tls ? 443 : 80))
        (void)snprintf(port, sizeof(port), ":%u", (unsigned)u->port);
    n = snprintf(u->text, sizeof(u->text), "%s://%s%s%s%s%s", u->tls ? "wss" : "ws",
                 brackets ? "[" : "", u->host, brackets ? "]" : "", port, path);
    if (n < 0 || (size_t)n >= sizeof(u->text))
        return URL_TOO_LONG;
    u->path = u->text + (size_t)n - strlen(path);
    return URL_OK;
}

static enum url_refusal read_parts(struct str rest, const struct url_policy *policy,
                                   struct relay_url *out)
{
    char path[URL_MAX + 1];
    struct str authority;
    size_t fragment;
    enum url_refusal why = take_scheme(&rest, &out->tls);

    if (why != URL_OK)
        return why;
    if (str_find(rest, STR("#"), &fragment))
        rest.n = fragment;
    authority = take_authority(&rest);
    if (str_find(authority, STR("@"), NULL))
        return URL_USERINFO;
    why = take_port(&authority, out->tls, &out->port);
    if (why == URL_OK)
        why = url_read_host(authority, policy, out);
    if (why == URL_OK && out->network == NETWORK_CLEARNET && port_denied(out->port))
        why = URL_PORT_DENIED;
    if (why == URL_OK)
        why = url_read_path(rest, path, sizeof(path));
    return why == URL_OK ? write_text(out, path) : why;
}

static bool any_address(void *owner, const char *host)
{
    (void)owner;
    (void)host;
    return true;
}

const struct url_policy url_any_address = {.address_allowed = any_address};

enum url_refusal url_parse(struct str in, const struct url_policy *policy, struct relay_url *out)
{
    struct str s = str_trim(in);
    enum url_refusal why;

    *out = (struct relay_url){.path = ""};
    if (s.n == 0)
        return URL_EMPTY;
    if (s.n > URL_MAX)
        return URL_TOO_LONG;
    why = check_characters(s);
    return why == URL_OK ? read_parts(s, policy, out) : why;
}

void url_copy(struct relay_url *to, const struct relay_url *from)
{
    *to = *from;
    to->path = to->text + (from->path - from->text);
}

void url_wire(const struct relay_url *url, char out[URL_MAX + 2])
{
    (void)snprintf(out, URL_MAX + 2, "%s%s", url->text, url->path[0] == '\0' ? "/" : "");
}
