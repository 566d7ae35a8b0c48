/* Loading: defaults, then the file, then the environment; every error is collected. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/config_internal.h"

/* FILTERS_MAX: of [filter], and of [retention]. */
enum {
    FILE_BYTES_MAX = 1 << 20,
    FILTERS_MAX = 256,
    PAIRS_MAX = 64,
    RELAYS_MAX = 4096,
    SOURCES_MAX = 64
};

struct loader {
    struct config *cfg;
    struct config_errors *errors;
    const char *name;     /* of the file, for errors */
    int *section_lines;   /* where each section of config.def began; 0: not yet */
    int *named_key_lines; /* the keys of the section with a name that is being read */
    bool skip;            /* the section is bad: its keys are not looked at */
};

static void *must(void *p)
{
    if (p == NULL)
        abort(); /* the size of the file bounds it */
    return p;
}

static const char *escaped(char to[64], struct str s)
{
    return str_escape(to, 64, s);
}

static void unknown_section(struct loader *l, const struct config_line *line)
{
    struct config_nearest nearest;
    char shown[64];

    config_nearest_begin(&nearest, line->section_kind);
    for (size_t i = 0; i < config_n_sections; i++)
        config_nearest_offer(&nearest, config_sections[i].name);
    config_nearest_offer(&nearest, "filter");
    config_nearest_offer(&nearest, "retention");
    config_nearest_offer(&nearest, "relay");
    config_nearest_offer(&nearest, CONFIG_SOURCE_SECTION);
    (void)escaped(shown, line->section_kind);
    if (nearest.name[0] != '\0')
        config_errors_add(l->errors, l->name, line->number,
                          "unknown section [%s]; did you mean [%s]?", shown, nearest.name);
    else
        config_errors_add(l->errors, l->name, line->number, "unknown section [%s]", shown);
    l->skip = true;
}

/* [filter NAME] or [retention NAME]: both are lists of pairs. */
struct named {
    const char *kind;
    struct config_filter **items;
    size_t *n;
};

static bool find_named(struct config *cfg, struct str kind, struct named *named)
{
    if (str_eq(kind, STR("filter")))
        *named = (struct named){"filter", &cfg->filters, &cfg->n_filters};
    else if (str_eq(kind, STR("retention")))
        *named = (struct named){"retention", &cfg->retentions, &cfg->n_retentions};
    else
        return false;
    return true;
}

static void begin_named(struct loader *l, const struct config_line *line, const struct named *named)
{
    struct config_filter *f;
    char shown[64];

    l->skip = true;
    if (line->section_name.n == 0 || line->section_name.n >= CONFIG_NAME_SIZE) {
        config_errors_add(l->errors, l->name, line->number,
                          "a %s needs a name of at most %d bytes: [%s NAME]", named->kind,
                          CONFIG_NAME_SIZE - 1, named->kind);
        return;
    }
    for (size_t i = 0; i < *named->n; i++) {
        if (!str_eq(str_z((*named->items)[i].name), line->section_name))
            continue;
        config_errors_add(l->errors, l->name, line->number,
                          "the section [%s %s] stands already at line %d", named->kind,
                          escaped(shown, line->section_name), (*named->items)[i].line);
        return;
    }
    if (*named->n == FILTERS_MAX) {
        config_errors_add(l->errors, l->name, line->number, "more than %d sections [%s]",
                          FILTERS_MAX, named->kind);
        return;
    }
    l->skip = false;
    *named->items = must(realloc(*named->items, (*named->n + 1) * sizeof(**named->items)));
    f = &(*named->items)[(*named->n)++];
    *f = (struct config_filter){.line = line->number};
    (void)str_copy(f->name, sizeof(f->name), line->section_name);
}

