/* daemon_monitor: the monitor and the publisher in the composition: their options, their making and
 * their end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "daemon/daemon.h"
#include "nostr/url.h"
#include "services/monitor/publisher.h"
#include "services/probe/geo.h"
#include "services/probe/probe.h"

static unsigned parts_of(const char *list)
{
    unsigned parts;
    struct str word;

    (void)monitor_parts_parse(list, &parts, &word); /* options_check_monitor() has read it */
    return parts;
}

static void options_monitor(const struct daemon *d, struct monitor_options *o)
{
    const struct config *cfg = d->cfg;

    *o = (struct monitor_options){
        .limits = {.interval_ms = {[NETWORK_CLEARNET] = cfg->monitor_interval_clearnet,
                                   [NETWORK_TOR] = cfg->monitor_interval_tor,
                                   [NETWORK_I2P] = cfg->monitor_interval_i2p,
                                   [NETWORK_LOKI] = cfg->monitor_interval_loki},
                   .confirm_ms = cfg->monitor_confirm,
                   .retry_max_ms = cfg->monitor_retry_max,
                   .retire_after_ms = cfg->monitor_retire_after,
                   .retired_interval_ms = cfg->monitor_retired_interval,
                   .timeout_min_ms = (uint32_t)cfg->monitor_timeout_min,
                   .timeout_max_ms = (uint32_t)cfg->monitor_timeout_max,
                   .timeout_overlay_ms = (uint32_t)cfg->monitor_timeout_overlay},
        .outage = {.window_ms = cfg->monitor_alert_window,
                   .patience_ms = cfg->monitor_timeout_max,
                   .rate_permille = (uint32_t)cfg->monitor_alert_failure_rate},
        .checks = {[NETWORK_CLEARNET] = (uint32_t)cfg->monitor_checks_clearnet,
                   [NETWORK_TOR] = (uint32_t)cfg->monitor_checks_tor,
                   [NETWORK_I2P] = (uint32_t)cfg->monitor_checks_i2p,
                   [NETWORK_LOKI] = (uint32_t)cfg->monitor_checks_loki},
        .compute = parts_of(cfg->monitor_compute),
        .store = parts_of(cfg->monitor_store),
        .publish = parts_of(cfg->monitor_publish),
        .page = (uint32_t)cfg->monitor_page,
        .keep_checks_s = cfg->monitor_keep_checks / 1000,
        .note_hints = cfg->finder_enabled};
    (void)str_copy(o->vantage, sizeof(o->vantage), str_z(cfg->monitor_vantage));
    options_budget(d, &o->budget);
}

/* What a check looks at, as NIP-66 names it. */
static uint32_t check_names(unsigned parts, const char *to[8])
{
    uint32_t n = 0;

    if ((parts & PROBE_OPEN) != 0)
        to[n++] = "open";
    if ((parts & PROBE_READ) != 0)
        to[n++] = "read";
    if ((parts & PROBE_WRITE) != 0)
        to[n++] = "write";
    if ((parts & PROBE_CAPS) != 0)
        to[n++] = "auth";
    if ((parts & PROBE_NIP11) != 0)
        to[n++] = "nip11";
    if ((parts & PROBE_DNS) != 0)
        to[n++] = "dns";
    if ((parts & PROBE_GEO) != 0)
        to[n++] = "geo";
    if ((parts & PROBE_TLS) != 0)
        to[n++] = "ssl";
    return n;
}

static void options_publisher(struct daemon *d, struct publisher_options *o)
{
    const struct config *cfg = d->cfg;
    unsigned parts = parts_of(cfg->monitor_compute) & parts_of(cfg->monitor_publish);
    int64_t often = cfg->publisher_interval > cfg->monitor_interval_clearnet
                        ? cfg->publisher_interval
                        : cfg->monitor_interval_clearnet; /* what is due waits for a check */
    struct str word;

    if (d->geo == NULL)
        parts &= ~(unsigned)PROBE_GEO;
    *o = (struct publisher_options){.interval_ms = cfg->publisher_interval,
                                    .retry_max_ms = cfg->publisher_retry_max,
                                    .monitor = {.frequency_s = often / 1000,
                                                .timeout_ms = cfg->monitor_timeout_max,
                                                .checks = d->check_names,
                                                .checks_n = check_names(parts, d->check_names),
                                                .geohash = ""}};
    (void)publisher_kinds_parse(cfg->publisher_kinds, &o->kinds, &word);
    (void)str_copy(o->name, sizeof(o->name), str_z(cfg->publisher_name));
    (void)str_copy(o->about, sizeof(o->about), str_z(cfg->publisher_about));
}

