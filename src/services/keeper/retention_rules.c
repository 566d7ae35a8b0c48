/* retention_rules: see retention_rules.h. */
#include "services/keeper/retention_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "nostr/url.h"
#include "services/keeper/exported.h"

#define MAX_AGE_MAX "36500d"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* URLs, with commas between them, in their normal form. */
static int read_relays(struct retention_rule *rule, const char *value, struct err *err)
{
    struct relay_url *url = malloc(sizeof(*url));
    struct str rest = str_z(value);
    enum url_refusal why = URL_OK;

    if (url == NULL)
        abort();
    while (why == URL_OK && rest.n > 0) {
        const char *comma = memchr(rest.p, ',', rest.n);
        size_t n = comma != NULL ? (size_t)(comma - rest.p) : rest.n;
        struct str one = str_trim((struct str){rest.p, n});

        why = url_parse(one, &url_any_address, url);
        if (why != URL_OK)
            (void)err_set(err, ERR_CONFIG, "relays: \"" STR_FMT "\" %s", STR_ARG(one),
                          url_refusal_text(why));
        else if ((rule->relays = realloc(rule->relays,
                                         (rule->relays_n + 1) * sizeof(*rule->relays))) == NULL ||
                 (rule->relays[rule->relays_n++] = strdup(url->text)) == NULL)
            abort();
        rest = comma != NULL ? (struct str){comma + 1, rest.n - n - 1} : (struct str){NULL, 0};
    }
    free(url);
    if (why == URL_OK && rule->relays_n == 0)
        return err_set(err, ERR_CONFIG, "relays names no relay");
    if (rule->relays_n > 0)
        qsort(rule->relays, rule->relays_n, sizeof(*rule->relays), by_text);
    return why == URL_OK ? 0 : -1;
}

static int read_export(struct retention_rule *rule, const char *value, struct err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    if (value[0] != '/')
        return err_set(err, ERR_CONFIG, "export must be a folder's whole path, as /srv/expired");
    if (rule->name[strspn(rule->name, plain)] != '\0' || strlen(rule->name) > EXPORTED_NAME_MAX)
        return err_set(err, ERR_CONFIG,
                       "export names files after the rule: at most %d letters, digits, - and _ "
                       "in [retention NAME]",
                       EXPORTED_NAME_MAX);
    rule->export = strdup(value);
    if (rule->export == NULL)
        abort();
    return 0;
}

/* One key of a rule; -1 and what is wrong with it. */
static int set_key(struct retention_rule *rule, const char *key, const char *value,
                   int64_t *max_age_ms, struct err *err)
{
    char bad[sizeof(err->detail)];

    if (strcmp(key, "relays") == 0)
        return read_relays(rule, value, err);
    if (strcmp(key, "export") == 0)
        return read_export(rule, value, err);
    if (strcmp(key, "max_age") != 0)
        return filter_spec_set(rule->what, key, value, err);
    if (config_duration(str_z(value), MAX_AGE_MAX, max_age_ms, err) < 0) {
        (void)snprintf(bad, sizeof(bad), "%s", err->detail);
        return err_set(err, ERR_CONFIG, "max_age %s", bad);
    }
    if (*max_age_ms > 0 && *max_age_ms < 1000)
        return err_set(err, ERR_CONFIG, "max_age must be 0 or at least 1s");
    return 0;
}

static void make_rule(const struct config *cfg, const struct config_filter *section,
                      struct retention_rule *rule, struct config_errors *errors)
{
    int64_t max_age_ms = -1;
    struct err err;

    *rule = (struct retention_rule){.name = strdup(section->name),
                                    .what = filter_spec_new(section->name)};
    if (rule->name == NULL)
        abort();
    for (size_t i = 0; i < section->n_pairs; i++) {
        const struct config_pair *pair = &section->pairs[i];

        if (set_key(rule, pair->key, pair->value, &max_age_ms, &err) < 0)
            config_errors_add(errors, cfg->path, pair->line, "[retention %s] %s", section->name,
                              err.detail);
    }
    if (max_age_ms < 0)
        config_errors_add(errors, cfg->path, section->line,
                          "[retention %s] needs max_age, as 90d; 0: such events are never archived",
                          section->name);
    else if (rule->export != NULL && max_age_ms == 0)
        config_errors_add(errors, cfg->path, section->line,
                          "[retention %s] with max_age = 0 nothing is ever there to export",
                          section->name);
    if (rule->export != NULL && rule->relays_n > 0)
        config_errors_add(errors, cfg->path, section->line,
                          "[retention %s] export and relays do not go together: what other relays "
                          "hold too stays in the archive",
                          section->name);
    rule->max_age_s = max_age_ms / 1000;
}

struct retention_rule *retention_rules_new(const struct config *cfg, size_t *n,
                                           struct config_errors *errors)
{
    struct retention_rule *rules = calloc(cfg->n_retentions + 1, sizeof(*rules));

    if (rules == NULL)
        abort();
    *n = cfg->n_retentions;
    for (size_t i = 0; i < *n; i++)
        make_rule(cfg, &cfg->retentions[i], &rules[i], errors);
    return rules;
}

void retention_rules_free(struct retention_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)(uintptr_t)rules[i].name);
        filter_spec_free(rules[i].what);
        for (size_t k = 0; k < rules[i].relays_n; k++)
            free(rules[i].relays[k]);
        free(rules[i].relays);
        free(rules[i].export);
    }
    free(rules);
}
