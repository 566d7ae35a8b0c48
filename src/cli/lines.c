/* lines: see lines.h. */
#include "cli/lines.h"

#include <stdlib.h>

int lines_read(FILE *in, each_line *each, void *owner)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    uint64_t number = 0;
    int rc = 0;

    while (rc == 0 && (n = getline(&line, &room, in)) >= 0) {
        struct str text = str_trim((struct str){line, (size_t)n});

        number++;
        if (text.n > 0)
            rc = each(owner, number, text);
    }
    free(line);
    return rc;
}
