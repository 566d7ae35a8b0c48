/* BIGBROTR_<SECTION>_<KEY>: every key by environment, over the file. */
#include <string.h>

#include "config/config_internal.h"

static void unknown_variable(struct config_errors *errors, struct str name)
{
    struct config_nearest nearest;
    char candidate[128];
    char shown[64];

    config_nearest_begin(&nearest, name);
    for (size_t i = 0; i < config_n_rows; i++) {
        config_env_name(candidate, &config_rows[i], false);
        config_nearest_offer(&nearest, candidate);
        if (config_rows[i].type != CONFIG_SECRET)
            continue;
        config_env_name(candidate, &config_rows[i], true);
        config_nearest_offer(&nearest, candidate);
    }
    (void)str_escape(shown, sizeof(shown), name);
    if (nearest.name[0] != '\0')
        config_errors_add(errors, "environment", 0, "unknown variable %s; did you mean %s?", shown,
                          nearest.name);
    else
        config_errors_add(errors, "environment", 0, "unknown variable %s", shown);
}

/* The row that a variable is for, and whether the variable holds the secret itself. */
static const struct config_row *row_of(struct str name, bool *secret_itself)
{
    char candidate[128];

    for (size_t i = 0; i < config_n_rows; i++) {
        const struct config_row *row = &config_rows[i];
        size_t n = strlen("BIGBROTR_") + strlen(row->section) + 1 + strlen(row->key);

        *secret_itself = row->type == CONFIG_SECRET && name.n == n - strlen("_file");
        if (name.n != n && !*secret_itself)
            continue;
        config_env_name(candidate, row, *secret_itself);
        if (str_eq(name, str_z(candidate)))
            return row;
    }
    return NULL;
}

static void read_variable(struct config *cfg, struct str name, struct str value,
                          struct config_errors *errors)
{
    bool secret_itself;
    const struct config_row *row = row_of(name, &secret_itself);
    struct err err;
    int result;

    if (cfg->origins->only != NULL && (row == NULL || !config_wanted(cfg, row)))
        return;
    if (row == NULL) {
        unknown_variable(errors, name);
        return;
    }
    if (secret_itself) {
        result = config_secret_set(cfg, row, value, &err);
    } else if (config_has_comment(str_trim(value))) {
        result = err_set(&err, ERR_CONFIG, "has a comment, or what would be one in a file: # or ;");
    } else {
        cfg->origins->lines[row - config_rows] = CONFIG_FROM_ENV;
        result = config_value_set(cfg, row, str_trim(value), &err); /* as in a file */
    }
    if (result < 0)
        config_errors_add(errors, "environment", 0, STR_FMT " %s", STR_ARG(name), err.detail);
}

void config_env_read(struct config *cfg, char *const *env, struct config_errors *errors)
{
    for (; env != NULL && *env != NULL; env++) {
        struct str rest = str_z(*env);
        struct str name;

        if (!str_starts(rest, STR("BIGBROTR_")) || str_starts(rest, STR("BIGBROTR_TEST_")))
            continue;
        (void)str_cut(&rest, '=', &name);
        read_variable(cfg, name, rest.p != NULL ? rest : STR(""), errors);
    }
}

const char *config_env_get(char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; env != NULL && *env != NULL; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}
