/* One [filter NAME] section: made key by key, then read by any thread. */
#include "nostr/filter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/hex.h"
#include "nostr/canonical.h"
#include "nostr/filter_spec.h"
#include "nostr/utf8.h"

enum { TAG_NAME_MAX = 64 };

static char *copy_z(const char *z)
{
    char *copy = strdup(z);

    if (copy == NULL)
        abort();
    return copy;
}

struct filter_spec *filter_spec_new(const char *name)
{
    struct filter_spec *f = calloc(1, sizeof(*f));

    if (f == NULL)
        abort();
    f->name = copy_z(name);
    f->want.since = f->want.until = f->except.since = f->except.until = -1;
    return f;
}

static void free_part(struct filter_part *part)
{
    free(part->kinds);
    free(part->authors.at);
    free(part->ids.at);
    for (size_t i = 0; i < part->tags_n; i++) {
        for (size_t j = 0; j < part->tags[i].n; j++)
            free((char *)(uintptr_t)part->tags[i].values[j].p);
        free(part->tags[i].values);
        free(part->tags[i].name);
    }
    free(part->tags);
}

void filter_spec_free(struct filter_spec *f)
{
    if (f == NULL)
        return;
    free_part(&f->want);
    free_part(&f->except);
    free(f->name);
    free(f);
}

bool filter_tag_askable(const struct tag_rule *rule)
{
    char c = rule->name[0];

    return rule->name[1] == '\0' && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
}

struct tag_rule *filter_add_tag(struct filter_part *part, const char *name)
{
    size_t at = 0;

    while (at < part->tags_n && strcmp(part->tags[at].name, name) < 0)
        at++;
    if (at < part->tags_n && strcmp(part->tags[at].name, name) == 0)
        return NULL;
    part->tags = realloc(part->tags, (part->tags_n + 1) * sizeof(*part->tags));
    if (part->tags == NULL)
        abort();
    memmove(part->tags + at + 1, part->tags + at, (part->tags_n - at) * sizeof(*part->tags));
    part->tags[at] = (struct tag_rule){.name = copy_z(name)};
    part->tags_n++;
    return &part->tags[at];
}

/* The key without `not_`, of the half that it belongs to. */
static int set_part(struct filter_part *part, const char *key, struct str value, struct err *err)
{
    const char *tag = key[0] == '#' ? key + 1 : strncmp(key, "tag_", 4) == 0 ? key + 4 : NULL;
    struct tag_rule *rule;

    if (strcmp(key, "kinds") == 0)
        return part->kinds_n > 0 ? err_set(err, ERR_CONFIG, "it is given twice")
                                 : filter_read_kinds(value, part, err);
    if (strcmp(key, "authors") == 0)
        return part->authors.n > 0 ? err_set(err, ERR_CONFIG, "it is given twice")
                                   : filter_read_hashes(value, true, &part->authors, err);
    if (strcmp(key, "ids") == 0)
        return part->ids.n > 0 ? err_set(err, ERR_CONFIG, "it is given twice")
                               : filter_read_hashes(value, false, &part->ids, err);
    if (strcmp(key, "since") == 0)
        return part->since >= 0 ? err_set(err, ERR_CONFIG, "it is given twice")
                                : filter_read_time(value, &part->since, err);
    if (strcmp(key, "until") == 0)
        return part->until >= 0 ? err_set(err, ERR_CONFIG, "it is given twice")
                                : filter_read_time(value, &part->until, err);
    if (tag == NULL || tag[0] == '\0')
        return err_set(err, ERR_CONFIG,
                       "unknown key (known: kinds, authors, ids, tag_NAME, since, until, and not_ "
                       "before each)");
    if (strlen(tag) > TAG_NAME_MAX || !utf8_valid(str_z(tag)))
        return err_set(err, ERR_CONFIG, "the name of a tag is UTF-8 of at most %d bytes",
                       TAG_NAME_MAX);
    rule = filter_add_tag(part, tag);
    return rule == NULL ? err_set(err, ERR_CONFIG, "it is given twice")
                        : filter_read_tag(value, rule, err);
}

int filter_spec_set(struct filter_spec *f, const char *key, const char *value, struct err *err)
{
    bool negative = strncmp(key, "not_", 4) == 0;
    struct filter_part *part = negative ? &f->except : &f->want;
    struct str text = str_trim(str_z(value));
    struct err why = {.code = ERR_CONFIG};
    char name[96];
    int rc;

    if (text.n == 0)
        rc = err_set(&why, ERR_CONFIG, "the value is empty");
    else
        rc = set_part(part, negative ? key + 4 : key, text, &why);
    if (rc == 0 && part->since >= 0 && part->until >= 0 && part->since > part->until && !negative)
        rc = err_set(&why, ERR_CONFIG, "since is later than until");
    if (rc < 0)
        return err_set(err, ERR_CONFIG, "%s: %s", str_escape(name, sizeof(name), str_z(key)),
                       why.detail);
    return 0;
}

