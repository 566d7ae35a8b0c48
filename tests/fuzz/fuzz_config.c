/* The configuration file: whatever it holds, it is loaded or refused with reasons, and what was
 * loaded and printed can be loaded again and prints the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "config/config.h"
#include "config/config_internal.h"

static char *printed(const struct config *cfg, size_t *n)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, n);

    if (out == NULL)
        abort();
    config_print(cfg, out);
    (void)fclose(out);
    return text;
}

/* Without the comments, which tell the line of a value, and without a URL of which a part is
 * hidden: what is left of a malformed one may hide more the next time. */
static char *what_stays(const char *text, bool hides_url)
{
    char *kept = calloc(1, strlen(text) + 1);
    size_t n = 0;

    if (kept == NULL)
        abort();
    while (*text != '\0') {
        size_t line = strcspn(text, "\n");

        if (*text != '#' && !(hides_url && strncmp(text, "url = ", 6) == 0)) {
            memcpy(kept + n, text, line);
            n += line;
            kept[n++] = '\n';
        }
        text += line + (text[line] == '\n');
    }
    return kept;
}

static void check_print(const struct config *cfg)
{
    struct config_errors errors = {0};
    size_t n = 0;
    char *first = printed(cfg, &n);
    struct config *again = config_parse("again", (struct str){first, n}, NULL, &errors);
    char *second;

    if (again == NULL) {
        config_errors_print(&errors, stderr);
        abort();
    }
    second = printed(again, &n);
    bool hides_url = config_has_password(cfg->database_url);
    char *a = what_stays(first, hides_url);
    char *b = what_stays(second, hides_url);
    if (strcmp(a, b) != 0)
        abort();
    free(a);
    free(b);
    free(first);
    free(second);
    config_free(again);
    config_errors_free(&errors);
}

/* What stands in front of the first NUL is the file, the lines behind it are the environment. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { VARIABLES = 8 };
    char *variables[VARIABLES + 1] = {NULL};
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t n = nul != NULL ? (size_t)(nul - data) : size;
    struct str rest = {nul != NULL ? (const char *)nul + 1 : NULL, nul != NULL ? size - n - 1 : 0};
    struct str line;
    struct config_errors errors = {0};
    struct config *cfg;

    for (int i = 0; i < VARIABLES && str_cut(&rest, '\n', &line); i++)
        variables[i] = strndup(line.p, line.n);
    cfg = config_parse("fuzz", (struct str){(const char *)data, n}, variables, &errors);
    if ((cfg == NULL) == (errors.n == 0))
        abort(); /* an error without a reason, or the other way round */
    if (cfg != NULL)
        check_print(cfg);
    config_free(cfg);
    config_errors_free(&errors);
    for (int i = 0; i < VARIABLES; i++)
        free(variables[i]);
    return 0;
}
