/* mint: makes many valid, signed Nostr events, fast and always the same for the same seed.
 *
 *     mint --n 1000 --seed 7 --times bursty --kinds 1,7,30023 > events.jsonl
 *
 * Standard output gets one event a line, in the order of "arrival" (which is not the order of
 * created_at).  It stands on libsecp256k1 and libcrypto alone, so that the daemon's own scanner and
 * hash are never their own judge.  About 50,000 events a second on one core; signing is nearly all
 * of it.
 *
 * The canonical form is the one JSON.stringify writes, and the line on standard output uses the
 * same escapes; so what is hashed is a part of what is printed. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>

enum { KINDS_MAX = 256, AUTHORS_MAX = 100000, CONTENT_MAX = 4 << 20, LINE_MAX_BYTES = 8 << 20 };

enum times {
    TIMES_UNIFORM,
    TIMES_BURSTY,
    TIMES_DENSE,
    TIMES_FUTURE,
    TIMES_RECENT,
    TIMES_ONE,
    TIMES__COUNT
};
static const char *const times_names[TIMES__COUNT] = {"uniform", "bursty", "dense",
                                                      "future",  "recent", "one"};

enum invalid { INVALID_NONE, INVALID_SIG, INVALID_ID, INVALID_CONTENT, INVALID_MIX };
static const char *const invalid_names[] = {"none", "sig", "id", "content", "mix"};

struct options {
    uint32_t n;
    uint64_t seed;
    enum times times;
    int64_t from, to;       /* created_at lies between, seconds */
    uint32_t dense;         /* events in one second, with --times dense */
    uint32_t dense_seconds; /* so many such seconds */
    uint32_t future;        /* events far in the future, with --times future */
    int32_t kinds[KINDS_MAX];
    uint32_t kinds_n;
    int32_t run_kind; /* -1: none.  A run of neighbours in time that all have this kind */
    uint32_t run_n;
    uint32_t authors;
    uint32_t content_min, content_max; /* bytes, about */
    uint32_t tags_max;
    double exotic;  /* share of events with control characters, NUL, quotes, emoji */
    double invalid; /* share of events that are made invalid, by `how` */
    enum invalid how;
};

struct author {
    secp256k1_keypair pair;
    char hex[65];
};

struct text {
    char *p;
    size_t n, room;
};

struct mint {
    const struct options *o;
    secp256k1_context *secp;
    struct author *authors;
    int64_t *at;    /* created_at of each event, in order of arrival */
    int32_t *kinds; /* and its kind */
    struct text line;
    uint64_t random;
};

/* --- deterministic numbers (splitmix64)
 * ------------------------------------------------------------------------ */

