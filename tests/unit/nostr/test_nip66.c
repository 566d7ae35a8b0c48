/* What a monitor tells: the tags of NIP-66, and what counts as news. */
#include <stdlib.h>

#include "core/json.h"
#include "nostr/event.h"
#include "nostr/nip66.h"
#include "unit.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 65536);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

/* The tags as JSON. */
static char *tags(const struct event_draft *d)
{
    struct js *list = js_new_array();

    for (uint32_t i = 0; i < d->tags_n; i++) {
        struct js *tag = js_new_array();
        for (uint32_t j = d->tag_start[i]; j < d->tag_start[i + 1]; j++)
            js_add(tag, js_new_str(d->elements[j]));
        js_add(list, tag);
    }
    char *text = js_text(list, JS_COMPACT);
    js_free(list);
    return text;
}

static void assert_tags(const struct event_draft *d, const char *expected)
{
    char *text = tags(d);

    assert_string_equal(text, expected);
    free(text);
}

static void test_a_relay_with_all_that_can_be_known(void **state)
{
    static const int32_t nips[] = {1, 11, 42};
    const struct str topics[] = {STR("cats"), STR("dogs"), STR("")}, languages[] = {STR("en")};
    const struct nip66_relay r = {.url = "wss://some.relay/",
                                  .network = NETWORK_CLEARNET,
                                  .rtt_open = 234,
                                  .rtt_read = 0,
                                  .rtt_write = -1,
                                  .nips = nips,
                                  .nips_n = 3,
                                  .auth = 1,
                                  .payment = 0,
                                  .writes = -1,
                                  .pow = 0,
                                  .topics = topics,
                                  .topics_n = 3,
                                  .languages = languages,
                                  .languages_n = 1,
                                  .geohash = "ww8p1r4t8",
                                  .country = "DE",
                                  .document = STR("{\"name\":\"x\"}")};
    struct event_draft d;

    (void)state;
    nip66_relay(&r, 1700000000, &arena, &d);
    assert_int_equal(d.kind, 30166);
    assert_int_equal(d.created_at, 1700000000);
    assert_true(str_eq(d.content, STR("{\"name\":\"x\"}")));
    assert_tags(&d,
                "[[\"d\",\"wss://some.relay/\"],[\"n\",\"clearnet\"],[\"N\",\"1\"],[\"N\",\"11\"],"
                "[\"N\",\"42\"],[\"R\",\"auth\"],[\"R\",\"!pow\"],[\"R\",\"!payment\"],"
                "[\"t\",\"cats\"],[\"t\",\"dogs\"],[\"g\",\"ww8p1r4t8\"],"
                "[\"l\",\"DE\",\"ISO-3166-1\"],[\"l\",\"en\",\"ISO-639-1\"],"
                "[\"rtt-open\",\"234\"],[\"rtt-read\",\"0\"]]");
}

static const struct nip66_relay nothing = {.url = "ws://x.onion/",
                                           .network = NETWORK_TOR,
                                           .rtt_open = -1,
                                           .rtt_read = -1,
                                           .rtt_write = -1,
                                           .auth = -1,
                                           .payment = -1,
                                           .writes = -1,
                                           .pow = -1,
                                           .geohash = "",
                                           .country = ""};

static void test_what_is_not_known_makes_no_tag(void **state)
{
    struct event_draft d;

    (void)state;
    nip66_relay(&nothing, 1, &arena, &d);
    assert_tags(&d, "[[\"d\",\"ws://x.onion/\"],[\"n\",\"tor\"]]");
    assert_int_equal(d.content.n, 0);
}

