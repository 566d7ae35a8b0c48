/* relay: what the archive knows of one relay. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "cli/relay_facts.h"
#include "core/human.h"
#include "core/metrics.h"
#include "services/walk/walk.h"

/* How r.url came to be known: NULL when nobody has mentioned it. */
#define FOUND_SQL                                                                                  \
    "(SELECT json_build_object('first_seen', c.first_seen, 'first_source', c.first_source, "       \
    "'first_relay', (SELECT f.url FROM relays f WHERE f.relay_id = c.first_relay), "               \
    "'first_event', encode(c.first_event, 'hex'), 'last_seen', c.last_seen, 'mentions', "          \
    "c.mentions, 'authors', octet_length(c.authors) / 8, 'relays', cardinality(c.relays), "        \
    "'ways', (SELECT json_object_agg(p.source, p.mentions) FROM relay_provenance p WHERE p.url = " \
    "c.url)) FROM candidate c WHERE c.url = r.url)"

/* Everything in one JSON text, made by the server: the same facts for people and for --json. */
static const char sql[] =
    "SELECT json_build_object('url', r.url, 'network', r.network, 'known_since', r.inserted_at,"
    " 'last_connected', s.last_ok_at_ms / 1000, 'last_in_sync', s.synced_at_ms / 1000, "
    "'next_visit', s.next_at_ms / 1000,"
    " 'now', extract(epoch FROM now())::int8,"
    " 'failures', s.failures, 'error', nullif(s.error, ''), 'traits', nullif(s.traits, ''), "
    "'event_messages', s.events,"
    " 'bytes', s.bytes, 'events_new', s.events_new,"
    " 'health', (SELECT json_build_object('state', h.state, 'openable', h.openable, 'readable', "
    "h.readable, 'writable', h.writable,"
    "   'failures', h.failures_in_row, 'error', nullif(h.error, ''), 'rtt_read', h.rtt_read,"
    "   'last_success', extract(epoch FROM h.last_success)::int8, 'last_failure', extract(epoch "
    "FROM h.last_failure)::int8,"
    "   'next_check', extract(epoch FROM h.next_check)::int8) FROM relay_health h WHERE "
    "h.relay_url = r.url),"
    " 'coverage', (SELECT coalesce(json_agg(json_build_object('filter', c.filter, 'lo', c.lo, "
    "'hi', c.hi, 'grade', c.grade)"
    "   ORDER BY c.hi DESC), '[]') FROM relay_coverage c WHERE c.relay_url = r.url),"
    " 'gaps', (SELECT coalesce(json_agg(json_build_object('filter', g.filter, 'lo', g.lo, 'hi', "
    "g.hi, 'reason', g.reason,"
    "   'tries', g.tries) ORDER BY g.hi DESC), '[]') FROM relay_gap g WHERE g.relay_url = "
    "r.url), 'found', " FOUND_SQL ")::text"
    " FROM relays r LEFT JOIN relay_sync s USING (relay_id) WHERE r.url = $1";

/* Of a URL that is no relay (yet). */
static const char candidate_sql[] =
    "SELECT json_build_object('url', r.url, 'network', r.network, 'candidate', r.state, 'tries', "
    "r.tries, 'error', nullif(r.error, ''), 'last_probe', r.probed_at_ms / 1000, 'next_probe', "
    "CASE WHEN r.state IN ('new', 'failed') THEN r.next_at_ms / 1000 END, 'found', " FOUND_SQL
    ")::text FROM candidate r WHERE r.url = $1";

enum { SPANS_SHOWN = 12, AUTHORS_COUNTED = 32 };

static const char *date(char to[HUMAN_TIME_SIZE], int64_t seconds)
{
    return seconds == INT64_MAX ? "the end" : human_time(to, seconds);
}

static void print_time(const struct js *root, const char *key, const char *label)
{
    char text[HUMAN_TIME_SIZE];
    int64_t t = js_int(js_get(root, key), 0);

    (void)printf("%-14s %s\n", label, t > 0 ? date(text, t) : "never");
}

