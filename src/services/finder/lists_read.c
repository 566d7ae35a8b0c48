/* lists_read: see lists_read.h. */
#include "services/finder/lists_read.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK = 256 * 1024, URL_LISTED_MAX = 1024 };

struct reader {
    struct lists_read *out;
    struct relay_url *url; /* scratch */
};

static void refuse(struct lists_read *r, struct str text, enum url_refusal why)
{
    if (r->refused++ > 0)
        return;
    r->why = why;
    (void)str_escape(r->example, sizeof(r->example), text);
}

static void on_entry(void *owner, struct str text)
{
    struct reader *reader = owner;
    struct lists_read *r = reader->out;
    enum url_refusal why;

    r->entries++;
    if (r->n == LISTED_MAX) {
        r->beyond++;
        return;
    }
    why = url_parse(text, NULL, reader->url);
    if (why == URL_OK && strlen(reader->url->text) > URL_LISTED_MAX)
        why = URL_TOO_LONG;
    if (why != URL_OK) {
        refuse(r, text, why);
        return;
    }
    r->relays[r->n++] =
        (struct listed){arena_copy(&r->arena, str_z(reader->url->text)), reader->url->network};
}

static int by_url(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    size_t n = x->url.n < y->url.n ? x->url.n : y->url.n;
    int order = memcmp(x->url.p, y->url.p, n);

    return order != 0 ? order : (x->url.n > y->url.n) - (x->url.n < y->url.n);
}

static void drop_repeated(struct lists_read *r)
{
    uint32_t kept = 0;

    if (r->n > 0)
        qsort(r->relays, r->n, sizeof(*r->relays), by_url);
    for (uint32_t i = 0; i < r->n; i++)
        if (kept == 0 || !str_eq(r->relays[kept - 1].url, r->relays[i].url))
            r->relays[kept++] = r->relays[i];
    r->n = kept;
}

int lists_read(struct lists_read *r, struct str text, bool json, const char *path, struct err *err)
{
    struct reader reader = {.out = r, .url = malloc(sizeof(*reader.url))};
    int result = 0;

    if (reader.url == NULL)
        abort();
    *r = (struct lists_read){.why = URL_OK};
    arena_init(&r->arena, ARENA_BLOCK);
    r->relays = arena_alloc(&r->arena, LISTED_MAX * sizeof(*r->relays));
    if (json)
        result = relay_list_json(text, path, on_entry, &reader, err);
    else
        relay_list_lines(text, on_entry, &reader);
    free(reader.url);
    drop_repeated(r);
    return result;
}

void lists_read_done(struct lists_read *r)
{
    arena_done(&r->arena);
}
