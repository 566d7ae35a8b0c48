/* Proxy: the SOCKS5 proxy of one network, and whether it is there.
 *
 *     NONE (not configured; or auto, and nobody answers)
 *     UNKNOWN --probe--> UP --a dial could not talk to it--> DOWN --probe every 10 s--> UP
 *
 * A probe resolves the address when it is a name, connects, and exchanges the SOCKS5 greeting: an
 * open port is not a proxy.  "auto" tries 127.0.0.1:9050 (tor), then 9150 (Tor Browser).  Embedded
 * in struct net, on the loop. */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include <stdbool.h>

#include <uv.h>

#include "core/list.h"
#include "net/addr_policy.h"
#include "net/dns.h"
#include "net/net.h"
#include "net/socks5.h"

enum { PROXY_PROBE_EVERY_MS = 10000, PROXY_PROBE_TIMEOUT_MS = 3000, PROXY_CANDIDATES_MAX = 2 };

/* A dial that waits for the first probe to end.  known() only notes it: it may run inside
 * net_reconfigure(). */
struct proxy_waiter {
    struct list link;
    void (*known)(struct proxy_waiter *waiter);
};

struct proxy_candidate {
    char host[256];
    uint16_t port;
};

struct proxy {
    enum net_proxy_state state;
    bool automatic;
    struct proxy_candidate candidates[PROXY_CANDIDATES_MAX];
    int candidate_count, candidate; /* candidate: the one being probed, or in use */
    struct ip ip;                   /* of the one in use; valid while UP */
    char text[300];                 /* "host:port" of the one in use */
    struct list waiters;

    int64_t served_ms; /* when a dial through it last came to its end well; monotonic, 0: never */

    uint32_t probe_every_ms; /* PROXY_PROBE_EVERY_MS; tests are less patient */

    /* The probe in flight. */
    uv_loop_t *loop;
    struct dns *dns;
    uv_timer_t timer; /* the next probe, or the deadline of this one */
    uv_poll_t poll;
    bool poll_open, probing, closed;
    int open_handles;
    int fd;
    struct dns_query *query;
    struct ip trying;
    struct socks5 socks5;
    void (*on_up)(struct proxy *proxy); /* it answers, and did not before; never inside a call */
    void (*on_released)(struct proxy *proxy); /* after proxy_close, when the last handle is gone */
    struct net *net;                          /* for these two */
};

/* `setting`: "none", "", "auto", "host:port".  ERR_CONFIG when it is none of these; nothing is open
 * then. */
int proxy_check(const char *setting, bool auto_allowed, struct err *err) MUST_USE;

/* The setting was checked.  The first probe begins on the loop. */
void proxy_open(struct proxy *p, struct net *net, uv_loop_t *loop, struct dns *dns,
                const char *setting, void (*on_up)(struct proxy *proxy));
void proxy_close(struct proxy *p, void (*on_released)(struct proxy *proxy));

/* A dial was refused, or met no SOCKS5: DOWN, and probed at once. */
void proxy_failed(struct proxy *p);

void proxy_wait(struct proxy *p, struct proxy_waiter *waiter); /* only while UNKNOWN */
void proxy_unwait(struct proxy_waiter *waiter);                /* harmless when it does not wait */

#endif
