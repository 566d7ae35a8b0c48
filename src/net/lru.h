/* Lru: a bounded table from short keys to values; the one unused longest goes first.
 *
 *     most recent -> ... -> oldest       put: in front; then the back goes until the bounds hold
 *
 * Holds values that somebody else made, and frees them with the function given.  Keys are copied.
 * Keys come from strangers, so the hash is keyed.  Used on one thread. */
#ifndef NET_LRU_H
#define NET_LRU_H

#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct lru;

struct lru *lru_new(size_t count_max, size_t bytes_max, void (*drop)(void *value));
void lru_free(struct lru *l); /* drops all; NULL is fine */

/* Takes the value; `bytes` is what it weighs.  An older value of the key is dropped. */
void lru_put(struct lru *l, struct str key, void *value, size_t bytes);
void *lru_get(
    struct lru *l,
    struct str key); /* NULL: not there.  Still the table's; valid until the next put or remove */
void lru_remove(struct lru *l, struct str key);

size_t lru_count(const struct lru *l);
size_t lru_bytes(const struct lru *l); /* values, keys and the table's own entries */

#endif
