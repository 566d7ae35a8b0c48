/* Relays that events mention: where, as what, and what is left alone. */
#include "event_fixture.h"
#include "nostr/bech32.h"
#include "nostr/hints.h"

static struct hints hints;

/* `tags` and `content` are JSON. */
static void read_event(int kind, const char *tags, const char *content)
{
    char number[16];
    enum reject why;

    snprintf(number, sizeof(number), "%d", kind);
    why = scan_parts(ANY_ID, "1700000000", number, tags, content);
    assert_true(why == REJECT_NONE || why == REJECT_ID_MISMATCH);
    hints = hints_of_event(&event, &arena);
}

static void assert_hint(uint32_t i, const char *url, enum hint_source source)
{
    assert_true(i < hints.n);
    assert_str(hints.hint[i].url, url, strlen(url));
    assert_string_equal(hint_source_name(hints.hint[i].source), hint_source_name(source));
}

/* One relay, and no other. */
static void assert_only(const char *url, enum hint_source source)
{
    assert_int_equal(hints.n, 1);
    assert_hint(0, url, source);
}

static void read_content(const char *content)
{
    read_event(1, "[]", content);
}

static void test_tags_by_kind(void **state)
{
    static const struct {
        int kind;
        const char *tag;
        enum hint_source source;
    } rows[] = {
        {10002, "[\"r\",\"wss://a.net\",\"read\"]", HINT_RELAY_LIST},
        {1, "[\"r\",\"wss://a.net\"]", HINT_TAG},
        {10050, "[\"relay\",\"wss://a.net\"]", HINT_DM_RELAYS},
        {10051, "[\"relay\",\"wss://a.net\"]", HINT_DM_RELAYS},
        {10006, "[\"relay\",\"wss://a.net\"]", HINT_BLOCKED},
        {10007, "[\"relay\",\"wss://a.net\"]", HINT_RELAY_SET},
        {10012, "[\"relay\",\"wss://a.net\"]", HINT_RELAY_SET},
        {10102, "[\"relay\",\"wss://a.net\"]", HINT_RELAY_SET},
        {30002, "[\"relay\",\"wss://a.net\"]", HINT_RELAY_SET},
        {10009, "[\"group\",\"id\",\"wss://a.net\"]", HINT_GROUP},
        {10009, "[\"r\",\"wss://a.net\"]", HINT_GROUP},
        {39000, "[\"d\",\"wss://a.net\"]", HINT_GROUP},
        {30166, "[\"d\",\"wss://a.net/\"]", HINT_MONITOR},
        {62, "[\"relay\",\"wss://a.net\"]", HINT_VANISH},
        {9734, "[\"relays\",\"\",\"\",\"wss://a.net\"]", HINT_RELAYS_TAG},
        {30617, "[\"relays\",\"wss://a.net\"]", HINT_RELAYS_TAG},
        {1, "[\"e\",\"x\",\"wss://a.net\",\"root\"]", HINT_POINTER},
        {1, "[\"P\",\"x\",\"wss://a.net\"]", HINT_POINTER},
        {1, "[\"e\",\"x\",\"root\",\"wss://a.net\"]", HINT_TAG},
        {1, "[\"client\",\"c\",\"31990:x\",\"wss://a.net\"]", HINT_TAG},
        {9735, "[\"description\",\"{\\\"tags\\\":[[\\\"relays\\\",\\\"wss://a.net\\\"]]}\"]",
         HINT_TEXT},
        {10002, "[\"r\",\" WSS://A.net:443/ \"]", HINT_RELAY_LIST},
        {10002, "[\"r\",\"see (wss://a.net)\"]", HINT_RELAY_LIST},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char tags[256];

        snprintf(tags, sizeof(tags), "[[],[\"x\"],%s]", rows[i].tag);
        read_event(rows[i].kind, tags, "\"\"");
        assert_only("wss://a.net", rows[i].source);
    }
    read_event(62, "[[\"relay\",\"ALL_RELAYS\"]]", "\"\"");
    assert_int_equal(hints.n, 0);
    read_event(1, "[[\"wss://a.net\"]]", "\"\""); /* a name is no value */
    assert_int_equal(hints.n, 0);
}

static void test_contents(void **state)
{
    (void)state;
    read_event(3, "[]",
               "\"{\\\"wss://a.net\\\":{\\\"read\\\":true},\\\"wss:\\\\/\\\\/b.net\\\":{}}\"");
    assert_int_equal(hints.n, 2);
    assert_hint(0, "wss://a.net", HINT_CONTACTS);
    assert_hint(1, "wss://b.net", HINT_CONTACTS);
    read_event(2, "[]", "\"wss://a.net/\"");
    assert_only("wss://a.net", HINT_RECOMMENDED);
    read_event(41, "[]", "\"{\\\"relays\\\":[\\\"wss://a.net\\\"]}\"");
    assert_only("wss://a.net", HINT_RELAYS_TAG);
}

