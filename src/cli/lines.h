/* Standard input, or a file, line by line: events as JSONL, drafts, records. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stdint.h>
#include <stdio.h>

#include "core/err.h"
#include "core/str.h"

/* `number` counts from 1, empty lines too; white space around a line is gone.  -1 ends the reading.
 */
typedef int each_line(void *owner, uint64_t number, struct str line);

/* Calls `each` for every line that is not empty; what it returned last, or 0.  LINES_UNREADABLE
 * with ERR_IO: the stream broke off. */
enum { LINES_UNREADABLE = -2 };
int lines_read(FILE *in, each_line *each, void *owner, struct err *err) MUST_USE;

#endif