static void print_spans(const struct js *spans, const char *label, const char *why)
{
    char lo[HUMAN_TIME_SIZE], hi[HUMAN_TIME_SIZE];

    for (size_t i = 0; i < js_count(spans) && i < SPANS_SHOWN; i++) {
        const struct js *span = js_at(spans, i);
        (void)printf("%-14s %s to %s (" STR_FMT ")\n", i == 0 ? label : "",
                     date(lo, js_int(js_get(span, "lo"), 0)),
                     date(hi, js_int(js_get(span, "hi"), 0)),
                     STR_ARG(js_str(js_get(span, why), STR("?"))));
    }
    if (js_count(spans) > SPANS_SHOWN)
        (void)printf("%-14s and %zu more\n", "", js_count(spans) - SPANS_SHOWN);
    if (js_count(spans) == 0)
        (void)printf("%-14s none\n", label);
}

static const char *answer(const struct js *health, const char *key)
{
    const struct js *v = js_get(health, key);

    return js_type(v) != JS_BOOL ? "not tested" : js_bool(v, false) ? "yes" : "no";
}

/* "auth_required: the relay wants NIP-42 authentication (3 times in a row)" */
static void print_failure(const char *label, const struct js *of)
{
    struct str error = js_str(js_get(of, "error"), STR(""));
    int64_t failures = js_int(js_get(of, "failures"), 0);

    if (error.n == 0)
        return;
    (void)printf("%-14s " STR_FMT, label, STR_ARG(error));
    if (err_named(error) != ERR_NONE)
        (void)printf(": %s", err_text(err_named(error)));
    if (failures > 1)
        (void)printf(" (%" PRId64 " times in a row)", failures);
    (void)putchar('\n');
}

static void print_health(const struct js *health)
{
    int64_t rtt = js_int(js_get(health, "rtt_read"), -1);

    if (js_type(health) != JS_OBJECT)
        return;
    (void)printf("%-14s " STR_FMT ": opens %s, reads %s, writes %s", "health",
                 STR_ARG(js_str(js_get(health, "state"), STR("?"))), answer(health, "openable"),
                 answer(health, "readable"), answer(health, "writable"));
    if (rtt >= 0)
        (void)printf(", answers in %" PRId64 " ms", rtt);
    (void)putchar('\n');
    print_failure("last check", health);
    print_time(health, "last_success", "last well");
    print_time(health, "next_check", "next check");
}

/* In the words of `bigbrotr status`: the daemon knows, when it runs. */
static void print_state(const struct config *cfg, const char *url, const struct js *root)
{
    char question[2 * CONFIG_TEXT_SIZE + 8], text[HUMAN_TIME_SIZE];
    int64_t now = js_int(js_get(root, "now"), 0), next = js_int(js_get(root, "next_visit"), 0);
    struct err err;

    (void)snprintf(question, sizeof(question), "relay %s", url);
    struct js *answer = daemon_ask_json(cfg, question, &err);
    struct str state = js_str(js_get(answer, "state"), STR(""));
    if (state.n > 0) {
        next = js_int(js_get(answer, "next_visit"), 0);
        for (int i = 0; i < RELAY_STATE__COUNT; i++)
            if (str_eq(state, str_z(relay_state_name((enum relay_state)i))))
                (void)printf("%-14s %s\n", "state", relay_state_words((enum relay_state)i));
    }
    struct str by = js_str(js_get(answer, "denied_by"), STR(""));
    if (by.n > 0)
        (void)printf("%-14s " STR_FMT "\n", "denied by", STR_ARG(by));
    if (next > now)
        (void)printf("%-14s %s\n", "next visit", date(text, next));
    else if (state.n == 0)
        (void)printf("%-14s when the daemon runs\n", "next visit");
    js_free(answer);
}

static void print_trait(bool holds, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One line for each thing that has been learnt. */
static void print_trait(bool holds, const char *fmt, ...)
{
    va_list ap;

    if (!holds)
        return;
    (void)printf("%-14s ", "learnt");
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)putchar('\n');
}

static void print_traits(struct str text)
{
    struct walk_traits t = {0};
    char z[WALK_TRAITS_TEXT];

    if (str_copy(z, sizeof(z), text))
        walk_traits_read(&t, z);
    print_trait(t.cap > 0, "at most %" PRId32 " %s came at once", t.cap,
                human_noun(t.cap, "event", "events"));
    print_trait(t.page > 0, "it is asked for %" PRId32 " at once: more did not work", t.page);
    print_trait(t.newest_first == TRI_YES, "sends the newest first");
    print_trait(t.newest_first == TRI_NO, "does not send the newest first: it cannot be paged");
    print_trait(t.honours_until == TRI_NO, "ignores `until`: it cannot be paged");
    print_trait(t.hides, "hides some of its events from us");
    print_trait(t.restricts && !t.hides, "may hide some kinds from us");
    print_trait(t.scraper, "answers only what names kinds or authors");
    print_trait(t.finishes, "says when nothing is left (NIP-67)");
    print_trait(t.pages == 0, "nothing yet");
}

