/* See sim_relay.h.  An answer is made as a relay makes it: matches in range, the limit, then what
 * is hidden goes, then the order; then come the accidents. */
#include "sim_relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int32_t known_kinds[] = {1,    7,     0,    3,    6,     9735,  1111, 30023, 20,
                                      5,    10002, 1984, 42,   30078, 30311, 4,    1059,  2001,
                                      2002, 2003,  2004, 2005, 2006,  2007,  2008, 2009,  2010,
                                      2011, 2012,  2013, 2014, 2015,  2016,  2017, 2018,  2019};
enum {
    KNOWN_N = sizeof(known_kinds) / sizeof(known_kinds[0]),
    UNKNOWN_KIND = 7777,
    RESTRICTED_AT = 15 /* known_kinds[15], [16]: what relays hide */
};

uint64_t sim_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t sim_between(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(sim_random(state) % (uint64_t)(high - low + 1));
}

static bool chance(uint64_t *state, int percent)
{
    return sim_between(state, 0, 99) < percent;
}

#define PICK(state, ...) \
    ((const int[]){      \
        __VA_ARGS__}[sim_random(state) % (sizeof((const int[]){__VA_ARGS__}) / sizeof(int))])

bool sim_noise(const struct walk_event *e)
{
    return e->fingerprint >> 32 == 0;
}

const int32_t *sim_known_kinds(size_t *n)
{
    *n = KNOWN_N;
    return known_kinds;
}

bool sim_kind_known(int32_t kind)
{
    return kind != UNKNOWN_KIND;
}

static void bad_habits(struct sim_config *c, uint64_t *s)
{
    c->ignores_until = chance(s, 5);
    c->ignores_since = chance(s, 6);
    c->ignores_limit = chance(s, 5);
    c->refuses_since = chance(s, 4);
    c->refuses_lists = chance(s, 4);
    c->needs_kinds = chance(s, 4);
    c->duplicates = chance(s, 10) ? PICK(s, 1, 10, 50) : 0;
    c->noise = chance(s, 10) ? PICK(s, 5, 50) : 0;
    c->invalid = chance(s, 8) ? PICK(s, 1, 30) : 0;
    c->faults = chance(s, 20) ? PICK(s, 3, 20) : 0;
    c->dead = chance(s, 3);
    c->finishes = chance(s, 6);
    c->unproven = chance(s, 3);
    c->inserts = chance(s, 20) ? PICK(s, 3, 30) : 0;
    c->flood = chance(s, 4) ? 300 : 0;
    c->slow = chance(s, 8) ? PICK(s, 2, 5, 11) : 0;
    c->silent = chance(s, 2);
}

void sim_config_random(struct sim_config *c, uint64_t seed)
{
    uint64_t state = seed * 2 + 1, *s = &state;

    memset(c, 0, sizeof(*c));
    c->events = (size_t)PICK(s, 0, 1, 2, 5, 30, 200, 400, 1000);
    c->cap = (size_t)PICK(s, 1, 2, 7, 7, 20, 50, 100, 100, 300, 500, 5000);
    if (c->cap <= 2 && c->events > 200)
        c->events = 200; /* a question for each event is enough to see */
    c->order =
        chance(s, 65) ? SIM_NEWEST : (enum sim_order)sim_between(s, SIM_SHUFFLED, SIM_RANDOM);
    c->ties = (enum sim_ties)sim_between(s, SIM_TIES_FIRST, SIM_TIES_RANDOM);
    c->kinds = PICK(s, 1, 3, 7, 30);
    if (chance(s, 35)) {
        c->hidden_kinds = PICK(s, 1, 1, 2);
        c->hidden_run = c->cap * (size_t)PICK(s, 0, 0, 1, 2, 5) / (size_t)PICK(s, 1, 2);
        c->hides_known = chance(s, 15);
        c->flagged = chance(s, 60) || c->order != SIM_NEWEST;
    } else {
        c->flagged = chance(s, 10);
    }
    c->unknown_kind = chance(s, 10);
    c->dense = chance(s, 25) ? PICK(s, 1, 1, 3) : 0;
    c->dense_events = (size_t)PICK(s, 10, 60, 300);
    c->far_future = chance(s, 15) ? PICK(s, 1, 10, 120) : 0;
    c->at_zero = chance(s, 8) ? PICK(s, 1, 12, 120) : 0;
    bad_habits(c, s);
    /* Short windows are believed of a relay that is not known to hide anything (PROTOCOL 2.1, the
     * negative result). */
    if (c->hidden_kinds && (c->flood || c->invalid || c->hides_known))
        c->flagged = true;
}

