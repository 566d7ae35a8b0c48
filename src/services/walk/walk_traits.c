/* What has been learnt of a relay, as text: "cap=500 page=0 newest=1 until=1 restricts=0 ..
 * served=1,7,0". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/walk/walk.h"

int walk_traits_write(const struct walk_traits *t, char *to, size_t size)
{
    int n = snprintf(to, size,
                     "cap=%" PRId32 " page=%" PRId32 " newest=%d until=%d restricts=%d hides=%d "
                     "scraper=%d finishes=%d pages=%" PRIu32,
                     t->cap, t->page, (int)t->newest_first, (int)t->honours_until, t->restricts,
                     t->hides, t->scraper, t->finishes, t->pages);

    for (uint32_t i = 0; i < t->served_n && i < WALK_SERVED_MAX && n >= 0 && (size_t)n < size; i++)
        n += snprintf(to + n, size - (size_t)n, "%s%" PRId32, i ? "," : " served=", t->served[i]);
    return n >= 0 && (size_t)n < size ? n : -1;
}

static long bounded(const char *text, long max)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || (*end && *end != ' ' && *end != ',') || value < 0 || value > max)
        return -1;
    return value;
}

static void read_served(struct walk_traits *t, const char *text)
{
    t->served_n = 0;
    while (t->served_n < WALK_SERVED_MAX) {
        long kind = bounded(text, 65535);
        if (kind < 0)
            return;
        t->served[t->served_n++] = (int32_t)kind;
        text += strcspn(text, ", ");
        if (*text != ',')
            return;
        text++;
    }
}

static bool word(const char *at, const char *name, const char **value)
{
    size_t n = strlen(name);

    if (strncmp(at, name, n) != 0 || at[n] != '=')
        return false;
    *value = at + n + 1;
    return true;
}

static void read_word(struct walk_traits *t, const char *at)
{
    const char *value;
    long v;

    if (word(at, "cap", &value) && (v = bounded(value, INT32_MAX)) >= 0)
        t->cap = (int32_t)v;
    else if (word(at, "page", &value) && (v = bounded(value, INT32_MAX)) >= 0)
        t->page = (int32_t)v;
    else if (word(at, "newest", &value) && (v = bounded(value, TRI_NO)) >= 0)
        t->newest_first = (enum tri)v;
    else if (word(at, "until", &value) && (v = bounded(value, TRI_NO)) >= 0)
        t->honours_until = (enum tri)v;
    else if (word(at, "restricts", &value) && (v = bounded(value, 1)) >= 0)
        t->restricts = v;
    else if (word(at, "hides", &value) && (v = bounded(value, 1)) >= 0)
        t->hides = v;
    else if (word(at, "scraper", &value) && (v = bounded(value, 1)) >= 0)
        t->scraper = v;
    else if (word(at, "finishes", &value) && (v = bounded(value, 1)) >= 0)
        t->finishes = v;
    else if (word(at, "pages", &value) && (v = bounded(value, UINT32_MAX)) >= 0)
        t->pages = (uint32_t)v;
    else if (word(at, "served", &value))
        read_served(t, value);
}

void walk_traits_read(struct walk_traits *t, const char *text)
{
    *t = (struct walk_traits){0};
    for (const char *at = text + strspn(text, " "); *at;) {
        read_word(t, at);
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
}
