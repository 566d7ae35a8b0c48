/* daemon_finder: the finder in the composition: its options, its making and its end. */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "daemon/daemon.h"
#include "nostr/relay_list.h"

/* -1: what is wrong with it, for a person. */
static int make_source(const struct config_source *from, struct lists_source *to, struct err *err)
{
    *to = (struct lists_source){.json = from->format == CONFIG_SOURCE_JSON,
                                .interval_ms = from->interval,
                                .timeout_ms = (uint32_t)from->timeout,
                                .bytes_max = (size_t)from->max_size,
                                .via_tor = from->network == CONFIG_SOURCE_TOR};
    (void)str_copy(to->name, sizeof(to->name), str_z(from->name));
    (void)str_copy(to->path, sizeof(to->path), str_z(from->path));
    if (from->url[0] == '\0')
        return err_set(err, ERR_CONFIG, "url is missing: https://host/path");
    if (http_url_parse(&to->url, str_z(from->url), err) < 0)
        return -1;
    if (to->via_tor && to->url.network != NETWORK_CLEARNET && to->url.network != NETWORK_TOR)
        return err_set(err, ERR_CONFIG, "network: a name of %s is not reached through Tor",
                       network_name(to->url.network));
    if (!to->json && to->path[0] != '\0')
        return err_set(err, ERR_CONFIG, "path is for format = json");
    if (relay_list_path_check(to->path, err) < 0) {
        struct err why = *err;
        return err_set(err, ERR_CONFIG, "path %s", why.detail);
    }
    return 0;
}

void options_check_finder(const struct config *cfg, struct config_errors *errors)
{
    struct lists_source *source = malloc(sizeof(*source));
    struct err err;

    if (source == NULL)
        abort();
    for (size_t i = 0; i < cfg->n_sources; i++)
        if (make_source(&cfg->sources[i], source, &err) < 0)
            config_errors_add(errors, cfg->path, cfg->sources[i].line, "[finder.source %s] %s",
                              cfg->sources[i].name, err.detail);
    free(source);
}

/* The caller's to free. */
static struct lists_source *make_sources(const struct config *cfg)
{
    struct lists_source *sources = calloc(cfg->n_sources + 1, sizeof(*sources));
    struct err err;

    if (sources == NULL)
        abort();
    for (size_t i = 0; i < cfg->n_sources; i++)
        (void)!make_source(&cfg->sources[i], &sources[i], &err); /* checked by main() */
    return sources;
}

static void options_finder(const struct daemon *d, const struct lists_source *sources,
                           struct finder_options *o)
{
    const struct config *cfg = d->cfg;

    *o = (struct finder_options){.limits = {.retry_min_ms = cfg->finder_retry_min,
                                            .retry_max_ms = cfg->finder_retry_max,
                                            .tries_max = (uint32_t)cfg->finder_tries,
                                            .forgive_after_ms = cfg->finder_forgive_after},
                                 .probes = (uint32_t)cfg->finder_probes,
                                 .probes_per_hour = (uint32_t)cfg->finder_probes_per_hour,
                                 .share_permille = (uint32_t)cfg->finder_share,
                                 .share_rows = (uint32_t)cfg->finder_share_rows,
                                 .rows = (uint32_t)cfg->finder_rows,
                                 .timeout_ms = (uint32_t)cfg->finder_timeout,
                                 .timeout_overlay_ms = (uint32_t)cfg->finder_timeout_overlay,
                                 .ask = {.relays = (uint32_t)cfg->finder_ask_relays,
                                         .interval_ms = cfg->finder_ask_interval},
                                 .lists = {.sources = sources, .sources_n = cfg->n_sources}};
}

static void on_found(void *owner)
{
    struct daemon *d = owner;

    if (!d->stopping)
        daemon_relays_added(d);
}

/* After the roster was made. */
void daemon_finder_open(struct daemon *d)
{
    struct finder_options options;

    if (!d->cfg->finder_enabled)
        return;
    struct lists_source *sources = make_sources(d->cfg);
    options_finder(d, sources, &options);
    const struct finder_parts parts = {.loop = loop_uv(d->loop),
                                       .net = d->net,
                                       .db = d->db,
                                       .budget = d->budget,
                                       .roster = &d->roster,
                                       .signer = d->signer,
                                       .filters = (const struct filter_spec *const *)d->filters,
                                       .filters_n = d->cfg->synchronizer_enabled ? d->filters_n : 0,
                                       .access = d->access,
                                       .on_found = on_found,
                                       .owner = d};
    d->finder = finder_open(&parts, &options);
    free(sources);
}

void daemon_finder_reconfigure(struct daemon *d)
{
    struct finder_options options;

    if (d->finder == NULL)
        return;
    struct lists_source *sources = make_sources(d->cfg);
    options_finder(d, sources, &options);
    finder_reconfigure(d->finder, &options);
    free(sources);
}

/* After the database was closed. */
void daemon_finder_close(struct daemon *d)
{
    if (d->finder != NULL)
        finder_close(d->finder);
    d->finder = NULL;
}
