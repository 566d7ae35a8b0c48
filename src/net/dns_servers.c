/* Resolvers: read strictly, so that a slip is an error at start and not silence later. */
#include "net/dns_servers.h"

#include <string.h>

#include "net/addr_policy.h"

/* Strict, since c-ares itself takes half of anything. */
static bool is_server(struct str s)
{
    struct ip ip;
    struct str address = s, port = {NULL, 0};
    uint64_t value = 53;
    size_t at;

    if (str_starts(s, STR("["))) {
        if (!str_find(s, STR("]"), &at))
            return false;
        address = (struct str){s.p + 1, at - 1};
        port = (struct str){s.p + at + 1, s.n - at - 1};
    } else if (!ip_parse(&ip, s) && str_find(s, STR(":"), &at)) {
        address.n = at;
        port = (struct str){s.p + at, s.n - at};
    }
    if (port.n > 0 && (port.p[0] != ':' || !str_u64((struct str){port.p + 1, port.n - 1}, &value)))
        return false;
    return ip_parse(&ip, address) && value > 0 && value <= 65535;
}

int dns_servers_parse(char *to, size_t size, struct str list, struct err *err)
{
    char shown[64];
    size_t n = 0, at = 0;

    while (at < list.n) {
        size_t end = at;

        while (end < list.n && strchr(", \t", list.p[end]) == NULL)
            end++;

        struct str server = {list.p + at, end - at};

        at = end + 1;
        if (server.n == 0)
            continue;
        if (!is_server(server))
            return err_set(err, ERR_CONFIG, "\"%s\" is not the address of a resolver",
                           str_escape(shown, sizeof(shown), server));
        if (n + server.n + 2 > size)
            return err_set(err, ERR_CONFIG, "the list of resolvers is too long");
        if (n > 0)
            to[n++] = ',';
        memcpy(to + n, server.p, server.n);
        n += server.n;
    }
    to[n] = '\0';
    return 0;
}
