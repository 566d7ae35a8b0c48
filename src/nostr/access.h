/* access: which relays a person does not want, and which all the same, from two lists of lines.
 *
 *     wss://relay.example.com/inbox    one relay, as nostr/url knows it
 *     relay.example.com                every relay of this host
 *     *.example.com                    every relay of a host below it (not of itself)
 *     203.0.113.0/24   2001:db8::1     every relay at such an address
 *     network:tor                      every relay of this network
 *     # a comment                      also behind an entry
 *
 * What stands in the allow list wins over the deny list: `network:clearnet` denied and a few hosts
 * allowed means these few.  An address can be known from the URL, or only when its name has been
 * resolved: access_judge() says what is known before, access_denies_address() is asked behind the
 * resolver, by whoever dials, unless the allow list has named the relay.  So a name that is denied
 * is never resolved, and an allowed address does not bring it back.
 *
 * Pure.  Lists are bounded; looking something up is a few binary searches, however long they are.
 */
#ifndef NOSTR_ACCESS_H
#define NOSTR_ACCESS_H

#include "nostr/url.h"

enum { ACCESS_BYTES_MAX = 16 * 1024 * 1024, ACCESS_ENTRIES_MAX = 200000 };

enum access_list { ACCESS_LIST_ALLOW, ACCESS_LIST_DENY, ACCESS_LIST__COUNT };

/* What the lists say of a relay; `line` of the list that says so, 0 for neutral. */
struct access_verdict {
    enum access_kind { ACCESS_NEUTRAL, ACCESS_ALLOWED, ACCESS_DENIED } access;
    uint32_t line;
};

struct access;

struct access *access_new(void); /* two empty lists */
void access_free(struct access *a);

/* Told of each line that is no entry: its number (0: of the whole), what is wrong and what is
 * expected. */
typedef void access_bad_line(void *owner, uint32_t line, const char *why);

/* Once for each list.  False: some lines were bad. */
bool access_read(struct access *a, enum access_list which, struct str text, access_bad_line *bad,
                 void *owner);

/* *a becomes *with, which is freed: whoever holds a pointer to *a asks the new lists from now on.
 */
void access_replace(struct access *a, struct access *with);

struct access_verdict access_judge(const struct access *a, const struct relay_url *url);

/* Of an address that a name led to: `bytes` in network order, 4 or 16 of them. */
bool access_denies_address(const struct access *a, const uint8_t *bytes, size_t n);
bool access_has_addresses(const struct access *a); /* are any denied? */

#endif
