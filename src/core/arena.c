/* Bump allocation in blocks.
 *
 *     first --> large --> ... --> NULL
 *       ^ current: the block whose tail is handed out; a request that is larger than a block gets
 *         one of its own behind it, and current stays
 *
 * Under AddressSanitizer the unused tail is poisoned and a gap is left behind every allocation, so
 * that an overflow inside an arena is found as it would be with malloc. */
#include "core/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { GAP = 0 };
#endif

struct arena_block {
    struct arena_block *next;
    size_t size, used; /* of data */
    alignas(max_align_t) char data[];
};

enum { ALIGN = alignof(max_align_t) };

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static struct arena_block *block_new(struct arena *a, size_t size)
{
    struct arena_block *b = malloc(sizeof(*b) + size);

    if (b == NULL)
        abort(); /* callers bound what they ask for */
    b->next = NULL;
    b->size = size;
    b->used = 0;
    a->bytes += sizeof(*b) + size;
    ASAN_POISON_MEMORY_REGION(b->data, b->size);
    return b;
}

static void block_free(struct arena *a, struct arena_block *b)
{
    a->bytes -= sizeof(*b) + b->size;
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    free(b);
}

static void *block_take(struct arena_block *b, size_t n)
{
    char *p = b->data + b->used;

    b->used += round_up(n) + GAP;
    ASAN_UNPOISON_MEMORY_REGION(p, n);
    return p;
}

/* Puts a fresh block behind the current one. */
static struct arena_block *block_add(struct arena *a, size_t size)
{
    struct arena_block *b = block_new(a, size);

    if (a->current == NULL) {
        a->first = a->current = b;
    } else {
        b->next = a->current->next;
        a->current->next = b;
    }
    return b;
}

void arena_init(struct arena *a, size_t block_bytes)
{
    assert(block_bytes > 0);
    *a = (struct arena){.block_bytes = round_up(block_bytes)};
}

void arena_done(struct arena *a)
{
    arena_reset(a);
    if (a->first != NULL)
        block_free(a, a->first);
    a->first = a->current = NULL;
    assert(a->bytes == 0);
}

void arena_reset(struct arena *a)
{
    struct arena_block *next;

    if (a->first == NULL)
        return;
    for (struct arena_block *b = a->first->next; b != NULL; b = next) {
        next = b->next;
        block_free(a, b);
    }
    a->first->next = NULL;
    a->first->used = 0;
    ASAN_POISON_MEMORY_REGION(a->first->data, a->first->size);
    a->current = a->first;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t need;

    if (n > SIZE_MAX / 2)
        abort();
    need = round_up(n) + GAP;
    if (a->current == NULL)
        (void)block_add(a, a->block_bytes);
    if (need > a->block_bytes)
        return block_take(block_add(a, need), n);
    if (need > a->current->size - a->current->used)
        a->current = block_add(a, a->block_bytes);
    return block_take(a->current, n);
}

struct str arena_copy(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

void arena_shrink_last(struct arena *a, void *last, size_t old_n, size_t new_n)
{
    struct arena_block *b = a->current;
    size_t was = round_up(old_n) + GAP;

    assert(new_n <= old_n);
    /* A block of its own (larger than block_bytes) has no tail that anyone could use. */
    if (b == NULL || b->used < was || b->data + (b->used - was) != (char *)last)
        return;
    b->used -= was;
    ASAN_POISON_MEMORY_REGION(last, old_n);
    (void)block_take(b, new_n);
}
