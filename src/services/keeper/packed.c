/* packed: see packed.h. */
#include "services/keeper/packed.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "core/buf.h"
#include "core/hex.h"
#include "core/sha256.h"

/* Level 9: two thirds of what level 19 saves, at ten times its speed. */
enum { LEVEL = 9, ROOM = 1 << 17 };

struct packed {
    FILE *file;
    ZSTD_CCtx *zstd;
    struct sha256 hash;
    struct packed_facts facts;
    char dir[PATH_MAX], path[PATH_MAX], made[PATH_MAX]; /* `made`: until it is complete */
    char room[ROOM];
};

int packed_io_error(struct err *err, const char *path)
{
    return err_set(err, errno == ENOSPC ? ERR_DISK_FULL : ERR_IO, "%s: %s", path, strerror(errno));
}

struct packed *packed_open(const char *dir, const char *name, struct err *err)
{
    struct packed *p = calloc(1, sizeof(*p));

    if (p == NULL || (p->zstd = ZSTD_createCCtx()) == NULL)
        abort();
    (void)ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, LEVEL);
    (void)ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1);
    sha256_init(&p->hash);
    int n = snprintf(p->path, sizeof(p->path), "%s/%s", dir, name);
    int m = snprintf(p->made, sizeof(p->made), "%s/%s.part", dir, name);
    (void)snprintf(p->dir, sizeof(p->dir), "%s", dir);
    if (n < 0 || m < 0 || (size_t)m >= sizeof(p->made))
        errno = ENAMETOOLONG;
    else
        p->file = fopen(p->made, "we");
    if (p->file != NULL)
        return p;
    (void)packed_io_error(err, p->made);
    ZSTD_freeCCtx(p->zstd);
    free(p);
    return NULL;
}

static int put(struct packed *p, struct str s, ZSTD_EndDirective end, struct err *err)
{
    ZSTD_inBuffer in = {s.p, s.n, 0};
    size_t left;

    p->facts.bytes_plain += s.n;
    do {
        ZSTD_outBuffer out = {p->room, sizeof(p->room), 0};
        left = ZSTD_compressStream2(p->zstd, &out, &in, end);
        if (ZSTD_isError(left))
            return err_set(err, ERR_IO, "%s: %s", p->made, ZSTD_getErrorName(left));
        sha256_add(&p->hash, p->room, out.pos);
        p->facts.bytes += out.pos;
        if (fwrite(p->room, 1, out.pos, p->file) != out.pos)
            return packed_io_error(err, p->made);
    } while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
    return 0;
}

int packed_line(struct packed *p, struct str line, struct err *err)
{
    return put(p, line, ZSTD_e_continue, err) < 0 ? -1 : put(p, STR("\n"), ZSTD_e_continue, err);
}

static void hash_text(struct sha256 *hash, char text[65])
{
    uint8_t digest[SHA256_BYTES];

    sha256_final(hash, digest);
    hex_encode(text, digest, sizeof(digest));
    text[64] = '\0';
}

int packed_close(struct packed *p, struct packed_facts *facts, struct err *err)
{
    int rc = facts != NULL ? put(p, (struct str){NULL, 0}, ZSTD_e_end, err) : 0;

    if (rc == 0 && (fflush(p->file) != 0 || fsync(fileno(p->file)) != 0))
        rc = packed_io_error(err, p->made);
    if (fclose(p->file) != 0 && rc == 0)
        rc = packed_io_error(err, p->made);
    if (rc == 0 && facts != NULL && rename(p->made, p->path) != 0)
        rc = packed_io_error(err, p->path);
    if (rc == 0 && facts != NULL)
        rc = packed_sync_dir(p->dir, err);
    if (facts == NULL || rc < 0)
        (void)unlink(p->made);
    hash_text(&p->hash, p->facts.sha256);
    if (facts != NULL)
        *facts = p->facts;
    ZSTD_freeCCtx(p->zstd);
    free(p);
    return rc;
}

