/* A [filter] section, one `key=value` a line, or, where it begins with `{`, a filter as NIP-01
 * writes it: whatever is accepted has an identity that is JSON and says the same when it is read
 * again in another order of lines, and a question that is JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "check.h"
#include "nostr/filter.h"

enum { LINES_MAX = 16 };

static bool set_line(struct filter_spec *f, struct str line)
{
    char key[64], value[1024];
    struct str before;
    struct err err;

    if (!str_cut(&line, '=', &before) || line.p == NULL || !str_copy(key, sizeof(key), before) ||
        !str_copy(value, sizeof(value), line))
        return false;
    return filter_spec_set(f, key, value, &err) == 0;
}

static void check_json(const char *text)
{
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    CHECK(json_is_object(j));
    json_decref(j);
}

static void check_nip01(struct str json)
{
    static char question[1 << 20];
    const struct filter_ask ask = {.since = 5, .until = 1700000000, .limit = 500};
    int64_t limit;
    struct err err;
    struct filter_spec *f = filter_spec_from_json(json, &limit, &err);

    if (f == NULL)
        return;
    CHECK(limit >= -1);
    if (filter_write(f, &ask, question, sizeof(question)) >= 0)
        check_json(question);
    filter_spec_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == '{') {
        check_nip01((struct str){(const char *)data, size});
        return 0;
    }
    static char question[1 << 20];
    struct str rest = {(const char *)data, size}, line, kept[LINES_MAX];
    struct filter_spec *f = filter_spec_new("a"), *g = filter_spec_new("b");
    struct filter_ask ask = {.since = 5, .until = 1700000000, .limit = 500};
    size_t n = 0;
    char *first, *second;

    while (size > 0 && n < LINES_MAX && str_cut(&rest, '\n', &line))
        if (memchr(line.p, 0, line.n) == NULL && set_line(f, line))
            kept[n++] = line;
        else
            break; /* refused: the spec may hold a part of it, and is thrown away by its owner */
    filter_spec_free(f);
    f = filter_spec_new("a");
    for (size_t i = 0; i < n; i++)
        CHECK(set_line(f, kept[i]));
    for (size_t i = n; i > 0; i--)
        CHECK(set_line(g, kept[i - 1]));
    first = filter_spec_identity(f);
    second = filter_spec_identity(g);
    CHECK(strcmp(first, second) == 0);
    check_json(first);
    if (filter_write(f, &ask, question, sizeof(question)) >= 0)
        check_json(question);
    free(first);
    free(second);
    filter_spec_free(f);
    filter_spec_free(g);
    return 0;
}
