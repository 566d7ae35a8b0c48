/* candidates: see candidates.h. */
#include "services/finder/candidates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "services/jitter.h"
#include "services/probe/check_due.h"

enum {
    HOUR_MS = 60 * 60 * 1000,
    INNOCENT_MS = 10 * 60 * 1000,
    TRIES_FACTOR = 4,
    WEIGHT_MAX = 10,
    MONTH_MS_K = 30 * 24 * 60 * 60
};

double candidate_score(const struct candidate_facts *f)
{
    double weight = f->weight < 1 ? 1 : f->weight > WEIGHT_MAX ? WEIGHT_MAX : f->weight;
    double authors = log2(1 + (double)f->authors);
    double again = f->mentions > f->authors ? (double)(f->mentions - f->authors) : 0;
    double months = f->silent_ms > 0 ? (double)f->silent_ms / 1000 / MONTH_MS_K : 0;
    double score = weight * (1 + authors) + log2(1 + again) / WEIGHT_MAX;

    return score / (1 + months) / (double)(1ULL << (f->tries < 32 ? f->tries : 32));
}

/* NOLINTNEXTLINE(readability-function-size): facts of one outcome, and two answers */
enum candidate_verdict candidate_settle(bool openable, enum err_code error, uint32_t lot,
                                        int64_t now_ms, const struct candidate_limits *limits,
                                        uint32_t *tries, int64_t *next_at_ms)
{
    int64_t wait = limits->retry_min_ms;

    *next_at_ms = 0;
    if (openable && !check_failed(error))
        return CANDIDATE_PROMOTED;
    if (error == ERR_NONE || err_blame(error) == ERR_BLAME_SELF ||
        err_blame(error) == ERR_BLAME_PATH) {
        int64_t later = INNOCENT_MS;
        /* A resolver that fails may fail for ever: never dropped for it alone, but asked more
         * rarely. */
        if (error == ERR_DNS_FAILED)
            *tries += *tries + 2 < limits->tries_max;
        for (uint32_t i = 1; error == ERR_DNS_FAILED && i < *tries; i++)
            later *= TRIES_FACTOR;
        *next_at_ms = now_ms + jitter_ms(later, lot, *tries);
        return CANDIDATE_INNOCENT;
    }
    ++*tries;
    if (*tries >= limits->tries_max) {
        *next_at_ms = now_ms + jitter_ms(limits->forgive_after_ms, lot, *tries);
        return CANDIDATE_DROPPED;
    }
    for (uint32_t i = 1; i < *tries && wait < limits->retry_max_ms; i++)
        wait *= TRIES_FACTOR;
    *next_at_ms =
        now_ms + jitter_ms(wait < limits->retry_max_ms ? wait : limits->retry_max_ms, lot, *tries);
    return CANDIDATE_FAILED;
}

/* Shares: an open table of fingerprints, emptied when the hour changes.  At most half full, so a
 * search is short; two keys that meet share one account, one time in 2^60. */

struct account {
    uint64_t key; /* 0: free */
    uint32_t taken;
};

struct shares {
    struct siphash_key key;
    uint32_t probes, permille, taken;
    uint32_t next_probes, next_permille;
    int64_t hour;
    struct account *accounts;
    uint32_t n, used; /* n: a power of two */
};

static void make_table(struct shares *s)
{
    uint32_t n = 64;

    s->probes = s->next_probes;
    s->permille = s->next_permille;
    while (n / 2 < s->probes * (uint64_t)SHARE_KEYS_MAX && n < 1U << 24)
        n *= 2;
    if (n != s->n) {
        free(s->accounts);
        s->accounts = calloc(n, sizeof(*s->accounts));
        if (s->accounts == NULL)
            abort();
        s->n = n;
    } else {
        memset(s->accounts, 0, n * sizeof(*s->accounts));
    }
    s->used = s->taken = 0;
}

struct shares *shares_new(const struct siphash_key *key, uint32_t probes, uint32_t permille)
{
    struct shares *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    s->key = *key;
    s->hour = INT64_MIN;
    shares_set(s, probes, permille);
    make_table(s);
    return s;
}

void shares_set(struct shares *s, uint32_t probes, uint32_t permille)
{
    s->next_probes = probes;
    s->next_permille = permille;
}

void shares_free(struct shares *s)
{
    free(s->accounts);
    free(s);
}

uint32_t shares_taken(const struct shares *s)
{
    return s->taken;
}

static void turn(struct shares *s, int64_t now_ms)
{
    if (now_ms / HOUR_MS == s->hour)
        return;
    s->hour = now_ms / HOUR_MS;
    make_table(s);
}

/* The place of this key: its account, or a free one (key 0). */
static struct account *place_of(const struct shares *s, uint64_t h)
{
    uint32_t at = (uint32_t)h & (s->n - 1);

    while (s->accounts[at].key != 0 && s->accounts[at].key != h)
        at = (at + 1) & (s->n - 1);
    return &s->accounts[at];
}

static uint64_t fingerprint(const struct shares *s, struct str key)
{
    uint64_t h = siphash(&s->key, key.p, key.n);

    return h == 0 ? 1 : h;
}

/* Only who takes a probe gets an account: whoever is refused leaves no trace.  Probes and what is
 * charged for them are at most SHARE_KEYS_MAX accounts each, so there is room. */
static void enter(struct shares *s, uint64_t h)
{
    struct account *a = place_of(s, h);

    if (a->key == 0) {
        if (s->used >= s->n / 2)
            return;
        s->used++;
        a->key = h;
    }
    a->taken++;
}

uint32_t shares_each(const struct shares *s)
{
    uint64_t n = (uint64_t)s->probes * s->permille / 1000;

    return n > 0 ? (uint32_t)n : 1;
}

int64_t shares_wait(struct shares *s, const struct str *keys, uint32_t n, int64_t now_ms)
{
    int64_t wait;

    turn(s, now_ms);
    wait = (s->hour + 1) * HOUR_MS - now_ms;
    if (s->taken >= s->probes)
        return wait;
    for (uint32_t i = 0; i < n && i < SHARE_KEYS_MAX; i++)
        if (keys[i].n > 0 && place_of(s, fingerprint(s, keys[i]))->taken >= shares_each(s))
            return wait;
    return 0;
}

int64_t shares_take(struct shares *s, const struct str *keys, uint32_t n, int64_t now_ms)
{
    int64_t wait = shares_wait(s, keys, n, now_ms);

    if (wait > 0)
        return wait;
    for (uint32_t i = 0; i < n && i < SHARE_KEYS_MAX; i++)
        if (keys[i].n > 0)
            enter(s, fingerprint(s, keys[i]));
    s->taken++;
    return 0;
}

void shares_charge(struct shares *s, struct str key, int64_t now_ms)
{
    turn(s, now_ms);
    if (key.n > 0)
        enter(s, fingerprint(s, key));
}