void sim_config_print(const struct sim_config *c)
{
    printf(
        "  events=%zu cap=%zu order=%d ties=%d kinds=%d hidden=%d run=%zu known=%d flagged=%d "
        "unknown=%d "
        "dense=%dx%zu future=%d zero=%d\n  ignores: until=%d since=%d limit=%d refuses: since=%d "
        "lists=%d needs_kinds=%d dup=%d noise=%d invalid=%d faults=%d dead=%d finish=%d "
        "unproven=%d "
        "inserts=%d flood=%zu slow=%u silent=%d\n",
        c->events, c->cap, c->order, c->ties, c->kinds, c->hidden_kinds, c->hidden_run,
        c->hides_known, c->flagged, c->unknown_kind, c->dense, c->dense_events, c->far_future,
        c->at_zero, c->ignores_until, c->ignores_since, c->ignores_limit, c->refuses_since,
        c->refuses_lists, c->needs_kinds, c->duplicates, c->noise, c->invalid, c->faults, c->dead,
        c->finishes, c->unproven, c->inserts, c->flood, c->slow, c->silent);
}

static struct sim_event *insert(struct sim_relay *r, int64_t created_at)
{
    if (r->n == r->room) {
        r->room = r->room ? r->room * 2 : 64;
        r->events = realloc(r->events, r->room * sizeof(*r->events));
        if (!r->events)
            abort();
    }
    size_t at = r->n;
    while (at > 0 && r->events[at - 1].created_at > created_at)
        at--;
    memmove(r->events + at + 1, r->events + at, (r->n - at) * sizeof(*r->events));
    r->n++;
    const struct sim_config *c = &r->config;
    struct sim_event e = {.created_at = created_at, .fingerprint = sim_random(&r->random)};
    int k = (int)sim_between(&r->random, 0, c->kinds - 1);
    e.kind = known_kinds[k < RESTRICTED_AT ? k : k + 2 < KNOWN_N ? k + 2 : KNOWN_N - 1];
    if (k < c->hidden_kinds && c->kinds > c->hidden_kinds) {
        e.kind = c->hides_known ? known_kinds[KNOWN_N - 1 - k] : known_kinds[RESTRICTED_AT + k];
        e.hidden = true;
    } else if (c->unknown_kind && k == c->kinds - 1) {
        e.kind = UNKNOWN_KIND;
    }
    e.invalid = chance(&r->random, c->invalid);
    r->events[at] = e;
    return &r->events[at];
}

static int64_t some_time(struct sim_relay *r, int64_t *burst)
{
    uint64_t *s = &r->random;
    int64_t start = SIM_NOW - 100000000;

    if (chance(s, 5))
        *burst = sim_between(s, start, SIM_NOW - 5000);
    if (*burst && chance(s, 60))
        return *burst + sim_between(s, 0, 300);
    if (chance(s, 10))
        return SIM_NOW - sim_between(s, 0, 7000);
    return sim_between(s, start, SIM_NOW - 1);
}

struct sim_relay *sim_relay_new(const struct sim_config *config, uint64_t seed)
{
    struct sim_relay *r = calloc(1, sizeof(*r));
    int64_t burst = 0;

    if (!r)
        abort();
    r->config = *config;
    r->now = SIM_NOW;
    r->random = seed ^ 0x5eed;
    for (size_t i = 0; i < config->events; i++)
        insert(r, some_time(r, &burst));
    for (int i = 0; i < config->dense; i++) {
        int64_t t = some_time(r, &burst);
        for (size_t k = 0; k < config->dense_events; k++)
            insert(r, t);
    }
    for (int i = 0; i < config->far_future; i++)
        insert(r, SIM_NOW + 100000000 + sim_between(&r->random, 0, 20));
    for (int i = 0; i < config->at_zero; i++)
        insert(r, sim_between(&r->random, 0, 1));
    if (config->hidden_run > 0 && r->n > 0) {
        size_t from = (size_t)sim_between(&r->random, 0, (int64_t)r->n - 1);
        for (size_t i = from; i < r->n && i < from + config->hidden_run; i++) {
            r->events[i].hidden = true;
            r->events[i].kind =
                config->hides_known ? known_kinds[KNOWN_N - 1] : known_kinds[RESTRICTED_AT];
        }
    }
    return r;
}

