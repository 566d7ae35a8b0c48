/* exported: the files to which a rule of retention writes what it deletes, and their manifest.
 *
 *     load -> add .. -> close -> check .. : read back, entered in the manifest, given its name
 *          -> check .. (pending)        |-> take .. -> done: what the file holds may be deleted
 *
 *     DIR/NAME-2026-05.jsonl.zst      DIR/NAME-manifest.json      DIR/NAME.lock
 *
 * A file counts from the moment at which it stands in the manifest: until then nothing of it was
 * deleted, it has no name of its own, and it is made again.  After that its events are deleted from
 * the file's own lines, so no event can go that is not in a file, whatever has come into the
 * archive meanwhile; and nothing is exported before that has come to its end, so no event is in two
 * files.  A file that is there is never written over, also when the manifest was lost.
 *
 * Everything here reads and writes files and waits for the disk: for a worker, one call at a time,
 * none of which goes through a whole file.  Errors: ERR_IO, ERR_DISK_FULL; after one only load() is
 * called. */
#ifndef SERVICES_KEEPER_EXPORTED_H
#define SERVICES_KEEPER_EXPORTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "nostr/event.h"

struct exported;

/* Months before this one go into one file: little is that old, and all years may be. */
#define EXPORTED_MONTHS_FROM INT64_C(1577836800) /* 2020-01-01 */

/* `name`: letters, digits, - and _, at most EXPORTED_NAME_MAX of them. */
enum { EXPORTED_NAME_MAX = 64 };
struct exported *exported_new(const char *dir, const char *name);
void exported_free(struct exported *x); /* what is not entered is given up; NULL is fine */

/* Gives up what is open and reads the manifest.  `pending`: of its last file not everything may be
 * deleted; it is checked next.  Otherwise what was left of unchecked files goes. */
int exported_load(struct exported *x, bool *pending, struct err *err) MUST_USE;

/* One event as JSON, into the file of the month that begins at `month`; the first one opens it. */
int exported_add(struct exported *x, int64_t month, const struct id32 *id, struct str json,
                 struct err *err) MUST_USE;
int exported_close(struct exported *x, struct err *err) MUST_USE; /* on the disk; without name */

/* Reads on in it: its SHA-256, each event's id computed anew, as many and the same ones as were
 * added.  Not `more`: it is right, stands in the manifest, and has its name. */
int exported_check(struct exported *x, bool *more, struct err *err) MUST_USE;

/* The next events of the checked file of which `wanted` is true; *more false: it is at its end. */
struct exported_take {
    bool (*wanted)(const void *owner, const struct event *e);
    const void *owner;
    struct id32 *ids; /* out: room of them */
    int64_t *ats;
    size_t room;
    size_t n; /* out */
    bool more;
};
int exported_take(struct exported *x, struct exported_take *t, struct err *err) MUST_USE;
int exported_done(struct exported *x, struct err *err) MUST_USE; /* they are deleted */

const char *exported_file(const struct exported *x); /* the name of the last file; "" */

#endif
