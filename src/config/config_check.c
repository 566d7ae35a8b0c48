/* Rules that one row of the table cannot state: the syntax of addresses and URLs, and keys that
 * must fit each other. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_internal.h"
#include "core/network.h"

static void complain(const struct config *cfg, const char *section, const char *key,
                     struct config_errors *errors, const char *text)
{
    config_complain(cfg, config_row_find(section, str_z(key)), errors, text);
}

static bool is_address(struct str s, int *family)
{
    unsigned char address[16];
    char z[INET6_ADDRSTRLEN];

    if (!str_copy(z, sizeof(z), s))
        return false;
    *family = strchr(z, ':') != NULL ? AF_INET6 : AF_INET;
    return inet_pton(*family, z, address) == 1;
}

static bool is_port(struct str s, uint64_t lowest)
{
    uint64_t n;

    return s.n <= 5 && str_u64(s, &n) && n >= lowest && n <= 65535;
}

/* "host:port" or "[v6]:port"; *host without brackets. */
static bool split_host_port(struct str s, struct str *host, struct str *port)
{
    size_t at;
    bool brackets = str_starts(s, STR("["));

    if (brackets) {
        if (!str_find(s, STR("]:"), &at))
            return false;
        *host = (struct str){s.p + 1, at - 1};
        at++;
    } else {
        if (!str_find(s, STR(":"), &at))
            return false;
        *host = (struct str){s.p, at};
    }
    *port = (struct str){s.p + at + 1, s.n - at - 1};
    return host->n > 0;
}

/* An address, or a name of letters, digits, dots and hyphens. */
static bool is_host(struct str s)
{
    int family;

    if (is_address(s, &family))
        return true;
    if (s.n > 253)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '-' || c == '_'))
            return false;
    }
    return s.n > 0;
}

static bool is_host_port(struct str s)
{
    struct str host;
    struct str port;

    return split_host_port(s, &host, &port) && is_host(host) && is_port(port, 1);
}

static bool is_range(struct str s)
{
    struct str address;
    uint64_t bits = 0;
    int family;

    (void)str_cut(&s, '/', &address);
    if (!is_address(address, &family))
        return false;
    return s.p == NULL ||
           (s.n <= 3 && str_u64(s, &bits) && bits <= (family == AF_INET ? 32U : 128U));
}

static bool is_resolver(struct str s)
{
    struct str host;
    struct str port;
    int family;

    return is_address(s, &family) ||
           (split_host_port(s, &host, &port) && is_address(host, &family) && is_port(port, 1));
}

static void check_list(const struct config *cfg, const char *key, const char *value,
                       bool (*is_good)(struct str), const char *want, struct config_errors *errors)
{
    struct str item;
    char shown[64];
    char text[256];

    while (config_list_next(&value, &item)) {
        if (is_good(item))
            continue;
        (void)snprintf(text, sizeof(text), "\"%s\" is not %s",
                       str_escape(shown, sizeof(shown), item), want);
        complain(cfg, "network", key, errors, text);
    }
}

static void check_proxy(const struct config *cfg, const char *key, const char *value,
                        bool automatic, struct config_errors *errors)
{
    struct str host, port;

    if (split_host_port(str_z(value), &host, &port) && network_is_overlay_name(host)) {
        complain(
            cfg, "network", key, errors,
            "is a name inside of the network that the proxy leads to: name the host it runs on");
        return;
    }
    if (strcmp(value, "none") == 0 || (automatic && strcmp(value, "auto") == 0) ||
        is_host_port(str_z(value)))
        return;
    complain(cfg, "network", key, errors,
             automatic ? "must be host:port, auto or none" : "must be host:port or none");
}

static void check_listen(const struct config *cfg, struct config_errors *errors)
{
    struct str listen = str_z(cfg->http_listen);
    struct str host;
    struct str port;
    int family;

    if (str_starts(listen, STR("unix:/")) && listen.n - strlen("unix:") < 108)
        return; /* 108: what sockaddr_un holds with its NUL */
    /* Port 0 lets the kernel choose. */
    if (split_host_port(listen, &host, &port) && is_port(port, 0) &&
        (is_address(host, &family) || str_eq(host, STR("localhost"))))
        return;
    complain(cfg, "http", "listen", errors,
             "must be address:port, as 127.0.0.1:9464 or [::1]:9464, or unix:/path of at most 107 "
             "bytes");
}

static void check_url(const struct config *cfg, struct config_errors *errors)
{
    struct str url = str_z(cfg->database_url);

    if (url.n > 0 && !str_starts(url, STR("postgresql://")) && !str_starts(url, STR("postgres://")))
        complain(cfg, "database", "url", errors, "must begin with postgresql://");
}

/* It goes into an HTTP header, inside of parentheses. */
static void check_contact(const struct config *cfg, struct config_errors *errors)
{
    for (const char *p = cfg->identity_contact; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~' || *p == '(' || *p == ')' || *p == '\\' || *p == '"') {
            complain(cfg, "identity", "contact", errors,
                     "must be ASCII without spaces, parentheses, quotes and backslashes");
            return;
        }
}

static void check_order(const struct config *cfg, struct config_errors *errors)
{
    if (cfg->synchronizer_retry_min > cfg->synchronizer_retry_max)
        complain(cfg, "synchronizer", "retry_min", errors, "must not be larger than retry_max");
    if (cfg->synchronizer_idle_timeout > cfg->synchronizer_request_timeout)
        complain(cfg, "synchronizer", "idle_timeout", errors,
                 "must not be larger than request_timeout");
    if (cfg->network_message_max > cfg->daemon_memory_max / 8)
        complain(cfg, "network", "message_max", errors,
                 "must not be larger than an eighth of [daemon] memory_max");
}

void config_check(const struct config *cfg, struct config_errors *errors)
{
    check_list(cfg, "allow_addresses", cfg->network_allow_addresses, is_range,
               "an address or range, as 10.1.0.0/16 or ::1", errors);
    check_list(cfg, "dns_servers", cfg->network_dns_servers, is_resolver,
               "an address, as 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:53", errors);
    check_proxy(cfg, "proxy_tor", cfg->network_proxy_tor, true, errors);
    check_proxy(cfg, "proxy_i2p", cfg->network_proxy_i2p, false, errors);
    check_proxy(cfg, "proxy_loki", cfg->network_proxy_loki, false, errors);
    check_listen(cfg, errors);
    check_url(cfg, errors);
    check_contact(cfg, errors);
    check_order(cfg, errors);
}
