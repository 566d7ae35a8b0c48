/* Lru: chained hash, and a list in the order of use. */
#include "net/lru.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/list.h"
#include "core/siphash.h"

struct entry {
    struct list order;
    struct entry *next; /* of the bucket */
    void *value;
    size_t bytes; /* value, key and this */
    uint64_t hash;
    size_t key_n;
    char key[];
};

struct lru {
    struct siphash_key hash_key;
    struct list order; /* most recently used first */
    struct entry **buckets;
    size_t bucket_mask;
    size_t count, count_max, bytes, bytes_max;
    void (*drop)(void *value);
};

struct lru *lru_new(size_t count_max, size_t bytes_max, void (*drop)(void *value))
{
    struct lru *l = calloc(1, sizeof(*l));
    size_t buckets = 16;

    while (buckets < count_max)
        buckets *= 2;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a bucket is a pointer */
    if (l == NULL || (l->buckets = calloc(buckets, sizeof(*l->buckets))) == NULL)
        abort();
    siphash_key_random(&l->hash_key);
    list_init(&l->order);
    l->bucket_mask = buckets - 1;
    l->count_max = count_max;
    l->bytes_max = bytes_max;
    l->drop = drop;
    return l;
}

static struct entry **find(struct lru *l, struct str key, uint64_t hash)
{
    struct entry **at = &l->buckets[hash & l->bucket_mask];

    while (*at != NULL &&
           ((*at)->hash != hash || (*at)->key_n != key.n || memcmp((*at)->key, key.p, key.n) != 0))
        at = &(*at)->next;
    return at;
}

static void remove_at(struct lru *l, struct entry **at)
{
    struct entry *e = *at;

    *at = e->next;
    list_remove(&e->order);
    l->count--;
    l->bytes -= e->bytes;
    l->drop(e->value);
    free(e);
}

void lru_remove(struct lru *l, struct str key)
{
    struct entry **at = find(l, key, siphash(&l->hash_key, key.p, key.n));

    if (*at != NULL)
        remove_at(l, at);
}

static void remove_oldest(struct lru *l)
{
    struct entry *e = CONTAINER_OF(l->order.prev, struct entry, order);

    remove_at(l, find(l, (struct str){e->key, e->key_n}, e->hash));
}

void lru_free(struct lru *l)
{
    if (l == NULL)
        return;
    while (l->count > 0)
        remove_oldest(l);
    free(l->buckets);
    free(l);
}

void lru_put(struct lru *l, struct str key, void *value, size_t bytes)
{
    uint64_t hash = siphash(&l->hash_key, key.p, key.n);
    struct entry **at = find(l, key, hash);

    if (*at != NULL)
        remove_at(l, at);

    struct entry *e = malloc(sizeof(*e) + key.n);

    if (e == NULL)
        abort();
    e->value = value;
    e->bytes = bytes + sizeof(*e) + key.n;
    e->hash = hash;
    e->key_n = key.n;
    memcpy(e->key, key.p, key.n);
    e->next = l->buckets[hash & l->bucket_mask];
    l->buckets[hash & l->bucket_mask] = e;
    list_add_head(&l->order, &e->order);
    l->count++;
    l->bytes += e->bytes;
    while (l->count > l->count_max || l->bytes > l->bytes_max)
        remove_oldest(l); /* the new one itself, when it alone is too heavy */
}

void *lru_get(struct lru *l, struct str key)
{
    struct entry *e = *find(l, key, siphash(&l->hash_key, key.p, key.n));

    if (e == NULL)
        return NULL;
    list_remove(&e->order);
    list_add_head(&l->order, &e->order);
    return e->value;
}

size_t lru_count(const struct lru *l)
{
    return l->count;
}

size_t lru_bytes(const struct lru *l)
{
    return l->bytes;
}
