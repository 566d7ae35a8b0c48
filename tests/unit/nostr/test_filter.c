/* Filters: read from configuration, asked of relays, applied to what comes. */
#include <stdlib.h>

#include "nostr/event.h"
#include "nostr/filter.h"
#include "nostr/sign.h"
#include "unit.h"

#define NPUB     "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
#define HEX      "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
#define NOTE     "note1fntxtkcy9pjwucqwa9mddn7v03wwwsu9j330jj350nvhpky2tuaspk6nqc"
#define NOTE_HEX "4cd665db042864ee600ee976d6cfcc7c5ce743859462f94a347cd970d88a5f3b"

static const struct filter_ask ask_all = {.since = -1, .until = -1, .limit = -1};

static void set(struct filter_spec *f, const char *key, const char *value)
{
    struct err err = {.code = ERR_NONE};

    if (filter_spec_set(f, key, value, &err) < 0)
        fail_msg("%s", err.detail);
}

static void assert_identity(const struct filter_spec *f, const char *want)
{
    char *text = filter_spec_identity(f);

    assert_string_equal(text, want);
    free(text);
}

static void assert_written(const struct filter_spec *f, const struct filter_ask *ask,
                           const char *want)
{
    char buf[1024];
    int n = filter_write(f, ask, buf, sizeof(buf));

    assert_int_equal(n, strlen(want));
    assert_string_equal(buf, want);
    /* It fits with its NUL, or not at all. */
    assert_int_equal(filter_write(f, ask, buf, (size_t)n + 1), n);
    for (int size = 0; size <= n; size++)
        assert_int_equal(filter_write(f, ask, buf, (size_t)size), -1);
}

static void test_everything(void **state)
{
    struct filter_spec *f = filter_spec_new("all");
    struct filter_ask page = {.since = 0, .until = 1700000000, .limit = 500};
    size_t n;

    (void)state;
    assert_identity(f, "{}");
    assert_written(f, &ask_all, "{}");
    assert_written(f, &page, "{\"until\":1700000000,\"limit\":500}");
    page.until = 0;
    page.limit = 0;
    assert_written(f, &page, "{\"until\":1,\"limit\":0}");
    (void)filter_spec_kinds(f, &n);
    assert_int_equal(n, 0);
    assert_int_equal(filter_spec_since(f), 0);
    assert_int_equal(filter_spec_until(f), INT64_MAX);
    filter_spec_free(f);
}

static void test_identity_is_canonical(void **state)
{
    struct filter_spec *a = filter_spec_new("a"), *b = filter_spec_new("b");

    (void)state;
    set(a, "kinds", "1, 0,30000-30003,1,7,8");
    set(a, "tag_t", "nostr,bitcoin,nostr");
    set(a, "authors", NPUB);
    set(a, "not_kinds", "4");
    set(a, "since", "2024-05-01");
    set(a, "until", "2024-05-01T12:00:00+02:00");
    set(a, "tag_client", "x");
    set(b, "not_kinds", " 4 ");
    set(b, "until", "1714557600");
    set(b, "#client", "x");
    set(b, "since", "2024-05-01T00:00:00Z");
    set(b, "authors", HEX);
    set(b, "#t", "bitcoin , nostr");
    set(b, "kinds", "0-1,7-8,30000,30001-30003");
    assert_identity(a,
                    "{\"#client\":[\"x\"],\"#t\":[\"bitcoin\",\"nostr\"],\"authors\":[\"" HEX "\"],"
                    "\"kinds\":[0,1,7,8,\"30000-30003\"],\"since\":1714521600,\"until\":1714557600,"
                    "\"not_kinds\":[4]}");
    {
        char *x = filter_spec_identity(a), *y = filter_spec_identity(b);

        assert_string_equal(x, y);
        free(x);
        free(y);
    }
    filter_spec_free(a);
    filter_spec_free(b);
}

