/* A byte buffer that grows up to a maximum.
 *
 *     data: | consumed | n bytes that wait | room |
 *                      ^ buf_str()
 *
 * A function that adds returns false, and adds nothing, when the maximum would be passed;
 * `overflow` remembers it, so that a series of additions can be checked once.  Out of memory
 * aborts. */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/str.h"

struct buf {
    char *data;
    size_t start, n, size, max;
    bool overflow;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);
void buf_clear(struct buf *b); /* empty, the memory stays */

bool buf_append(struct buf *b, const void *p, size_t n);
bool buf_append_str(struct buf *b, struct str s);
bool buf_append_char(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

/* Room for n more bytes, or NULL; buf_added() says how many of them were written. */
char *buf_reserve(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);

struct str buf_str(const struct buf *b);   /* valid until the next call that adds */
void buf_consume(struct buf *b, size_t n); /* takes n bytes off the front */
char *buf_take_z(struct buf *b); /* the bytes with a NUL behind them, malloc'd; leaves b empty */

#endif
