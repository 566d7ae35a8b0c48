/* daemon_options: from the configuration to what each part wants to know. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "daemon/daemon.h"
#include "net/net_config.h"
#include "net/tls.h"
#include "nostr/sign.h"

/* Shares of memory_max, in percent.  What the pools do not name (code, the roster of relays beyond
 * its share, libpq's buffers) is some 20 MiB more. */
enum {
    SHARE_BATCHES = 40,
    SHARE_KNOWN = 22,
    SHARE_MESSAGES = 14,
    SHARE_CONNECTIONS = 20,
    SHARE_RELAYS = 4
};

/* One check takes two connections, however small the budget is. */
enum { CHECK_CONNECTIONS_MIN = 2 };

/* What an idle TLS connection holds: 24 KiB in mbedTLS (out buffer of 2 KiB), and ours. */
enum { CONNECTION_BYTES = 25 * 1024 };

/* Of one kind within one second more may be asked for than a page, but no page may fill more than a
 * quarter of what batches may hold. */
enum { PAGE_EVENT_BYTES = 16 * 1024 };

void options_pools(const struct config *cfg, struct daemon_pools *pools)
{
    uint64_t percent = (uint64_t)cfg->daemon_memory_max / 100;

    pools->batches = percent * SHARE_BATCHES;
    pools->known_ids = percent * SHARE_KNOWN;
    pools->messages = percent * SHARE_MESSAGES;
    pools->connections = percent * SHARE_CONNECTIONS;
    pools->relays = percent * SHARE_RELAYS;
}

void options_log(const struct config *cfg)
{
    struct err err;

    log_set_level((enum log_level)cfg->log_level);
    log_set_format((enum log_format)cfg->log_format);
    (void)!log_set_modules(cfg->log_modules, true, &err); /* options_check() has read it */
}

void options_net(const struct config *cfg, const struct daemon_pools *pools, struct net_options *o)
{
    net_config(cfg, "bigbrotrd", o);
    o->assembly_bytes_max = pools->messages;
}

/* Read here as well, so that --check-config says what is in it. */
static void check_ca_file(const struct config *cfg, struct config_errors *errors)
{
    const struct tls_options options = {.ca_file = cfg->network_tls_ca_file};
    struct tls_context *tls;
    struct err err;

    if (cfg->network_tls_ca_file[0] == '\0')
        return;
    if ((tls = tls_context_new(&options, &err)) == NULL)
        config_errors_add(errors, cfg->path, 0, "[network] tls_ca_file: %s", err.detail);
    else
        tls_context_free(tls);
}

void options_ingest(const struct daemon *d, struct ingest_options *o)
{
    *o = (struct ingest_options){.pool_bytes_max = d->pools.batches,
                                 .known_bytes_max = d->pools.known_ids,
                                 .batch_events = (uint32_t)d->cfg->database_batch_events,
                                 .batch_age_ms = (uint32_t)d->cfg->database_batch_age,
                                 .keep_ephemeral = d->cfg->archive_ephemeral,
                                 .note_hints = d->cfg->finder_enabled,
                                 .filters = (const struct filter_spec *const *)d->filters,
                                 .filters_n = d->filters_n,
                                 .retention = d->retention,
                                 .retention_n = d->retention_n};
}

/* One connection for each relay that is published to, but no more than a quarter of all. */
static uint32_t publishing_connections(const struct config *cfg, uint32_t most)
{
    const char *at = cfg->publisher_relays;
    uint32_t n = 0;
    struct str item;

    while (config_list_next(&at, &item))
        n++;
    if (n > most / 4)
        n = most / 4 > 0 ? most / 4 : 1;
    return n;
}

void options_budget(const struct daemon *d, struct budget_limits *o)
{
    const struct config *cfg = d->cfg;
    uint32_t fit = (uint32_t)(d->pools.connections / CONNECTION_BYTES);
    uint32_t most = (uint32_t)cfg->network_connections_max;

    *o = (struct budget_limits){.connections_max = most < fit ? most : fit,
                                .host_connections_max = (uint32_t)cfg->network_host_connections_max,
                                .host_interval_ms = (uint32_t)cfg->network_host_connect_interval,
                                .dials_per_second = (uint32_t)cfg->network_connects_per_second};
    if (cfg->finder_enabled) {
        o->connections_finder =
            (uint32_t)((uint64_t)o->connections_max * (uint64_t)cfg->finder_connections / 1000);
        if (o->connections_finder == 0)
            o->connections_finder = 1;
    }
    if (!cfg->monitor_enabled)
        return;
    o->connections_checks =
        (uint32_t)((uint64_t)o->connections_max * (uint64_t)cfg->monitor_share / 1000);
    if (o->connections_checks < CHECK_CONNECTIONS_MIN)
        o->connections_checks = CHECK_CONNECTIONS_MIN;
    o->connections_publishing = publishing_connections(cfg, o->connections_max);
}

