/* Dial: from host and port to a connected socket.
 *
 *     START -> RESOLVING -> CONNECTING (happy eyeballs) ----------------> READY
 *       \----> PROXY_WAIT -> PROXY_CONNECTING -> PROXY_TALKING (SOCKS5) -/
 *     any -> FAILED, CLOSED
 *
 * Clearnet: name and port are checked, A and AAAA resolved, every address checked against the
 * policy (one that is refused condemns the name), then tried IPv6 first, alternating,
 * DIAL_STAGGER_MS apart (RFC 8305); the first that connects wins and its peer address is checked
 * once more.  So are the addresses that a person denies.  Other networks: the network's proxy
 * resolves the name; what fails between us and the proxy is an ERR_PROXY_*, never the relay's
 * fault.
 *
 * An address that has as many connections as it may have (addr_places.h) is passed over; when no
 * other one connects the dial fails with ERR_ADDRESS_BUSY and says when to come back.
 *
 * Ownership as STYLE 11-15: dial_close() once, from anywhere; the callbacks run on the loop, at
 * most one of them, once. */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "core/network.h"
#include "net/net.h"

enum { DIAL_STAGGER_MS = 250, DIAL_ADDRESSES_MAX = 6 };

struct dial_target {
    enum network network;
    const char *host; /* name or literal address without brackets, at most 255 bytes; copied */
    uint16_t port;
    bool exit;   /* a host of the clear network, through the proxy of `network` */
    bool wanted; /* addresses that a person denies are dialled all the same (net_deny_addresses) */
};

struct dial_report {
    int64_t dns_us, tcp_us,
        proxy_us;     /* -1: that step was not taken.  proxy_us: connecting to it and SOCKS5 */
    char address[64]; /* that was dialled (the last one tried, when all failed); "" through a proxy
                       */
    bool mixed_private; /* the name has refused addresses beside public ones: none was dialled */
    int64_t wait_ms;    /* with ERR_ADDRESS_BUSY: until our turn; net_dial_wait() */
};

struct dial_ops {
    void (*on_connected)(void *owner, int fd); /* non-blocking; the owner's from now on */
    void (*on_failed)(void *owner, const struct err *err);
};

struct dial;

struct dial *dial_open(struct net *net, const struct dial_target *target,
                       const struct dial_ops *ops, void *owner);
void dial_close(struct dial *d);
const struct dial_report *dial_report(const struct dial *d); /* valid until dial_close */

/* The place of the connection that was handed over, moved to who has that; NULL: through a proxy.
 * Not taken, it is left with dial_close(). */
struct addr_place *dial_take_place(struct dial *d);

#endif