const int32_t *filter_spec_kinds(const struct filter_spec *f, size_t *n)
{
    *n = f->want.kinds_n;
    return f->want.kinds;
}

int64_t filter_spec_since(const struct filter_spec *f)
{
    return f->want.since < 0 ? 0 : f->want.since;
}

int64_t filter_spec_until(const struct filter_spec *f)
{
    return f->want.until < 0 ? INT64_MAX : f->want.until;
}

static void put_string(struct buf *b, struct str text)
{
    char *room = buf_reserve(b, 6 * text.n + 2), *p = room;

    if (room == NULL)
        return;
    *p++ = '"';
    p = canonical_escape(p, text);
    *p++ = '"';
    buf_added(b, (size_t)(p - room));
}

/* The name of a member; members are written in the order of their names. */
static void put_name(struct buf *b, const char *before, struct str name)
{
    char full[TAG_NAME_MAX + 16];
    int n = snprintf(full, sizeof(full), "%s" STR_FMT, before, STR_ARG(name));

    if (buf_str(b).n > 1)
        buf_append_char(b, ',');
    put_string(b, (struct str){full, n < (int)sizeof(full) ? (size_t)n : sizeof(full) - 1});
    buf_append_char(b, ':');
}

static void put_tags(struct buf *b, const char *negation, const struct filter_part *part)
{
    for (size_t i = 0; i < part->tags_n; i++) {
        char before[8];

        (void)snprintf(before, sizeof(before), "%s#", negation);
        put_name(b, before, str_z(part->tags[i].name));
        for (size_t j = 0; j < part->tags[i].n; j++) {
            buf_append_char(b, j == 0 ? '[' : ',');
            put_string(b, part->tags[i].values[j]);
        }
        buf_append_char(b, ']');
    }
}

static void put_hashes(struct buf *b, const char *negation, const char *name,
                       const struct hashes *list)
{
    if (list->n == 0)
        return;
    put_name(b, negation, str_z(name));
    for (size_t i = 0; i < list->n; i++) {
        char hex[64];

        hex_encode(hex, list->at[i].b, sizeof(list->at[i].b));
        buf_append_char(b, i == 0 ? '[' : ',');
        put_string(b, (struct str){hex, sizeof(hex)});
    }
    buf_append_char(b, ']');
}

/* Runs of kinds as "first-last", so that 30000-39999 stays short. */
static void put_kinds(struct buf *b, const char *negation, const struct filter_part *part)
{
    size_t end;

    if (part->kinds_n == 0)
        return;
    put_name(b, negation, STR("kinds"));
    for (size_t i = 0; i < part->kinds_n; i = end) {
        for (end = i + 1; end < part->kinds_n && part->kinds[end] == part->kinds[end - 1] + 1;)
            end++;
        buf_append_char(b, i == 0 ? '[' : ',');
        if (end - i > 2) {
            buf_printf(b, "\"%" PRId32 "-%" PRId32 "\"", part->kinds[i], part->kinds[end - 1]);
        } else {
            buf_printf(b, "%" PRId32, part->kinds[i]);
            end = i + 1;
        }
    }
    buf_append_char(b, ']');
}

static void put_time(struct buf *b, const char *negation, const char *name, int64_t time)
{
    if (time < 0)
        return;
    put_name(b, negation, str_z(name));
    buf_printf(b, "%" PRId64, time);
}

static void put_part(struct buf *b, const char *negation, const struct filter_part *part)
{
    put_tags(b, negation, part);
    put_hashes(b, negation, "authors", &part->authors);
    put_hashes(b, negation, "ids", &part->ids);
    put_kinds(b, negation, part);
    put_time(b, negation, "since", part->since);
    put_time(b, negation, "until", part->until);
}

char *filter_spec_identity(const struct filter_spec *f)
{
    struct buf b;
    char *text;

    buf_init(&b, SIZE_MAX / 4);
    buf_append_char(&b, '{');
    put_part(&b, "", &f->want);
    put_part(&b, "not_", &f->except);
    buf_append_char(&b, '}');
    text = buf_take_z(&b);
    buf_done(&b);
    return text;
}
