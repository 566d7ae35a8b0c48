/* Dns: lookups over c-ares. */
#include <arpa/nameser.h>
#include <assert.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_internal.h"
#include "net/dns_servers.h"

enum { TICK_MS = 20 };

static void lookup_begin(struct lookup *l);
static void lookup_enter(struct lookup *l, enum lookup_state state);
static void lookup_conclude(struct lookup *l);
static void lookup_release(struct lookup *l);
static void on_answer(void *arg, int status, int timeouts, unsigned char *abuf, int alen);
static void on_tick(uv_timer_t *h);
static void on_next_turn(uv_timer_t *h);
static void on_timer_closed(uv_handle_t *h);

static int take_options(struct dns *d, const struct dns_options *options, struct err *err)
{
    const char *conf = options->resolv_conf == NULL ? "/etc/resolv.conf" : options->resolv_conf;
    struct dns_settings *s = &d->settings;

    if (!str_copy(s->resolv_conf, sizeof(s->resolv_conf), str_z(conf)))
        return err_set(err, ERR_CONFIG, "the path of resolv.conf is too long");
    s->timeout_ms = options->timeout_ms;
    return dns_servers_parse(s->servers, sizeof(s->servers), str_z(options->servers), err);
}

struct dns *dns_open(uv_loop_t *loop, const struct dns_options *options, struct err *err)
{
    struct dns *d = calloc(1, sizeof(*d));

    if (d == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        abort();
    list_init(&d->channels);
    d->loop = loop;
    if (take_options(d, options, err) != 0 || dns_channel_make(d, err) != 0) {
        ares_library_cleanup();
        free(d);
        return NULL;
    }
    for (int i = 0; i < LOOKUP_STATE__COUNT; i++)
        list_init(&d->states[i]);
    for (int i = 0; i < DNS_NAME_BUCKETS; i++)
        list_init(&d->by_name[i]);
    list_init(&d->from_cache);
    dns_ns_open(d);
    siphash_key_random(&d->hash_key);
    d->cache = lru_new(DNS_CACHE_MAX, DNS_CACHE_BYTES_MAX, free);
    (void)uv_timer_init(loop, &d->tick);
    (void)uv_timer_init(loop, &d->next_turn);
    d->tick.data = d->next_turn.data = d;
    d->open_handles = 2;
    return d;
}

/* A channel of c-ares holds 72 KiB: no other one without need, and the old one goes on the next
 * tick though nobody looks anything up. */
int dns_reconfigure(struct dns *d, const struct dns_options *options, struct err *err)
{
    struct dns_settings before = d->settings;

    if (take_options(d, options, err) == 0) {
        if (strcmp(d->settings.servers, before.servers) == 0 &&
            strcmp(d->settings.resolv_conf, before.resolv_conf) == 0 &&
            d->settings.timeout_ms == before.timeout_ms)
            return 0;
        if (dns_channel_make(d, err) == 0) {
            dns_wake(d);
            return 0;
        }
    }
    d->settings = before;
    return -1;
}

/* c-ares may be further up the stack: its channels are destroyed by on_timer_closed. */
void dns_close(struct dns *d)
{
    struct list *l;

    assert(!d->closed);
    d->closed = true;
    dns_ns_drop(d);
    while ((l = list_take_first(&d->from_cache)) != NULL) {
        struct dns_query *q = CONTAINER_OF(l, struct dns_query, link);

        free(q->from_cache);
        free(q);
    }
    for (int state = 0; state < LOOKUP_STATE__COUNT; state++)
        LIST_FOR_EACH(at, &d->states[state])
        {
            struct lookup *lookup = CONTAINER_OF(at, struct lookup, link);

            while ((l = list_take_first(&lookup->waiters)) != NULL)
                free(CONTAINER_OF(l, struct dns_query, link));
        }
    uv_close((uv_handle_t *)&d->tick, on_timer_closed);
    uv_close((uv_handle_t *)&d->next_turn, on_timer_closed);
}

/* -- asking -- */

static struct list *bucket_of(struct dns *d, struct str name)
{
    return &d->by_name[siphash(&d->hash_key, name.p, name.n) % DNS_NAME_BUCKETS];
}

static struct lookup *find_lookup(struct dns *d, struct str name)
{
    LIST_FOR_EACH(at, bucket_of(d, name))
    {
        struct lookup *l = CONTAINER_OF(at, struct lookup, by_name);

        if (l->name_n == name.n && memcmp(l->name, name.p, name.n) == 0)
            return l;
    }
    return NULL;
}

static struct dns_answer *ask_cache(struct dns *d, struct str name)
{
    const struct known *k = lru_get(d->cache, name);

