/* plan: from what was asked to what it costs, relay by relay and together. */
#include <stdlib.h>

#include "cli/plan.h"

static void add_part(struct plan_relay *relay, const struct plan_part *part)
{
    const struct survey_report *r = &part->report;
    double events = r->estimate.events;
    double bytes = r->messages > 0 ? (double)r->message_bytes / r->messages : 0;
    double before = relay->holds.events;

    if (r->err.code != ERR_NONE) {
        relay->err = &r->err;
        return;
    }
    relay->holds.events += events;
    relay->low += r->estimate.low;
    relay->high += r->estimate.high;
    relay->holds.wanted += events * r->wanted;
    if (relay->holds.events > 0)
        relay->holds.event_bytes =
            (relay->holds.event_bytes * before + bytes * events) / relay->holds.events;
}

static double page_of(const struct plan *p, const struct survey_report *r)
{
    double page = (double)p->command->cfg->synchronizer_page;

    /* Less came at once than was asked for, and it was not the end: so it goes on. */
    return r->estimate.page_max < SURVEY_PAGE && r->estimate.events > r->estimate.page_max
               ? r->estimate.page_max
               : page;
}

static void cost_relay(const struct plan *p, struct plan_relay *relay)
{
    const struct survey_report *first = &relay->parts[0].report;
    double first_s = 0, bytes_per_s = 0;

    for (size_t i = 0; i < p->filters_n; i++) {
        const struct survey_report *r = &relay->parts[i].report;

        first_s = r->first_s > first_s ? r->first_s : first_s;
        bytes_per_s = r->bytes_per_s > bytes_per_s ? r->bytes_per_s : bytes_per_s;
    }
    relay->holds.distinct = relay->holds.wanted;
    cost_of(&relay->holds, page_of(p, first), &relay->cost);
    relay->seconds = cost_seconds(&relay->cost, first_s, bytes_per_s);
}

void plan_add_up(struct plan *p)
{
    double held = 0;
    uint32_t ids = 0;

    for (size_t i = 0; i < p->relays_n; i++) {
        struct plan_relay *relay = &p->relays[i];

        for (size_t k = 0; k < p->filters_n && relay->err == NULL; k++)
            add_part(relay, &relay->parts[k]);
        if (relay->err != NULL)
            continue;
        cost_relay(p, relay);
        for (size_t k = 0; k < p->filters_n; k++)
            for (uint32_t n = 0; n < relay->parts[k].report.ids_n; n++, ids++)
                held += relay->parts[k].held[n] > 0 ? relay->parts[k].held[n] : 1;
    }
    p->copies = ids > 0 ? held / ids : 0;
}

/* Which part of what it brings is stored as its one copy; -1: none of it was asked for. */
static double share_new(const struct plan_part *part, uint32_t asked, double relays)
{
    double sum = 0;

    for (uint32_t i = 0; i < part->report.ids_n; i++)
        sum += cost_share_new(part->held[i], asked, relays);
    return part->report.ids_n > 0 ? sum / part->report.ids_n : -1;
}

static void add_distinct(const struct plan *p, const struct plan_relay *relay, uint32_t asked,
                         double relays, double *wanted, double *distinct)
{
    for (size_t k = 0; k < p->filters_n; k++) {
        const struct survey_report *r = &relay->parts[k].report;
        double share = share_new(&relay->parts[k], asked, relays);
        double n = r->estimate.events * r->wanted;

        if (share < 0)
            continue;
        *wanted += n;
        *distinct += n * share;
    }
}

/* What holds it up: the slowest relay, bandwidth, or how many are read at once. */
static void find_limit(const struct plan *p, double sum, struct plan_total *out)
{
    const struct config *cfg = p->command->cfg;
    double bandwidth = cfg->network_bandwidth_max > 0
                           ? out->cost.download_bytes / (double)cfg->network_bandwidth_max
                           : 0;
    double at_once = sum / (double)cfg->network_connections_max;

    out->limit = "the pace of this relay";
    if (bandwidth > out->seconds) {
        out->seconds = bandwidth;
        out->limit = "[network] bandwidth_max";
        out->slowest = NULL;
    }
    if (at_once > out->seconds) {
        out->seconds = at_once;
        out->limit = "[network] connections_max";
        out->slowest = NULL;
    }
}

void plan_total(const struct plan *p, bool all, struct plan_total *out)
{
    double scale = all ? (double)p->known / (double)p->relays_n : 1, bytes = 0, sum = 0;
    double wanted = 0, distinct = 0;
    uint32_t asked = 0;

    *out = (struct plan_total){.relays = 0};
    for (size_t i = 0; i < p->relays_n; i++)
        asked += p->relays[i].err == NULL;
    out->relays = scale * asked;
    for (size_t i = 0; i < p->relays_n; i++) {
        const struct plan_relay *relay = &p->relays[i];

        if (relay->err != NULL)
            continue;
        out->holds.events += scale * relay->holds.events;
        out->holds.wanted += scale * relay->holds.wanted;
        bytes += scale * relay->holds.events * relay->holds.event_bytes;
        out->cost.requests += scale * relay->cost.requests;
        sum += scale * relay->seconds;
        if (out->slowest == NULL || relay->seconds > out->seconds) {
            out->slowest = relay;
            out->seconds = relay->seconds;
        }
        add_distinct(p, relay, asked, out->relays, &wanted, &distinct);
    }
    double requests = out->cost.requests;
    out->holds.event_bytes = out->holds.events > 0 ? bytes / out->holds.events : 0;
    out->holds.distinct = wanted > 0 ? out->holds.wanted * distinct / wanted : 0;
    cost_of(&out->holds, 1, &out->cost);
    out->cost.requests = requests;
    find_limit(p, sum, out);
}
