/* cost: see cost.h. */
#include "services/plan/cost.h"

#include <math.h>

/* README, "What it costs".  CPU in microseconds. */
static const double pages_more = 1.16;     /* requests of a first walk, of events / page */
static const double bytes_more = 1.02;     /* EVENT messages of a first walk, of its events */
static const double cpu_new = 37.2 + 18.3; /* the daemon's, and PostgreSQL's with its sighting */
static const double cpu_known = 3.3 + 5.0; /* one more sighting of an event that is known */
static const double event_indexes = 185, sighting = 24.3; /* bytes on disk */

/* Heap of an event: 746 bytes where its message has 935; beyond the ids, the keys, the signature
 * and names of a message, which the row has in binary, each byte more is one more in the row. */
static const double heap_mean = 746, heap_message = 935, heap_min = 234;

static const double micro = 1e-6;

void cost_of(const struct cost_of *what, double page, struct cost *out)
{
    double heap = heap_mean + what->event_bytes - heap_message,
           known = what->wanted - what->distinct;

    *out = (struct cost){.requests = pages_more * what->events / (page < 1 ? 1 : page) + 1,
                         .download_bytes = bytes_more * what->events * what->event_bytes,
                         .database_bytes = what->distinct * (fmax(heap, heap_min) + event_indexes) +
                                           what->wanted * sighting,
                         .cpu_s = micro * (what->distinct * cpu_new + fmax(known, 0) * cpu_known)};
}

double cost_seconds(const struct cost *cost, double first_s, double bytes_per_s)
{
    return cost->requests * first_s + (bytes_per_s > 0 ? cost->download_bytes / bytes_per_s : 0);
}

double cost_share_new(uint32_t held, uint32_t asked, double relays)
{
    double elsewhere = held > 1 && asked > 1 ? (double)(held - 1) / (asked - 1) : 0;

    return 1 / (1 + elsewhere * fmax(relays - 1, 0));
}
