/* purge, vanish: what leaves the archive and stays out, whoever brings it again.
 *
 * The tombstone is written first, by itself; then what it excludes goes in small steps, beside the
 * running daemon.  Whoever is interrupted says the same again: it goes on. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/confirm.h"
#include "cli/words.h"
#include "core/clock.h"
#include "core/hex.h"
#include "core/human.h"
#include "nostr/filter_spec.h"
#include "nostr/nip19.h"

enum { STEP_EVENTS = 200, WHATS_MAX = 2 };

struct purge {
    const char *what[WHATS_MAX]; /* rows of table tombstone */
    int what_n;
    uint8_t value[32];
    int64_t until;
    const char *reason;
    bool yes;

    int64_t found, first, last; /* events that are here, and of which time */
    uint64_t events, sightings; /* deleted */
};

/* Author or event: NIP-19 says it, of hexadecimal digits the archive may know it. */
static int read_target(struct archive *a, const char *text, struct purge *p, struct err *err)
{
    static const char sql[] =
        "SELECT (EXISTS (SELECT FROM event e WHERE encode(e.id, 'hex') = encode($1::bytea, 'hex'))"
        " OR EXISTS (SELECT FROM tombstone t WHERE t.what = 'event' AND t.value = $1))::int4 + 2 *"
        " (EXISTS (SELECT FROM event e WHERE encode(e.pubkey, 'hex') = encode($1::bytea, 'hex'))"
        " OR EXISTS (SELECT FROM tombstone t WHERE t.what = 'author' AND t.value = $1))::int4";
    struct nip19 x;
    struct params q;
    int64_t known = 0;

    if (!hex_decode(p->value, str_z(text), 32)) {
        if (!nip19_decode(str_z(text), &x) || x.type == NIP19_NSEC || x.type == NIP19_NADDR)
            return err_set(
                err, ERR_CONFIG,
                "\"%.80s\" names no event and no author: 64 hexadecimal digits, note1.., "
                "nevent1.., npub1.. or nprofile1..",
                text);
        memcpy(p->value, x.key, sizeof(p->value));
        p->what[0] = x.type == NIP19_NOTE || x.type == NIP19_NEVENT ? "event" : "author";
        return 0;
    }
    params_init(&q);
    params_bytes(&q, p->value, sizeof(p->value));
    if (archive_int(a, sql, &q, &known, err) < 0)
        return -1;
    if (known != 1 && known != 2)
        return err_set(err, ERR_CONFIG,
                       "the archive has no event and no author %.64s: say which it is with note1.. "
                       "or npub1.. (bigbrotr encode)",
                       text);
    p->what[0] = known == 1 ? "event" : "author";
    return 0;
}

static void on_found(void *owner, const struct result *res, int row)
{
    struct purge *p = owner;

    p->found += result_int(res, row, 0);
    if (result_int(res, row, 0) == 0)
        return;
    if (p->first == 0 || result_int(res, row, 1) < p->first)
        p->first = result_int(res, row, 1);
    if (result_int(res, row, 2) > p->last)
        p->last = result_int(res, row, 2);
}

static void params_of(struct params *q, const struct purge *p, int i)
{
    params_init(q);
    params_text(q, str_z(p->what[i]));
    params_bytes(q, p->value, sizeof(p->value));
    params_int8(q, p->until);
}

static int look(struct archive *a, struct purge *p, struct err *err)
{
    for (int i = 0; i < p->what_n; i++) {
        struct params q;

        params_of(&q, p, i);
        if (archive_query(a,
                          "SELECT count(*), coalesce(min(created_at), 0), coalesce(max(created_at),"
                          " 0) FROM excluded_events($1, $2, $3)",
                          &q, on_found, p, err) < 0)
            return -1;
    }
    return 0;
}

static bool agreed(const struct purge *p)
{
    char first[HUMAN_TIME_SIZE], last[HUMAN_TIME_SIZE], hex[65] = "";

    hex_encode(hex, p->value, 32);
    if (!p->yes && confirm_possible()) {
        (void)fprintf(stderr, "%s %s: %" PRId64 " %s", p->what[0], hex, p->found,
                      human_noun(p->found, "event is here", "events are here"));
        if (p->found > 0)
            (void)fprintf(stderr, ", of %s to %s", human_day(first, p->first),
                          human_day(last, p->last));
        (void)fprintf(stderr, ".\nWhat goes cannot be brought back, and is kept out for good.\n");
    }
    return confirm(p->yes, "Delete?");
}

struct gone {
    int64_t events, sightings;
};

static void on_gone(void *owner, const struct result *res, int row)
{
    *(struct gone *)owner = (struct gone){result_int(res, row, 0), result_int(res, row, 1)};
}

