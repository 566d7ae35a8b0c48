/* relay_metrics: see relay_metrics.h. */
#include "services/relay_metrics.h"

#include <stdlib.h>

struct place {
    struct heap_node by_news; /* the least is on top, and is the first to go */
    const struct relay *relay;
};

struct chosen {
    struct place *places;
    uint32_t n;
};

static int by_news(const void *a, const void *b)
{
    const struct relay *x = ((const struct place *)a)->relay, *y = ((const struct place *)b)->relay;

    if (x->events_new != y->events_new)
        return x->events_new < y->events_new ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static void choose(struct chosen *c, const struct roster *roster, uint32_t most)
{
    struct heap least;

    heap_init(&least);
    for (uint32_t i = 0; i < roster->n; i++) {
        const struct relay *relay = roster->relays[i];
        struct place *place = c->n < most ? &c->places[c->n]
                                          : CONTAINER_OF(heap_first(&least), struct place, by_news);

        if (relay->events_new == 0 || (c->n == most && relay->events_new <= place->by_news.due))
            continue;
        c->n += c->n < most;
        place->relay = relay;
        heap_put(&least, &place->by_news, relay->events_new);
    }
    heap_done(&least);
    qsort(c->places, c->n, sizeof(*c->places), by_news);
}

/* What the rows say */

static double relay_events_new_total(const struct relay *relay, int64_t now_ms)
{
    (void)now_ms;
    return (double)relay->events_new;
}

static double relay_event_messages_total(const struct relay *relay, int64_t now_ms)
{
    (void)now_ms;
    return (double)relay->events;
}

static double relay_received_bytes_total(const struct relay *relay, int64_t now_ms)
{
    (void)now_ms;
    return (double)relay->bytes;
}

static double relay_failures(const struct relay *relay, int64_t now_ms)
{
    (void)now_ms;
    return relay->failures;
}

/* Who is followed live is in sync now; of whom it never was nothing can be said. */
static double relay_lag_seconds(const struct relay *relay, int64_t now_ms)
{
    if (relay->state == RELAY_LIVE)
        return 0;
    return relay->synced_at_ms > 0 ? (double)(now_ms - relay->synced_at_ms) / 1000 : -1;
}

static double relay_info(const struct relay *relay, int64_t now_ms)
{
    (void)relay;
    (void)now_ms;
    return 1;
}

static const struct row {
    const char *name, *help;
    enum metric_kind kind;
    double (*value)(const struct relay *relay, int64_t now_ms); /* below 0: none */
} rows[] = {
#define METRIC(name, kind, label, labels, help)
#define METRIC_OF_TWO(name, kind, label_a, labels_a, label_b, labels_b, help)
#define HISTOGRAM(name, bounds, help)
#define BY_RELAY(name, kind, help) {#name, help, METRIC_##kind, name},
#include "core/metrics.def"
};

static void print_row(FILE *out, const struct row *row, const struct chosen *c, int64_t now_ms)
{
    metrics_print_head(out, row->name, row->help, row->kind);
    for (uint32_t i = 0; i < c->n; i++) {
        const struct relay *relay = c->places[i].relay;
        double value = row->value(relay, now_ms);

        if (value < 0)
            continue;
        (void)fprintf(out, "bigbrotr_%s{relay=\"", row->name);
        metrics_print_escaped(out, relay->url);
        if (row->value == relay_info)
            (void)fprintf(out, "\",network=\"%s\",state=\"%s", network_name(relay->network),
                          relay_state_name(relay->state));
        (void)fprintf(out, "\"} %.15g\n", value);
    }
}

void relay_metrics_print(FILE *out, const struct roster *roster, uint32_t most, int64_t now_ms)
{
    struct chosen chosen = {0};

    if (most == 0 || roster->n == 0)
        return;
    if (most > roster->n)
        most = roster->n;
    chosen.places = calloc(most, sizeof(*chosen.places));
    if (chosen.places == NULL)
        abort();
    choose(&chosen, roster, most);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        print_row(out, &rows[i], &chosen, now_ms);
    free(chosen.places);
}
