/* access: see access.h.  Reading order: the tables, reading an entry, asking. */
#include "nostr/access.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"

enum { ARENA_BLOCK = 64 * 1024, WHY_MAX = 256, SHOWN_MAX = 80, BITS_MAX = 128 };

struct name {
    struct str text;
    uint32_t line;
};

/* A sorted array of strings. */
struct names {
    struct name *item;
    uint32_t n, room;
};

/* An IPv4 address takes the first four bytes; the others, and those behind the prefix, are 0. */
struct range {
    uint8_t n, bits;
    uint8_t base[16];
    uint32_t line;
};

/* One list. */
struct entries {
    struct arena arena; /* of the texts */
    struct names urls, hosts, suffixes;
    uint32_t networks[NETWORK__COUNT]; /* the line, 0: it is not there */
    struct range *ranges;
    uint32_t ranges_n, ranges_room;
    bool has_bits[2][BITS_MAX + 1]; /* of IPv4, IPv6: prefixes of this length are there */
    uint32_t n;
};

struct access {
    struct entries lists[ACCESS_LIST__COUNT];
};

/* -- the tables -- */

static void *grown(void *items, uint32_t n, uint32_t *room, size_t size)
{
    if (n < *room)
        return items;
    *room = *room == 0 ? 16 : *room * 2;
    items = realloc(items, *room * size);
    if (items == NULL)
        abort();
    return items;
}

static void add_name(struct entries *e, struct names *to, struct str text, uint32_t line)
{
    to->item = grown(to->item, to->n, &to->room, sizeof(*to->item));
    to->item[to->n++] = (struct name){arena_copy(&e->arena, text), line};
}

