/* Configuration: one flat struct made from config.def, read-only once loaded.
 *
 *     defaults <- the file <- environment (BIGBROTR_<SECTION>_<KEY>)      then: files and rules are
 * checked
 *
 * Loading collects every error before it gives up.  SIGHUP loads a second struct beside the first,
 * and the caller swaps the pointer only when config_load() succeeded and config_frozen_changes()
 * found nothing, so nobody ever sees half a configuration.
 *
 * A secret never is a field.  It comes, first found, from BIGBROTR_<SECTION>_<KEY> without _FILE
 * (so BIGBROTR_DATABASE_PASSWORD), from the file that the key names, or from
 * $CREDENTIALS_DIRECTORY/<key without _file>; it lies in locked memory that is wiped on free, and
 * no error or print shows it.  Programs that we start must not inherit our environment.
 *
 * To add a key: one row in config.def, then `test_config_print etc/bigbrotr.ini`. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/err.h"
#include "core/str.h"

enum {
    CONFIG_TEXT_SIZE = 1024, /* of a STR, FILE, DIR or SECRET with its NUL */
    CONFIG_LIST_SIZE = 4096, /* of a LIST */
    CONFIG_NAME_SIZE = 64    /* of the NAME in [filter NAME] */
};

#define CONFIG_FIELD_BOOL(name)     bool name;
#define CONFIG_FIELD_INT(name)      int64_t name;
#define CONFIG_FIELD_DURATION(name) int64_t name; /* milliseconds */
#define CONFIG_FIELD_SIZE(name)     int64_t name; /* bytes */
#define CONFIG_FIELD_RATE(name)     int64_t name; /* bytes a second */
#define CONFIG_FIELD_PERCENT(name)  int64_t name; /* tenths of a percent */
#define CONFIG_FIELD_STR(name)      char name[CONFIG_TEXT_SIZE];
#define CONFIG_FIELD_FILE(name)     char name[CONFIG_TEXT_SIZE];
#define CONFIG_FIELD_DIR(name)      char name[CONFIG_TEXT_SIZE];
#define CONFIG_FIELD_SECRET(name)   char name[CONFIG_TEXT_SIZE]; /* the path: see config_secret() */
#define CONFIG_FIELD_LIST(name)     char name[CONFIG_LIST_SIZE]; /* see config_list_next() */
#define CONFIG_FIELD_ENUM(name)                \
    int name; /* which of the words, from 0 */ \
    char name##_word[32];

/* The words of the ENUM keys; those of log_level are enum log_level (log.h). */
enum { CONFIG_TLS_STRICT, CONFIG_TLS_RECORD };
enum { CONFIG_VANISH_HONOUR, CONFIG_VANISH_IGNORE };
enum { CONFIG_SOURCE_LINES, CONFIG_SOURCE_JSON };
enum { CONFIG_SOURCE_AUTO, CONFIG_SOURCE_TOR };

/* One line of a [filter NAME] section: nostr/filter.h knows what it means, line is for the error.
 * In the file NIP-01's "#t" is written tag_t, because # begins a comment; here it is "#t" again,
 * and "not_#t" for not_tag_t. */
struct config_pair {
    char *key, *value;
    int line;
};

struct config_filter {
    char name[CONFIG_NAME_SIZE];
    int line;
    struct config_pair *pairs; /* in their order */
    size_t n_pairs;
};

/* [relay URL]: the URL as it was written (not yet in normal form), overrides from config_relay.def.
 */
struct config_relay {
    char url[CONFIG_TEXT_SIZE];
    int line;
#define CFG_RELAY(key, type, def, min, max, help) CONFIG_FIELD_##type(key)
#include "config/config_relay.def"
};

/* [finder.source NAME], from config_source.def. */
struct config_source {
    char name[CONFIG_NAME_SIZE];
    int line;
#define CFG_SOURCE(key, type, def, min, max, help) CONFIG_FIELD_##type(key)
#include "config/config_source.def"
};

struct config_origins;
struct config_secrets;