static int carry_out(struct archive *a, struct purge *p, struct err *err)
{
    struct progress progress;
    int rc = 0;

    for (int i = 0; i < p->what_n && rc == 0; i++) {
        struct params q;

        params_of(&q, p, i);
        params_text(&q, str_z(p->reason));
        rc = archive_query(a, "SELECT tombstone_add($1, $2, $3, $4)", &q, NULL, NULL, err);
    }
    progress_start(&progress, "deleted");
    for (int i = 0; i < p->what_n && rc == 0; i++) {
        struct gone gone;

        do {
            struct params q;

            gone = (struct gone){0, 0};
            params_of(&q, p, i);
            params_int4(&q, STEP_EVENTS);
            rc = archive_query(a, "SELECT events, sightings FROM excluded_delete($1, $2, $3, $4)",
                               &q, on_gone, &gone, err);
            p->events += (uint64_t)gone.events;
            p->sightings += (uint64_t)gone.sightings;
            progress_add(&progress, (uint64_t)gone.events);
        } while (rc == 0 && gone.events > 0);
    }
    progress_done(&progress);
    return rc;
}

static void report(const struct command *c, const struct purge *p)
{
    char hex[65] = "";
    struct js *out;

    hex_encode(hex, p->value, 32);
    if (!c->json) {
        (void)printf("%" PRIu64 " %s and %" PRIu64 " %s deleted; %s %s stays out\n", p->events,
                     human_noun((int64_t)p->events, "event", "events"), p->sightings,
                     human_noun((int64_t)p->sightings, "sighting", "sightings"), p->what[0], hex);
        return;
    }
    out = js_new_object();
    js_set_z(out, "what", p->what[0]);
    js_set_z(out, "value", hex);
    if (p->until != INT64_MAX)
        js_set_int(out, "until", p->until);
    js_set_int(out, "events", (int64_t)p->events);
    js_set_int(out, "sightings", (int64_t)p->sightings);
    js_print(out, JS_PRETTY, stdout);
    js_free(out);
}

/* `target` NULL: it is known. */
static int run(const struct command *c, struct archive *a, const char *target, struct purge *p)
{
    struct err err;

    if ((target != NULL && read_target(a, target, p, &err) < 0) || look(a, p, &err) < 0)
        return command_fail(&err);
    if (!agreed(p))
        return COMMAND_USAGE;
    if (carry_out(a, p, &err) < 0)
        return command_fail(&err);
    report(c, p);
    return COMMAND_DONE;
}

int command_purge(const struct command *c)
{
    struct purge p = {.until = INT64_MAX, .what_n = 1};
    struct word_option options[] = {{"--reason", &p.reason, 1, 0}, {"--yes", NULL, 1, 0}, {0}};
    struct words words;
    struct archive *a;
    struct err err;
    int code;

    if (!words_read(c, options, &words) || words.n != 1 || p.reason == NULL) {
        (void)fputs("usage: bigbrotr purge ID|AUTHOR --reason TEXT [--yes]\n", stderr);
        return COMMAND_USAGE;
    }
    p.yes = options[1].n > 0;
    a = archive_open(c->cfg, &err);
    if (a == NULL)
        return command_fail(&err);
    code = run(c, a, words.plain[0], &p);
    archive_close(a);
    return code;
}

/* The public key alone: it need not be known. */
static bool read_author(const char *text, uint8_t key[32])
{
    struct nip19 x;

    if (hex_decode(key, str_z(text), 32))
        return true;
    if (!nip19_decode(str_z(text), &x) || (x.type != NIP19_NPUB && x.type != NIP19_NPROFILE))
        return false;
    memcpy(key, x.key, 32);
    return true;
}

int command_vanish(const struct command *c)
{
    struct purge p = {.what = {"author", "recipient"}, .what_n = 2};
    const char *until = NULL;
    struct word_option options[] = {
        {"--reason", &p.reason, 1, 0}, {"--until", &until, 1, 0}, {"--yes", NULL, 1, 0}, {0}};
    struct words words;
    struct archive *a;
    struct err err;
    int code;

    if (!words_read(c, options, &words) || words.n != 1 || p.reason == NULL ||
        !read_author(words.plain[0], p.value)) {
        (void)fputs(
            "usage: bigbrotr vanish PUBKEY [--until TIME] --reason TEXT [--yes]\n"
            "PUBKEY is 64 hexadecimal digits, npub1.. or nprofile1..; TIME is UNIX seconds, "
            "2024-05-01 or 2024-05-01T12:00:00Z; without it: now\n",
            stderr);
        return COMMAND_USAGE;
    }
    p.until = clock_wall_s();
    if (until != NULL && filter_read_time(str_z(until), &p.until, &err) < 0)
        return command_fail(&err);
    p.yes = options[2].n > 0;
    a = archive_open(c->cfg, &err);
    if (a == NULL)
        return command_fail(&err);
    code = run(c, a, NULL, &p);
    archive_close(a);
    return code;
}
