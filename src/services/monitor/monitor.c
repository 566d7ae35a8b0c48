/* monitor: see monitor.h.  Reading order: making, starting, the tick, stopping. */
#include "services/monitor/monitor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "core/clock.h"
#include "net/net.h"
#include "services/jitter.h"
#include "services/monitor/monitor_internal.h"

enum { TICK_MS = 100, LOAD_AGAIN_MS = 5000, TRIES_MAX = 200 };

static void on_tick(uv_timer_t *timer);
static void start_due(struct monitor *m);

static const struct {
    const char *name;
    enum probe_part part;
} part_names[] = {{"open", PROBE_OPEN},   {"read", PROBE_READ}, {"write", PROBE_WRITE},
                  {"nip11", PROBE_NIP11}, {"tls", PROBE_TLS},   {"dns", PROBE_DNS},
                  {"http", PROBE_HTTP},   {"geo", PROBE_GEO},   {"caps", PROBE_CAPS}};

bool monitor_parts_parse(const char *list, unsigned *parts, struct str *word)
{
    *parts = 0;
    while (config_list_next(&list, word)) {
        unsigned before = *parts;
        for (size_t i = 0; i < sizeof(part_names) / sizeof(part_names[0]); i++)
            if (str_eq(*word, str_z(part_names[i].name)))
                *parts |= part_names[i].part;
        if (*parts == before)
            return false;
    }
    return true;
}

struct monitor *monitor_open(const struct monitor_parts *parts,
                             const struct monitor_options *options)
{
    struct monitor *m = calloc(1, sizeof(*m));

    if (m == NULL || (m->hosts = calloc(HOST_BUCKETS, sizeof(struct check_host *))) == NULL)
        abort();
    m->parts = *parts;
    for (int i = 0; i < NETWORK__COUNT; i++)
        heap_init(&m->due[i]);
    list_init(&m->checks);
    list_init(&m->outcomes);
    list_init(&m->dirty);
    (void)uv_timer_init(parts->loop, &m->tick);
    m->tick.data = m;
    if (parts->publisher != NULL)
        publisher_listen(parts->publisher, monitor_on_published, m);
    monitor_reconfigure(m, options);
    return m;
}

void monitor_reconfigure(struct monitor *m, const struct monitor_options *options)
{
    m->options = *options;
}

/* FNV-1a: names of relays that we chose to check; a collision costs one step. */
static struct check_host *host_of(struct monitor *m, const char *name)
{
    uint32_t hash = 2166136261U;
    size_t n = strlen(name) + 1;

    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619U;
    struct check_host **at = &m->hosts[hash % HOST_BUCKETS];
    for (struct check_host *h = *at; h != NULL; h = h->next)
        if (strcmp(h->name, name) == 0)
            return h;
    struct check_host *h = calloc(1, sizeof(*h) + n);
    if (h == NULL)
        abort();
    memcpy(h->name, name, n);
    h->next = *at;
    *at = h;
    m->parts.roster->bytes += sizeof(*h) + n;
    return h;
}

static struct check *check_new(struct monitor *m, struct relay *relay, struct relay_url *url)
{
    struct check *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    roster_url(relay, url);
    c->monitor = m;
    c->relay = relay;
    c->host = host_of(m, url->host);
    c->openable = c->readable = c->writable = -1;
    c->rtt_read_ms = -1;
    list_init(&c->dirty_link);
    list_init(&c->running_link);
    m->parts.roster->bytes += sizeof(*c);
    return c;
}

void monitor_start(struct monitor *m)
{
    struct roster *r = m->parts.roster;
    struct relay_url *url;
    bool more = !m->loaded;

    m->again = m->loading; /* more relays have come while it reads */
    if (m->stopping || m->loading)
        return;
    url = malloc(sizeof(*url));
    if (url == NULL)
        abort();
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->relays[i]->check != NULL)
            continue;
        r->relays[i]->check = check_new(m, r->relays[i], url);
        more = true;
    }
    free(url);
    if (more)
        monitor_load(m); /* comes to monitor_loaded() */
    else
        m->parts.on_ready(m->parts.owner);
}

/* From monitor_load(): all that is not under way gets its place. */
void monitor_loaded(struct monitor *m)
{
    struct roster *r = m->parts.roster;
    int64_t now = clock_wall_ms();

    m->loaded = true;
    for (uint32_t i = 0; i < r->n; i++) {
        struct check *c = r->relays[i]->check;
        if (c == NULL || heap_has(&c->due) || c->probe != NULL)
            continue;
        if (c->relay->denied)
            continue; /* monitor_access_changed() */
        /* A few that matter do not stand in the queue of the first sweep. */
        monitor_schedule(m, c,
                         jitter_first(c->health.next_at_ms, now, (uint32_t)c->relay->id,
                                      c->relay->priority ? 1 : r->n,
                                      m->options.budget.dials_per_second));
    }
    if (!uv_is_active((uv_handle_t *)&m->tick))
        (void)uv_timer_start(&m->tick, on_tick, TICK_MS, TICK_MS);
    m->parts.on_ready(m->parts.owner);
}

