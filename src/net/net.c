/* Net: made once, shared by every connection. */
#include "net/net.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/metrics.h"
#include "net/net_shared.h"

static int check_options(const struct net_options *o, struct err *err);
static void copy_numbers(struct net *net, const struct net_options *o);
static void open_proxies(struct net *net, const struct net_options *o);
static void close_proxy(struct net *net, int network);
static void deny_proxies(struct net *net);
static struct tls_context *tls_context_of(const struct net_options *o, struct err *err);
static void drop_session(void *value);
static void on_part_closed(uv_handle_t *h);
static void on_proxy_up(struct proxy *p);
static void on_proxy_released(struct proxy *p);
static void release(struct net *net);

static struct dns_options dns_options_of(const struct net_options *o)
{
    return (struct dns_options){.servers = o->dns_servers, .timeout_ms = o->dns_timeout_ms};
}

struct net *net_open(uv_loop_t *loop, struct workers *workers, const struct net_options *options,
                     struct err *err)
{
    struct net *net = calloc(1, sizeof(*net));
    const struct dns_options dns = dns_options_of(options);

    if (net == NULL)
        abort();
    net->loop = loop;
    net->workers = workers;
    net->rate_window_ms = NET_RATE_WINDOW_MS;
    list_init(&net->proxy_watches);
    if (check_options(options, err) != 0 ||
        addr_policy_allow(&net->policy, options->allow_addresses, err) != 0 ||
        (net->tls = tls_context_of(options, err)) == NULL ||
        (net->dns = dns_open(loop, &dns, err)) == NULL) {
        tls_context_free(net->tls);
        free(net);
        return NULL;
    }
    net->places = addr_places_new(&(struct addr_limits){0});
    copy_numbers(net, options);
    net->sessions = lru_new(NET_SESSIONS_MAX, NET_SESSIONS_BYTES_MAX, drop_session);
    net->older = lru_new(NET_OLDER_MAX, NET_OLDER_BYTES_MAX, free);
    circuits_open(&net->circuits);
    bandwidth_init(&net->bandwidth, loop, options->bandwidth_max);
    net->bandwidth.tick.data = net;
    net->open_parts = 1;
    open_proxies(net, options);
    return net;
}

/* Everything is checked before anything is changed. */
int net_reconfigure(struct net *net, const struct net_options *options, struct err *err)
{
    const struct dns_options dns = dns_options_of(options);
    struct addr_policy policy = net->policy;
    struct tls_context *tls;

    if (check_options(options, err) != 0 ||
        addr_policy_allow(&policy, options->allow_addresses, err) != 0 ||
        (tls = tls_context_of(options, err)) == NULL)
        return -1;
    if (dns_reconfigure(net->dns, &dns, err) != 0) {
        tls_context_free(tls);
        return -1;
    }
    tls_context_free(net->tls);
    net->tls = tls;
    net->policy = policy;
    copy_numbers(net, options);
    bandwidth_set_rate(&net->bandwidth, options->bandwidth_max);
    /* A session was verified under the old certificates and mode. */
    lru_free(net->sessions);
    net->sessions = lru_new(NET_SESSIONS_MAX, NET_SESSIONS_BYTES_MAX, drop_session);
    open_proxies(net, options);
    return 0;
}

void net_close(struct net *net)
{
    assert(!net->closed && net->connections == 0);
    net->closed = true;
    bandwidth_close(&net->bandwidth, on_part_closed);
    for (int n = 0; n < NETWORK__COUNT; n++)
        close_proxy(net, n);
    dns_close(net->dns);
    tls_context_free(net->tls);
    lru_free(net->sessions);
    lru_free(net->older);
    circuits_close(&net->circuits);
    addr_places_free(net->places);
    net->places = NULL;
}

uv_loop_t *net_loop(const struct net *net)
{
    return net->loop;
}

struct workers *net_workers(const struct net *net)
{
    return net->workers;
}

struct dns *net_dns(const struct net *net)
{
    return net->dns;
}

enum net_proxy_state net_proxy_state(const struct net *net, enum network network)
{
    return network == NETWORK_CLEARNET ? NET_PROXY_NOT_NEEDED : net->proxies[network]->state;
}

const char *net_proxy_address(const struct net *net, enum network network)
{
    return network == NETWORK_CLEARNET ? "" : net->proxies[network]->text;
}

void net_watch_proxies(struct net *net, struct net_proxy_watch *watch)
{
    list_add_tail(&net->proxy_watches, &watch->link);
}

