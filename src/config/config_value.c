/* The types of the configuration: text to field, field to text, and their ranges in words. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_internal.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* Smallest first; the largest that divides a value is the one that is printed. */
static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};
static const struct unit sizes[] = {
    {"B", 1},
    {"KiB", INT64_C(1) << 10},
    {"MiB", INT64_C(1) << 20},
    {"GiB", INT64_C(1) << 30},
    {"TiB", INT64_C(1) << 40},
    {NULL, 0},
};

static void *field_of(void *base, const struct config_row *row)
{
    return (char *)base + row->offset;
}

static const void *look_at(const void *base, const struct config_row *row)
{
    return (const char *)base + row->offset;
}

/* Digits and one of the units; 0 needs none. */
static bool with_unit(struct str text, const struct unit *units, int64_t *out)
{
    size_t digits = 0;
    uint64_t n;

    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    if (!str_u64((struct str){text.p, digits}, &n))
        return false;
    if (digits == text.n) {
        *out = 0;
        return n == 0;
    }
    for (const struct unit *u = units; u->name != NULL; u++) {
        if (!str_eq(str_z(u->name), (struct str){text.p + digits, text.n - digits}))
            continue;
        if (n > (uint64_t)(INT64_MAX / u->factor))
            return false;
        *out = (int64_t)n * u->factor;
        return true;
    }
    return false;
}

/* "12%" or "12.5%" into tenths. */
static bool percent(struct str text, int64_t *out)
{
    struct str whole;
    uint64_t n;
    uint64_t tenth = 0;

    if (!str_ends(text, STR("%")))
        return false;
    text.n--;
    (void)str_cut(&text, '.', &whole);
    if (!str_u64(whole, &n) || n > 1000)
        return false;
    if (text.p != NULL && (text.n != 1 || !str_u64(text, &tenth)))
        return false;
    *out = (int64_t)(n * 10 + tenth);
    return true;
}

static bool number(enum config_type type, struct str text, int64_t *out)
{
    uint64_t n;

    switch (type) {
    case CONFIG_DURATION:
        return with_unit(text, durations, out);
    case CONFIG_SIZE:
    case CONFIG_RATE:
        return with_unit(text, sizes, out);
    case CONFIG_PERCENT:
        return percent(text, out);
    case CONFIG_INT:
        if (!str_u64(text, &n) || n > INT64_MAX)
            return false;
        *out = (int64_t)n;
        return true;
    case CONFIG_BOOL:
        *out = str_eq(text, STR("true"));
        return *out == 1 || str_eq(text, STR("false"));
    case CONFIG_STR:
    case CONFIG_FILE:
    case CONFIG_DIR:
    case CONFIG_SECRET:
    case CONFIG_ENUM:
    case CONFIG_LIST:
        break;
    }
    return false;
}

/* A bound of config.def: a plain number for text and counts, else as the type is written. */
static int64_t bound(const struct config_row *row, const char *text)
{
    int64_t n = 0;
    uint64_t u;

    if (number(row->type, str_z(text), &n))
        return n;
    if (!str_u64(str_z(text), &u))
        abort(); /* our table is wrong */
    return (int64_t)u;
}

struct str config_enum_words(const struct config_row *row)
{
    const char *end = strrchr(row->help, '|');

    assert(row->type == CONFIG_ENUM && end != NULL);
    return (struct str){row->help, (size_t)(end - row->help)};
}

const char *config_help(const struct config_row *row)
{
    return row->type == CONFIG_ENUM ? row->help + config_enum_words(row).n + 1 : row->help;
}

static bool set_word(void *base, const struct config_row *row, struct str text)
{
    struct str words = config_enum_words(row);
    struct str word;

    for (int i = 0; str_cut(&words, '|', &word); i++) {
        if (!str_eq(word, text))
            continue;
        memcpy(field_of(base, row), &i, sizeof(i));
        return str_copy((char *)base + row->word_offset, 32, word);
    }
    return false;
}

/* Printable, of at most row->max bytes. */
static bool set_text(void *base, const struct config_row *row, struct str text)
{
    struct str left = text;

    if (text.n > (uint64_t)bound(row, row->max))
        return false;
    assert(text.n < row->size); /* max is below the size of the field */
    while (left.n > 0) {
        uint32_t point;
        size_t n = str_utf8(left, &point);

        if (n == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0))
            return false;
        left.p += n;
        left.n -= n;
    }
    memset(field_of(base, row), 0, row->size); /* wholly, so that memcmp compares */
    if (text.n > 0)
        memcpy(field_of(base, row), text.p, text.n);
    return true;
}

static bool set(void *base, const struct config_row *row, struct str text)
{
    int64_t n;
    bool b;

    switch (row->type) {
    case CONFIG_ENUM:
        return set_word(base, row, text);
    case CONFIG_STR:
    case CONFIG_FILE:
    case CONFIG_DIR:
    case CONFIG_SECRET:
    case CONFIG_LIST:
        return set_text(base, row, text);
    case CONFIG_BOOL:
        if (!number(row->type, text, &n))
            return false;
        b = n != 0;
        memcpy(field_of(base, row), &b, sizeof(b));
        return true;
    case CONFIG_INT:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
    case CONFIG_PERCENT:
    case CONFIG_RATE:
        break;
    }
    if (!number(row->type, text, &n) || n < bound(row, row->min) || n > bound(row, row->max))
        return false;
    memcpy(field_of(base, row), &n, sizeof(n));
    return true;
}

