/* Hexadecimal: always written in lower case; read strictly, so that one value has one form. */
#ifndef CORE_HEX_H
#define CORE_HEX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/names.h"
#include "core/str.h"

void hex_encode(char *to, const void *from, size_t bytes); /* writes 2 * bytes characters, no NUL */

/* The value of a digit of either case, -1 when it is none: for what strangers write. */
static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False unless `s` is exactly 2 * bytes lower-case digits. */
bool hex_decode(void *to, struct str s, size_t bytes);

#endif
