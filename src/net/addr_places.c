/* addr_places: see addr_places.h.  A chained hash table; an address is forgotten when it has no
 * connection and nothing is remembered of it any more, so the table is as large as what is open and
 * what is waited for. */
#include "net/addr_places.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/list.h"
#include "core/siphash.h"

enum { BUCKETS = 4096, KEY_BYTES = 9, US = 1000, SECOND_US = 1000 * 1000 };

struct address {
    struct address *next;   /* in its bucket */
    uint8_t key[KEY_BYTES]; /* 4 or 6, and the four bytes or the first eight */
    uint32_t open;          /* those that linger among them */
    struct list lingering;  /* struct addr_place, oldest first */
    int64_t paid_us;        /* connections of the last second are paid for until then */
    int64_t turn_ms;        /* the last that was given */
    int64_t crowded_until_ms;
};

struct addr_place {
    struct list link; /* of its address, while it lingers */
    struct address *address;
    int64_t left_ms;
};

struct addr_places {
    struct addr_limits limits;
    struct siphash_key hash_key; /* strangers choose the addresses */
    struct address *buckets[BUCKETS];
};

struct addr_places *addr_places_new(const struct addr_limits *limits)
{
    struct addr_places *p = calloc(1, sizeof(*p));

    if (p == NULL)
        abort();
    p->limits = *limits;
    siphash_key_random(&p->hash_key);
    return p;
}

void addr_places_set_limits(struct addr_places *p, const struct addr_limits *limits)
{
    p->limits = *limits;
}

static void address_free(struct address *a)
{
    struct list *l;

    while ((l = list_take_first(&a->lingering)) != NULL)
        free(CONTAINER_OF(l, struct addr_place, link));
    free(a);
}

void addr_places_free(struct addr_places *p)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct address *a = p->buckets[i], *next; a != NULL; a = next) {
            next = a->next;
            address_free(a);
        }
    free(p);
}

static void key_of(const struct ip *ip, uint8_t key[KEY_BYTES])
{
    memset(key, 0, KEY_BYTES);
    key[0] = ip->family == AF_INET ? 4 : 6;
    memcpy(key + 1, ip->bytes, ip->family == AF_INET ? 4 : 8);
}

static size_t bucket_of(const struct addr_places *p, const uint8_t *key)
{
    return siphash(&p->hash_key, key, KEY_BYTES) % BUCKETS;
}

static struct address *find(const struct addr_places *p, const struct ip *ip)
{
    uint8_t key[KEY_BYTES];
    struct address *a;

    key_of(ip, key);
    for (a = p->buckets[bucket_of(p, key)]; a != NULL; a = a->next)
        if (memcmp(a->key, key, KEY_BYTES) == 0)
            break;
    return a;
}

/* Places that were left long enough ago are free. */
static void settle(struct address *a, int64_t now_ms)
{
    while (!list_empty(&a->lingering)) {
        struct addr_place *place = CONTAINER_OF(a->lingering.next, struct addr_place, link);

        if (now_ms - place->left_ms < ADDR_LINGER_MS)
            return;
        list_remove(&place->link);
        free(place);
        a->open--;
    }
}

/* What has nothing to say any more leaves its bucket. */
static void forget_idle(struct address **at, int64_t now_ms)
{
    while (*at != NULL) {
        struct address *a = *at;

        settle(a, now_ms);
        if (a->open == 0 && a->paid_us <= now_ms * US && a->turn_ms <= now_ms &&
            a->crowded_until_ms <= now_ms) {
            *at = a->next;
            address_free(a);
        } else {
            at = &a->next;
        }
    }
}

static struct address *find_or_add(struct addr_places *p, const struct ip *ip, int64_t now_ms)
{
    struct address *a = find(p, ip), **bucket;
    uint8_t key[KEY_BYTES];

    if (a != NULL) {
        settle(a, now_ms);
        return a;
    }
    key_of(ip, key);
    bucket = &p->buckets[bucket_of(p, key)];
    forget_idle(bucket, now_ms);
    a = calloc(1, sizeof(*a));
    if (a == NULL)
        abort();
    memcpy(a->key, key, KEY_BYTES);
    list_init(&a->lingering);
    a->next = *bucket;
    *bucket = a;
    return a;
}

/* Between two new connections, in the long run. */
static int64_t interval_us(const struct addr_places *p)
{
    return p->limits.connects_per_second > 0 ? SECOND_US / p->limits.connects_per_second : 0;
}

static bool is_full(const struct addr_places *p, const struct address *a)
{
    return p->limits.connections_max > 0 && a->open >= p->limits.connections_max;
}

/* 0: a new connection may be paid for now. */
static int64_t wait_us(const struct addr_places *p, const struct address *a, int64_t now_ms)
{
    int64_t paid = a->paid_us > now_ms * US ? a->paid_us : now_ms * US;
    int64_t wait = paid + interval_us(p) - (now_ms * US + SECOND_US);

    return wait > 0 ? wait : 0;
}

struct addr_place *addr_places_take(struct addr_places *p, const struct ip *ip, int64_t now_ms)
{
    struct address *a = find_or_add(p, ip, now_ms);
    struct addr_place *place;

    if (is_full(p, a) || wait_us(p, a, now_ms) > 0)
        return NULL;
    place = calloc(1, sizeof(*place));
    if (place == NULL)
        abort();
    list_init(&place->link);
    place->address = a;
    a->open++;
    a->paid_us = (a->paid_us > now_ms * US ? a->paid_us : now_ms * US) + interval_us(p);
    return place;
}

void addr_places_leave(struct addr_places *p, struct addr_place *place, int64_t now_ms)
{
    struct address *a = place->address;

    (void)p;
    assert(a->open > 0 && list_empty(&place->link));
    place->left_ms = now_ms;
    list_add_tail(&a->lingering, &place->link);
    settle(a, now_ms);
}

/* The turn of an address that has no place now. */
static int64_t give_turn(const struct addr_places *p, struct address *a, int64_t now_ms)
{
    int64_t first = is_full(p, a) ? ADDR_TURN_MIN_MS : 1 + wait_us(p, a, now_ms) / US;
    int64_t turn = a->turn_ms > now_ms + first ? a->turn_ms : now_ms + first;

    turn += interval_us(p) / US;
    if (turn > now_ms + ADDR_TURN_MAX_MS)
        turn = now_ms + ADDR_TURN_MAX_MS;
    a->turn_ms = turn;
    return turn - now_ms;
}

int64_t addr_places_wait(struct addr_places *p, const struct ip *ips, int n, int64_t now_ms)
{
    int64_t wait = 0;

    for (int i = 0; i < n; i++) {
        struct address *a = find(p, &ips[i]);

        if (a == NULL)
            return 0;
        settle(a, now_ms);
        if (!is_full(p, a) && wait_us(p, a, now_ms) == 0)
            return 0;
    }
    for (int i = 0; i < n; i++) {
        struct address *a = find(p, &ips[i]);
        int64_t turn = give_turn(p, a, now_ms);

        if (is_full(p, a))
            a->crowded_until_ms = now_ms + ADDR_CROWDED_MS;
        wait = i == 0 || turn < wait ? turn : wait;
    }
    return wait;
}

bool addr_places_crowded(const struct addr_places *p, const struct ip *ip, int64_t now_ms)
{
    const struct address *a = find(p, ip);

    return a != NULL && a->crowded_until_ms > now_ms;
}