    if (k == NULL || k->expires_ms <= dns_now_ms(d))
        return NULL;

    struct dns_answer *a = calloc(1, sizeof(*a));

    if (a == NULL)
        abort();
    a->count = k->count;
    a->ttl_s = (uint32_t)((k->expires_ms - dns_now_ms(d) + 999) / 1000);
    memcpy(a->ips, k->ips, (size_t)k->count * sizeof(a->ips[0]));
    (void)str_copy(a->aliases, sizeof(a->aliases), str_z((const char *)&k->ips[k->count]));
    return a;
}

int dns_known(struct dns *d, struct str name, struct ip ips[2 * DNS_ADDRESSES_MAX])
{
    const struct known *k = lru_get(d->cache, name);

    if (k == NULL || k->expires_ms <= dns_now_ms(d))
        return 0;
    memcpy(ips, k->ips, (size_t)k->count * sizeof(k->ips[0]));
    return k->count;
}

struct dns_query *dns_lookup(struct dns *d, struct str name, dns_done *done, void *owner)
{
    struct dns_query *q = calloc(1, sizeof(*q));

    if (q == NULL)
        abort();
    assert(!d->closed);
    assert(name.n > 0 && name.n < sizeof(((struct lookup *)NULL)->name));
    assert(!str_ends(name, STR(".onion")) && !str_ends(name, STR(".i2p")) &&
           !str_ends(name, STR(".loki")));
    q->done = done;
    q->owner = owner;
    dns_wake(d);
    q->from_cache = ask_cache(d, name);
    if (q->from_cache != NULL) {
        list_add_tail(&d->from_cache, &q->link);
        return q;
    }

    struct lookup *l = find_lookup(d, name);

