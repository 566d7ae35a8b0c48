/* NIP-66: what a monitor tells the network: drafts of the kinds 30166 (a relay), 10166 (the
 * monitor), 0 (its profile) and 10002 (its relays).  Pure: facts in, a draft out; whoever has the
 * key signs it (sign.h).
 *
 * Tags are those of NIP-66 and no others; one value a tag.  What is not known makes no tag.  The
 * text of a draft lies in the arena that is passed in. */
#ifndef NOSTR_NIP66_H
#define NOSTR_NIP66_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/names.h"
#include "core/network.h"
#include "nostr/sign.h"
#include "nostr/types.h"

enum {
    NIP66_KIND_PROFILE = 0,
    NIP66_KIND_RELAY_LIST = 10002, /* NIP-65 */
    NIP66_KIND_MONITOR = 10166,
    NIP66_KIND_RELAY = 30166
};
enum { NIP66_TOPICS_MAX = 32, NIP66_TOPIC_BYTES_MAX = 64 };

/* One relay.  Milliseconds, -1: not known.  Requirements -1 not known, 0 no (`!auth`), 1 yes. */
struct nip66_relay {
    const char *url; /* the form for the wire: with "/" for an empty path (url_wire()) */
    enum network network;
    int64_t rtt_open, rtt_read, rtt_write;
    const int32_t *nips;
    uint32_t nips_n;
    int8_t auth, payment, writes, pow;
    const struct str *topics; /* `t`; too many or too long ones are left out */
    uint32_t topics_n;
    const struct str *languages; /* `l` with ISO-639-1 */
    uint32_t languages_n;
    const char *geohash; /* "" when not known, as the next two */
    const char *country; /* ISO 3166-1 alpha-2 */
    struct str document; /* NIP-11 as JSON, the content; empty: none */
};

void nip66_relay(const struct nip66_relay *r, int64_t created_at, struct arena *arena,
                 struct event_draft *draft);

struct nip66_monitor {
    int64_t frequency_s;       /* each relay that answers is published at least so often */
    int64_t timeout_ms;        /* of a whole check; 0: not said */
    const char *const *checks; /* "open", "read", "write", "nip11", .. */
    uint32_t checks_n;
    const char *geohash;
};

/* The order of the values in `timeout` is that of the text of NIP-66 (milliseconds first), not that
 * of its example. */
void nip66_monitor(const struct nip66_monitor *m, int64_t created_at, struct arena *arena,
                   struct event_draft *draft);
void nip66_profile(const char *name, const char *about, int64_t created_at, struct arena *arena,
                   struct event_draft *draft);

/* Normal forms for the wire; each is marked as one that is written to. */
void nip66_relay_list(const struct str *urls, uint32_t n, int64_t created_at, struct arena *arena,
                      struct event_draft *draft);

/* What a draft says, but for what changes from check to check (its date and the round trips): the
 * same when there is nothing new to tell. */
void nip66_fingerprint(const struct event_draft *draft, uint8_t out[32]);

#endif