struct config {
#define CFG_SECTION(section, help)
#define CFG(section, key, type, def, min, max, reload, help) CONFIG_FIELD_##type(section##_##key)
#include "config/config.def"
    struct config_filter *filters;
    size_t n_filters;
    struct config_filter *retentions; /* [retention NAME]: a filter, and max_age among its pairs */
    size_t n_retentions;
    struct config_relay *relays;
    size_t n_relays;
    struct config_source *sources;
    size_t n_sources;
    char *path; /* of the file, "" without one */
    struct config_origins *origins;
    struct config_secrets *secrets;
};

struct config_error {
    char *where; /* "bigbrotr.ini:12" or "environment" */
    char *text;
};

/* Zeroed at the start. */
struct config_errors {
    struct config_error *items;
    size_t n;
};

void config_errors_add(struct config_errors *e, const char *file, int line, const char *fmt, ...)
    PRINTF(4, 5); /* line 0: none */
void config_errors_print(const struct config_errors *e, FILE *out);
void config_errors_free(struct config_errors *e);

/* path NULL: no file.  env as `environ`, NULL for none.  NULL when there was any error; all of them
 * are in *errors. */
struct config *config_load(const char *path, char *const *env,
                           struct config_errors *errors) MUST_USE;

/* For a program that uses a few keys, written as "database.url", and must not be stopped by the
 * others: those are not looked at, keep their defaults, and no file that they name is opened.
 * "filter" stands for all [filter NAME] sections, "retention" likewise.
 * `keys` ends with NULL and outlives the configuration. */
struct config *config_load_only(const char *path, char *const *env, const char *const *keys,
                                struct config_errors *errors) MUST_USE;

/* The same from memory, without looking at any file that a key names, nor reading secrets from
 * files. */
struct config *config_parse(const char *name, struct str text, char *const *env,
                            struct config_errors *errors) MUST_USE;
void config_free(struct config *cfg);

/* The secret of a SECRET key without its _file: config_secret(cfg, "database", "password").  NULL
 * when none is configured.  Lives as long as cfg. */
const char *config_secret(const struct config *cfg, const char *section, const char *key);

/* A duration outside the tables, as keys have them ("30s", "365d"): from 0 to `max`.  -1:
 * ERR_CONFIG with what is wrong with it. */
int config_duration(struct str text, const char *max, int64_t *ms, struct err *err);

/* Reads a regular file of at most `max` bytes; no pipe, no directory.  *text is malloc'd, the
 * caller's (who wipes it when it is a secret), and like *mode (its permissions) set on success
 * only. -1: ERR_CONFIG with "cannot be read: ..", to be put behind the file's name. */
int config_read_file(const char *path, size_t max, char **text, size_t *n, unsigned *mode,
                     struct err *err);

/* Did the file or the environment set it (also to its default)? */
bool config_was_set(const struct config *cfg, const char *section, const char *key);

/* Where the private database and the daemon's socket are: [daemon] state_dir, else
 * $STATE_DIRECTORY (systemd's StateDirectory=), CONFIG_STATE_DIR_SYSTEM for root,
 * $XDG_STATE_HOME/bigbrotr, ~/.local/state/bigbrotr.  Nothing is made, nor looked at. */
#define CONFIG_STATE_DIR_SYSTEM "/var/lib/bigbrotr"
int config_state_dir(const struct config *cfg, char *const *env, bool root, char *to, size_t size,
                     struct err *err) MUST_USE;

/* One item after another: const char *at = cfg->network_dns_servers; while (config_list_next(&at,
 * &item)). */
bool config_list_next(const char **at, struct str *item);

/* How many keys that need a restart differ; each is added to *errors.  Filters count, relays do
 * not. */
size_t config_frozen_changes(const struct config *now, const struct config *next,
                             struct config_errors *errors);

/* For people and logs: the URL of a database with its password as ****.  Returns `to`. */
const char *config_hide_password(char *to, size_t size, const char *url);

void config_default_ini(FILE *out); /* etc/bigbrotr.ini */
void config_print(const struct config *cfg,
                  FILE *out); /* for --print-config; can be loaded again */

#endif
