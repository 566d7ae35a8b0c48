/* What commands need that talk to relays themselves, without a daemon or a database: a loop, and
 * connections with the keys, proxies, resolvers and allowed addresses of the configuration. */
#ifndef CLI_OUTSIDE_H
#define CLI_OUTSIDE_H

#include "cli/command.h"
#include "loop/loop.h"
#include "loop/workers.h"
#include "net/net.h"

struct outside {
    struct loop *loop;
    struct workers *workers;
    struct net *net;
};

/* At most so many bytes of messages are held while they come in. */
int outside_open(struct outside *o, const struct config *cfg, size_t messages_max,
                 struct err *err) MUST_USE;
void outside_close(struct outside *o); /* also after outside_open() failed */

#endif
