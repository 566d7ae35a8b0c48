/* Address policy: the tables of PROTOCOL 4.1 and how they are asked. */
#include "net/addr_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "core/port.h"

struct denied {
    uint8_t base[16];
    int bits;
    const char *why;
};

/* IANA IPv4 Special-Purpose Address Registry, and multicast. */
static const struct denied denied4[] = {
    {{0}, 8, "this network (0.0.0.0/8)"},
    {{10}, 8, "private (10.0.0.0/8)"},
    {{100, 64}, 10, "shared by carriers (100.64.0.0/10)"}, /* Alibaba's metadata lives in it */
    {{127}, 8, "loopback (127.0.0.0/8)"},
    {{169, 254}, 16, "link-local (169.254.0.0/16)"}, /* cloud metadata */
    {{172, 16}, 12, "private (172.16.0.0/12)"},
    {{192, 0, 0}, 24, "protocol assignments (192.0.0.0/24)"}, /* Oracle's metadata */
    {{192, 0, 2}, 24, "documentation (192.0.2.0/24)"},
    {{192, 88, 99}, 24, "6to4 relay (192.88.99.0/24)"},
    {{192, 168}, 16, "private (192.168.0.0/16)"},
    {{198, 18}, 15, "benchmarks (198.18.0.0/15)"},
    {{198, 51, 100}, 24, "documentation (198.51.100.0/24)"},
    {{203, 0, 113}, 24, "documentation (203.0.113.0/24)"},
    {{224}, 4, "multicast (224.0.0.0/4)"},
    {{240}, 4, "reserved (240.0.0.0/4)"}, /* the broadcast address is the last of it */
};

/* Inside 2000::/3, the only part of IPv6 that is public unicast. */
static const struct denied denied6_global[] = {
    {{0x20, 0x01, 0x00}, 23, "protocol assignments, Teredo, ORCHID (2001::/23)"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation (2001:db8::/32)"},
    {{0x20, 0x02}, 16, "6to4 (2002::/16)"}, /* carries an IPv4 address */
    {{0x3f, 0xff}, 20, "documentation (3fff::/20)"},
};

/* Outside of it everything is refused; these have a name for the log. */
static const struct denied denied6_other[] = {
    {{0}, 128, "unspecified (::)"},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, "loopback (::1)"},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, "IPv4-mapped (::ffff:0:0/96)"},
    {{0}, 96, "IPv4-compatible (::/96)"},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "local NAT64 (64:ff9b:1::/48)"},
    {{0x01, 0x00}, 64, "discard (100::/64)"},
    {{0x5f, 0x00}, 16, "segment routing (5f00::/16)"},
    {{0xfc}, 7, "unique local (fc00::/7)"},
    {{0xfe, 0x80}, 10, "link-local (fe80::/10)"},
    {{0xfe, 0xc0}, 10, "site-local (fec0::/10)"},
    {{0xff}, 8, "multicast (ff00::/8)"},
};

/* Top-level names that mean something on a local network, or nothing at all (RFC 6761, 6762, 7686,
 * 8375, 9476). */
static const char *const denied_suffixes[] = {
    "localhost", "local", "internal", "home.arpa", "lan",  "test", "invalid",
    "example",   "arpa",  "onion",    "i2p",       "loki", "alt",  "localdomain"};

static bool in_prefix(const uint8_t *ip, const uint8_t *base, int bits)
{
    int whole = bits / 8, rest = bits % 8;

    if (memcmp(ip, base, (size_t)whole) != 0)
        return false;
    return rest == 0 || ((ip[whole] ^ base[whole]) >> (8 - rest)) == 0;
}

static const char *find_denied(const struct denied *table, size_t n, const uint8_t *ip)
{
    for (size_t i = 0; i < n; i++)
        if (in_prefix(ip, table[i].base, table[i].bits))
            return table[i].why;
    return NULL;
}

#define FIND_DENIED(table, ip) find_denied(table, sizeof(table) / sizeof((table)[0]), (ip)->bytes)

bool ip_parse(struct ip *ip, struct str literal)
{
    char z[IP_TEXT_MAX + 1];

    memset(ip, 0, sizeof(*ip));
    if (literal.n >= sizeof(z) || literal.n == 0 || memchr(literal.p, '\0', literal.n) != NULL)
        return false;
    memcpy(z, literal.p, literal.n);
    z[literal.n] = '\0';
    ip->family = strchr(z, ':') != NULL ? AF_INET6 : AF_INET;
    if (inet_pton(ip->family, z, ip->bytes) == 1)
        return true;
    memset(ip, 0, sizeof(*ip));
    return false;
}

