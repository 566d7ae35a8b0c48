/* A relay in memory, with the bad habits of PROTOCOL 1.17 that concern paging: what it holds and
 * how it answers follow from one seed. */
#ifndef TESTS_SIM_RELAY_H
#define TESTS_SIM_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/walk/walk.h"

#define SIM_NOW 1760000000

enum sim_order {
    SIM_NEWEST,      /* the newest, newest first */
    SIM_SHUFFLED,    /* the newest, in any order */
    SIM_REVERSED,    /* the newest, oldest first */
    SIM_OLDEST,      /* the oldest, oldest first */
    SIM_OLDEST_DESC, /* the oldest, newest first */
    SIM_RANDOM       /* any */
};

enum sim_ties {
    SIM_TIES_FIRST, /* in one second: first come, first sent */
    SIM_TIES_LAST,
    SIM_TIES_RANDOM /* another order each time */
};

struct sim_event {
    int64_t created_at;
    uint64_t fingerprint;
    int32_t kind;
    bool hidden;  /* counted for the limit, not sent */
    bool invalid; /* sent, but no event: counted as raw only */
    bool late;    /* came while the walk was going on, with an older date: no walk can promise it */
};

struct sim_config {
    size_t events;
    size_t cap; /* 0: none */
    enum sim_order order;
    enum sim_ties ties;
    int kinds;           /* how many */
    int hidden_kinds;    /* of these */
    size_t hidden_run;   /* so many in a row are hidden too, as if of a hidden kind */
    bool hides_known;    /* the hidden kind is one that the archive would ask for */
    bool flagged;        /* the caller knows that it may hide */
    bool unknown_kind;   /* one served kind is known to nobody */
    int dense;           /* seconds that hold many */
    size_t dense_events; /* each */
    int far_future;
    int at_zero; /* events in the seconds 0 and 1 */
    bool ignores_until, ignores_since, ignores_limit;
    bool refuses_since, refuses_lists; /* CLOSED for `since`; for more than 20 kinds */
    bool needs_kinds;                  /* empty without */
    int duplicates, noise, invalid;    /* percent of events or pages */
    int faults;                        /* percent of answers that fail */
    bool dead;                         /* after a while every answer fails */
    bool finishes;                     /* NIP-67 */
    bool unproven;                     /* its EOSE has no id */
    int inserts;                       /* percent of questions before which something new comes */
    size_t flood;                      /* more in one answer is cut off as a flood; 0: never */
    unsigned slow; /* every so manieth question is refused as too early; 0: none */
    bool silent;   /* no EOSE, ever */
};

struct sim_relay {
    struct sim_config config;
    struct sim_event *events; /* sorted by created_at */
    size_t n, room;
    int64_t now;
    uint64_t random;
    uint64_t requests, sent; /* EVENT messages */
    int64_t oldest_since;
    bool bad_ask; /* since or until of 0 or less, a limit below 1, no room .. */
    struct walk_event *page;
    size_t page_room;
    struct sim_event **picked;
    size_t picked_room;
};

uint64_t sim_random(uint64_t *state);
int64_t sim_between(uint64_t *state, int64_t low, int64_t high); /* closed */

/* What the seed makes of a relay: anything from well-behaved to hopeless. */
void sim_config_random(struct sim_config *config, uint64_t seed);
void sim_config_print(const struct sim_config *config);

struct sim_relay *sim_relay_new(const struct sim_config *config, uint64_t seed);
void sim_relay_free(struct sim_relay *r);

bool sim_noise(const struct walk_event *e); /* not one of the relay's own events */

/* The archive's list of kinds: n of them. */
const int32_t *sim_known_kinds(size_t *n);
bool sim_kind_known(int32_t kind);

/* The answer is valid until the next one. */
void sim_relay_answer(struct sim_relay *r, const struct walk_ask *ask, struct walk_page *page);

/* Seconds that hold as many events as a page of this size, or more. */
uint64_t sim_relay_bursts(const struct sim_relay *r, size_t page);

#endif
