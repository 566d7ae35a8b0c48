/* Views of bytes.  A struct str never owns and is never NUL-terminated: whoever made the bytes says
 * how long they live.  NUL-terminated strings are for argv, configuration and libpq only. */
#ifndef CORE_STR_H
#define CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/names.h"

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_FMT      "%.*s" /* printf("..." STR_FMT, STR_ARG(s)) */
#define STR_ARG(s)   (int)(s).n, (s).p

struct str str_z(const char *z); /* "" for NULL */
bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s);                        /* ASCII white space, both ends */
bool str_find(struct str s, struct str what, size_t *at); /* first occurrence; at may be NULL */
bool str_cut(struct str *rest, char at,
             struct str *before); /* "a,b": before "a", rest "b"; false at the end.
                                   * Of "a," the last piece is "".  When `at` does not occur
                                   * the rest is before, and rest->p is NULL */

/* The next entry of a list that people write, one a line: what follows a # is a comment, blank
 * lines are passed over, `*line` (0 at the start) counts all of them.  False at the end. */
bool str_next_entry(struct str *rest, uint32_t *line, struct str *entry);
bool str_u64(struct str s, uint64_t *out); /* decimal digits only, no sign, no overflow */

/* The length of the valid UTF-8 sequence that `s`, which is not empty, begins with, or 0 when it
 * begins with none (Unicode 15, table 3-7: no overlong form, no surrogate, nothing above U+10FFFF).
 */
size_t str_utf8(struct str s, uint32_t *point);

/* Copies into a caller's buffer of `size` bytes, NUL-terminated, cut when it does not fit.  Returns
 * false when it was cut. */
bool str_copy(char *to, size_t size, struct str s);

/* Escapes what could harm a log or a terminal (controls, DEL, non-UTF-8, `\` and `"`) as \xNN, cut
 * to `size` with "..." at the end.  Returns `to`. */
const char *str_escape(char *to, size_t size, struct str s);

/* The same for what our own server and libraries say to people: one line, and quotes and
 * backslashes as they are. */
const char *str_escape_text(char *to, size_t size, struct str s);

#endif