bool ip_from_sockaddr(struct ip *ip, const struct sockaddr *sa)
{
    memset(ip, 0, sizeof(*ip));
    if (sa->sa_family == AF_INET) {
        memcpy(ip->bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *sa6 = (const struct sockaddr_in6 *)(const void *)sa;

        if (sa6->sin6_scope_id != 0)
            return false;
        memcpy(ip->bytes, &sa6->sin6_addr, 16);
    } else {
        return false;
    }
    ip->family = sa->sa_family;
    return true;
}

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *sa)
{
    memset(sa, 0, sizeof(*sa));
    if (ip->family == AF_INET) {
        struct sockaddr_in *sa4 = (struct sockaddr_in *)(void *)sa;

        sa4->sin_family = AF_INET;
        sa4->sin_port = htons(port);
        memcpy(&sa4->sin_addr, ip->bytes, 4);
        return sizeof(*sa4);
    }
    struct sockaddr_in6 *sa6 = (struct sockaddr_in6 *)(void *)sa;

    sa6->sin6_family = AF_INET6;
    sa6->sin6_port = htons(port);
    memcpy(&sa6->sin6_addr, ip->bytes, 16);
    return sizeof(*sa6);
}

const char *ip_text(const struct ip *ip, char to[IP_TEXT_MAX])
{
    if (ip->family == 0 || inet_ntop(ip->family, ip->bytes, to, IP_TEXT_MAX) == NULL)
        to[0] = '\0';
    return to;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* A prefix whose host bits are set is more likely a slip (10.1.2.3/8) than meant: refused. */
static int parse_range(struct ip_range *range, struct str item, struct err *err)
{
    char shown[64];
    struct str base = item, bits = {NULL, 0};
    size_t at;

    if (str_find(item, STR("/"), &at)) {
        base = (struct str){item.p, at};
        bits = (struct str){item.p + at + 1, item.n - at - 1};
    }
    if (!ip_parse(&range->base, base))
        return err_set(err, ERR_CONFIG, "\"%s\" is not an address range",
                       str_escape(shown, sizeof(shown), item));

    int max = range->base.family == AF_INET ? 32 : 128;
    uint64_t value = (uint64_t)max;

    if (bits.p != NULL && (!str_u64(bits, &value) || value > (uint64_t)max))
        return err_set(err, ERR_CONFIG, "\"%s\": the prefix has 0 to %d bits",
                       str_escape(shown, sizeof(shown), item), max);
    range->bits = (int)value;
    for (int bit = range->bits; bit < max; bit++)
        if (range->base.bytes[bit / 8] & (0x80 >> (bit % 8)))
            return err_set(err, ERR_CONFIG, "\"%s\": bits are set behind the prefix",
                           str_escape(shown, sizeof(shown), item));
    return 0;
}

int addr_policy_allow(struct addr_policy *p, const char *allow, struct err *err)
{
    struct ip_range ranges[ADDR_RANGES_MAX];
    int n = 0;
    const char *s = allow == NULL ? "" : allow;

    for (;;) {
        s += strspn(s, ", \t\r\n");
        if (*s == '\0')
            break;

        size_t length = strcspn(s, ", \t\r\n");

        if (n == ADDR_RANGES_MAX)
            return err_set(err, ERR_CONFIG, "more than %d address ranges", ADDR_RANGES_MAX);
        if (parse_range(&ranges[n], (struct str){s, length}, err) != 0)
            return -1;
        n++;
        s += length;
    }
    memcpy(p->allow, ranges, (size_t)n * sizeof(ranges[0]));
    p->allow_count = n;
    return 0;
}

bool addr_policy_deny_service(struct addr_policy *p, enum addr_service what, const struct ip *ip,
                              uint16_t port)
{
    for (int i = 0; i < p->service_count; i++) {
        const struct ip_service *s = &p->services[i];

        if (s->what == what && s->port == port && ip_eq(&s->ip, ip))
            return true;
    }
    if (p->service_count == ADDR_SERVICES_MAX)
        return false;
    p->services[p->service_count++] = (struct ip_service){what, *ip, port};
    return true;
}

void addr_policy_forget_services(struct addr_policy *p, enum addr_service what)
{
    int kept = 0;

    for (int i = 0; i < p->service_count; i++)
        if (p->services[i].what != what)
            p->services[kept++] = p->services[i];
    p->service_count = kept;
}

void addr_policy_set_own(struct addr_policy *p, const struct ip *own, size_t n)
{
    p->own_count = n < ADDR_OWN_MAX ? (int)n : ADDR_OWN_MAX;
    memcpy(p->own, own, (size_t)p->own_count * sizeof(own[0]));
}

static bool is_own(const struct addr_policy *p, const struct ip *ip)
{
    for (int i = 0; i < p->own_count; i++)
        if (ip_eq(&p->own[i], ip))
            return true;
    return false;
}

static bool is_loopback(const struct ip *ip)
{
    static const struct ip one = {AF_INET6, {[15] = 1}};

    return ip->family == AF_INET ? ip->bytes[0] == 127 : ip_eq(ip, &one);
}

static bool is_here(const struct addr_policy *p, const struct ip *ip)
{
    static const uint8_t any[16];

    return is_loopback(ip) || is_own(p, ip) || memcmp(ip->bytes, any, sizeof(any)) == 0;
}

static bool is_service(const struct addr_policy *p, const struct ip *ip, uint16_t port)
{
    for (int i = 0; i < p->service_count; i++) {
        const struct ip_service *s = &p->services[i];

        if (s->port != port)
            continue;
        if (ip_eq(&s->ip, ip) || (is_here(p, &s->ip) && is_here(p, ip)))
            return true;
    }
    return false;
}

static const struct ip_range *find_allowed(const struct addr_policy *p, const struct ip *ip)
{
    for (int i = 0; i < p->allow_count; i++)
        if (p->allow[i].base.family == ip->family &&
            in_prefix(ip->bytes, p->allow[i].base.bytes, p->allow[i].bits))
            return &p->allow[i];
    return NULL;
}

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, nat64[12] = {0x00, 0x64, 0xff, 0x9b},
                     nat64_local[6] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};

