/* relay_metrics: numbers of single relays for Prometheus: of the few that have brought most, since
 * thousands of relays with a handful of series each are more than a Prometheus should be given.
 *
 * Which numbers: the rows BY_RELAY of core/metrics.def.  A relay that loses its place to another
 * one is no longer shown; its counters go on and are right again when it is back. */
#ifndef SERVICES_RELAY_METRICS_H
#define SERVICES_RELAY_METRICS_H

#include <stdio.h>

#include "services/roster.h"

/* Prints the `most` relays that have brought most new events; a relay that has brought none is none
 * of them.  now_ms: UNIX milliseconds.  0 prints nothing at all.  The time is O(relays + most log
 * most), the memory that of `most` pointers. */
void relay_metrics_print(FILE *out, const struct roster *roster, uint32_t most, int64_t now_ms);

#endif