static void test_where_a_url_ends(void **state)
{
    static const char *const same[] = {
        "see wss://a.net.",    "(wss://a.net)",
        "[x](wss://a.net/)",   "**wss://a.net**",
        "wss://a.net, and",    "_ws\\u017f wss://a.net_",
        "wss://a.net\\u3002x", "wss://a.net\\ud83d\\ude00",
        "\\\\nwss://a.net",    "\\\"wss://a.net\\\"",
        "wss://a.net;x",       "wss:\\\\\\\\\\\\/\\\\\\\\\\\\/a.net",
        "wss://a.net=x",       "wss://a.net?x=1 y",
        "WSS://A.NET#x",       "wss://a.netwss://a.net",
    };
    static const char *const none[] = {
        "news://a.net",        "xwss://a.net",       "wss://",         "wss://a.net...",
        "wss://a.net\\u2026",  "wss://a.net\\u306f", "wss:/a.net",     "wss://10.0.0.1",
        "wss://user:pw@a.net", "wss://localhost",    "wss://a.net:22", "wss//a.net",
        "https://a.net/wss:a", "wss://printer.lan",  "wss://[::1]",    "wss://127.0.0.1:7777",
    };
    char content[128];

    (void)state;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        snprintf(content, sizeof(content), "\"%s\"", same[i]);
        read_content(content);
        assert_only("wss://a.net", HINT_TEXT);
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        snprintf(content, sizeof(content), "\"%s\"", none[i]);
        read_content(content);
        assert_int_equal(hints.n, 0);
    }
    read_content("\"wss://a.net/x/y,z wss://b.net/?room=2&u=1\"");
    assert_int_equal(hints.n, 2);
    assert_hint(0, "wss://a.net/x/y", HINT_TEXT);
    assert_hint(1, "wss://b.net/?room=2", HINT_TEXT);
}

static void test_entities(void **state)
{
    static const char relay[] = "wss://a.net";
    static const char *const prefixes[] = {"nprofile", "nevent", "naddr", "nrelay"};
    uint8_t bytes[64] = {0, 32};
    char text[256], content[512];

    (void)state;
    bytes[34] = 1;
    bytes[35] = sizeof(relay) - 1;
    memcpy(bytes + 36, relay, sizeof(relay) - 1);
    for (size_t i = 0; i < 4; i++) {
        assert_true(bech32_encode(prefixes[i], bytes, 36 + sizeof(relay) - 1, text, sizeof(text)));
        snprintf(content, sizeof(content), "\"see nostr:%s.\"", text);
        read_content(content);
        assert_only("wss://a.net", HINT_ENTITY);
        snprintf(content, sizeof(content), "[[\"i\",\"https://njump.me/%s\"]]", text);
        read_event(1, content, "\"\"");
        assert_only("wss://a.net", HINT_ENTITY);
        text[strlen(text) - 1] ^= 1; /* the checksum */
        snprintf(content, sizeof(content), "\"%s\"", text);
        read_content(content);
        assert_int_equal(hints.n, 0);
    }
    bytes[35]++; /* reaches behind the end */
    assert_true(bech32_encode("nevent", bytes, 36 + sizeof(relay) - 1, text, sizeof(text)));
    snprintf(content, sizeof(content), "\"%s\"", text);
    read_content(content);
    assert_int_equal(hints.n, 0);
}

static void test_connections(void **state)
{
    (void)state;
    read_content("\"bunker://00?relay=wss%3A%2F%2Fa.net&secret=wss://b.net&relay=wss://c.net\"");
    assert_int_equal(hints.n, 2);
    assert_hint(0, "wss://a.net", HINT_CONNECT);
    assert_hint(1, "wss://c.net", HINT_CONNECT);
    read_content("\"nostrconnect://00?metadata={}&relay=wss://a.net\"");
    assert_only("wss://a.net", HINT_CONNECT);
    read_content("\"nostr+walletconnect://00?secret=1&relay=wss%3a%2f%2Fa.net now\"");
    assert_only("wss://a.net", HINT_CONNECT);
    read_content("\"bunker://00?relay=wss%3\"");
    assert_int_equal(hints.n, 0);
}