static uint64_t next(struct mint *m)
{
    uint64_t z = (m->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t below(struct mint *m, uint64_t n)
{
    return n == 0 ? 0 : next(m) % n;
}

static double unit(struct mint *m)
{
    return (double)(next(m) >> 11) / 9007199254740992.0;
}

static int64_t between(struct mint *m, int64_t lo, int64_t hi)
{
    return hi <= lo ? lo : lo + (int64_t)below(m, (uint64_t)(hi - lo) + 1);
}

/* --- when and of which kind
 * ------------------------------------------------------------------------------------- */

static void times_bursty(struct mint *m)
{
    const struct options *o = m->o;
    uint32_t i = 0;
    while (i < o->n) {
        if (unit(m) >= 0.02) {
            m->at[i++] = o->from + (int64_t)((double)(o->to - o->from) * pow(unit(m), 0.4));
            continue;
        }
        int64_t centre = between(m, o->from, o->to - 4000);
        for (uint64_t k = 50 + below(m, 351); k > 0 && i < o->n; k--) {
            int64_t t = centre + (int64_t)(-log(1.0 - unit(m)) * 300.0);
            m->at[i++] = t > o->to ? o->to : t;
        }
    }
}

static void make_times(struct mint *m)
{
    const struct options *o = m->o;
    if (o->times == TIMES_BURSTY) {
        times_bursty(m);
        return;
    }
    int64_t from = o->times == TIMES_RECENT ? o->to - 3600 : o->from;
    int64_t one = between(m, o->from, o->to);
    for (uint32_t i = 0; i < o->n; i++)
        m->at[i] = o->times == TIMES_ONE ? one : between(m, from, o->to);
    uint32_t i = 0;
    if (o->times == TIMES_DENSE) {
        for (uint32_t s = 0; s < o->dense_seconds; s++) {
            int64_t second = between(m, o->from, o->to);
            for (uint32_t k = 0; k < o->dense && i < o->n; k++)
                m->at[i++] = second;
        }
    }
    if (o->times == TIMES_FUTURE) {
        for (; i < o->future && i < o->n; i++)
            m->at[i] = o->to + 100000000 + (int64_t)below(m, 1000);
    }
    for (uint32_t k = o->n; k > 1; k--) { /* arrival is not by time */
        uint32_t j = (uint32_t)below(m, k);
        int64_t swap = m->at[k - 1];
        m->at[k - 1] = m->at[j];
        m->at[j] = swap;
    }
}

static const int64_t *sorted_at; /* qsort has no argument of its own */

static int by_time(const void *a, const void *b)
{
    int64_t x = sorted_at[*(const uint32_t *)a], y = sorted_at[*(const uint32_t *)b];
    return x < y ? -1 : x > y;
}

static void make_kinds(struct mint *m)
{
    const struct options *o = m->o;
    for (uint32_t i = 0; i < o->n; i++)
        m->kinds[i] = o->kinds[below(m, o->kinds_n)];
    if (o->run_kind < 0 || o->run_n == 0 || o->n == 0)
        return;
    uint32_t *order = calloc(o->n, sizeof *order);
    if (order == NULL)
        abort();
    for (uint32_t i = 0; i < o->n; i++)
        order[i] = i;
    sorted_at = m->at;
    qsort(order, o->n, sizeof *order, by_time);
    uint32_t start = (uint32_t)below(m, o->n);
    for (uint32_t k = 0; k < o->run_n && start + k < o->n; k++)
        m->kinds[order[start + k]] = o->run_kind;
    free(order);
}

/* --- text
 * --------------------------------------------------------------------------------------------------------
 */

static void put(struct text *t, const char *p, size_t n)
{
    if (n > t->room - t->n) {
        fprintf(stderr, "mint: one event is larger than %d bytes\n", LINE_MAX_BYTES);
        exit(1);
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

static void put_text(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

static void put_number(struct text *t, int64_t v)
{
    char digits[24];
    put(t, digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, v));
}

static void to_hex(const unsigned char *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

/* Already escaped as JSON.stringify does; the canonical form takes them as they are. */
static const char *const words[] = {"nostr ", "relay ",   "archive ", "note ",  "zap ",    "the ",
                                    "of ",    "and ",     "every ",   "event ", "https:/", "/x.io ",
                                    "gm ",    "bitcoin ", "proof ",   "page "};
static const char *const odd_words[] = {
    "\\\"",    "\\\\",    "\\n",     "\\t",  "\\b",          "\\f",      "\\r",
    "\\u0000", "\\u0001", "\\u001f", "\x7f", "\xe2\x80\xa8", "\xc3\xa9", "\xf0\x9f\x98\x80",
    "<&>",     "'; --"};
enum { WORDS = sizeof words / sizeof *words, ODD_WORDS = sizeof odd_words / sizeof *odd_words };

static void put_content(struct mint *m, bool exotic)
{
    const struct options *o = m->o;
    size_t want = o->content_min + below(m, o->content_max - o->content_min + 1), start = m->line.n;
    while (m->line.n - start < want) {
        if (exotic && below(m, 4) == 0)
            put_text(&m->line, odd_words[below(m, ODD_WORDS)]);
        else
            put_text(&m->line, words[below(m, WORDS)]);
    }
}

static void put_tags(struct mint *m, bool exotic)
{
    uint64_t n = below(m, m->o->tags_max + 1);
    for (uint64_t i = 0; i < n; i++) {
        put_text(&m->line, i == 0 ? "[" : ",[");
        switch (below(m, 3)) {
        case 0:
            put_text(&m->line, "\"p\",\"");
            put_text(&m->line, m->authors[below(m, m->o->authors)].hex);
            break;
        case 1: {
            char hex[65];
            unsigned char b[32];
            for (int k = 0; k < 32; k++)
                b[k] = (unsigned char)next(m);
            to_hex(b, 32, hex);
            put_text(&m->line, "\"e\",\"");
            put_text(&m->line, hex);
            break;
        }
        default:
            put_text(&m->line, "\"t\",\"");
            put_text(&m->line, exotic ? odd_words[below(m, ODD_WORDS)] : "farm");
        }
        put_text(&m->line, "\"]");
    }
}

/* --- one event
 * ---------------------------------------------------------------------------------------------------
 */

static void spoil(struct mint *m, unsigned char id[32], unsigned char sig[64], char *content,
                  size_t content_n)
{
    enum invalid how = m->o->how == INVALID_MIX ? INVALID_SIG + below(m, 3) : m->o->how;
    if (how == INVALID_SIG)
        sig[below(m, 64)] ^= 1;
    else if (how == INVALID_ID)
        id[below(m, 32)] ^= 1;
    else if (content_n > 0)
        content[0] =
            content[0] == 'X' ? 'Y' : 'X'; /* the first byte is a letter unless it was exotic */
}

/* The line is built around its canonical part: [0,"pubkey",created_at,kind,tags,"content"] is laid
 * down first, hashed and signed, then the object is written from its pieces. */
static void print_event(struct mint *m, uint32_t i)
{
    const struct options *o = m->o;
    const struct author *author = &m->authors[below(m, o->authors)];
    bool exotic = o->exotic > 0 && unit(m)<o->exotic, bad = o->invalid> 0 && unit(m) < o->invalid;
    struct text *t = &m->line;
    t->n = 0;
    put_text(t, "[0,\"");
    put_text(t, author->hex);
    put_text(t, "\",");
    put_number(t, m->at[i]);
    put_text(t, ",");
    put_number(t, m->kinds[i]);
    put_text(t, ",");
    size_t tags = t->n;
    put_text(t, "[");
    put_tags(m, exotic);
    put_text(t, "]");
    size_t tags_end = t->n;
    put_text(t, ",\"");
    size_t content = t->n;
    if (bad)
        put_text(t, "a");
    put_content(m, exotic);
    size_t content_end = t->n;
    put_text(t, "\"]");

    unsigned char id[32], sig[64];
    SHA256((const unsigned char *)t->p, t->n, id);
    if (!secp256k1_schnorrsig_sign32(m->secp, sig, id, &author->pair, NULL))
        abort();
    if (bad)
        spoil(m, id, sig, t->p + content, content_end - content);
    char id_hex[65], sig_hex[129];
    to_hex(id, 32, id_hex);
    to_hex(sig, 64, sig_hex);
    printf("{\"id\":\"%s\",\"pubkey\":\"%s\",\"created_at\":%" PRId64 ",\"kind\":%" PRId32
           ",\"tags\":",
           id_hex, author->hex, m->at[i], m->kinds[i]);
    fwrite(t->p + tags, 1, tags_end - tags, stdout);
    fputs(",\"content\":\"", stdout);
    fwrite(t->p + content, 1, content_end - content, stdout);
    printf("\",\"sig\":\"%s\"}\n", sig_hex);
}

static void make_authors(struct mint *m)
{
    for (uint32_t i = 0; i < m->o->authors; i++) {
        unsigned char secret[32], key[32];
        secp256k1_xonly_pubkey xonly;
        do {
            for (int k = 0; k < 32; k++)
                secret[k] = (unsigned char)next(m);
        } while (!secp256k1_keypair_create(m->secp, &m->authors[i].pair, secret));
        if (!secp256k1_keypair_xonly_pub(m->secp, &xonly, NULL, &m->authors[i].pair) ||
            !secp256k1_xonly_pubkey_serialize(m->secp, key, &xonly))
            abort();
        to_hex(key, 32, m->authors[i].hex);
    }
}

/* --- options
 * -----------------------------------------------------------------------------------------------------
 */

static _Noreturn void usage(const char *why)
{
    fprintf(
        stderr,
        "mint: %s\n"
        "  --n N --seed S --times uniform|bursty|dense|future|recent|one --from T --to T\n"
        "  --dense N --dense-seconds N --future N --kinds 1,7,.. --run-kind K --run-n N --authors "
        "N\n"
        "  --content MIN-MAX --tags MAX --exotic SHARE --invalid SHARE --how sig|id|content|mix\n",
        why);
    exit(2);
}

static int64_t number(const char *s, int64_t lo, int64_t hi)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno != 0 || end == s || *end != '\0' || v < lo || v > hi)
        usage(s);
    return v;
}

static double share(const char *s)
{
    char *end;
    double v = strtod(s, &end);
    if (end == s || *end != '\0' || !(v >= 0 && v <= 1))
        usage(s);
    return v;
}

static int choice(const char *s, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(s, names[i]) == 0)
            return i;
    usage(s);
}

static void read_kinds(struct options *o, char *list)
{
    o->kinds_n = 0;
    for (char *save = NULL, *k = strtok_r(list, ",", &save); k != NULL;
         k = strtok_r(NULL, ",", &save)) {
        if (o->kinds_n == KINDS_MAX)
            usage("too many kinds");
        o->kinds[o->kinds_n++] = (int32_t)number(k, 0, 65535);
    }
    if (o->kinds_n == 0)
        usage("no kinds");
}

static void read_content(struct options *o, char *range)
{
    char *dash = strchr(range, '-');
    if (dash == NULL)
        usage(range);
    *dash = '\0';
    o->content_min = (uint32_t)number(range, 0, CONTENT_MAX);
    o->content_max = (uint32_t)number(dash + 1, o->content_min, CONTENT_MAX);
}

static void read_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {{"n", 1, NULL, 'n'},
                                          {"seed", 1, NULL, 's'},
                                          {"times", 1, NULL, 't'},
                                          {"from", 1, NULL, 'f'},
                                          {"to", 1, NULL, 'T'},
                                          {"dense", 1, NULL, 'd'},
                                          {"dense-seconds", 1, NULL, 'D'},
                                          {"future", 1, NULL, 'F'},
                                          {"kinds", 1, NULL, 'k'},
                                          {"run-kind", 1, NULL, 'r'},
                                          {"run-n", 1, NULL, 'R'},
                                          {"authors", 1, NULL, 'a'},
                                          {"content", 1, NULL, 'c'},
                                          {"tags", 1, NULL, 'g'},
                                          {"exotic", 1, NULL, 'x'},
                                          {"invalid", 1, NULL, 'i'},
                                          {"how", 1, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'n':
            o->n = (uint32_t)number(optarg, 0, 100000000);
            break;
        case 's':
            o->seed = (uint64_t)number(optarg, 0, INT64_MAX);
            break;
        case 't':
            o->times = (enum times)choice(optarg, times_names, TIMES__COUNT);
            break;
        case 'f':
            o->from = number(optarg, 0, INT64_MAX / 4);
            break;
        case 'T':
            o->to = number(optarg, 0, INT64_MAX / 4);
            break;
        case 'd':
            o->dense = (uint32_t)number(optarg, 0, 1000000);
            break;
        case 'D':
            o->dense_seconds = (uint32_t)number(optarg, 0, 1000000);
            break;
        case 'F':
            o->future = (uint32_t)number(optarg, 0, 1000000);
            break;
        case 'k':
            read_kinds(o, optarg);
            break;
        case 'r':
            o->run_kind = (int32_t)number(optarg, -1, 65535);
            break;
        case 'R':
            o->run_n = (uint32_t)number(optarg, 0, 100000000);
            break;
        case 'a':
            o->authors = (uint32_t)number(optarg, 1, AUTHORS_MAX);
            break;
        case 'c':
            read_content(o, optarg);
            break;
        case 'g':
            o->tags_max = (uint32_t)number(optarg, 0, 10000);
            break;
        case 'x':
            o->exotic = share(optarg);
            break;
        case 'i':
            o->invalid = share(optarg);
            break;
        case 'h':
            o->how = (enum invalid)choice(optarg, invalid_names, INVALID_MIX + 1);
            break;
        default:
            usage("unknown option");
        }
    }
    if (optind != argc)
        usage(argv[optind]);
    if (o->to < o->from)
        usage("--to lies before --from");
}

int main(int argc, char **argv)
{
    struct options o = {.n = 100,
                        .seed = 1,
                        .from = 1650000000,
                        .to = 1759999000,
                        .dense = 1200,
                        .dense_seconds = 1,
                        .future = 10,
                        .kinds = {1},
                        .kinds_n = 1,
                        .run_kind = -1,
                        .authors = 20,
                        .content_min = 20,
                        .content_max = 300,
                        .tags_max = 4,
                        .how = INVALID_MIX};
    read_options(&o, argc, argv);
    struct mint m = {.o = &o, .random = o.seed * 0x2545f4914f6cdd1du + 1};
    m.secp = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    m.authors = calloc(o.authors, sizeof *m.authors);
    m.at = calloc(o.n + 1u, sizeof *m.at);
    m.kinds = calloc(o.n + 1u, sizeof *m.kinds);
    m.line = (struct text){.p = malloc(LINE_MAX_BYTES), .room = LINE_MAX_BYTES};
    if (m.secp == NULL || m.authors == NULL || m.at == NULL || m.kinds == NULL || m.line.p == NULL)
        abort();
    make_authors(&m);
    make_times(&m);
    make_kinds(&m);
    for (uint32_t i = 0; i < o.n; i++)
        print_event(&m, i);
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    free(m.line.p);
    free(m.kinds);
    free(m.at);
    free(m.authors);
    secp256k1_context_destroy(m.secp);
    return failed ? 1 : 0;
}
