/* Inside of the configuration: the rows of the tables, and what its files share.  Not for others.
 */
#ifndef CONFIG_CONFIG_INTERNAL_H
#define CONFIG_CONFIG_INTERNAL_H

#include "config/config.h"

enum config_type {
    CONFIG_BOOL,
    CONFIG_INT,
    CONFIG_STR,
    CONFIG_FILE,
    CONFIG_DIR,
    CONFIG_SECRET,
    CONFIG_ENUM,
    CONFIG_DURATION,
    CONFIG_SIZE,
    CONFIG_PERCENT,
    CONFIG_LIST,
    CONFIG_RATE
};

enum config_reload { CONFIG_LIVE, CONFIG_FROZEN };

struct config_row {
    const char *section, *key, *def, *min, *max, *help;
    enum config_type type;
    enum config_reload reload;
    size_t offset, size; /* of the field in the struct that its table is for */
    size_t word_offset;  /* ENUM: of the word */
};

struct config_section {
    const char *name, *help;
};

/* config_rows.c: the tables themselves. */
extern const struct config_row config_rows[];
extern const size_t config_n_rows;
extern const struct config_row config_relay_rows[];
extern const size_t config_n_relay_rows;
extern const struct config_row config_source_rows[];
extern const size_t config_n_source_rows;
extern const struct config_section config_sections[];
extern const size_t config_n_sections;

#define CONFIG_SOURCE_SECTION "finder.source"

/* The table with the rows of this section, which has a name of its own or is one of config.def. */
const struct config_row *config_rows_of(const char *section, size_t *n);
const struct config_row *config_row_find(const char *section, struct str key);
const struct config_section *config_section_find(struct str name);
void config_env_name(char to[128], const struct config_row *row, bool secret_itself);

/* The nearest of the names that are offered one by one, by edit distance. */
struct config_nearest {
    struct str to;
    char name[128]; /* "" when nothing is near */
    size_t distance;
};
void config_nearest_begin(struct config_nearest *n, struct str to);
void config_nearest_offer(struct config_nearest *n, const char *name);

/* Where a value came from: a line of the file, or one of these. */
enum { CONFIG_FROM_DEFAULT = 0, CONFIG_FROM_ENV = -1 };
struct config_origins {
    int *lines;              /* by row */
    const char *const *only; /* of config_load_only(); NULL: all keys */
};

/* Is this key looked at?  Only in config_load_only() are there others. */
bool config_wanted(const struct config *cfg, const struct config_row *row);

/* config_value.c: text to field and back.  `field` is that of the row in its struct. */
int config_value_set(void *base, const struct config_row *row, struct str text, struct err *err);
void config_value_text(const void *base, const struct config_row *row, char *to, size_t size);
void config_range_text(const struct config_row *row, char *to, size_t size);
struct str config_enum_words(const struct config_row *row); /* "error|warning" */
const char *config_help(const struct config_row *row);      /* without the words in front */
void config_defaults(void *base, const struct config_row *rows, size_t n);

/* config_ini.c: the lines of a file. */
struct config_line {
    int number;
    struct str section_kind,
        section_name; /* of a section: "relay", "wss://x"; else of the one it is in */
    bool is_section;
    struct str key, value;
};
typedef void config_line_fn(void *owner, const struct config_line *line);
void config_ini_read(const char *name, struct str text, struct config_errors *errors,
                     config_line_fn *on_line, void *owner);
bool config_has_comment(struct str value); /* or what would be one: no value of a file may */

/* config_env.c */
void config_env_read(struct config *cfg, char *const *env, struct config_errors *errors);
const char *config_env_get(char *const *env, const char *name); /* NULL: not set */

/* config_secret.c */
enum { CONFIG_SECRETS_MAX = 8, CONFIG_SECRET_SIZE = 512 };
void config_secrets_new(struct config *cfg);
void config_secrets_free(struct config *cfg);
int config_secret_set(struct config *cfg, const struct config_row *row, struct str value,
                      struct err *err);
void config_files_load(struct config *cfg, char *const *env, struct config_errors *errors);
bool config_has_password(const char *url);

/* config_check.c: rules between keys, and the syntax of those that are more than a word. */
void config_check(const struct config *cfg, struct config_errors *errors);

/* Where a row's value stands, for an error. */
void config_complain(const struct config *cfg, const struct config_row *row,
                     struct config_errors *errors, const char *text);

#endif
