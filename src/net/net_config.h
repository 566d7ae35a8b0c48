/* net_config: what the configuration says of connections, for the daemon and for commands. */
#ifndef NET_NET_CONFIG_H
#define NET_NET_CONFIG_H

#include "config/config.h"
#include "net/net.h"

/* All but assembly_bytes_max.  Texts are views into `cfg`.  `program` is what we are called in the
 * User-Agent. */
void net_config(const struct config *cfg, const char *program, struct net_options *o);

#endif
