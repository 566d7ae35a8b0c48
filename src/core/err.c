/* The table of errors, made from err.def; names are lowered on first use. */
#include "core/err.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/lower.h"

static const struct {
    const char *name;
    const char *text;
    enum err_blame blame;
} table[ERR__COUNT] = {
    [ERR_NONE] = {"NONE", "no error", ERR_BLAME_NONE},
#define ERR(name, blame, text) [ERR_##name] = {#name, text, ERR_BLAME_##blame},
#include "core/err.def"
};

#define ERR(name, blame, text) \
    _Static_assert(sizeof(#name) <= LOWER_NAME_MAX + 1, "too long a name: " #name);
#include "core/err.def"

static char names[ERR__COUNT][LOWER_NAME_MAX + 1];
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

static void make_names(void)
{
    for (int i = 0; i < ERR__COUNT; i++)
        lower_name(names[i], table[i].name);
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    assert(code > ERR_NONE);
    assert(code < ERR__COUNT);
    err->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(err->detail, sizeof(err->detail), fmt, ap);
    va_end(ap);
    return -1;
}

const char *err_name(enum err_code code)
{
    assert(code < ERR__COUNT);
    (void)pthread_once(&names_once, make_names);
    return names[code];
}

enum err_code err_named(struct str name)
{
    for (int code = ERR_NONE + 1; code < ERR__COUNT; code++)
        if (str_eq(name, str_z(err_name((enum err_code)code))))
            return (enum err_code)code;
    return ERR_NONE;
}

const char *err_text(enum err_code code)
{
    assert(code < ERR__COUNT);
    return table[code].text;
}

enum err_blame err_blame(enum err_code code)
{
    assert(code < ERR__COUNT);
    return table[code].blame;
}
