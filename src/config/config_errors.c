/* The list of what is wrong, in the order in which it was found. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_internal.h"

/* A file of rubbish shall not fill the screen, nor the memory. */
enum { ERRORS_MAX = 100 };

void config_errors_add(struct config_errors *e, const char *file, int line, const char *fmt, ...)
{
    struct config_error *grown;
    struct config_error *item;
    va_list ap;
    int n;

    if (e->n >= ERRORS_MAX)
        return;
    grown = realloc(e->items, (e->n + 1) * sizeof(*e->items));
    if (grown == NULL)
        abort();
    e->items = grown;
    item = &e->items[e->n++];
    n = line > 0 ? asprintf(&item->where, "%s:%d", file, line) : asprintf(&item->where, "%s", file);
    if (n < 0)
        abort();
    va_start(ap, fmt);
    n = vasprintf(&item->text, fmt, ap);
    va_end(ap);
    if (n < 0)
        abort();
}

void config_errors_print(const struct config_errors *e, FILE *out)
{
    for (size_t i = 0; i < e->n; i++)
        (void)fprintf(out, "%s: %s\n", e->items[i].where, e->items[i].text);
    if (e->n >= ERRORS_MAX)
        (void)fprintf(out, "these are the first %d errors\n", ERRORS_MAX);
}

void config_errors_free(struct config_errors *e)
{
    for (size_t i = 0; i < e->n; i++) {
        free(e->items[i].where);
        free(e->items[i].text);
    }
    free(e->items);
    *e = (struct config_errors){NULL, 0};
}

void config_complain(const struct config *cfg, const struct config_row *row,
                     struct config_errors *errors, const char *text)
{
    int line = cfg->origins->lines[row - config_rows];
    char name[128];

    if (line == CONFIG_FROM_ENV) {
        config_env_name(name, row, false);
        config_errors_add(errors, "environment", 0, "%s: %s", name, text);
    } else {
        config_errors_add(errors, cfg->path[0] != '\0' ? cfg->path : "configuration", line,
                          "[%s] %s: %s", row->section, row->key, text);
    }
}
