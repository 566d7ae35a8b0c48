/* Between the files of the event scanner: the object (event.c), its tags (event_tags.c), its id
 * (event_id.c). */
#ifndef NOSTR_EVENT_SCAN_H
#define NOSTR_EVENT_SCAN_H

#include "nostr/event.h"
#include "nostr/scan.h"

struct event_scan {
    struct scan s;
    const struct event_limits *limits;
    struct arena *arena;
    struct event *e;
    unsigned seen;          /* bit of each of the seven fields */
    const char *pubkey_hex; /* 64 digits */
    struct str raw_tags;    /* as they stand in the JSON, brackets included */
    struct str raw_content; /* between its quotes */
    unsigned tags_flags;    /* SCAN_* of the escapes */
    unsigned content_flags;
};

/* The value of "tags", the cursor before it: fills tags, elements, tag_start, tags_n. */
enum reject event_scan_tags(struct event_scan *es);

/* Compares the id with the canonical form, in every spelling that could make a difference; fills
 * canonical and variant. */
bool event_check_id(struct event_scan *es);

#endif
