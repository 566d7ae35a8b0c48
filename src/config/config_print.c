/* The configuration on paper: the commented default file, what is in force, what a reload would
 * change. */
#include <stdlib.h>
#include <string.h>

#include "config/config_internal.h"

enum { WRAP = 100 };

/* "# text", wrapped between words. */
static void print_comment(FILE *out, const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");

        if (column == 0 || column + 1 + n > WRAP) {
            (void)fprintf(out, "%s#", column == 0 ? "" : "\n");
            column = 1;
        }
        (void)fprintf(out, " %.*s", (int)n, text);
        column += 1 + n;
        text += n;
        text += strspn(text, " ");
    }
    (void)fputc('\n', out);
}

static void print_row(const struct config_row *row, FILE *out)
{
    const char *def = row->def[0] == '\0' ? "empty" : row->def;
    const char *reload = row->reload == CONFIG_LIVE ? "SIGHUP changes it" : "needs a restart";

    print_comment(out, config_help(row));
    if (row->type == CONFIG_ENUM)
        (void)fprintf(out, "# (" STR_FMT "; default: %s; %s)\n", STR_ARG(config_enum_words(row)),
                      def, reload);
    else if (row->type == CONFIG_BOOL)
        (void)fprintf(out, "# (true or false; default: %s; %s)\n", def, reload);
    else if (row->size == sizeof(int64_t))
        (void)fprintf(out, "# (from %s to %s; default: %s; %s)\n", row->min, row->max, def, reload);
    else
        (void)fprintf(out, "# (default: %s; %s)\n", def, reload);
    (void)fprintf(out, "#%s =%s%s\n", row->key, row->def[0] == '\0' ? "" : " ", row->def);
}

void config_default_ini(FILE *out)
{
    print_comment(out,
                  "The configuration of bigbrotrd. Every key is shown with its default; remove the "
                  "# in front of one to change it. Comments stand on lines of their own.");
    print_comment(out, "A key can be set by the environment too: BIGBROTR_<SECTION>_<KEY>, which "
                       "overrides this file. Check with: bigbrotrd -c FILE --check-config");
    for (size_t i = 0; i < config_n_rows; i++) {
        const struct config_row *row = &config_rows[i];

        if (i == 0 || strcmp(config_rows[i - 1].section, row->section) != 0) {
            const struct config_section *section = config_section_find(str_z(row->section));

            (void)fputs("\n\n", out);
            print_comment(out, section->help);
            (void)fprintf(out, "[%s]\n", section->name);
        }
        (void)fputc('\n', out);
        print_row(row, out);
    }
    (void)fputs("\n\n", out);
    print_comment(
        out, "What to archive. Without such a section: everything. An event is kept when it "
             "fits one of the filters; to fit, it must fit every key of that filter. Keys are "
             "those of NIP-01 (kinds, authors, ids, since, until), tag_NAME for tags, and each "
             "with not_ in front for the opposite. Changes need a restart.");
    (void)fputs("#[filter notes]\n#kinds = 0,1,6,7,30000-39999\n#tag_t = nostr,bitcoin\n"
                "#not_kinds = 1059\n\n\n",
                out);
    print_comment(
        out,
        "What is kept for a time only: events that fit (keys as in a filter) are deleted when "
        "they are older than max_age (30d, 8760h; 0: never archived), and not archived again; "
        "they count as covered. Without other keys: all events. With relays the rule is about "
        "what was seen there: an event goes when no other relay was seen to hold it. With export, "
        "a folder, they are first written to files there, a month at a time, and read back. "
        "Changes need a restart; without the section relays are read again.");
    (void)fputs("#[retention wraps]\n#kinds = 1059,1060\n#max_age = 90d\n"
                "#export = /srv/expired\n\n\n",
                out);
    print_comment(out,
                  "A list of relays that is read over HTTP: what it names is probed, and becomes a "
                  "relay when it is one. Any number of such sections, each with its name.");
    (void)fputs("#[" CONFIG_SOURCE_SECTION " example]\n", out);
    for (size_t i = 0; i < config_n_source_rows; i++)
        print_row(&config_source_rows[i], out);
    (void)fputs("\n\n", out);
    print_comment(out, "What is different for one relay.");
    (void)fputs("#[relay wss://relay.example.com/]\n", out);
    for (size_t i = 0; i < config_n_relay_rows; i++)
        print_row(&config_relay_rows[i], out);
}

