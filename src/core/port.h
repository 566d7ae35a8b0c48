/* port: which ports no relay is expected on. */
#ifndef CORE_PORT_H
#define CORE_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* Of another service: the list that browsers refuse (the Fetch standard's bad ports), databases,
 * proxies, control ports.  Whoever lists ws://somebody:25 wants us to knock there. */
bool port_denied(uint16_t port);

#endif
