/* Hexadecimal: always written in lower case; read strictly, so that one value has one form. */
#ifndef CORE_HEX_H
#define CORE_HEX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/names.h"
#include "core/str.h"

void hex_encode(char *to, const void *from, size_t bytes); /* writes 2 * bytes characters, no NUL */

/* False unless `s` is exactly 2 * bytes lower-case digits. */
bool hex_decode(void *to, struct str s, size_t bytes);

#endif
