/* The lines of a configuration file, without the table of keys: whatever the file holds, each line
 * is handed on once, in order, as views of it, or refused with a reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "config/config.h"
#include "config/config_internal.h"

enum { KEY_MAX = 49, ERRORS_MAX = 100 };

struct seen {
    const char *text;
    size_t n;
    int number, lines; /* the last line, and how many there can be */
    bool in_section;
};

/* A view of one line of the text, or empty. */
static void check_view(const struct seen *seen, struct str s)
{
    if (s.n == 0)
        return;
    CHECK(s.p >= seen->text && s.p + s.n <= seen->text + seen->n);
    CHECK(memchr(s.p, '\n', s.n) == NULL && memchr(s.p, '\0', s.n) == NULL);
    CHECK(str_trim(s).n == s.n);
}

static void on_line(void *owner, const struct config_line *line)
{
    struct seen *seen = owner;

    CHECK(line->number > seen->number && line->number <= seen->lines);
    seen->number = line->number;
    check_view(seen, line->section_kind);
    check_view(seen, line->section_name);
    if (line->is_section) {
        seen->in_section = true;
        return;
    }
    CHECK(seen->in_section && line->section_kind.n > 0);
    CHECK(line->key.n <= KEY_MAX);
    check_view(seen, line->key);
    check_view(seen, line->value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = {.text = (const char *)data, .n = size, .lines = 1};
    struct config_errors errors = {0};

    for (size_t i = 0; i < size; i++)
        seen.lines += data[i] == '\n';
    config_ini_read("fuzz", (struct str){seen.text, size}, &errors, on_line, &seen);
    CHECK(errors.n <= ERRORS_MAX);
    for (size_t i = 0; i < errors.n; i++)
        CHECK(strncmp(errors.items[i].where, "fuzz:", 5) == 0 && errors.items[i].text[0] != '\0');
    config_errors_free(&errors);
    return 0;
}
