/* Reads events, one a line, and says of each whose it is and which relays it mentions; or why it is
 * no event.
 *
 *     cc -o verify verify.c $(pkg-config --cflags --libs bigbrotr)
 *     bigbrotr export | ./verify */
#define _GNU_SOURCE
#include <nostr/event.h>
#include <nostr/hints.h>
#include <nostr/nip19.h>
#include <nostr/verify.h>
#include <stdio.h>
#include <stdlib.h>

/* All views of an event point into the arena: it must live as long as the event is looked at. */
static void judge(const struct verifier *verifier, struct arena *arena, struct str line)
{
    const struct event_limits limits = event_limits_default();
    enum reject why;
    char npub[NIP19_PLAIN_MAX];
    struct event e;

    if (verifier_event(verifier, line, &limits, arena, &e, &why) < 0) {
        printf("bad: %s\n", reject_text(why));
        return;
    }
    nip19_encode(NIP19_NPUB, e.pubkey.b, npub);
    printf("%s kind %d\n", npub, (int)e.kind);
    struct hints hints = hints_of_event(&e, arena);
    for (uint32_t i = 0; i < hints.n; i++)
        printf("    mentions %.*s (%s)\n", STR_ARG(hints.hint[i].url),
               hint_source_name(hints.hint[i].source));
}

int main(void)
{
    struct verifier *verifier = verifier_new();
    struct arena arena;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    arena_init(&arena, 65536);
    while ((n = getline(&line, &room, stdin)) > 0) {
        judge(verifier, &arena, str_trim((struct str){line, (size_t)n}));
        arena_reset(&arena);
    }
    free(line);
    arena_done(&arena);
    verifier_free(verifier);
    return 0;
}
