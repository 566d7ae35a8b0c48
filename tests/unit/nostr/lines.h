/* Reads a file of lines for a test: the path is the test's argument. */
#ifndef LINES_H
#define LINES_H

#include <stdio.h>
#include <stdlib.h>

#include "core/str.h"

/* The whole file; malloc'd, never freed by tests that end with it.  Empty when it cannot be read.
 */
static inline struct str lines_read(const char *path)
{
    FILE *f = path == NULL ? NULL : fopen(path, "rb");
    char *p = NULL;
    size_t n = 0, size = 0, got;

    if (f == NULL)
        return (struct str){NULL, 0};
    do {
        if (size - n < 65536) {
            size = 2 * size + 65536;
            p = realloc(p, size);
            if (p == NULL)
                abort();
        }
        got = fread(p + n, 1, size - n, f);
        n += got;
    } while (got > 0);
    fclose(f);
    return (struct str){p, n};
}

#endif
