/* cost: see cost.h. */
#include "services/plan/cost.h"

#include <math.h>

/* README, "What it costs".  CPU in microseconds. */
static const double PAGES_MORE = 1.16;     /* requests of a first walk, of events / page */
static const double BYTES_MORE = 1.02;     /* EVENT messages of a first walk, of its events */
static const double CPU_NEW = 37.2 + 18.3; /* the daemon's, and PostgreSQL's with its sighting */
static const double CPU_KNOWN = 3.3 + 5.0; /* one more sighting of an event that is known */
static const double EVENT_INDEXES = 185, SIGHTING = 24.3; /* bytes on disk */

/* Heap of an event: 746 bytes where its message has 935; beyond the ids, the keys, the signature
 * and names of a message, which the row has in binary, each byte more is one more in the row. */
static const double HEAP = 746, HEAP_MESSAGE = 935, HEAP_MIN = 234;

static const double US = 1e-6;

void cost_of(const struct cost_of *what, double page, struct cost *out)
{
    double heap = HEAP + what->event_bytes - HEAP_MESSAGE, known = what->wanted - what->distinct;

    *out = (struct cost){.requests = PAGES_MORE * what->events / (page < 1 ? 1 : page) + 1,
                         .download_bytes = BYTES_MORE * what->events * what->event_bytes,
                         .database_bytes = what->distinct * (fmax(heap, HEAP_MIN) + EVENT_INDEXES) +
                                           what->wanted * SIGHTING,
                         .cpu_s = US * (what->distinct * CPU_NEW + fmax(known, 0) * CPU_KNOWN)};
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
