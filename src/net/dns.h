/* Dns: from a name to addresses, without ever blocking.  With dns_*.c the doorway to c-ares.
 *
 *     dns_lookup -> in the cache: answer on the next turn
 *                -> QUEUED -> YOUNG (at most DNS_YOUNG_MAX) -> OLD (with the young at most
 *                   DNS_FLYING_MAX) -> one family is there: SECOND -> answer
 *
 * A and AAAA are asked in parallel; when one has come with addresses the other gets DNS_SECOND_MS
 * more (RFC 8305, 3).  A lookup counts against DNS_YOUNG_MAX only for its first DNS_YOUNG_MS: names
 * that nobody answers hold up the others for no longer than that.  Two lookups of one name share
 * the question.  Answers live for their TTL in a bounded cache; /etc/hosts is not read; the servers
 * are remade when /etc/resolv.conf changes.
 *
 * Files.  dns.c: lookups of addresses.  dns_ns.c: name servers.  dns_answer.c: names in a message.
 * dns_channel.c: c-ares on our loop.  dns_servers.c: which resolvers.
 *
 * Ownership.  The query belongs to the resolver; the handle ends with its callback or with
 * dns_cancel().  Callbacks run on the loop, never from inside dns_lookup(). */
#ifndef NET_DNS_H
#define NET_DNS_H

#include <uv.h>

#include "core/err.h"
#include "core/str.h"
#include "net/addr_policy.h"
#include "net/dns_answer.h"

enum {
    DNS_ADDRESSES_MAX = 16, /* of each family; more are left out */
    DNS_SECOND_MS = 50,
    DNS_YOUNG_MS = 250,
    DNS_YOUNG_MAX = 500,
    DNS_FLYING_MAX = 8000,
    DNS_CACHE_MAX = 16384,
    DNS_CACHE_BYTES_MAX = 4 * 1024 * 1024,
    DNS_TTL_MAX_S = 3600,
    DNS_NEGATIVE_TTL_S = 60
};

struct dns_options {
    const char *servers;     /* "192.0.2.1, [2001:db8::1]:5353"; "": those of resolv_conf */
    const char *resolv_conf; /* NULL: /etc/resolv.conf */
    uint32_t timeout_ms;     /* of one lookup, waiting in the queue included */
};

struct dns_answer {
    uint32_t ttl_s; /* the shortest, aliases included */
    int count;
    char aliases[DNS_NAMES_BYTES];        /* the names between the one that was asked for and the
                                             addresses (dns_answer.h), a space between; "": none */
    struct ip ips[2 * DNS_ADDRESSES_MAX]; /* in the order in which the server gave them, A and AAAA
                                             as they came */
};

/* Either `answer` (at least one address) or `err`: ERR_DNS_NOT_FOUND (no such name, or no address),
 * ERR_DNS_FAILED (no answer in time, or servers that cannot answer).  Views for the time of the
 * call. */
typedef void dns_done(void *owner, const struct dns_answer *answer, const struct err *err);

struct dns;
struct dns_query;

/* -1 / NULL with ERR_CONFIG: a server that is not an address. */
struct dns *dns_open(uv_loop_t *loop, const struct dns_options *options, struct err *err) MUST_USE;
int dns_reconfigure(struct dns *d, const struct dns_options *options, struct err *err) MUST_USE;
void dns_close(struct dns *d); /* lookups end without a call */

/* `name` is not a literal address, and never of another network (asserted: .onion, .i2p, .loki; RFC
 * 7686). */
struct dns_query *dns_lookup(struct dns *d, struct str name, dns_done *done, void *owner);
void dns_cancel(struct dns_query *q);

/* The addresses of a name whose answer is still good; 0: not known here, or there are none. */
int dns_known(struct dns *d, struct str name, struct ip ips[2 * DNS_ADDRESSES_MAX]);

/* The name servers of a domain, as text (dns_answer.h), "": it has none; NULL: it is not known.
 * Asked for once a day.  The callback runs on the loop, never from inside dns_lookup_servers(). */
struct dns_servers_query;
typedef void dns_servers_done(void *owner, const char *names);
struct dns_servers_query *dns_lookup_servers(struct dns *d, struct str domain,
                                             dns_servers_done *done, void *owner);
void dns_cancel_servers(struct dns_servers_query *q);

unsigned dns_queued(const struct dns *d);
unsigned dns_flying(const struct dns *d); /* lookups whose questions are out */
uint64_t dns_asked(const struct dns *d);  /* questions sent since the start, two for a name */

#endif