/* Is the value, whose text is given, another than in `defaults`?  60s and 1m are the same. */
static bool differs(const void *defaults, const struct config_row *row, const char *text)
{
    char def[CONFIG_LIST_SIZE];

    config_value_text(defaults, row, def, sizeof(def));
    return strcmp(def, text) != 0;
}

static void *defaults_of(const struct config_row *rows, size_t n, size_t size)
{
    void *defaults = calloc(1, size);

    if (defaults == NULL)
        abort();
    config_defaults(defaults, rows, n);
    return defaults;
}

/* "# default 10s, here from bigbrotr.ini:7" */
static void print_origin(const struct config *cfg, const struct config_row *row, FILE *out)
{
    int line = cfg->origins->lines[row - config_rows];
    const char *def = row->def[0] == '\0' ? "empty" : row->def;
    char name[128];

    config_env_name(name, row, false);
    if (line == CONFIG_FROM_ENV)
        (void)fprintf(out, "# default: %s; set by the environment, %s\n", def, name);
    else
        (void)fprintf(out, "# default: %s; set at %s:%d\n", def, cfg->path, line);
}

/* What differs from the defaults, in a section with a name of its own. */
static void print_named(const void *base, const void *defaults, const struct config_row *rows,
                        size_t n, FILE *out)
{
    char text[CONFIG_LIST_SIZE];

    for (size_t i = 0; i < n; i++) {
        config_value_text(base, &rows[i], text, sizeof(text));
        if (differs(defaults, &rows[i], text))
            (void)fprintf(out, "%s = %s\n", rows[i].key, text);
    }
}

static void print_relays(const struct config *cfg, FILE *out)
{
    struct config_relay *defaults =
        defaults_of(config_relay_rows, config_n_relay_rows, sizeof(*defaults));

    for (size_t i = 0; i < cfg->n_relays; i++) {
        const struct config_relay *relay = &cfg->relays[i];
        (void)fprintf(out, "\n# %s:%d\n[relay %s]\n", cfg->path, relay->line, relay->url);
        print_named(relay, defaults, config_relay_rows, config_n_relay_rows, out);
    }
    free(defaults);
}

static void print_sources(const struct config *cfg, FILE *out)
{
    struct config_source *defaults =
        defaults_of(config_source_rows, config_n_source_rows, sizeof(*defaults));

    for (size_t i = 0; i < cfg->n_sources; i++) {
        const struct config_source *source = &cfg->sources[i];
        (void)fprintf(out, "\n# %s:%d\n[" CONFIG_SOURCE_SECTION " %s]\n", cfg->path, source->line,
                      source->name);
        print_named(source, defaults, config_source_rows, config_n_source_rows, out);
    }
    free(defaults);
}

static void print_filter(const struct config *cfg, const char *kind,
                         const struct config_filter *filter, FILE *out)
{
    (void)fprintf(out, "\n# %s:%d\n[%s %s]\n", cfg->path, filter->line, kind, filter->name);
    for (size_t i = 0; i < filter->n_pairs; i++) {
        const char *key = filter->pairs[i].key;
        const char *hash = strchr(key, '#');

        if (hash != NULL)
            (void)fprintf(out, "%.*stag_%s = %s\n", (int)(hash - key), key, hash + 1,
                          filter->pairs[i].value);
        else
            (void)fprintf(out, "%s = %s\n", key, filter->pairs[i].value);
    }
}

void config_print(const struct config *cfg, FILE *out)
{
    struct config *defaults = defaults_of(config_rows, config_n_rows, sizeof(*defaults));
    char text[CONFIG_LIST_SIZE];

    for (size_t i = 0; i < config_n_rows; i++) {
        const struct config_row *row = &config_rows[i];

        if (i == 0 || strcmp(config_rows[i - 1].section, row->section) != 0)
            (void)fprintf(out, "%s[%s]\n", i == 0 ? "" : "\n", row->section);
        config_value_text(cfg, row, text, sizeof(text));
        if (differs(defaults, row, text))
            print_origin(cfg, row, out);
        else
            (void)str_copy(text, sizeof(text), str_z(row->def)); /* in the table's own units */
        (void)fprintf(out, "%s =%s%s\n", row->key, text[0] == '\0' ? "" : " ", text);
    }
    for (size_t i = 0; i < cfg->n_filters; i++)
        print_filter(cfg, "filter", &cfg->filters[i], out);
    for (size_t i = 0; i < cfg->n_retentions; i++)
        print_filter(cfg, "retention", &cfg->retentions[i], out);
    print_sources(cfg, out);
    print_relays(cfg, out);
    free(defaults);
}

