/* packed: a file that is compressed (zstd, with its checksum) and hashed (SHA-256) while it is
 * written, and the way back.  It has its name only when all of it is on the disk.  The doorway to
 * libzstd. */
#ifndef SERVICES_KEEPER_PACKED_H
#define SERVICES_KEEPER_PACKED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

struct packed;

struct packed_facts {
    uint64_t bytes, bytes_plain;
    char sha256[65]; /* of the file, as sha256sum prints it */
};

/* What errno says of a file or a folder: ERR_DISK_FULL or ERR_IO.  Returns -1. */
int packed_io_error(struct err *err, const char *path);

/* NULL with ERR_IO. */
struct packed *packed_open(const char *dir, const char *name, struct err *err);
int packed_line(struct packed *p, struct str line, struct err *err) MUST_USE; /* and a '\n' */

/* Closes and frees it; `facts` NULL: it is given up. */
int packed_close(struct packed *p, struct packed_facts *facts, struct err *err) MUST_USE;

/* The same facts of a file that is there. */
int packed_hash(const char *path, char sha256[65], struct err *err) MUST_USE;

/* Reading one, line by line, from the disk where that can be had. */
struct unpacked;
struct unpacked *unpacked_open(const char *path, struct err *err);

/* The next line without its '\n', a view until the next call; false at the end, or with err->code:
 * damaged, or a line of more than UNPACKED_LINE_MAX bytes. */
enum { UNPACKED_LINE_MAX = 512 * 1024 * 1024 };
bool unpacked_line(struct unpacked *u, struct str *line, struct err *err) MUST_USE;

/* SHA-256 of the file; after the last line. */
void unpacked_sha256(struct unpacked *u, char sha256[65]);
void unpacked_close(struct unpacked *u); /* NULL is fine */

/* A name in a directory, on the disk for good. */
int packed_sync_dir(const char *dir, struct err *err) MUST_USE;

#endif
