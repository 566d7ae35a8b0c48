/* The doorway to jansson.  Out of memory aborts: sizes are bounded before. */
#include "core/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static json_t *in(struct js *v)
{
    return (json_t *)(void *)v;
}

static const json_t *look(const struct js *v)
{
    return (const json_t *)(const void *)v;
}

static struct js *out_of(json_t *v)
{
    return (struct js *)(void *)v;
}

/* jansson's getters take a json_t that is not const, and do not change it. */
static json_t *unconst(const struct js *v)
{
    union {
        const struct js *from;
        json_t *to;
    } u = {.from = v};

    return u.to;
}

static struct js *made(json_t *v)
{
    if (v == NULL)
        abort();
    return out_of(v);
}

/* jansson recurses up to 2,048 levels; we bound it before. */
static bool is_too_deep(struct str text, unsigned depth_max)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > depth_max)
                return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

struct js *js_parse(struct str text, size_t bytes_max, unsigned depth_max, struct err *err)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t why;
    char reason[JSON_ERROR_TEXT_LENGTH];
    json_t *root;

    if (text.n > bytes_max) {
        (void)err_set(err, ERR_MESSAGE_TOO_LARGE, "%zu bytes of JSON, allowed are %zu", text.n,
                      bytes_max);
        return NULL;
    }
    if (is_too_deep(text, depth_max)) {
        (void)err_set(err, ERR_SYNTAX, "JSON nested deeper than %u", depth_max);
        return NULL;
    }
    if (text.n == 0) {
        (void)err_set(err, ERR_SYNTAX, "no JSON, but nothing at all");
        return NULL;
    }
    root = json_loadb(text.p, text.n, flags, &why);
    if (root == NULL && json_error_code(&why) == json_error_numeric_overflow)
        root = json_loadb(text.p, text.n, flags | JSON_DECODE_INT_AS_REAL, &why);
    if (root == NULL)
        (void)err_set(err, ERR_SYNTAX, "JSON, line %d column %d: %s", why.line, why.column,
                      str_escape(reason, sizeof(reason), str_z(why.text)));
    return out_of(root);
}

void js_free(struct js *root)
{
    json_decref(in(root));
}

enum js_type js_type(const struct js *v)
{
    if (v == NULL)
        return JS_NONE;
    switch (json_typeof(look(v))) {
    case JSON_OBJECT:
        return JS_OBJECT;
    case JSON_ARRAY:
        return JS_ARRAY;
    case JSON_STRING:
        return JS_STRING;
    case JSON_INTEGER:
        return JS_INT;
    case JSON_REAL:
        return JS_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return JS_BOOL;
    case JSON_NULL:
        return JS_NULL;
    }
    return JS_NONE;
}

struct js *js_get(const struct js *object, const char *key)
{
    return out_of(json_object_get(look(object), key)); /* NULL for what is no object */
}

struct js *js_at(const struct js *array, size_t i)
{
    return out_of(json_array_get(look(array), i));
}

size_t js_count(const struct js *v)
{
    return js_type(v) == JS_OBJECT ? json_object_size(look(v)) : json_array_size(look(v));
}

struct str js_str(const struct js *v, struct str otherwise)
{
    if (js_type(v) != JS_STRING)
        return otherwise;
    return (struct str){json_string_value(look(v)), json_string_length(look(v))};
}

int64_t js_int(const struct js *v, int64_t otherwise)
{
    double x;

    if (js_type(v) == JS_INT)
        return json_integer_value(look(v));
    if (js_type(v) != JS_REAL)
        return otherwise;
    x = json_real_value(look(v));
    /* 2^63 is exact as a double, and the first that does not fit. */
    return x >= -0x1p63 && x < 0x1p63 && trunc(x) == x ? (int64_t)x : otherwise;
}

double js_real(const struct js *v, double otherwise)
{
    return json_is_number(look(v)) ? json_number_value(look(v)) : otherwise;
}

bool js_bool(const struct js *v, bool otherwise)
{
    return js_type(v) == JS_BOOL ? json_is_true(look(v)) : otherwise;
}

bool js_next(const struct js *object, void **at, struct str *key, struct js **value)
{
    json_t *o = unconst(object);

    if (js_type(object) != JS_OBJECT)
        return false;
    *at = *at == NULL ? json_object_iter(o) : json_object_iter_next(o, *at);
    if (*at == NULL)
        return false;
    *key = str_z(json_object_iter_key(*at)); /* a key cannot hold NUL: the parser refuses it */
    *value = out_of(json_object_iter_value(*at));
    return true;
}

struct js *js_new_object(void)
{
    return made(json_object());
}

struct js *js_new_array(void)
{
    return made(json_array());
}

/* Copies s with every byte that is not part of valid UTF-8 replaced. */
static json_t *repaired(struct str s)
{
    char *text = malloc(s.n * 3 + 1);
    size_t n = 0;
    json_t *v;

    if (text == NULL)
        abort();
    while (s.n > 0) {
        uint32_t point;
        size_t take = str_utf8(s, &point);

        if (take > 0)
            memcpy(text + n, s.p, take);
        else
            memcpy(text + n, "\xef\xbf\xbd", 3);
        n += take > 0 ? take : 3;
        take = take > 0 ? take : 1;
        s.p += take;
        s.n -= take;
    }
    v = json_stringn(text, n);
    free(text);
    return v;
}

struct js *js_new_str(struct str s)
{
    json_t *v = json_stringn(s.n > 0 ? s.p : "", s.n); /* NULL when it is not UTF-8 */

    return made(v != NULL ? v : repaired(s));
}

struct js *js_new_int(int64_t n)
{
    return made(json_integer(n));
}

struct js *js_new_real(double x)
{
    return made(isfinite(x) ? json_real(x) : json_null());
}

struct js *js_new_bool(bool b)
{
    return made(json_boolean(b));
}

struct js *js_new_null(void)
{
    return made(json_null());
}

struct js *js_copy(const struct js *v)
{
    return made(json_deep_copy(look(v)));
}

void js_set(struct js *object, const char *key, struct js *value)
{
    if (json_object_set_new(in(object), key, in(value)) != 0)
        abort(); /* not an object, or a key that is not UTF-8: our bug */
}

void js_add(struct js *array, struct js *value)
{
    if (json_array_append_new(in(array), in(value)) != 0)
        abort();
}

void js_set_str(struct js *object, const char *key, struct str s)
{
    js_set(object, key, js_new_str(s));
}

void js_set_z(struct js *object, const char *key, const char *z)
{
    js_set(object, key, z != NULL ? js_new_str(str_z(z)) : js_new_null());
}

void js_set_int(struct js *object, const char *key, int64_t n)
{
    js_set(object, key, js_new_int(n));
}

void js_set_real(struct js *object, const char *key, double x)
{
    js_set(object, key, js_new_real(x));
}

void js_set_bool(struct js *object, const char *key, bool b)
{
    js_set(object, key, js_new_bool(b));
}

char *js_text(const struct js *v, enum js_style style)
{
    size_t flags = JSON_ENCODE_ANY;
    char *text;

    switch (style) {
    case JS_COMPACT:
        flags |= JSON_COMPACT;
        break;
    case JS_SORTED:
        flags |= JSON_COMPACT | JSON_SORT_KEYS;
        break;
    case JS_PRETTY:
        flags |= JSON_INDENT(2);
        break;
    }
    text = json_dumps(look(v), flags);
    if (text == NULL)
        abort();
    return text;
}

void js_print(const struct js *v, enum js_style style, FILE *out)
{
    char *text = js_text(v, style);

    (void)fputs(text, out);
    (void)fputc('\n', out);
    free(text);
}
