/* seen: see seen.h. */
#include "ingest/seen.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/set64.h"
#include "core/siphash.h"

enum { BUCKETS_FIRST = 1024 };

struct entry {
    struct entry *next;
    uint64_t fingerprint;
    struct id32 id;
    struct sig64 sig;
    enum flight state;
};

struct seen {
    struct siphash_key key;
    struct set64 known;
    struct entry **buckets; /* ids in flight: chains, doubled when they are as many as buckets */
    size_t buckets_n, entries;
};

static struct entry **new_buckets(size_t n)
{
    struct entry **buckets = calloc(n, sizeof(struct entry *));

    if (buckets == NULL)
        abort();
    return buckets;
}

struct seen *seen_new(uint64_t known_bytes_max)
{
    struct seen *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    siphash_key_random(&s->key);
    set64_init(&s->known, known_bytes_max);
    s->buckets_n = BUCKETS_FIRST;
    s->buckets = new_buckets(s->buckets_n);
    return s;
}

void seen_free(struct seen *s)
{
    for (size_t i = 0; i < s->buckets_n; i++)
        for (struct entry *e = s->buckets[i], *next; e != NULL; e = next) {
            next = e->next;
            free(e);
        }
    free(s->buckets);
    set64_done(&s->known);
    free(s);
}

uint64_t seen_fingerprint(const struct seen *s, const struct id32 *id)
{
    return siphash(&s->key, id->b, sizeof(id->b));
}

bool seen_known(const struct seen *s, uint64_t fingerprint)
{
    return set64_has(&s->known, fingerprint);
}

void seen_commit(struct seen *s, uint64_t fingerprint, int64_t created_at)
{
    (void)set64_add(&s->known, fingerprint, created_at);
}

void seen_forget_all(struct seen *s)
{
    set64_clear(&s->known);
}

/* Ids in flight */

static struct entry **find(const struct seen *s, const struct id32 *id, uint64_t fingerprint)
{
    struct entry **at = &s->buckets[fingerprint & (s->buckets_n - 1)];

    while (*at != NULL &&
           ((*at)->fingerprint != fingerprint || memcmp(&(*at)->id, id, sizeof(*id)) != 0))
        at = &(*at)->next;
    return at;
}

static void grow(struct seen *s)
{
    size_t n = s->buckets_n * 2;
    struct entry **buckets = new_buckets(n);

    for (size_t i = 0; i < s->buckets_n; i++)
        for (struct entry *e = s->buckets[i], *next; e != NULL; e = next) {
            next = e->next;
            e->next = buckets[e->fingerprint & (n - 1)];
            buckets[e->fingerprint & (n - 1)] = e;
        }
    free(s->buckets);
    s->buckets = buckets;
    s->buckets_n = n;
}

enum flight seen_flight(const struct seen *s, const struct id32 *id, uint64_t fingerprint,
                        const struct sig64 *sig)
{
    const struct entry *e = *find(s, id, fingerprint);

    if (e == NULL)
        return FLIGHT_NONE;
    if (e->state == FLIGHT_GOOD && memcmp(&e->sig, sig, sizeof(*sig)) != 0)
        return FLIGHT_NONE;
    return e->state;
}

bool seen_flight_take(struct seen *s, const struct id32 *id, uint64_t fingerprint,
                      const struct sig64 *sig)
{
    struct entry **at = find(s, id, fingerprint), *e;

    if (*at != NULL)
        return false;
    e = malloc(sizeof(*e));
    if (e == NULL)
        abort();
    *e =
        (struct entry){.fingerprint = fingerprint, .id = *id, .sig = *sig, .state = FLIGHT_PENDING};
    *at = e;
    if (++s->entries > s->buckets_n)
        grow(s);
    return true;
}

void seen_flight_good(struct seen *s, const struct id32 *id, uint64_t fingerprint)
{
    struct entry *e = *find(s, id, fingerprint);

    assert(e != NULL);
    e->state = FLIGHT_GOOD;
}

void seen_flight_drop(struct seen *s, const struct id32 *id, uint64_t fingerprint)
{
    struct entry **at = find(s, id, fingerprint), *e = *at;

    assert(e != NULL);
    *at = e->next;
    free(e);
    s->entries--;
}

uint64_t seen_bytes(const struct seen *s)
{
    return s->known.bytes + s->buckets_n * sizeof(struct entry *) +
           s->entries * sizeof(struct entry);
}

size_t seen_in_flight(const struct seen *s)
{
    return s->entries;
}
