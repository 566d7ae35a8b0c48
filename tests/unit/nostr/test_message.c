/* What relays say: well-formed, sloppy and hostile. */
#include <stdlib.h>

#include "nostr/message.h"
#include "unit.h"

static struct message m;
static char *exact;

/* From a buffer of exactly the length; it lives until the next call. */
static enum message_type parse(const char *text)
{
    size_t n = strlen(text);

    free(exact);
    exact = malloc(n > 0 ? n : 1);
    assert_non_null(exact);
    memcpy(exact, text, n);
    message_parse((struct str){exact, n}, &m);
    return m.type;
}

static int done(void **state)
{
    (void)state;
    free(exact);
    exact = NULL;
    return 0;
}

#define ASSERT_STR(got, literal)                                        \
    do {                                                                \
        assert_int_equal((got).n, sizeof(literal) - 1);                 \
        if ((got).n > 0)                                                \
            assert_memory_equal((got).p, literal, sizeof(literal) - 1); \
    } while (0)

static void test_event(void **state)
{
    (void)state;
    assert_int_equal(parse("[\"EVENT\",\"s1\",{\"id\":\"}]\"}]"), MESSAGE_EVENT);
    ASSERT_STR(m.sub, "s1");
    ASSERT_STR(m.event, "{\"id\":\"}]\"}");
    assert_int_equal(parse(" [ \"EVENT\" , \"s1\" , { \"id\" : 1 } ] \n"), MESSAGE_EVENT);
    ASSERT_STR(m.event, "{ \"id\" : 1 }");
    /* No subscription: of no request of ours, but an event. */
    assert_int_equal(parse("[\"EVENT\",{\"a\":1}]"), MESSAGE_EVENT);
    ASSERT_STR(m.sub, "");
    ASSERT_STR(m.event, "{\"a\":1}");
    /* More behind it is not ours to judge. */
    assert_int_equal(parse("[\"EVENT\",\"s\",{\"a\":{}},\"x\",1]"), MESSAGE_EVENT);
    ASSERT_STR(m.event, "{\"a\":{}}");
    /* The event is not looked into: it is refused where it is scanned. */
    assert_int_equal(parse("[\"EVENT\",\"s\",{nonsense}]"), MESSAGE_EVENT);
    ASSERT_STR(m.event, "{nonsense}");
    assert_int_equal(parse("[\"EVENT\",\"s\"]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"EVENT\",\"s\",1]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"EVENT\",\"s\",[]]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"EVENT\",\"s\",{}"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"EVENT\",\"s\",{]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"EVENT\",\"s\",{},]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"EVENT\",\"s\" {}]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"EVENT\"]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"EVENT\",5,{}]"), MESSAGE_INVALID);
    ASSERT_STR(m.event, "");
}

static void test_eose(void **state)
{
    (void)state;
    assert_int_equal(parse("[\"EOSE\",\"s1\"]"), MESSAGE_EOSE);
    ASSERT_STR(m.sub, "s1");
    assert_int_equal(m.extra.n, 0);
    assert_false(m.hint_finish || m.hint_more);
    assert_int_equal(parse("[\"EOSE\",\"s1\",[\"finish\"]]"), MESSAGE_EOSE);
    assert_true(m.hint_finish);
    assert_false(m.hint_more);
    assert_int_equal(parse("[\"EOSE\",\"s1\",[ \"x\" , \"more\"]]"), MESSAGE_EOSE);
    assert_true(m.hint_more);
    assert_false(m.hint_finish);
    assert_int_equal(parse("[\"EOSE\",\"s1\",[7,\"finish\"]]"), MESSAGE_EOSE);
    assert_false(m.hint_finish);
    assert_int_equal(parse("[\"EOSE\",\"s1\",{\"finish\":true}]"), MESSAGE_EOSE);
    ASSERT_STR(m.extra, "{\"finish\":true}");
    assert_false(m.hint_finish);
    assert_int_equal(parse("[\"EOSE\",\"s1\",\"finish\"]"), MESSAGE_EOSE);
    assert_false(m.hint_finish);
    /* seen without an id (nosflare) */
    assert_int_equal(parse("[\"EOSE\"]"), MESSAGE_EOSE);
    assert_int_equal(m.sub.n, 0);
    assert_int_equal(parse("[\"EOSE\",null]"), MESSAGE_EOSE);
    assert_int_equal(m.sub.n, 0);
    assert_int_equal(parse("[\"EOSE\",[\"finish\"]]"), MESSAGE_EOSE);
    assert_int_equal(m.sub.n, 0);
    assert_int_equal(parse("[\"EOSE\",\"s1\"]]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"EOSE\",\"s1\""), MESSAGE_INVALID);
}