void net_unwatch_proxies(struct net_proxy_watch *watch)
{
    list_remove(&watch->link);
}

bool net_address_allowed(const struct net *net, const char *ip_literal)
{
    struct ip ip;

    return ip_parse(&ip, str_z(ip_literal)) && addr_policy_ip(&net->policy, &ip, 0) == NULL;
}

int64_t net_dial_wait(struct net *net, const char *host)
{
    struct ip ips[2 * DNS_ADDRESSES_MAX];
    int n = 1;

    if (!ip_parse(&ips[0], str_z(host)))
        n = dns_known(net->dns, str_z(host), ips);
    return n > 0 ? net_places_wait(net, ips, n) : 0;
}

bool net_address_crowded(const struct net *net, const char *ip_literal)
{
    struct ip ip;

    if (!ip_parse(&ip, str_z(ip_literal)))
        return false;
    ip = addr_policy_reached(&net->policy, &ip);
    return addr_places_crowded(net->places, &ip, clock_mono_ms());
}

bool net_deny_service(struct net *net, enum addr_service what, const char *ip_literal,
                      uint16_t port)
{
    struct ip ip;

    return ip_parse(&ip, str_z(ip_literal)) &&
           addr_policy_deny_service(&net->policy, what, &ip, port);
}

void net_forget_services(struct net *net, enum addr_service what)
{
    addr_policy_forget_services(&net->policy, what);
}

void net_deny_addresses(struct net *net, net_denied *denied, void *owner)
{
    net->denied = denied;
    net->denied_owner = owner;
}

bool net_denies(const struct net *net, const struct ip *ip)
{
    struct ip reached = addr_policy_reached(&net->policy, ip);

    if (net->denied == NULL)
        return false;
    return net->denied(net->denied_owner, ip) ||
           (!ip_eq(&reached, ip) && net->denied(net->denied_owner, &reached));
}

bool net_address_denied(const struct net *net, const char *ip_literal)
{
    struct ip ip;

    return ip_parse(&ip, str_z(ip_literal)) && net_denies(net, &ip);
}

uint64_t net_assembly_bytes(const struct net *net)
{
    return net->assembly_bytes;
}

uint64_t net_connection_bytes(const struct net *net)
{
    return net->connection_bytes;
}

uint32_t net_connections(const struct net *net)
{
    return net->connections;
}

uint32_t net_lookups_waiting(const struct net *net)
{
    return dns_queued(net->dns);
}

/* -- for this room -- */

const struct addr_policy *net_policy(struct net *net)
{
    int64_t now_ms = (int64_t)uv_now(net->loop);
    struct ifaddrs *list, *i;
    struct ip own[ADDR_OWN_MAX];
    size_t n = 0;

    if (net->own_refreshed_ms != 0 && now_ms < net->own_refreshed_ms + NET_OWN_REFRESH_MS)
        return &net->policy;
    if (getifaddrs(&list) != 0)
        return &net->policy;
    for (i = list; i != NULL && n < ADDR_OWN_MAX; i = i->ifa_next) {
        if (i->ifa_addr == NULL)
            continue;
        if (ip_from_sockaddr(&own[n], i->ifa_addr))
            n++; /* link-local ones have a scope, and are refused anyway */
    }
    freeifaddrs(list);
    addr_policy_set_own(&net->policy, own, n);
    net->own_refreshed_ms = now_ms > 0 ? now_ms : 1;
    return &net->policy;
}

int64_t net_places_wait(struct net *net, const struct ip *ips, int n)
{
    struct ip reached[2 * DNS_ADDRESSES_MAX];
    int64_t wait;

    for (int i = 0; i < n; i++)
        reached[i] = addr_policy_reached(&net->policy, &ips[i]);
    wait = addr_places_wait(net->places, reached, n, clock_mono_ms());
    metrics.address_waits_total[0] += wait > 0;
    return wait;
}

bool net_knows_older(struct net *net, const char *host_port)
{
    const int64_t *until_ms = lru_get(net->older, str_z(host_port));

    return until_ms != NULL && *until_ms > clock_mono_ms();
}

void net_remember_older(struct net *net, const char *host_port)
{
    int64_t *until_ms = malloc(sizeof(*until_ms));

    if (until_ms == NULL)
        abort();
    *until_ms = clock_mono_ms() + NET_OLDER_MS;
    lru_put(net->older, str_z(host_port), until_ms, sizeof(*until_ms));
}

