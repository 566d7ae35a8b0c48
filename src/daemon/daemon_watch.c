/* daemon_watch: looks at the running parts once a second.
 *
 *     parts --> struct status --> the block on a terminal, or a line every 10 s; the control
 * socket; gauges
 *           \-> disk: is there room for history?
 *
 * Everything here only reads, but for one thing: it pauses history when the disk or the archive is
 * full. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/human.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "loop/notify.h"

enum {
    TICK_MS = 1000,
    LINE_EVERY_MS = 10 * 1000,
    STATS_EVERY_MS = 5 * 1000,
    RATE_TICKS = 10,     /* rates are means over so many seconds */
    GROWTH_SAMPLES = 60, /* of the database's size, a minute apart */
    GROWTH_EVERY_MS = 60 * 1000,
    GROWTH_SAMPLES_MIN = 6, /* a few minutes: before, a number would only alarm */
    BLOCK_MAX = 8192
};

struct sample {
    int64_t at_ms, archived, duplicates, received;
};

struct watch {
    struct daemon *d;
    uv_timer_t timer;
    struct store_stats stats;
    bool stats_known, stats_asked;
    int64_t stats_ms, line_ms, notify_ms;
    struct sample samples[RATE_TICKS];
    uint32_t samples_n;
    struct {
        int64_t at_ms, bytes;
    } sizes[GROWTH_SAMPLES];
    uint32_t sizes_n;
    int64_t disk_free, disk_total;
    bool paused;
    char paused_text[STATUS_TEXT_MAX];
    uint32_t lag_max_ms, turn_max_us;

    bool terminal, drawn;
    uint32_t lines;
    char block[BLOCK_MAX];
    size_t block_n;
};

static void on_tick(uv_timer_t *timer);
static void ask_stats(struct watch *w);
static void look_at_disk(struct watch *w);
static void set_gauges(const struct watch *w, const struct status *s);
static void tell_supervisor(struct watch *w, const struct status *status);
static void show(struct watch *w, const struct status *status);
static void draw(struct watch *w, const struct status *status);
static void erase(void *owner);
static void redraw(void *owner);

struct watch *watch_open(struct daemon *d)
{
    struct watch *w = calloc(1, sizeof(*w));
    const char *term = getenv("TERM");

    if (w == NULL)
        abort();
    w->d = d;
    w->disk_free = w->disk_total = -1;
    w->terminal = isatty(STDERR_FILENO) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    w->line_ms = clock_mono_ms();
    (void)uv_timer_init(loop_uv(d->loop), &w->timer);
    w->timer.data = w;
    (void)uv_timer_start(&w->timer, on_tick, 0, TICK_MS);
    if (w->terminal) {
        const struct log_hook hook = {.erase = erase, .redraw = redraw, .owner = w};
        log_set_hook(&hook);
    }
    return w;
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;

    free(w);
}

void watch_close(struct watch *w)
{
    log_set_hook(NULL);
    w->d->watch = NULL;
    uv_close((uv_handle_t *)&w->timer, on_closed);
}

static void on_tick(uv_timer_t *timer)
{
    struct watch *w = timer->data;
    int64_t now = clock_mono_ms();
    struct sample *oldest = &w->samples[w->samples_n++ % RATE_TICKS];
    struct status status;

    *oldest = (struct sample){.at_ms = now,
                              .archived = metrics.events_archived_total[0],
                              .duplicates = metrics.events_duplicate_total[0]};
    for (int i = 0; i < NETWORK__COUNT; i++)
        oldest->received += metrics.received_bytes_total[i];
    w->lag_max_ms = loop_lag_take_max_ms(w->d->loop);
    w->turn_max_us = loop_turn_take_max_us(w->d->loop);
    if (now - w->stats_ms >= STATS_EVERY_MS)
        ask_stats(w);
    look_at_disk(w);
    watch_status(w, &status);
    set_gauges(w, &status);
    tell_supervisor(w, &status);
    show(w, &status);
}

void watch_now(struct watch *w)
{
    struct status status;

    watch_status(w, &status);
    show(w, &status);
}

static void show(struct watch *w, const struct status *status)
{
    char line[1024];

    if (w->terminal) {
        draw(w, status);
        return;
    }
    if (w->d->args->init_only || clock_mono_ms() - w->line_ms < LINE_EVERY_MS)
        return; /* (nothing is to be archived) */
    w->line_ms = clock_mono_ms();
    status_line(status, line, sizeof(line));
    log_info("status", "%s", line);
}

