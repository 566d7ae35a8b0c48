/* Hints of any text, as content, as a tag, and as a document: what is found is in normal form, each
 * relay once, within the bounds; and what stands alone in a text is found in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "nostr/hints.h"
#include "nostr/url.h"

static void check(struct hints h)
{
    CHECK(h.n <= HINTS_MAX && (h.n == 0) == (h.hint == NULL));
    for (uint32_t i = 0; i < h.n; i++) {
        struct relay_url url;

        CHECK(h.hint[i].url.n <= HINTS_URL_MAX && h.hint[i].source < HINT_SOURCE__COUNT);
        CHECK(url_parse(h.hint[i].url, NULL, &url) == URL_OK);
        CHECK(str_eq(str_z(url.text), h.hint[i].url) && url.network == h.hint[i].network);
        for (uint32_t j = 0; j < i; j++)
            CHECK(!str_eq(h.hint[i].url, h.hint[j].url));
    }
}

static bool has(struct hints h, struct str url)
{
    for (uint32_t i = 0; i < h.n; i++)
        if (str_eq(h.hint[i].url, url))
            return true;
    return false;
}

/* The first two bytes are the kind; "\x1f" parts the elements of one tag from each other and, last,
 * from the content. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    struct str elements[16], rest, element;
    uint32_t starts[2] = {0, 0};
    struct event e = {.elements = elements, .tag_start = starts};
    struct hints of_event, of_text;
    char *exact = malloc(size + 1);

    CHECK(exact != NULL);
    if (arena.block_bytes == 0)
        arena_init(&arena, 65536);
    memcpy(exact, data, size);
    rest = (struct str){exact, size};
    if (size >= 2) {
        e.kind = data[0] << 8 | data[1];
        rest = (struct str){exact + 2, size - 2};
    }
    while (starts[1] < 16 && memchr(rest.p, 0x1f, rest.n) != NULL && str_cut(&rest, 0x1f, &element))
        elements[starts[1]++] = element;
    e.content = rest;
    e.tags_n = starts[1] > 0 ? 1 : 0;
    of_event = hints_of_event(&e, &arena);
    of_text = hints_of_text(rest, HINT_TEXT, &arena);
    check(of_event);
    check(of_text);
    CHECK(hints_part(e.kind) != HINTS_NONE || of_event.n == 0);
    if (hints_part(e.kind) == HINTS_ALL && !of_event.cut)
        for (uint32_t i = 0; i < of_text.n; i++)
            CHECK(has(of_event, of_text.hint[i].url));
    free(exact);
    arena_reset(&arena);
    return 0;
}