static bool starts(const struct ip *ip, const uint8_t *prefix, size_t n)
{
    return ip->family == AF_INET6 && memcmp(ip->bytes, prefix, n) == 0;
}

/* The IPv4 address inside an IPv6 one that reaches it behind a prefix of `bits`, as RFC 6052, 2.2
 * puts it there: byte 8 is left out. */
static struct ip embedded_ipv4(const struct ip *ip, int bits)
{
    struct ip inner = {AF_INET, {0}};

    for (int i = 0, at = bits / 8; i < 4; i++, at++) {
        if (at == 8)
            at++;
        inner.bytes[i] = ip->bytes[at];
    }
    return inner;
}

/* Does the address lead to an IPv4 one, by our own kernel (mapped) or by a gateway?  The kernel's
 * way is for who allows it; `allowed`: the range that lets the outer address through, or NULL. */
static bool leads_to_ipv4(const struct ip *ip, const struct ip_range *allowed, struct ip *inner)
{
    int bits = 96;

    if (starts(ip, nat64_local, sizeof(nat64_local)) && allowed != NULL) {
        bits = allowed->bits;
        if (bits != 48 && bits != 56 && bits != 64 && bits != 96)
            return false; /* single addresses that somebody has looked at */
    } else if (!starts(ip, nat64, sizeof(nat64)) &&
               !(starts(ip, mapped, sizeof(mapped)) && allowed != NULL)) {
        return false;
    }
    *inner = embedded_ipv4(ip, bits);
    return true;
}

struct ip addr_policy_reached(const struct addr_policy *p, const struct ip *ip)
{
    struct ip inner;

    return leads_to_ipv4(ip, find_allowed(p, ip), &inner) ? inner : *ip;
}

const char *addr_policy_ip(const struct addr_policy *p, const struct ip *ip, uint16_t port)
{
    const struct ip_range *allowed;
    struct ip inner;

    if (ip->family != AF_INET && ip->family != AF_INET6)
        return "not an internet address";
    if (is_service(p, ip, port))
        return "one of our own services";
    allowed = find_allowed(p, ip);
    /* A gateway leads only where IPv4 itself may go, also when it is allowed. */
    if (leads_to_ipv4(ip, allowed, &inner))
        return addr_policy_ip(p, &inner, port);
    if (allowed != NULL)
        return NULL;
    if (is_own(p, ip))
        return "an address of this machine";
    if (ip->family == AF_INET)
        return FIND_DENIED(denied4, ip);
    if ((ip->bytes[0] & 0xe0) == 0x20)
        return FIND_DENIED(denied6_global, ip);

    const char *why = FIND_DENIED(denied6_other, ip);

    return why != NULL ? why : "not public (outside 2000::/3)";
}

const char *addr_policy_name(struct str name)
{
    if (str_ends(name, STR(".")))
        name.n--;
    if (name.n == 0)
        return "an empty name";
    for (size_t i = 0; i < sizeof(denied_suffixes) / sizeof(denied_suffixes[0]); i++) {
        struct str suffix = str_z(denied_suffixes[i]);

        if (name.n < suffix.n)
            continue;

        struct str tail = {name.p + name.n - suffix.n, suffix.n};

        if (str_eq_nocase(tail, suffix) && (name.n == suffix.n || tail.p[-1] == '.'))
            return "a name of local or special use";
    }
    if (!str_find(name, STR("."), NULL))
        return "a name without a dot";
    return NULL;
}

const char *addr_policy_port(uint16_t port)
{
    if (port == 0)
        return "port 0";
    return port_denied(port) ? "a port of another service" : NULL;
}

const char *addr_policy_behind_proxy(const struct addr_policy *p, enum network network, bool exit,
                                     struct str host, uint16_t port)
{
    static const char *const suffix[NETWORK__COUNT] = {
        [NETWORK_TOR] = ".onion", [NETWORK_I2P] = ".i2p", [NETWORK_LOKI] = ".loki"};
    const char *why = NULL;
    struct ip ip;

    if (exit && (why = addr_policy_port(port)) == NULL)
        why = ip_parse(&ip, host) ? addr_policy_ip(p, &ip, port) : addr_policy_name(host);
    if (!exit && (suffix[network] == NULL || !str_ends(host, str_z(suffix[network])) || port == 0))
        why = "not a name of this network";
    return why;
}