static int compare(struct str a, struct str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_name(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = compare(x->text, y->text);

    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

static int by_prefix(const struct range *x, const struct range *y)
{
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    if (x->bits != y->bits)
        return x->bits < y->bits ? -1 : 1;
    return memcmp(x->base, y->base, sizeof(x->base));
}

static int by_range(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    int order = by_prefix(x, y);

    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

static void sort_names(struct names *names)
{
    if (names->n > 0)
        qsort(names->item, names->n, sizeof(*names->item), by_name);
}

/* The line of the first that is equal, or 0. */
static uint32_t find_name(const struct names *names, struct str text)
{
    uint32_t lo = 0, hi = names->n;

    while (lo < hi) {
        uint32_t middle = lo + (hi - lo) / 2;
        if (compare(names->item[middle].text, text) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < names->n && str_eq(names->item[lo].text, text) ? names->item[lo].line : 0;
}

static uint32_t find_range(const struct entries *e, const struct range *wanted)
{
    uint32_t lo = 0, hi = e->ranges_n;

    while (lo < hi) {
        uint32_t middle = lo + (hi - lo) / 2;
        if (by_prefix(&e->ranges[middle], wanted) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < e->ranges_n && by_prefix(&e->ranges[lo], wanted) == 0 ? e->ranges[lo].line : 0;
}

/* Clears what stands behind the prefix; false when all of it was clear. */
static bool mask(struct range *r)
{
    bool cleared = false;

    for (int bit = r->bits; bit < r->n * 8; bit++) {
        uint8_t one = (uint8_t)(0x80 >> (bit % 8));
        cleared = cleared || (r->base[bit / 8] & one) != 0;
        r->base[bit / 8] &= (uint8_t)~one;
    }
    return cleared;
}

struct access *access_new(void)
{
    struct access *a = calloc(1, sizeof(*a));

    if (a == NULL)
        abort();
    for (int i = 0; i < ACCESS_LIST__COUNT; i++)
        arena_init(&a->lists[i].arena, ARENA_BLOCK);
    return a;
}

static void entries_done(struct entries *e)
{
    free(e->urls.item);
    free(e->hosts.item);
    free(e->suffixes.item);
    free(e->ranges);
    arena_done(&e->arena);
}

void access_free(struct access *a)
{
    for (int i = 0; a != NULL && i < ACCESS_LIST__COUNT; i++)
        entries_done(&a->lists[i]);
    free(a);
}

void access_replace(struct access *a, struct access *with)
{
    for (int i = 0; i < ACCESS_LIST__COUNT; i++) {
        entries_done(&a->lists[i]);
        a->lists[i] = with->lists[i];
    }
    free(with);
}

/* -- reading -- */

struct reader {
    struct entries *e;
    struct relay_url *url; /* scratch */
    uint32_t line;
    char why[WHY_MAX];
};

static bool refuse(struct reader *r, struct str entry, const char *why)
{
    char shown[SHOWN_MAX];

    (void)snprintf(r->why, sizeof(r->why), "\"%s\" %s", str_escape(shown, sizeof(shown), entry),
                   why);
    return false;
}

static bool read_network(struct reader *r, struct str entry)
{
    struct str name = {entry.p + strlen("network:"), entry.n - strlen("network:")};
    enum network network;

    if (network_named(name, &network)) {
        r->e->networks[network] = r->line;
        return true;
    }
    return refuse(r, entry,
                  "names no network: network:clearnet, network:tor, network:i2p or network:loki");
}

static bool read_url(struct reader *r, struct str entry)
{
    enum url_refusal why = url_parse(entry, &url_any_address, r->url);

    if (why != URL_OK)
        return refuse(r, entry, url_refusal_text(why));
    add_name(r->e, &r->e->urls, str_z(r->url->text), r->line);
    return true;
}

/* The address of "203.0.113.7", "2001:db8::1" or "[2001:db8::1]". */
static bool read_address(struct str text, struct range *to)
{
    char z[INET6_ADDRSTRLEN];

    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = (struct str){text.p + 1, text.n - 2};
    if (text.n == 0 || memchr(text.p, '\0', text.n) != NULL || !str_copy(z, sizeof(z), text))
        return false;
    memset(to, 0, sizeof(*to));
    to->n = strchr(z, ':') != NULL ? 16 : 4;
    to->bits = (uint8_t)(to->n * 8);
    return inet_pton(to->n == 16 ? AF_INET6 : AF_INET, z, to->base) == 1;
}

static bool read_range(struct reader *r, struct str entry, bool *is_address)
{
    struct str rest = entry, address;
    struct range range = {0};
    uint64_t bits = 0;
    char why[WHY_MAX / 2], shown[INET6_ADDRSTRLEN];

    (void)str_cut(&rest, '/', &address);
    *is_address = read_address(address, &range);
    if (!*is_address)
        return false;
    if (rest.p != NULL && (!str_u64(rest, &bits) || bits > range.bits)) {
        (void)snprintf(why, sizeof(why), "has a prefix that is not 0 to %d bits, as %s", range.bits,
                       range.n == 4 ? "203.0.113.0/24" : "2001:db8::/32");
        return refuse(r, entry, why);
    }
    if (rest.p != NULL)
        range.bits = (uint8_t)bits;
    range.line = r->line;
    if (mask(&range)) { /* 10.1.2.3/8 is more likely a slip than meant */
        (void)inet_ntop(range.n == 4 ? AF_INET : AF_INET6, range.base, shown, sizeof(shown));
        (void)snprintf(why, sizeof(why), "has bits set behind its prefix; is %s/%d meant?", shown,
                       range.bits);
        return refuse(r, entry, why);
    }
    r->e->ranges = grown(r->e->ranges, r->e->ranges_n, &r->e->ranges_room, sizeof(*r->e->ranges));
    r->e->ranges[r->e->ranges_n++] = range;
    r->e->has_bits[range.n == 16][range.bits] = true;
    return true;
}

/* A host, in the form that URLs have it in.  `below` stands in front: "x." for a suffix. */
static bool read_host(struct reader *r, struct str entry, struct str host, const char *below,
                      struct names *to)
{
    char text[URL_HOST_MAX + 16];
    size_t at, n = (size_t)snprintf(text, sizeof(text), "wss://%s", below);
    enum url_refusal why;

    if (host.n == 0 || host.n > URL_HOST_MAX || str_find(host, STR("/"), &at))
        return refuse(r, entry,
                      "is none of these: a URL (wss://host/path), a host (relay.example.com), all "
                      "below it (*.example.com), addresses (203.0.113.0/24), network:tor");
    if (str_find(host, STR(":"), &at))
        return refuse(
            r, entry,
            "is a host with a port: write the host alone, or wss://host:port for one relay");
    memcpy(text + n, host.p, host.n);
    why = url_parse((struct str){text, n + host.n}, &url_any_address, r->url);
    if (why != URL_OK)
        return refuse(r, entry, url_refusal_text(why));
    add_name(r->e, to, str_z(r->url->host + strlen(below)), r->line);
    return true;
}

static bool read_entry(struct reader *r, struct str entry)
{
    bool is_address, good;

    if (str_starts(entry, STR("network:")))
        return read_network(r, entry);
    if (str_find(entry, STR("://"), NULL))
        return read_url(r, entry);
    if (str_starts(entry, STR("*.")))
        return read_host(r, entry, (struct str){entry.p + 2, entry.n - 2}, "x.", &r->e->suffixes);
    good = read_range(r, entry, &is_address);
    return is_address ? good : read_host(r, entry, entry, "", &r->e->hosts);
}

static void sort_all(struct entries *e)
{
    sort_names(&e->urls);
    sort_names(&e->hosts);
    sort_names(&e->suffixes);
    if (e->ranges_n > 0)
        qsort(e->ranges, e->ranges_n, sizeof(*e->ranges), by_range);
}

bool access_read(struct access *a, enum access_list which, struct str text, access_bad_line *bad,
                 void *owner)
{
    struct reader r = {.e = &a->lists[which], .url = malloc(sizeof(*r.url))};
    struct str rest = text, entry;
    bool good = true;

    if (r.url == NULL)
        abort();
    if (text.n > ACCESS_BYTES_MAX) {
        bad(owner, 0, "is larger than 16 MiB");
        good = false;
        rest = STR("");
    }
    while (str_next_entry(&rest, &r.line, &entry)) {
        if (r.e->n == ACCESS_ENTRIES_MAX) {
            bad(owner, r.line, "is beyond the 200,000 entries that a list may have");
            good = false;
            break;
        }
        r.e->n++;
        if (!read_entry(&r, entry)) {
            bad(owner, r.line, r.why);
            good = false;
        }
    }
    sort_all(r.e);
    free(r.url);
    return good;
}

/* -- asking -- */

static uint32_t find_address(const struct entries *e, const struct range *address)
{
    uint32_t line = 0;

    for (int bits = address->n * 8; bits >= 0 && line == 0; bits--) {
        struct range wanted = *address;
        if (!e->has_bits[address->n == 16][bits])
            continue;
        wanted.bits = (uint8_t)bits;
        (void)mask(&wanted);
        line = find_range(e, &wanted);
    }
    return line;
}

static uint32_t find_suffix(const struct entries *e, struct str host)
{
    uint32_t line = 0;
    size_t at;

    while (line == 0 && e->suffixes.n > 0 && str_find(host, STR("."), &at)) {
        host = (struct str){host.p + at + 1, host.n - at - 1};
        line = find_name(&e->suffixes, host);
    }
    return line;
}

static uint32_t find_url(const struct entries *e, const struct relay_url *url)
{
    struct str host = str_z(url->host);
    struct range address;
    uint32_t line;

    if ((line = find_name(&e->urls, str_z(url->text))) != 0)
        return line;
    if (url->ip_literal && read_address(host, &address) && (line = find_address(e, &address)) != 0)
        return line;
    if (!url->ip_literal && (line = find_name(&e->hosts, host)) != 0)
        return line;
    if (!url->ip_literal && (line = find_suffix(e, host)) != 0)
        return line;
    return e->networks[url->network];
}

struct access_verdict access_judge(const struct access *a, const struct relay_url *url)
{
    uint32_t line = find_url(&a->lists[ACCESS_LIST_ALLOW], url);

    if (line != 0)
        return (struct access_verdict){ACCESS_ALLOWED, line};
    line = find_url(&a->lists[ACCESS_LIST_DENY], url);
    return line != 0 ? (struct access_verdict){ACCESS_DENIED, line}
                     : (struct access_verdict){ACCESS_NEUTRAL, 0};
}

bool access_denies_address(const struct access *a, const uint8_t *bytes, size_t n)
{
    struct range address = {.n = (uint8_t)n, .bits = (uint8_t)(n * 8)};

    if (!access_has_addresses(a) || (n != 4 && n != 16))
        return false;
    memcpy(address.base, bytes, n);
    return find_address(&a->lists[ACCESS_LIST_DENY], &address) != 0 &&
           find_address(&a->lists[ACCESS_LIST_ALLOW], &address) == 0;
}

bool access_has_addresses(const struct access *a)
{
    return a->lists[ACCESS_LIST_DENY].ranges_n > 0;
}
