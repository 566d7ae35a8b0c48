/* relay_list: the entries of a list of relays that somebody publishes: lines, or strings somewhere
 * in a JSON document.
 *
 *     "wss://a # a comment\nwss://b\n"                       lines
 *     ["wss://a", "wss://b"]                                 path ""
 *     {"relays": [{"url": "wss://a"}, {"url": "wss://b"}]}   path relays.url
 *     {"data": {"wss://a": {..}, "wss://b": {..}}}           path data.~
 *
 * A path is made of names of members with dots between them.  Arrays are passed through, `*` stands
 * for any member, a last `~` for the names of the members themselves.
 *
 * The text is walked once, whatever it holds, and no tree is made of it: what is not on the path is
 * checked and passed over.  Pure; an entry is any string, nostr/url says what it is. */
#ifndef NOSTR_RELAY_LIST_H
#define NOSTR_RELAY_LIST_H

#include <stdbool.h>

#include "core/err.h"
#include "core/str.h"

enum { RELAY_LIST_PARTS_MAX = 16, RELAY_LIST_DEPTH_MAX = 32 };

/* A view for the time of the call. */
typedef void relay_list_entry(void *owner, struct str text);

void relay_list_lines(struct str text, relay_list_entry *entry, void *owner);

/* ERR_SYNTAX, and where: not JSON (RFC 8259), or nested deeper than RELAY_LIST_DEPTH_MAX.  Entries
 * in front of that place were told by then. */
int relay_list_json(struct str text, const char *path, relay_list_entry *entry, void *owner,
                    struct err *err) MUST_USE;

/* Is it a path?  ERR_CONFIG: an empty part, `~` not at the end, too many parts. */
int relay_list_path_check(const char *path, struct err *err) MUST_USE;

#endif
