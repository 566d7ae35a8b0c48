/* daemon: see daemon.h.  Reading order: run, the phases, signals, stopping. */
#include "daemon/daemon.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/human.h"
#include "core/log.h"
#include "loop/notify.h"
#include "nostr/sign.h"

/* An orderly stop takes at most ten seconds: what the drain has not used is the database's. */
enum {
    DRAIN_MS = 4000,
    DRAIN_TICK_MS = 20,
    AGAIN_MS = 5000,
    STOP_MS = 9000,
    STOP_DATABASE_MIN_MS = 2000
};

/* In the order in which they run. */
static int make_parts(struct daemon *d, struct err *err);
static void start_cluster(struct daemon *d);
static void on_cluster_progress(void *owner, const char *what);
static void on_cluster_ready(void *owner, const char *conninfo);
static void on_cluster_down(void *owner, const struct err *err);
static void on_cluster_failed(void *owner, const struct err *err);
static void on_cluster_stopped(void *owner);
static void connect_database(struct daemon *d, const char *conninfo, const char *password);
static void on_db_up(void *owner, bool restarted);
static void on_db_down(void *owner, const struct err *err);
static void on_db_refused(void *owner, const struct err *err);
static void seed(void *owner, const struct err *why);
static void on_seeded(void *owner, struct initializer_list *list, const struct err *err);
static void on_roster(void *owner, const struct err *err);
static void on_signal(void *owner, int signum);
static void reload(struct daemon *d);
static void on_again(uv_timer_t *timer);
static void on_drain(uv_timer_t *timer);
static void take_apart(struct daemon *d);

static const struct cluster_ops cluster_ops = {.on_progress = on_cluster_progress,
                                               .on_ready = on_cluster_ready,
                                               .on_down = on_cluster_down,
                                               .on_failed = on_cluster_failed,
                                               .on_stopped = on_cluster_stopped};
static const struct db_ops db_ops = {
    .on_up = on_db_up, .on_down = on_db_down, .on_refused = on_db_refused};

static void enter(struct daemon *d, enum daemon_phase phase, const char *text)
{
    d->phase = phase;
    (void)snprintf(d->phase_text, sizeof(d->phase_text), "%s", text);
    if (d->watch != NULL)
        watch_now(d->watch);
    notify_send("STATUS=%s", text);
}

static void say(const struct err *err)
{
    log_error("daemon", "%s: %s", err_text(err->code), err->detail);
}

int daemon_run(struct config *cfg, const struct daemon_args *args)
{
    struct daemon *d = calloc(1, sizeof(*d));
    struct err err = {0};

    if (d == NULL)
        abort();
    d->args = args;
    d->cfg = cfg;
    d->started_wall_s = clock_wall_s();
    d->started_mono_ms = clock_mono_ms();
    options_log(cfg);
    notify_open();
    if (make_parts(d, &err) < 0) {
        say(&err);
        d->exit_code = err_blame(err.code) == ERR_BLAME_USER ? 2 : 1;
        daemon_stop(d, d->exit_code);
    } else if (cfg->database_url[0] == '\0') {
        start_cluster(d);
    } else {
        connect_database(d, cfg->database_url, config_secret(cfg, "database", "password"));
    }
    if (!d->stopping)
        notify_send("READY=1"); /* supervised from here on: the database is our own business */
    if (d->loop != NULL) {
        loop_run(d->loop);
        loop_close(d->loop);
    }
    int code = d->exit_code;
    for (size_t i = 0; i < d->filters_n; i++)
        filter_spec_free(d->filters[i]);
    free(d->filters);
    daemon_retention_free(d);
    if (d->signer != NULL)
        signer_free(d->signer);
    access_free(d->access);
    config_free(d->cfg);
    free(d);
    return code;
}

static char *answer_relay(void *owner, const char *url);
static int32_t relay_by_url(void *owner, const char *url);

static const struct control_ops control_ops = {
    .answer = daemon_status_text, .answer_relay = answer_relay, .relay = relay_by_url};