static void begin_relay(struct loader *l, const struct config_line *line)
{
    struct config *cfg = l->cfg;
    struct config_relay *r;
    char shown[64];

    l->skip = true;
    if (!(str_starts(line->section_name, STR("wss://")) ||
          str_starts(line->section_name, STR("ws://"))) ||
        line->section_name.n >= CONFIG_TEXT_SIZE) {
        config_errors_add(l->errors, l->name, line->number,
                          "a relay's section is written [relay wss://host/path]");
        return;
    }
    for (size_t i = 0; i < cfg->n_relays; i++) {
        if (!str_eq(str_z(cfg->relays[i].url), line->section_name))
            continue;
        config_errors_add(l->errors, l->name, line->number,
                          "the section [relay %s] stands already at line %d",
                          escaped(shown, line->section_name), cfg->relays[i].line);
        return;
    }
    if (cfg->n_relays == RELAYS_MAX) {
        config_errors_add(l->errors, l->name, line->number, "more than %d relays", RELAYS_MAX);
        return;
    }
    l->skip = false;
    /* Doubled, because each is a few kilobytes: n is a power of two when the room is used up. */
    if ((cfg->n_relays & (cfg->n_relays - 1)) == 0)
        cfg->relays = must(realloc(cfg->relays, (cfg->n_relays == 0 ? 1 : cfg->n_relays * 2) *
                                                    sizeof(*cfg->relays)));
    r = &cfg->relays[cfg->n_relays++];
    memset(r, 0, sizeof(*r));
    r->line = line->number;
    (void)str_copy(r->url, sizeof(r->url), line->section_name);
    config_defaults(r, config_relay_rows, config_n_relay_rows);
    memset(l->named_key_lines, 0, config_n_relay_rows * sizeof(*l->named_key_lines));
}

static void begin_source(struct loader *l, const struct config_line *line)
{
    struct config *cfg = l->cfg;
    struct config_source *s;
    char shown[64];

    l->skip = true;
    if (line->section_name.n == 0 || line->section_name.n >= CONFIG_NAME_SIZE) {
        config_errors_add(l->errors, l->name, line->number,
                          "a list needs a name of at most %d bytes: [" CONFIG_SOURCE_SECTION
                          " NAME]",
                          CONFIG_NAME_SIZE - 1);
        return;
    }
    for (size_t i = 0; i < cfg->n_sources; i++) {
        if (!str_eq(str_z(cfg->sources[i].name), line->section_name))
            continue;
        config_errors_add(l->errors, l->name, line->number,
                          "the section [" CONFIG_SOURCE_SECTION " %s] stands already at line %d",
                          escaped(shown, line->section_name), cfg->sources[i].line);
        return;
    }
    if (cfg->n_sources == SOURCES_MAX) {
        config_errors_add(l->errors, l->name, line->number, "more than %d lists", SOURCES_MAX);
        return;
    }
    l->skip = false;
    cfg->sources = must(realloc(cfg->sources, (cfg->n_sources + 1) * sizeof(*cfg->sources)));
    s = &cfg->sources[cfg->n_sources++];
    memset(s, 0, sizeof(*s));
    s->line = line->number;
    (void)str_copy(s->name, sizeof(s->name), line->section_name);
    config_defaults(s, config_source_rows, config_n_source_rows);
    memset(l->named_key_lines, 0, config_n_source_rows * sizeof(*l->named_key_lines));
}

/* Of config_load_only(): sections with names of their own are wanted by their kind. */
static bool kind_wanted(const struct config *cfg, const char *kind)
{
    if (cfg->origins->only == NULL)
        return true;
    for (const char *const *key = cfg->origins->only; *key != NULL; key++)
        if (strcmp(*key, kind) == 0)
            return true;
    return false;
}

static void begin_section(struct loader *l, const struct config_line *line)
{
    const struct config_section *section = config_section_find(line->section_kind);
    struct named named;
    int *began;

    l->skip = false;
    if (find_named(l->cfg, line->section_kind, &named) && kind_wanted(l->cfg, named.kind)) {
        begin_named(l, line, &named);
    } else if (l->cfg->origins->only != NULL) {
        l->skip = section == NULL;
    } else if (str_eq(line->section_kind, STR("relay"))) {
        begin_relay(l, line);
    } else if (str_eq(line->section_kind, STR(CONFIG_SOURCE_SECTION))) {
        begin_source(l, line);
    } else if (section == NULL) {
        unknown_section(l, line);
    } else if (line->section_name.n > 0) {
        config_errors_add(l->errors, l->name, line->number, "the section [%s] takes no name",
                          section->name);
        l->skip = true;
    } else {
        began = &l->section_lines[section - config_sections];
        if (*began != 0)
            config_errors_add(l->errors, l->name, line->number,
                              "the section [%s] stands already at line %d", section->name, *began);
        else
            *began = line->number;
    }
}

/* The nearest key of the section, else a key of that very name in another one. */
static void unknown_key(struct loader *l, const struct config_line *line, const char *section)
{
    struct config_nearest nearest;
    size_t n;
    const struct config_row *rows = config_rows_of(section, &n);
    char hint[192] = "";
    char shown[64];

    config_nearest_begin(&nearest, line->key);
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].section, section) == 0)
            config_nearest_offer(&nearest, rows[i].key);
    if (nearest.name[0] != '\0')
        (void)snprintf(hint, sizeof(hint), "; did you mean %s?", nearest.name);
    for (size_t i = 0; i < config_n_rows && hint[0] == '\0'; i++)
        if (str_eq(str_z(config_rows[i].key), line->key))
            (void)snprintf(hint, sizeof(hint), "; it belongs in [%s]", config_rows[i].section);
    config_errors_add(l->errors, l->name, line->number, "[%s] has no key %s%s", section,
                      escaped(shown, line->key), hint);
}