/* The watchdog is fed by what really goes on: this timer by the loop, and the workers' results. */
static void tell_supervisor(struct watch *w, const struct status *status)
{
    char why[SERVER_WHY_MAX], line[256];

    if (!daemon_makes_progress(w->d, why, sizeof(why))) {
        log_error_limited("daemon", "%s", why);
        return;
    }
    notify_send("WATCHDOG=1");
    if (clock_mono_ms() - w->notify_ms < LINE_EVERY_MS)
        return;
    w->notify_ms = clock_mono_ms();
    status_line(status, line, sizeof(line));
    notify_send("STATUS=%s", line);
}

void watch_log_state(struct watch *w)
{
    struct status status;
    struct str key;
    struct js *json, *v;
    void *at = NULL;

    if (w == NULL)
        return;
    watch_status(w, &status);
    json = status_json(&status);
    while (js_next(json, &at, &key, &v)) {
        char *text = js_text(v, JS_COMPACT);
        log_info("status", "%.*s: %s", (int)key.n, key.p, text);
        free(text);
    }
    js_free(json);
}

void watch_summary(struct watch *w)
{
    struct status status;
    char bytes[32], up[32], size[64] = "";

    watch_status(w, &status);
    if (w->terminal) { /* the block is replaced by one line that stays */
        erase(w);
        w->block_n = 0;
        w->terminal = false;
    }
    if (w->d->args->init_only)
        return; /* nothing was to be archived */
    if (w->stats_known)
        (void)snprintf(size, sizeof(size), "; archive %s",
                       human_bytes(bytes, sizeof(bytes), (double)status.database_bytes));
    log_info("daemon",
             "archived %lld new %s in %s; %lld %s, %lld refused; %u of %u answering relays "
             "complete%s",
             (long long)status.archived, human_noun(status.archived, "event", "events"),
             human_duration(up, sizeof(up), (double)status.uptime_s), (long long)status.duplicates,
             human_noun(status.duplicates, "duplicate", "duplicates"), (long long)status.rejected,
             status.relays_synced, status.relays_ever_ready, size);
}

/* The database's figures */

static void on_stats(void *owner, const struct store_stats *stats, const struct err *err)
{
    struct daemon *d = owner;
    struct watch *w = d->watch;

    if (w == NULL)
        return;
    w->stats_asked = false;
    if (err != NULL)
        return;
    w->stats = *stats;
    w->stats_known = true;
    int64_t now = clock_mono_ms();
    uint32_t last = (w->sizes_n + GROWTH_SAMPLES - 1) % GROWTH_SAMPLES;
    if (w->sizes_n > 0 && now - w->sizes[last].at_ms < GROWTH_EVERY_MS)
        return;
    w->sizes[w->sizes_n % GROWTH_SAMPLES].at_ms = now;
    w->sizes[w->sizes_n++ % GROWTH_SAMPLES].bytes = stats->database_bytes;
}

static void ask_stats(struct watch *w)
{
    struct daemon *d = w->d;

    if (d->stopping || d->db == NULL || !db_is_up(d->db) || w->stats_asked)
        return;
    w->stats_ms = clock_mono_ms();
    w->stats_asked = true;
    store_stats(d->db, on_stats, d);
}

static double growth_per_hour(const struct watch *w)
{
    if (w->sizes_n < GROWTH_SAMPLES_MIN)
        return 0;
    uint32_t newest = (w->sizes_n - 1) % GROWTH_SAMPLES;
    uint32_t oldest = w->sizes_n > GROWTH_SAMPLES ? w->sizes_n % GROWTH_SAMPLES : 0;
    int64_t ms = w->sizes[newest].at_ms - w->sizes[oldest].at_ms;
    return ms <= 0
               ? 0
               : (double)(w->sizes[newest].bytes - w->sizes[oldest].bytes) * 3600000.0 / (double)ms;
}

/* The disk */

/* Full until there is clearly more room than needed, so that history does not start and stop every
 * second. */
static bool too_little(double value, double limit, bool paused)
{
    return value < (paused ? limit * 1.05 : limit);
}

