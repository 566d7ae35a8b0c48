/* status: what the running daemon says of itself, by way of its control socket. */
#include "cli/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/words.h"
#include "core/human.h"
#include "core/metrics.h"
#include "db/cluster.h"

enum { WATCH_SECONDS = 2, WATCH_SECONDS_MAX = 86400 };

static int64_t number(const struct js *root, const char *group, const char *key)
{
    return js_int(js_get(group != NULL ? js_get(root, group) : root, key), 0);
}

static void print_members(FILE *out, const struct js *object, const char *separator)
{
    struct str key;
    struct js *value;
    bool first = true;

    for (void *at = NULL; js_next(object, &at, &key, &value); first = false)
        (void)fprintf(out, "%s%" PRId64 " " STR_FMT, first ? "" : separator, js_int(value, 0),
                      STR_ARG(key));
    (void)fputc('\n', out);
}

/* The same words as on the terminal. */
static void print_states(FILE *out, const struct js *by_state)
{
    for (int i = 0; i < RELAY_STATE__COUNT; i++)
        (void)fprintf(out, "%s%" PRId64 " %s", i == 0 ? "          " : ", ",
                      js_int(js_get(by_state, relay_state_name((enum relay_state)i)), 0),
                      relay_state_words((enum relay_state)i));
    (void)fputc('\n', out);
}

static void print_count(FILE *out, const char *before, int64_t n, const char *one, const char *many)
{
    (void)fprintf(out, "%s%" PRId64 " %s", before, n, human_noun(n, one, many));
}

static void print_archive(FILE *out, const struct js *root)
{
    char size[32], growth[32], free_bytes[32], lasts[32];
    double per_hour = js_real(js_get(js_get(root, "archive"), "growth_bytes_per_hour"), 0);
    int64_t disk_free = number(root, "archive", "disk_free_bytes");

    print_count(out, "archive   ", number(root, "archive", "events"), "event", "events");
    print_count(out, ", ", number(root, "archive", "sightings"), "sighting", "sightings");
    print_count(out, ", ", number(root, "archive", "gaps"), "gap", "gaps");
    (void)fputs(" declared\n", out);
    (void)fprintf(
        out, "disk      %s, %s/h",
        human_bytes(size, sizeof(size), (double)number(root, "archive", "database_bytes")),
        human_bytes(growth, sizeof(growth), per_hour));
    if (disk_free >= 0)
        (void)fprintf(out, ", %s free",
                      human_bytes(free_bytes, sizeof(free_bytes), (double)disk_free));
    if (disk_free >= 0 && per_hour >= 1024)
        (void)fprintf(out, ", lasts %s",
                      human_duration(lasts, sizeof(lasts), (double)disk_free / per_hour * 3600));
    (void)fputc('\n', out);
}

static void print_memory(FILE *out, const struct js *root)
{
    struct str key;
    struct js *value;
    char used[32], most[32];

    for (void *at = NULL; js_next(js_get(root, "memory"), &at, &key, &value);)
        if (js_bool(js_get(value, "fixed"), false))
            (void)fprintf(
                out, "memory    %-12.*s %s, always: a table that was made whole\n", STR_ARG(key),
                human_bytes(most, sizeof(most), (double)js_int(js_get(value, "max_bytes"), 0)));
        else
            (void)fprintf(
                out, "memory    %-12.*s %s of %s\n", STR_ARG(key),
                human_bytes(used, sizeof(used), (double)js_int(js_get(value, "used_bytes"), 0)),
                human_bytes(most, sizeof(most), (double)js_int(js_get(value, "max_bytes"), 0)));
}

static void print_settings(FILE *out)
{
    uint32_t n;
    const struct cluster_setting *settings = cluster_settings(&n);

    (void)fputs("\nThe private PostgreSQL runs with:\n", out);
    for (uint32_t i = 0; i < n; i++)
        (void)fprintf(out, "  %-36s %-10s %s\n", settings[i].name, settings[i].value,
                      settings[i].why);
}

/* Of the networks that have relays. */
static void print_proxies(FILE *out, const struct js *root)
{
    const struct js *proxies = js_get(root, "proxies");
    const struct js *relays = js_get(js_get(root, "relays"), "by_network");

    for (int i = 0; i < NETWORK__COUNT; i++) {
        const char *name = network_name((enum network)i);
        struct str text = js_str(js_get(proxies, name), STR(""));
        if (text.n > 0 && js_int(js_get(relays, name), 0) > 0)
            (void)fprintf(out, "%-9s " STR_FMT "\n", name, STR_ARG(text));
    }
}

static void print_finder(FILE *out, const struct js *f)
{
    int64_t failing = js_int(js_get(f, "lists_failing"), 0);

    if (!js_bool(js_get(f, "enabled"), false))
        return;
    (void)fprintf(out,
                  "found     %" PRId64 " became relays; %" PRId64 " candidates wait, %" PRId64
                  " failed, %" PRId64 " dropped, %" PRId64 " denied; %" PRId64
                  " probed this hour\n",
                  js_int(js_get(f, "promoted"), 0), js_int(js_get(f, "waiting"), 0),
                  js_int(js_get(f, "failed"), 0), js_int(js_get(f, "dropped"), 0),
                  js_int(js_get(f, "denied"), 0), js_int(js_get(f, "probed_this_hour"), 0));
    if (failing > 0)
        (void)fprintf(out,
                      "lists     %" PRId64 " of %" PRId64 " cannot be read: the log says why\n",
                      failing, js_int(js_get(f, "lists"), 0));
}

