/* Is a text well-formed UTF-8 (RFC 3629: shortest forms only, no surrogates, nothing above
 * U+10FFFF)? */
#ifndef NOSTR_UTF8_H
#define NOSTR_UTF8_H

#include <stdbool.h>

#include "core/str.h"

bool utf8_valid(struct str s);

#endif