/* The database could not say it just now. */
void monitor_load_later(struct monitor *m)
{
    m->load_at_ms = clock_mono_ms() + LOAD_AGAIN_MS;
    if (!uv_is_active((uv_handle_t *)&m->tick))
        (void)uv_timer_start(&m->tick, on_tick, TICK_MS, TICK_MS);
}

void monitor_schedule(struct monitor *m, struct check *c, int64_t at_ms)
{
    heap_put(&m->due[c->relay->network], &c->due, at_ms);
}

/* The tick: ten times a second, and cheap when nothing is due. */

static void on_tick(uv_timer_t *timer)
{
    struct monitor *m = timer->data;
    int64_t now = clock_mono_ms();

    if (!m->loaded && !m->loading && db_is_up(m->parts.db) && now >= m->load_at_ms)
        monitor_start(m);
    if (db_is_up(m->parts.db) && m->outcomes_n < OUTCOMES_MAX)
        start_due(m);
    monitor_write(m, now);
    monitor_thin(m, now);
}

static bool may_check(const struct monitor *m, enum network network)
{
    return network == NETWORK_CLEARNET || net_proxy_state(m->parts.net, network) == NET_PROXY_UP;
}

static void start_due(struct monitor *m)
{
    int64_t now = clock_wall_ms(), mono = clock_mono_ms();

    for (int network = 0; network < NETWORK__COUNT; network++) {
        struct heap_node *first = heap_first(&m->due[network]);
        if (first == NULL || first->due > now || !may_check(m, (enum network)network))
            continue;
        /* At most so many tries a tick: a tick stays short however many are due. */
        for (int tries = 0; tries < TRIES_MAX; tries++) {
            if (m->running[network] >= m->options.checks[network] ||
                !budget_may_dial(m->parts.budget, BUDGET_CHECKS, mono) ||
                (first = heap_take_due(&m->due[network], now)) == NULL)
                break;
            struct check *c = CONTAINER_OF(first, struct check, due);
            check_begin(m, c, now);
        }
    }
}

static bool is_denied(const struct monitor *m, const struct check *c)
{
    const struct relay *relay = c->relay;

    return relay->denied || (c->probe != NULL && relay->access.access != ACCESS_ALLOWED &&
                             net_address_denied(m->parts.net, probe_address(c->probe)));
}

void monitor_access_changed(struct monitor *m)
{
    struct roster *r = m->parts.roster;
    int64_t now = clock_wall_ms();

    LIST_FOR_EACH(l, &m->checks)
    {
        struct check *c = CONTAINER_OF(l, struct check, running_link);
        if (is_denied(m, c))
            check_drop(c);
    }
    for (uint32_t i = 0; i < r->n && !m->stopping; i++) {
        struct check *c = r->relays[i]->check;
        if (c == NULL || c->probe != NULL)
            continue;
        if (c->relay->denied)
            heap_remove(&m->due[c->relay->network], &c->due);
        else if (c->address_denied || (m->loaded && !heap_has(&c->due)))
            monitor_schedule(m, c,
                             jitter_first(c->health.next_at_ms, now, (uint32_t)c->relay->id,
                                          c->relay->priority ? 1 : r->n,
                                          m->options.budget.dials_per_second));
        c->address_denied = false;
    }
}

void monitor_status(const struct monitor *m, struct monitor_status *s)
{
    const struct roster *r = m->parts.roster;
    int64_t now = clock_wall_ms();

    *s = (struct monitor_status){0};
    for (uint32_t i = 0; i < r->n; i++) {
        const struct check *c = r->relays[i]->check;
        if (c == NULL)
            continue;
        s->relays++;
        s->checked += c->known;
        s->never += !c->known;
        s->due += heap_has(&c->due) && c->due.due <= now;
        s->readable += c->relay->health.state == HEALTH_READABLE;
        s->failing += c->health.failures > 0 || c->health.unconfirmed;
        s->retired += c->health.retired;
    }
    for (int i = 0; i < NETWORK__COUNT; i++)
        s->running += m->running[i];
}

/* Stopping */

void monitor_stop(struct monitor *m)
{
    m->stopping = true;
    (void)uv_timer_stop(&m->tick);
    LIST_FOR_EACH(l, &m->checks)
    check_drop(CONTAINER_OF(l, struct check, running_link));
}

bool monitor_flush(struct monitor *m)
{
    m->written_ms = 0;
    monitor_write(m, clock_mono_ms());
    return m->writing == NULL && list_empty(&m->outcomes) && list_empty(&m->dirty);
}

static void on_tick_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void monitor_close(struct monitor *m)
{
    struct roster *r = m->parts.roster;

    assert(list_empty(&m->checks));
    monitor_forget_outcomes(m);
    for (int i = 0; i < NETWORK__COUNT; i++)
        heap_done(&m->due[i]); /* before the nodes that are on it */
    for (uint32_t i = 0; i < r->n; i++) {
        free(r->relays[i]->check);
        r->relays[i]->check = NULL;
    }
    for (int i = 0; i < HOST_BUCKETS; i++)
        for (struct check_host *h = m->hosts[i], *next; h != NULL; h = next) {
            next = h->next;
            free(h);
        }
    free(m->hosts);
    uv_close((uv_handle_t *)&m->tick, on_tick_closed);
}
