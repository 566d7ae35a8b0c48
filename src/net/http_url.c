/* See http_url.h. */
#include "net/http_url.h"

#include <string.h>

static enum network network_of(struct str host)
{
    if (str_ends(host, STR(".onion")))
        return NETWORK_TOR;
    if (str_ends(host, STR(".i2p")))
        return NETWORK_I2P;
    return str_ends(host, STR(".loki")) ? NETWORK_LOKI : NETWORK_CLEARNET;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

static bool is_literal6_byte(char c)
{
    return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') || c == ':' || c == '.';
}

/* ":8080" off the front; none leaves *port as it is. */
static bool take_port(struct str *s, uint64_t *port)
{
    size_t n = 1;

    if (s->n == 0 || s->p[0] != ':')
        return true;
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    if (!str_u64((struct str){s->p + 1, n - 1}, port) || *port == 0 || *port > 65535)
        return false;
    *s = (struct str){s->p + n, s->n - n};
    return true;
}

/* "host", "host:port", "[address]:port"; takes it off *rest. */
static int parse_authority(struct http_url *u, struct str *rest)
{
    bool literal6 = rest->n > 0 && rest->p[0] == '[';
    size_t at = literal6 ? 1 : 0, n = 0;
    uint64_t port = u->tls ? 443 : 80;

    for (; at < rest->n && n < HTTP_HOST_MAX; at++) {
        char c = rest->p[at];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (literal6 ? !is_literal6_byte(c) : !is_name_byte(c))
            break;
        u->host[n++] = c;
    }
    u->host[n] = '\0';
    if (literal6 && (at == rest->n || rest->p[at++] != ']'))
        return -1;
    struct str tail = {rest->p + at, rest->n - at};
    if (n == 0 || !take_port(&tail, &port) || (tail.n > 0 && tail.p[0] != '/' && tail.p[0] != '?'))
        return -1;
    u->port = (uint16_t)port;
    u->network = network_of(str_z(u->host));
    *rest = tail;
    return 0;
}

/* `a` and `b` one behind the other; a query alone gets its slash. */
static int set_path(struct http_url *u, struct str a, struct str b)
{
    char path[HTTP_PATH_MAX + 1];
    struct str first = a.n > 0 ? a : b;
    size_t slash = first.n == 0 || first.p[0] != '/', n = slash + a.n + b.n;

    if (n > HTTP_PATH_MAX)
        return -1;
    path[0] = '/';
    if (a.n > 0)
        memcpy(path + slash, a.p, a.n);
    if (b.n > 0)
        memcpy(path + slash + a.n, b.p, b.n);
    path[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (path[i] <= ' ' || path[i] == 0x7f)
            return -1;
    }
    memcpy(u->path, path, n + 1);
    return 0;
}

static struct str without_fragment(struct str s)
{
    struct str before = s, rest = s;

    return str_cut(&rest, '#', &before) ? before : s;
}

/* False, and nothing is changed, when `s` begins with neither. */
static bool take_scheme(struct str *s, bool *tls)
{
    static const struct str https = {"https://", 8}, http = {"http://", 7};

    bool secure = s->n >= https.n && str_eq_nocase((struct str){s->p, https.n}, https);

    if (!secure && !(s->n >= http.n && str_eq_nocase((struct str){s->p, http.n}, http)))
        return false;
    *tls = secure;
    size_t n = *tls ? https.n : http.n;
    *s = (struct str){s->p + n, s->n - n};
    return true;
}

int http_url_parse(struct http_url *u, struct str text, struct err *err)
{
    struct str rest = without_fragment(text);
    char shown[100];

    if (!take_scheme(&rest, &u->tls) || parse_authority(u, &rest) != 0 ||
        set_path(u, rest, STR("")) != 0)
        return err_set(err, ERR_URL, "not an http URL: \"%s\"",
                       str_escape(shown, sizeof(shown), text));
    return 0;
}

/* The directory of a path: up to its last slash, the query not counted. */
static struct str directory(const char *path)
{
    struct str s = {path, strcspn(path, "?")};

    while (s.n > 0 && s.p[s.n - 1] != '/')
        s.n--;
    return s;
}

/* "name:" before any of "/?": a scheme. */
static bool has_scheme(struct str s)
{
    for (size_t i = 0; i < s.n && strchr("/?", s.p[i]) == NULL; i++) {
        if (s.p[i] == ':')
            return true;
    }
    return false;
}

static int resolve(struct http_url *to, struct str where)
{
    struct str query = {to->path, strcspn(to->path, "?")};
    bool tls = to->tls;

    if (take_scheme(&where, &tls) || str_starts(where, STR("//"))) {
        if (str_starts(where, STR("//")))
            where = (struct str){where.p + 2, where.n - 2};
        to->tls = tls;
        return parse_authority(to, &where) != 0 ? -1 : set_path(to, where, STR(""));
    }
    if (where.n == 0 || has_scheme(where))
        return -1;
    if (where.p[0] == '/')
        return set_path(to, where, STR(""));
    return set_path(to, where.p[0] == '?' ? query : directory(to->path), where);
}

int http_url_redirect(struct http_url *u, const struct http_url *from, struct str location,
                      struct err *err)
{
    struct http_url to = *from;
    char shown[100];

    str_escape(shown, sizeof(shown), location);
    if (resolve(&to, without_fragment(str_trim(location))) != 0)
        return err_set(err, ERR_HTTP_PROTOCOL, "redirected to \"%s\"", shown);
    if (from->tls && !to.tls)
        return err_set(err, ERR_HTTP_STATUS, "redirected from https to http: \"%s\"", shown);
    if (to.network != from->network)
        return err_set(err, ERR_HTTP_STATUS, "redirected into another network: \"%s\"", shown);
    *u = to;
    return 0;
}
