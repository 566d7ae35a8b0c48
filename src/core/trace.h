/* Trace: one relay followed in full detail, for whoever asks (`bigbrotr trace URL`): dial,
 * requests, pages, verdicts, commits, checks.
 *
 * Costs one comparison where nobody listens.  Loop thread only.  A line has no time and no line
 * feed; bytes that came from a relay are escaped by the caller. */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H

#include <stdint.h>

#include "core/err.h"
#include "core/list.h"

enum { TRACE_LINE_MAX = 1024 };

struct trace_sink {
    struct list link;
    int32_t relay_id;
    void (*line)(struct trace_sink *sink, const char *text);
};

extern unsigned trace_sinks; /* how many there are */

void trace_open(struct trace_sink *sink, int32_t relay_id,
                void (*line)(struct trace_sink *sink, const char *text));
void trace_close(struct trace_sink *sink); /* also from inside line() of another sink */

#define trace(relay_id, ...)                    \
    do {                                        \
        if (trace_sinks > 0)                    \
            trace_write(relay_id, __VA_ARGS__); \
    } while (0)

void trace_write(int32_t relay_id, const char *fmt, ...) PRINTF(2, 3);

#endif
