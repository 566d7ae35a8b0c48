/* The canonical form of NIP-01 from validated JSON, in the three spellings of event.h.
 *
 * The input of canonical_string() and canonical_tags() has been scanned before: they trust it.  The
 * room that they need is canonical_room(). */
#ifndef NOSTR_CANONICAL_H
#define NOSTR_CANONICAL_H

#include "nostr/event.h"

/* Bytes that the canonical form of `raw` bytes of JSON can take. */
size_t canonical_room(size_t raw, enum event_variant variant);

/* The inside of a string, its escapes rewritten.  Returns the end of what was written. */
char *canonical_string(char *out, struct str raw, enum event_variant variant);

/* A list of lists of strings: white space dropped, escapes rewritten. */
char *canonical_tags(char *out, struct str raw, enum event_variant variant);

/* Decoded text, escaped as JS does; takes up to 6 * text.n bytes. */
char *canonical_escape(char *out, struct str text);

enum { CANONICAL_HEAD_MAX = 112 };

/* `[0,"pubkey",created_at,kind,`; returns its length. */
size_t canonical_head(char out[CANONICAL_HEAD_MAX], const char pubkey_hex[64], int64_t created_at,
                      int32_t kind);

/* Decimal digits; returns the end of what was written (at most 20 bytes). */
char *canonical_number(char *out, uint64_t value);

#endif