void sim_relay_free(struct sim_relay *r)
{
    if (!r)
        return;
    free(r->events);
    free(r->page);
    free(r->picked);
    free(r);
}

static bool asked_kind(const struct walk_ask *ask, int32_t kind)
{
    for (size_t i = 0; i < ask->n_kinds; i++)
        if (ask->kinds[i] == kind)
            return true;
    return ask->n_kinds == 0;
}

static void put(struct sim_relay *r, struct walk_page *page, int64_t t, uint64_t fingerprint,
                int32_t kind)
{
    if (page->events_n == r->page_room) {
        r->page_room = r->page_room ? r->page_room * 2 : 64;
        r->page = realloc(r->page, r->page_room * sizeof(*r->page));
        if (!r->page)
            abort();
    }
    r->page[page->events_n++] = (struct walk_event){t, fingerprint, kind, true};
    page->events = r->page;
    page->raw++;
}

static void swap(struct sim_event **a, struct sim_event **b)
{
    struct sim_event *kept = *a;

    *a = *b;
    *b = kept;
}

static void shuffle(struct sim_relay *r, struct sim_event **at, size_t n)
{
    for (size_t i = n; i > 1; i--)
        swap(&at[i - 1], &at[sim_random(&r->random) % i]);
}

static void reverse(struct sim_event **at, size_t n)
{
    for (size_t i = 0; i < n / 2; i++)
        swap(&at[i], &at[n - 1 - i]);
}

/* Matches, oldest first; within one second as the relay's ties have it (what stands last is sent
 * first). */
static size_t match(struct sim_relay *r, const struct walk_ask *ask)
{
    const struct sim_config *c = &r->config;
    size_t n = 0;

    if (r->picked_room < r->n + 1) {
        r->picked_room = r->n * 2 + 1;
        r->picked = realloc(r->picked, r->picked_room * sizeof(*r->picked));
        if (!r->picked)
            abort();
    }
    for (size_t i = 0; i < r->n; i++) {
        struct sim_event *e = &r->events[i];
        if (ask->since >= 0 && !c->ignores_since && e->created_at < ask->since)
            continue;
        if (ask->until >= 0 && !c->ignores_until && e->created_at > ask->until)
            continue;
        if (asked_kind(ask, e->kind))
            r->picked[n++] = e;
    }
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && r->picked[to]->created_at == r->picked[from]->created_at;
             to++)
            ;
        if (c->ties == SIM_TIES_FIRST)
            reverse(r->picked + from, to - from);
        else if (c->ties == SIM_TIES_RANDOM)
            shuffle(r, r->picked + from, to - from);
    }
    return n;
}

/* Cuts the n matches to the limit; what remains stands in the order of sending at *from. */
static size_t limit(struct sim_relay *r, const struct walk_ask *ask, size_t n,
                    struct sim_event ***from)
{
    const struct sim_config *c = &r->config;
    size_t most = c->ignores_limit ? SIZE_MAX : (size_t)ask->limit;

    if (c->cap && c->cap < most)
        most = c->cap;
    if (c->ignores_limit && c->flood)
        most = SIZE_MAX;
    size_t k = n < most ? n : most;
    if (c->order == SIM_RANDOM)
        shuffle(r, r->picked, n);
    bool oldest = c->order == SIM_OLDEST || c->order == SIM_OLDEST_DESC;
    *from = oldest ? r->picked : r->picked + (n - k);
    if (c->order == SIM_NEWEST || c->order == SIM_OLDEST_DESC)
        reverse(*from, k);
    else if (c->order == SIM_SHUFFLED)
        shuffle(r, *from, k);
    return k;
}

