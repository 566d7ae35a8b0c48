/* The page of numbers in the Prometheus text format (version 0.0.4). */
#include "core/metrics.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

struct metrics metrics;

/* Values of the label lists, by index; "" for a metric without label, NULL for a series that does
 * not exist. */
typedef const char *label_values(int i);

static const char *values_of_no_label(int i)
{
    (void)i;
    return "";
}

static const char *values_of_networks(int i)
{
    return network_name((enum network)i);
}

static const char *values_of_rejects(int i)
{
    return reject_name((enum reject)i);
}

static const char *values_of_errors(int i)
{
    return i == ERR_NONE ? NULL : err_name((enum err_code)i);
}

static const struct {
    const char *name, *words;
} relay_states[] = {
#define ROW(name, value, words) {value, words},
    RELAY_STATES(ROW)
#undef ROW
};

const char *relay_state_name(enum relay_state state)
{
    return relay_states[state].name;
}

const char *relay_state_words(enum relay_state state)
{
    return relay_states[state].words;
}

static const char *values_of_relay_states(int i)
{
    return relay_state_name((enum relay_state)i);
}

#define ROW(name, value) value,
static const char *values_of_variants(int i)
{
    static const char *const values[] = {VARIANTS(ROW)};

    return values[i];
}

static const char *values_of_pools(int i)
{
    static const char *const values[] = {POOLS(ROW)};

    return values[i];
}

const char *settle_name(enum settle how)
{
    static const char *const values[] = {SETTLES(ROW)};

    return values[how];
}

static const char *values_of_settles(int i)
{
    return settle_name((enum settle)i);
}

static const char *values_of_healths(int i)
{
    static const char *const values[] = {HEALTHS(ROW)};

    return values[i];
}

static const char *values_of_db_lanes(int i)
{
    static const char *const values[] = {DB_LANES(ROW)};

    return values[i];
}

const char *candidate_state_name(enum candidate_state state)
{
    static const char *const names[] = {CANDIDATE_STATES(ROW)};

    return names[state];
}

static const char *values_of_candidate_states(int i)
{
    return candidate_state_name((enum candidate_state)i);
}

static const char *values_of_candidate_probes(int i)
{
    static const char *const values[] = {CANDIDATE_PROBES(ROW)};

    return values[i];
}

static const char *values_of_fetches(int i)
{
    static const char *const values[] = {FETCHES(ROW)};

    return values[i];
}

static const char *values_of_reloads(int i)
{
    static const char *const values[] = {RELOADS(ROW)};

    return values[i];
}
static const char *values_of_deletions(int i)
{
    static const char *const values[] = {DELETIONS(ROW)};

    return values[i];
}
#undef ROW

struct metric {
    const char *name, *label, *help;
    enum metric_kind kind;
    int n;
    const int64_t *numbers;
    label_values *values;
};

#define VALUES_NO_LABEL         values_of_no_label
#define VALUES_NETWORKS         values_of_networks
#define VALUES_REJECTS          values_of_rejects
#define VALUES_ERRORS           values_of_errors
#define VALUES_VARIANTS         values_of_variants
#define VALUES_POOLS            values_of_pools
#define VALUES_RELAY_STATES     values_of_relay_states
#define VALUES_SETTLES          values_of_settles
#define VALUES_HEALTHS          values_of_healths
#define VALUES_DB_LANES         values_of_db_lanes
#define VALUES_CANDIDATE_STATES values_of_candidate_states
#define VALUES_CANDIDATE_PROBES values_of_candidate_probes
#define VALUES_RELOADS          values_of_reloads
#define VALUES_DELETIONS        values_of_deletions
#define VALUES_FETCHES          values_of_fetches

static const struct metric table[] = {
#define METRIC(metric_name, metric_kind, metric_label, labels, metric_help) \
    {                                                                       \
        .name = #metric_name,                                               \
        .label = #metric_label,                                             \
        .help = (metric_help),                                              \
        .kind = METRIC_##metric_kind,                                       \
        .n = METRIC_N_##labels,                                             \
        .numbers = metrics.metric_name,                                     \
        .values = VALUES_##labels,                                          \
    },
#define HISTOGRAM(metric_name, metric_bounds, metric_help)
#define BY_RELAY(metric_name, metric_kind, metric_help)
#include "core/metrics.def"
};