int packed_hash(const char *path, char sha256[65], struct err *err)
{
    struct sha256 hash;
    char room[65536];
    FILE *f = fopen(path, "re");
    size_t n;

    if (f == NULL)
        return packed_io_error(err, path);
    sha256_init(&hash);
    while ((n = fread(room, 1, sizeof(room), f)) > 0)
        sha256_add(&hash, room, n);
    int failed = ferror(f);
    (void)fclose(f);
    hash_text(&hash, sha256);
    return failed != 0 ? packed_io_error(err, path) : 0;
}

/* ---- the way back ---- */

struct unpacked {
    FILE *file;
    ZSTD_DCtx *zstd;
    struct sha256 hash;
    struct buf text; /* unpacked, */
    size_t given;    /* of which the last line is handed out */
    size_t left;     /* 0: a frame has come to its end */
    ZSTD_inBuffer in;
    bool full;
    char path[PATH_MAX], room[ROOM];
};

struct unpacked *unpacked_open(const char *path, struct err *err)
{
    struct unpacked *u = calloc(1, sizeof(*u));

    if (u == NULL || (u->zstd = ZSTD_createDCtx()) == NULL)
        abort();
    u->file = fopen(path, "re");
    if (u->file == NULL) {
        (void)packed_io_error(err, path);
        ZSTD_freeDCtx(u->zstd);
        free(u);
        return NULL;
    }
    (void)posix_fadvise(fileno(u->file), 0, 0, POSIX_FADV_DONTNEED); /* what is on the disk */
    (void)snprintf(u->path, sizeof(u->path), "%s", path);
    sha256_init(&u->hash);
    buf_init(&u->text, UNPACKED_LINE_MAX + ROOM);
    return u;
}

/* More text; false at the end of the file, or with an error. */
static bool unpack_more(struct unpacked *u, struct err *err)
{
    if (u->in.pos == u->in.size && !u->full) {
        u->in = (ZSTD_inBuffer){u->room, fread(u->room, 1, sizeof(u->room), u->file), 0};
        sha256_add(&u->hash, u->room, u->in.size);
        if (u->in.size == 0) {
            if (ferror(u->file) != 0)
                (void)packed_io_error(err, u->path);
            else if (u->left != 0)
                (void)err_set(err, ERR_IO, "%s is cut short", u->path);
            return false;
        }
    }
    char *room = buf_reserve(&u->text, ROOM);
    if (room == NULL) {
        (void)err_set(err, ERR_IO, "%s: a line is too long", u->path);
        return false;
    }
    ZSTD_outBuffer out = {room, ROOM, 0};
    u->left = ZSTD_decompressStream(u->zstd, &out, &u->in);
    if (ZSTD_isError(u->left)) {
        (void)err_set(err, ERR_IO, "%s is damaged: %s", u->path, ZSTD_getErrorName(u->left));
        return false;
    }
    buf_added(&u->text, out.pos);
    u->full = out.pos == ROOM; /* there may be more without more input */
    return true;
}

bool unpacked_line(struct unpacked *u, struct str *line, struct err *err)
{
    size_t searched = 0;

    err->code = ERR_NONE;
    buf_consume(&u->text, u->given);
    u->given = 0;
    for (;;) {
        struct str text = buf_str(&u->text);
        const char *end =
            text.n > searched ? memchr(text.p + searched, '\n', text.n - searched) : NULL;

        if (end != NULL) {
            *line = (struct str){text.p, (size_t)(end - text.p)};
            u->given = line->n + 1;
            return true;
        }
        searched = text.n;
        if (unpack_more(u, err))
            continue;
        if (err->code == ERR_NONE && searched > 0)
            (void)err_set(err, ERR_IO, "%s: the last line is cut", u->path);
        return false;
    }
}

void unpacked_sha256(struct unpacked *u, char sha256[65])
{
    hash_text(&u->hash, sha256);
}

void unpacked_close(struct unpacked *u)
{
    if (u == NULL)
        return;
    (void)fclose(u->file);
    ZSTD_freeDCtx(u->zstd);
    buf_done(&u->text);
    free(u);
}

int packed_sync_dir(const char *dir, struct err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) != 0 ? packed_io_error(err, dir) : 0;

    if (fd >= 0)
        (void)close(fd);
    return rc;
}