static void set_row(struct loader *l, const struct config_line *line, void *base,
                    const struct config_row *row, int *seen_at)
{
    struct err err;

    if (*seen_at != 0) {
        config_errors_add(l->errors, l->name, line->number, "[%s] %s stands already at line %d",
                          row->section, row->key, *seen_at);
        return;
    }
    *seen_at = line->number;
    if (config_value_set(base, row, line->value, &err) < 0)
        config_errors_add(l->errors, l->name, line->number, "[%s] %s %s", row->section, row->key,
                          err.detail);
}

/* "tag_t" is kept as "#t", "not_tag_t" as "not_#t". */
static char *filter_key(struct str key)
{
    bool negated = str_starts(key, STR("not_tag_"));
    struct str tag = {key.p + (negated ? strlen("not_tag_") : strlen("tag_")), 0};
    char *z;
    int n;

    if (!negated && !str_starts(key, STR("tag_"))) {
        z = must(strndup(key.p, key.n));
        return z;
    }
    tag.n = key.n - (size_t)(tag.p - key.p);
    n = asprintf(&z, "%s#" STR_FMT, negated ? "not_" : "", STR_ARG(tag));
    return must(n < 0 ? NULL : z);
}

static void named_line(struct loader *l, const struct config_line *line, const struct named *named)
{
    struct config_filter *f = &(*named->items)[*named->n - 1];
    char shown[64];

    if (str_find(line->key, STR("#"), NULL)) { /* means a tag where it is kept */
        config_errors_add(l->errors, l->name, line->number,
                          "[%s %s] has no key %s; a filter's tag is written tag_t = ...",
                          named->kind, f->name, escaped(shown, line->key));
        return;
    }
    char *key = filter_key(line->key);
    for (size_t i = 0; i < f->n_pairs; i++) {
        if (strcmp(f->pairs[i].key, key) != 0)
            continue;
        config_errors_add(l->errors, l->name, line->number, "[%s %s] %s stands already at line %d",
                          named->kind, f->name, escaped(shown, line->key), f->pairs[i].line);
        free(key);
        return;
    }
    if (f->n_pairs == PAIRS_MAX) {
        config_errors_add(l->errors, l->name, line->number, "more than %d keys in one section",
                          PAIRS_MAX);
        free(key);
        return;
    }
    f->pairs = must(realloc(f->pairs, (f->n_pairs + 1) * sizeof(*f->pairs)));
    f->pairs[f->n_pairs++] = (struct config_pair){
        .key = key,
        .value = must(strndup(line->value.p, line->value.n)),
        .line = line->number,
    };
}

static void table_line(struct loader *l, const struct config_line *line, const char *section,
                       void *base)
{
    const struct config_row *row = config_row_find(section, line->key);
    size_t n;

    if (row == NULL)
        unknown_key(l, line, section);
    else
        set_row(l, line, base, row, &l->named_key_lines[row - config_rows_of(section, &n)]);
}

static void on_line(void *owner, const struct config_line *line)
{
    struct loader *l = owner;
    const struct config_section *section;
    const struct config_row *row;
    struct named named;

    if (line->is_section) {
        begin_section(l, line);
        return;
    }
    if (l->skip)
        return;
    if (find_named(l->cfg, line->section_kind, &named)) {
        named_line(l, line, &named);
    } else if (str_eq(line->section_kind, STR("relay"))) {
        table_line(l, line, "relay", &l->cfg->relays[l->cfg->n_relays - 1]);
    } else if (str_eq(line->section_kind, STR(CONFIG_SOURCE_SECTION))) {
        table_line(l, line, CONFIG_SOURCE_SECTION, &l->cfg->sources[l->cfg->n_sources - 1]);
    } else {
        section = config_section_find(line->section_kind);
        row = config_row_find(section->name, line->key);
        if (l->cfg->origins->only != NULL && (row == NULL || !config_wanted(l->cfg, row)))
            return;
        if (row == NULL)
            unknown_key(l, line, section->name);
        else
            set_row(l, line, l->cfg, row, &l->cfg->origins->lines[row - config_rows]);
    }
}