    if (l == NULL) {
        l = calloc(1, sizeof(*l));
        if (l == NULL)
            abort();
        l->dns = d;
        memcpy(l->name, name.p, name.n);
        l->name_n = name.n;
        list_init(&l->link);
        list_init(&l->waiters);
        list_add_tail(bucket_of(d, name), &l->by_name);
        l->give_up_ms = dns_now_ms(d) + d->settings.timeout_ms;
        d->counts[LOOKUP_QUEUED]++; /* lookup_enter takes it off the count of the state it was in */
        lookup_enter(l, LOOKUP_QUEUED);
        dns_wake(d);
    }
    list_add_tail(&l->waiters, &q->link);
    return q;
}

/* The lookup itself goes on: its answer is worth a place in the cache. */
void dns_cancel(struct dns_query *q)
{
    list_remove(&q->link);
    free(q->from_cache);
    free(q);
}

unsigned dns_queued(const struct dns *d)
{
    return d->counts[LOOKUP_QUEUED];
}

unsigned dns_flying(const struct dns *d)
{
    return d->flying;
}

uint64_t dns_asked(const struct dns *d)
{
    return d->asked;
}

void dns_wake(struct dns *d)
{
    (void)uv_timer_start(&d->next_turn, on_next_turn, 0, 0);
    if (!uv_is_active((uv_handle_t *)&d->tick))
        (void)uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
}

/* -- one lookup -- */

static void lookup_enter(struct lookup *l, enum lookup_state state)
{
    struct dns *d = l->dns;
    int64_t ends = l->give_up_ms;

    if (state == LOOKUP_YOUNG)
        ends = dns_now_ms(d) + DNS_YOUNG_MS;
    else if (state == LOOKUP_SECOND)
        ends = dns_now_ms(d) + DNS_SECOND_MS;
    l->state_ends_ms = ends;
    d->counts[l->state]--;
    d->counts[state]++;
    l->state = state;
    list_remove(&l->link);
    list_add_tail(&d->states[state], &l->link);
}

static void lookup_begin(struct lookup *l)
{
    struct dns *d = l->dns;

    lookup_enter(l, LOOKUP_YOUNG);
    l->channel = CONTAINER_OF(d->channels.next, struct channel, link);
    l->channel->questions += 2;
    l->out = 2;
    d->flying++;
    d->asked += 2;
    l->questions[0] = (struct question){l, AF_INET6};
    l->questions[1] = (struct question){l, AF_INET};

    /* Either may answer, and the second may free the lookup, before it returns. */
    ares_channel ares = l->channel->ares;

    ares_query(ares, l->name, ns_c_in, ns_t_aaaa, on_answer, &l->questions[0]);
    ares_query(ares, l->name, ns_c_in, ns_t_a, on_answer, &l->questions[1]);
}

static void remember(struct lookup *l)
{
    struct dns *d = l->dns;
    const struct dns_answer *a = &l->answer;

    if (a->ttl_s == 0)
        return; /* asked not to be */

    size_t text = strlen(a->aliases) + 1;
    size_t bytes = sizeof(struct known) + (size_t)a->count * sizeof(a->ips[0]) + text;
    struct known *k = malloc(bytes);

    if (k == NULL)
        abort();
    k->expires_ms = dns_now_ms(d) + (int64_t)a->ttl_s * 1000;
    k->count = a->count;
    memcpy(k->ips, a->ips, (size_t)a->count * sizeof(a->ips[0]));
    memcpy(&k->ips[a->count], a->aliases, text);
    lru_put(d->cache, (struct str){l->name, l->name_n}, k, bytes);
}

static void tell(struct dns_query *q, const struct dns_answer *answer, const struct err *err)
{
    dns_done *done = q->done;
    void *owner = q->owner;

    free(q); /* not what it had from the cache: that is `answer` */
    done(owner, answer->count > 0 ? answer : NULL, answer->count > 0 ? NULL : err);
}

/* What is known now is the answer.  Told last: an owner may close everything in here. */
static void lookup_conclude(struct lookup *l)
{
    struct err err = {ERR_NONE, ""};
    struct list *at;

    if (l->answer.count > 0) {
        remember(l);
    } else if (l->failed == 0 && l->out == 0 && l->state != LOOKUP_QUEUED) {
        (void)err_set(&err, ERR_DNS_NOT_FOUND, "%s", l->name);
        l->answer.ttl_s = DNS_NEGATIVE_TTL_S;
        remember(l);
    } else {
        (void)err_set(&err, ERR_DNS_FAILED, "%s: %s", l->name,
                      l->failed == 0 ? "no answer in time" : "the servers cannot say");
    }
    list_remove(&l->by_name);
    lookup_enter(l, LOOKUP_DONE);
    l->out++; /* keep it while the waiters are told */
    while ((at = list_take_first(&l->waiters)) != NULL)
        tell(CONTAINER_OF(at, struct dns_query, link), &l->answer, &err);
    l->out--;
    lookup_release(l);
}

static void lookup_release(struct lookup *l)
{
    if (l->state != LOOKUP_DONE || l->out > 0)
        return;
    assert(list_empty(&l->waiters));
    l->dns->counts[LOOKUP_DONE]--;
    list_remove(&l->link);
    free(l);
}

static void add_address(struct dns_answer *a, int family, const void *bytes, int ttl)
{
    struct ip *ip = &a->ips[a->count];
    uint32_t ttl_s = ttl < 0 ? 0 : ttl > DNS_TTL_MAX_S ? DNS_TTL_MAX_S : (uint32_t)ttl;

    a->ttl_s = a->count == 0 || ttl_s < a->ttl_s ? ttl_s : a->ttl_s;
    memset(ip, 0, sizeof(*ip));
    ip->family = family;
    memcpy(ip->bytes, bytes, family == AF_INET ? 4 : 16);
    a->count++;
}

static int add_answer(struct dns_answer *a, int family, const unsigned char *abuf, int alen)
{
    int n = DNS_ADDRESSES_MAX, status;

    if (family == AF_INET) {
        struct ares_addrttl ttls[DNS_ADDRESSES_MAX];

        status = ares_parse_a_reply(abuf, alen, NULL, ttls, &n);
        for (int i = 0; status == ARES_SUCCESS && i < n; i++)
            add_address(a, family, &ttls[i].ipaddr, ttls[i].ttl);
    } else {
        struct ares_addr6ttl ttls[DNS_ADDRESSES_MAX];

        status = ares_parse_aaaa_reply(abuf, alen, NULL, ttls, &n);
        for (int i = 0; status == ARES_SUCCESS && i < n; i++)
            add_address(a, family, &ttls[i].ip6addr, ttls[i].ttl);
    }
    return status;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *abuf, int alen)
{
    struct question *q = arg;
    struct lookup *l = q->lookup;

    (void)timeouts;
    l->out--;
    l->channel->questions--;
    if (l->out == 0)
        l->dns->flying--;
    if (l->dns->closed || l->state == LOOKUP_DONE) {
        lookup_release(l);
        return;
    }
    if (status == ARES_SUCCESS)
        status = add_answer(&l->answer, q->family, abuf, alen);
    if (status == ARES_SUCCESS && l->answer.aliases[0] == '\0')
        dns_read_aliases(abuf, (size_t)alen, l->name, l->answer.aliases);
    if (status != ARES_SUCCESS && status != ARES_ENOTFOUND && status != ARES_ENODATA)
        l->failed++;
    if (l->out == 0)
        lookup_conclude(l);
    else if (l->answer.count > 0)
        lookup_enter(l, LOOKUP_SECOND);
}

/* -- time -- */

static struct lookup *first_due(struct dns *d, enum lookup_state state)
{
    if (list_empty(&d->states[state]))
        return NULL;

