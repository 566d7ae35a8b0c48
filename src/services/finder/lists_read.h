/* lists_read: what a list of relays names: normal forms, each once.  For a worker: pure but for its
 * own arena. */
#ifndef SERVICES_LISTS_READ_H
#define SERVICES_LISTS_READ_H

#include "core/arena.h"
#include "core/network.h"
#include "nostr/relay_list.h"
#include "nostr/url.h"

/* Of one list at most so many relays; what is beyond is counted and not read. */
enum { LISTED_MAX = 25000 };

struct listed {
    struct str url; /* normal form, in the arena */
    enum network network;
};

struct lists_read {
    struct arena arena;
    struct listed *relays; /* in the arena; sorted by URL */
    uint32_t n;
    uint32_t entries, refused, beyond;
    enum url_refusal why; /* of the first that was refused */
    char example[80];     /* the first that was refused, escaped */
};

/* -1: ERR_SYNTAX.  What was read before the mistake is not told.  lists_read_done() also then. */
int lists_read(struct lists_read *r, struct str text, bool json, const char *path,
               struct err *err) MUST_USE;
void lists_read_done(struct lists_read *r);

#endif
