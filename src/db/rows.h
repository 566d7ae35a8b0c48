/* rows: PostgreSQL's binary form of parameters and arrays.  Pure.
 *
 *     array_init -> array_int8 .. -> array_param(into a struct params) -> (sent) -> array_done
 *
 * An array is built in one growing buffer:  | ndim | has null | type | n | 1 | len value | len
 * value | .. Additions after the maximum was passed are dropped and `overflow` is set; look once,
 * at the end. */
#ifndef DB_ROWS_H
#define DB_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

/* pg_type.h: these numbers are part of PostgreSQL's protocol and do not change. */
enum pg_type {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25
};

/* What one statement may carry: PostgreSQL's own limit for a message and a value is 1 GiB - 1. */
enum { ARRAY_BYTES_MAX = 0x3fff0000 };

struct array {
    enum pg_type type;
    uint32_t n;
    bool nulls;
    struct buf buf;
};

void array_init(struct array *a, enum pg_type type);
void array_done(struct array *a);
void array_clear(struct array *a); /* empty, the memory stays */
bool array_overflow(const struct array *a);

void array_bool(struct array *a, bool v);
void array_int2(struct array *a, int16_t v);
void array_int4(struct array *a, int32_t v);
void array_int8(struct array *a, int64_t v);
void array_bytes(struct array *a, const void *p, size_t n); /* bytea */
void array_text(struct array *a, struct str s);
void array_null(struct array *a);

/* The parameters of one statement, as views: what they point to must live until the statement was
 * queued. */
enum { PARAMS_MAX = 25 };
struct params {
    int n;
    uint32_t types[PARAMS_MAX];
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX];
    int formats[PARAMS_MAX];
    char scalars[PARAMS_MAX][8];
};

void params_init(struct params *p);
void params_array(struct params *p, struct array *a);
void params_int4(struct params *p, int32_t v);
void params_int8(struct params *p, int64_t v);
void params_text(struct params *p, struct str s);
void params_bytes(struct params *p, const void *data, size_t n);

/* A binary integer of 1, 2, 4 or 8 bytes, as a result holds it; 0 for any other length. */
int64_t binary_int(const char *p, size_t n);

/* A binary array of one dimension, of integers, none NULL, as a result holds it: how many values of
 * that type (0: not such an array), and the one at i, of so many bytes. */
uint32_t binary_array_n(struct str array, enum pg_type type);
int64_t binary_array_int(struct str array, uint32_t i, size_t bytes);

#endif
