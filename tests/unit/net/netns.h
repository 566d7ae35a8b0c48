/* A network of our own for one test program: only loopback, but with whole public ranges on it
 * (AnyIP), so that the address policy is tested as it is and no packet leaves the machine.
 *
 *     11.0.0.0/8, 2a0f:1234::/48   reach this machine
 *     12.0.0.0/8, 2a0f:dead::/48   swallow what is sent (a cable whose other end nobody holds)
 *     all else                     no route */
#ifndef TEST_NETNS_H
#define TEST_NETNS_H

#include <stdbool.h>

/* Before any thread is started.  False: this machine does not allow it; the tests that need it are
 * skipped. */
bool netns_enter(void);

/* Adds lines to what this program and its children see as /etc/hosts.  False: not allowed. */
bool netns_hosts(const char *lines);

#endif