void config_range_text(const struct config_row *row, char *to, size_t size)
{
    switch (row->type) {
    case CONFIG_BOOL:
        (void)snprintf(to, size, "true or false");
        break;
    case CONFIG_INT:
        (void)snprintf(to, size, "a whole number from %s to %s", row->min, row->max);
        break;
    case CONFIG_STR:
        (void)snprintf(to, size, "text of at most %s bytes, without control characters", row->max);
        break;
    case CONFIG_FILE:
    case CONFIG_DIR:
    case CONFIG_SECRET:
        (void)snprintf(to, size, "a path of at most %s bytes", row->max);
        break;
    case CONFIG_ENUM:
        (void)snprintf(to, size, "one of " STR_FMT, STR_ARG(config_enum_words(row)));
        break;
    case CONFIG_DURATION:
        (void)snprintf(to, size, "a duration from %s to %s, written as 500ms, 30s, 5m, 4h or 2d",
                       row->min, row->max);
        break;
    case CONFIG_SIZE:
        (void)snprintf(to, size, "a size from %s to %s, written as 512B, 64KiB, 256MiB, 10GiB",
                       row->min, row->max);
        break;
    case CONFIG_RATE:
        (void)snprintf(to, size, "bytes a second from %s to %s, written as 64KiB or 5MiB", row->min,
                       row->max);
        break;
    case CONFIG_PERCENT:
        (void)snprintf(to, size, "a percentage from %s to %s, written as 10%% or 2.5%%", row->min,
                       row->max);
        break;
    case CONFIG_LIST:
        (void)snprintf(to, size, "items separated by commas or spaces, of at most %s bytes",
                       row->max);
        break;
    }
}

/* A value that may hold a secret by somebody's mistake or by its nature is not repeated. */
static bool may_be_shown(const struct config_row *row, struct str text)
{
    if (row->type == CONFIG_SECRET)
        return str_starts(text, STR("/"));
    return !(strcmp(row->section, "database") == 0 && strcmp(row->key, "url") == 0);
}

int config_value_set(void *base, const struct config_row *row, struct str text, struct err *err)
{
    char range[160];
    char shown[64];

    if (set(base, row, text))
        return 0;
    config_range_text(row, range, sizeof(range));
    if (!may_be_shown(row, text))
        return err_set(err, ERR_CONFIG, "must be %s", range);
    return err_set(err, ERR_CONFIG, "must be %s, not \"%s\"", range,
                   str_escape(shown, sizeof(shown), text));
}

int config_duration(struct str text, const char *max, int64_t *ms, struct err *err)
{
    const struct config_row row = {.section = "",
                                   .key = "",
                                   .def = "0",
                                   .min = "0",
                                   .max = max,
                                   .type = CONFIG_DURATION,
                                   .size = sizeof(*ms)};

    return config_value_set(ms, &row, text, err);
}

static void unit_text(int64_t n, const struct unit *units, char *to, size_t size)
{
    const struct unit *best = units;

    for (const struct unit *u = units; u->name != NULL; u++)
        if (n % u->factor == 0)
            best = u;
    if (n == 0)
        (void)snprintf(to, size, "0");
    else
        (void)snprintf(to, size, "%" PRId64 "%s", n / best->factor, best->name);
}

void config_value_text(const void *base, const struct config_row *row, char *to, size_t size)
{
    int64_t n = 0;

    if (row->type != CONFIG_BOOL && row->type != CONFIG_ENUM && row->size == sizeof(n))
        memcpy(&n, look_at(base, row), sizeof(n));
    switch (row->type) {
    case CONFIG_BOOL:
        (void)snprintf(to, size, "%s", *(const bool *)look_at(base, row) ? "true" : "false");
        break;
    case CONFIG_ENUM:
        (void)snprintf(to, size, "%s", (const char *)base + row->word_offset);
        break;
    case CONFIG_INT:
        (void)snprintf(to, size, "%" PRId64, n);
        break;
    case CONFIG_DURATION:
        unit_text(n, durations, to, size);
        break;
    case CONFIG_SIZE:
    case CONFIG_RATE:
        unit_text(n, sizes, to, size);
        break;
    case CONFIG_PERCENT:
        if (n % 10 == 0)
            (void)snprintf(to, size, "%" PRId64 "%%", n / 10);
        else
            (void)snprintf(to, size, "%" PRId64 ".%" PRId64 "%%", n / 10, n % 10);
        break;
    case CONFIG_STR:
        if (strcmp(row->section, "database") == 0 && strcmp(row->key, "url") == 0) {
            (void)config_hide_password(to, size, look_at(base, row));
            break;
        }
        (void)str_copy(to, size, str_z(look_at(base, row)));
        break;
    case CONFIG_FILE:
    case CONFIG_DIR:
    case CONFIG_SECRET:
    case CONFIG_LIST:
        (void)str_copy(to, size, str_z(look_at(base, row)));
        break;
    }
}

void config_defaults(void *base, const struct config_row *rows, size_t n)
{
    struct err err;

    for (size_t i = 0; i < n; i++)
        if (config_value_set(base, &rows[i], str_z(rows[i].def), &err) < 0)
            abort(); /* a default outside of its own bounds is our bug */
}

bool config_list_next(const char **at, struct str *item)
{
    static const char separators[] = ", \t";

    *at += strspn(*at, separators);
    *item = (struct str){*at, strcspn(*at, separators)};
    *at += item->n;
    return item->n > 0;
}
