/* The binary heap: parent of i at (i - 1) / 2; every move keeps node->place right. */
#include "core/heap.h"

#include <assert.h>
#include <stdlib.h>

void heap_init(struct heap *h)
{
    *h = (struct heap){NULL, 0, 0};
}

void heap_done(struct heap *h)
{
    for (size_t i = 0; i < h->n; i++)
        h->nodes[i]->place = 0;
    free(h->nodes);
    heap_init(h);
}

static void set_at(struct heap *h, size_t i, struct heap_node *node)
{
    h->nodes[i] = node;
    node->place = i + 1;
}

static void sift_up(struct heap *h, size_t i, struct heap_node *node)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;

        if (h->nodes[parent]->due <= node->due)
            break;
        set_at(h, i, h->nodes[parent]);
        i = parent;
    }
    set_at(h, i, node);
}

static void sift_down(struct heap *h, size_t i, struct heap_node *node)
{
    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= h->n)
            break;
        if (child + 1 < h->n && h->nodes[child + 1]->due < h->nodes[child]->due)
            child++;
        if (node->due <= h->nodes[child]->due)
            break;
        set_at(h, i, h->nodes[child]);
        i = child;
    }
    set_at(h, i, node);
}

/* Puts `node` where `i` is, and from there to its right place. */
static void settle(struct heap *h, size_t i, struct heap_node *node)
{
    if (i > 0 && node->due < h->nodes[(i - 1) / 2]->due)
        sift_up(h, i, node);
    else
        sift_down(h, i, node);
}

void heap_put(struct heap *h, struct heap_node *node, int64_t due)
{
    node->due = due;
    if (node->place != 0) {
        assert(node->place <= h->n && h->nodes[node->place - 1] == node);
        settle(h, node->place - 1, node);
        return;
    }
    if (h->n == h->size) {
        size_t size = h->size == 0 ? 64 : h->size * 2;
        struct heap_node **grown = realloc(h->nodes, size * sizeof(struct heap_node *));

        if (grown == NULL)
            abort(); /* eight bytes for an object that exists already */
        h->nodes = grown;
        h->size = size;
    }
    h->n++;
    sift_up(h, h->n - 1, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    size_t i = node->place - 1;
    struct heap_node *last;

    if (node->place == 0)
        return;
    assert(node->place <= h->n && h->nodes[i] == node);
    last = h->nodes[--h->n];
    node->place = 0;
    if (last != node)
        settle(h, i, last);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->n > 0 ? h->nodes[0] : NULL;
}

struct heap_node *heap_take_due(struct heap *h, int64_t now)
{
    struct heap_node *first = heap_first(h);

    if (first == NULL || first->due > now)
        return NULL;
    heap_remove(h, first);
    return first;
}
