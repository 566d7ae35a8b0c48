/* exported: the files to which a rule of retention writes what it deletes, and their manifest.
 *
 *     add .. -> close -> verify: read back, every event, and entered in the manifest
 *                          -> take .. -> done: what the file holds may be deleted, and it alone
 *
 *     DIR/NAME-2026-05.jsonl.zst      DIR/NAME-manifest.json
 *
 * A file counts from the moment at which it stands in the manifest: until then nothing of it was
 * deleted, and it is made again.  After that its events are deleted from the file's own lines, so
 * no event can go that is not in a file, whatever has come into the archive meanwhile; and nothing
 * is exported before that has come to its end, so no event is in two files.  Everything here reads
 * and writes files and waits for the disk: for a worker, one call at a time. */
#ifndef SERVICES_EXPORTED_H
#define SERVICES_EXPORTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "nostr/types.h"

struct exported;

struct exported *exported_new(const char *dir, const char *name);
void exported_free(struct exported *x); /* what is not entered is given up */

/* Gives up what is open and reads the manifest.  `pending`: of its last file not everything may be
 * deleted; it is held against its sums first.  Errors: ERR_IO, ERR_DISK_FULL. */
int exported_load(struct exported *x, bool *pending, struct err *err) MUST_USE;

/* One event as JSON, into the file of the month that begins at `month`; the first one opens it. */
int exported_add(struct exported *x, int64_t month, const struct id32 *id, struct str json,
                 struct err *err) MUST_USE;
int exported_close(struct exported *x, struct err *err) MUST_USE; /* on the disk, under its name */

/* Reads it back: its SHA-256, each event's id computed anew, as many and the same ones as were
 * added; then it stands in the manifest. */
int exported_verify(struct exported *x, struct err *err) MUST_USE;

/* The next events of the last file that was verified; *n 0: there are no more. */
int exported_take(struct exported *x, struct id32 *ids, int64_t *ats, size_t room, size_t *n,
                  struct err *err) MUST_USE;
int exported_done(struct exported *x, struct err *err) MUST_USE; /* they are deleted */

const char *exported_file(const struct exported *x); /* the last file's name, "" */

#endif
