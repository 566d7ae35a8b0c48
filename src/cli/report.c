/* report: one page of HTML for the operator of a relay: how it does, as seen from here.
 *
 * The page stands alone: no scripts, nothing is loaded.  Names, errors and contradictions come from
 * the relay: everything that is written goes through put_text(). */
#include <inttypes.h>
#include <stdio.h>

#include "cli/relay_facts.h"
#include "core/human.h"

#define SHARE_EVENTS "2000"
#define DAYS         "90"

/* Which of the newest events seen there were seen nowhere else: a look-up by index for each. */
#define SHARE_SQL                                                                                  \
    "(SELECT json_build_object('of', count(*), 'only_here', count(*) FILTER (WHERE NOT EXISTS "    \
    "(SELECT FROM sighting s WHERE s.bucket = (e.key >> 47)::int4 AND s.keys @> ARRAY[e.key] AND " \
    "s.keys && ARRAY[e.key] AND s.relay_id <> r.relay_id))) FROM "                                 \
    "relay_newest(r.url, " SHARE_EVENTS ") n CROSS "                                               \
    "JOIN LATERAL (SELECT x.key FROM event x WHERE encode(x.id, 'hex') = n.event_id OFFSET 0) e)"

static const char sql[] =
    "SELECT json_build_object('url', r.url, 'network', r.network, 'known_since', r.inserted_at,"
    " 'now', extract(epoch FROM now())::int8, 'events_new', coalesce(s.events_new, 0),"
    " 'document', (SELECT json_build_object('name', left(m.nip11_name, 200), 'software', "
    "left(m.nip11_software, 200), 'version', left(m.nip11_version, 100)) FROM "
    "relay_metadata_latest m WHERE m.relay_url = r.url),"
    " 'health', (SELECT json_build_object('state', h.state, 'openable', h.openable, 'readable', "
    "h.readable, 'writable', h.writable, 'error', nullif(h.error, ''), 'rtt_p95', h.rtt_p95) FROM "
    "relay_health h WHERE h.relay_url = r.url),"
    " 'check', (SELECT json_build_object('at', c.generated_at, 'open', c.rtt_open, 'read', "
    "c.rtt_read, 'write', c.rtt_write, 'dns', c.dns_ms, 'tcp', c.tcp_ms, 'tls', c.tls_ms, "
    "'upgrade', c.upgrade_ms, 'document', c.rtt_nip11) FROM "
    "relay_history(r.url, 1) c),"
    " 'contradictions', (SELECT to_json(c.contradictions) FROM relay_history(r.url, 20) c WHERE "
    "c.contradictions IS NOT NULL ORDER BY c.generated_at DESC LIMIT 1),"
    " 'uptime', (SELECT json_build_object('24 hours', u.uptime_percentage_1d, '7 days', "
    "u.uptime_percentage_7d, '30 days', u.uptime_percentage_30d, 'ever', u.uptime_percentage) "
    "FROM relay_uptime u WHERE u.relay_url = r.url),"
    " 'days', (SELECT coalesce(json_agg(json_build_object('day', d.day, 'percent', "
    "d.uptime_percentage, 'open', d.rtt_open, 'read', d.rtt_read, 'checks', d.total_checks) ORDER "
    "BY d.day), '[]') FROM relay_uptime_daily d WHERE d.relay_url = r.url AND d.day > "
    "current_date - " DAYS "),"
    " 'share', " SHARE_SQL ","
    " 'gaps', (SELECT coalesce(json_agg(g), '[]') FROM (SELECT x.reason, count(*) AS n FROM "
    "relay_gap x WHERE x.relay_url = r.url GROUP BY 1 ORDER BY 2 DESC, 1) g),"
    " 'refused', (SELECT coalesce(json_agg(q), '[]') FROM (SELECT x.reason, x.events AS n FROM "
    "relay_reject x WHERE x.relay_url = r.url ORDER BY 2 DESC, 1) q)"
    ")::text FROM relays r LEFT JOIN relay_sync s USING (relay_id) WHERE r.url = $1";

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}h1{overflow-wrap:anywhere}h2{margin:1.6rem 0 .3rem;"
    "font-size:1.1rem}table{border-collapse:collapse;width:100%}"
    "td{padding:.15rem .5rem;border-bottom:1px solid #ddd;overflow-wrap:anywhere}"
    "td+td{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;height:4rem}"
    "small{color:#777}@media(prefers-color-scheme:dark){body{color:#ddd;background:#16181c}"
    "td{border-color:#333}}</style>\n";

/* Everything that is not ours. */
static void put_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
            (void)printf("&#%u;", c);
        else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            (void)fputs("\xef\xbf\xbd", stdout);
        else
            (void)putchar(c);
    }
}

