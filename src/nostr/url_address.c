/* Address literals in URLs: one spelling each, and only public ones (PROTOCOL 4.1).
 *
 * What a name resolves to is judged elsewhere, when it is dialled. */
#include <arpa/inet.h>
#include <string.h>

#include "nostr/url_parts.h"

struct range4 {
    uint8_t address[4];
    int bits;
};

static const struct range4 denied4[] = {
    {{0, 0, 0, 0}, 8},      {{10, 0, 0, 0}, 8},     {{100, 64, 0, 0}, 10}, {{127, 0, 0, 0}, 8},
    {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12},  {{192, 0, 0, 0}, 24},  {{192, 0, 2, 0}, 24},
    {{192, 88, 99, 0}, 24}, {{192, 168, 0, 0}, 16}, {{198, 18, 0, 0}, 15}, {{198, 51, 100, 0}, 24},
    {{203, 0, 113, 0}, 24}, {{224, 0, 0, 0}, 4},    {{240, 0, 0, 0}, 4},
};

struct range6 {
    uint8_t address[16];
    int bits;
};

/* Inside 2000::/3, which alone is public. */
static const struct range6 denied6[] = {
    {{0x20, 0x01}, 23},             /* Teredo, benchmarks, ORCHID, DRIP .. */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: any IPv4 inside */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation */
};

static bool same_bits(const uint8_t *a, const uint8_t *b, int bits)
{
    int bytes = bits / 8, rest = bits % 8;

    return memcmp(a, b, (size_t)bytes) == 0 &&
           (rest == 0 || (uint8_t)(a[bytes] ^ b[bytes]) >> (8 - rest) == 0);
}

static bool is_public4(const uint8_t a[4])
{
    for (size_t i = 0; i < sizeof(denied4) / sizeof(denied4[0]); i++)
        if (same_bits(a, denied4[i].address, denied4[i].bits))
            return false;
    return true;
}

static bool is_public6(const uint8_t a[16])
{
    if (a[0] >> 5 != 1)
        return false;
    for (size_t i = 0; i < sizeof(denied6) / sizeof(denied6[0]); i++)
        if (same_bits(a, denied6[i].address, denied6[i].bits))
            return false;
    return true;
}

static enum url_refusal judge(bool is_public, const struct url_policy *policy, const char *host)
{
    if (is_public)
        return URL_OK;
    if (policy != NULL && policy->address_allowed != NULL &&
        policy->address_allowed(policy->owner, host))
        return URL_OK;
    return URL_PRIVATE_ADDRESS;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Would some reader take the last label for a number ("1", "0x7f")?  Then all of it is an address,
 * or nothing. */
static bool ends_in_number(struct str name)
{
    size_t at = name.n;
    struct str last;

    while (at > 0 && name.p[at - 1] != '.')
        at--;
    last = (struct str){name.p + at, name.n - at};
    if (last.n == 0)
        return false;
    if (str_starts(last, STR("0x"))) {
        for (size_t i = 2; i < last.n; i++)
            if (!is_digit(last.p[i]) && !(last.p[i] >= 'a' && last.p[i] <= 'f'))
                return false;
        return true;
    }
    for (size_t i = 0; i < last.n; i++)
        if (!is_digit(last.p[i]))
            return false;
    return true;
}

/* Four numbers from 0 to 255, without leading zeros. */
static bool read_quad(struct str name, uint8_t address[4])
{
    size_t i = 0;

    for (int part = 0; part < 4; part++) {
        size_t start;
        unsigned value = 0;

        if (part > 0 && (i == name.n || name.p[i++] != '.'))
            return false;
        for (start = i; i < name.n && is_digit(name.p[i]) && i - start < 3; i++)
            value = value * 10 + (unsigned)(name.p[i] - '0');
        if (i == start || value > 255 || (i - start > 1 && name.p[start] == '0'))
            return false;
        address[part] = (uint8_t)value;
    }
    return i == name.n;
}

enum url_refusal url_read_ipv4(struct str name, const struct url_policy *policy, bool *is_address)
{
    uint8_t address[4];
    char host[16];

    *is_address = ends_in_number(name);
    if (!*is_address)
        return URL_OK;
    if (!read_quad(name, address))
        return URL_HOST;
    (void)str_copy(host, sizeof(host), name);
    return judge(is_public4(address), policy, host);
}

enum url_refusal url_read_ipv6(struct str inside, const struct url_policy *policy,
                               char host[URL_HOST_MAX + 1])
{
    char written[INET6_ADDRSTRLEN];
    struct in6_addr address;

    /* A zone ("%eth0") is refused by inet_pton as everything else that is no address. */
    if (!str_copy(written, sizeof(written), inside) || memchr(inside.p, 0, inside.n) != NULL ||
        inet_pton(AF_INET6, written, &address) != 1 ||
        inet_ntop(AF_INET6, &address, host, INET6_ADDRSTRLEN) == NULL)
        return URL_HOST;
    return judge(is_public6(address.s6_addr), policy, host);
}
