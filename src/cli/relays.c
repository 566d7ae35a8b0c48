/* relays: every relay of the archive, one line each. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/words.h"
#include "core/human.h"
#include "core/network.h"

/* What is proven without a break up to the last proof, of whichever filter knows least. */
static const char sql[] =
    "WITH span AS (SELECT relay_id, filter_id, lo, hi,"
    "  lag(hi) OVER (PARTITION BY relay_id, filter_id ORDER BY lo) AS before FROM coverage),"
    " top AS (SELECT relay_id, filter_id, max(hi) AS hi,"
    "  max(lo) FILTER (WHERE before IS NULL OR before < lo - 1) AS lo FROM span GROUP BY 1, 2),"
    " proven AS (SELECT relay_id, max(lo) AS lo, min(hi) AS hi FROM top GROUP BY 1),"
    " gaps AS (SELECT relay_id, count(*) AS n FROM gap GROUP BY 1),"
    " list AS (SELECT r.url, r.network, coalesce(h.state, 'new') AS state,"
    "  coalesce(s.events_new, 0) AS events_new, coalesce(s.events, 0) AS event_messages,"
    "  p.lo AS proven_from, p.hi AS proven_to, coalesce(g.n, 0) AS gaps,"
    "  nullif(m.last_check_at_ms, 0) / 1000 AS last_check, u.uptime_percentage_30d AS uptime_30d,"
    "  nullif(h.error, '') AS error"
    "  FROM relays r LEFT JOIN relay_sync s USING (relay_id) LEFT JOIN relay_monitor m USING "
    "(relay_id) LEFT JOIN relay_health h ON h.relay_url = r.url LEFT JOIN relay_uptime u ON "
    "u.relay_url = r.url LEFT JOIN proven p USING (relay_id) LEFT JOIN gaps g USING (relay_id)"
    "  WHERE ($1 = '' OR r.network = $1) AND ($2 = '' OR coalesce(h.state, 'new') = $2))"
    " SELECT to_json(l)::text, l.url, l.network, l.state, l.events_new, coalesce(l.proven_from, "
    "-1),"
    "  l.gaps, coalesce(l.last_check, 0), coalesce(round(l.uptime_30d, 1)::text || ' %', '-')"
    " FROM list l ORDER BY l.events_new DESC, l.url";

static const char *const states[] = {"new", "healthy", "suspected", "failing", "retired"};
enum { STATES = sizeof(states) / sizeof(states[0]) };

struct listing {
    bool json;
    uint64_t n;
};

static void print_row(void *owner, const struct result *res, int row)
{
    struct listing *l = owner;
    char checked[HUMAN_TIME_SIZE], since[HUMAN_TIME_SIZE], proven[64];
    int64_t from = result_int(res, row, 5), gaps = result_int(res, row, 6);
    int64_t checked_at = result_int(res, row, 7);

    l->n++;
    if (l->json) {
        (void)printf("%s" STR_FMT, l->n == 1 ? "[" : ",\n ", STR_ARG(result_str(res, row, 0)));
        return;
    }
    if (l->n == 1)
        (void)printf("%-9s %-8s %10s %-16s %8s %-20s %s\n", "state", "network", "events",
                     "last check", "uptime", "proven", "url");
    if (from > 0)
        (void)snprintf(proven, sizeof(proven), "since %s", human_day(since, from));
    else
        (void)snprintf(proven, sizeof(proven), "%s", from == 0 ? "all" : "nothing");
    size_t at = strlen(proven);
    if (gaps > 0)
        (void)snprintf(proven + at, sizeof(proven) - at, ", %" PRId64 " gap%s", gaps,
                       gaps == 1 ? "" : "s");
    (void)printf("%-9.*s %-8.*s %10" PRId64 " %-16s %8.*s %-20s " STR_FMT "\n",
                 STR_ARG(result_str(res, row, 3)), STR_ARG(result_str(res, row, 2)),
                 result_int(res, row, 4),
                 checked_at > 0 ? human_minute(checked, checked_at) : "never",
                 STR_ARG(result_str(res, row, 8)), proven, STR_ARG(result_str(res, row, 1)));
}

static bool is_state(const char *word)
{
    for (int i = 0; i < STATES; i++)
        if (strcmp(word, states[i]) == 0)
            return true;
    return false;
}

int command_relays(const struct command *c)
{
    const char *network = "", *state = "";
    enum network which;
    struct word_option options[] = {
        {"--network", &network, 1, 0}, {"--state", &state, 1, 0}, {NULL, NULL, 0, 0}};
    struct listing l = {.json = c->json};
    struct words words;
    struct params p;
    struct err err;

    if (!words_read(c, options, &words) || words.n > 0 ||
        (network[0] != '\0' && !network_named(str_z(network), &which)) ||
        (state[0] != '\0' && !is_state(state))) {
        (void)fputs("usage: bigbrotr relays [--network clearnet|tor|i2p|loki] [--state "
                    "new|healthy|suspected|failing|retired]\n",
                    stderr);
        return COMMAND_USAGE;
    }
    struct archive *a = archive_open(c->cfg, &err);
    if (a == NULL)
        return command_fail(&err);
    params_init(&p);
    params_text(&p, str_z(network));
    params_text(&p, str_z(state));
    int rc = archive_query(a, sql, &p, print_row, &l, &err);
    archive_close(a);
    if (rc < 0)
        return command_fail(&err);
    if (c->json)
        (void)puts(l.n > 0 ? "]" : "[]");
    else if (l.n == 0)
        (void)fputs("bigbrotr: no relay is like that\n", stderr);
    return COMMAND_DONE;
}
