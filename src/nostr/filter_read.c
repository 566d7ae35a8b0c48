/* The values of a [filter NAME] section: lists separated by commas, times as seconds or dates. */
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "nostr/filter_spec.h"
#include "nostr/nip19.h"
#include "nostr/utf8.h"

enum { KIND_MAX = 65535, QUOTE_MAX = 64 };

static int bad_value(struct err *err, struct str value, const char *what)
{
    char quoted[QUOTE_MAX];

    return err_set(err, ERR_CONFIG, "\"%s\" is no %s", str_escape(quoted, sizeof(quoted), value),
                   what);
}

/* Room for one more element in an array of n; grows by doubling. */
static void *grown(void *array, size_t n, size_t size)
{
    if ((n & (n - 1)) != 0) /* a power of two is full, and so is nothing */
        return array;
    array = realloc(array, (n == 0 ? 1 : 2 * n) * size);
    if (array == NULL)
        abort();
    return array;
}

static size_t distinct(void *array, size_t n, size_t size, int (*order)(const void *, const void *))
{
    char *at = array;
    size_t kept = 0;

    if (n == 0)
        return 0;
    qsort(array, n, size, order);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || order(at + i * size, at + (kept - 1) * size) != 0)
            memmove(at + kept++ * size, at + i * size, size);
    return kept;
}

static int hash_order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct hash32));
}

static int str_order(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    int by_bytes = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

    return by_bytes != 0 ? by_bytes : (x->n > y->n) - (x->n < y->n);
}

/* "7" or "30000-39999". */
static bool read_range(struct str item, uint64_t *first, uint64_t *last)
{
    struct str from;

    if (!str_cut(&item, '-', &from) || !str_u64(str_trim(from), first))
        return false;
    *last = *first;
    if (item.p != NULL && !str_u64(str_trim(item), last))
        return false;
    return *first <= *last && *last <= KIND_MAX;
}

int filter_read_kinds(struct str value, struct filter_part *part, struct err *err)
{
    uint8_t seen[(KIND_MAX + 1) / 8] = {0};
    struct str item;
    size_t n = part->kinds_n;

    for (size_t i = 0; i < n; i++)
        seen[part->kinds[i] / 8] |= (uint8_t)(1u << part->kinds[i] % 8);
    while (str_cut(&value, ',', &item)) {
        uint64_t first, last;

        if (!read_range(str_trim(item), &first, &last))
            return bad_value(err, item, "kind (0 to 65535) or range of kinds");
        for (; first <= last; first++) {
            n += (seen[first / 8] >> first % 8 & 1) == 0;
            seen[first / 8] |= (uint8_t)(1u << first % 8);
        }
    }
    free(part->kinds);
    part->kinds = calloc(n + 1, sizeof(int32_t));
    if (part->kinds == NULL)
        abort();
    part->kinds_n = 0;
    for (int32_t kind = 0; kind <= KIND_MAX; kind++)
        if (seen[kind / 8] >> kind % 8 & 1)
            part->kinds[part->kinds_n++] = kind;
    return 0;
}

/* Hex, or the forms of NIP-19 that name an author or an event. */
static bool read_hash(struct str item, bool author, struct hash32 *out)
{
    struct nip19 x;

    if (hex_decode(out->b, item, sizeof(out->b)))
        return true;
    if (!nip19_decode(item, &x))
        return false;
    if (author ? x.type != NIP19_NPUB && x.type != NIP19_NPROFILE
               : x.type != NIP19_NOTE && x.type != NIP19_NEVENT)
        return false;
    memcpy(out->b, x.key, sizeof(out->b));
    return true;
}

int filter_read_hashes(struct str value, bool authors, struct hashes *out, struct err *err)
{
    struct str item;

    while (str_cut(&value, ',', &item)) {
        struct hash32 hash;

        if (!read_hash(str_trim(item), authors, &hash))
            return bad_value(err, item,
                             authors ? "public key (64 hexadecimal digits or npub1...)"
                                     : "event id (64 hexadecimal digits or note1...)");
        out->at = grown(out->at, out->n, sizeof(hash));
        out->at[out->n++] = hash;
    }
    out->n = distinct(out->at, out->n, sizeof(struct hash32), hash_order);
    return 0;
}

/* Tags that hold a key or an id hold it in hex: npub and note are written so for people. */
static struct str tag_value(const char *name, struct str item, char hex[64])
{
    bool author = strcmp(name, "p") == 0 || strcmp(name, "P") == 0;
    bool event = strcmp(name, "e") == 0 || strcmp(name, "E") == 0 || strcmp(name, "q") == 0;
    struct hash32 hash;

