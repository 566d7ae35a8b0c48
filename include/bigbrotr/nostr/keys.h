/* Memory for secrets: a page of its own, locked and wiped. */
#ifndef NOSTR_KEYS_H
#define NOSTR_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/names.h"
#include "core/str.h"

/* One zeroed page, locked into memory where the limits of the process allow it, not in core dumps,
 * not in children.  Aborts when memory is out; `n` is at most a page. */
void *secret_new(size_t n);
void secret_free(void *page, size_t n);

/* 32 secret bytes from 64 hex digits (either case) or nsec1...  Leaves no copy on the stack. */
bool secret_key_read(struct str text, unsigned char key[32]);

#endif