static struct config *config_new(const char *path)
{
    struct config *cfg = must(calloc(1, sizeof(*cfg)));

    cfg->path = must(strdup(path));
    cfg->origins = must(calloc(1, sizeof(*cfg->origins)));
    cfg->origins->lines = must(calloc(config_n_rows, sizeof(*cfg->origins->lines)));
    config_secrets_new(cfg);
    config_defaults(cfg, config_rows, config_n_rows);
    return cfg;
}

static void read_text(struct config *cfg, struct str text, struct config_errors *errors)
{
    struct loader l = {.cfg = cfg, .errors = errors, .name = cfg->path};

    l.section_lines = must(calloc(config_n_sections, sizeof(*l.section_lines)));
    l.named_key_lines =
        must(calloc(config_n_relay_rows + config_n_source_rows, sizeof(*l.named_key_lines)));
    config_ini_read(cfg->path, text, errors, on_line, &l);
    free(l.section_lines);
    free(l.named_key_lines);
}

/* Anybody could read the password that stands in a file which everybody may read. */
static void check_mode(const struct config *cfg, unsigned mode, struct config_errors *errors)
{
    const struct config_row *row = config_row_find("database", STR("url"));

    if (cfg->origins->lines[row - config_rows] > 0 && (mode & 0004) != 0 &&
        config_has_password(cfg->database_url))
        config_errors_add(errors, cfg->path, cfg->origins->lines[row - config_rows],
                          "[database] url holds a password, and everybody may read this file; run: "
                          "chmod 640 %s",
                          cfg->path);
}

bool config_wanted(const struct config *cfg, const struct config_row *row)
{
    char name[128];

    if (cfg->origins->only == NULL)
        return true;
    (void)snprintf(name, sizeof(name), "%s.%s", row->section, row->key);
    for (const char *const *key = cfg->origins->only; *key != NULL; key++)
        if (strcmp(*key, name) == 0)
            return true;
    return false;
}

struct config *config_load(const char *path, char *const *env, struct config_errors *errors)
{
    return config_load_only(path, env, NULL, errors);
}

struct config *config_load_only(const char *path, char *const *env, const char *const *keys,
                                struct config_errors *errors)
{
    struct config *cfg = config_new(path != NULL ? path : "");
    size_t errors_before = errors->n;
    struct err err;
    char *text = NULL;
    unsigned mode = 0;
    size_t n = 0;

    cfg->origins->only = keys;
    if (path != NULL && config_read_file(path, FILE_BYTES_MAX, &text, &n, &mode, &err) < 0) {
        config_errors_add(errors, path, 0, "%s", err.detail);
    } else if (path != NULL) {
        read_text(cfg, (struct str){text, n}, errors);
        check_mode(cfg, mode, errors);
        explicit_bzero(text, n);
        free(text);
    }
    config_env_read(cfg, env, errors);
    config_check(cfg, errors);
    config_files_load(cfg, env, errors);
    if (errors->n == errors_before)
        return cfg;
    config_free(cfg);
    return NULL;
}

struct config *config_parse(const char *name, struct str text, char *const *env,
                            struct config_errors *errors)
{
    struct config *cfg = config_new(name);
    size_t errors_before = errors->n;

    if (text.n > FILE_BYTES_MAX)
        config_errors_add(errors, name, 0, "larger than %d bytes", FILE_BYTES_MAX);
    else
        read_text(cfg, text, errors);
    config_env_read(cfg, env, errors);
    config_check(cfg, errors);
    if (errors->n == errors_before)
        return cfg;
    config_free(cfg);
    return NULL;
}

bool config_was_set(const struct config *cfg, const char *section, const char *key)
{
    const struct config_row *row = config_row_find(section, str_z(key));

    return row != NULL && cfg->origins->lines[row - config_rows] != 0;
}

static void free_named(struct config_filter *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < items[i].n_pairs; k++) {
            free(items[i].pairs[k].key);
            free(items[i].pairs[k].value);
        }
        free(items[i].pairs);
    }
    free(items);
}

void config_free(struct config *cfg)
{
    if (cfg == NULL)
        return;
    free_named(cfg->filters, cfg->n_filters);
    free_named(cfg->retentions, cfg->n_retentions);
    free(cfg->relays);
    free(cfg->sources);
    free(cfg->path);
    free(cfg->origins->lines);
    free(cfg->origins);
    config_secrets_free(cfg);
    explicit_bzero(cfg, sizeof(*cfg)); /* database.url may hold a password */
    free(cfg);
}
