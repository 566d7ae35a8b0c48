/* The page of numbers in the format of Prometheus. */
#include <ctype.h>
#include <stdlib.h>

#include "core/metrics.h"
#include "unit.h"

static char *page(void)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    metrics_print(out);
    (void)fclose(out);
    return text;
}

static void test_numbers_have_their_labels(void **state)
{
    char *text;

    (void)state;
    metrics.events_archived_total[0] = 5;
    metrics.events_rejected_total[REJECT_SYNTAX]++;
    metrics.dial_failures_total[NETWORK_CLEARNET][ERR_TLS_CERT] += 7;
    metrics.dial_failures_total[NETWORK_LOKI][ERR_WS_REFUSED] += 8;
    metrics.relays[NETWORK_TOR] = 935;
    metrics.memory_used_bytes[POOL_KNOWN_IDS] = 1;
    metrics.pages_total[SETTLE_EOSE] = 2;
    metrics.relay_states[RELAY_IN_SYNC] = 3;
    text = page();
    assert_non_null(strstr(text, "\nbigbrotr_events_archived_total 5\n"));
    assert_non_null(strstr(text, "\nbigbrotr_events_rejected_total{reason=\"syntax\"} 1\n"));
    assert_non_null(strstr(text, "\nbigbrotr_events_rejected_total{reason=\"bad_utf8\"} 0\n"));
    assert_non_null(strstr(
        text, "\nbigbrotr_dial_failures_total{network=\"clearnet\",error=\"tls_cert\"} 7\n"));
    assert_non_null(
        strstr(text, "\nbigbrotr_dial_failures_total{network=\"loki\",error=\"ws_refused\"} 8\n"));
    assert_non_null(strstr(text, "\nbigbrotr_relays{network=\"tor\"} 935\n"));
    assert_non_null(strstr(text, "\nbigbrotr_memory_used_bytes{pool=\"known_ids\"} 1\n"));
    assert_non_null(strstr(text, "\nbigbrotr_pages_total{result=\"eose\"} 2\n"));
    assert_non_null(strstr(text, "\nbigbrotr_relay_states{state=\"in_sync\"} 3\n"));
    /* Errors that never happened are left out. */
    assert_null(strstr(text, "error=\"none\""));
    assert_null(strstr(text, "error=\"dns_failed\""));
    free(text);
}

static bool is_name(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)p[i]) && !isdigit((unsigned char)p[i]) && p[i] != '_')
            return false;
    return n > 0;
}

/* Every line is HELP, TYPE, or a number of the metric that they announced. */
static void test_every_line_is_well_formed(void **state)
{
    char *text = page();
    char current[128] = "";
    char *save = NULL;
    bool histogram = false;
    int helps = 0;
    int types = 0;

    (void)state;
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        size_t n = strcspn(line, "{ ");

        if (strncmp(line, "# HELP ", 7) == 0) {
            n = strcspn(line + 7, " ");
            (void)snprintf(current, sizeof(current), "%.*s", (int)n, line + 7);
            assert_true(is_name(current, n));
            helps++;
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_memory_equal(line + 7, current, strlen(current));
            bool counter = strstr(line, " counter") != NULL;
            histogram = strstr(line, " histogram") != NULL;
            assert_true(counter || histogram || strstr(line, " gauge") != NULL);
            /* The name of a counter ends in _total, and no other does. */
            assert_int_equal(strcmp(current + strlen(current) - 6, "_total") == 0, counter);
            types++;
        } else {
            assert_memory_equal(line, current, strlen(current));
            if (!histogram)
                assert_int_equal(n, strlen(current));
            assert_non_null(strrchr(line, ' '));
            assert_true(isdigit((unsigned char)strrchr(line, ' ')[1]));
        }
    }
    assert_int_equal(helps, types);
    assert_true(helps > 10);
    free(text);
}

static void test_histograms_add_up(void **state)
{
    char *text;

    (void)state;
    metric_observe(event_latency_seconds, -5); /* the author's clock is ahead of ours */
    metric_observe(event_latency_seconds, 100);
    metric_observe(event_latency_seconds, 101);
    metric_observe(event_latency_seconds, 100000000);
    text = page();
    assert_non_null(strstr(text, "\nbigbrotr_event_latency_seconds_bucket{le=\"0.1\"} 2\n"));
    assert_non_null(strstr(text, "\nbigbrotr_event_latency_seconds_bucket{le=\"0.25\"} 3\n"));
    assert_non_null(strstr(text, "\nbigbrotr_event_latency_seconds_bucket{le=\"3600\"} 3\n"));
    assert_non_null(strstr(text, "\nbigbrotr_event_latency_seconds_bucket{le=\"+Inf\"} 4\n"));
    assert_non_null(strstr(text, "\nbigbrotr_event_latency_seconds_sum 100000.201\n"));
    assert_non_null(strstr(text, "\nbigbrotr_event_latency_seconds_count 4\n"));
    metrics.loop_lag_max_seconds[0] = 12;
    free(text);
    text = page();
    assert_non_null(strstr(text, "\nbigbrotr_loop_lag_max_seconds 0.012\n"));
    free(text);
}

/* Whatever goes wrong, and everywhere: the number of series has a bound that Prometheus does not
 * notice. */
static void test_there_are_not_too_many(void **state)
{
    size_t series = 0;

    (void)state;
    memset(&metrics, 1, sizeof(metrics));
    char *text = page();
    for (const char *p = text; p != NULL && *p != '\0'; p = strchr(p, '\n'), p += p != NULL)
        series += *p != '#';
    assert_in_range(series, 2 * NETWORK__COUNT * (ERR__COUNT - 1), 1000);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_have_their_labels),
        cmocka_unit_test(test_every_line_is_well_formed),
        cmocka_unit_test(test_histograms_add_up),
        cmocka_unit_test(test_there_are_not_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