static void test_others(void **state)
{
    (void)state;
    assert_int_equal(parse("[\"CLOSED\",\"s1\",\"auth-required: x \\\"y\\\"\"]"), MESSAGE_CLOSED);
    ASSERT_STR(m.sub, "s1");
    ASSERT_STR(m.text, "auth-required: x \\\"y\\\"");
    assert_int_equal(parse("[\"CLOSED\",\"s1\"]"), MESSAGE_CLOSED);
    assert_int_equal(m.text.n, 0);
    assert_int_equal(parse("[\"CLOSED\"]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"NOTICE\",\"hello\"]"), MESSAGE_NOTICE);
    ASSERT_STR(m.text, "hello");
    assert_int_equal(parse("[\"NOTICE\"]"), MESSAGE_NOTICE);
    assert_int_equal(parse("[\"NOTICE\",{\"a\":1}]"), MESSAGE_NOTICE);
    assert_int_equal(m.text.n, 0);
    assert_int_equal(parse("[\"OK\",\"abcd\",true,\"\"]"), MESSAGE_OK);
    ASSERT_STR(m.sub, "abcd");
    assert_true(m.ok);
    assert_int_equal(parse("[\"OK\",\"abcd\",false,\"blocked: no\"]"), MESSAGE_OK);
    assert_false(m.ok);
    ASSERT_STR(m.text, "blocked: no");
    assert_int_equal(parse("[\"OK\",\"abcd\",\"true\"]"), MESSAGE_OK);
    assert_false(m.ok);
    assert_int_equal(parse("[\"OK\"]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"AUTH\",\"challenge\"]"), MESSAGE_AUTH);
    ASSERT_STR(m.text, "challenge");
    assert_int_equal(parse("[\"AUTH\",\"\"]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"AUTH\",{}]"), MESSAGE_INVALID);
    assert_int_equal(parse("[\"COUNT\",\"s1\",{\"count\":5}]"), MESSAGE_COUNT);
    ASSERT_STR(m.extra, "{\"count\":5}");
    assert_int_equal(parse("[\"NEG-MSG\",\"s1\",\"6100\"]"), MESSAGE_NEG_MSG);
    ASSERT_STR(m.text, "6100");
    assert_int_equal(parse("[\"NEG-ERR\",\"s1\",\"blocked: x\",1000000]"), MESSAGE_NEG_ERR);
    ASSERT_STR(m.text, "blocked: x");
    ASSERT_STR(m.extra, "1000000");
    assert_int_equal(parse("[\"OK\",\"a\",true,\"\",1,2,3,4,5,6,[7]]"), MESSAGE_OK);
}

