/* addr_places: how many connections one address may have open, and how fast new ones may come.
 *
 *     addr_places_take --> place: the connection's until addr_places_leave()
 *         \--> NULL --> addr_places_wait: so long; whoever asks next has a later turn
 *
 * Thousands of names may lead to one machine: a wildcard domain, a reverse proxy, a spammer's zone.
 * The budget of a host (relay/budget.h) knows names; this knows where they lead, so it is asked
 * between resolution and connect(), for every connection that we make by ourselves.  Through a
 * proxy there is no address, and no limit here.
 *
 * What counts as one address: an IPv4 address; of IPv6 a /64, since the least that a customer of
 * anybody gets is one (RFC 6177), and who has it could answer from 2^64 addresses.  Some large
 * networks put many customers into one /64: their names have IPv4 addresses too, which are dialled
 * when the /64 is full.  An address that leads to IPv4 (NAT64) is that IPv4 address:
 * addr_policy_reached().
 *
 * A place that was left counts for ADDR_LINGER_MS more: the end of a connection takes half a round
 * trip to the peer, and until then he counts it.  New connections are a bucket of one second.
 *
 * Waiting.  Who finds no place does not hold what he has of other budgets: he goes, and comes back
 * at the turn that he is told.  Turns of one address are as far apart as its new connections may
 * be, so that ten thousand names that wait for one address cost as little as ten.  An address that
 * had no place for somebody is crowded for a while: then nobody should stay at it for long.
 *
 * Pure but for memory: time is passed in (monotonic milliseconds). */
#ifndef NET_ADDR_PLACES_H
#define NET_ADDR_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "net/addr_policy.h"

enum {
    ADDR_LINGER_MS = 250,
    ADDR_TURN_MIN_MS = 1000,           /* the first turn after a full address */
    ADDR_TURN_MAX_MS = 10 * 60 * 1000, /* the last one */
    ADDR_CROWDED_MS = 60 * 60 * 1000
};

struct addr_limits {
    uint32_t connections_max;     /* to one address at the same time; 0: no limit */
    uint32_t connects_per_second; /* to one address; 0: no limit */
};

struct addr_places;
struct addr_place; /* one connection */

struct addr_places *addr_places_new(const struct addr_limits *limits);
void addr_places_set_limits(struct addr_places *p, const struct addr_limits *limits);
void addr_places_free(struct addr_places *p); /* when every place was left */

/* NULL: as many as may be, or too soon after the last one. */
struct addr_place *addr_places_take(struct addr_places *p, const struct ip *ip, int64_t now_ms);
void addr_places_leave(struct addr_places *p, struct addr_place *place, int64_t now_ms);

/* Of a name with these addresses: 0 when one of them has a place now; else the milliseconds to a
 * turn, which is this caller's. */
int64_t addr_places_wait(struct addr_places *p, const struct ip *ips, int n, int64_t now_ms);

/* Was somebody turned away from it, lately, because it was full? */
bool addr_places_crowded(const struct addr_places *p, const struct ip *ip, int64_t now_ms);

#endif
