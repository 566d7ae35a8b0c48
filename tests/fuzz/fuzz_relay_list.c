/* Lists of relays: any document is walked within its bounds; what a JSON library accepts is
 * accepted, with the same strings at the top; lines have neither ends nor comments in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "nostr/relay_list.h"

#define CHECK(what)                                 \
    do {                                            \
        if (!(what)) {                              \
            fprintf(stderr, "not so: %s\n", #what); \
            abort();                                \
        }                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct str text;
    size_t n;
    bool lines;
};

static void on_entry(void *owner, struct str text)
{
    struct seen *s = owner;

    s->n++;
    CHECK(s->n <= s->text.n && text.n <= s->text.n);
    if (s->lines)
        CHECK(text.n > 0 && memchr(text.p, '\n', text.n) == NULL &&
              memchr(text.p, '#', text.n) == NULL);
}

/* Strings of an array, nested arrays included, are what the empty path leads to. */
static void compare(struct str text)
{
    struct seen all = {.text = text};
    struct err err;
    struct js *root = js_parse(text, text.n, RELAY_LIST_DEPTH_MAX - 2, &err);
    size_t strings = 0;

    int result = relay_list_json(text, "", on_entry, &all, &err);
    CHECK(result == 0 || err.code == ERR_SYNTAX);
    if (root == NULL)
        return;
    if (memchr(text.p, '\0', text.n) != NULL) { /* to that library it is the end of the text */
        js_free(root);
        return;
    }
    CHECK(result == 0);
    for (size_t i = 0; i < js_count(root) && js_type(root) == JS_ARRAY; i++) {
        strings += js_type(js_at(root, i)) == JS_STRING;
        if (js_type(js_at(root, i)) == JS_ARRAY)
            strings = SIZE_MAX / 2;
    }
    CHECK(strings >= SIZE_MAX / 2 || js_type(root) == JS_STRING || all.n == strings);
    js_free(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"a", "*", "~", "a.b", "*.~", "relays.url", "*.*.*"};
    char *copy;
    struct seen seen;
    struct err err;

    if (size == 0)
        return 0;
    copy = malloc(size);
    CHECK(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    seen = (struct seen){.text = {copy, size - 1}};
    int plain = relay_list_json(seen.text, "", on_entry, &seen, &err);
    seen.n = 0;
    int with = relay_list_json(seen.text, paths[data[0] % (sizeof(paths) / sizeof(paths[0]))],
                               on_entry, &seen, &err);
    CHECK(plain == with); /* what is valid does not depend on what is looked for */
    compare(seen.text);
    seen.n = 0;
    seen.lines = true;
    relay_list_lines(seen.text, on_entry, &seen);
    free(copy);
    return 0;
}
