/* What the files of hints know of each other: what was found so far (hints.c), and how a text is
 * read (hints_text.c). */
#ifndef NOSTR_HINTS_PARTS_H
#define NOSTR_HINTS_PARTS_H

#include "nostr/hints.h"

enum { TRIED_SLOTS = 2 * HINTS_TRIES_MAX }; /* a power of two: half of them stay empty */

struct hints_found {
    struct hint hint[HINTS_MAX];
    uint32_t n;
    struct arena *arena;
    bool cut; /* a bound was reached: nothing more is looked at */

    /* Strings that were parsed, by hash, since one event says the same one a hundred times. */
    uint16_t slot[TRIED_SLOTS]; /* 1 + position in tried; 0: free */
    struct {
        struct str text;
        int32_t hint; /* -1: not a relay */
    } tried[HINTS_TRIES_MAX];
    uint32_t tried_n;
};

/* One string that should be a URL: true when it is a relay's.  `text` must stay as long as `f`. */
bool hints_try(struct hints_found *f, struct str text, enum hint_source source);

/* The same for a text that does not stay. */
bool hints_try_once(struct hints_found *f, struct str text, enum hint_source source);

/* A string of any other kind: whatever in it looks like a relay. */
void hints_read_text(struct hints_found *f, struct str text, enum hint_source source);

#endif