/* All that needs no database. */
static int make_parts(struct daemon *d, struct err *err)
{
    const struct config *cfg = d->cfg;
    struct config_errors errors = {0};
    struct net_options net;
    char path[CONFIG_TEXT_SIZE + 32];
    const char *key = config_secret(cfg, "identity", "secret_key");

    if (user_prepare(d, err) < 0)
        return -1;
    if (key != NULL && (d->signer = signer_new(key, err)) == NULL)
        return -1;
    (void)options_filters(d, &errors); /* checked by main() */
    d->access = options_access(cfg, &errors);
    config_errors_free(&errors);
    if (daemon_retention_make(d, err) < 0)
        return -1;
    options_pools(cfg, &d->pools);

    d->loop = loop_open();
    loop_on_signal(d->loop, SIGINT, on_signal, d);
    loop_on_signal(d->loop, SIGTERM, on_signal, d);
    loop_on_signal(d->loop, SIGHUP, on_signal, d);
    loop_on_signal(d->loop, SIGUSR1, on_signal, d);
    (void)uv_timer_init(loop_uv(d->loop), &d->drain_timer);
    d->drain_timer.data = d;
    (void)uv_timer_init(loop_uv(d->loop), &d->again_timer);
    d->again_timer.data = d;
    (void)snprintf(path, sizeof(path), "%s/control.sock", d->state_dir);
    d->control = control_open(loop_uv(d->loop), path, &control_ops, d, err);
    if (d->control == NULL)
        return -1;
    d->workers = workers_open(loop_uv(d->loop), (unsigned)cfg->daemon_workers);
    options_net(cfg, &d->pools, &net);
    d->net = net_open(loop_uv(d->loop), d->workers, &net, err);
    if (d->net == NULL)
        return -1;
    daemon_access_open(d);
    d->watch = watch_open(d);
    return daemon_http_open(d, err);
}

/* The private database */

static void start_cluster(struct daemon *d)
{
    const struct cluster_options options = {.state_dir = d->state_dir,
                                            .bin_dir = d->cfg->database_bin_dir,
                                            .log_dir = d->cfg->backup_dir};

    (void)snprintf(d->database_text, sizeof(d->database_text), "private, starting");
    enter(d, PHASE_CLUSTER, "starting the private database");
    d->cluster = cluster_open(loop_uv(d->loop), &options, &cluster_ops, d);
}

static void on_cluster_progress(void *owner, const char *what)
{
    struct daemon *d = owner;

    log_info("database", "%s", what);
    if (d->phase == PHASE_CLUSTER)
        enter(d, PHASE_CLUSTER, what);
}

static void on_cluster_ready(void *owner, const char *conninfo)
{
    struct daemon *d = owner;

    if (d->db == NULL && !d->stopping)
        connect_database(d, conninfo, NULL);
}

static void on_cluster_down(void *owner, const struct err *err)
{
    (void)owner;
    log_error("database", "the private PostgreSQL ended and is started again: %s", err->detail);
}

static void on_cluster_failed(void *owner, const struct err *err)
{
    struct daemon *d = owner;

    say(err);
    cluster_close(d->cluster);
    d->cluster = NULL;
    daemon_stop(d, err_blame(err->code) == ERR_BLAME_USER ? 2 : 1);
}

static void on_cluster_stopped(void *owner)
{
    struct daemon *d = owner;

    cluster_close(d->cluster);
    d->cluster = NULL;
}

/* The database */

static void connect_database(struct daemon *d, const char *conninfo, const char *password)
{
    const struct db_options options = {.conninfo = conninfo,
                                       .password = password,
                                       .statement_timeout_ms =
                                           (uint32_t)d->cfg->database_statement_timeout};

    enter(d, PHASE_DATABASE, "connecting to the database");
    d->db = db_open(loop_uv(d->loop), &options, &db_ops, d);
}

