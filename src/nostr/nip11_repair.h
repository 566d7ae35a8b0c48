/* nip11_repair: a stranger's JSON made fit for parser and database, before either sees it.
 *
 * What is no UTF-8, lone surrogates and NUL become U+FFFD; raw control characters in strings become
 * escapes; integers beyond 64 bits become reals and reals beyond the range of a double strings, so
 * that one of them does not cost the document.  Everything else stays as it is, errors too: those
 * are the parser's to find.  Pure. */
#ifndef NOSTR_NIP11_REPAIR_H
#define NOSTR_NIP11_REPAIR_H

#include "core/buf.h"

enum { NIP11_REPAIR_GROWTH = 6 }; /* bytes that one byte may become at most */

/* Adds the repaired text to `to`, whose maximum must be NIP11_REPAIR_GROWTH times the text. */
void nip11_repair(struct buf *to, struct str text);

#endif
