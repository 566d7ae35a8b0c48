/* Hosts: names for DNS, address literals, and the names of the overlay networks, which never go to
 * DNS (RFC 7686).
 *
 *     as written -> percent-decoded -> UTS-46 when not ASCII -> lower case -> no trailing dot ->
 * judged
 *
 * Judged last, since full-width digits and dots become an IPv4 address on the way. */
#include <idn2.h>
#include <string.h>

#include "nostr/sha3.h"
#include "nostr/url_parts.h"
#include "nostr/utf8.h"

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char zbase32[] = "ybndrfg8ejkmcpqxot1uwisza345h769";

enum {
    LABEL_MAX = 63,
    HASH_CHARS = 52, /* 32 bytes in groups of five bits: the last holds one bit of data */
    ONION_CHARS = 56,
    ONION_BYTES = 35,  /* public key 32, checksum 2, version 1 */
    B33_CHARS_MIN = 56 /* i2p: an encrypted lease set */
};

static struct str last_label(struct str name)
{
    size_t at = name.n;

    while (at > 0 && name.p[at - 1] != '.')
        at--;
    return (struct str){name.p + at, name.n - at};
}

/* Labels of letters, digits, `-` inside, and `_`, which services use although it is no host name.
 */
static bool is_name(struct str name)
{
    size_t label = 0;

    if (name.n == 0 || name.n > URL_HOST_MAX)
        return false;
    for (size_t i = 0; i <= name.n; i++) {
        char c = (char)(i < name.n ? name.p[i] : '.');

        if (c == '.') {
            if (label == 0 || label > LABEL_MAX || name.p[i - 1] == '-' || name.p[i - label] == '-')
                return false;
            label = 0;
            continue;
        }
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
        label++;
    }
    return true;
}

/* The groups of five bits of `text`; false when a character is none of the alphabet. */
static bool decode32(struct str text, const char *alphabet, uint8_t *out, size_t bytes)
{
    unsigned pending = 0, bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        const char *found = memchr(alphabet, text.p[i], 32);

        if (found == NULL)
            return false;
        pending = (pending << 5 | (unsigned)(found - alphabet)) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            if (n < bytes)
                out[n++] = (uint8_t)(pending >> bits);
        }
    }
    return n == bytes && (pending & ((1u << bits) - 1)) == 0;
}

/* rend-spec-v3, "Encoding onion addresses". */
static bool is_onion(struct str name)
{
    struct str label = last_label((struct str){name.p, name.n - strlen(".onion")});
    uint8_t raw[ONION_BYTES], message[15 + 32 + 1], digest[SHA3_256_BYTES];

    if (!is_name(name) || label.n != ONION_CHARS || !decode32(label, base32, raw, sizeof(raw)))
        return false;
    memcpy(message, ".onion checksum", 15);
    memcpy(message + 15, raw, 32);
    message[47] = raw[34];
    sha3_256(message, sizeof(message), digest);
    return raw[34] == 3 && raw[32] == digest[0] && raw[33] == digest[1];
}

/* A hash, an encrypted lease set, or a name from an address book. */
static bool is_i2p(struct str name)
{
    struct str label;
    uint8_t hash[32];

    if (!is_name(name))
        return false;
    if (!str_ends(name, STR(".b32.i2p")))
        return !str_eq(name, STR("b32.i2p"));
    label = last_label((struct str){name.p, name.n - strlen(".b32.i2p")});
    if (label.n == HASH_CHARS)
        return decode32(label, base32, hash, sizeof(hash));
    if (label.n < B33_CHARS_MIN)
        return false;
    for (size_t i = 0; i < label.n; i++)
        if (memchr(base32, label.p[i], 32) == NULL)
            return false;
    return true;
}

static bool is_loki(struct str name)
{
    struct str label = last_label((struct str){name.p, name.n - strlen(".loki")});
    uint8_t key[32];

    return is_name(name) && label.n == HASH_CHARS && decode32(label, zbase32, key, sizeof(key));
}

/* RFC 6761, 6762, 8375, 9476 and what home routers make up. */
static bool is_local_name(struct str name)
{
    static const char *const tops[] = {"localhost", "local",   "internal", "lan",
                                       "test",      "invalid", "example",  "arpa"};
    struct str top = last_label(name);

    if (top.n == name.n)
        return true; /* a single label */
    for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
        if (str_eq(top, str_z(tops[i])))
            return true;
    return false;
}

/* Decodes %xx, and turns anything that is not ASCII into A-labels; *name views `to`. */
static bool to_ascii(struct str written, char to[URL_MAX + 1], struct str *name)
{
    bool international = false;
    size_t n = 0;
    char *labels;

    for (size_t i = 0; i < written.n; i++) {
        int c = (unsigned char)written.p[i];

        if (c == '%') {
            c = url_percent(written.p + i, written.p + written.n);
            if (c <= 0)
                return false;
            i += 2;
        }
        to[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        international |= c >= 0x80;
    }
    to[n] = '\0';
    *name = (struct str){to, n};
    if (!international && !str_starts(*name, STR("xn--")) && !str_find(*name, STR(".xn--"), NULL))
        return true;
    if (!utf8_valid(*name) || n > (size_t)4 * URL_HOST_MAX ||
        idn2_lookup_u8((const uint8_t *)to, (uint8_t **)&labels,
                       IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return false;
    n = strlen(labels);
    if (n <= URL_MAX)
        memcpy(to, labels, n + 1);
    *name = (struct str){to, n};
    idn2_free(labels);
    return n <= URL_MAX;
}

static enum url_refusal judge(struct str name, const struct url_policy *policy,
                              struct relay_url *out)
{
    enum url_refusal why;

    out->network = NETWORK_CLEARNET;
    if (str_ends(name, STR(".onion"))) {
        out->network = NETWORK_TOR;
        return is_onion(name) ? URL_OK : URL_ONION;
    }
    if (str_ends(name, STR(".i2p"))) {
        out->network = NETWORK_I2P;
        return is_i2p(name) ? URL_OK : URL_I2P;
    }
    if (str_ends(name, STR(".loki"))) {
        out->network = NETWORK_LOKI;
        return is_loki(name) ? URL_OK : URL_LOKI;
    }
    why = url_read_ipv4(name, policy, &out->ip_literal);
    if (why != URL_OK || out->ip_literal)
        return why;
    if (!is_name(name))
        return URL_HOST;
    return is_local_name(name) ? URL_LOCAL_NAME : URL_OK;
}

enum url_refusal url_read_host(struct str written, const struct url_policy *policy,
                               struct relay_url *out)
{
    char ascii[URL_MAX + 1];
    struct str name;

    if (written.n > 0 && written.p[0] == '[') {
        if (written.n < 3 || written.p[written.n - 1] != ']')
            return URL_HOST;
        out->ip_literal = true;
        out->network = NETWORK_CLEARNET;
        return url_read_ipv6((struct str){written.p + 1, written.n - 2}, policy, out->host);
    }
    if (written.n > URL_MAX || !to_ascii(written, ascii, &name))
        return URL_HOST;
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || !str_copy(out->host, sizeof(out->host), name))
        return URL_HOST;
    return judge(str_z(out->host), policy, out);
}
