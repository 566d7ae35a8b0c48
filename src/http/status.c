/* status: see status.h. */
#include "http/status.h"

#include <stdarg.h>
#include <string.h>

#include "core/human.h"

static const char *const pool_names[] = {
#define ROW(name, text) text,
    POOLS(ROW)
#undef ROW
};

enum { BLOCK_LINE_MAX = 512, STATES_INDENT = 11 };

/* How long the disk lasts at this growth; "" when that cannot be said. */
static const char *disk_lasts(const struct status *s, char *to, size_t size)
{
    to[0] = '\0';
    if (s->disk_free_bytes > 0 && s->growth_bytes_per_h >= 1024)
        (void)human_duration(to, size, (double)s->disk_free_bytes / s->growth_bytes_per_h * 3600);
    return to;
}

static struct js *counts(const uint32_t *values, int n, const char *(*name)(int i))
{
    struct js *object = js_new_object();

    for (int i = 0; i < n; i++)
        js_set_int(object, name(i), values[i]);
    return object;
}

static const char *state_name(int i)
{
    return relay_state_name((enum relay_state)i);
}

static const char *name_of_network(int i)
{
    return network_name((enum network)i);
}

static int64_t total(const int64_t *values, int n)
{
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += values[i];
    return sum;
}

/* Only what happened: most reasons never occur. */
static struct js *reasons(const int64_t *values, int n, const char *(*name)(int i))
{
    struct js *object = js_new_object();

    for (int i = 0; i < n; i++)
        if (values[i] != 0)
            js_set_int(object, name(i), values[i]);
    return object;
}

static const char *name_of_reject(int i)
{
    return reject_name((enum reject)i);
}

static const char *name_of_error(int i)
{
    return err_name((enum err_code)i);
}

/* The same of all networks. */
static struct js *errors(int64_t (*values)[ERR__COUNT])
{
    int64_t sums[ERR__COUNT] = {0};

    for (int i = 0; i < NETWORK__COUNT; i++)
        for (int k = 0; k < ERR__COUNT; k++)
            sums[k] += values[i][k];
    return reasons(sums, ERR__COUNT, name_of_error);
}

/* What this run did, from the metrics. */
static struct js *run_json(const struct status *s)
{
    struct js *run = js_new_object();

    js_set_int(run, "archived", s->archived);
    js_set_int(run, "duplicates", s->duplicates);
    js_set_int(run, "rejected", s->rejected);
    js_set_int(run, "sightings", metrics.sightings_total[0]);
    js_set_int(run, "received_bytes", s->received_bytes);
    js_set_int(run, "event_messages", total(metrics.event_messages_total, NETWORK__COUNT));
    js_set_int(run, "event_bytes", metrics.event_bytes_total[0]);
    js_set_int(run, "requests", total(metrics.requests_total, NETWORK__COUNT));
    js_set_int(run, "dials", total(metrics.dials_total, NETWORK__COUNT));
    js_set_int(run, "signature_checks", metrics.signature_checks_total[0]);
    js_set_int(run, "transactions", metrics.batches_total[0]);
    js_set_int(run, "transactions_repeated", metrics.batch_retries_total[0]);
    js_set_real(run, "archived_per_second", s->archived_per_s);
    js_set_real(run, "received_bytes_per_second", s->received_per_s);
    js_set(run, "rejected_by_reason",
           reasons(metrics.events_rejected_total, REJECT__COUNT, name_of_reject));
    js_set(run, "requests_refused_by_reason",
           reasons(metrics.refusals_total, ERR__COUNT, name_of_error));
    js_set(run, "connections_ended_by_reason", errors(metrics.dial_failures_total));
    return run;
}

static struct js *monitor_json(const struct status_monitor *m);
static struct js *finder_json(const struct status_finder *f);
static struct js *keeper_json(const struct status_keeper *k);

struct js *status_json(const struct status *s)
{
    struct js *root = js_new_object(), *relays = js_new_object(), *archive = js_new_object();
    struct js *memory = js_new_object(), *proxies = js_new_object();

