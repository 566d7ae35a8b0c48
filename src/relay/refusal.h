/* refusal: what a relay that refuses means by it (NIP-01 and NIP-42 prefixes, PROTOCOL 1.3).  Pure.
 */
#ifndef RELAY_REFUSAL_H
#define RELAY_REFUSAL_H

#include <stdbool.h>

#include "core/err.h"
#include "nostr/message.h"

/* For the relay as a whole, from the prefix and from words of payment in the text, which has no
 * prefix of its own; ERR_REFUSED where it does not say. */
enum err_code refusal_code(enum message_prefix prefix, const char *text);

/* Is it the relay's decision about us, which asking again at once does not change? */
bool refusal_by_policy(enum err_code code);

#endif
