/* chunk: see chunk.h.  Memory only; what happens to a chunk is decided in ingest.c. */
#include "ingest/chunk.h"

#include <stdlib.h>

enum { ARENA_BLOCK_BYTES = 32 * 1024, ITEMS_FIRST = 16 };

struct chunk *chunk_new(struct ingest *in, struct ingest_page *page)
{
    struct chunk *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    c->ingest = in;
    c->page = page;
    c->state = CHUNK_FILLING;
    list_init(&c->link);
    list_init(&c->page_link);
    arena_init(&c->arena, ARENA_BLOCK_BYTES);
    return c;
}

void chunk_free(struct chunk *c)
{
    list_remove(&c->link);
    list_remove(&c->page_link);
    arena_done(&c->arena);
    free(c->items);
    free(c);
}

bool chunk_full(const struct chunk *c, size_t next_bytes)
{
    return c->n == CHUNK_EVENTS_MAX || (c->n > 0 && c->bytes + next_bytes > CHUNK_BYTES_MAX);
}

void chunk_add(struct chunk *c, struct str raw, int64_t seen_at_ms)
{
    if (c->n == c->room) {
        c->room = c->room == 0 ? ITEMS_FIRST : c->room * 2;
        c->items = realloc(c->items, c->room * sizeof(*c->items));
        if (c->items == NULL)
            abort();
    }
    c->items[c->n++] = (struct item){
        .raw = arena_copy(&c->arena, raw),
        .seen_at_ms = seen_at_ms,
        .verdict = VERDICT_NEW,
        .why = REJECT_NONE,
    };
    c->bytes += raw.n;
}

uint64_t chunk_held(const struct chunk *c)
{
    return sizeof(*c) + c->arena.bytes + (uint64_t)c->room * sizeof(struct item);
}
