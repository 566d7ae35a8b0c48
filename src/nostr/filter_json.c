/* A filter as a person or a program passes it: the JSON object of NIP-01. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/json.h"
#include "nostr/filter_spec.h"

enum { JSON_MAX = 256 * 1024, DEPTH_MAX = 4, NAME_SHOWN = 64 };

static int syntax(struct err *err, struct str name, const char *what)
{
    char shown[NAME_SHOWN];

    return err_set(err, ERR_SYNTAX, "\"%s\" %s", str_escape(shown, sizeof(shown), name), what);
}

/* A string in which nothing is hidden behind a NUL. */
static bool is_text(const struct js *item)
{
    struct str text = js_str(item, STR(""));

    return js_type(item) == JS_STRING && memchr(text.p, '\0', text.n) == NULL;
}

/* "a,b,c" of a list of numbers or strings, as a [filter] section writes it. */
static int join(struct str name, const struct js *list, enum js_type type, struct buf *to,
                struct err *err)
{
    if (js_type(list) != JS_ARRAY || js_count(list) == 0)
        return syntax(err, name, "must be a list with something in it");
    for (size_t i = 0; i < js_count(list); i++) {
        const struct js *item = js_at(list, i);

        if (type == JS_INT ? js_type(item) != JS_INT : !is_text(item))
            return syntax(err, name, type == JS_INT ? "must hold numbers" : "must hold strings");
        if (i > 0)
            buf_append_char(to, ',');
        if (type == JS_INT)
            buf_printf(to, "%" PRId64, js_int(item, 0));
        else
            buf_append_str(to, js_str(item, STR("")));
    }
    return 0;
}

static int set_list(struct filter_spec *f, struct str name, const struct js *list,
                    enum js_type type, struct err *err)
{
    struct buf text;
    struct err why;
    char key[NAME_SHOWN];
    char *value;
    int rc;

    buf_init(&text, JSON_MAX);
    rc = join(name, list, type, &text, err);
    value = buf_take_z(&text);
    buf_done(&text);
    (void)str_copy(key, sizeof(key), name);
    if (rc == 0 && filter_spec_set(f, key, value, &why) < 0)
        rc = err_set(err, ERR_SYNTAX, "%s", why.detail);
    free(value);
    return rc;
}

static int set_time(struct filter_spec *f, struct str name, const struct js *value, struct err *err)
{
    char text[24], key[NAME_SHOWN];
    struct err why;

    if (js_type(value) != JS_INT || js_int(value, -1) < 0)
        return syntax(err, name, "must be seconds since 1970");
    (void)snprintf(text, sizeof(text), "%" PRId64, js_int(value, 0));
    (void)str_copy(key, sizeof(key), name);
    return filter_spec_set(f, key, text, &why) == 0 ? 0
                                                    : err_set(err, ERR_SYNTAX, "%s", why.detail);
}

/* Values one by one: they may hold commas, which separate them in a section. */
static int set_tag(struct filter_spec *f, struct str name, const struct js *list, struct err *err)
{
    const char letter[2] = {name.p[1], '\0'};
    struct tag_rule *rule;
    struct err why;

    if (js_type(list) != JS_ARRAY || js_count(list) == 0)
        return syntax(err, name, "must be a list with something in it");
    rule = filter_add_tag(&f->want, letter);
    if (rule == NULL)
        return syntax(err, name, "is given twice");
    for (size_t i = 0; i < js_count(list); i++) {
        if (!is_text(js_at(list, i)))
            return syntax(err, name, "must hold strings");
        if (filter_add_tag_value(js_str(js_at(list, i), STR("")), rule, &why) < 0)
            return syntax(err, name, why.detail);
    }
    filter_tag_done(rule);
    return filter_tag_askable(rule) ? 0 : syntax(err, name, "is no tag that relays know");
}

static int set_member(struct filter_spec *f, struct str name, const struct js *value,
                      int64_t *limit, struct err *err)
{
    if (str_eq(name, STR("kinds")))
        return set_list(f, name, value, JS_INT, err);
    if (str_eq(name, STR("ids")) || str_eq(name, STR("authors")))
        return set_list(f, name, value, JS_STRING, err);
    if (str_eq(name, STR("since")) || str_eq(name, STR("until")))
        return set_time(f, name, value, err);
    if (str_eq(name, STR("limit"))) {
        *limit = js_int(value, -1);
        return *limit >= 0 ? 0 : syntax(err, name, "must be a number, 0 or more");
    }
    if (name.n == 2 && name.p[0] == '#')
        return set_tag(f, name, value, err);
    return syntax(err, name,
                  "is no part of a filter: ids, authors, kinds, since, until, limit, or # and one "
                  "letter");
}

struct filter_spec *filter_spec_from_json(struct str json, int64_t *limit, struct err *err)
{
    struct js *root = js_parse(json, JSON_MAX, DEPTH_MAX, err), *value;
    struct filter_spec *f = filter_spec_new("json");
    struct str name;
    void *at = NULL;
    int rc = root == NULL ? -1 : 0;

    *limit = -1;
    if (rc == 0 && js_type(root) != JS_OBJECT)
        rc = err_set(err, ERR_SYNTAX, "a filter is a JSON object: {\"kinds\":[1]}");
    while (rc == 0 && js_next(root, &at, &name, &value))
        rc = set_member(f, name, value, limit, err);
    js_free(root);
    if (rc == 0)
        return f;
    filter_spec_free(f);
    return NULL;
}
