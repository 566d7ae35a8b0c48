/* budget: see budget.h.  A chained hash table of hosts; a host is forgotten when it has no
 * connection and its interval has passed, so the table is as large as what is open, not as what is
 * known. */
#include "relay/budget.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, CAPACITY_WAIT_MS = 500 };

/* Who has a half of the dials a second: archive and checks. */
enum { PURSES = 2 };

struct host {
    struct host *next;
    uint32_t connections; /* without those for publishing */
    uint32_t dialling;    /* 0 or 1 */
    int64_t last_ms;      /* when the last dial ended */
    char name[];
};

struct budget {
    struct budget_limits limits;
    uint32_t connections[BUDGET_USERS];
    double tokens[PURSES]; /* dials that may be made now */
    int64_t refilled_ms;
    struct host *buckets[BUCKETS];
};

static enum budget_user purse_of(const struct budget *b, enum budget_user user)
{
    if (user == BUDGET_FINDER)
        return b->limits.connections_checks > 0 ? BUDGET_CHECKS : BUDGET_ARCHIVE;
    return user == BUDGET_PUBLISHING ? BUDGET_CHECKS : user;
}

/* The part of the dials a second that is this user's own. */
static double own_rate(const struct budget *b, enum budget_user user)
{
    double rate = b->limits.dials_per_second;

    if (b->limits.connections_checks == 0)
        return user == BUDGET_ARCHIVE ? rate : 0;
    return rate / PURSES;
}

/* A second's worth, and at least one. */
static double bucket_size(const struct budget *b, enum budget_user user)
{
    double rate = own_rate(b, user);

    return rate > 0 && rate < 1 ? 1 : rate;
}

struct budget *budget_new(const struct budget_limits *limits)
{
    struct budget *b = calloc(1, sizeof(*b));

    if (b == NULL)
        abort();
    b->limits = *limits;
    for (int i = 0; i < PURSES; i++)
        b->tokens[i] = bucket_size(b, (enum budget_user)i);
    return b;
}

void budget_set_limits(struct budget *b, const struct budget_limits *limits)
{
    b->limits = *limits;
}

void budget_free(struct budget *b)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct host *h = b->buckets[i], *next; h != NULL; h = next) {
            next = h->next;
            free(h);
        }
    free(b);
}

/* FNV-1a: the table holds hosts that we chose to dial, two thousand at once; a collision costs one
 * step. */
static struct host **find(struct budget *b, const char *name)
{
    uint32_t hash = 2166136261U;

    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619U;
    struct host **at = &b->buckets[hash % BUCKETS];
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static struct host *add(struct host **at, const char *name)
{
    size_t n = strlen(name) + 1;
    struct host *h = calloc(1, sizeof(*h) + n);

    if (h == NULL)
        abort();
    memcpy(h->name, name, n);
    h->last_ms = INT64_MIN / 2;
    *at = h;
    return h;
}

/* Drops what stands behind `at` in its bucket and says nothing any more. */
static void forget_idle(struct budget *b, struct host **at, int64_t now_ms)
{
    while (*at != NULL) {
        struct host *h = *at;
        if (h->connections == 0 && h->dialling == 0 &&
            now_ms - h->last_ms > b->limits.host_interval_ms) {
            *at = h->next;
            free(h);
        } else {
            at = &h->next;
        }
    }
}

/* What does not fit into one's bucket goes to the other. */
static void refill(struct budget *b, int64_t now_ms)
{
    double seconds = (double)(now_ms - b->refilled_ms) / 1000, spilled[PURSES] = {0};

    if (now_ms <= b->refilled_ms)
        return;
    b->refilled_ms = now_ms;
    for (int i = 0; i < PURSES; i++) {
        double size = bucket_size(b, (enum budget_user)i);
        b->tokens[i] += seconds * own_rate(b, (enum budget_user)i);
        if (b->tokens[i] <= size)
            continue;
        spilled[PURSES - 1 - i] += b->tokens[i] - size;
        b->tokens[i] = size;
    }
    for (int i = 0; i < PURSES; i++) {
        double size = bucket_size(b, (enum budget_user)i);
        b->tokens[i] += spilled[i];
        if (b->tokens[i] > size)
            b->tokens[i] = size;
    }
}

static int64_t wait_for_token(struct budget *b, enum budget_user user, int64_t now_ms)
{
    enum budget_user purse = purse_of(b, user);
    double rate = own_rate(b, purse);

    refill(b, now_ms);
    if (b->tokens[purse] >= 1)
        return 0;
    return rate > 0 ? 1 + (int64_t)((1 - b->tokens[purse]) * 1000 / rate) : CAPACITY_WAIT_MS;
}

bool budget_is_full(const struct budget *b, enum budget_user user)
{
    uint32_t most = b->limits.connections_max, checks = b->limits.connections_checks;
    uint32_t finder = b->limits.connections_finder;
    uint32_t others = checks + b->limits.connections_publishing + finder;

    if (budget_connections(b) >= most)
        return true;
    if (user == BUDGET_CHECKS)
        return b->connections[user] >= checks;
    if (user == BUDGET_PUBLISHING)
        return b->connections[user] >= b->limits.connections_publishing;
    if (user == BUDGET_FINDER)
        return b->connections[user] >= finder;
    return most > others && b->connections[user] >= most - others;
}

bool budget_may_dial(struct budget *b, enum budget_user user, int64_t now_ms)
{
    return !budget_is_full(b, user) && wait_for_token(b, user, now_ms) == 0;
}

int64_t budget_take(struct budget *b, enum budget_user user, const char *host, uint32_t n,
                    int64_t now_ms)
{
    struct host **at = find(b, host);
    struct host *h = *at;
    int64_t wait;

    if (budget_is_full(b, user))
        return CAPACITY_WAIT_MS;
    if (user != BUDGET_PUBLISHING &&
        (h != NULL ? h->connections : 0) + n > b->limits.host_connections_max)
        return CAPACITY_WAIT_MS;
    if (h != NULL && h->dialling > 0)
        return b->limits.host_interval_ms > 0 ? b->limits.host_interval_ms : 1;
    if (h != NULL && now_ms - h->last_ms < b->limits.host_interval_ms)
        return b->limits.host_interval_ms - (now_ms - h->last_ms);
    wait = wait_for_token(b, user, now_ms);
    if (wait > 0)
        return wait;
    if (h == NULL)
        h = add(at, host);
    h->connections += user == BUDGET_PUBLISHING ? 0 : n;
    h->dialling++;
    b->connections[user] += n;
    b->tokens[purse_of(b, user)] -= n; /* below zero: the next one waits longer */
    forget_idle(b, &h->next, now_ms);
    return 0;
}

void budget_dialled(struct budget *b, const char *host, int64_t now_ms)
{
    struct host *h = *find(b, host);

    assert(h != NULL);
    assert(h->dialling > 0);
    h->dialling--;
    h->last_ms = now_ms;
}

void budget_release(struct budget *b, enum budget_user user, const char *host, uint32_t n,
                    int64_t now_ms)
{
    struct host **at = find(b, host);

    assert(b->connections[user] >= n);
    b->connections[user] -= n;
    if (user != BUDGET_PUBLISHING) {
        assert(*at != NULL);
        assert((*at)->connections >= n);
        (*at)->connections -= n;
    }
    forget_idle(b, at, now_ms);
}

uint32_t budget_connections(const struct budget *b)
{
    uint32_t n = 0;

    for (int i = 0; i < BUDGET_USERS; i++)
        n += b->connections[i];
    return n;
}
