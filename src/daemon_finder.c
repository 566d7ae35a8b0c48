/* daemon_finder: the finder in the composition: its options, its making and its end. */
#include <stdlib.h>

#include "core/log.h"
#include "daemon.h"

static void options_finder(const struct daemon *d, struct finder_options *o)
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
                                         .interval_ms = cfg->finder_ask_interval}};
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
    options_finder(d, &options);
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
}

void daemon_finder_reconfigure(struct daemon *d)
{
    struct finder_options options;

    if (d->finder == NULL)
        return;
    options_finder(d, &options);
    finder_reconfigure(d->finder, &options);
}

/* After the database was closed. */
void daemon_finder_close(struct daemon *d)
{
    if (d->finder != NULL)
        finder_close(d->finder);
    d->finder = NULL;
}
