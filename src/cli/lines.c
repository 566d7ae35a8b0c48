/* lines: see lines.h. */
#include "cli/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lines_read(FILE *in, each_line *each, void *owner, struct err *err)
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
    if (rc == 0 && !feof(in)) {
        (void)err_set(err, ERR_IO, "%s cannot be read further: %s",
                      in == stdin ? "standard input" : "the file", strerror(errno));
        rc = LINES_UNREADABLE;
    }
    free(line);
    return rc;
}
