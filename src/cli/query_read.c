/* query: from a filter of NIP-01, and words that add to it.  Values are read as those of a [filter]
 * section are: npub and note for hexadecimal, dates for seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/query.h"
#include "cli/words.h"
#include "nostr/url.h"

enum { TAG_NAME_SIZE = 64, SAID_MAX = 16 };

static int read_json(struct query *q, struct str text, struct err *err)
{
    int64_t limit;
    struct filter_spec *filter = filter_spec_from_json(text, &limit, err);

    if (filter == NULL && strncmp(err->detail, "\"search\" ", strlen("\"search\" ")) == 0)
        return err_set(err, ERR_SYNTAX,
                       "\"search\" is not known here: bigbrotr sql, and content ILIKE '%%..%%'");
    if (filter == NULL)
        return -1;
    filter_spec_free(q->filter);
    q->filter = filter;
    if (limit >= 0)
        q->limit = limit;
    return 0;
}

static int word_kinds(struct query *q, struct str text, struct err *err)
{
    return filter_read_kinds(text, &q->filter->want, err);
}

static struct tag_rule *tag_named(struct filter_part *part, const char *name)
{
    for (size_t i = 0; i < part->tags_n; i++)
        if (strcmp(part->tags[i].name, name) == 0)
            return &part->tags[i];
    return filter_add_tag(part, name);
}

static int word_tag(struct query *q, struct str text, struct err *err)
{
    char name[TAG_NAME_SIZE];
    struct str before;

    if (!str_cut(&text, '=', &before) || text.p == NULL || before.n == 0)
        return err_set(err, ERR_SYNTAX, "--tag wants name=value: --tag t=bitcoin");
    if (!str_copy(name, sizeof(name), before))
        return err_set(err, ERR_SYNTAX, "--tag: the name of a tag has at most %d bytes",
                       TAG_NAME_SIZE - 1);
    return filter_read_tag(text, tag_named(&q->filter->want, name), err);
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
    return filter_read_hashes(text, false, &q->filter->want.ids, err);
}

static int word_author(struct query *q, struct str text, struct err *err)
{
    return filter_read_hashes(text, true, &q->filter->want.authors, err);
}

static int word_since(struct query *q, struct str text, struct err *err)
{
    return filter_read_time(text, &q->filter->want.since, err);
}

static int word_until(struct query *q, struct str text, struct err *err)
{
    return filter_read_time(text, &q->filter->want.until, err);
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

    *q = (struct query){.filter = filter_spec_new("query"), .limit = INT64_MAX};
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
    if (q->filter->want.tags_n > QUERY_TAGS_MAX)
        return err_set(err, ERR_SYNTAX, "a filter may name at most %d tags here", QUERY_TAGS_MAX);
    return 0;
}

void query_free(struct query *q)
{
    filter_spec_free(q->filter);
}