/* Whatever a document holds, the event stays within its bounds. */
static void test_too_much_is_left_out(void **state)
{
    int32_t nips[1000];
    struct str topics[1000];
    struct nip66_relay r = nothing;
    struct event_draft d;
    uint32_t t = 0;

    (void)state;
    for (int32_t i = 0; i < 1000; i++) {
        nips[i] = i;
        topics[i] =
            i % 2 ? STR("t")
                  : STR("0123456789012345678901234567890123456789012345678901234567890123456789");
    }
    r.nips = nips;
    r.nips_n = 1000;
    r.topics = topics;
    r.topics_n = 1000;
    nip66_relay(&r, 1, &arena, &d);
    assert_true(d.tags_n <= 800);
    r.nips_n = 0;
    nip66_relay(&r, 1, &arena, &d);
    for (uint32_t i = 0; i < d.tags_n; i++)
        t += str_eq(d.elements[d.tag_start[i]], STR("t"));
    assert_int_equal(t, NIP66_TOPICS_MAX / 2);
}

static void test_languages_are_those_of_the_namespace(void **state)
{
    const struct str languages[] = {STR("en-419"), STR("EN"), STR("pt"), STR("*"),      STR("deu"),
                                    STR("i-x"),    STR(""),   STR("d1"), STR("fr-CA-x")};
    struct nip66_relay r = nothing;
    struct event_draft d;

    (void)state;
    r.country = "PT"; /* the same letters in another namespace are something else */
    r.languages = languages;
    r.languages_n = sizeof(languages) / sizeof(languages[0]);
    nip66_relay(&r, 1, &arena, &d);
    assert_tags(&d, "[[\"d\",\"ws://x.onion/\"],[\"n\",\"tor\"],[\"l\",\"PT\",\"ISO-3166-1\"],"
                    "[\"l\",\"en\",\"ISO-639-1\"],[\"l\",\"pt\",\"ISO-639-1\"],"
                    "[\"l\",\"fr\",\"ISO-639-1\"]]");
}

static void test_round_trips_are_no_news(void **state)
{
    struct nip66_relay r = nothing;
    struct event_draft d;
    uint8_t a[32], b[32];

    (void)state;
    nip66_relay(&r, 1, &arena, &d);
    nip66_fingerprint(&d, a);
    r.rtt_open = 5;
    r.rtt_read = 7;
    nip66_relay(&r, 2, &arena, &d);
    nip66_fingerprint(&d, b);
    assert_memory_equal(a, b, 32);
    r.auth = 0;
    nip66_relay(&r, 2, &arena, &d);
    nip66_fingerprint(&d, b);
    assert_memory_not_equal(a, b, 32);
    r.auth = -1;
    r.document = STR("{}");
    nip66_relay(&r, 2, &arena, &d);
    nip66_fingerprint(&d, b);
    assert_memory_not_equal(a, b, 32);
}

static void test_the_monitors_own_kinds(void **state)
{
    static const char *const names[] = {"open", "nip11"};
    const struct nip66_monitor m = {
        .frequency_s = 3600, .timeout_ms = 5000, .checks = names, .checks_n = 2, .geohash = ""};
    const struct str urls[] = {STR("wss://a.example/"), STR("wss://b.example/x")};
    struct event_draft d;

    (void)state;
    nip66_monitor(&m, 1, &arena, &d);
    assert_int_equal(d.kind, 10166);
    assert_tags(
        &d, "[[\"frequency\",\"3600\"],[\"timeout\",\"5000\"],[\"c\",\"open\"],[\"c\",\"nip11\"]]");
    nip66_profile("me \"and\" you", "", 1, &arena, &d);
    assert_int_equal(d.kind, 0);
    assert_true(str_eq(d.content, STR("{\"name\":\"me \\\"and\\\" you\",\"bot\":true}")));
    assert_int_equal(d.tags_n, 0);
    nip66_relay_list(urls, 2, 1, &arena, &d);
    assert_int_equal(d.kind, 10002);
    assert_tags(&d,
                "[[\"r\",\"wss://a.example/\",\"write\"],[\"r\",\"wss://b.example/x\",\"write\"]]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_relay_with_all_that_can_be_known),
        cmocka_unit_test(test_what_is_not_known_makes_no_tag),
        cmocka_unit_test(test_too_much_is_left_out),
        cmocka_unit_test(test_languages_are_those_of_the_namespace),
        cmocka_unit_test(test_round_trips_are_no_news),
        cmocka_unit_test(test_the_monitors_own_kinds),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