/* Nothing is learnt of what was not meant for us. */
static void test_private(void **state)
{
    static const int nothing[] = {4, 13, 1059, 10013, 445, 7375, 23194, 24133};
    static const int tags_only[] = {10000, 10006, 30000, 30002, 30078};

    (void)state;
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        read_event(nothing[i], "[[\"p\",\"x\",\"wss://a.net\"],[\"relay\",\"wss://b.net\"]]",
                   "\"wss://c.net\"");
        assert_int_equal(hints.n, 0);
    }
    for (size_t i = 0; i < sizeof(tags_only) / sizeof(tags_only[0]); i++) {
        read_event(tags_only[i], "[[\"x\",\"wss://a.net\"]]", "\"wss://c.net\"");
        assert_only("wss://a.net", HINT_TAG);
    }
}

static void test_each_once_as_the_weightiest(void **state)
{
    (void)state;
    read_event(9734,
               "[[\"p\",\"x\",\"wss://a.net\"],[\"relays\",\"wss://A.net/\",\"wss://b.net\"],"
               "[\"e\",\"x\",\"wss://b.net\"],[\"e\",\"x\",\"wss://b.net\"]]",
               "\"wss://b.net wss://a.net ws://a.net\"");
    assert_int_equal(hints.n, 3);
    assert_hint(0, "wss://a.net", HINT_RELAYS_TAG);
    assert_hint(1, "wss://b.net", HINT_RELAYS_TAG);
    assert_hint(2, "ws://a.net", HINT_TEXT);
    assert_false(hints.cut);
    assert_true(hint_weight(HINT_RELAYS_TAG) > hint_weight(HINT_POINTER));
}

static void test_networks(void **state)
{
    (void)state;
    read_content("\"ws://oxtrdevav64z64yb7x6rjg4ntzqjhedm5b5zjqulugknhzr46ny2qbad.onion "
                 "wss://a.net ws://duskgytldkxiuqc6.onion\"");
    assert_int_equal(hints.n, 2);
    assert_int_equal(hints.hint[0].network, NETWORK_TOR);
    assert_int_equal(hints.hint[1].network, NETWORK_CLEARNET);
}

/* A text of `n` different URLs that end like this. */
static void read_many(const char *end, int n)
{
    size_t size = (size_t)n * 64 + 64, at = 0;
    char *text = malloc(size);

    assert_non_null(text);
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, size - at, "wss://r%d%s ", i, end);
    hints = hints_of_text((struct str){text, at}, HINT_LIST, &arena);
    free(text);
}

static void test_bounds(void **state)
{
    (void)state;
    read_many(".net", HINTS_MAX);
    assert_int_equal(hints.n, HINTS_MAX);
    assert_false(hints.cut);
    assert_hint(HINTS_MAX - 1, "wss://r127.net", HINT_LIST);
    read_many(".net", HINTS_MAX + 1);
    assert_int_equal(hints.n, HINTS_MAX);
    assert_true(hints.cut);
    read_many(".lan", HINTS_TRIES_MAX + 1); /* none is good, all are looked at */
    assert_int_equal(hints.n, 0);
    assert_true(hints.cut);
    read_many(".net/ wss://same.net", 20000); /* 700 KB */
    assert_true(hints.cut);
}

static void test_long_text(void **state)
{
    size_t n = HINTS_TEXT_MAX + 64;
    char *text = malloc(n);

    (void)state;
    assert_non_null(text);
    memset(text, ' ', n);
    memcpy(text + HINTS_TEXT_MAX - 11, "wss://a.net wss://b.net", 23);
    hints = hints_of_text((struct str){text, n}, HINT_NIP11, &arena);
    assert_only("wss://a.net", HINT_NIP11);
    assert_true(hints.cut);
    free(text);
}

static void test_long_urls(void **state)
{
    char content[2 * HINTS_URL_MAX];

    (void)state;
    memset(content, 'x', sizeof(content));
    memcpy(content, "wss://a.net/", 12);
    hints = hints_of_text((struct str){content, HINTS_URL_MAX}, HINT_TEXT, &arena);
    assert_int_equal(hints.n, 1);
    assert_int_equal(hints.hint[0].url.n, HINTS_URL_MAX);
    hints = hints_of_text((struct str){content, HINTS_URL_MAX + 1}, HINT_TEXT, &arena);
    assert_int_equal(hints.n, 0);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < HINT_SOURCE__COUNT; i++) {
        assert_true(strlen(hint_source_name((enum hint_source)i)) > 0);
        assert_in_range(hint_weight((enum hint_source)i), 1, 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tags_by_kind),
        TEST(test_contents),
        TEST(test_where_a_url_ends),
        TEST(test_entities),
        TEST(test_connections),
        TEST(test_private),
        TEST(test_each_once_as_the_weightiest),
        TEST(test_networks),
        TEST(test_bounds),
        TEST(test_long_text),
        TEST(test_long_urls),
        TEST(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
