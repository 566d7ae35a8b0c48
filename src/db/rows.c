/* Big-endian, each value behind its length: that is all there is to it. */
#include "db/rows.h"

#include <assert.h>
#include <string.h>

enum { ARRAY_HEAD_BYTES = 20 };

static void put_be(char *to, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (char)(v >> (8 * (bytes - 1 - i)));
}

void array_init(struct array *a, enum pg_type type)
{
    a->type = type;
    a->n = 0;
    a->nulls = false;
    buf_init(&a->buf, ARRAY_BYTES_MAX);
    array_clear(a);
}

void array_done(struct array *a)
{
    buf_done(&a->buf);
}

void array_clear(struct array *a)
{
    static const char head[ARRAY_HEAD_BYTES];

    a->n = 0;
    a->nulls = false;
    buf_clear(&a->buf);
    buf_append(&a->buf, head, sizeof(head));
}

bool array_overflow(const struct array *a)
{
    return a->buf.overflow;
}

static void add(struct array *a, const void *p, size_t n)
{
    if (n > ARRAY_BYTES_MAX) {
        a->buf.overflow = true;
        return;
    }

    char *to = buf_reserve(&a->buf, 4 + n);

    if (!to)
        return;
    put_be(to, n, 4);
    if (n > 0)
        memcpy(to + 4, p, n);
    buf_added(&a->buf, 4 + n);
    a->n++;
}

void array_bool(struct array *a, bool v)
{
    char c = v ? 1 : 0;

    assert(a->type == PG_BOOL);
    add(a, &c, 1);
}

static void add_int(struct array *a, uint64_t v, size_t bytes)
{
    char be[8];

    put_be(be, v, bytes);
    add(a, be, bytes);
}

void array_int2(struct array *a, int16_t v)
{
    assert(a->type == PG_INT2);
    add_int(a, (uint64_t)v, 2);
}

void array_int4(struct array *a, int32_t v)
{
    assert(a->type == PG_INT4);
    add_int(a, (uint64_t)v, 4);
}

void array_int8(struct array *a, int64_t v)
{
    assert(a->type == PG_INT8);
    add_int(a, (uint64_t)v, 8);
}

void array_bytes(struct array *a, const void *p, size_t n)
{
    assert(a->type == PG_BYTEA);
    add(a, p, n);
}

void array_text(struct array *a, struct str s)
{
    assert(a->type == PG_TEXT);
    add(a, s.p, s.n);
}

void array_null(struct array *a)
{
    char *to = buf_reserve(&a->buf, 4);

    if (!to)
        return;
    put_be(to, UINT32_MAX, 4); /* a length of -1 */
    buf_added(&a->buf, 4);
    a->nulls = true;
    a->n++;
}

/* pg_type: the type of arrays of each of them. */
static uint32_t array_type(enum pg_type type)
{
    switch (type) {
    case PG_BOOL:
        return 1000;
    case PG_BYTEA:
        return 1001;
    case PG_INT2:
        return 1005;
    case PG_INT4:
        return 1007;
    case PG_TEXT:
        return 1009;
    case PG_INT8:
        return 1016;
    }
    assert(false);
    return 0;
}

void params_init(struct params *p)
{
    p->n = 0;
}

static void add_param(struct params *p, uint32_t type, const char *value, size_t n)
{
    assert(p->n < PARAMS_MAX && n <= ARRAY_BYTES_MAX);
    p->types[p->n] = type;
    p->values[p->n] = value;
    p->lengths[p->n] = (int)n;
    p->formats[p->n] = 1;
    p->n++;
}

void params_array(struct params *p, struct array *a)
{
    struct str all = buf_str(&a->buf);
    char *head = a->buf.data + a->buf.start;

    assert(all.n >= ARRAY_HEAD_BYTES);
    put_be(head, a->n > 0, 4); /* an empty array has no dimension, and ends after the type */
    put_be(head + 4, a->nulls, 4);
    put_be(head + 8, a->type, 4);
    put_be(head + 12, a->n, 4);
    put_be(head + 16, 1, 4);
    add_param(p, array_type(a->type), all.p, a->n > 0 ? all.n : 12);
}

static void add_scalar(struct params *p, uint32_t type, uint64_t v, size_t bytes)
{
    assert(p->n < PARAMS_MAX);

    char *scalar = p->scalars[p->n];

    put_be(scalar, v, bytes);
    add_param(p, type, scalar, bytes);
}

void params_int4(struct params *p, int32_t v)
{
    add_scalar(p, PG_INT4, (uint64_t)v, 4);
}

void params_int8(struct params *p, int64_t v)
{
    add_scalar(p, PG_INT8, (uint64_t)v, 8);
}

void params_text(struct params *p, struct str s)
{
    add_param(p, PG_TEXT, s.p ? s.p : "", s.n);
}

void params_bytes(struct params *p, const void *data, size_t n)
{
    add_param(p, PG_BYTEA, data ? data : "", n);
}

int64_t binary_int(const char *p, size_t n)
{
    uint64_t v = 0;

    if (n != 1 && n != 2 && n != 4 && n != 8)
        return 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (uint8_t)p[i];
    if (n == 2)
        return (int16_t)v;
    if (n == 4)
        return (int32_t)v;
    return (int64_t)v;
}

static size_t int_bytes(enum pg_type type)
{
    return type == PG_INT8 ? 8 : type == PG_INT4 ? 4 : 2;
}

uint32_t binary_array_n(struct str array, enum pg_type type)
{
    if (array.n < ARRAY_HEAD_BYTES || binary_int(array.p, 4) != 1 ||
        binary_int(array.p + 4, 4) != 0 || binary_int(array.p + 8, 4) != (int64_t)type)
        return 0;

    int64_t n = binary_int(array.p + 12, 4);

    if (n < 0 || array.n - ARRAY_HEAD_BYTES != (uint64_t)n * (4 + int_bytes(type)))
        return 0;
    return (uint32_t)n;
}

int64_t binary_array_int(struct str array, uint32_t i, size_t bytes)
{
    size_t at = ARRAY_HEAD_BYTES + (size_t)i * (4 + bytes) + 4;

    assert(at + bytes <= array.n);
    return binary_int(array.p + at, bytes);
}
