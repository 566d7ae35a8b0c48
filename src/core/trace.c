/* trace: see trace.h. */
#include "core/trace.h"

#include <stdarg.h>
#include <stdio.h>

unsigned trace_sinks;
static struct list sinks = {&sinks, &sinks};

void trace_open(struct trace_sink *sink, int32_t relay_id,
                void (*line)(struct trace_sink *sink, const char *text))
{
    sink->relay_id = relay_id;
    sink->line = line;
    list_add_tail(&sinks, &sink->link);
    trace_sinks++;
}

void trace_close(struct trace_sink *sink)
{
    list_remove(&sink->link);
    trace_sinks--;
}

void trace_write(int32_t relay_id, const char *fmt, ...)
{
    char text[TRACE_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    text[0] = '\0';
    for (struct list *at = sinks.next, *next; at != &sinks; at = next) {
        struct trace_sink *sink = CONTAINER_OF(at, struct trace_sink, link);
        next = at->next;
        if (sink->relay_id != relay_id)
            continue;
        if (text[0] == '\0')
            (void)vsnprintf(text, sizeof(text), fmt, ap);
        sink->line(sink, text);
    }
    va_end(ap);
}
