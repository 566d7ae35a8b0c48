/* A secret key that signs events (NIP-01), the answer to NIP-42 among them.
 *
 * The key lies in a page of its own that is locked into memory, kept out of core dumps where the
 * system can, and wiped when it goes.  A signer is never written after it is made: any thread may
 * sign with it. */
#ifndef NOSTR_SIGN_H
#define NOSTR_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/names.h"
#include "core/str.h"
#include "nostr/types.h"

struct signer;

/* From 64 hex digits or nsec1...; white space around it is ignored.  NULL with ERR_CONFIG when it
 * is no valid key; the message never holds any of it. */
struct signer *signer_new(const char *hex_or_nsec, struct err *err) MUST_USE;
void signer_free(struct signer *s);

struct pubkey32 signer_pubkey(const struct signer *s);

/* BIP-340 with fresh randomness. */
struct sig64 signer_sign(const struct signer *s, const struct id32 *id);

/* What is to be signed.  Tags as struct event has them: tag i has the elements tag_start[i] up to
 * tag_start[i + 1]; all text is decoded and must be UTF-8. */
struct event_draft {
    int64_t created_at; /* seconds, >= 0 */
    int32_t kind;
    const struct str *elements;
    const uint32_t *tag_start; /* may be NULL when tags_n is 0 */
    uint32_t tags_n;
    struct str content;
};

/* The id that the draft has when `pubkey` signs it (NIP-01); memory on the way from `arena`. */
struct id32 event_draft_id(const struct event_draft *draft, const struct pubkey32 *pubkey,
                           struct arena *arena);

/* The signed event as JSON, its bytes from `arena`.  `id` may be NULL. */
struct str sign_event(const struct signer *s, const struct event_draft *draft, struct arena *arena,
                      struct id32 *id);

/* Kind 22242 for one connection (NIP-42).  `challenge` as it stood between its quotes in the
 * relay's AUTH message, escapes and all.  Returns the length of the JSON in `buf`, or -1 when the
 * challenge is not fit to be signed or the event does not fit.  `id` may be NULL. */
int signer_auth_event(const struct signer *s, const char *url, const char *challenge, int64_t now,
                      char *buf, size_t size, struct id32 *id) MUST_USE;

#endif
