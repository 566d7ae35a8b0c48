/* packed: a file that is compressed (zstd, with its checksum) and hashed (SHA-256) while it is
 * written.  It has its name only when all of it is on the disk.  The doorway to libzstd. */
#ifndef CLI_PACKED_H
#define CLI_PACKED_H

#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

struct packed;

struct packed_facts {
    uint64_t bytes, bytes_plain;
    char sha256[65]; /* of the file, as sha256sum prints it */
};

/* NULL with ERR_IO. */
struct packed *packed_open(const char *dir, const char *name, struct err *err);
int packed_line(struct packed *p, struct str line, struct err *err) MUST_USE; /* and a '\n' */

/* Closes and frees it; `facts` NULL: it is given up. */
int packed_close(struct packed *p, struct packed_facts *facts, struct err *err) MUST_USE;

/* The same facts of a file that is there. */
int packed_hash(const char *path, char sha256[65], struct err *err) MUST_USE;

/* A name in a directory, on the disk for good. */
int packed_sync_dir(const char *dir, struct err *err) MUST_USE;

#endif
