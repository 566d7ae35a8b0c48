/* The list of resolvers as a person writes it, to the form that c-ares reads.  Pure. */
#ifndef NET_DNS_SERVERS_H
#define NET_DNS_SERVERS_H

#include <stddef.h>

#include "core/err.h"
#include "core/str.h"

/* `list`: 192.0.2.1, 192.0.2.1:53, 2001:db8::1, [2001:db8::1]:53, separated by commas or spaces;
 * may be empty.  Writes them with single commas between.  -1 with ERR_CONFIG: one that is no
 * address, or too many for `size`. */
int dns_servers_parse(char *to, size_t size, struct str list, struct err *err) MUST_USE;

#endif
