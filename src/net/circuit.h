/* Circuit: by which user and password a relay is asked for at its network's proxy.
 *
 * Tor puts streams with different ones on different circuits (IsolateSOCKSAuth), so each relay has
 * a circuit of its own, and what happens to one says nothing of another.  A circuit that leads
 * nowhere is asked again by the same name and fails again: after CIRCUIT_FAILURES_MAX failures in a
 * row that may be the circuit's, the relay's epoch is counted up, its password is another one, and
 * with it the circuit.  Only relays in trouble are remembered, in bounded memory. */
#ifndef NET_CIRCUIT_H
#define NET_CIRCUIT_H

#include <stdint.h>

#include "core/err.h"
#include "net/lru.h"
#include "net/socks5.h"

enum { CIRCUIT_FAILURES_MAX = 3 };

struct circuits {
    uint8_t salt[16]; /* circuits of one run have nothing in common with another's */
    struct lru *troubled;
};

void circuits_open(struct circuits *c);
void circuits_close(struct circuits *c);

void circuit_password(const struct circuits *c, const char *host, char to[SOCKS5_PASSWORD_SIZE]);

/* A dial through the proxy has ended; ERR_NONE: well. */
void circuit_ended(struct circuits *c, const char *host, enum err_code code);

#endif