static void put_date(int64_t seconds)
{
    char text[HUMAN_TIME_SIZE];

    (void)printf("%s UTC", human_minute(text, seconds));
}

static void put_row(const char *label, struct str value)
{
    (void)printf("<tr><td>%s</td><td>", label);
    put_text(value);
    (void)fputs("</td></tr>\n", stdout);
}

static void put_ms(const char *label, const struct js *ms)
{
    char text[32];

    if (js_int(ms, -1) < 0)
        return;
    (void)snprintf(text, sizeof(text), "%" PRId64 " ms", js_int(ms, 0));
    put_row(label, str_z(text));
}

static void put_percent(const char *label, const struct js *percent)
{
    char text[32];
    int type = js_type(percent);

    (void)snprintf(text, sizeof(text), "%.2f %%", js_real(percent, 0));
    put_row(label, type == JS_REAL || type == JS_INT ? str_z(text) : STR("no checks"));
}

static struct str answer(const struct js *v)
{
    return js_type(v) != JS_BOOL ? STR("not tested") : js_bool(v, false) ? STR("yes") : STR("no");
}

static void put_head(const struct js *root)
{
    struct str url = js_str(js_get(root, "url"), STR(""));
    struct str name = js_str(js_get(js_get(root, "document"), "name"), STR(""));

    (void)fputs(head, stdout);
    (void)fputs("<title>", stdout);
    put_text(url);
    (void)fputs("</title></head><body>\n<h1>", stdout);
    put_text(url);
    (void)fputs("</h1>\n<p>", stdout);
    put_text(name);
    (void)fputs(name.n > 0 ? "<br>" : "", stdout);
    (void)fputs("<small>as seen by bigbrotrd on ", stdout);
    put_date(js_int(js_get(root, "now"), 0));
    (void)fputs(", from one place: another may see another picture</small></p>\n", stdout);
}

static void put_health(const struct js *root)
{
    const struct js *health = js_get(root, "health"), *doc = js_get(root, "document");
    struct str error = js_str(js_get(health, "error"), STR(""));
    struct str software = js_str(js_get(doc, "software"), STR(""));

    (void)fputs("<h2>Now</h2><table>\n", stdout);
    put_row("State", js_str(js_get(health, "state"), STR("never checked")));
    put_row("Opens", answer(js_get(health, "openable")));
    put_row("Can be read", answer(js_get(health, "readable")));
    put_row("Can be written to", answer(js_get(health, "writable")));
    if (error.n > 0)
        put_row("Last failure", error);
    if (software.n > 0)
        put_row("Software", software);
    if (software.n > 0)
        put_row("Version", js_str(js_get(doc, "version"), STR("not said")));
    (void)fputs("</table>\n", stdout);
}

/* One bar a day, its height the share of checks that could open the relay. */
static void put_days(const struct js *days)
{
    size_t n = js_count(days);

    if (n == 0)
        return;
    (void)printf("<svg viewBox=\"0 0 %zu 100\" preserveAspectRatio=\"none\" role=\"img\" "
                 "aria-label=\"uptime by day\">\n",
                 n * 10);
    for (size_t i = 0; i < n; i++) {
        const struct js *day = js_at(days, i);
        double percent = js_real(js_get(day, "percent"), 0);

        (void)printf("<rect x=\"%zu\" y=\"%.1f\" width=\"9\" height=\"%.1f\" fill=\"%s\"><title>",
                     i * 10, 100 - percent, percent > 1 ? percent : 1,
                     percent >= 99   ? "#2e9e5b"
                     : percent >= 90 ? "#d9a514"
                                     : "#c8402f");
        put_text(js_str(js_get(day, "day"), STR("")));
        (void)printf(": %.1f %% of %" PRId64 "</title></rect>\n", percent,
                     js_int(js_get(day, "checks"), 0));
    }
    (void)fputs("</svg>\n", stdout);
}

