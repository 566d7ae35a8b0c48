/* dns_answer: see dns_answer.h. */
#include "net/dns_answer.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/str.h"
#include "net/dns_internal.h"

enum { HEADER = 12, CLASS_IN = 1, TYPE_NS = 2, TYPE_CNAME = 5, FIXED = 10, NAME_SIZE = 256 };

struct walk {
    const unsigned char *message;
    size_t n, at;
    unsigned left; /* records of the answer section */
};

/* One CNAME or NS. */
struct record {
    char owner[NAME_SIZE], target[NAME_SIZE];
};

static unsigned u16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static bool is_plain(const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && *c != '-' && *c != '_' &&
            *c != '.')
            return false;
    return name[0] != '\0';
}

static bool lowered(const char *name, char to[NAME_SIZE])
{
    bool whole = str_copy(to, NAME_SIZE, str_z(name));

    for (char *c = to; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return whole;
}

/* The bytes that a name takes where it stands; 0: it is none.  `to` is "" for one that is not
 * plain, or longer than names are. */
static size_t read_name(const struct walk *w, size_t at, char to[NAME_SIZE])
{
    char *text = NULL;
    long used = 0;

    to[0] = '\0';
    if (at >= w->n ||
        ares_expand_name(w->message + at, w->message, (int)w->n, &text, &used) != ARES_SUCCESS)
        return 0;
    bool whole = lowered(text, to);
    if (!whole || !is_plain(to))
        to[0] = '\0';
    ares_free_string(text);
    return used > 0 && (size_t)used <= w->n - at ? (size_t)used : 0;
}

static bool begin(struct walk *w, const unsigned char *message, size_t n)
{
    char name[NAME_SIZE];
    size_t used;

    *w = (struct walk){.message = message, .n = n, .at = HEADER};
    if (n < HEADER || n > INT_MAX || u16(message + 4) != 1)
        return false;
    used = read_name(w, w->at, name);
    if (used == 0 || w->n - w->at - used < 4)
        return false;
    w->at += used + 4;
    w->left = u16(message + 6) < DNS_RECORDS_MAX ? u16(message + 6) : DNS_RECORDS_MAX;
    return true;
}

/* The next record of this type with plain names; false: there is none. */
static bool next(struct walk *w, unsigned type, struct record *r)
{
    while (w->left > 0) {
        size_t used = read_name(w, w->at, r->owner), bytes;
        const unsigned char *fixed;

        w->left--;
        if (used == 0 || w->n - w->at - used < FIXED)
            break;
        w->at += used;
        fixed = w->message + w->at;
        bytes = u16(fixed + 8);
        w->at += FIXED;
        if (w->n - w->at < bytes)
            break;
        bool wanted = u16(fixed) == type && u16(fixed + 2) == CLASS_IN &&
                      read_name(w, w->at, r->target) == bytes;
        w->at += bytes;
        if (wanted && r->owner[0] != '\0' && r->target[0] != '\0')
            return true;
    }
    w->left = 0;
    return false;
}

static void append(char to[DNS_NAMES_BYTES], const char *name)
{
    size_t at = strlen(to), n = strlen(name);

    if (at + n + 2 > DNS_NAMES_BYTES)
        return;
    if (at > 0)
        to[at++] = ' ';
    memcpy(to + at, name, n + 1);
}

/* Each is found once: a circle ends where it began. */
static bool follow(struct record *records, int count, char at[NAME_SIZE])
{
    for (int i = 0; i < count; i++)
        if (strcmp(records[i].owner, at) == 0) {
            memcpy(at, records[i].target, NAME_SIZE);
            records[i].owner[0] = '\0';
            return true;
        }
    return false;
}

void dns_read_aliases(const unsigned char *message, size_t n, const char *name,
                      char to[DNS_NAMES_BYTES])
{
    struct record *records = calloc(DNS_NAMES_MAX, sizeof(*records));
    char at[NAME_SIZE];
    struct walk w;
    int count = 0;

    if (records == NULL)
        abort();
    to[0] = '\0';
    (void)lowered(name, at);
    if (begin(&w, message, n))
        while (count < DNS_NAMES_MAX && next(&w, TYPE_CNAME, &records[count]))
            count++;
    while (follow(records, count, at)) /* they may stand in any order */
        append(to, at);
    free(records);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

void dns_read_name_servers(const unsigned char *message, size_t n, const char *name,
                           char to[DNS_NAMES_BYTES])
{
    char(*names)[NAME_SIZE] = calloc(DNS_NAMES_MAX, sizeof(*names));
    char asked[NAME_SIZE];
    struct record r;
    struct walk w;
    size_t count = 0;

    if (names == NULL)
        abort();
    to[0] = '\0';
    (void)lowered(name, asked);
    if (begin(&w, message, n))
        while (count < DNS_NAMES_MAX && next(&w, TYPE_NS, &r))
            if (strcmp(r.owner, asked) == 0)
                memcpy(names[count++], r.target, NAME_SIZE);
    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            append(to, names[i]);
    free(names);
}
