/* query: from JSON and words.  The values are read as those of a [filter] section are: npub and
 * note for hexadecimal, dates for seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/query.h"
#include "cli/words.h"
#include "nostr/url.h"

enum { FILTER_BYTES_MAX = 4 * 1024 * 1024, FILTER_DEPTH_MAX = 4, KIND_MAX = 65535, SAID_MAX = 16 };

static void add_kind(struct query *q, int32_t kind)
{
    q->kinds = realloc(q->kinds, (q->kinds_n + 1) * sizeof(*q->kinds));
    if (q->kinds == NULL)
        abort();
    q->kinds[q->kinds_n++] = kind;
}

static struct array *tag_named(struct query *q, struct str name, struct err *err)
{
    struct query_tag *t = q->tags;

    for (; t < q->tags + q->tags_n; t++)
        if (str_eq(name, str_z(t->name)))
            return &t->hashes;
    if (q->tags_n == QUERY_TAGS_MAX || name.n == 0 || name.n >= sizeof(t->name)) {
        (void)err_set(err, ERR_SYNTAX, "the name of a tag is too long, or there are more than %d",
                      QUERY_TAGS_MAX);
        return NULL;
    }
    q->tags_n++;
    (void)str_copy(t->name, sizeof(t->name), name);
    array_init(&t->hashes, PG_INT8);
    return &t->hashes;
}

/* JSON */

static int wrong(struct err *err, struct str key, const char *what)
{
    char quoted[64];

    return err_set(err, ERR_SYNTAX, "filter: \"%s\" %s", str_escape(quoted, sizeof(quoted), key),
                   what);
}

static int json_hashes(struct query *q, struct str key, const struct js *list, bool authors,
                       struct err *err)
{
    struct hashes *to = authors ? &q->authors : &q->ids;

    *(authors ? &q->has_authors : &q->has_ids) = true;
    for (size_t i = 0; i < js_count(list); i++) {
        struct str item = js_str(js_at(list, i), STR(""));

        if (item.n == 0 || filter_read_hashes(item, authors, to, err) < 0)
            return wrong(err, key, "wants 64 hexadecimal digits, or npub1.. or note1..");
    }
    return 0;
}

static int json_kinds(struct query *q, struct str key, const struct js *list, struct err *err)
{
    q->has_kinds = true;
    for (size_t i = 0; i < js_count(list); i++) {
        int64_t kind = js_int(js_at(list, i), -1);

        if (kind < 0 || kind > KIND_MAX)
            return wrong(err, key, "wants numbers from 0 to 65535");
        add_kind(q, (int32_t)kind);
    }
    return 0;
}

static int json_tag(struct query *q, struct str key, const struct js *list, struct err *err)
{
    struct str name = {key.p + 1, key.n - 1};
    struct array *hashes = tag_named(q, name, err);

    if (hashes == NULL)
        return -1;
    for (size_t i = 0; i < js_count(list); i++) {
        if (js_type(js_at(list, i)) != JS_STRING)
            return wrong(err, key, "wants strings");
        array_int8(hashes, event_tag_hash(name, js_str(js_at(list, i), STR(""))));
    }
    return 0;
}

static int json_number(struct str key, const struct js *value, int64_t *to, struct err *err)
{
    *to = js_int(value, -1);
    return *to >= 0 ? 0 : wrong(err, key, "wants a whole number");
}

static int json_member(struct query *q, struct str key, const struct js *value, struct err *err)
{
    if (str_eq(key, STR("since")))
        return json_number(key, value, &q->since, err);
    if (str_eq(key, STR("until")))
        return json_number(key, value, &q->until, err);
    if (str_eq(key, STR("limit")))
        return json_number(key, value, &q->limit, err);
    if (str_eq(key, STR("search")))
        return wrong(err, key, "is not known here: bigbrotr sql, and content ILIKE '%..%'");
    if (js_type(value) != JS_ARRAY)
        return wrong(err, key, "wants a list, or is not known");
    if (str_eq(key, STR("ids")) || str_eq(key, STR("authors")))
        return json_hashes(q, key, value, key.p[0] == 'a', err);
    if (str_eq(key, STR("kinds")))
        return json_kinds(q, key, value, err);
    if (key.n > 1 && key.p[0] == '#')
        return json_tag(q, key, value, err);
    return wrong(err, key, "is not known");
}

static int read_json(struct query *q, struct str text, struct err *err)
{
    struct js *root = js_parse(text, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, err), *value;
    struct str key;
    int rc = 0;

    if (root == NULL)
        return -1;
    if (js_type(root) != JS_OBJECT)
        rc = err_set(err, ERR_SYNTAX, "a filter is an object: {\"kinds\":[1],\"limit\":10}");
    for (void *at = NULL; rc == 0 && js_next(root, &at, &key, &value);)
        rc = json_member(q, key, value, err);
    js_free(root);
    return rc;
}

