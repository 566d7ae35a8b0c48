/* A window of fingerprints in a fixed amount of memory: which event ids are known.
 *
 *     fingerprint --top bits--> shard --low bits--> slot, then the next ones (linear probing)
 *
 * A fingerprint is a keyed 64-bit hash (siphash.h): its bits are used as they are, so they must not
 * be a stranger's choice, and a false "known" has a chance of entries / 2^64.  Each entry has a
 * time. When a shard is 7/8 full it forgets the older half of its entries, by that time: what is
 * asked for again is mostly new.  Shards bound how long that takes, because it happens on the event
 * loop.
 *
 * Cost: 12 bytes a slot, all taken at the start.  That is 13.7 bytes an entry when full and 27.4
 * just after forgetting.  See the table in set64.c for measured times. */
#ifndef CORE_SET64_H
#define CORE_SET64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct set64_shard;

struct set64 {
    struct set64_shard *shards;
    uint32_t n_shards, slots; /* slots of one shard: a power of two */
    size_t count;             /* entries now */
    size_t bytes;             /* held, never more than was allowed */
    uint64_t forgotten;       /* entries, since the start */
};

/* Takes as much of bytes_max as its shape allows, at least 1 KiB. */
void set64_init(struct set64 *s, size_t bytes_max);
void set64_done(struct set64 *s);

bool set64_has(const struct set64 *s, uint64_t fingerprint);

/* True when it was not known.  A known one keeps the later of its two times.  Times are seconds;
 * what lies outside of 0 .. 2^32-1 counts as the nearest of these. */
bool set64_add(struct set64 *s, uint64_t fingerprint, int64_t time);

bool set64_remove(struct set64 *s, uint64_t fingerprint); /* false: it was not there */
void set64_clear(struct set64 *s);

#endif