/* Where it was first mentioned, by how many, in which ways. */
static void print_found(const struct js *found)
{
    char text[HUMAN_TIME_SIZE];
    const char *separator = ": ";
    const struct js *ways = js_get(found, "ways");
    struct str way;
    struct js *n;
    struct str relay = js_str(js_get(found, "first_relay"), STR(""));
    int64_t authors = js_int(js_get(found, "authors"), 0);
    int64_t mentions = js_int(js_get(found, "mentions"), 0);

    if (js_type(found) != JS_OBJECT)
        return;
    (void)printf("%-14s %s as " STR_FMT "%s" STR_FMT "\n", "found",
                 date(text, js_int(js_get(found, "first_seen"), 0)),
                 STR_ARG(js_str(js_get(found, "first_source"), STR("?"))),
                 relay.n > 0 ? ", at " : "", STR_ARG(relay));
    (void)printf("%-14s %" PRId64 " %s by %" PRId64 "%s %s", "mentioned", mentions,
                 human_noun(mentions, "time", "times"), authors,
                 authors >= AUTHORS_COUNTED ? " or more" : "",
                 human_noun(authors, "author", "authors"));
    for (void *at = NULL; js_next(ways, &at, &way, &n); separator = ", ")
        (void)printf("%s" STR_FMT " %" PRId64, separator, STR_ARG(way), js_int(n, 0));
    (void)putchar('\n');
}

static void print_candidate(const struct js *root)
{
    (void)printf("%-14s " STR_FMT " (" STR_FMT ")\n", "candidate",
                 STR_ARG(js_str(js_get(root, "url"), STR(""))),
                 STR_ARG(js_str(js_get(root, "network"), STR(""))));
    (void)printf("%-14s " STR_FMT "\n", "state",
                 STR_ARG(js_str(js_get(root, "candidate"), STR("?"))));
    print_found(js_get(root, "found"));
    print_time(root, "last_probe", "last probe");
    print_failure("last failure", root);
    if (js_int(js_get(root, "next_probe"), 0) > 0)
        print_time(root, "next_probe", "next probe");
}

static void print_relay(const struct config *cfg, const char *url, const struct js *root)
{
    char bytes[32];
    int64_t messages = js_int(js_get(root, "event_messages"), 0);
    int64_t first = js_int(js_get(root, "events_new"), 0);

    (void)printf("%-14s " STR_FMT " (" STR_FMT ")\n", "relay",
                 STR_ARG(js_str(js_get(root, "url"), STR(""))),
                 STR_ARG(js_str(js_get(root, "network"), STR(""))));
    print_time(root, "known_since", "known since");
    print_found(js_get(root, "found"));
    print_health(js_get(root, "health"));
    print_time(root, "last_connected", "last connected");
    print_time(root, "last_in_sync", "last in sync");
    print_state(cfg, url, root);
    print_failure("last failure", root);
    (void)printf("%-14s %" PRId64 " EVENT %s, %s, %" PRId64 " %s first from here\n", "read",
                 messages, human_noun(messages, "message", "messages"),
                 human_bytes(bytes, sizeof(bytes), (double)js_int(js_get(root, "bytes"), 0)), first,
                 human_noun(first, "event", "events"));
    print_traits(js_str(js_get(root, "traits"), STR("")));
    print_spans(js_get(root, "coverage"), "proven", "grade");
    print_spans(js_get(root, "gaps"), "gaps", "reason");
}

static void print(const struct command *c, const char *url, const struct js *root)
{
    if (js_get(root, "candidate") != NULL)
        print_candidate(root);
    else
        print_relay(c->cfg, url, root);
}

int command_relay(const struct command *c)
{
    static const struct relay_question q = {
        .usage = "bigbrotr relay URL", .sql = {sql, candidate_sql}, .print = print};

    return relay_facts(c, &q);
}
