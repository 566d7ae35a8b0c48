/* Arena: memory that goes all at once.
 *
 *     block -> block -> block        allocations bump a pointer; a reset keeps the first block
 *
 * Owned by whoever embeds it, used by one thread at a time.  Out of memory aborts: callers bound
 * what they ask for (arena_bytes) before they ask. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

#include "core/names.h"
#include "core/str.h"

struct arena_block;

struct arena {
    struct arena_block *first, *current;
    size_t block_bytes; /* of a fresh block; a larger request gets a block of its own */
    size_t bytes;       /* held from malloc, all blocks */
};

void arena_init(struct arena *a, size_t block_bytes);
void arena_done(struct arena *a);
void arena_reset(struct arena *a); /* keeps one block, returns the rest to malloc */

void *arena_alloc(struct arena *a, size_t n); /* aligned for any type, not zeroed */
struct str arena_copy(struct arena *a, struct str s);

/* Gives back the unused tail of the allocation that was made last. */
void arena_shrink_last(struct arena *a, void *last, size_t old_n, size_t new_n);

#endif
