/* What the event scanner says, for the oracle to compare: reads inputs in hexadecimal, one a line,
 * and prints a line for each: `invalid`, `id_mismatch`, or `accept` with all that was read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "core/sha256.h"
#include "nostr/event.h"

static void print_sum(struct str text)
{
    uint8_t sum[SHA256_BYTES];
    char hex[2 * SHA256_BYTES];

    sha256_of(text.p, text.n, sum);
    hex_encode(hex, sum, sizeof(sum));
    printf(" %.*s", (int)sizeof(hex), hex);
}

static void print_accepted(const struct event *e)
{
    static const char *const variants[] = {"js", "nip", "tao"};

    printf("accept %s %d %" PRId64 " %" PRId32, variants[e->variant], e->lossy, e->created_at,
           e->kind);
    print_sum(e->content);
    print_sum(e->tags);
    print_sum(e->canonical);
    for (uint32_t i = 0; i < e->taghash_n; i++)
        printf(" %" PRId64, e->taghash[i]);
    printf("\n");
}

int main(void)
{
    struct event_limits limits = event_limits_default();
    struct arena arena;
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    arena_init(&arena, 65536);
    while ((n = getline(&line, &size, stdin)) > 0) {
        size_t bytes = (size_t)(n - 1) / 2;
        char *json = malloc(bytes + 1);
        struct event e;
        enum reject why;

        if (json == NULL || !hex_decode(json, (struct str){line, 2 * bytes}, bytes))
            return 2;
        if (event_scan((struct str){json, bytes}, &limits, &arena, &e, &why) == 0)
            print_accepted(&e);
        else
            printf("%s\n", why == REJECT_ID_MISMATCH ? "id_mismatch" : "invalid");
        free(json);
        arena_reset(&arena);
    }
    free(line);
    arena_done(&arena);
    return 0;
}