/* Words */

static int word_kinds(struct query *q, struct str text, struct err *err)
{
    struct filter_part part = {0};
    int rc = filter_read_kinds(text, &part, err);

    q->has_kinds = true;
    for (size_t i = 0; rc == 0 && i < part.kinds_n; i++)
        add_kind(q, part.kinds[i]);
    free(part.kinds);
    return rc;
}

static int word_tag(struct query *q, struct str text, struct err *err)
{
    struct tag_rule rule = {0};
    struct array *hashes;
    struct str name;
    int rc = -1;

    if (!str_cut(&text, '=', &name) || text.p == NULL)
        return err_set(err, ERR_SYNTAX, "--tag wants name=value: --tag t=bitcoin");
    hashes = tag_named(q, name, err);
    rule.name = strndup(name.p, name.n);
    if (hashes != NULL && rule.name != NULL)
        rc = filter_read_tag(text, &rule, err);
    for (size_t i = 0; i < rule.n; i++) {
        if (rc == 0)
            array_int8(hashes, event_tag_hash(name, rule.values[i]));
        free((char *)(uintptr_t)rule.values[i].p);
    }
    free(rule.values);
    free(rule.name);
    return rc;
}

static int word_relay(struct query *q, struct str text, struct err *err)
{
    struct relay_url *url = malloc(sizeof(*url));

    if (url == NULL)
        abort();
    enum url_refusal why = url_parse(text, &url_any_address, url);
    if (why == URL_OK)
        (void)snprintf(q->relay, sizeof(q->relay), "%s", url->text);
    free(url);
    return why == URL_OK ? 0 : err_set(err, ERR_URL, "%s", url_refusal_text(why));
}

static int word_limit(struct query *q, struct str text, struct err *err)
{
    uint64_t limit;

    if (!str_u64(text, &limit) || limit >= INT64_MAX)
        return err_set(err, ERR_SYNTAX, "--limit wants a number");
    if ((int64_t)limit < q->limit) /* the filter may have said one, too */
        q->limit = (int64_t)limit;
    return 0;
}

static int word_id(struct query *q, struct str text, struct err *err)
{
    q->has_ids = true;
    return filter_read_hashes(text, false, &q->ids, err);
}

static int word_author(struct query *q, struct str text, struct err *err)
{
    q->has_authors = true;
    return filter_read_hashes(text, true, &q->authors, err);
}

static int word_since(struct query *q, struct str text, struct err *err)
{
    return filter_read_time(text, &q->since, err);
}

static int word_until(struct query *q, struct str text, struct err *err)
{
    return filter_read_time(text, &q->until, err);
}

static const struct {
    const char *name;
    int max;
    int (*read)(struct query *q, struct str text, struct err *err);
} said[] = {
    {"--id", SAID_MAX, word_id},      {"--author", SAID_MAX, word_author},
    {"--kind", SAID_MAX, word_kinds}, {"--tag", SAID_MAX, word_tag},
    {"--since", 1, word_since},       {"--until", 1, word_until},
    {"--limit", 1, word_limit},       {"--relay", 1, word_relay},
};
enum { SAID = sizeof(said) / sizeof(said[0]) };

int query_read(const struct command *c, struct query *q, struct err *err)
{
    const char *values[SAID][SAID_MAX];
    struct word_option options[SAID + 1] = {0};
    struct words words;

    *q = (struct query){.until = INT64_MAX, .limit = INT64_MAX};
    for (int i = 0; i < SAID; i++)
        options[i] = (struct word_option){said[i].name, values[i], said[i].max, 0};
    if (!words_read(c, options, &words) || words.n > 1)
        return err_set(err, ERR_SYNTAX,
                       "usage: bigbrotr events [FILTER] [--id ID].. [--author KEY].. [--kind N].. "
                       "[--tag NAME=VALUE].. [--since TIME] [--until TIME] [--relay URL] [--limit "
                       "N]");
    if (words.n == 1 && read_json(q, str_z(words.plain[0]), err) < 0)
        return -1;
    for (int i = 0; i < SAID; i++)
        for (int j = 0; j < options[i].n; j++)
            if (said[i].read(q, str_z(values[i][j]), err) < 0)
                return -1;
    return 0;
}

void query_free(struct query *q)
{
    free(q->ids.at);
    free(q->authors.at);
    free(q->kinds);
    for (int i = 0; i < q->tags_n; i++)
        array_done(&q->tags[i].hashes);
}
