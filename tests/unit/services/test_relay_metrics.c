/* Numbers of single relays: who is shown, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/relay_metrics.h"

enum { NOW_MS = 1000000, MANY = 5000 };

static char *page(struct relay *relays, uint32_t n, uint32_t most)
{
    struct relay **pointers = calloc(n + 1, sizeof(struct relay *));
    struct roster roster = {.relays = pointers, .n = n};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(pointers);
    assert_non_null(out);
    for (uint32_t i = 0; i < n; i++)
        pointers[i] = &relays[i];
    relay_metrics_print(out, &roster, most, NOW_MS);
    (void)fclose(out);
    free(pointers);
    return text;
}

static bool has(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

static uint32_t count(const char *text, const char *what)
{
    uint32_t n = 0;

    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        n++;
    }
    return n;
}

static void test_what_is_said(void **state)
{
    char one[] = "wss://one.example.com", two[] = "ws://two.onion/a\"b\\c\nd",
         never[] = "wss://never";
    struct relay relays[] = {{.id = 1,
                              .url = one,
                              .events_new = 12345678901,
                              .events = 12345678999,
                              .bytes = 777,
                              .failures = 3,
                              .state = RELAY_FAILING,
                              .synced_at_ms = NOW_MS - 61500},
                             {.id = 2,
                              .url = two,
                              .network = NETWORK_TOR,
                              .events_new = 2,
                              .state = RELAY_LIVE,
                              .synced_at_ms = 1},
                             {.id = 3, .url = never, .events_new = 1}};
    char *text = page(relays, 3, 10);

    (void)state;
    assert_true(has(
        text, "# TYPE bigbrotr_relay_events_new_total counter\n"
              "bigbrotr_relay_events_new_total{relay=\"wss://one.example.com\"} 12345678901\n"));
    assert_true(has(
        text,
        "\nbigbrotr_relay_event_messages_total{relay=\"wss://one.example.com\"} 12345678999\n"));
    assert_true(
        has(text, "\nbigbrotr_relay_received_bytes_total{relay=\"wss://one.example.com\"} 777\n"));
    assert_true(has(text, "\nbigbrotr_relay_failures{relay=\"wss://one.example.com\"} 3\n"));
    assert_true(has(text, "\nbigbrotr_relay_lag_seconds{relay=\"wss://one.example.com\"} 61.5\n"));
    assert_true(has(text, "\nbigbrotr_relay_info{relay=\"wss://"
                          "one.example.com\",network=\"clearnet\",state=\"failing\"} 1\n"));
    assert_true(
        has(text, "\nbigbrotr_relay_lag_seconds{relay=\"ws://two.onion/a\\\"b\\\\c\\nd\"} 0\n"));
    assert_true(has(text, "\\nd\",network=\"tor\",state=\"live\"} 1\n"));
    assert_false(has(text, "bigbrotr_relay_lag_seconds{relay=\"wss://never\"}"));
    assert_true(has(text, "\nbigbrotr_relay_failures{relay=\"wss://never\"} 0\n"));
    free(text);
}

/* Of many, in any order: those that have brought most. */
static void test_who_is_shown(void **state)
{
    struct relay *relays = calloc(MANY, sizeof(*relays));
    char urls[MANY][16];
    char *text;

    (void)state;
    assert_non_null(relays);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(urls[i], sizeof(urls[i]), "wss://r%d", i);
        /* A permutation of 0 .. MANY - 1; the one with 0 has brought nothing. */
        relays[i] = (struct relay){.id = i, .url = urls[i], .events_new = (int64_t)i * 1777 % MANY};
    }
    text = page(relays, MANY, 50);
    assert_int_equal(count(text, "bigbrotr_relay_events_new_total{"), 50);
    for (int i = 0; i < MANY; i++) {
        char line[128];

        (void)snprintf(line, sizeof(line), "bigbrotr_relay_events_new_total{relay=\"%.15s\"} %d\n",
                       urls[i], (int)relays[i].events_new);
        assert_int_equal(has(text, line), relays[i].events_new >= MANY - 50);
    }
    free(text);
    text = page(relays, MANY, MANY + 7);
    assert_int_equal(count(text, "bigbrotr_relay_events_new_total{"), MANY - 1);
    free(text);
    text = page(relays, MANY, 0);
    assert_string_equal(text, "");
    free(text);
    text = page(relays, 0, 5);
    assert_string_equal(text, "");
    free(text);
    free(relays);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_said),
                                       cmocka_unit_test(test_who_is_shown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
