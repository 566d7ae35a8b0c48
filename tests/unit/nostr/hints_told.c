/* What nostr/hints finds, for the oracle to compare: reads events as JSON, one a line, and prints a
 * line for each: its number of relays, `cut` or `whole`, and the relays with their sources. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "nostr/hints.h"

int main(int argc, char **argv)
{
    struct event_limits limits = event_limits_default();
    FILE *in = argc > 1 ? fopen(argv[1], "rb") : stdin;
    struct arena arena;
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    if (in == NULL)
        return 2;
    arena_init(&arena, 65536);
    while ((n = getline(&line, &size, in)) > 0) {
        struct hints hints = {NULL, 0, false};
        struct event e;
        enum reject why;

        /* The oracle makes events without a right id. */
        if (event_scan((struct str){line, (size_t)n}, &limits, &arena, &e, &why) == 0 ||
            why == REJECT_ID_MISMATCH)
            hints = hints_of_event(&e, &arena);
        else
            printf("refused %s ", reject_name(why));
        printf("%" PRIu32 " %s", hints.n, hints.cut ? "cut" : "whole");
        for (uint32_t i = 0; i < hints.n; i++)
            printf(" " STR_FMT " %s %s", STR_ARG(hints.hint[i].url),
                   network_name(hints.hint[i].network), hint_source_name(hints.hint[i].source));
        printf("\n");
        arena_reset(&arena);
    }
    free(line);
    arena_done(&arena);
    return 0;
}
