/* BIP-340 signatures: the doorway to libsecp256k1 for checking.  One context, made once, read by
 * any number of threads. */
#ifndef NOSTR_VERIFY_H
#define NOSTR_VERIFY_H

#include <stdbool.h>

#include "core/names.h"
#include "nostr/event.h"
#include "nostr/types.h"

struct verifier;

struct verifier *verifier_new(void); /* aborts when memory is out */
void verifier_free(struct verifier *v);

/* True when `sig` is `pubkey`'s signature over `id`.  About 32 us; any thread. */
bool verifier_check(const struct verifier *v, const struct id32 *id, const struct pubkey32 *pubkey,
                    const struct sig64 *sig);

/* event_scan() and then the signature: 0, or -1 with *why. */
int verifier_event(const struct verifier *v, struct str json, const struct event_limits *limits,
                   struct arena *arena, struct event *out, enum reject *why) MUST_USE;

#endif
