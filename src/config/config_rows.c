/* The tables of keys, made from config.def and config_relay.def, and finding one's way in them. */
#include <ctype.h>
#include <string.h>

#include "config/config_internal.h"

#define FIELD_SIZE(type, field)    sizeof(((struct type *)NULL)->field)
#define WORD_BOOL(type, field)     0
#define WORD_INT(type, field)      0
#define WORD_STR(type, field)      0
#define WORD_FILE(type, field)     0
#define WORD_DIR(type, field)      0
#define WORD_SECRET(type, field)   0
#define WORD_ENUM(type, field)     offsetof(struct type, field##_word)
#define WORD_DURATION(type, field) 0
#define WORD_SIZE(type, field)     0
#define WORD_PERCENT(type, field)  0
#define WORD_LIST(type, field)     0
#define WORD_RATE(type, field)     0

#define ROW(structure, field, s, k, t, d, lo, hi, r, h) \
    {                                                   \
        .section = (s),                                 \
        .key = #k,                                      \
        .def = (d),                                     \
        .min = (lo),                                    \
        .max = (hi),                                    \
        .help = (h),                                    \
        .type = CONFIG_##t,                             \
        .reload = CONFIG_##r,                           \
        .offset = offsetof(struct structure, field),    \
        .size = FIELD_SIZE(structure, field),           \
        .word_offset = WORD_##t(structure, field),      \
    },

const struct config_row config_rows[] = {
#define CFG_SECTION(section, help)
#define CFG(s, k, t, d, lo, hi, r, h) ROW(config, s##_##k, #s, k, t, d, lo, hi, r, h)
#include "config/config.def"
};
const size_t config_n_rows = sizeof(config_rows) / sizeof(config_rows[0]);

const struct config_row config_relay_rows[] = {
#define CFG_RELAY(k, t, d, lo, hi, h) ROW(config_relay, k, "relay", k, t, d, lo, hi, LIVE, h)
#include "config/config_relay.def"
};
const size_t config_n_relay_rows = sizeof(config_relay_rows) / sizeof(config_relay_rows[0]);

const struct config_row config_source_rows[] = {
#define CFG_SOURCE(k, t, d, lo, hi, h) \
    ROW(config_source, k, CONFIG_SOURCE_SECTION, k, t, d, lo, hi, LIVE, h)
#include "config/config_source.def"
};
const size_t config_n_source_rows = sizeof(config_source_rows) / sizeof(config_source_rows[0]);

const struct config_section config_sections[] = {
#define CFG_SECTION(section, help) {#section, help},
#define CFG(s, k, t, d, lo, hi, r, h)
#include "config/config.def"
};
const size_t config_n_sections = sizeof(config_sections) / sizeof(config_sections[0]);

const struct config_row *config_rows_of(const char *section, size_t *n)
{
    if (strcmp(section, "relay") == 0) {
        *n = config_n_relay_rows;
        return config_relay_rows;
    }
    if (strcmp(section, CONFIG_SOURCE_SECTION) == 0) {
        *n = config_n_source_rows;
        return config_source_rows;
    }
    *n = config_n_rows;
    return config_rows;
}

const struct config_row *config_row_find(const char *section, struct str key)
{
    size_t n;
    const struct config_row *rows = config_rows_of(section, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].section, section) == 0 && str_eq(str_z(rows[i].key), key))
            return &rows[i];
    return NULL;
}

const struct config_section *config_section_find(struct str name)
{
    for (size_t i = 0; i < config_n_sections; i++)
        if (str_eq(str_z(config_sections[i].name), name))
            return &config_sections[i];
    return NULL;
}

/* BIGBROTR_DATABASE_PASSWORD_FILE, or with secret_itself BIGBROTR_DATABASE_PASSWORD. */
void config_env_name(char to[128], const struct config_row *row, bool secret_itself)
{
    size_t n = (size_t)snprintf(to, 128, "BIGBROTR_%s_%s", row->section, row->key);

    if (secret_itself && str_ends((struct str){to, n}, STR("_file")))
        to[n - strlen("_file")] = '\0';
    for (char *p = to; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
}

static void strip_common(struct str *a, struct str *b)
{
    while (a->n > 0 && b->n > 0 && a->p[0] == b->p[0]) {
        *a = (struct str){a->p + 1, a->n - 1};
        *b = (struct str){b->p + 1, b->n - 1};
    }
    while (a->n > 0 && b->n > 0 && a->p[a->n - 1] == b->p[b->n - 1]) {
        a->n--;
        b->n--;
    }
}

/* Levenshtein's distance, of names that are short: what lies beyond 127 bytes is not compared.
 * From `far` on it does not matter how far: a file of rubbish is not measured against each key. */
static size_t distance(struct str a, struct str b, size_t far)
{
    size_t row[128];

    a.n = a.n < 127 ? a.n : 127;
    b.n = b.n < 127 ? b.n : 127;
    if ((a.n > b.n ? a.n - b.n : b.n - a.n) >= far)
        return far;
    strip_common(&a, &b);
    for (size_t k = 0; k <= b.n; k++)
        row[k] = k;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0], least = i;

        row[0] = i;
        for (size_t k = 1; k <= b.n; k++) {
            size_t change = diagonal + (a.p[i - 1] != b.p[k - 1]);
            size_t skip = (row[k] < row[k - 1] ? row[k] : row[k - 1]) + 1;

            diagonal = row[k];
            row[k] = change < skip ? change : skip;
            least = row[k] < least ? row[k] : least;
        }
        if (least >= far)
            return far;
    }
    return row[b.n];
}

void config_nearest_begin(struct config_nearest *n, struct str to)
{
    *n = (struct config_nearest){.to = to, .distance = to.n < 6 ? 2 : to.n / 3};
    n->distance++; /* the first that is too far */
}

void config_nearest_offer(struct config_nearest *n, const char *name)
{
    size_t d = distance(n->to, str_z(name), n->distance);

    /* "password" for "password_file": the beginning of a name is near, whatever is missing. */
    if (n->to.n >= 3 && str_starts(str_z(name), n->to) && d > 1)
        d = 1;

    if (d >= n->distance)
        return;
    n->distance = d;
    (void)str_copy(n->name, sizeof(n->name), str_z(name));
}
