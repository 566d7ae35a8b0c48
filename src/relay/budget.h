/* budget: how many connections a host and a network may have, and how fast new ones may come.
 *
 * Every dial asks first, whoever dials: the archive and the checks share one budget.  (Requests:
 * each session gets an equal part of what a host may have open, so that no account of them is
 * needed here.)   A host is a name or address without port: many relays may live on one.  Pure but
 * for memory: time is passed in (monotonic milliseconds). */
#ifndef RELAY_BUDGET_H
#define RELAY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/network.h"

/* Who dials.  Each has a part that the others cannot take, so that none starves: of the connections
 * a fixed one; of the new ones a second archive and checks have one half each, and what one leaves
 * the other may have.  Publishing dials seldom and takes from the half of the checks; so does the
 * finder, which looks at relays that nobody knows yet (without checks, from the archive's).
 *
 * Publishing keeps the interval of a host, but its connection stands beside those that the host may
 * have: a person has named the relay, an archive that follows it for ever must not keep the events
 * out, and a relay that takes an event slowly must not keep checks out. */
enum budget_user { BUDGET_ARCHIVE, BUDGET_CHECKS, BUDGET_PUBLISHING, BUDGET_FINDER, BUDGET_USERS };

struct budget_limits {
    uint32_t connections_max;    /* all networks together */
    uint32_t connections_checks; /* of these: what checks may have, and the archive never takes; 0:
                                    nothing is checked */
    uint32_t connections_publishing; /* of these too: 0: nothing is published */
    uint32_t connections_finder;     /* of these too: 0: nothing is looked for */
    uint32_t host_connections_max;
    uint32_t host_interval_ms; /* between two dials to one host */
    uint32_t dials_per_second; /* all hosts together: a token bucket of one second */
};

struct budget;

struct budget *budget_new(const struct budget_limits *limits);
void budget_set_limits(struct budget *b, const struct budget_limits *limits);
void budget_free(struct budget *b);

/* 0: go, and `n` places are taken until budget_release(): one, or two for a check that has a
 * WebSocket and an HTTP connection.  >0: not now, ask again after so many milliseconds. */
int64_t budget_take(struct budget *b, enum budget_user user, const char *host, uint32_t n,
                    int64_t now_ms);

/* The dial has ended, well or badly: the interval to the next one begins now (a name may take
 * seconds to resolve, so the start of a dial says little about when the host saw it).  Before
 * budget_release(). */
void budget_dialled(struct budget *b, const char *host, int64_t now_ms);
void budget_release(struct budget *b, enum budget_user user, const char *host, uint32_t n,
                    int64_t now_ms);

uint32_t budget_connections(const struct budget *b); /* of all users */

/* Has this user as many as it may have?  And if not: may it make another just now? */
bool budget_is_full(const struct budget *b, enum budget_user user);
bool budget_may_dial(struct budget *b, enum budget_user user, int64_t now_ms);

#endif