    js_set_z(root, "version", BIGBROTR_VERSION);
    js_set_z(root, "phase", s->phase);
    js_set_int(root, "started_at", s->started_at);
    js_set_int(root, "uptime_seconds", s->uptime_s);
    js_set_z(root, "state_dir", s->state_dir);
    js_set_z(root, "database", s->database);
    js_set_bool(root, "database_up", s->database_up);
    js_set_z(root, "paused", s->paused[0] != '\0' ? s->paused : NULL);

    js_set_int(relays, "known", s->relays);
    js_set(relays, "by_network", counts(s->relays_on, NETWORK__COUNT, name_of_network));
    js_set(relays, "by_state", counts(s->relays_in, RELAY_STATE__COUNT, state_name));
    js_set_int(relays, "connected", s->connections);
    js_set_int(relays, "ever_ready", s->relays_ever_ready);
    js_set_int(relays, "ever_in_sync", s->relays_synced);
    js_set(root, "relays", relays);
    for (int i = 0; i < NETWORK__COUNT; i++)
        if (s->proxies[i][0] != '\0')
            js_set_z(proxies, name_of_network(i), s->proxies[i]);
    js_set(root, "proxies", proxies);

    js_set_int(archive, "events", s->events);
    js_set_int(archive, "sightings", s->sightings);
    js_set_int(archive, "coverage_spans", s->spans);
    js_set_int(archive, "gaps", s->gaps);
    js_set_int(archive, "database_bytes", s->database_bytes);
    js_set_real(archive, "growth_bytes_per_hour", s->growth_bytes_per_h);
    js_set_int(archive, "disk_free_bytes", s->disk_free_bytes);
    js_set_int(archive, "disk_total_bytes", s->disk_total_bytes);
    js_set(root, "archive", archive);

    js_set(root, "run", run_json(s));
    js_set(root, "monitor", monitor_json(&s->monitor));
    js_set(root, "finder", finder_json(&s->finder));
    js_set(root, "keeper", keeper_json(&s->keeper));

    for (int i = 0; i < POOL__COUNT; i++) {
        struct js *pool = js_new_object();
        js_set_int(pool, "used_bytes", s->memory_used[i]);
        js_set_int(pool, "max_bytes", s->memory_max[i]);
        js_set_bool(pool, "fixed", i == POOL_KNOWN_IDS); /* allocated whole: never "full" */
        js_set(memory, pool_names[i], pool);
    }
    js_set(root, "memory", memory);
    js_set_int(root, "loop_lag_max_milliseconds", s->loop_lag_max_ms);
    js_set_int(root, "loop_turn_max_microseconds", s->loop_turn_max_us);
    return root;
}

static struct js *monitor_json(const struct status_monitor *m)
{
    struct js *object = js_new_object();

    js_set_bool(object, "enabled", m->enabled);
    js_set_int(object, "relays", m->relays);
    js_set_int(object, "checked", m->checked);
    js_set_int(object, "due", m->due);
    js_set_int(object, "running", m->running);
    js_set_int(object, "readable", m->readable);
    js_set_int(object, "failing", m->failing);
    js_set_int(object, "retired", m->retired);
    js_set_int(object, "checks", total(metrics.checks_total, NETWORK__COUNT));
    js_set_bool(object, "outage", m->outage);
    js_set_int(object, "published", metrics.published_total[0]);
    js_set_int(object, "waiting_to_be_published", m->publish_waiting);
    js_set(object, "failures_by_reason", errors(metrics.check_failures_total));
    return object;
}

static int64_t candidate_probes(void)
{
    int64_t n = 0;

    for (int i = 0; i < CANDIDATE_PROBE__COUNT; i++)
        n += metrics.candidate_probes_total[i];
    return n;
}

static struct js *finder_json(const struct status_finder *f)
{
    struct js *object = js_new_object();