static void make_archive_parts(struct daemon *d)
{
    struct ingest_options ingest;
    struct synchronizer_options synchronizer;
    struct budget_limits budget;

    options_budget(d, &budget);
    d->budget = budget_new(&budget);
    options_ingest(d, &ingest);
    d->ingest = ingest_open(loop_uv(d->loop), d->workers, d->db, &ingest);
    roster_open(&d->roster, loop_uv(d->loop), d->db);
    options_synchronizer(d, &synchronizer);
    const struct synchronizer_parts parts = {.loop = loop_uv(d->loop),
                                             .budget = d->budget,
                                             .net = d->net,
                                             .db = d->db,
                                             .ingest = d->ingest,
                                             .roster = &d->roster,
                                             .signer = d->signer,
                                             .filters = d->filters,
                                             .filters_n = d->filters_n};
    d->synchronizer = synchronizer_open(&parts, &synchronizer);
    daemon_keeper_open(d);
    daemon_monitor_open(d);
    daemon_finder_open(d);
}

static void deny_database(void *owner, const char *ip_literal, uint16_t port)
{
    struct daemon *d = owner;

    if (!net_deny_service(d->net, ADDR_SERVICE_DATABASE, ip_literal, port))
        log_warning("daemon", "the address of the database cannot be kept from being dialled: %s",
                    ip_literal);
}

static void on_db_up(void *owner, bool restarted)
{
    struct daemon *d = owner;
    int version = db_server_version(d->db);

    net_forget_services(d->net, ADDR_SERVICE_DATABASE);
    db_each_address(d->db, deny_database, d);
    (void)snprintf(d->database_text, sizeof(d->database_text), "%s, PostgreSQL %d.%d",
                   d->cluster != NULL ? "private" : "your server", version / 10000,
                   version % 10000);
    log_info("database", "ready: %s%s", d->database_text,
             restarted ? ", restarted since we last saw it" : "");
    if (d->stopping)
        return;
    if (d->ingest == NULL)
        make_archive_parts(d);
    ingest_database_up(d->ingest, restarted);
    (void)uv_timer_stop(&d->again_timer);
    if (!d->seeded) {
        keeper_start(d->keeper, seed, d); /* before anybody reads coverage */
        return;
    }
    if (restarted)
        synchronizer_database_restarted(d->synchronizer);
    else
        daemon_monitor_start(d);
}

static void on_db_down(void *owner, const struct err *err)
{
    struct daemon *d = owner;

    (void)snprintf(d->database_text, sizeof(d->database_text), "away (%.140s)", err->detail);
    log_warning("database",
                d->ingest == NULL ? "cannot be reached yet, trying again: %s"
                                  : "away, nothing is lost, trying again: %s",
                err->detail);
}

static void on_db_refused(void *owner, const struct err *err)
{
    struct daemon *d = owner;

    say(err);
    daemon_stop(d, 1);
}

/* The relays to begin with */

/* A step of the start has failed, and the database may be there all the same: its disk is full, it
 * was too slow.  When it is away, on_db_up() comes first. */
static void try_again(struct daemon *d, const struct err *why)
{
    if (d->stopping || why->code == ERR_CANCELLED)
        return;
    log_warning("daemon", "the relays cannot be loaded, trying again: %s: %s", err_text(why->code),
                why->detail);
    (void)uv_timer_start(&d->again_timer, on_again, AGAIN_MS, 0);
}

static void on_again(uv_timer_t *timer)
{
    struct daemon *d = timer->data;

    if (d->stopping || !db_is_up(d->db))
        return;
    if (!d->seeded)
        keeper_start(d->keeper, seed, d);
    else
        daemon_relays_added(d);
}

static void seed(void *owner, const struct err *why)
{
    struct daemon *d = owner;
    struct initializer_list *list;
    struct err err = {0};

    if (d->stopping)
        return;
    if (why != NULL) {
        try_again(d, why);
        return;
    }
    enter(d, PHASE_SEEDING, "loading the relays");
    if (!d->cfg->initializer_enabled) {
        d->seeded = true;
        roster_load(&d->roster, on_roster, d);
        return;
    }
    list = daemon_seeds(d, &err);
    if (list == NULL) {
        say(&err);
        daemon_stop(d, 2);
        return;
    }
    initializer_store(d->db, list, on_seeded, d);
}