struct histogram_row {
    const char *name, *help;
    struct histogram *histogram;
    int64_t bounds[HISTOGRAM_BUCKETS_MAX]; /* the first 0 ends them */
};

static const struct histogram_row histograms[] = {
#define METRIC(metric_name, metric_kind, metric_label, labels, metric_help)
#define BOUND(ms) ms,
#define HISTOGRAM(metric_name, metric_bounds, metric_help) \
    {#metric_name, metric_help, &metrics.metric_name, {metric_bounds(BOUND) 0}},
#define BY_RELAY(metric_name, metric_kind, metric_help)
#include "core/metrics.def"
};
enum { HISTOGRAMS = sizeof(histograms) / sizeof(histograms[0]) };

void metric_observe_in(struct histogram *h, int64_t ms)
{
    int row = 0, bucket = 0;

    while (row < HISTOGRAMS - 1 && histograms[row].histogram != h)
        row++;
    assert(histograms[row].histogram == h);
    if (ms < 0)
        ms = 0;
    while (histograms[row].bounds[bucket] != 0 && ms > histograms[row].bounds[bucket])
        bucket++;
    h->counts[bucket]++;
    h->sum_ms += ms;
}

/* Backslash and line feed are escaped everywhere, the quote inside quotes. */
static void print_text(FILE *out, const char *text, bool quoted)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            (void)fputs("\\n", out);
        else if (*text == '\\' || (quoted && *text == '"'))
            (void)fprintf(out, "\\%c", *text);
        else
            (void)fputc(*text, out);
    }
}

void metrics_print_escaped(FILE *out, const char *value)
{
    print_text(out, value, true);
}

static bool in_seconds(const char *name)
{
    static const char end[] = "_seconds";
    size_t n = strlen(name);

    return n > sizeof(end) - 1 && strcmp(name + n - (sizeof(end) - 1), end) == 0;
}

static void print_number(FILE *out, const struct metric *m, int i)
{
    const char *value = m->values(i);

    if (value == NULL)
        return;
    if (m->values == values_of_errors && m->numbers[i] == 0)
        return; /* fifty values, most of which never happen */
    (void)fprintf(out, "bigbrotr_%s", m->name);
    if (value[0] != '\0') {
        (void)fprintf(out, "{%s=\"", m->label);
        metrics_print_escaped(out, value);
        (void)fputs("\"}", out);
    }
    if (in_seconds(m->name))
        (void)fprintf(out, " %.3f\n", (double)m->numbers[i] / 1000);
    else
        (void)fprintf(out, " %lld\n", (long long)m->numbers[i]);
}

void metrics_print_head(FILE *out, const char *name, const char *help, enum metric_kind kind)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

    (void)fprintf(out, "# HELP bigbrotr_%s ", name);
    print_text(out, help, false);
    (void)fprintf(out, "\n# TYPE bigbrotr_%s %s\n", name, types[kind]);
}

static void print_histogram(FILE *out, const struct histogram_row *row)
{
    const struct histogram *h = row->histogram;
    int64_t sum = 0;
    int i = 0;

    metrics_print_head(out, row->name, row->help, METRIC_HISTOGRAM);
    for (; row->bounds[i] != 0; i++) {
        sum += h->counts[i];
        (void)fprintf(out, "bigbrotr_%s_bucket{le=\"%g\"} %lld\n", row->name,
                      (double)row->bounds[i] / 1000, (long long)sum);
    }
    sum += h->counts[i];
    (void)fprintf(out, "bigbrotr_%s_bucket{le=\"+Inf\"} %lld\n", row->name, (long long)sum);
    (void)fprintf(out, "bigbrotr_%s_sum %.3f\n", row->name, (double)h->sum_ms / 1000);
    (void)fprintf(out, "bigbrotr_%s_count %lld\n", row->name, (long long)sum);
}

void metrics_print(FILE *out)
{
    for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++) {
        const struct metric *m = &table[k];

        metrics_print_head(out, m->name, m->help, m->kind);
        for (int i = 0; i < m->n; i++)
            print_number(out, m, i);
    }
    for (int k = 0; k < HISTOGRAMS; k++)
        print_histogram(out, &histograms[k]);
}
