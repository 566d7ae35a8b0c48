/* What the files of this room see of struct net; everybody else sees net.h. */
#ifndef NET_NET_SHARED_H
#define NET_NET_SHARED_H

#include "net/addr_places.h"
#include "net/addr_policy.h"
#include "net/bandwidth.h"
#include "net/circuit.h"
#include "net/dns.h"
#include "net/lru.h"
#include "net/net.h"
#include "net/proxy.h"
#include "net/tls.h"

enum {
    NET_READ_BYTES = 64 * 1024, /* read from one connection in one turn of the loop */
    NET_SESSIONS_MAX = 4096,    /* TLS sessions kept for resumption */
    NET_SESSIONS_BYTES_MAX = 16 * 1024 * 1024,
    NET_OLDER_MAX = 1024,
    NET_OLDER_BYTES_MAX = 512 * 1024,
    NET_OLDER_MS = 24 * 60 * 60 * 1000,
    NET_OWN_REFRESH_MS = 30000, /* how old the list of our own addresses may be */
    /* A message in assembly must move by this many bytes in each window (PROTOCOL 4.2). */
    NET_RATE_WINDOW_MS = 30000,
    NET_RATE_BYTES_A_SECOND = 1024
};

struct net {
    uv_loop_t *loop;
    struct workers *workers;
    bool closed;
    unsigned open_parts; /* proxies, bandwidth: closed and 0: free */

    char user_agent[NET_USER_AGENT_SIZE];
    uint32_t dns_timeout_ms, connect_timeout_ms, tls_timeout_ms, upgrade_timeout_ms,
        overlay_timeout_ms;
    uint32_t message_bytes_max;
    uint32_t rate_window_ms; /* NET_RATE_WINDOW_MS; tests are less patient */
    uint64_t assembly_bytes_max, assembly_bytes;
    uint64_t connection_bytes;
    uint32_t connections;

    struct addr_policy policy;
    net_denied *denied; /* NULL: nothing is */
    void *denied_owner;
    int64_t own_refreshed_ms;
    struct addr_places *places;
    struct dns *dns;
    struct proxy *proxies[NETWORK__COUNT]; /* NULL: clearnet */
    char proxy_settings[NETWORK__COUNT][300];
    struct list proxy_watches;
    struct tls_context *tls; /* its connections hold references of their own */
    struct lru *sessions;    /* "host:port" -> struct tls_session */
    struct lru *older;       /* "host:port" -> until when less is offered to it in TLS, ms */
    struct bandwidth bandwidth;
    struct circuits circuits; /* of networks behind a proxy */

    char ciphertext[NET_READ_BYTES]; /* scratch for one callback, on the loop only */
    char plaintext[16 * 1024];
};

bool net_denies(const struct net *net, const struct ip *ip); /* net_deny_addresses */
const struct addr_policy *net_policy(struct net *net);       /* with our own addresses up to date */

int64_t net_places_wait(struct net *net, const struct ip *ips, int n); /* addr_places_wait */

/* Does this "host:port" sign as we cannot read, unless TLS_OFFER_OLDER?  Remembered for a day, of
 * so many. */
bool net_knows_older(struct net *net, const char *host_port);
void net_remember_older(struct net *net, const char *host_port);

/* Moves a connection's share of net_connection_bytes() from *counted to `bytes`. */
void net_count_bytes(struct net *net, size_t *counted, size_t bytes);

#endif