static void test_invalid(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "[",
        "[]",
        "{}",
        "null",
        "\"EOSE\"",
        "hello",
        "[\"\"]",
        "[1]",
        "[\"REQ\",\"a\",{}]",
        "[\"eose\",\"a\"]",
        "[\"EOSE \",\"a\"]",
        "[\"EOSE\",\"a]",
        "[\"EOSE\" \"a\"]",
        "[\"EOSE\",\"a\",]",
        "[\"EOSE\",,\"a\"]",
        "[\"NOTICE\",\"\x01\"]",
        "[\"NOTICE\",\"\\x\"]",
        "[\"NOTICE\",\"\\ud800\"]",
        "[\"NOTICE\",tru]",
        "[\"NOTICE\",\"x\"]x",
        "[\"NOTICE\":\"x\"]",
        "\xef\xbb\xbf[\"EOSE\",\"a\"]",
    };
    char deep[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(parse(rows[i]), MESSAGE_INVALID);
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    memcpy(deep, "[\"NOTICE\",", 10);
    assert_int_equal(parse(deep), MESSAGE_INVALID);
}

static void test_prefixes(void **state)
{
    static const struct {
        const char *text;
        enum message_prefix prefix;
    } rows[] = {
        {"", PREFIX_NONE},
        {"goodbye", PREFIX_NONE},
        {"duplicate: have it", PREFIX_DUPLICATE},
        {"pow: 25 bits", PREFIX_POW},
        {"blocked: you", PREFIX_BLOCKED},
        {"rate-limited: slow down", PREFIX_RATE_LIMITED},
        {"invalid: too many filters", PREFIX_INVALID},
        {"restricted: pay first", PREFIX_RESTRICTED},
        {"mute: no", PREFIX_MUTE},
        {"error: could not connect", PREFIX_ERROR},
        {"unsupported: filter", PREFIX_UNSUPPORTED},
        {"auth-required: please", PREFIX_AUTH_REQUIRED},
        {"AUTH-Required: please", PREFIX_AUTH_REQUIRED},
        {" auth-required : please", PREFIX_AUTH_REQUIRED},
        /* as they are in the wild */
        {"ERROR: auth-required: we can't serve DMs", PREFIX_AUTH_REQUIRED},
        {"ERROR: bad req: uint64 expected", PREFIX_INVALID},
        {"bad req: too many tags", PREFIX_INVALID},
        {"ERROR: bad msg: unknown cmd", PREFIX_INVALID},
        {"ERROR: too many concurrent REQs", PREFIX_RATE_LIMITED},
        {"error: you are being rate limited", PREFIX_RATE_LIMITED},
        {"Too fast, slow down please", PREFIX_RATE_LIMITED},
        {"you must authenticate first", PREFIX_AUTH_REQUIRED},
        {"This relay is for paid members", PREFIX_RESTRICTED},
        {"You are banned", PREFIX_BLOCKED},
        {"unknown message type", PREFIX_UNSUPPORTED},
        {"could not parse command", PREFIX_INVALID},
        {"generated by corporate members-only", PREFIX_RESTRICTED},
        {"we operate and generate", PREFIX_NONE},
        {"see https://example.com/", PREFIX_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (message_prefix(str_z(rows[i].text)) != rows[i].prefix)
            print_error("%s\n", rows[i].text);
        assert_int_equal(message_prefix(str_z(rows[i].text)), rows[i].prefix);
    }
}

static void test_notices(void **state)
{
    static const char *const refuses[] = {
        "ERROR: bad req: unparseable filter",
        "too many concurrent REQs",
        "rate limit exceeded",
        "slow down",
        "invalid: bad filter",
        "unsupported",
        "could not parse command",
        "auth-required: x",
        "Bad Req",
        "please AUTH",
    };
    static const char *const harmless[] = {
        "",
        "welcome",
        "this relay is operated by x",
        "new author policy? no: restful",
        "generate your key",
        "the relay restarts in 5 minutes",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refuses) / sizeof(refuses[0]); i++)
        assert_true(message_notice_refuses(str_z(refuses[i])));
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        if (message_notice_refuses(str_z(harmless[i])))
            print_error("%s\n", harmless[i]);
        assert_false(message_notice_refuses(str_z(harmless[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event),    cmocka_unit_test(test_eose),
        cmocka_unit_test(test_others),   cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_notices),
    };

    return cmocka_run_group_tests(tests, NULL, done);
}
