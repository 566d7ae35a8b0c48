/* Events: ids in every spelling, the table of tags and its hashes, and the way back to JSON. */
#include "event_fixture.h"
#include "nostr/sign.h"

/* PROTOCOL 1.1: made with Node and Python, which agree. */
#define ODD_TAGS "[[\"t\",\"\\u0002\"]]"
#define ODD_CONTENT \
    "\"\\u0001\\u001f\x7f\xe2\x80\xa8\xc3\xa9\xf0\x9f\x98\x80/<>&\\\"\\\\\\b\\t\\n\\f\\r\""

static void test_id_variants(void **state)
{
    static const struct {
        const char *id;
        enum event_variant variant;
    } rows[] = {
        {"be0a962b2c34cf67c7f127c3070e09b5025a585c8612de9805f68d07411a8b48", EVENT_VARIANT_JS},
        {"55f93344b7f945f1b009c6c8fab49b772f8e4fd4129378b252296ce6831d7adf", EVENT_VARIANT_NIP},
        {"1f812a57c9ea756f6d0b92d60e19077a31b29984ee98023b33b4e5326b970556", EVENT_VARIANT_TAO},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(scan_parts(rows[i].id, "1700000000", "1", ODD_TAGS, ODD_CONTENT),
                         REJECT_NONE);
        assert_int_equal(event.variant, rows[i].variant);
        assert_false(event.lossy);
        ASSERT_STR(event.content,
                   "\x01\x1f\x7f\xe2\x80\xa8\xc3\xa9\xf0\x9f\x98\x80/<>&\"\\\b\t\n\f\r");
        ASSERT_STR(event.tags, ODD_TAGS);
        assert_int_equal(event.canonical.n > 0, rows[i].variant != EVENT_VARIANT_JS);
    }
    /* Other escapes of the same characters are the same event. */
    assert_int_equal(scan_parts(rows[0].id, "1700000000", "1", "[ [\"\\u0074\",\"\\u0002\"]\n]",
                                "\"\\u0001\\u001F\\u007f\\u2028\\u00e9\\ud83d\\uDE00\\/\\u003c>&"
                                "\\u0022\\u005c\\u0008\\u0009\\u000a\\u000C\\r\""),
                     REJECT_NONE);
    assert_int_equal(scan_parts(rows[0].id, "1700000000", "1", ODD_TAGS, "\"\\u0001\""),
                     REJECT_ID_MISMATCH);
}

static void test_nul_is_kept_in_canonical_form(void **state)
{
    static const char id[] = "263bdee8183e1069b05044a6c1f1d0b12ee8f8d0bf5122028a72cde0022b9d09";

    (void)state;
    assert_int_equal(scan_parts(id, "1700000000", "1", "[]", "\"\\u0000\""), REJECT_NONE);
    assert_true(event.lossy);
    assert_int_equal(event.variant, EVENT_VARIANT_JS);
    ASSERT_STR(event.content, "\xef\xbf\xbd");
    ASSERT_STR(event.canonical, "[0,\"" PK "\",1700000000,1,[],\"\\u0000\"]");
}

static void test_nip13_sample(void **state)
{
    (void)state;
    assert_int_equal(
        scan_z("{\"id\":\"000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358\","
               "\"pubkey\":\"" PK "\",\"created_at\":1651794653,\"kind\":1,"
               "\"tags\":[[\"nonce\",\"776797\",\"20\"]],\"content\":\"It's just me mining my own "
               "business\",\"sig\":\"" SIG "\"}"),
        REJECT_NONE);
}

/* The table outgrows its first room many times over, with and without escapes in between. */
static void test_table_grows(void **state)
{
    char *text = repeated("[\"\",\"\",\"\"],[],[\"\\n\"]", 6000, "");

    (void)state;
    assert_int_equal(scan_tags_only(text), REJECT_MISSING_FIELD);
    assert_int_equal(event.tags_n, 18000);
    for (uint32_t i = 0; i < 18000; i += 3) {
        const struct str *tag = event.elements + event.tag_start[i];

        assert_int_equal(event.tag_start[i + 1] - event.tag_start[i], 3);
        assert_int_equal(event.tag_start[i + 2], event.tag_start[i + 1]);
        assert_int_equal(event.tag_start[i + 3] - event.tag_start[i + 2], 1);
        assert_int_equal(tag[0].n + tag[1].n + tag[2].n, 0);
        ASSERT_STR(tag[3], "\n");
    }
    free(text);
}

static void test_table(void **state)
{
    struct str value;

    (void)state;
    assert_int_equal(
        scan_tags_only("[[\"e\",\"abc\",\"wss://x\"],[],[\"t\",\"a\\u0041\\n\"],[\"-\"],"
                       "[\"e\",\"def\"],[\"nul\",\"x\\u0000y\"]]"),
        REJECT_MISSING_FIELD);
    assert_int_equal(event.tags_n, 6);
    assert_int_equal(event.tag_start[0], 0);
    assert_int_equal(event.tag_start[1], 3);
    assert_int_equal(event.tag_start[2], 3);
    assert_int_equal(event.tag_start[3], 5);
    assert_int_equal(event.tag_start[4], 6);
    assert_int_equal(event.tag_start[6], 10);
    ASSERT_STR(event.elements[2], "wss://x");
    ASSERT_STR(event.elements[4], "aA\n");
    ASSERT_STR(event.elements[9], "x\xef\xbf\xbdy");
    ASSERT_STR(event.tags,
               "[[\"e\",\"abc\",\"wss://x\"],[],[\"t\",\"aA\\n\"],[\"-\"],[\"e\",\"def\"],"
               "[\"nul\",\"x\xef\xbf\xbdy\"]]");
    assert_true(event_tag_first(&event, STR("e"), &value));
    ASSERT_STR(value, "abc");
    assert_false(event_tag_first(&event, STR("-"), &value));
    assert_false(event_tag_first(&event, STR("x"), &value));
}

