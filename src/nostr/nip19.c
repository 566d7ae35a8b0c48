/* nip19: lists of type, length, value in bech32. */
#include "nostr/nip19.h"

#include <string.h>

enum { TLV_SPECIAL = 0, TLV_RELAY = 1, TLV_AUTHOR = 2, TLV_KIND = 3 };

static const struct {
    const char *prefix;
    enum nip19_type type;
    bool list;
} nip19_forms[] = {
    {"npub", NIP19_NPUB, false},    {"nsec", NIP19_NSEC, false},
    {"note", NIP19_NOTE, false},    {"nprofile", NIP19_NPROFILE, true},
    {"nevent", NIP19_NEVENT, true}, {"naddr", NIP19_NADDR, true},
};

/* One part of the list; false at its end, or when it is cut off. */
static bool next_part(const struct nip19 *x, size_t *at, uint8_t *type, struct str *value)
{
    if (*at + 2 > x->n || *at + 2 + x->bytes[*at + 1] > x->n)
        return false;
    *type = x->bytes[*at];
    *value = (struct str){(const char *)x->bytes + *at + 2, x->bytes[*at + 1]};
    *at += 2 + value->n;
    return true;
}

/* The first part of each type counts. */
static bool read_list(struct nip19 *x)
{
    bool has_key = false;
    struct str value;
    size_t at = 0;
    uint8_t type;

    while (next_part(x, &at, &type, &value)) {
        bool naddr_author = type == TLV_AUTHOR && x->type == NIP19_NADDR;

        if (value.n == 32 && !has_key &&
            (naddr_author || (type == TLV_SPECIAL && x->type != NIP19_NADDR))) {
            memcpy(x->key, value.p, 32);
            has_key = true;
        } else if (value.n == 32 && type == TLV_AUTHOR && !x->has_author) {
            memcpy(x->author, value.p, 32);
            x->has_author = true;
        } else if (value.n == 4 && type == TLV_KIND && x->kind < 0) {
            const uint8_t *b = (const uint8_t *)value.p;

            x->kind = (int64_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
        }
    }
    return has_key && at == x->n;
}

bool nip19_decode(struct str text, struct nip19 *out)
{
    char prefix[16];
    size_t n;

    if (str_starts(text, STR("nostr:")))
        text = (struct str){text.p + 6, text.n - 6};
    out->kind = -1;
    out->has_author = false;
    out->n = 0;
    if (!bech32_decode(text, prefix, sizeof(prefix), out->bytes, sizeof(out->bytes), &n))
        return false;
    for (size_t i = 0; i < sizeof(nip19_forms) / sizeof(nip19_forms[0]); i++) {
        if (strcmp(prefix, nip19_forms[i].prefix) != 0)
            continue;
        out->type = nip19_forms[i].type;
        if (nip19_forms[i].list) {
            out->n = n;
            return read_list(out);
        }
        if (n != 32)
            return false;
        memcpy(out->key, out->bytes, 32);
        return true;
    }
    return false;
}

bool nip19_relay(const struct nip19 *x, size_t *at, struct str *url)
{
    uint8_t type;

    while (next_part(x, at, &type, url))
        if (type == TLV_RELAY)
            return true;
    return false;
}

bool nip19_identifier(const struct nip19 *x, struct str *identifier)
{
    size_t at = 0;
    uint8_t type;

    while (x->type == NIP19_NADDR && next_part(x, &at, &type, identifier))
        if (type == TLV_SPECIAL)
            return true;
    return false;
}

void nip19_encode(enum nip19_type type, const uint8_t key[32], char to[NIP19_PLAIN_MAX])
{
    const char *prefix = type == NIP19_NSEC ? "nsec" : type == NIP19_NOTE ? "note" : "npub";

    if (!bech32_encode(prefix, key, 32, to, NIP19_PLAIN_MAX))
        to[0] = '\0'; /* cannot be: 4 + 1 + 52 + 6 */
}

static bool put_part(uint8_t *bytes, size_t *n, uint8_t type, struct str value)
{
    if (value.n > 255 || *n + 2 + value.n > BECH32_BYTES_MAX)
        return false;
    bytes[(*n)++] = type;
    bytes[(*n)++] = (uint8_t)value.n;
    memcpy(bytes + *n, value.p, value.n);
    *n += value.n;
    return true;
}

bool nip19_encode_list(const struct nip19_list *list, char to[NIP19_TEXT_MAX])
{
    const struct str key = {(const char *)list->key, 32};
    const char *prefix = NULL;
    uint8_t bytes[BECH32_BYTES_MAX];
    size_t n = 0;
    bool naddr = list->type == NIP19_NADDR, ok;

    for (size_t i = 0; i < sizeof(nip19_forms) / sizeof(nip19_forms[0]); i++)
        if (nip19_forms[i].type == list->type && nip19_forms[i].list)
            prefix = nip19_forms[i].prefix;
    ok = prefix != NULL && put_part(bytes, &n, TLV_SPECIAL, naddr ? list->identifier : key);
    for (size_t i = 0; ok && i < list->relays_n; i++)
        ok = put_part(bytes, &n, TLV_RELAY, list->relays[i]);
    if (naddr)
        ok = ok && list->kind >= 0 && put_part(bytes, &n, TLV_AUTHOR, key);
    else if (list->type == NIP19_NEVENT && list->author != NULL)
        ok = ok && put_part(bytes, &n, TLV_AUTHOR, (struct str){(const char *)list->author, 32});
    if (list->kind >= 0 && list->type != NIP19_NPROFILE) {
        const char kind[4] = {(char)(list->kind >> 24), (char)(list->kind >> 16),
                              (char)(list->kind >> 8), (char)list->kind};

        ok = ok && put_part(bytes, &n, TLV_KIND, (struct str){kind, sizeof(kind)});
    }
    return ok && bech32_encode(prefix, bytes, n, to, NIP19_TEXT_MAX);
}
