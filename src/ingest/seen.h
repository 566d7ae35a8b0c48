/* seen: which ids need no signature check.
 *
 * Three answers (PROTOCOL 2.3): KNOWN, committed: a window of salted fingerprints, bounded in
 * bytes, the oldest events forgotten first; IN FLIGHT, another chunk is checking or has checked it
 * and it is not yet committed: a table of full ids with the signature, so that a copy with another
 * signature is not taken for checked; else unknown.
 *
 * A fingerprint is never proof: the database confirms each known id by its full value in the
 * transaction that stores the sighting.  Salted, so that nobody can grind two ids with one
 * fingerprint.  Loop thread only. */
#ifndef INGEST_SEEN_H
#define INGEST_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nostr/types.h"

struct seen;

enum flight { FLIGHT_NONE, FLIGHT_PENDING, FLIGHT_GOOD };

struct seen *seen_new(uint64_t known_bytes_max);
void seen_free(struct seen *s);

uint64_t seen_fingerprint(const struct seen *s, const struct id32 *id);

bool seen_known(const struct seen *s, uint64_t fingerprint);
void seen_commit(struct seen *s, uint64_t fingerprint, int64_t created_at);
void seen_forget_all(struct seen *s); /* the window only: chunks in flight still hold theirs */

/* The state of an id in flight.  GOOD only if `sig` is the very signature that was checked: with
 * another one the answer is NONE and the copy is checked by itself. */
enum flight seen_flight(const struct seen *s, const struct id32 *id, uint64_t fingerprint,
                        const struct sig64 *sig);

/* False when somebody holds it already. */
bool seen_flight_take(struct seen *s, const struct id32 *id, uint64_t fingerprint,
                      const struct sig64 *sig);
void seen_flight_good(struct seen *s, const struct id32 *id, uint64_t fingerprint);
void seen_flight_drop(struct seen *s, const struct id32 *id,
                      uint64_t fingerprint); /* bad, committed, or given up */

uint64_t seen_bytes(const struct seen *s);
size_t seen_in_flight(const struct seen *s);

#endif
