/* Hints: every relay that an event mentions, where, and what that is worth.
 *
 *     a verified event --tags, then content--> strings --nostr/url--> normal forms, each once
 *
 * Read are the elements of all tags but their names, and the content.  A string that is a URL is
 * one mention; of any other text each part that looks like one of
 *
 *     ws://.. wss://..                                    as such, or with JSON's `\/`
 *     nprofile1.. nevent1.. naddr1.. nrelay1..            NIP-19: the relays inside
 *     bunker://.. nostrconnect://.. nostr+walletconnect://..   NIP-46, NIP-47: `relay=` in the
 * query
 *
 * Nothing is read of what people have encrypted: see hints_part().  Addresses of local networks
 * are refused by nostr/url.
 *
 * Hostile input: at most HINTS_MAX relays, HINTS_TRIES_MAX strings looked at closely, and
 * HINTS_TEXT_MAX bytes of content of one event; what is beyond is not looked at. */
#ifndef NOSTR_HINTS_H
#define NOSTR_HINTS_H

#include "core/arena.h"
#include "core/names.h"
#include "core/network.h"
#include "core/str.h"
#include "nostr/event.h"

/* Raised when the rules change, so that what is archived is worth reading again. */
enum { HINTS_RULES = 1 };

enum { HINTS_MAX = 128, HINTS_TRIES_MAX = 256, HINTS_TEXT_MAX = 64 * 1024, HINTS_URL_MAX = 1024 };

/* Where a mention stands: a stable name, and its weight: how much it says that somebody uses this
 * relay.  The number is what the database holds: rows are added at the end, never moved. */
#define HINT_SOURCES(X)                                                                \
    X(RELAY_LIST, "relay_list", 10)  /* kind 10002, r (NIP-65) */                      \
    X(DM_RELAYS, "dm_relays", 10)    /* kinds 10050, 10051, relay (NIP-17, NIP-EE) */  \
    X(MONITOR, "monitor", 10)        /* kind 30166, d (NIP-66) */                      \
    X(RELAY_SET, "relay_set", 8)     /* kinds 10006 to 10102, 30002: lists (NIP-51) */ \
    X(CONTACTS, "contacts", 6)       /* kind 3, content as clients once wrote it */    \
    X(RECOMMENDED, "recommended", 5) /* kind 2, content */                             \
    X(GROUP, "group", 5)             /* group tags, kinds 39000 to 39009 (NIP-29) */   \
    X(RELAYS_TAG, "relays_tag", 4)   /* a tag relay or relays of any other kind */     \
    X(VANISH, "vanish", 3)           /* kind 62, relay (NIP-62) */                     \
    X(BLOCKED, "blocked", 1)         /* kind 10006, relay: somebody avoids it */       \
    X(POINTER, "pointer", 2)         /* e p a q E A P: where to find what is meant */  \
    X(TAG, "tag", 2)                 /* any other element of a tag */                  \
    X(ENTITY, "entity", 2)           /* NIP-19, in text */                             \
    X(CONNECT, "connect", 3)         /* NIP-46 and NIP-47, in text */                  \
    X(TEXT, "text", 1)               /* bare, in text */                               \
    X(NIP11, "nip11", 3)             /* not in events: a relay's document */           \
    X(LIST, "list", 5)               /* not in events: a list over HTTP */             \
    X(FILE, "file", 10)              /* not in events: a list of the operator */       \
    X(ASKED, "asked", 5)             /* in events that are asked for, not archived */

enum hint_source {
#define HINT_SOURCE_ROW(name, text, weight) HINT_##name,
    HINT_SOURCES(HINT_SOURCE_ROW)
#undef HINT_SOURCE_ROW
        HINT_SOURCE__COUNT
};

struct hint {
    struct str url; /* normal form, at most HINTS_URL_MAX bytes */
    enum network network;
    enum hint_source source; /* the weightiest, where it stands in several places */
};

struct hints {
    const struct hint *hint; /* in order of appearance */
    uint32_t n;
    bool cut; /* a bound was reached */
};

/* All memory is of the arena, and only where there are hints.  The event need not be verified for
 * this, but should be: an unsigned one says nothing about anybody. */
struct hints hints_of_event(const struct event *e, struct arena *arena);

/* The same for a text that is no event: a list. */
struct hints hints_of_text(struct str text, enum hint_source source, struct arena *arena);

/* The same for a JSON document, read to its end: whoever has it has bounded it. */
struct hints hints_of_document(struct str json, enum hint_source source, struct arena *arena);

/* What is private of an event of this kind.  HINTS_NONE: everything (direct messages, gift wraps,
 * wallets, ..): nothing is read.  HINTS_TAGS: the content (lists whose private part is encrypted
 * there). */
enum hints_part { HINTS_ALL, HINTS_TAGS, HINTS_NONE };
enum hints_part hints_part(int32_t kind);

const char *hint_source_name(enum hint_source source); /* "relay_list" */
int hint_weight(enum hint_source source);              /* 1 to 10 */

#endif
