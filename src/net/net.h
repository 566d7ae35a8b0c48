/* Net: what every connection shares: the loop, the workers, the resolver, the address policy, the
 * TLS settings, the proxies, the bandwidth and the memory for messages in assembly.  Made once by
 * the daemon, outlives every connection. */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/err.h"
#include "core/list.h"
#include "core/network.h"
#include "core/str.h"
#include "loop/workers.h"
#include "net/addr_policy.h"

enum { NET_USER_AGENT_SIZE = 256 };

/* All times in milliseconds.  Strings are copied. */
struct net_options {
    char user_agent[NET_USER_AGENT_SIZE];
    const char *allow_addresses;       /* ranges, separated by commas or spaces */
    const char *dns_servers;           /* "" for the system's */
    const char *tls_ca_file;           /* "" for the system's */
    bool tls_record_only;              /* a bad certificate is noted, not refused */
    const char *proxy[NETWORK__COUNT]; /* "host:port", "auto" (Tor only), "none" */
    uint32_t dns_timeout_ms, connect_timeout_ms, tls_timeout_ms, upgrade_timeout_ms,
        overlay_timeout_ms;
    uint32_t message_bytes_max;  /* one WebSocket message */
    uint64_t assembly_bytes_max; /* all messages that are being received, together */
    uint64_t bandwidth_max;      /* bytes a second, 0 for no limit */
    uint32_t address_connections_max, address_connects_per_second; /* addr_places.h */
};

struct net;

struct net *net_open(uv_loop_t *loop, struct workers *workers, const struct net_options *options,
                     struct err *err);
int net_reconfigure(struct net *net, const struct net_options *options,
                    struct err *err) MUST_USE; /* SIGHUP; applies to new connections */
void net_close(struct net *net);               /* when no connection is left */

uv_loop_t *net_loop(const struct net *net);
struct workers *net_workers(const struct net *net);
struct dns *net_dns(const struct net *net); /* dns.h */

/* Never dial this, whatever allow_addresses lets through: the database, our own listener (the
 * proxies are added by themselves).  `ip_literal`: "0.0.0.0" or "::" for every address of this
 * machine.  To replace what was denied, forget first.  False: not a literal, or the table is
 * full. */
bool net_deny_service(struct net *net, enum addr_service what, const char *ip_literal,
                      uint16_t port);
void net_forget_services(struct net *net, enum addr_service what);

/* Addresses that a person does not want: asked of each before it is dialled, unless the target is
 * `wanted`, also of the IPv4 address that a gateway leads to.  NULL: none. */
typedef bool net_denied(void *owner, const struct ip *ip);
void net_deny_addresses(struct net *net, net_denied *denied, void *owner);
bool net_address_denied(const struct net *net, const char *ip_literal); /* "" is not */

/* Is there a way into this network?  Clearnet: always.  Others: a proxy is configured, and (auto)
 * answered when it was last tried; auto tries again every 10 s while nothing answers.  A proxy that
 * refused is asked again every 10 s. */
enum net_proxy_state {
    NET_PROXY_NOT_NEEDED,
    NET_PROXY_NONE,
    NET_PROXY_UNKNOWN,
    NET_PROXY_UP,
    NET_PROXY_DOWN
};
enum net_proxy_state net_proxy_state(const struct net *net, enum network network);
const char *net_proxy_address(const struct net *net,
                              enum network network); /* "127.0.0.1:9050", or "" */

/* Who wants to know at once when a proxy answers that did not (also the first time).  Embedded in
 * its owner, which takes it off the list before it goes; up() runs on the loop. */
struct net_proxy_watch {
    struct list link;
    void (*up)(struct net_proxy_watch *watch, enum network network);
};
void net_watch_proxies(struct net *net, struct net_proxy_watch *watch);
void net_unwatch_proxies(struct net_proxy_watch *watch);

/* Is a literal address let through by the address policy (private ones by allow_addresses)?  For
 * url_policy. */
bool net_address_allowed(const struct net *net, const char *ip_literal);

/* Is there a place for a connection to this host of the clear network (addr_places.h), as far as is
 * known without asking anybody?  0: yes, or its addresses are not known.  Else the milliseconds to
 * our turn: dialled now, it would fail with ERR_ADDRESS_BUSY. */
int64_t net_dial_wait(struct net *net, const char *host);
bool net_address_crowded(const struct net *net, const char *ip_literal); /* addr_places_crowded */

uint64_t net_assembly_bytes(const struct net *net); /* held now by messages in assembly */
uint64_t net_connection_bytes(
    const struct net *net); /* held now by connections: TLS, buffers; an estimate */
uint32_t net_connections(const struct net *net);
uint32_t net_lookups_waiting(const struct net *net); /* names that wait for their turn */

#endif
