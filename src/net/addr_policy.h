/* Address policy: which addresses, ports and names may be dialled at all (PROTOCOL 4.1).
 *
 *     name --addr_policy_name--> DNS --addr_policy_ip--> connect() --addr_policy_ip(getpeername)-->
 *
 * A relay's name is chosen by a stranger, so it decides what this machine connects to.  The
 * decision is made on the address that is handed to connect(), never on the name alone, and the
 * name is not resolved a second time.
 *
 * In order: our own services are always refused; what the configuration allows is let through; our
 * own interfaces and everything that is not public unicast (IANA special-purpose registries, RFC
 * 6890 and its successors) is refused.
 *
 * NAT64: a network without IPv4 answers for names that have only A records with 64:ff9b::/96 and
 * the A record's address behind it (RFC 6147, 6052).  Such an address is judged by the IPv4 address
 * that it leads to, as if that one were dialled.  64:ff9b:1::/48 (RFC 8215) is each network's own:
 * where in it the IPv4 address stands is not known, so it is refused unless it is allowed, and an
 * allowed range of a length of RFC 6052 (48, 56, 64, 96) says where it stands.  Any other prefix
 * that a network chose from its own addresses cannot be told from public IPv6; its gateway has to
 * refuse what is private (RFC 6052, 5.2).
 *
 * Pure: no clock, no sockets.  Owned by struct net, used on the loop. */
#ifndef NET_ADDR_POLICY_H
#define NET_ADDR_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/err.h"
#include "core/network.h"
#include "core/str.h"

/* An IP address without port and without scope.  IPv4 uses the first four bytes, the others are
 * zero. */
struct ip {
    int family; /* AF_INET, AF_INET6; 0: none */
    uint8_t bytes[16];
};

enum { IP_TEXT_MAX = 46 };

/* A literal: dotted quad, or RFC 4291 without brackets.  False for anything else, scope ids (%eth0)
 * among it. */
bool ip_parse(struct ip *ip, struct str literal);
bool ip_from_sockaddr(struct ip *ip,
                      const struct sockaddr *sa); /* false: another family, or a scope id */
socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *sa);
const char *ip_text(const struct ip *ip, char to[IP_TEXT_MAX]);
bool ip_eq(const struct ip *a, const struct ip *b);

enum { ADDR_RANGES_MAX = 64, ADDR_SERVICES_MAX = 48, ADDR_OWN_MAX = 64 };

struct ip_range {
    struct ip base;
    int bits;
};

/* What of ours listens somewhere.  Each is denied and forgotten by itself: a database that comes
 * back may have another address. */
enum addr_service { ADDR_SERVICE_PROXY, ADDR_SERVICE_DATABASE, ADDR_SERVICE_HTTP };

struct ip_service {
    enum addr_service what;
    struct ip ip; /* one of this machine's, or all zero: on every address of this machine */
    uint16_t port;
};

struct addr_policy {
    struct ip_range allow[ADDR_RANGES_MAX];
    struct ip own[ADDR_OWN_MAX];
    struct ip_service services[ADDR_SERVICES_MAX];
    int allow_count, own_count, service_count;
};

/* `allow`: ranges as 10.1.0.0/16 or ::1, separated by commas or spaces; the rest of *p is kept.  -1
 * with ERR_CONFIG: not a range, bits set behind the prefix, or more than ADDR_RANGES_MAX; *p is
 * unchanged then. */
int addr_policy_allow(struct addr_policy *p, const char *allow, struct err *err) MUST_USE;

/* Never dial this, whatever is allowed.  A service on one address of this machine is refused on all
 * of them: what listens on every address is reached by each, and who dials cannot tell.  False when
 * the table is full. */
bool addr_policy_deny_service(struct addr_policy *p, enum addr_service what, const struct ip *ip,
                              uint16_t port);
void addr_policy_forget_services(struct addr_policy *p, enum addr_service what);
void addr_policy_set_own(struct addr_policy *p, const struct ip *own,
                         size_t n); /* the first ADDR_OWN_MAX */

/* Each answers NULL for "go", or why not, as static text.  Port 0: only the address is asked about.
 */
const char *addr_policy_ip(const struct addr_policy *p, const struct ip *ip, uint16_t port);

/* Whose connections they are: the IPv4 address that it leads to, or the address itself. */
struct ip addr_policy_reached(const struct addr_policy *p, const struct ip *ip);
const char *
addr_policy_name(struct str name); /* of the clear network; also refuses .onion, .i2p, .loki */
const char *addr_policy_port(uint16_t port); /* of the clear network */

/* Before a proxy is asked to go there.  `exit`: a host of the clear network, which the proxy's
 * network resolves; else only names of that network. */
const char *addr_policy_behind_proxy(const struct addr_policy *p, enum network network, bool exit,
                                     struct str host, uint16_t port);

#endif
