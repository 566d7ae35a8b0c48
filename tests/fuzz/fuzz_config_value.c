/* The value of one key: whatever it is, it is taken or refused with a reason, and what was taken
 * and written can be taken again and is the same.  The input: which key, then the text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "config/config.h"
#include "config/config_internal.h"

/* One key of them is written at a time, so what it left the last time is no matter. */
static union {
    struct config all;
    struct config_relay relay;
    struct config_source source;
} field, again;

/* A URL with a password is not written as it is. */
static bool is_hidden(const struct config_row *row, struct str text)
{
    char z[CONFIG_TEXT_SIZE];

    return strcmp(row->section, "database") == 0 && strcmp(row->key, "url") == 0 &&
           str_copy(z, sizeof(z), text) && config_has_password(z);
}

static void check_taken(const struct config_row *row, struct str text)
{
    char written[CONFIG_LIST_SIZE];
    struct err err;

    config_value_text(&field, row, written, sizeof(written));
    if (is_hidden(row, text))
        return;
    CHECK(config_value_set(&again, row, str_z(written), &err) == 0);
    CHECK(memcmp((const char *)&field + row->offset, (const char *)&again + row->offset,
                 row->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct config_row *row;
    struct err err = {0};

    if (size == 0)
        return 0;
    if (data[0] < config_n_rows)
        row = &config_rows[data[0]];
    else if (data[0] % 2 == 0)
        row = &config_relay_rows[data[0] / 2 % config_n_relay_rows];
    else
        row = &config_source_rows[data[0] / 2 % config_n_source_rows];
    struct str text = {(const char *)data + 1, size - 1};
    if (config_value_set(&field, row, text, &err) == 0)
        check_taken(row, text);
    else
        CHECK(err.code == ERR_CONFIG && err.detail[0] != '\0');
    return 0;
}