void options_synchronizer(const struct daemon *d, struct synchronizer_options *o)
{
    const struct config *cfg = d->cfg;
    uint64_t fit = d->pools.batches / PAGE_EVENT_BYTES;

    *o = (struct synchronizer_options){
        .enabled = cfg->synchronizer_enabled,
        .require_readable = cfg->synchronizer_require_readable && cfg->monitor_enabled,
        .max_check_age_ms = cfg->synchronizer_max_check_age,
        .page = (uint32_t)cfg->synchronizer_page,
        .page_max = fit < WALK_PAGE_MAX ? (uint32_t)fit : WALK_PAGE_MAX,
        .live_max = (uint32_t)cfg->synchronizer_live_max,
        .sessions = {[NETWORK_CLEARNET] = (uint32_t)cfg->synchronizer_sessions_clearnet,
                     [NETWORK_TOR] = (uint32_t)cfg->synchronizer_sessions_tor,
                     [NETWORK_I2P] = (uint32_t)cfg->synchronizer_sessions_i2p,
                     [NETWORK_LOKI] = (uint32_t)cfg->synchronizer_sessions_loki},
        .sessions_priority = (uint32_t)cfg->synchronizer_sessions_priority,
        .poll_interval_ms = cfg->synchronizer_poll_interval,
        .retry_min_ms = cfg->synchronizer_retry_min,
        .retry_max_ms = cfg->synchronizer_retry_max,
        .slice_ms = cfg->synchronizer_slice,
        .overlap_s = cfg->synchronizer_overlap / 1000,
        .overlap_backdated_s = cfg->synchronizer_overlap_backdated / 1000,
        .gap_retry_s = cfg->synchronizer_gap_retry / 1000,
        .idle_ms = (uint32_t)cfg->synchronizer_idle_timeout,
        .idle_overlay_ms = (uint32_t)cfg->synchronizer_idle_timeout_overlay,
        .total_ms = (uint32_t)cfg->synchronizer_request_timeout,
        .host_subscriptions_max = (uint32_t)cfg->network_host_subscriptions_max};
    options_budget(d, &o->budget);
}

static struct filter_spec *make_filter(const struct config *cfg,
                                       const struct config_filter *section,
                                       struct config_errors *errors)
{
    struct filter_spec *f = filter_spec_new(section->name);
    struct err err;

    for (size_t i = 0; i < section->n_pairs; i++) {
        const struct config_pair *pair = &section->pairs[i];
        if (filter_spec_set(f, pair->key, pair->value, &err) < 0)
            config_errors_add(errors, cfg->path, pair->line, "[filter %s] %s", section->name,
                              err.detail);
    }
    return f;
}

int options_filters(struct daemon *d, struct config_errors *errors)
{
    size_t before = errors->n;

    d->filters_n = d->cfg->n_filters > 0 ? d->cfg->n_filters : 1;
    d->filters = calloc(d->filters_n, sizeof(struct filter_spec *));
    if (d->filters == NULL)
        abort();
    for (size_t i = 0; i < d->cfg->n_filters; i++)
        d->filters[i] = make_filter(d->cfg, &d->cfg->filters[i], errors);
    if (d->cfg->n_filters == 0)
        d->filters[0] = filter_spec_new("everything");
    return errors->n > before ? -1 : 0;
}

static void check_relays(const struct config *cfg, struct config_errors *errors)
{
    struct relay_url *url = malloc(sizeof(*url));

    if (url == NULL)
        abort();
    for (size_t i = 0; i < cfg->n_relays; i++) {
        enum url_refusal why = url_parse(str_z(cfg->relays[i].url), &url_any_address, url);
        if (why != URL_OK)
            config_errors_add(errors, cfg->path, cfg->relays[i].line, "[relay %s] %s",
                              cfg->relays[i].url, url_refusal_text(why));
    }
    free(url);
}

int options_check(const struct config *cfg, struct config_errors *errors)
{
    size_t before = errors->n;
    struct err err;
    const char *key = config_secret(cfg, "identity", "secret_key");

    for (size_t i = 0; i < cfg->n_filters; i++)
        filter_spec_free(make_filter(cfg, &cfg->filters[i], errors));
    options_check_retention(cfg, errors);
    check_ca_file(cfg, errors);
    check_relays(cfg, errors);
    options_check_monitor(cfg, errors);
    options_check_http(cfg, errors);
    options_check_finder(cfg, errors);
    if (log_set_modules(cfg->log_modules, false, &err) < 0)
        config_errors_add(errors, cfg->path, 0, "[log] modules: %s", err.detail);
    if (key != NULL) {
        struct signer *signer = signer_new(key, &err);
        if (signer == NULL)
            config_errors_add(errors, cfg->path, 0, "[identity] secret_key_file: %s", err.detail);
        else
            signer_free(signer);
    }
    return errors->n > before ? -1 : 0;
}