static void check_lists(const struct config *cfg, struct config_errors *errors)
{
    const struct {
        const char *key, *list;
    } lists[] = {{"compute", cfg->monitor_compute},
                 {"store", cfg->monitor_store},
                 {"publish", cfg->monitor_publish}};
    struct str word;
    unsigned bits;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (!monitor_parts_parse(lists[i].list, &bits, &word))
            config_errors_add(errors, cfg->path, 0,
                              "[monitor] %s: \"" STR_FMT "\" is no part of a check", lists[i].key,
                              STR_ARG(word));
    if (!publisher_kinds_parse(cfg->publisher_kinds, &bits, &word))
        config_errors_add(errors, cfg->path, 0,
                          "[publisher] kinds: \"" STR_FMT "\" is none of 30166, 10166, 0, 10002",
                          STR_ARG(word));
}

void options_check_monitor(const struct config *cfg, struct config_errors *errors)
{
    struct relay_url *url = malloc(sizeof(*url));
    const char *at = cfg->publisher_relays;
    struct str item;
    uint32_t n = 0;

    if (url == NULL)
        abort();
    check_lists(cfg, errors);
    while (config_list_next(&at, &item)) {
        n++;
        enum url_refusal why = url_parse(item, &url_any_address, url);
        if (why != URL_OK)
            config_errors_add(errors, cfg->path, 0, "[publisher] relays: \"" STR_FMT "\" %s",
                              STR_ARG(item), url_refusal_text(why));
    }
    if (n > PUBLISHER_TARGETS_MAX)
        config_errors_add(errors, cfg->path, 0,
                          "[publisher] relays: %u relays are named, at most %d can be published to",
                          n, PUBLISHER_TARGETS_MAX);
    if (cfg->publisher_relays[0] != '\0' && config_secret(cfg, "identity", "secret_key") == NULL)
        config_errors_add(errors, cfg->path, 0,
                          "[publisher] relays: what is published must be signed: set [identity] "
                          "secret_key_file");
    if (cfg->monitor_timeout_min > cfg->monitor_timeout_max)
        config_errors_add(errors, cfg->path, 0,
                          "[monitor] timeout_min must not be larger than timeout_max");
    free(url);
}

static void on_monitor_ready(void *owner)
{
    struct daemon *d = owner;

    if (!d->stopping)
        synchronizer_start(d->synchronizer);
}

/* After roster and synchronizer were made. */
void daemon_monitor_open(struct daemon *d)
{
    const struct config *cfg = d->cfg;
    struct monitor_options options;
    struct publisher_options publishing;
    struct err err = {0};

    if (!cfg->monitor_enabled)
        return;
    d->geo = geo_open(cfg->monitor_geo_city_file, cfg->monitor_geo_asn_file, &err);
    if (d->geo == NULL && err.code != ERR_NONE)
        log_error("monitor", "places of relays are not looked up: %s", err.detail);
    if (d->signer != NULL && (cfg->publisher_relays[0] != '\0' || d->args->dry_run)) {
        const struct publisher_parts parts = {.loop = loop_uv(d->loop),
                                              .net = d->net,
                                              .db = d->db,
                                              .budget = d->budget,
                                              .signer = d->signer,
                                              .access = d->access,
                                              .relays = cfg->publisher_relays,
                                              .dry = d->args->dry_run};
        options_publisher(d, &publishing);
        d->publisher = publisher_open(&parts, &publishing);
    }
    options_monitor(d, &options);
    const struct monitor_parts parts = {.loop = loop_uv(d->loop),
                                        .net = d->net,
                                        .db = d->db,
                                        .budget = d->budget,
                                        .roster = &d->roster,
                                        .signer = d->signer,
                                        .geo = d->geo,
                                        .publisher = d->publisher,
                                        .on_ready = on_monitor_ready,
                                        .owner = d};
    d->monitor = monitor_open(&parts, &options);
}

void daemon_monitor_reconfigure(struct daemon *d)
{
    struct monitor_options options;
    struct publisher_options publishing;

    if (d->monitor == NULL)
        return;
    options_monitor(d, &options);
    monitor_reconfigure(d->monitor, &options);
    if (d->publisher == NULL)
        return;
    options_publisher(d, &publishing);
    publisher_reconfigure(d->publisher, &publishing);
}

/* The relays are known.  Archiving begins with what is remembered of their health. */
void daemon_monitor_start(struct daemon *d)
{
    if (d->publisher != NULL)
        publisher_start(d->publisher);
    if (d->monitor != NULL)
        monitor_start(d->monitor);
    else
        synchronizer_start(d->synchronizer);
}

void daemon_monitor_stop(struct daemon *d)
{
    if (d->monitor != NULL)
        monitor_stop(d->monitor);
    if (d->publisher != NULL)
        publisher_stop(d->publisher);
}

/* After the database was closed. */
void daemon_monitor_close(struct daemon *d)
{
    if (d->monitor != NULL)
        monitor_close(d->monitor);
    d->monitor = NULL;
    if (d->publisher != NULL)
        publisher_close(d->publisher);
    d->publisher = NULL;
    geo_close(d->geo);
}
