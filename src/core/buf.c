/* Doubling, and a front that moves: consuming is free, the bytes are moved down only for room. */
#include "core/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->start = b->n = 0;
    b->overflow = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
    size_t size = b->size == 0 ? 256 : b->size;
    char *grown;

    if (n > b->max || b->n > b->max - n) {
        b->overflow = true;
        return NULL;
    }
    if (b->data != NULL && b->size - b->start - b->n >= n)
        return b->data + b->start + b->n;
    if (b->start > 0 && b->data != NULL) {
        memmove(b->data, b->data + b->start, b->n);
        b->start = 0;
    }
    while (size < b->n + n)
        size = size > b->max / 2 ? b->n + n > b->max ? b->n + n : b->max : size * 2;
    if (size != b->size) {
        grown = realloc(b->data, size);
        if (grown == NULL)
            abort(); /* the maximum bounds it */
        b->data = grown;
        b->size = size;
    }
    return b->data + b->n;
}

void buf_added(struct buf *b, size_t n)
{
    assert(n <= b->size - b->start - b->n);
    b->n += n;
}

bool buf_append(struct buf *b, const void *p, size_t n)
{
    char *to = buf_reserve(b, n);

    if (to == NULL)
        return false;
    if (n > 0)
        memcpy(to, p, n);
    b->n += n;
    return true;
}

bool buf_append_str(struct buf *b, struct str s)
{
    return buf_append(b, s.p, s.n);
}

bool buf_append_char(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    char small[512];
    char *text = small;
    bool added;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(small)) {
        va_start(ap, fmt);
        n = vasprintf(&text, fmt, ap);
        va_end(ap);
    }
    if (n < 0)
        abort(); /* out of memory, or a format that is our bug */
    added = buf_append(b, text, (size_t)n);
    if (text != small)
        free(text);
    return added;
}

struct str buf_str(const struct buf *b)
{
    return b->n == 0 ? STR("") : (struct str){b->data + b->start, b->n};
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->n);
    b->n -= n;
    b->start = b->n == 0 ? 0 : b->start + n;
}

char *buf_take_z(struct buf *b)
{
    char *z = malloc(b->n + 1);

    if (z == NULL)
        abort();
    if (b->n > 0)
        memcpy(z, b->data + b->start, b->n);
    z[b->n] = '\0';
    buf_done(b);
    return z;
}