static void on_seeded(void *owner, struct initializer_list *list, const struct err *err)
{
    struct daemon *d = owner;
    const char *file = d->cfg->initializer_seed_file;

    if (err == NULL)
        initializer_log(&list->report, file[0] != '\0' ? file : "the built-in list");
    initializer_list_free(list);
    if (d->stopping)
        return;
    if (err != NULL) {
        try_again(d, err);
        return;
    }
    d->seeded = true;
    roster_load(&d->roster, on_roster, d);
}

static void on_roster(void *owner, const struct err *err)
{
    struct daemon *d = owner;

    if (d->stopping)
        return;
    if (err != NULL) {
        d->seeded = false;
        try_again(d, err);
        return;
    }
    daemon_mark_relays(d, true);
    if (d->args->init_only) {
        log_info("daemon", "the archive is prepared: %u %s known", d->roster.n,
                 human_noun(d->roster.n, "relay", "relays"));
        daemon_stop(d, 0);
        return;
    }
    enter(d, PHASE_ARCHIVING, "archiving");
    daemon_monitor_start(d);
    if (d->finder != NULL)
        finder_start(d->finder);
}

static void on_more_relays(void *owner, const struct err *err)
{
    struct daemon *d = owner;

    if (d->stopping)
        return;
    if (err != NULL) {
        try_again(d, err);
        return;
    }
    daemon_mark_relays(d, false);
    daemon_monitor_start(d);
}

void daemon_relays_added(struct daemon *d)
{
    roster_load(&d->roster, on_more_relays, d);
}

/* Signals */