static bool same_filters(const struct config_filter *a, size_t a_n, const struct config_filter *b,
                         size_t b_n)
{
    if (a_n != b_n)
        return false;
    for (size_t i = 0; i < a_n; i++) {
        const struct config_filter *f = &a[i];
        const struct config_filter *g = &b[i];

        if (strcmp(f->name, g->name) != 0 || f->n_pairs != g->n_pairs)
            return false;
        for (size_t k = 0; k < f->n_pairs; k++)
            if (strcmp(f->pairs[k].key, g->pairs[k].key) != 0 ||
                strcmp(f->pairs[k].value, g->pairs[k].value) != 0)
                return false;
    }
    return true;
}

static bool same_secret(const struct config *a, const struct config *b,
                        const struct config_row *row)
{
    char key[64];
    const char *x;
    const char *y;

    (void)str_copy(key, sizeof(key), (struct str){row->key, strlen(row->key) - strlen("_file")});
    x = config_secret(a, row->section, key);
    y = config_secret(b, row->section, key);
    return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

size_t config_frozen_changes(const struct config *now, const struct config *next,
                             struct config_errors *errors)
{
    size_t changes = 0;

    for (size_t i = 0; i < config_n_rows; i++) {
        const struct config_row *row = &config_rows[i];

        if (row->reload != CONFIG_FROZEN)
            continue;
        if (memcmp((const char *)now + row->offset, (const char *)next + row->offset, row->size) !=
            0)
            config_complain(next, row, errors, "has changed, and needs a restart");
        else if (row->type == CONFIG_SECRET && !same_secret(now, next, row))
            config_complain(next, row, errors, "the secret has changed, and needs a restart");
        else
            continue;
        changes++;
    }
    if (!same_filters(now->retentions, now->n_retentions, next->retentions, next->n_retentions)) {
        config_errors_add(errors, next->path[0] != '\0' ? next->path : "configuration", 0,
                          "the [retention] sections have changed, and need a restart");
        changes++;
    }
    if (!same_filters(now->filters, now->n_filters, next->filters, next->n_filters)) {
        config_errors_add(errors, next->path[0] != '\0' ? next->path : "configuration", 0,
                          "the [filter] sections have changed, and need a restart");
        changes++;
    }
    return changes;
}

/* Where the secret part of the user information of a URL lies.  libpq ends it at the first @ unless
 * a / comes before; a password with an unescaped / or @ is malformed, but nonetheless a password.
 */
static bool find_password(const char *url, struct str *password)
{
    const char *start = strstr(url, "://");
    const char *at;
    const char *slash;
    const char *query;
    const char *colon;
    const char *later;

    start = start != NULL ? start + 3 : url;
    at = strchr(start, '@');
    slash = strchr(start, '/');
    query = strchr(start, '?');
    if (at == NULL || (slash != NULL && slash < at && query != NULL && query < at))
        return false;
    for (later = at; *later != '\0' && *later != '?'; later++)
        if (*later == '@')
            at = later;
    colon = strchr(start, ':');
    if (colon == NULL || colon > at)
        return false;
    *password = (struct str){colon + 1, (size_t)(at - colon - 1)};
    return true;
}

/* Does a parameter's name, up to =, mean a password?  libpq decodes %, so what uses it is not
 * trusted. */
static bool is_password_parameter(const char *name)
{
    size_t n = strcspn(name, "=&");
    struct str s = {name, n};

    return str_eq(s, STR("password")) || str_eq(s, STR("sslpassword")) ||
           str_find(s, STR("%"), NULL);
}

bool config_has_password(const char *url)
{
    struct str password;

    if (find_password(url, &password))
        return true;
    /* Behind any ? or &, well-formed or not: as config_hide_password() has it. */
    for (const char *p = strpbrk(url, "?&"); p != NULL; p = strpbrk(p, "?&"))
        if (is_password_parameter(++p))
            return true;
    return false;
}

const char *config_hide_password(char *to, size_t size, const char *url)
{
    struct str password = {url, 0};
    size_t used;
    const char *rest;

    if (find_password(url, &password))
        (void)snprintf(to, size, "%.*s****", (int)(password.p - url), url);
    else
        to[0] = '\0';
    used = strlen(to);
    rest = password.p + password.n;
    while (*rest != '\0' && used + 1 < size) {
        bool parameter = *rest == '?' || *rest == '&';

        to[used++] = *rest++;
        to[used] = '\0';
        if (parameter && is_password_parameter(rest) && used + sizeof("password=****") < size) {
            used += (size_t)snprintf(to + used, size - used, "password=****");
            rest += strcspn(rest, "&");
        }
    }
    return to;
}