static void look_at_disk(struct watch *w)
{
    struct daemon *d = w->d;
    struct statvfs fs;
    char text[STATUS_TEXT_MAX] = "", limit[32];
    double free_min = (double)d->cfg->archive_disk_free_min / 1000,
           size_max = (double)d->cfg->archive_size_max;

    if (d->cluster != NULL && statvfs(d->state_dir, &fs) == 0 && fs.f_blocks > 0) {
        w->disk_free = (int64_t)(fs.f_bavail * fs.f_frsize);
        w->disk_total = (int64_t)(fs.f_blocks * fs.f_frsize);
        if (too_little((double)w->disk_free / (double)w->disk_total, free_min, w->paused))
            (void)snprintf(text, sizeof(text),
                           "less than %.0f %% of the disk is free ([archive] disk_free_min)",
                           free_min * 100);
    }
    if (text[0] == '\0' && size_max > 0 && w->stats_known &&
        too_little(size_max - (double)w->stats.database_bytes, size_max * 0.02, w->paused))
        (void)snprintf(text, sizeof(text), "the archive has reached %s ([archive] size_max)",
                       human_bytes(limit, sizeof(limit), size_max));
    bool paused = text[0] != '\0';
    if (paused != w->paused && paused)
        log_warning("archive", "history waits, only new events are stored: %s", text);
    else if (paused != w->paused)
        log_info("archive", "there is room again: history goes on");
    w->paused = paused;
    memcpy(w->paused_text, text, sizeof(text));
    if (d->synchronizer != NULL)
        synchronizer_pause(d->synchronizer, paused);
}

/* The picture */

static void proxy_text(const struct daemon *d, enum network network, char *to, size_t size)
{
    const char *address = net_proxy_address(d->net, network);

    to[0] = '\0';
    switch (net_proxy_state(d->net, network)) {
    case NET_PROXY_NOT_NEEDED:
        return;
    case NET_PROXY_UP:
        (void)snprintf(to, size, "through the proxy %s", address);
        return;
    case NET_PROXY_DOWN:
        (void)snprintf(to, size, "waiting: the proxy %s does not answer", address);
        return;
    case NET_PROXY_UNKNOWN:
        (void)snprintf(to, size, "looking for a proxy");
        return;
    case NET_PROXY_NONE:
        if (network == NETWORK_TOR && strcmp(d->cfg->network_proxy_tor, "auto") == 0) {
            (void)snprintf(to, size,
                           "waiting for a proxy: none answers on 127.0.0.1:9050 or 9150; "
                           "`apt install tor` starts one");
            return;
        }
        (void)snprintf(to, size, "waiting for a proxy: set [network] proxy_%s",
                       network_name(network));
        return;
    }
}

static void status_rates(const struct watch *w, struct status *s)
{
    if (w->samples_n < 2)
        return;
    const struct sample *newest = &w->samples[(w->samples_n - 1) % RATE_TICKS];
    const struct sample *oldest =
        &w->samples[w->samples_n > RATE_TICKS ? w->samples_n % RATE_TICKS : 0];
    double seconds = (double)(newest->at_ms - oldest->at_ms) / 1000;
    if (seconds <= 0)
        return;
    s->archived_per_s = (double)(newest->archived - oldest->archived) / seconds;
    s->duplicates_per_s = (double)(newest->duplicates - oldest->duplicates) / seconds;
    s->received_per_s = (double)(newest->received - oldest->received) / seconds;
}

static void status_monitor(const struct daemon *d, struct status *s)
{
    struct monitor_status m;
    struct publisher_status p = {0};

    if (d->monitor == NULL)
        return;
    monitor_status(d->monitor, &m);
    if (d->publisher != NULL)
        publisher_status(d->publisher, &p);
    s->monitor = (struct status_monitor){.enabled = true,
                                         .relays = m.relays,
                                         .checked = m.checked,
                                         .due = m.due,
                                         .running = m.running,
                                         .readable = m.readable,
                                         .failing = m.failing,
                                         .retired = m.retired,
                                         .publish_waiting = p.waiting};
    for (int i = 0; i < NETWORK__COUNT; i++)
        s->monitor.outage = s->monitor.outage || metrics.monitor_outage[i] != 0;
}

