/* What is JSON and what is an event: numbers, strings, structure, depth and limits. */
#include "event_fixture.h"

/* What one value of a field does to an event that is right but for its id: ID_MISMATCH means that
 * the value was accepted. */
static void test_numbers(void **state)
{
    static const struct {
        const char *number;
        int64_t value; /* -1: refused */
    } rows[] = {
        {"0", 0},
        {"1", 1},
        {"1700000000", 1700000000},
        {"1.7e9", 1700000000},
        {"1.7E+9", 1700000000},
        {"17000000000e-1", 1700000000},
        {"1700000000.0", 1700000000},
        {"1700000000.000000000000000000000000000000", 1700000000},
        {"0.0", 0},
        {"0e5", 0},
        {"0e-5", 0},
        {"0e999999999999999999999", 0},
        {"0.00000000000000000001e20", 1},
        {"0.00000000000000000001e30", 10000000000},
        {"100000000000000000000e-20", 1},
        {"9007199254740991", 9007199254740991},
        {"9007199254740991.0", 9007199254740991},
        {"9007199254740.991e3", 9007199254740991},
        {"9007199254740992", -1},
        {"9007199254740991.5", -1},
        {"9007199254740992e0", -1},
        {"99999999999999999", -1},
        {"100000000000000000", -1},
        {"18446744073709551616", -1},
        {"18446744073709551617", -1},
        {"1e16", -1},
        {"1e17", -1},
        {"1e18446744073709551617", -1},
        {"1e-18446744073709551617", -1},
        {"1e99999", -1},
        {"1.5", -1},
        {"1e-1", -1},
        {"-0", -1},
        {"-0.0", -1},
        {"-1", -1},
        {"-1e0", -1},
        {"01", -1},
        {"00", -1},
        {"1.", -1},
        {".5", -1},
        {"1e", -1},
        {"1e+", -1},
        {"+1", -1},
        {"0x10", -1},
        {"1_000", -1},
        {"NaN", -1},
        {"Infinity", -1},
        {"null", -1},
        {"true", -1},
        {"\"1700000000\"", -1},
        {"[1]", -1},
        {"{}", -1},
        {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum reject why = scan_parts(ANY_ID, rows[i].number, "1", "[]", "\"\"");

        if (rows[i].value < 0) {
            assert_in_range(why, REJECT_SYNTAX, REJECT_BAD_CREATED_AT);
            continue;
        }
        assert_int_equal(why, REJECT_ID_MISMATCH);
        assert_int_equal(event.created_at, rows[i].value);
    }
    assert_int_equal(scan_parts(ANY_ID, "1", "65535", "[]", "\"\""), REJECT_ID_MISMATCH);
    assert_int_equal(event.kind, 65535);
    assert_int_equal(scan_parts(ANY_ID, "1", "65536", "[]", "\"\""), REJECT_BAD_KIND);
    assert_int_equal(scan_parts(ANY_ID, "1", "3.0e4", "[]", "\"\""), REJECT_ID_MISMATCH);
    assert_int_equal(event.kind, 30000);
    assert_int_equal(scan_parts(ANY_ID, "1", "-1", "[]", "\"\""), REJECT_BAD_KIND);
    assert_int_equal(scan_parts(ANY_ID, "-1", "1", "[]", "\"\""), REJECT_BAD_CREATED_AT);
}

static void test_strings(void **state)
{
    static const struct {
        const char *content;
        enum reject why;
    } rows[] = {
        {"\"\"", REJECT_ID_MISMATCH},
        {"\"\\ud83d\\ude00\"", REJECT_ID_MISMATCH},
        {"\"\\ud83d\"", REJECT_BAD_UTF8},
        {"\"\\ud83dx\"", REJECT_BAD_UTF8},
        {"\"\\ud83d\\n\"", REJECT_BAD_UTF8},
        {"\"\\ud83d\\u0041\"", REJECT_BAD_UTF8},
        {"\"\\ud83d\\ud83d\"", REJECT_BAD_UTF8},
        {"\"\\ude00\\ud83d\"", REJECT_BAD_UTF8},
        {"\"\\udfff\"", REJECT_BAD_UTF8},
        {"\"\\udc00\\udc00\"", REJECT_BAD_UTF8},
        {"\"\xff\"", REJECT_BAD_UTF8},
        {"\"\xc0\xaf\"", REJECT_BAD_UTF8},
        {"\"\xe0\x80\xaf\"", REJECT_BAD_UTF8},
        {"\"\xed\xa0\x80\"", REJECT_BAD_UTF8},
        {"\"\xf4\x90\x80\x80\"", REJECT_BAD_UTF8},
        {"\"\xf0\x9f\x98\"", REJECT_BAD_UTF8},
        {"\"\x80\"", REJECT_BAD_UTF8},
        {"\"\xef\xbf\xbf\"", REJECT_ID_MISMATCH}, /* a noncharacter is a character */
        {"\"\n\"", REJECT_SYNTAX},
        {"\"\x1f\"", REJECT_SYNTAX},
        {"\"\\x41\"", REJECT_SYNTAX},
        {"\"\\u12\"", REJECT_SYNTAX},
        {"\"\\u12g4\"", REJECT_SYNTAX},
        {"\"\\U0041\"", REJECT_SYNTAX},
        {"\"\\\"", REJECT_SYNTAX},
        {"\"open", REJECT_SYNTAX},
        {"'single'", REJECT_BAD_CONTENT},
        {"null", REJECT_BAD_CONTENT},
        {"1", REJECT_BAD_CONTENT},
        {"{}", REJECT_BAD_CONTENT},
        {"[\"\"]", REJECT_BAD_CONTENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(scan_parts(ANY_ID, "1", "1", "[]", rows[i].content), rows[i].why);
}

static void test_tags_shape(void **state)
{
    static const struct {
        const char *tags;
        enum reject why;
    } rows[] = {
        {"[]", REJECT_ID_MISMATCH},
        {" [ ] ", REJECT_ID_MISMATCH},
        {"[[]]", REJECT_ID_MISMATCH}, /* NIP-01 wants one string; the id decides */
        {"[[\"a\"]]", REJECT_ID_MISMATCH},
        {"[[\"\",\"\"]]", REJECT_ID_MISMATCH},
        {"[ [ \"a\" , \"b\" ] , [ ] ]", REJECT_ID_MISMATCH},
        {"{}", REJECT_BAD_TAGS},
        {"null", REJECT_BAD_TAGS},
        {"\"\"", REJECT_BAD_TAGS},
        {"[\"a\"]", REJECT_BAD_TAGS},
        {"[[1]]", REJECT_BAD_TAGS},
        {"[[null]]", REJECT_BAD_TAGS},
        {"[[\"a\",1]]", REJECT_BAD_TAGS},
        {"[[[\"a\"]]]", REJECT_BAD_TAGS},
        {"[{}]", REJECT_BAD_TAGS},
        {"[[\"a\",]]", REJECT_BAD_TAGS},
        {"[[\"a\"],]", REJECT_BAD_TAGS},
        {"[,[\"a\"]]", REJECT_BAD_TAGS},
        {"[[\"a\"][\"b\"]]", REJECT_SYNTAX},
        {"[[\"a\" \"b\"]]", REJECT_SYNTAX},
        {"[[\"a\"", REJECT_SYNTAX},
        {"[[\"\\ud800\"]]", REJECT_BAD_UTF8},
        {"[[\"\xff\"]]", REJECT_BAD_UTF8},
        {"[[\"\t\"]]", REJECT_SYNTAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(scan_parts(ANY_ID, "1", "1", rows[i].tags, "\"\""), rows[i].why);
}

/* JSONTestSuite's classes, put where an unknown key's value stands: it must be JSON, and is nothing
 * to us.  y_: accepted; n_: refused; i_: what RFC 8259 leaves open, pinned. */
static void test_json_classes(void **state)
{
    static const char *const y[] = {
        "[[]   ]",
        "[\"\"]",
        "[]",
        "[false]",
        "[null, 1, \"1\", {}]",
        "[null]",
        "[1\n]",
        " [1]",
        "[1,null,null,null,2]",
        "[2] ",
        "[123e65]",
        "[0e+1]",
        "[0e1]",
        "[ 4]",
        "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]",
        "[20e1]",
        "[-0]",
        "[-123]",
        "[-1]",
        "[1E22]",
        "[1E-2]",
        "[1E+2]",
        "[123e45]",
        "[123.456e78]",
        "[123.456789]",
        "{\"asd\":\"sdf\", \"dfg\":\"fgh\"}",
        "{\"a\":\"b\",\"a\":\"c\"}",
        "{\"a\":\"b\",\"a\":\"b\"}",
        "{}",
        "{\"\":0}",
        "{\"foo\\u0000bar\": 42}",
        "{\"x\":[{\"id\": \"xxxx\"}], \"id\": \"xx\"}",
        "{\"a\":[]}",
        "{\n\"a\": \"b\"\n}",
        "[\"\\u0060\\u012a\\u12AB\"]",
        "[\"\\uD801\\udc37\"]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
        "[\"\\\\u0000\"]",
        "[\"\\\\n\"]",
        "[\"\\u0012\"]",
        "[\"\\uFFFF\"]",
        "[\"a/*b*/c/*d//e\"]",
        "[\"\\\\a\"]",
        "[ \"asd\"]",
        "[\"\\uDBFF\\uDFFF\"]",
        "[\"new\\u00A0line\"]",
        "[\"\xf4\x8f\xbf\xbf\"]",
        "[\"\xef\xbf\xbf\"]",
        "[\"\\u0000\"]",
        "[\"\\u002c\"]",
        "[\"\xcf\x80\"]",
        "[\"asd \"]",
        "\" \"",
        "[\"\\uD834\\uDd1e\"]",
        "[\"\\u0821\"]",
        "[\"\\u0123\"]",
        "[\"\xe2\x80\xa8\"]",
        "[\"\xe2\x80\xa9\"]",
        "[\"\\u0061\\u30af\\u30EA\\u30b9\"]",
        "[\"new\\u000Aline\"]",
        "[\"\x7f\"]",
        "[\"\\uA66D\"]",
        "[\"\\u005C\"]",
        "[\"\\u0022\"]",
        "[\"\\uDBFF\\uDFFE\"]",
        "[\"\\u200B\"]",
        "[\"\\u2064\"]",
        "[\"\\uFDD0\"]",
        "[\"\xc2\x85\"]",
        "false",
        "42",
        "-0.1",
        "null",
        "\"asd\"",
        "true",
        "\"\"",
        "[\"a\"]\n",
        "[true]",
        " [] ",
    };
    static const char *const n[] = {
        "[1 true]",
        "[\"\": 1]",
        "[\"\"],",
        "[,1]",
        "[1,,2]",
        "[\"x\",,]",
        "[\"x\"]]",
        "[\"\",]",
        "[\"x\"",
        "[x",
        "[3[4]]",
        "[1:2]",
        "[,]",
        "[-]",
        "[   , \"\"]",
        "[\"a\",\n4\n,1,",
        "[1,]",
        "[1,,]",
        "[\"\va\"\\f]",
        "[*]",
        "[\"\"",
        "[1,",
        "[1,\n1\n,1",
        "[{}",
        "[fals]",
        "[nul]",
        "[tru]",
        "[++1234]",
        "[+1]",
        "[+Inf]",
        "[-01]",
        "[-1.0.]",
        "[-2.]",
        "[-NaN]",
        "[.-1]",
        "[.2e-3]",
        "[0.1.2]",
        "[0.3e+]",
        "[0.3e]",
        "[0.e1]",
        "[0E+]",
        "[0E]",
        "[0e+]",
        "[0e]",
        "[1.0e+]",
        "[1.0e-]",
        "[1.0e]",
        "[1 000.0]",
        "[1eE2]",
        "[2.e+3]",
        "[2.e-3]",
        "[2.e3]",
        "[9.e+]",
        "[Inf]",
        "[NaN]",
        "[\xef\xbc\x91]",
        "[1+2]",
        "[0x1]",
        "[0x42]",
        "[Infinity]",
        "[0e+-1]",
        "[-123.123foo]",
        "[-Infinity]",
        "[-foo]",
        "[- 1]",
        "[-012]",
        "[-.123]",
        "[-1x]",
        "[1ea]",
        "[1.]",
        "[.123]",
        "[1.2a-3]",
        "[1.8011670033376514H-308]",
        "[012]",
        "[\"x\", truth]",
        "{[: \"x\"}",
        "{\"x\", null}",
        "{\"x\"::\"b\"}",
        "{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}",
        "{\"a\":\"a\" 123}",
        "{key: 'value'}",
        "{\"a\" b}",
        "{:\"b\"}",
        "{\"a\" \"b\"}",
        "{\"a\":",
        "{\"a\"",
        "{1:1}",
        "{9999E9999:1}",
        "{null:null,null:null}",
        "{\"id\":0,,,,,}",
        "{'a':0}",
        "{\"id\":0,}",
        "{\"a\":\"b\"}/**/",
        "{\"a\":\"b\"}/**//",
        "{\"a\":\"b\"}//",
        "{\"a\":\"b\",,\"c\":\"d\"}",
        "{a: \"b\"}",
        "{\"a\":\"a",
        "{ \"foo\" : \"bar\", \"a\" }",
        "{\"a\":\"b\"}#",
        " ",
        "[\"\\uD800\\\"]",
        "[\"\\uD800\\u\"]",
        "[\"\\uD800\\u1\"]",
        "[\"\\uD800\\u1x\"]",
        "[\xc3\xa9]",
        "[\"\\x00\"]",
        "[\"\\\\\\\"]",
        "[\"\\\t\"]",
        "[\"\\\xf0\x9f\x8c\x80\"]",
        "[\"\\\"]",
        "[\"\\u00A\"]",
        "[\"\\uD834\\uDd\"]",
        "[\"\\uD800\\uD800\\x\"]",
        "[\"\\a\"]",
        "[\"\\uqqqq\"]",
        "[\\u0020\"asd\"]",
        "[\\n]",
        "\"",
        "['single quote']",
        "abc",
        "[\"\\",
        "[\"new\nline\"]",
        "[\"\t\"]",
        "\"\\UA66D\"",
        "\"\"x",
        "<.>",
        "[<null>]",
        "[1]x",
        "[1]]",
        "[\"asd]",
        "aeu",
        "[True]",
        "1]",
        "{\"x\": true,",
        "[][]",
        "]",
        "{}}",
        "{\"\":",
        "{\"a\":/*comment*/\"b\"}",
        "{\"a\": true} \"x\"",
        "['",
        "[,",
        "{,",
        "{[",
        "{\"a",
        "{'a'",
        "[\"\\{[\"\\{[\"\\{[\"\\{",
        "\xc3\xa9",
        "*",
        "{\"a\":\"b\"}#{}",
        "[\\u000A\"\"]",
        "[1",
        "{ \"asd\":\"asd\"",
        "\xe2\x81\xa0[]",
        "[\f]",
        "\xef\xbb\xbf{}",
        "1e1000000e",
        "",
    };
    static const char *const i_accepted[] = {
        "[123.456e-789]",
        "[0.4e00669999999999999999999999999999999999999999999999999999999999999999]",
        "[-1e+9999]",
        "[1.5e+9999]",
        "[-123123e100000]",
        "[123123123123123123123123123123]",
        "[-237462374673276894279832749832423479823246327846]",
        "[100000000000000000000]",
    };
    static const char *const i_refused[] = {
        "[\"\\uDADA\"]",
        "[\"\\uD888\\u1234\"]",
        "[\"\\uD800\\n\"]",
        "[\"\\uDd1ea\"]",
        "[\"\\uD800\\uD800\\n\"]",
        "[\"\\ud800\"]",
        "[\"\\ud800abc\"]",
        "[\"\xe6\x97\xa5\xd1\x88\xfa\"]",
        "[\"\\uDd1e\\uD834\"]",
        "[\"\xe9\"]",
        "[\"\\uDFAA\"]",
        "[\"\x81\"]",
        "[\"\xf4\xbf\xbf\xbf\"]",
        "[\"\xc0\xaf\"]",
        "[\"\xfc\x83\xbf\xbf\xbf\xbf\"]",
        "[\"\xfc\x80\x80\x80\x80\x80\"]",
        "[\"\xe0\xff\"]",
        "[\"\xed\xa0\x80\"]",
    };
    static const struct {
        const char *const *list;
        size_t n;
        bool accepted;
    } classes[] = {
        {y, sizeof(y) / sizeof(y[0]), true},
        {n, sizeof(n) / sizeof(n[0]), false},
        {i_accepted, sizeof(i_accepted) / sizeof(i_accepted[0]), true},
        {i_refused, sizeof(i_refused) / sizeof(i_refused[0]), false},
    };
    char json[4096];

    (void)state;
    for (size_t c = 0; c < 4; c++)
        for (size_t i = 0; i < classes[c].n; i++) {
            int len = snprintf(json, sizeof(json),
                               "{\"x\":%s,\"id\":\"" ANY_ID "\",\"pubkey\":\"" PK "\","
                               "\"created_at\":1,\"kind\":1,\"tags\":[],\"content\":\"\",\"sig\":"
                               "\"" SIG "\"}",
                               classes[c].list[i]);
            bool accepted = scan(json, (size_t)len) == REJECT_ID_MISMATCH;

            if (accepted != classes[c].accepted)
                print_error("%s\n", classes[c].list[i]);
            assert_int_equal(accepted, classes[c].accepted);
        }
}

static void test_structure(void **state)
{
    static const struct {
        const char *json;
        enum reject why;
    } rows[] = {
        {"", REJECT_SYNTAX},
        {" ", REJECT_SYNTAX},
        {"{", REJECT_SYNTAX},
        {"{}", REJECT_MISSING_FIELD},
        {" { } ", REJECT_MISSING_FIELD},
        {"[]", REJECT_SYNTAX},
        {"null", REJECT_SYNTAX},
        {"\"\"", REJECT_SYNTAX},
        {"{}{}", REJECT_SYNTAX},
        {"{}x", REJECT_SYNTAX},
        {"{,}", REJECT_SYNTAX},
        {"{\"a\"}", REJECT_SYNTAX},
        {"{\"a\":1,}", REJECT_SYNTAX},
        {"{\"a\":1 \"b\":2}", REJECT_SYNTAX},
        {"\xef\xbb\xbf{}", REJECT_SYNTAX},
        {"{\"kind\":1,\"kind\":1}", REJECT_DUP_KEY},
        {"{\"kind\":1,\"\\u006bind\":1}", REJECT_DUP_KEY},
        {"{\"k\\u0069nd\":1}", REJECT_MISSING_FIELD},
        {"{\"created_\\u0061t\":\"x\"}", REJECT_BAD_CREATED_AT},
        {"{\"\\u0063\\u0072\\u0065\\u0061\\u0074\\u0065\\u0064\\u005f\\u0061\\u0074\":\"x\"}",
         REJECT_BAD_CREATED_AT},
        {"{\"\\u0063\\u0072\\u0065\\u0061\\u0074\\u0065\\u0064\\u005f\\u0061\\u0074\\u0000\":"
         "\"x\"}",
         REJECT_MISSING_FIELD},
        {"{\"x\":1,\"x\":2}", REJECT_MISSING_FIELD}, /* unknown keys may repeat */
        {"{\"Kind\":\"x\"}", REJECT_MISSING_FIELD},
        {"{\"\xff\":1}", REJECT_BAD_UTF8},
        {"{\"id\":\"00\"}", REJECT_BAD_ID},
        {"{\"id\":1}", REJECT_BAD_ID},
        {"{\"id\":\"" PK "0\"}", REJECT_BAD_ID},
        {"{\"id\":\"A48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243\"}",
         REJECT_BAD_ID},
        {"{\"pubkey\":\"" PK "0\"}", REJECT_BAD_PUBKEY},
        {"{\"sig\":\"" PK "\"}", REJECT_BAD_SIG},
        {"{\"id\":\"" PK, REJECT_SYNTAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(scan_z(rows[i].json), rows[i].why);
}

/* Every digit of the three keys is looked at, and only lower case counts. */
static void test_hex_fields(void **state)
{
    static const char json[] = "{\"id\":\"" PK "\",\"pubkey\":\"" PK "\",\"sig\":\"" SIG "\"}";
    static const struct {
        size_t at, n;
        enum reject why;
    } fields[] = {{7, 64, REJECT_BAD_ID}, {83, 64, REJECT_BAD_PUBKEY}, {156, 128, REJECT_BAD_SIG}};
    static const char bad[] = "/:@GFAg`\x7f\xc0 ";
    char copy[sizeof(json)];

    (void)state;
    for (size_t f = 0; f < 3; f++)
        for (size_t i = 0; i < fields[f].n; i++)
            for (size_t b = 0; b < sizeof(bad) - 1; b++) {
                memcpy(copy, json, sizeof(json));
                assert_non_null(memchr("0123456789abcdef", copy[fields[f].at + i], 16));
                copy[fields[f].at + i] = bad[b];
                assert_int_equal(scan(copy, sizeof(json) - 1), fields[f].why);
            }
    assert_int_equal(scan(json, sizeof(json) - 1), REJECT_MISSING_FIELD);
    /* Escapes are no reason to refuse. */
    assert_int_equal(scan_z("{\"id\":\"\\u0061"
                            "48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243\"}"),
                     REJECT_MISSING_FIELD);
    assert_int_equal(event.id.b[0], 0xa4);
}

static void test_escaped_pubkey_hashes_the_same(void **state)
{
    (void)state;
    assert_int_equal(
        scan_z("{\"sig\":\"" SIG
               "\",\"content\":\"It's just me mining my own business\",\"x\":[{}],"
               "\"tags\" : [ [ \"nonce\", \"776797\",\"20\" ] ] ,\"kind\":1e0,\"created_at\":"
               "1651794653.0,\"pubkey\":\"\\u0061"
               "48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243\",\"id\":"
               "\"000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358\"}"),
        REJECT_NONE);
    ASSERT_STR(event.tags, "[[\"nonce\",\"776797\",\"20\"]]");
}

static void test_depth(void **state)
{
    static const char tail[] = "\"id\":\"\"}";
    char *deep = malloc(200100);
    size_t n = 0;

    (void)state;
    assert_non_null(deep);
    assert_int_equal(scan_z("{\"x\":[[[[[[[]]]]]]],\"id\":\"\"}"), REJECT_BAD_ID);  /* 8 */
    assert_int_equal(scan_z("{\"x\":[[[[[[[[]]]]]]]],\"id\":\"\"}"), REJECT_DEPTH); /* 9 */
    assert_int_equal(
        scan_z("{\"x\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}},\"id\":\"\"}"),
        REJECT_BAD_ID);
    assert_int_equal(
        scan_z("{\"x\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":[{}]}}}}}},\"id\":\"\"}"),
        REJECT_DEPTH);
    /* n_structure_100000_opening_arrays, alone and inside */
    memset(deep, '[', 200000);
    assert_int_equal(scan(deep, 100000), REJECT_SYNTAX);
    n = (size_t)sprintf(deep, "{\"x\":");
    memset(deep + n, '[', 100000);
    memcpy(deep + n + 100000, tail, sizeof(tail) - 1);
    assert_int_equal(scan(deep, n + 100000 + sizeof(tail) - 1), REJECT_DEPTH);
    for (size_t i = 0; i < 20000; i++)
        memcpy(deep + n + 5 * i, "{\"\":[", 5);
    assert_int_equal(scan(deep, n + 100000), REJECT_DEPTH);
    free(deep);
}

static void test_limits(void **state)
{
    struct event_limits limits = event_limits_default();
    enum reject why;
    char *text;

    (void)state;
    text = repeated("[]", 20000, "");
    assert_int_equal(scan_tags_only(text), REJECT_MISSING_FIELD);
    assert_int_equal(event.tags_n, 20000);
    assert_int_equal(event.tag_start[20000], 0);
    free(text);
    text = repeated("[]", 20001, "");
    assert_int_equal(scan_tags_only(text), REJECT_TOO_MANY_TAGS);
    free(text);
    text = repeated("\"\"", 1000, "]");
    text[0] = '[';
    {
        char *tags = malloc(strlen(text) + 2);

        assert_non_null(tags);
        sprintf(tags, "[%s", text);
        assert_int_equal(scan_tags_only(tags), REJECT_MISSING_FIELD);
        assert_int_equal(event.tag_start[1], 1000);
        free(tags);
    }
    free(text);
    text = repeated("\"\"", 1001, "");
    {
        char *tags = malloc(strlen(text) + 3);

        assert_non_null(tags);
        sprintf(tags, "[%s]", text);
        assert_int_equal(scan_tags_only(tags), REJECT_TOO_MANY_TAGS);
        free(tags);
    }
    free(text);
    limits.json_bytes_max = 1;
    assert_int_equal(event_scan(STR("{}"), &limits, &arena, &event, &why), -1);
    assert_int_equal(why, REJECT_TOO_LARGE);
    limits.json_bytes_max = 2;
    assert_int_equal(event_scan(STR("{}"), &limits, &arena, &event, &why), -1);
    assert_int_equal(why, REJECT_MISSING_FIELD);
    limits.depth_max = 1;
    limits.json_bytes_max = 100;
    assert_int_equal(event_scan(STR("{\"x\":[]}"), &limits, &arena, &event, &why), -1);
    assert_int_equal(why, REJECT_DEPTH);
}

/* A text cut anywhere is refused, and nothing is read behind its end. */
static void test_every_prefix(void **state)
{
    char json[2048];
    int n = snprintf(json, sizeof(json),
                     "{\"id\":\"" PK "\",\"pubkey\":\"" PK "\",\"created_at\":1.0e1,\"kind\":1,"
                     "\"tags\":"
                     "[[\"t\",\"\\u0002\"]]"
                     ",\"x\":{\"y\":[true,false,null,-1.5e-7]},\"content\":"
                     "\"\\ud83d\\ude00 and more of it \xf0\x9f\x98\x80\",\"sig\":\"" SIG "\"}");

    (void)state;
    for (int i = 0; i < n; i++) {
        enum reject why = scan(json, (size_t)i);

        assert_int_not_equal(why, REJECT_NONE);
        assert_int_not_equal(why, REJECT_ID_MISMATCH);
    }
    assert_int_equal(scan(json, (size_t)n), REJECT_ID_MISMATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_numbers),
        TEST(test_strings),
        TEST(test_tags_shape),
        TEST(test_json_classes),
        TEST(test_structure),
        TEST(test_hex_fields),
        TEST(test_escaped_pubkey_hashes_the_same),
        TEST(test_depth),
        TEST(test_limits),
        TEST(test_every_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