static struct signer *test_signer(void)
{
    struct err err;
    struct signer *s =
        signer_new("0000000000000000000000000000000000000000000000000000000000000003", &err);

    assert_non_null(s);
    return s;
}

static void test_taghash(void **state)
{
    struct str elements[] = {STR("t"), STR("b"),    STR("t"), STR("a"), STR("t"),
                             STR("b"), STR("x"),    STR(""),  STR("-"), STR("t"),
                             STR("a"), STR("more"), STR(""),  STR("v")};
    uint32_t starts[] = {0, 2, 4, 6, 8, 9, 12, 14};
    struct signer *s = test_signer();
    struct event_draft draft = {.created_at = 1,
                                .kind = 1,
                                .elements = elements,
                                .tag_start = starts,
                                .tags_n = 7,
                                .content = STR("")};
    struct str json = sign_event(s, &draft, &arena, NULL);
    int64_t want[3] = {event_tag_hash(STR("t"), STR("a")), event_tag_hash(STR("t"), STR("b")),
                       event_tag_hash(STR(""), STR("v"))};
    char long_value[600];

    (void)state;
    assert_int_equal(scan(json.p, json.n), REJECT_NONE);
    assert_int_equal(event.taghash_n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        bool found = false;

        for (uint32_t j = 0; j < 3; j++)
            found |= event.taghash[i] == want[j];
        assert_true(found);
        assert_true(i == 0 || event.taghash[i - 1] < event.taghash[i]);
    }
    /* printf 't\0a' | sha256sum, and 'e\0' with 600 times x */
    assert_int_equal(event_tag_hash(STR("t"), STR("a")), -4868507570698649286);
    memset(long_value, 'x', sizeof(long_value));
    assert_int_equal(event_tag_hash(STR("e"), (struct str){long_value, sizeof(long_value)}),
                     -1795448651771523115);
    signer_free(s);
}

/* What is written is accepted again and is the same event, odd characters and NUL included. */
static void test_json_again(void **state)
{
    static const struct {
        const char *id, *tags, *content;
    } rows[] = {
        {"be0a962b2c34cf67c7f127c3070e09b5025a585c8612de9805f68d07411a8b48", ODD_TAGS, ODD_CONTENT},
        {"55f93344b7f945f1b009c6c8fab49b772f8e4fd4129378b252296ce6831d7adf", ODD_TAGS, ODD_CONTENT},
        {"1f812a57c9ea756f6d0b92d60e19077a31b29984ee98023b33b4e5326b970556", ODD_TAGS, ODD_CONTENT},
        {"263bdee8183e1069b05044a6c1f1d0b12ee8f8d0bf5122028a72cde0022b9d09", "[]", "\"\\u0000\""},
        {"2cde1f3cd94661ec9c5d4bc6b4b6fabe28102f55784e41f3f1398c1f7cf784fa",
         "[[\"]\",\"[\\\"\\\\\\u0000\\u0007\"]]", "\"\\u0000\\\",\\u007f\\\\\""},
        {"73be59313b1e9382bc979b867266b5c38f1e95aa282010dcaf11176715fbcff2",
         "[[\"]\",\"[\\\"\\\\\\u0000\\u0007\"]]", "\"\\u0000\\\",\\u007f\\\\\""},
        {"32e370cc0a4fcf4302851dcb945a3a102d000775f4d7c80809a9a6a84d530d95",
         "[[\"]\",\"[\\\"\\\\\\u0000\\u0007\"]]", "\"\\u0000\\\",\\u007f\\\\\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct event first;
        struct str json;
        char *copy;

        assert_int_equal(scan_parts(rows[i].id, "1700000000", "1", rows[i].tags, rows[i].content),
                         REJECT_NONE);
        first = event;
        json = event_json(&first, &arena);
        copy = malloc(json.n);
        assert_non_null(copy);
        memcpy(copy, json.p, json.n);
        assert_int_equal(scan(copy, json.n), REJECT_NONE);
        assert_int_equal(event.variant, first.variant);
        assert_int_equal(event.lossy, first.lossy);
        assert_str(event.content, first.content.p, first.content.n);
        assert_str(event.tags, first.tags.p, first.tags.n);
        assert_str(event.canonical, first.canonical.p, first.canonical.n);
        free(copy);
    }
}

/* Views must not point into the JSON: it is gone by then (scan() frees it; sanitizers watch). */
static void test_views_are_copies(void **state)
{
    (void)state;
    assert_int_equal(scan_parts("be0a962b2c34cf67c7f127c3070e09b5025a585c8612de9805f68d07411a8b48",
                                "1700000000", "1", ODD_TAGS, ODD_CONTENT),
                     REJECT_NONE);
    ASSERT_STR(event.elements[0], "t");
    ASSERT_STR(event.elements[1], "\x02");
    assert_int_equal(event.pubkey.b[31], 0x43);
    assert_int_equal(event.created_at, 1700000000);
}

static void test_ephemeral(void **state)
{
    (void)state;
    assert_false(event_kind_is_ephemeral(19999));
    assert_true(event_kind_is_ephemeral(20000));
    assert_true(event_kind_is_ephemeral(29999));
    assert_false(event_kind_is_ephemeral(30000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_id_variants),  TEST(test_nul_is_kept_in_canonical_form),
        TEST(test_nip13_sample), TEST(test_table_grows),
        TEST(test_table),        TEST(test_taghash),
        TEST(test_json_again),   TEST(test_views_are_copies),
        TEST(test_ephemeral),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
