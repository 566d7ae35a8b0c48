/* One line of the log in each of its formats.  Pure.
 *
 *     text      2026-03-01T12:00:00.123Z info relay in sync relay=wss://relay.example events=1204
 *     logfmt    time=2026-03-01T12:00:00.123Z level=info module=relay msg="in sync" events=1204
 *     json      {"time":"..","level":"info","module":"relay","msg":"in sync","events":"1204"}
 *     journald  <6>relay: in sync relay=wss://relay.example events=1204
 *
 * A message may end in key=value pairs (the value in quotes when it has spaces); they become fields
 * where the format has fields.  Control characters, and bytes that are no UTF-8, are written as '?'
 * everywhere. */
#ifndef CORE_LOG_LINE_H
#define CORE_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "core/log.h"

/* Of the room that a line gets: for "swallowed", a brace and the line feed behind one that was cut.
 */
enum { LOG_LINE_TAIL = 41 };

struct log_record {
    int64_t wall_ms;
    enum log_level level;
    const char *module;
    const char *text;   /* changed by nobody; cut before, when it is too long */
    uint32_t swallowed; /* lines like it that were held back before; 0: none */
};

/* At most `size` bytes with the line feed; returns how many.  A line that does not fit is cut where
 * its format allows it: in the middle, or in the message, and then pairs that have no room are
 * left out whole. */
size_t log_line(char *to, size_t size, enum log_format format, const struct log_record *r);

#endif