    if ((!author && !event) || !read_hash(item, author, &hash))
        return item;
    hex_encode(hex, hash.b, sizeof(hash.b));
    return (struct str){hex, 64};
}

int filter_add_tag_value(struct str item, struct tag_rule *rule, struct err *err)
{
    char hex[64], *copy;
    struct str text = tag_value(rule->name, item, hex);

    if (!utf8_valid(text))
        return bad_value(err, item, "value of a tag");
    copy = malloc(text.n + 1); /* one of NIP-01 may be empty: {"#d":[""]} */
    if (copy == NULL)
        abort();
    memcpy(copy, text.p, text.n);
    rule->values = grown(rule->values, rule->n, sizeof(struct str));
    rule->values[rule->n++] = (struct str){copy, text.n};
    return 0;
}

void filter_tag_done(struct tag_rule *rule)
{
    size_t before = rule->n;

    if (before == 0)
        return;
    qsort(rule->values, rule->n, sizeof(struct str), str_order);
    rule->n = 0;
    for (size_t i = 0; i < before; i++) {
        if (rule->n > 0 && str_eq(rule->values[i], rule->values[rule->n - 1]))
            free((char *)(uintptr_t)rule->values[i].p);
        else
            rule->values[rule->n++] = rule->values[i];
    }
}

int filter_read_tag(struct str value, struct tag_rule *rule, struct err *err)
{
    struct str item;

    while (str_cut(&value, ',', &item)) {
        item = str_trim(item);
        if (item.n == 0)
            return bad_value(err, item, "value of a tag");
        if (filter_add_tag_value(item, rule, err) < 0)
            return -1;
    }
    filter_tag_done(rule);
    return 0;
}

/* Exactly n digits at *s. */
static bool take_number(struct str *s, size_t n, int64_t min, int64_t max, int64_t *out)
{
    uint64_t value;

    if (s->n < n || !str_u64((struct str){s->p, n}, &value) || (int64_t)value < min ||
        (int64_t)value > max)
        return false;
    *out = (int64_t)value;
    *s = (struct str){s->p + n, s->n - n};
    return true;
}

static bool take_char(struct str *s, const char *any_of)
{
    if (s->n == 0 || strchr(any_of, s->p[0]) == NULL)
        return false;
    *s = (struct str){s->p + 1, s->n - 1};
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar; years are counted from March, so that the day
 * that comes and goes is the last one. */
static int64_t days_since_epoch(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* "Z" or "+02:00", in seconds east. */
static bool take_offset(struct str *s, int64_t *seconds)
{
    int64_t hours, minutes;
    bool west;

    *seconds = 0;
    if (take_char(s, "Zz"))
        return true;
    west = s->n > 0 && s->p[0] == '-';
    if (!take_char(s, "+-") || !take_number(s, 2, 0, 23, &hours) || !take_char(s, ":") ||
        !take_number(s, 2, 0, 59, &minutes))
        return false;
    *seconds = (hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

/* RFC 3339: "2024-05-01" (midnight, UTC) or "2024-05-01T12:00:00+02:00"; fractions are cut off. */
static bool read_date(struct str s, int64_t *out)
{
    int64_t year, month, day, hour, minute, second, offset;

    if (!take_number(&s, 4, 1970, 9999, &year) || !take_char(&s, "-") ||
        !take_number(&s, 2, 1, 12, &month) || !take_char(&s, "-") ||
        !take_number(&s, 2, 1, days_in_month(year, month), &day))
        return false;
    *out = days_since_epoch(year, month, day) * 86400;
    if (s.n == 0)
        return true;
    if (!take_char(&s, "Tt ") || !take_number(&s, 2, 0, 23, &hour) || !take_char(&s, ":") ||
        !take_number(&s, 2, 0, 59, &minute) || !take_char(&s, ":") ||
        !take_number(&s, 2, 0, 60, &second))
        return false;
    if (take_char(&s, "."))
        while (take_char(&s, "0123456789"))
            continue;
    if (!take_offset(&s, &offset) || s.n > 0)
        return false;
    *out += hour * 3600 + minute * 60 + second - offset;
    return *out >= 0;
}

int filter_read_time(struct str value, int64_t *out, struct err *err)
{
    uint64_t seconds;

    value = str_trim(value);
    if (str_u64(value, &seconds) && seconds < (uint64_t)1 << 53) {
        *out = (int64_t)seconds;
        return 0;
    }
    return read_date(value, out) ? 0 : bad_value(err, value, "time (UNIX seconds or 2024-05-01)");
}