static void test_written(void **state)
{
    static const int32_t kinds[] = {1, 6};
    struct filter_spec *f = filter_spec_new("f");
    struct filter_ask ask = ask_all;
    size_t n;

    (void)state;
    set(f, "kinds", "1,6,7");
    set(f, "ids", NOTE);
    set(f, "authors", HEX);
    set(f, "tag_e", NOTE "," HEX);
    set(f, "tag_t", "a\"b\\\n");
    set(f, "tag_relay", "wss://long.name.is.not.asked");
    set(f, "not_tag_t", "nor this");
    set(f, "since", "100");
    set(f, "until", "200");
    assert_int_equal(filter_spec_kinds(f, &n)[2], 7);
    assert_int_equal(n, 3);
#define COMMON "{\"ids\":[\"" NOTE_HEX "\"],\"authors\":[\"" HEX "\"],"
#define TAGS   "\"#e\":[\"" HEX "\",\"" NOTE_HEX "\"],\"#t\":[\"a\\\"b\\\\\"],"
    assert_written(f, &ask, COMMON "\"kinds\":[1,6,7]," TAGS "\"since\":100,\"until\":200}");
    ask = (struct filter_ask){.since = 50, .until = 150, .limit = 5, .kinds = kinds, .n_kinds = 2};
    assert_written(f, &ask,
                   COMMON "\"kinds\":[1,6]," TAGS "\"since\":100,\"until\":150,\"limit\":5}");
    ask.since = 120;
    ask.until = 250;
    assert_written(f, &ask,
                   COMMON "\"kinds\":[1,6]," TAGS "\"since\":120,\"until\":200,\"limit\":5}");
    filter_spec_free(f);
}

static void test_bad_values(void **state)
{
    static const struct {
        const char *key, *value;
    } rows[] = {
        {"kinds", "x"},
        {"kinds", "-1"},
        {"kinds", "65536"},
        {"kinds", "5-3"},
        {"kinds", "1-65536"},
        {"kinds", "1,,2"},
        {"kinds", "1,"},
        {"kinds", ""},
        {"kinds", "1-2-3"},
        {"kinds", "1-"},
        {"kinds", "1.0"},
        {"authors", "abc"},
        {"authors", NOTE},
        {"authors", HEX "0"},
        {"authors", "3BF0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"},
        {"ids", NPUB},
        {"ids", "x"},
        {"since", "yesterday"},
        {"since", "-1"},
        {"since", "9007199254740992"},
        {"since", "2024-13-01"},
        {"since", "2024-02-30"},
        {"since", "2023-02-29"},
        {"since", "2024-1-1"},
        {"since", "2024-01-01T"},
        {"since", "2024-01-01T24:00:00Z"},
        {"since", "2024-01-01T00:00:00"},
        {"since", "2024-01-01T00:00:00Zx"},
        {"since", "2024-01-01T00:00Z"},
        {"since", "1969-12-31"},
        {"since", "1970-01-01T00:00:00+01:00"},
        {"until", "2024-01-01T00:00:00+0100"},
        {"tag_", "x"},
        {"#", "x"},
        {"tag_t", "\xff"},
        {"#clien\xf8", "x"},
        {"tag_" HEX "0", "x"},
        {"tag_t", "a,,b"},
        {"limit", "5"},
        {"search", "x"},
        {"", "x"},
        {"not_", "x"},
        {"not_limit", "x"},
        {"not_kinds", "x"},
        {"Kinds", "1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct filter_spec *f = filter_spec_new("f");
        struct err err = {.code = ERR_NONE};

        if (filter_spec_set(f, rows[i].key, rows[i].value, &err) == 0)
            print_error("%s = %s\n", rows[i].key, rows[i].value);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_memory_equal(err.detail, rows[i].key,
                            strcspn(rows[i].key, "\xf8")); /* it is escaped */
        filter_spec_free(f);
    }
}

static void test_twice_and_order(void **state)
{
    static const char *const keys[] = {"kinds", "authors", "ids",      "since",
                                       "until", "tag_t",   "not_tag_t"};
    static const char *const values[] = {"1", HEX, HEX, "5", "9", "x", "y"};
    struct filter_spec *f = filter_spec_new("f");
    struct err err;

    (void)state;
    for (size_t i = 0; i < 7; i++)
        set(f, keys[i], values[i]);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(filter_spec_set(f, keys[i], values[i], &err), -1);
    assert_int_equal(filter_spec_set(f, "#t", "z", &err), -1);
    filter_spec_free(f);
    f = filter_spec_new("f");
    set(f, "until", "5");
    assert_int_equal(filter_spec_set(f, "since", "6", &err), -1);
    filter_spec_free(f);
}

static void test_dates(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        {"0", 0},
        {"1970-01-01", 0},
        {"1700000000", 1700000000},
        {"2000-02-29", 951782400},
        {"2024-02-29T23:59:59Z", 1709251199},
        {"2024-03-01T00:59:59.999+01:00", 1709251199},
        {"2024-02-29t18:59:59-05:00", 1709251199},
        {"2024-02-29 23:59:59z", 1709251199},
        {"9999-12-31T23:59:60Z", 253402300800},
        {"2100-03-01", 4107542400},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct filter_spec *f = filter_spec_new("f");

        set(f, "until", rows[i].text);
        assert_int_equal(filter_spec_until(f), rows[i].seconds);
        filter_spec_free(f);
    }
}