    js_set_bool(object, "enabled", f->enabled);
    js_set_int(object, "waiting", f->waiting);
    js_set_int(object, "failed", f->failed);
    js_set_int(object, "dropped", f->dropped);
    js_set_int(object, "denied", f->denied);
    js_set_int(object, "promoted", f->promoted);
    js_set_int(object, "refused", f->refused);
    js_set_int(object, "running", f->running);
    js_set_int(object, "probed_this_hour", f->probed_this_hour);
    js_set_int(object, "lists", f->lists);
    js_set_int(object, "lists_failing", f->lists_failing);
    js_set_int(object, "probes", candidate_probes());
    js_set_int(object, "found", metrics.candidates_promoted_total[0]);
    return object;
}

static struct js *keeper_json(const struct status_keeper *k)
{
    struct js *object = js_new_object();

    js_set_int(object, "rules", k->rules);
    js_set_int(object, "deleted_by_rules", k->expired);
    js_set_int(object, "deleted_by_request", k->vanished);
    js_set_int(object, "done_up_to", k->done_upto);
    js_set_bool(object, "behind", k->behind);
    js_set_int(object, "exported", k->exported);
    js_set_z(object, "export_stalled", k->stalled[0] != '\0' ? k->stalled : NULL);
    return object;
}

/* For a terminal */

struct block {
    FILE *out;
    uint32_t width, lines;
};