static void put_uptime(const struct js *root)
{
    static const char *const spans[] = {"24 hours", "7 days", "30 days", "ever"};
    const struct js *uptime = js_get(root, "uptime");

    (void)fputs("<h2>Uptime</h2>\n", stdout);
    put_days(js_get(root, "days"));
    (void)fputs("<table>\n", stdout);
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
        put_percent(spans[i], js_get(uptime, spans[i]));
    (void)fputs("</table>\n", stdout);
}

static void put_times(const struct js *root)
{
    const struct js *check = js_get(root, "check");

    if (js_type(check) != JS_OBJECT)
        return;
    (void)fputs("<h2>Round trips</h2><table>\n", stdout);
    put_ms("To open it, in all", js_get(check, "open"));
    put_ms("&nbsp; its name", js_get(check, "dns"));
    put_ms("&nbsp; TCP", js_get(check, "tcp"));
    put_ms("&nbsp; TLS", js_get(check, "tls"));
    put_ms("&nbsp; WebSocket", js_get(check, "upgrade"));
    put_ms("To read", js_get(check, "read"));
    put_ms("To write", js_get(check, "write"));
    put_ms("Its document (NIP-11)", js_get(check, "document"));
    put_ms("95 of 100 answers came within", js_get(js_get(root, "health"), "rtt_p95"));
    (void)fputs("</table><p><small>checked on ", stdout);
    put_date(js_int(js_get(check, "at"), 0));
    (void)fputs("</small></p>\n<h2>Where the document and what was measured differ</h2>\n", stdout);
    const struct js *list = js_get(root, "contradictions");
    (void)fputs(js_count(list) == 0 ? "<p>Nowhere.</p>\n" : "<ul>\n", stdout);
    for (size_t i = 0; i < js_count(list); i++) {
        (void)fputs("<li>", stdout);
        put_text(js_str(js_at(list, i), STR("")));
        (void)fputs("</li>\n", stdout);
    }
    (void)fputs(js_count(list) == 0 ? "" : "</ul>\n", stdout);
}

static void put_counts(const struct js *list, const char *title)
{
    char text[32];

    if (js_count(list) == 0)
        return;
    (void)printf("<h2>%s</h2><table>\n", title);
    for (size_t i = 0; i < js_count(list); i++) {
        (void)fputs("<tr><td>", stdout);
        put_text(js_str(js_get(js_at(list, i), "reason"), STR("")));
        (void)snprintf(text, sizeof(text), "%" PRId64, js_int(js_get(js_at(list, i), "n"), 0));
        (void)printf("</td><td>%s</td></tr>\n", text);
    }
    (void)fputs("</table>\n", stdout);
}

static void put_events(const struct js *root)
{
    const struct js *share = js_get(root, "share");
    int64_t of = js_int(js_get(share, "of"), 0), only = js_int(js_get(share, "only_here"), 0);
    int64_t first = js_int(js_get(root, "events_new"), 0);

    (void)printf("<h2>Events</h2>\n<p>%" PRId64 " %s reached the archive from here first.", first,
                 human_noun(first, "event", "events"));
    if (of > 0)
        (void)printf(" Of the %" PRId64 " seen here last, %" PRId64
                     " (%.1f %%) were seen at no other relay.",
                     of, only, 100.0 * (double)only / (double)of);
    (void)fputs("</p>\n", stdout);
    put_counts(js_get(root, "gaps"), "Spans of time that could not be read completely, and why");
    put_counts(js_get(root, "refused"), "Events that were not archived, and why");
}

static void print(const struct command *c, const char *url, const struct js *root)
{
    (void)c;
    (void)url;
    put_head(root);
    put_health(root);
    put_uptime(root);
    put_times(root);
    put_events(root);
    (void)fputs("</body></html>\n", stdout);
}

int command_report(const struct command *c)
{
    static const struct relay_question q = {
        .usage = "bigbrotr report URL > report.html", .sql = {sql}, .print = print};

    return relay_facts(c, &q);
}