static struct arena arena;

/* An event of kind 1 at second 150 by the key 3, with tags t=a, t=b, client=x. */
static struct event sample(void)
{
    static struct str elements[] = {{"t", 1},      {"a", 1}, {"t", 1}, {"b", 1},
                                    {"client", 6}, {"x", 1}, {"-", 1}};
    static const uint32_t starts[] = {0, 2, 4, 6, 7};
    struct event_draft draft = {.created_at = 150,
                                .kind = 1,
                                .elements = elements,
                                .tag_start = starts,
                                .tags_n = 4,
                                .content = STR("")};
    struct event_limits limits = event_limits_default();
    struct err err;
    enum reject why;
    struct event e;
    struct signer *s =
        signer_new("0000000000000000000000000000000000000000000000000000000000000003", &err);

    assert_non_null(s);
    assert_int_equal(event_scan(sign_event(s, &draft, &arena, NULL), &limits, &arena, &e, &why), 0);
    signer_free(s);
    return e;
}

#define KEY3 "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"

/* asked: what a relay would be right to send; wanted: what the archive keeps. */
static void test_matching(void **state)
{
    static const struct {
        const char *key, *value;
        bool asked, wanted;
    } rows[] = {
        {"kinds", "1", true, true},
        {"kinds", "0-5", true, true},
        {"kinds", "0,2", false, false},
        {"authors", KEY3, true, true},
        {"authors", KEY3 "," HEX, true, true},
        {"authors", HEX, false, false},
        {"ids", HEX, false, false},
        {"tag_t", "a", true, true},
        {"tag_t", "c,b", true, true},
        {"tag_t", "c", false, false},
        {"tag_e", "a", false, false},
        {"tag_client", "x", true, true},
        {"tag_client", "y", true, false},
        {"since", "150", true, true},
        {"since", "151", false, false},
        {"until", "150", true, true},
        {"until", "149", false, false},
        {"not_kinds", "1", true, false},
        {"not_kinds", "2", true, true},
        {"not_authors", KEY3, true, false},
        {"not_authors", HEX, true, true},
        {"not_ids", HEX, true, true},
        {"not_tag_t", "b", true, false},
        {"not_tag_t", "c", true, true},
        {"not_tag_client", "x", true, false},
        {"not_since", "150", true, false},
        {"not_since", "151", true, true},
        {"not_until", "150", true, false},
        {"not_until", "149", true, true},
    };
    static const int32_t one[] = {7, 1}, other[] = {7};
    struct event e = (arena_init(&arena, 4096), sample());
    struct filter_spec *f;
    struct filter_ask ask = ask_all;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        f = filter_spec_new("f");
        set(f, rows[i].key, rows[i].value);
        if (filter_asked(f, &ask, &e) != rows[i].asked || filter_wanted(f, &e) != rows[i].wanted)
            print_error("%s = %s\n", rows[i].key, rows[i].value);
        assert_int_equal(filter_asked(f, &ask, &e), rows[i].asked);
        assert_int_equal(filter_wanted(f, &e), rows[i].wanted);
        filter_spec_free(f);
    }
    f = filter_spec_new("f");
    ask.kinds = one;
    ask.n_kinds = 2;
    assert_true(filter_asked(f, &ask, &e));
    ask.kinds = other;
    ask.n_kinds = 1;
    assert_false(filter_asked(f, &ask, &e));
    ask = ask_all;
    ask.since = 151;
    assert_false(filter_asked(f, &ask, &e));
    ask.since = 150;
    ask.until = 150;
    assert_true(filter_asked(f, &ask, &e));
    ask.since = 0;
    ask.until = 149;
    assert_false(filter_asked(f, &ask, &e));
    /* All keys must fit. */
    set(f, "kinds", "1");
    set(f, "tag_t", "a");
    assert_true(filter_wanted(f, &e));
    set(f, "authors", HEX);
    assert_false(filter_wanted(f, &e));
    filter_spec_free(f);
    arena_done(&arena);
}

/* The same filter as a section and as NIP-01 writes it; a comma in a value is only a letter there.
 */