static void status_finder(const struct daemon *d, struct status *s)
{
    struct finder_status f;

    if (d->finder == NULL)
        return;
    finder_status(d->finder, &f);
    s->finder = (struct status_finder){.enabled = true,
                                       .waiting = f.candidates[CANDIDATE_STATE_NEW],
                                       .failed = f.candidates[CANDIDATE_STATE_FAILED],
                                       .dropped = f.candidates[CANDIDATE_STATE_DROPPED],
                                       .denied = f.candidates[CANDIDATE_STATE_DENIED],
                                       .promoted = f.candidates[CANDIDATE_STATE_PROMOTED],
                                       .refused = f.refused,
                                       .running = f.running,
                                       .probed_this_hour = f.probed_this_hour,
                                       .lists = f.lists.lists,
                                       .lists_failing = f.lists.failing};
}

static void status_memory(const struct daemon *d, struct status *s)
{
    s->memory_max[POOL_BATCHES] = (int64_t)d->pools.batches;
    s->memory_max[POOL_KNOWN_IDS] = (int64_t)d->pools.known_ids;
    s->memory_max[POOL_MESSAGES] = (int64_t)d->pools.messages;
    s->memory_max[POOL_CONNECTIONS] = (int64_t)d->pools.connections;
    s->memory_max[POOL_RELAYS] = (int64_t)d->pools.relays;
    if (d->net != NULL) {
        s->memory_used[POOL_MESSAGES] = (int64_t)net_assembly_bytes(d->net);
        s->memory_used[POOL_CONNECTIONS] = (int64_t)net_connection_bytes(d->net);
    }
    if (d->ingest != NULL) {
        s->memory_used[POOL_BATCHES] = (int64_t)ingest_bytes(d->ingest);
        s->memory_used[POOL_KNOWN_IDS] = (int64_t)ingest_known_bytes(d->ingest);
        s->memory_used[POOL_RELAYS] = (int64_t)d->roster.bytes;
    }
}

void watch_status(const struct watch *w, struct status *s)
{
    const struct daemon *d = w->d;

    *s = (struct status){.phase = d->phase_text,
                         .started_at = d->started_wall_s,
                         .uptime_s = (clock_mono_ms() - d->started_mono_ms) / 1000,
                         .database_up = d->db != NULL && db_is_up(d->db),
                         .events = w->stats.events,
                         .sightings = w->stats.sightings,
                         .database_bytes = w->stats.database_bytes,
                         .gaps = w->stats.gaps,
                         .spans = w->stats.coverage_spans,
                         .archived = metrics.events_archived_total[0],
                         .duplicates = metrics.events_duplicate_total[0],
                         .growth_bytes_per_h = growth_per_hour(w),
                         .disk_free_bytes = w->disk_free,
                         .disk_total_bytes = w->disk_total,
                         .loop_lag_max_ms = w->lag_max_ms,
                         .loop_turn_max_us = w->turn_max_us};
    memcpy(s->database, d->database_text, sizeof(s->database));
    (void)snprintf(s->state_dir, sizeof(s->state_dir), "%.*s", STATUS_TEXT_MAX - 1, d->state_dir);
    memcpy(s->paused, w->paused_text, sizeof(s->paused));
    for (int i = 0; i < REJECT__COUNT; i++)
        s->rejected += metrics.events_rejected_total[i];
    for (int i = 0; i < NETWORK__COUNT; i++) {
        s->received_bytes += metrics.received_bytes_total[i];
        s->relays_on[i] = d->roster.networks[i];
        proxy_text(d, (enum network)i, s->proxies[i], sizeof(s->proxies[i]));
    }
    s->relays = d->roster.n;
    s->connections = d->net != NULL ? net_connections(d->net) : 0;
    memcpy(s->relays_in, d->roster.states, sizeof(s->relays_in));
    for (uint32_t i = 0; i < d->roster.n; i++) {
        s->relays_ever_ready += d->roster.relays[i]->last_ok_at_ms > 0;
        s->relays_synced += d->roster.relays[i]->synced_at_ms > 0;
    }
    status_rates(w, s);
    status_memory(d, s);
    status_monitor(d, s);
    status_finder(d, s);
    if (d->keeper != NULL) {
        struct keeper_status k;

        keeper_status(d->keeper, &k);
        s->keeper = (struct status_keeper){.rules = k.rules,
                                           .vanished = (int64_t)k.vanished,
                                           .expired = (int64_t)k.expired,
                                           .exported = (int64_t)k.exported,
                                           .done_upto = k.done_upto,
                                           .behind = k.behind};
        (void)snprintf(s->keeper.stalled, sizeof(s->keeper.stalled), "%s", k.stalled);
    }
}