static void print_keeper(FILE *out, const struct js *k)
{
    char day[HUMAN_TIME_SIZE];
    int64_t rules = js_int(js_get(k, "rules"), 0), upto = js_int(js_get(k, "done_up_to"), 0);
    struct str stalled = js_str(js_get(k, "export_stalled"), STR(""));

    if (rules == 0)
        return;
    print_count(out, "retention ", js_int(js_get(k, "deleted_by_rules"), 0), "event", "events");
    print_count(out, " deleted by ", rules, "rule", "rules");
    if (js_bool(js_get(k, "behind"), false))
        (void)fprintf(out, ", has come to %s", upto > 0 ? human_day(day, upto) : "the beginning");
    (void)fputc('\n', out);
    if (stalled.n > 0)
        (void)fprintf(out, "          stalled, deletes nothing: " STR_FMT "\n", STR_ARG(stalled));
}

void status_print(FILE *out, const struct js *root)
{
    char up[32];
    struct str paused = js_str(js_get(root, "paused"), STR(""));

    (void)fprintf(out, "bigbrotrd " STR_FMT ": " STR_FMT " for %s\n",
                  STR_ARG(js_str(js_get(root, "version"), STR("?"))),
                  STR_ARG(js_str(js_get(root, "phase"), STR("?"))),
                  human_duration(up, sizeof(up), (double)number(root, NULL, "uptime_seconds")));
    (void)fprintf(out, "database  " STR_FMT ", in " STR_FMT "\n",
                  STR_ARG(js_str(js_get(root, "database"), STR("?"))),
                  STR_ARG(js_str(js_get(root, "state_dir"), STR("?"))));
    (void)fprintf(out, "relays    %" PRId64 " known, %" PRId64 " connected: ",
                  number(root, "relays", "known"), number(root, "relays", "connected"));
    print_members(out, js_get(js_get(root, "relays"), "by_network"), ", ");
    print_states(out, js_get(js_get(root, "relays"), "by_state"));
    if (js_bool(js_get(js_get(root, "monitor"), "enabled"), false))
        (void)fprintf(out,
                      "health    %" PRId64 " of %" PRId64 " relays checked, %" PRId64
                      " readable, %" PRId64 " failing, %" PRId64 " retired; %" PRId64 " due%s\n",
                      number(root, "monitor", "checked"), number(root, "monitor", "relays"),
                      number(root, "monitor", "readable"), number(root, "monitor", "failing"),
                      number(root, "monitor", "retired"), number(root, "monitor", "due"),
                      js_bool(js_get(js_get(root, "monitor"), "outage"), false)
                          ? "; all seem down: our own network?"
                          : "");
    (void)fprintf(out, "coverage  %" PRId64 " of %" PRId64 " answering relays complete\n",
                  number(root, "relays", "ever_in_sync"), number(root, "relays", "ever_ready"));
    (void)fprintf(out, "this run  %" PRId64 " archived (%.0f/s)", number(root, "run", "archived"),
                  js_real(js_get(js_get(root, "run"), "archived_per_second"), 0));
    print_count(out, ", ", number(root, "run", "duplicates"), "duplicate", "duplicates");
    (void)fprintf(out, ", %" PRId64 " refused\n", number(root, "run", "rejected"));
    print_finder(out, js_get(root, "finder"));
    print_archive(out, root);
    print_keeper(out, js_get(root, "keeper"));
    if (paused.n > 0)
        (void)fprintf(out, "history   paused: " STR_FMT "\n", STR_ARG(paused));
    print_proxies(out, root);
    print_memory(out, root);
}

int command_status(const struct command *c)
{
    struct word_option options[] = {{"--watch", NULL, 1, 0}, {0}};
    uint64_t seconds = WATCH_SECONDS;
    struct words words;
    struct err err;

    if (!words_read(c, options, &words) || words.n > options[0].n ||
        (words.n == 1 && !str_u64(str_z(words.plain[0]), &seconds)) || seconds == 0 ||
        seconds > WATCH_SECONDS_MAX) {
        (void)fprintf(stderr,
                      "usage: bigbrotr status [--watch [SECONDS]]    SECONDS: 1 to %d, %d "
                      "without\n",
                      WATCH_SECONDS_MAX, WATCH_SECONDS);
        return COMMAND_USAGE;
    }
    if (options[0].n > 0)
        return status_watch(c, (time_t)seconds);
    struct js *json = daemon_ask_json(c->cfg, "status", &err);
    if (json == NULL)
        return command_fail(&err);
    if (c->json) {
        js_print(json, JS_PRETTY, stdout);
    } else {
        status_print(stdout, json);
        if (c->cfg->database_url[0] == '\0')
            print_settings(stdout);
    }
    js_free(json);
    return COMMAND_DONE;
}
