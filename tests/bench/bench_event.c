/* What one event costs before its signature is checked: `bench_event FILE.jsonl [ROUNDS]`.
 *
 * Prints nanoseconds of CPU an event, the best of the rounds, for the whole file and for the events
 * of about 1 KB in it, beside floors measured in the same run: jansson, memcpy, and SHA-256 alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "core/sha256.h"
#include "nostr/event.h"
#include "nostr/hints.h"
#include "nostr/verify.h"

struct lines {
    struct str *line;
    size_t n, bytes;
};

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static struct str read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct str s = {NULL, 0};
    char *p;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        exit(2);
    s.n = (size_t)ftell(f);
    rewind(f);
    p = malloc(s.n + 1);
    if (p == NULL || fread(p, 1, s.n, f) != s.n)
        exit(2);
    fclose(f);
    s.p = p;
    return s;
}

static struct lines pick(struct str file, size_t min, size_t max)
{
    struct lines l = {calloc(file.n / 100 + 1, sizeof(struct str)), 0, 0};
    struct str line;

    while (str_cut(&file, '\n', &line))
        if (line.n >= min && line.n <= max) {
            l.line[l.n++] = line;
            l.bytes += line.n;
        }
    return l;
}

static struct arena arena;
static struct event_limits limits;
static struct event event;
static unsigned long bad, found;

static void run_untagged(struct str line)
{
    enum reject why;

    bad += event_scan_untagged(line, &limits, &arena, &event, &why) < 0;
    arena_reset(&arena);
}

static void run_scan(struct str line)
{
    enum reject why;

    bad += event_scan(line, &limits, &arena, &event, &why) < 0;
    arena_reset(&arena);
}

static void run_sha(struct str line)
{
    uint8_t digest[SHA256_BYTES];

    sha256_of(line.p, line.n > 320 ? line.n - 320 : 0, digest); /* about its canonical form */
    bad += digest[0] == 0 && digest[1] == 0 && digest[2] == 0 && digest[3] == 0;
}

static void run_copy(struct str line)
{
    (void)arena_copy(&arena, line);
    arena_reset(&arena);
}

static void run_jansson(struct str line)
{
    json_t *j = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);

    bad += j == NULL;
    json_decref(j);
}

static void run_hints(struct str line)
{
    enum reject why;

    bad += event_scan_untagged(line, &limits, &arena, &event, &why) < 0;
    found += hints_of_event(&event, &arena).n;
    arena_reset(&arena);
}

static const struct verifier *verifier;

static void run_verify(struct str line)
{
    enum reject why;

    bad += event_scan(line, &limits, &arena, &event, &why) < 0 ||
           !verifier_check(verifier, &event.id, &event.pubkey, &event.sig);
    arena_reset(&arena);
}

static double measure(const char *what, const struct lines *l, int rounds, void (*run)(struct str))
{
    double best = 1e18;

    for (int r = 0; r < rounds; r++) {
        double start = cpu_ns(), spent;

        for (size_t i = 0; i < l->n; i++)
            run(l->line[i]);
        spent = (cpu_ns() - start) / (double)l->n;
        best = spent < best ? spent : best;
    }
    printf("  %-38s %9.0f ns\n", what, best);
    return best;
}

static void table(const char *title, struct lines l, int rounds)
{
    printf("%s: %zu events, %zu bytes each\n", title, l.n, l.n > 0 ? l.bytes / l.n : 0);
    if (l.n == 0)
        return;
    (void)measure("copy of the raw JSON", &l, rounds, run_copy);
    (void)measure("SHA-256 of the canonical form", &l, rounds, run_sha);
    double scan = measure("scan, canonical form, id", &l, rounds, run_untagged);
    (void)measure("the same and the tag hashes", &l, rounds, run_scan);
    (void)measure("the same and the signature", &l, 1, run_verify);
    found = 0;
    double hints = measure("scan and the relays it mentions", &l, rounds, run_hints);
    printf("  %-38s %9.2f us, %.2f relays\n", "hints alone", (hints - scan) / 1000,
           (double)found / rounds / (double)l.n);
    (void)measure("jansson, parsed only", &l, rounds / 4 + 1, run_jansson);
    free(l.line);
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 20;
    struct verifier *v = verifier_new();
    struct str file;

    if (argc < 2)
        return 2;
    file = read_file(argv[1]);
    verifier = v;
    limits = event_limits_default();
    arena_init(&arena, 1024 * 1024);
    table("all", pick(file, 1, SIZE_MAX), rounds);
    table("about 1 KB", pick(file, 900, 1100), rounds * 4);
    if (bad > 0)
        printf("%lu refused\n", bad);
    arena_done(&arena);
    verifier_free(v);
    free((char *)(uintptr_t)file.p);
    return bad > 0;
}
