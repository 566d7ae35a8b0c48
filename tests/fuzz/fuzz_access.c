/* Allow and deny lists: any text is read within its bounds, every line is an entry or is complained
 * of with printable text, and what was accepted of a deny list denies: a URL that stands in it is
 * denied, unless the allow list has it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "nostr/access.h"

static void on_bad(void *owner, uint32_t line, const char *why)
{
    uint32_t *last = owner;

    CHECK(line > *last && why[0] == '"');
    *last = line;
    for (; *why != '\0'; why++)
        CHECK((unsigned char)*why >= ' ' && *why != 0x7f);
}

static void ask(const struct access *a, struct str text)
{
    struct str rest = text, entry;
    struct relay_url *url = malloc(sizeof(*url));
    uint32_t line = 0;

    CHECK(url != NULL);
    while (str_next_entry(&rest, &line, &entry)) {
        CHECK(entry.n > 0 && memchr(entry.p, '\n', entry.n) == NULL);
        if (!str_find(entry, STR("://"), NULL) || url_parse(entry, &url_any_address, url) != URL_OK)
            continue;
        struct access_verdict v = access_judge(a, url);
        CHECK(v.access == ACCESS_DENIED && v.line >= 1 && v.line <= line);
    }
    free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1);
    struct access *deny = access_new(), *both = access_new();
    struct str all = {text, size};
    uint32_t last = 0;

    CHECK(text != NULL);
    memcpy(text, data, size);
    (void)access_read(deny, ACCESS_LIST_DENY, all, on_bad, &last);
    ask(deny, all);
    last = 0;
    (void)access_read(both, ACCESS_LIST_ALLOW, all, on_bad, &last);
    access_replace(both, deny);
    ask(both, all);
    if (size >= 20) {
        (void)access_denies_address(both, data, 4);
        (void)access_denies_address(both, data + 4, 16);
    }
    access_free(both);
    free(text);
    return 0;
}
