/* One Nostr event (NIP-01): scanned from JSON in a single pass, in canonical form, its id compared.
 *
 *     raw JSON --scan--> fields + canonical bytes --SHA-256--> compared with the stated id
 *
 * Nothing here checks the signature (nostr/verify.h).  All views in a struct event point into the
 * arena that was passed, never into the raw JSON, so the raw bytes may go at once.
 *
 * Canonical form: the escapes of NIP-01 and, for other control characters, \u00xx in lower case, as
 * JSON.stringify writes them.  Where the text of NIP-01 or strfry differ, the other forms are tried
 * only when the id does not match and such a character occurs. */
#ifndef NOSTR_EVENT_H
#define NOSTR_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/names.h"
#include "core/reject.h"
#include "core/str.h"
#include "nostr/types.h"

enum event_variant {
    EVENT_VARIANT_JS,  /* \u00xx for controls, DEL as it is: what nearly everybody does */
    EVENT_VARIANT_NIP, /* controls as raw bytes: the letter of NIP-01 */
    EVENT_VARIANT_TAO, /* as JS, and \u007f for DEL: strfry */
    EVENT_VARIANT__COUNT
};

/* What is refused before any of it is used; event_limits_default() gives PROTOCOL-sized bounds. */
struct event_limits {
    uint32_t json_bytes_max;   /* 1 MiB */
    uint32_t tags_max;         /* 20,000 */
    uint32_t tag_elements_max; /* 1,000 in one tag */
    uint32_t depth_max;        /* 8, unknown keys included */
};

struct event {
    struct id32 id;
    struct pubkey32 pubkey;
    struct sig64 sig;
    int64_t created_at; /* seconds, 0 to 2^53-1 */
    int32_t kind;       /* 0 to 65535 */
    struct str tags;    /* canonical JSON of the tags; with U+FFFD for NUL when lossy */
    struct str content; /* decoded UTF-8; with U+FFFD for NUL when lossy */

    /* The exact canonical bytes `[0,"pubkey",..]`; n is 0 unless they cannot be derived from the
     * fields above (a NUL, or a variant other than JS). */
    struct str canonical;
    enum event_variant variant;
    bool lossy; /* holds a NUL, which PostgreSQL's text cannot */

    /* Tags as a table: every element of every tag, decoded as `tags` has it (U+FFFD for NUL), in
     * order.  Tag i has the elements tag_start[i] up to (not including) tag_start[i + 1]. */
    const struct str *elements;
    const uint32_t *tag_start;
    uint32_t tags_n;

    /* Sorted, distinct hashes of (name, value) for each tag that has a value: what `taghash` holds,
     * and what SQL's tag(name, value) computes.  See event_tag_hash(). */
    const int64_t *taghash;
    uint32_t taghash_n;
};

struct event_limits event_limits_default(void);
struct event_limits event_limits_archived(void); /* of events that were accepted once: no bounds */

/* Scans one event and compares its id.  0, or -1 with *why set (never REJECT_SIGNATURE).  When -1,
 * *out may be partly filled: created_at and id are right if `why` is REJECT_ID_MISMATCH. */
int event_scan(struct str json, const struct event_limits *limits, struct arena *arena,
               struct event *out, enum reject *why) MUST_USE;

/* The same without the hashes of the tags, which cost as much as all the rest: for whoever first
 * looks whether the event is known.  event_hash_tags() fills them in later. */
int event_scan_untagged(struct str json, const struct event_limits *limits, struct arena *arena,
                        struct event *out, enum reject *why) MUST_USE;
void event_hash_tags(struct event *e, struct arena *arena);

/* First 8 bytes, big-endian, of SHA-256(name NUL value). */
int64_t event_tag_hash(struct str name, struct str value);

/* The value of the first tag with this name (NIP-40 reads `expiration` so); false when there is
 * none. */
bool event_tag_first(const struct event *e, struct str name, struct str *value);

bool event_kind_is_ephemeral(int32_t kind); /* 20000-29999 */

/* The NIP-01 object with its seven fields, in canonical escapes, in the order id, pubkey,
 * created_at, kind, tags, content, sig; the bytes are from `arena`. */
struct str event_json(const struct event *e, struct arena *arena);

#endif