static void put(struct block *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line that is wider than the terminal would wrap, and the block could not be erased again. */
static void put(struct block *b, const char *fmt, ...)
{
    char line[BLOCK_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if ((uint32_t)n > b->width && b->width < sizeof(line))
        line[b->width] = '\0';
    (void)fprintf(b->out, "%s\n", line);
    b->lines++;
}

static double percent(uint32_t part, uint32_t whole)
{
    return whole == 0 ? 0 : 100.0 * part / whole;
}

/* In two lines where the terminal is narrow. */
static void put_states(struct block *b, const struct status *s)
{
    char line[BLOCK_LINE_MAX];
    size_t n = 0;

    for (int i = 0; i < RELAY_STATE__COUNT; i++) {
        char piece[64];
        size_t more = (size_t)snprintf(piece, sizeof(piece), "%u %s%s", s->relays_in[i],
                                       relay_state_words((enum relay_state)i),
                                       i + 1 < RELAY_STATE__COUNT ? "," : "");
        if (n > 0 && STATES_INDENT + n + 1 + more > b->width) {
            put(b, "%*s%s", STATES_INDENT, "", line);
            n = 0;
        }
        n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", n > 0 ? " " : "", piece);
    }
    put(b, "%*s%s", STATES_INDENT, "", line);
}

static void put_relays(struct block *b, const struct status *s)
{
    put(b, " relays    %u known (%u clearnet, %u tor, %u i2p, %u loki), %u connected", s->relays,
        s->relays_on[NETWORK_CLEARNET], s->relays_on[NETWORK_TOR], s->relays_on[NETWORK_I2P],
        s->relays_on[NETWORK_LOKI], s->connections);
    put_states(b, s);
}

static void put_monitor(struct block *b, const struct status_monitor *m)
{
    if (!m->enabled)
        return;
    put(b, " health    %u of %u relays checked, %u readable, %u failing, %u retired; %u due%s",
        m->checked, m->relays, m->readable, m->failing, m->retired, m->due,
        m->outage ? "; all seem down: our own network?" : "");
}

static void put_finder(struct block *b, const struct status_finder *f)
{
    if (!f->enabled)
        return;
    put(b,
        " found     %lld became relays; %lld candidates wait, %lld failed, %lld dropped; %u probed "
        "this hour",
        (long long)f->promoted, (long long)f->waiting, (long long)f->failed, (long long)f->dropped,
        f->probed_this_hour);
    if (f->lists_failing > 0)
        put(b, " lists     %u of %u cannot be read: the log says why", f->lists_failing, f->lists);
}

static void put_archive(struct block *b, const struct status *s)
{
    char size[32], growth[32], lasts[32], traffic[32], free_bytes[32];

    put(b, " events    %lld archived (%+.0f/s), %lld %s, %lld refused; %s/s received",
        (long long)(s->events > s->archived ? s->events : s->archived), s->archived_per_s,
        (long long)s->duplicates, human_noun(s->duplicates, "duplicate", "duplicates"),
        (long long)s->rejected, human_bytes(traffic, sizeof(traffic), s->received_per_s));
    put(b, " coverage  %u of %u answering relays complete (%.1f %%), %lld %s declared",
        s->relays_synced, s->relays_ever_ready, percent(s->relays_synced, s->relays_ever_ready),
        (long long)s->gaps, human_noun(s->gaps, "gap", "gaps"));
    if (s->disk_free_bytes < 0)
        put(b, " disk      archive %s, %s/h",
            human_bytes(size, sizeof(size), (double)s->database_bytes),
            human_bytes(growth, sizeof(growth), s->growth_bytes_per_h));
    else
        put(b, " disk      archive %s, %s/h, %s free%s%s",
            human_bytes(size, sizeof(size), (double)s->database_bytes),
            human_bytes(growth, sizeof(growth), s->growth_bytes_per_h),
            human_bytes(free_bytes, sizeof(free_bytes), (double)s->disk_free_bytes),
            disk_lasts(s, lasts, sizeof(lasts))[0] != '\0' ? ", lasts " : "", lasts);
}

static void put_keeper(struct block *b, const struct status_keeper *k)
{
    char day[HUMAN_TIME_SIZE];
    const char *upto = k->done_upto > 0 ? human_day(day, k->done_upto) : "the beginning";

    if (k->rules == 0)
        return;
    put(b, " retention %lld %s deleted by %u %s%s%s", (long long)k->expired,
        human_noun(k->expired, "event", "events"), k->rules, human_noun(k->rules, "rule", "rules"),
        k->behind ? ", has come to " : "", k->behind ? upto : "");
    if (k->stalled[0] != '\0')
        put(b, "           stalled, deletes nothing: %s", k->stalled);
}

void status_block(const struct status *s, uint32_t width, FILE *out, uint32_t *lines)
{
    struct block b = {.out = out, .width = width};
    char up[32];

    put(&b, "bigbrotrd " BIGBROTR_VERSION ": %s, %s; database: %s", s->phase,
        human_duration(up, sizeof(up), (double)s->uptime_s), s->database);
    put_relays(&b, s);
    put_monitor(&b, &s->monitor);
    put_finder(&b, &s->finder);
    put_archive(&b, s);
    put_keeper(&b, &s->keeper);
    if (s->paused[0] != '\0')
        put(&b, " history   paused: %s", s->paused);
    for (int i = 0; i < NETWORK__COUNT; i++)
        if (s->relays_on[i] > 0 && s->proxies[i][0] != '\0')
            put(&b, " %-9s %s", name_of_network(i), s->proxies[i]);
    *lines = b.lines;
}

void status_line(const struct status *s, char *to, size_t size)
{
    char bytes[32], states[256];
    size_t n = 0;

    for (int i = 0; i < RELAY_STATE__COUNT; i++)
        n += (size_t)snprintf(states + n, sizeof(states) - n, " %s=%u",
                              relay_state_name((enum relay_state)i), s->relays_in[i]);
    (void)snprintf(
        to, size,
        "%s: relays=%u connected=%u%s archived=%lld per_second=%.0f "
        "duplicates=%lld complete=%u/%u gaps=%lld size=\"%s\"%s%s%s",
        s->phase, s->relays, s->connections, states, (long long)s->archived, s->archived_per_s,
        (long long)s->duplicates, s->relays_synced, s->relays_ever_ready, (long long)s->gaps,
        human_bytes(bytes, sizeof(bytes), (double)s->database_bytes),
        s->paused[0] != '\0' ? " paused=\"" : "", s->paused, s->paused[0] != '\0' ? "\"" : "");
}