    struct lookup *l = CONTAINER_OF(d->states[state].next, struct lookup, link);

    return l->state_ends_ms <= dns_now_ms(d) ? l : NULL;
}

void dns_begin_lookups(struct dns *d)
{
    if (list_empty(&d->states[LOOKUP_QUEUED]))
        return;
    dns_follow_resolv_conf(d);
    while (!d->closed && !list_empty(&d->states[LOOKUP_QUEUED]) &&
           d->counts[LOOKUP_YOUNG] < DNS_YOUNG_MAX && d->flying < DNS_FLYING_MAX)
        lookup_begin(CONTAINER_OF(d->states[LOOKUP_QUEUED].next, struct lookup, link));
}

static void on_tick(uv_timer_t *h)
{
    struct dns *d = h->data;
    struct lookup *l;

    LIST_FOR_EACH(at, &d->channels)
    {
        struct channel *c = CONTAINER_OF(at, struct channel, link);

        if (c->questions > 0)
            ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        else if (at != d->channels.next)
            dns_channel_free(c);
        if (d->closed)
            return;
    }
    while (!d->closed && (l = first_due(d, LOOKUP_SECOND)) != NULL)
        lookup_conclude(l);
    while (!d->closed && (l = first_due(d, LOOKUP_YOUNG)) != NULL)
        lookup_enter(l, LOOKUP_OLD);
    while (!d->closed && (l = first_due(d, LOOKUP_OLD)) != NULL)
        lookup_conclude(l);
    while (!d->closed && (l = first_due(d, LOOKUP_QUEUED)) != NULL)
        lookup_conclude(l);
    if (!d->closed)
        dns_begin_lookups(d);
    if (!d->closed && d->flying == 0 && d->servers_asked == 0 && d->counts[LOOKUP_QUEUED] == 0 &&
        d->channels.next == d->channels.prev)
        (void)uv_timer_stop(&d->tick);
}

static void on_next_turn(uv_timer_t *h)
{
    struct dns *d = h->data;
    struct list *at;

    dns_begin_lookups(d);
    dns_ns_tell(d);
    while (!d->closed && (at = list_take_first(&d->from_cache)) != NULL) {
        struct dns_query *q = CONTAINER_OF(at, struct dns_query, link);
        struct dns_answer *answer = q->from_cache;
        struct err err;

        (void)err_set(&err, ERR_DNS_NOT_FOUND, "known to have no address");
        tell(q, answer, &err);
        free(answer);
    }
}

/* -- the end -- */

static void on_timer_closed(uv_handle_t *h)
{
    struct dns *d = h->data;

    d->open_handles--;
    if (h == (uv_handle_t *)&d->tick) {
        LIST_FOR_EACH(at, &d->channels)
        dns_channel_free(CONTAINER_OF(at, struct channel, link));
        for (int state = 0; state < LOOKUP_STATE__COUNT; state++)
            LIST_FOR_EACH(at, &d->states[state])
        free(CONTAINER_OF(at, struct lookup, link));
    }
    dns_release(d);
}

void dns_release(struct dns *d)
{
    if (!d->closed || d->open_handles > 0)
        return;
    lru_free(d->cache);
    dns_ns_close(d);
    ares_library_cleanup();
    free(d);
}
