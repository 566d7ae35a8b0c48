/* What the tests of the configuration share: parse a text and look at what was complained about,
 * and files in a directory that goes away. */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "unit.h"

static struct config_errors errors;
static char directory[64];

static inline int set_up(void **state)
{
    (void)state;
    errors = (struct config_errors){NULL, 0};
    (void)snprintf(directory, sizeof(directory), "/tmp/bigbrotr-config-XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static inline int tear_down(void **state)
{
    char command[128];

    (void)state;
    config_errors_free(&errors);
    (void)snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

static inline const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static inline const char *write_file(const char *name, const char *text, mode_t mode)
{
    const char *path = path_of(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
    return path;
}

/* All complaints as one text, "where: text" a line. */
static inline const char *complaints(void)
{
    static char text[16384];
    FILE *out = fmemopen(text, sizeof(text), "w");

    assert_non_null(out);
    config_errors_print(&errors, out);
    (void)fclose(out);
    text[errors.n == 0 ? 0 : strnlen(text, sizeof(text) - 1)] = '\0';
    return text;
}

static inline struct config *good(const char *text)
{
    struct config *cfg = config_parse("x.ini", str_z(text), NULL, &errors);

    if (cfg == NULL)
        fail_msg("%s", complaints());
    return cfg;
}

/* Exactly these complaints. */
static inline void bad(const char *text, const char *want)
{
    struct config *cfg = config_parse("x.ini", str_z(text), NULL, &errors);

    assert_null(cfg);
    assert_string_equal(complaints(), want);
    config_errors_free(&errors);
}

static inline char *print(const struct config *cfg)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    if (cfg != NULL)
        config_print(cfg, out);
    else
        config_default_ini(out);
    (void)fclose(out);
    return text;
}

#endif