static void accidents(struct sim_relay *r, const struct walk_ask *ask, struct walk_page *page)
{
    const struct sim_config *c = &r->config;
    uint64_t *s = &r->random;

    if (chance(s, c->noise)) { /* what was not asked for: of another time, or of another kind */
        int64_t t = ask->until >= 0 ? ask->until + 1 + sim_between(s, 0, 1000) : SIM_NOW;
        int32_t kind = 1;
        if (ask->until < 0 || (ask->since > 1 && chance(s, 50)))
            t = ask->since > 1 ? ask->since - 1 : -1;
        if (ask->n_kinds && chance(s, 50)) {
            kind = UNKNOWN_KIND + 1;
            t = ask->until > 0 ? ask->until : ask->since > 0 ? ask->since : SIM_NOW;
        }
        put(r, page, t, sim_random(s) >> 32 | 1, kind); /* no other has a fingerprint so small */
    }
    if (chance(s, c->faults) || (c->dead && r->requests > 3)) {
        page->how = (enum settle)PICK(s, SETTLE_CLOSED, SETTLE_TIMEOUT, SETTLE_DISCONNECT,
                                      SETTLE_OVERSIZE, SETTLE_CANCELLED);
        if (c->dead && page->how == SETTLE_CANCELLED)
            page->how = SETTLE_TIMEOUT;
        page->events_n = page->events_n ? sim_random(s) % page->events_n : 0;
        page->raw = (uint32_t)page->events_n;
        page->hint = WALK_HINT_NONE;
    }
}

static void insertions(struct sim_relay *r)
{
    r->now++;
    if (r->n > r->config.events + 1500 || !chance(&r->random, r->config.inserts))
        return;
    int64_t back = chance(&r->random, 30) ? sim_between(&r->random, 0, 3000) : 0;
    insert(r, r->now - back)->late = back > 0;
}

static bool refused(const struct sim_relay *r, const struct walk_ask *ask)
{
    return (r->config.refuses_since && ask->since >= 0) ||
           (r->config.refuses_lists && ask->n_kinds > 20);
}

void sim_relay_answer(struct sim_relay *r, const struct walk_ask *ask, struct walk_page *page)
{
    const struct sim_config *c = &r->config;
    struct sim_event **from = NULL;

    memset(page, 0, sizeof(*page));
    r->requests++;
    r->bad_ask |= ask->since == 0 || ask->until == 0 || ask->limit < 1 || ask->since < -1 ||
                  ask->until < -1 || (ask->since > 0 && ask->until > 0 && ask->since > ask->until);
    page->asked_at = r->now;
    page->how = SETTLE_EOSE;
    page->unproven = c->unproven;
    insertions(r);
    bool slow = c->slow > 0 && r->requests % c->slow == 0;
    if (slow || refused(r, ask)) {
        page->how = SETTLE_CLOSED;
        page->refused = true;
        page->slow = slow;
        return;
    }
    if (c->needs_kinds && ask->n_kinds == 0) {
        page->hint = c->finishes ? WALK_HINT_FINISH : WALK_HINT_NONE;
        return;
    }
    size_t n = match(r, ask), k = limit(r, ask, n, &from);
    for (size_t i = 0; i < k; i++) {
        struct sim_event *e = from[i];
        if (e->hidden)
            continue;
        if (e->invalid) {
            page->raw++;
            continue;
        }
        put(r, page, e->created_at, e->fingerprint, e->kind);
        if (chance(&r->random, c->duplicates))
            put(r, page, e->created_at, e->fingerprint, e->kind);
        if (c->flood && page->raw > c->flood) {
            page->how = SETTLE_FLOOD;
            break;
        }
    }
    if (c->finishes && k == n && page->how == SETTLE_EOSE)
        page->hint = WALK_HINT_FINISH;
    accidents(r, ask, page);
    if (c->silent && page->how == SETTLE_EOSE) {
        page->how = SETTLE_TIMEOUT;
        page->hint = WALK_HINT_NONE;
    }
    r->sent += page->raw;
}

uint64_t sim_relay_bursts(const struct sim_relay *r, size_t page)
{
    uint64_t bursts = 0;

    for (size_t from = 0, to; from < r->n; from = to) {
        for (to = from + 1; to < r->n && r->events[to].created_at == r->events[from].created_at;
             to++)
            ;
        bursts += to - from >= page;
    }
    return bursts;
}
