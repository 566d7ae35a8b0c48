/* JSON documents: NIP-11, relay lists, our own output.  The doorway to jansson; never on the path
 * of an event (that is nostr/event.h), nor for the canonical form of NIP-01.
 *
 * A struct js is one value inside a document; who parsed or made the root frees it.  Getters take
 * any value, also NULL, and answer with the default when it is not of the kind that was asked for:
 * a document of a stranger is read without a check at each step. */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/err.h"
#include "core/str.h"

struct js;

enum js_type {
    JS_NONE, /* what a NULL pointer is: there is no such value */
    JS_NULL,
    JS_BOOL,
    JS_INT,
    JS_REAL,
    JS_STRING,
    JS_ARRAY,
    JS_OBJECT
};

/* One JSON text and nothing behind it.  ERR_MESSAGE_TOO_LARGE beyond bytes_max, ERR_SYNTAX for
 * everything else, also when it nests deeper than depth_max.  Any value may be the root.  Of keys
 * that occur twice the last counts.  Integers beyond 64 bits make every number of the document a
 * real. */
struct js *js_parse(struct str text, size_t bytes_max, unsigned depth_max,
                    struct err *err) MUST_USE;
void js_free(struct js *root);

enum js_type js_type(const struct js *v);
struct js *js_get(const struct js *object, const char *key); /* NULL: no object, or no such key */
struct js *js_at(const struct js *array, size_t i);          /* NULL: no array, or too short */
size_t js_count(const struct js *v);                         /* of an array or object, else 0 */

struct str js_str(const struct js *v,
                  struct str otherwise); /* lives as long as the document; may hold NUL */
int64_t js_int(const struct js *v, int64_t otherwise); /* a real counts when it is whole and fits */
double js_real(const struct js *v, double otherwise);
bool js_bool(const struct js *v, bool otherwise);

/* The members of an object, in the order of the text: void *at = NULL; while (js_next(o, &at, &k,
 * &v)). */
bool js_next(const struct js *object, void **at, struct str *key, struct js **value);

/* Making a document.  A value that is put into another belongs to it.  Bytes that are not UTF-8 are
 * replaced by U+FFFD. */
struct js *js_new_object(void);
struct js *js_new_array(void);
struct js *js_new_str(struct str s);
struct js *js_new_int(int64_t n);
struct js *js_new_real(double x); /* null when x is not finite */
struct js *js_new_bool(bool b);
struct js *js_new_null(void);
struct js *js_copy(const struct js *v); /* deep */

void js_set(struct js *object, const char *key, struct js *value);
void js_add(struct js *array, struct js *value);
void js_set_str(struct js *object, const char *key, struct str s);
void js_set_z(struct js *object, const char *key, const char *z); /* null for NULL */
void js_set_int(struct js *object, const char *key, int64_t n);
void js_set_real(struct js *object, const char *key, double x);
void js_set_bool(struct js *object, const char *key, bool b);

enum js_style {
    JS_COMPACT, /* one line, members in their order */
    JS_SORTED,  /* one line, members by key: the same for equal documents, fit to be hashed */
    JS_PRETTY   /* for people */
};

char *js_text(const struct js *v, enum js_style style);            /* malloc'd, NUL-terminated */
void js_print(const struct js *v, enum js_style style, FILE *out); /* and the line's end */

#endif
