/* cost: what archiving costs, from what relays hold.  Pure; the constants are those that the
 * README measures ("What it costs"). */
#ifndef SERVICES_COST_H
#define SERVICES_COST_H

#include <stdint.h>

/* One relay, or several together. */
struct cost_of {
    double events;      /* EVENT messages that come: each is downloaded */
    double wanted;      /* those that are archived, as sightings */
    double distinct;    /* those that are archived, each once */
    double event_bytes; /* of one EVENT message, mean */
};

struct cost {
    double requests, download_bytes, database_bytes, cpu_s; /* of daemon and PostgreSQL together */
};
void cost_of(const struct cost_of *what, double page, struct cost *out);

/* How long one relay takes at the pace at which it sent pages: so long until the first event of a
 * page, then so many bytes a second (0: unknown, not counted). */
double cost_seconds(const struct cost *cost, double first_s, double bytes_per_s);

/* An event was found at `held` of the `asked` relays, the one included that it was drawn from: what
 * part of an archive of all `relays` is its one copy? */
double cost_share_new(uint32_t held, uint32_t asked, double relays);

#endif