/* What waits, and how much of it may. */
static void set_queues(const struct daemon *d, const struct status *s)
{
    struct budget_limits budget;

    options_budget(d, &budget);
    metrics.connections_max[0] = budget.connections_max;
    metrics.lookups_waiting[0] = net_lookups_waiting(d->net);
    metrics.worker_queue[METRIC_WORKER_QUEUE_SHORT] = workers_queued(d->workers, WORKERS_SHORT);
    metrics.worker_queue[METRIC_WORKER_QUEUE_LONG] = workers_queued(d->workers, WORKERS_LONG);
    metrics.worker_threads[0] = workers_threads(d->workers);
    metrics.http_connections_max[METRIC_LISTENER_MAIN] = SERVER_CLIENTS_MAX;
    metrics.http_connections_max[METRIC_LISTENER_HEALTH] = SERVER_HEALTH_CLIENTS_MAX;
    metrics.checks_due[0] = s->monitor.due;
    metrics.checks_running[0] = s->monitor.running;
    metrics.publish_queue[0] = s->monitor.publish_waiting;
    metrics.publish_queue_max[0] = PUBLISHER_QUEUE_MAX;
}

/* The same picture, for whoever collects numbers. */
static void set_gauges(const struct watch *w, const struct status *s)
{
    char why[SERVER_WHY_MAX];

    metrics.monitored_relays[HEALTH_METRIC_NEVER] = s->monitor.relays - s->monitor.checked;
    metrics.monitored_relays[HEALTH_METRIC_READABLE] = s->monitor.readable;
    metrics.monitored_relays[HEALTH_METRIC_FAILING] = s->monitor.failing;
    metrics.monitored_relays[HEALTH_METRIC_RETIRED] = s->monitor.retired;
    for (int i = 0; i < POOL__COUNT; i++) {
        metrics.memory_used_bytes[i] = s->memory_used[i];
        metrics.memory_max_bytes[i] = s->memory_max[i];
    }
    for (int i = 0; i < NETWORK__COUNT; i++)
        metrics.relays[i] = s->relays_on[i];
    for (int i = 0; i < RELAY_STATE__COUNT; i++)
        metrics.relay_states[i] = s->relays_in[i];
    set_queues(w->d, s);
    metrics.database_up[0] = s->database_up;
    metrics.backfill_paused[0] = s->paused[0] != '\0';
    metrics.loop_lag_max_seconds[0] = s->loop_lag_max_ms;
    metrics.loop_turn_max_seconds[0] = (s->loop_turn_max_us + 500) / 1000;
    metrics.ready[0] = daemon_is_ready(w->d, why, sizeof(why));
    metrics.archive_events[0] = s->events;
    metrics.archive_sightings[0] = s->sightings;
    metrics.archive_bytes[0] = s->database_bytes;
    metrics.archive_disk_free_bytes[0] = s->disk_free_bytes;
    metrics.archive_disk_size_bytes[0] = s->disk_total_bytes;
    metrics.coverage_spans[0] = s->spans;
    metrics.coverage_gaps[0] = s->gaps;
    metrics.relays_ever_ready[0] = s->relays_ever_ready;
    metrics.relays_ever_complete[0] = s->relays_synced;
}

/* The terminal */

static uint32_t terminal_width(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void put(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t wrote = write(STDERR_FILENO, p, n);
        if (wrote <= 0)
            return;
        p += wrote;
        n -= (size_t)wrote;
    }
}

static void draw(struct watch *w, const struct status *status)
{
    FILE *out;

    erase(w);
    out = fmemopen(w->block, sizeof(w->block), "w");
    if (out == NULL)
        return;
    status_block(status, terminal_width(), out, &w->lines);
    w->block_n = (size_t)ftell(out);
    (void)fclose(out);
    redraw(w);
}

static void erase(void *owner)
{
    struct watch *w = owner;
    char text[32];

    if (!w->drawn)
        return;
    int n = snprintf(text, sizeof(text), "\x1b[%uA\r\x1b[J", w->lines);
    put(text, (size_t)n);
    w->drawn = false;
}

static void redraw(void *owner)
{
    struct watch *w = owner;

    if (w->block_n == 0)
        return;
    put(w->block, w->block_n);
    w->drawn = true;
}