static void on_signal(void *owner, int signum)
{
    struct daemon *d = owner;

    if (signum == SIGHUP && d->stopping)
        return; /* what a new configuration says is for the next start */
    if (signum == SIGHUP) {
        notify_send("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_ms() * 1000);
        reload(d);
        notify_send("READY=1");
        return;
    }
    if (signum == SIGUSR1) {
        watch_log_state(d->watch);
        return;
    }
    if (d->stopping)
        _exit(1); /* a second one: at once; the private database is ended by the kernel */
    log_info("daemon", "%s: finishing what is in flight",
             signum == SIGINT ? "interrupted" : "asked to stop");
    daemon_stop(d, 0);
}

/* The last check, since it looks at files again: what the network cannot use changes nothing. */
static bool reload_network(struct daemon *d, const struct config *next,
                           struct config_errors *errors)
{
    struct net_options net;
    struct err err;

    options_net(next, &d->pools, &net);
    if (net_reconfigure(d->net, &net, &err) == 0)
        return true;
    config_errors_add(errors, next->path, 0, "[network] %s", err.detail);
    return false;
}

/* All of the new configuration, or nothing of it. */
static void reload(struct daemon *d)
{
    struct config_errors errors = {0};
    struct config *next = config_load(d->args->config_path, environ, &errors);
    struct ingest_options ingest;
    struct synchronizer_options synchronizer;
    struct budget_limits budget;
    struct access *access = NULL;

    if (next == NULL || options_check(next, &errors) < 0 ||
        config_frozen_changes(d->cfg, next, &errors) > 0 ||
        (access = options_access(next, &errors)) == NULL || !reload_network(d, next, &errors)) {
        log_error("daemon", "the configuration was not reloaded");
        metrics.reloads_total[METRIC_RELOAD_REFUSED]++;
        for (size_t i = 0; i < errors.n; i++)
            log_error("daemon", "%s: %s", errors.items[i].where, errors.items[i].text);
        config_errors_free(&errors);
        access_free(access);
        config_free(next);
        return;
    }
    struct config *old = d->cfg;
    d->cfg = next;
    options_log(next);
    access_replace(d->access, access);
    if (d->db != NULL)
        db_set_statement_timeout(d->db, (uint32_t)next->database_statement_timeout);
    if (d->ingest != NULL) {
        options_ingest(d, &ingest);
        ingest_reconfigure(d->ingest, &ingest);
        options_budget(d, &budget);
        budget_set_limits(d->budget, &budget);
        options_synchronizer(d, &synchronizer);
        synchronizer_reconfigure(d->synchronizer, &synchronizer);
        daemon_keeper_reconfigure(d);
        daemon_monitor_reconfigure(d);
        daemon_finder_reconfigure(d);
        daemon_lists_changed(d);
    }
    config_free(old);
    metrics.reloads_total[METRIC_RELOAD_APPLIED]++;
    log_info("daemon", "the configuration was reloaded");
}

static struct relay *find_relay(struct daemon *d, const char *url)
{
    return d->phase == PHASE_ARCHIVING ? daemon_relay(d, url) : NULL;
}

static int32_t relay_by_url(void *owner, const char *url)
{
    const struct relay *relay = find_relay(owner, url);

    return relay != NULL ? relay->id : -1;
}

/* What the database does not know, or not yet. */
static char *answer_relay(void *owner, const char *url)
{
    const struct relay *relay = find_relay(owner, url);
    struct js *json;
    char *text;

    if (relay == NULL)
        return NULL;
    json = js_new_object();
    js_set_z(json, "state", relay_state_name(relay->state));
    js_set_int(json, "next_visit",
               relay->visit == NULL && !relay->denied ? relay->next_at_ms / 1000 : 0);
    if (relay->denied)
        daemon_denied_json(owner, relay, json);
    text = js_text(json, JS_COMPACT);
    js_free(json);
    return text;
}

/* Stopping: no new work; what is in flight is written; then everything is closed in reverse order.
 */

void daemon_stop(struct daemon *d, int exit_code)
{
    if (d->stopping)
        return;
    d->stopping = true;
    d->exit_code = exit_code;
    notify_send("STOPPING=1");
    enter(d, PHASE_STOPPING, "stopping");
    if (d->loop == NULL)
        return;
    if (d->finder != NULL)
        finder_stop(d->finder);
    daemon_monitor_stop(d);
    if (d->synchronizer != NULL)
        synchronizer_stop(d->synchronizer);
    d->stop_began_ms = clock_mono_ms();
    /* Not in this turn: what was closed just now has to have gone. */
    (void)uv_timer_start(&d->drain_timer, on_drain, DRAIN_TICK_MS, DRAIN_TICK_MS);
}

static void on_drain(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    bool done = d->net == NULL || net_connections(d->net) == 0;

    if (d->ingest != NULL && db_is_up(d->db)) {
        bool stored = ingest_flush(d->ingest);
        bool saved = roster_flush(&d->roster);
        bool checked = d->monitor == NULL || monitor_flush(d->monitor);
        bool found = d->finder == NULL || finder_flush(d->finder);
        done = done && stored && saved && checked && found;
    }
    if (!done && clock_mono_ms() < d->stop_began_ms + DRAIN_MS)
        return;
    if (!done)
        log_warning("daemon",
                    "not everything could be written in time; it will be asked for again");
    take_apart(d);
}

static uint32_t stop_time_left(const struct daemon *d)
{
    int64_t left = d->stop_began_ms + STOP_MS - clock_mono_ms();

    return left > STOP_DATABASE_MIN_MS ? (uint32_t)left : STOP_DATABASE_MIN_MS;
}

static void take_apart(struct daemon *d)
{
    uv_close((uv_handle_t *)&d->drain_timer, NULL);
    uv_close((uv_handle_t *)&d->again_timer, NULL);
    if (d->ingest != NULL) {
        ingest_stop(d->ingest);
        keeper_stop(d->keeper);
    }
    if (d->watch != NULL)
        watch_summary(d->watch);
    if (d->workers != NULL)
        workers_close(d->workers);
    if (d->db != NULL)
        db_close(d->db);
    if (d->ingest != NULL) {
        synchronizer_close(d->synchronizer);
        keeper_close(d->keeper);
        daemon_finder_close(d);
        daemon_monitor_close(d);
        budget_free(d->budget);
        roster_close(&d->roster);
        ingest_close(d->ingest);
    }
    if (d->net != NULL)
        net_close(d->net);
    if (d->watch != NULL)
        watch_close(d->watch);
    if (d->server != NULL)
        server_close(d->server);
    if (d->control != NULL)
        control_close(d->control);
    if (d->cluster != NULL)
        cluster_stop(d->cluster, stop_time_left(d));
    loop_stop(d->loop); /* loop_close() runs it until the last handle has closed */
}
