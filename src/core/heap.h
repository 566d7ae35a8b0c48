/* A priority queue of things that are due: an intrusive binary heap, the earliest on top.
 *
 * An object is queued by embedding a struct heap_node (CONTAINER_OF leads back, list.h).  A node is
 * on one heap at most; it knows its place, so removing it or moving its time is O(log n).  A zeroed
 * node is on no heap.  Among equal times the order is not defined. */
#ifndef CORE_HEAP_H
#define CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t due;
    size_t place; /* index + 1; 0: on no heap */
};

struct heap {
    struct heap_node **nodes; /* only pointers are owned */
    size_t n, size;
};

void heap_init(struct heap *h);
void heap_done(struct heap *h); /* the nodes that are still on it are taken off */

static inline bool heap_has(const struct heap_node *node)
{
    return node->place != 0;
}

void heap_put(struct heap *h, struct heap_node *node, int64_t due); /* adds it, or moves it */
void heap_remove(struct heap *h, struct heap_node *node); /* harmless when it is on none */

struct heap_node *heap_first(const struct heap *h); /* NULL when empty */
struct heap_node *heap_take_due(struct heap *h,
                                int64_t now); /* removes one with due <= now, or NULL */

#endif
