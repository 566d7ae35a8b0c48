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

static const char *values_of_worker_queues(int i)
{
    static const char *const values[] = {WORKER_QUEUES(ROW)};

    return values[i];
}

static const char *values_of_listeners(int i)
{
    static const char *const values[] = {LISTENERS(ROW)};

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

enum { LABELS_MAX = 2 };

struct metric {
    const char *name, *help;
    enum metric_kind kind;
    const int64_t *numbers; /* of the last label side by side */
    struct label {
        const char *name;
        int n; /* 0: there is none */
        label_values *values;
    } labels[LABELS_MAX];
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
#define VALUES_WORKER_QUEUES    values_of_worker_queues
#define VALUES_LISTENERS        values_of_listeners
#define VALUES_RELOADS          values_of_reloads
#define VALUES_DELETIONS        values_of_deletions
#define VALUES_FETCHES          values_of_fetches

#define LABEL(label, labels)                       \
    {                                              \
#label, METRIC_N_##labels, VALUES_##labels \
    }
static const struct metric table[] = {
#define METRIC(metric_name, metric_kind, label, list, metric_help) \
    {                                                              \
        .name = #metric_name,                                      \
        .help = (metric_help),                                     \
        .kind = METRIC_##metric_kind,                              \
        .numbers = metrics.metric_name,                            \
        .labels = {LABEL(label, list)},                            \
    },
#define METRIC_OF_TWO(metric_name, metric_kind, label_a, list_a, label_b, list_b, metric_help) \
    {                                                                                          \
        .name = #metric_name,                                                                  \
        .help = (metric_help),                                                                 \
        .kind = METRIC_##metric_kind,                                                          \
        .numbers = metrics.metric_name[0],                                                     \
        .labels = {LABEL(label_a, list_a), LABEL(label_b, list_b)},                            \
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
#define METRIC(metric_name, metric_kind, label, list, metric_help)
#define METRIC_OF_TWO(metric_name, metric_kind, label_a, list_a, label_b, list_b, metric_help)
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

/* One number, with the value of each label. */
static void print_number(FILE *out, const struct metric *m, const int at[LABELS_MAX],
                         int64_t number)
{
    const char *sep = "{";

    for (int k = 0; k < LABELS_MAX && m->labels[k].n > 0; k++) {
        const struct label *label = &m->labels[k];
        if (label->values(at[k]) == NULL)
            return;
        if (label->values == values_of_errors && number == 0)
            return; /* some sixty values, most of which never happen */
    }
    (void)fprintf(out, "bigbrotr_%s", m->name);
    for (int k = 0; k < LABELS_MAX && m->labels[k].n > 0; k++) {
        const char *value = m->labels[k].values(at[k]);
        if (value[0] == '\0')
            continue;
        (void)fprintf(out, "%s%s=\"", sep, m->labels[k].name);
        metrics_print_escaped(out, value);
        (void)fputc('"', out);
        sep = ",";
    }
    (void)fputs(sep[0] == ',' ? "} " : " ", out);
    if (in_seconds(m->name))
        (void)fprintf(out, "%.3f\n", (double)number / 1000);
    else
        (void)fprintf(out, "%lld\n", (long long)number);
}

static void print_numbers(FILE *out, const struct metric *m)
{
    int inner = m->labels[1].n > 0 ? m->labels[1].n : 1;

    for (int i = 0; i < m->labels[0].n; i++)
        for (int k = 0; k < inner; k++)
            print_number(out, m, (const int[LABELS_MAX]){i, k}, m->numbers[i * inner + k]);
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
        print_numbers(out, m);
    }
    for (int k = 0; k < HISTOGRAMS; k++)
        print_histogram(out, &histograms[k]);
}