void net_count_bytes(struct net *net, size_t *counted, size_t bytes)
{
    net->connection_bytes = net->connection_bytes - *counted + bytes;
    *counted = bytes;
}

/* -- parts -- */

static int check_options(const struct net_options *o, struct err *err)
{
    for (int n = 0; n < NETWORK__COUNT; n++) {
        if (n == NETWORK_CLEARNET)
            continue;
        if (proxy_check(o->proxy[n], n == NETWORK_TOR, err) != 0)
            return -1;
    }
    return 0;
}

static void copy_numbers(struct net *net, const struct net_options *o)
{
    memcpy(net->user_agent, o->user_agent, sizeof(net->user_agent));
    net->dns_timeout_ms = o->dns_timeout_ms;
    net->connect_timeout_ms = o->connect_timeout_ms;
    net->tls_timeout_ms = o->tls_timeout_ms;
    net->upgrade_timeout_ms = o->upgrade_timeout_ms;
    net->overlay_timeout_ms = o->overlay_timeout_ms;
    net->message_bytes_max = o->message_bytes_max;
    net->assembly_bytes_max = o->assembly_bytes_max;
    addr_places_set_limits(
        net->places, &(struct addr_limits){.connections_max = o->address_connections_max,
                                           .connects_per_second = o->address_connects_per_second});
}

/* Proxies whose setting did not change are left alone. */
static void open_proxies(struct net *net, const struct net_options *o)
{
    for (int n = 0; n < NETWORK__COUNT; n++) {
        const char *setting = o->proxy[n] == NULL ? "none" : o->proxy[n];

        if (n == NETWORK_CLEARNET ||
            (net->proxies[n] != NULL && strcmp(net->proxy_settings[n], setting) == 0))
            continue;
        close_proxy(net, n);
        (void)str_copy(net->proxy_settings[n], sizeof(net->proxy_settings[n]), str_z(setting));
        net->proxies[n] = calloc(1, sizeof(*net->proxies[n]));
        if (net->proxies[n] == NULL)
            abort();
        proxy_open(net->proxies[n], net, net->loop, net->dns, setting, on_proxy_up);
        net->open_parts++;
    }
    deny_proxies(net);
}

static void close_proxy(struct net *net, int network)
{
    if (net->proxies[network] == NULL)
        return;
    proxy_close(net->proxies[network], on_proxy_released);
    net->proxies[network] = NULL;
}

/* No relay's name may lead to a proxy of ours: neither where it would be, nor where its name led.
 * The table has room for three of each network. */
static void deny_proxies(struct net *net)
{
    addr_policy_forget_services(&net->policy, ADDR_SERVICE_PROXY);
    for (int n = 0; n < NETWORK__COUNT; n++) {
        const struct proxy *p = net->proxies[n];
        struct ip ip;

        for (int i = 0; p != NULL && i < p->candidate_count; i++)
            if (ip_parse(&ip, str_z(p->candidates[i].host)))
                (void)addr_policy_deny_service(&net->policy, ADDR_SERVICE_PROXY, &ip,
                                               p->candidates[i].port);
        if (p != NULL && p->state == NET_PROXY_UP)
            (void)addr_policy_deny_service(&net->policy, ADDR_SERVICE_PROXY, &p->ip,
                                           p->candidates[p->candidate].port);
    }
}

static struct tls_context *tls_context_of(const struct net_options *o, struct err *err)
{
    const struct tls_options options = {.ca_file = o->tls_ca_file,
                                        .record_only = o->tls_record_only};

    return tls_context_new(&options, err);
}

static void drop_session(void *value)
{
    tls_session_free(value);
}

static void on_part_closed(uv_handle_t *h)
{
    struct net *net = h->data;

    net->open_parts--;
    release(net);
}

static void on_proxy_up(struct proxy *p)
{
    struct net *net = p->net;

    deny_proxies(net);
    for (int n = 0; n < NETWORK__COUNT; n++) {
        if (net->proxies[n] != p)
            continue;
        LIST_FOR_EACH(l, &net->proxy_watches)
        {
            struct net_proxy_watch *w = CONTAINER_OF(l, struct net_proxy_watch, link);

            w->up(w, (enum network)n);
        }
    }
}

static void on_proxy_released(struct proxy *p)
{
    struct net *net = p->net;

    free(p);
    net->open_parts--;
    release(net);
}

static void release(struct net *net)
{
    if (net->closed && net->open_parts == 0)
        free(net);
}
