/* domain: see domain.h.  The doorway to libpsl, whose list is built in: nothing is read from a
 * file. */
#include "nostr/domain.h"

#include <arpa/inet.h>
#include <libpsl.h>
#include <stdio.h>
#include <string.h>

const char *address_net(const char *address, char to[DOMAIN_SIZE])
{
    unsigned char ip[16];
    char text[INET6_ADDRSTRLEN];

    to[0] = '\0';
    if (inet_pton(AF_INET, address, ip) == 1) {
        (void)snprintf(to, DOMAIN_SIZE, "%d.%d.%d.0/24", ip[0], ip[1], ip[2]);
    } else if (inet_pton(AF_INET6, address, ip) == 1) {
        memset(ip + 6, 0, sizeof(ip) - 6);
        if (inet_ntop(AF_INET6, ip, text, sizeof(text)) != NULL)
            (void)snprintf(to, DOMAIN_SIZE, "%s/48", text);
    }
    return to;
}

/* The host in a normal form: "wss://[2001:db8::1]:8080/path". */
static struct str host_of(struct str url)
{
    size_t at;
    struct str host = url;

    if (str_find(host, STR("://"), &at)) {
        host.p += at + 3;
        host.n -= at + 3;
    }
    if (str_find(host, STR("/"), &at))
        host.n = at;
    if (host.n > 0 && host.p[0] == '[') {
        host.p++;
        host.n--;
        if (str_find(host, STR("]"), &at))
            host.n = at;
    } else if (str_find(host, STR(":"), &at)) {
        host.n = at;
    }
    return host;
}

const char *url_domain(struct str url, char to[DOMAIN_SIZE])
{
    char host[DOMAIN_SIZE];
    const char *domain;

    (void)str_copy(host, sizeof(host), host_of(url));
    if (address_net(host, to)[0] != '\0')
        return to;
    domain = psl_registrable_domain(psl_builtin(), host);
    (void)snprintf(to, DOMAIN_SIZE, "%s", domain != NULL ? domain : host);
    /* What stands in front of an onion service's own label is free, too. */
    if (str_ends(str_z(host), STR(".onion")) && strlen(host) > 62)
        (void)snprintf(to, DOMAIN_SIZE, "%s", host + strlen(host) - 62);
    /* The name of an I2P service is one label in front of this, each of another owner. */
    if (str_ends(str_z(host), STR(".b32.i2p"))) {
        const char *label = host + strlen(host) - strlen(".b32.i2p");

        while (label > host && label[-1] != '.')
            label--;
        (void)snprintf(to, DOMAIN_SIZE, "%s", label);
    }
    return to;
}