static void test_json(void **state)
{
    static const struct {
        const char *json, *why;
    } bad[] = {
        {"[]", "a filter is a JSON object: {\"kinds\":[1]}"},
        {"{\"kinds\":1}", "\"kinds\" must be a list with something in it"},
        {"{\"kinds\":[]}", "\"kinds\" must be a list with something in it"},
        {"{\"kinds\":[\"1\"]}", "\"kinds\" must hold numbers"},
        {"{\"kinds\":[70000]}", "kinds: \"70000\" is no kind (0 to 65535) or range of kinds"},
        {"{\"kinds\":[-1]}", "kinds: \"-1\" is no kind (0 to 65535) or range of kinds"},
        {"{\"authors\":[\"a\\u0000\"]}", "\"authors\" must hold strings"},
        {"{\"since\":\"2024-01-01\"}", "\"since\" must be seconds since 1970"},
        {"{\"since\":2,\"until\":1}", "until: since is later than until"},
        {"{\"#t\":[7]}", "\"#t\" must hold strings"},
        {"{\"#1\":[\"x\"]}", "\"#1\" is no tag that relays know"},
        {"{\"limit\":-1}", "\"limit\" must be a number, 0 or more"},
        {"{\"not_kinds\":[1]}", "\"not_kinds\" is no part of a filter: ids, authors, kinds, since, "
                                "until, limit, or # and one "
                                "letter"},
    };
    struct filter_spec *f, *g = filter_spec_new("g");
    struct err err;
    char *a, *b;
    int64_t limit;

    (void)state;
    f = filter_spec_from_json(STR("{\"kinds\":[7,1,7],\"authors\":[\"" HEX
                                  "\"],\"since\":5,\"until\":9,"
                                  "\"#t\":[\"b\",\"a\",\"b\"],\"limit\":20}"),
                              &limit, &err);
    assert_non_null(f);
    assert_int_equal(limit, 20);
    set(g, "kinds", "1,7");
    set(g, "authors", HEX);
    set(g, "since", "5");
    set(g, "until", "9");
    set(g, "tag_t", "a,b");
    a = filter_spec_identity(f);
    b = filter_spec_identity(g);
    assert_string_equal(a, b);
    free(a);
    free(b);
    filter_spec_free(f);
    filter_spec_free(g);
    f = filter_spec_from_json(STR("{\"#t\":[\"a, b\"]}"), &limit, &err);
    assert_non_null(f);
    assert_int_equal(limit, -1);
    a = filter_spec_identity(f);
    assert_string_equal(a, "{\"#t\":[\"a, b\"]}");
    free(a);
    filter_spec_free(f);
    f = filter_spec_from_json(STR("{\"#d\":[\"\"],\"kinds\":[30000]}"), &limit, &err);
    assert_non_null(f); /* an address may end with its colon */
    a = filter_spec_identity(f);
    assert_string_equal(a, "{\"#d\":[\"\"],\"kinds\":[30000]}");
    free(a);
    filter_spec_free(f);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(filter_spec_from_json(str_z(bad[i].json), &limit, &err));
        assert_int_equal(err.code, ERR_SYNTAX);
        assert_string_equal(err.detail, bad[i].why);
    }
    assert_null(filter_spec_from_json(STR("{\"kinds\":[1]"), &limit, &err));
}

/* Whatever it leaves out of a kind, it does not take the kind. */
static void test_takes_kind(void **state)
{
    static const struct {
        const char *key, *value;
        bool ten, three;
    } cases[] = {{NULL, NULL, true, true},
                 {"kinds", "3, 1", false, true},
                 {"kinds", "10000-10010", true, false},
                 {"not_kinds", "3", true, false},
                 {"authors", HEX, false, false},
                 {"tag_t", "x", false, false},
                 {"since", "1700000000", false, false},
                 {"not_authors", HEX, false, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct filter_spec *f = filter_spec_new("f");
        if (cases[i].key != NULL)
            set(f, cases[i].key, cases[i].value);
        assert_int_equal(filter_takes_kind(f, 10002), cases[i].ten);
        assert_int_equal(filter_takes_kind(f, 3), cases[i].three);
        filter_spec_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),      cmocka_unit_test(test_identity_is_canonical),
        cmocka_unit_test(test_written),         cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_twice_and_order), cmocka_unit_test(test_dates),
        cmocka_unit_test(test_matching),        cmocka_unit_test(test_json),
        cmocka_unit_test(test_takes_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
