/* domain: on whose account a relay URL stands.
 *
 * Names cost nothing below a domain that one has registered, and addresses nothing within the /48
 * that one was given.  So whoever is given a share of something (nobody may fill the table of
 * candidates alone) is given it by registrable domain (public suffix list), or by /24 and /48. */
#ifndef NOSTR_DOMAIN_H
#define NOSTR_DOMAIN_H

#include <stddef.h>

#include "core/str.h"

enum { DOMAIN_SIZE = 256 };

/* `url` in normal form (nostr/url.h).  "example.co.uk" of wss://a.b.example.co.uk, "192.0.2.0/24",
 * "2001:db8:1::/48"; an onion service is its own.  A name that is itself a public suffix, or has
 * none, is its own as well.  Returns `to`. */
const char *url_domain(struct str url, char to[DOMAIN_SIZE]);

/* The same of an address literal without brackets; "" for what is none. */
const char *address_net(const char *address, char to[DOMAIN_SIZE]);

#endif
