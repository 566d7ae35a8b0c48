/* Keys and signed events: what we sign, our own scanner and verifier accept. */
#include "nostr/bech32.h"
#include "nostr/event.h"
#include "nostr/sign.h"
#include "nostr/verify.h"
#include "unit.h"

#define SECRET "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"
#define NSEC   "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"

static struct arena arena;
static struct signer *signer;
static struct verifier *verifier;

static int setup(void **state)
{
    struct err err;

    (void)state;
    arena_init(&arena, 65536);
    signer = signer_new(SECRET, &err);
    verifier = verifier_new();
    return signer == NULL;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    signer_free(signer);
    verifier_free(verifier);
    return 0;
}

static struct event accepted(struct str json)
{
    struct event_limits limits = event_limits_default();
    struct event e;
    enum reject why;

    assert_int_equal(event_scan(json, &limits, &arena, &e, &why), 0);
    assert_true(verifier_check(verifier, &e.id, &e.pubkey, &e.sig));
    return e;
}

/* The id of a draft is the one that it gets when it is signed. */
static void test_draft_id(void **state)
{
    static const uint32_t starts[] = {0, 2};
    const struct str elements[] = {STR("d"), STR("a\x01\"\n")};
    const struct event_draft draft = {.created_at = 1700000000,
                                      .kind = 30000,
                                      .elements = elements,
                                      .tag_start = starts,
                                      .tags_n = 1,
                                      .content = STR("\xf0\x9f\x98\x80")};
    struct pubkey32 pubkey = signer_pubkey(signer);
    struct id32 id = event_draft_id(&draft, &pubkey, &arena);
    struct event e;

    (void)state;
    e = accepted(sign_event(signer, &draft, &arena, NULL));
    assert_memory_equal(e.id.b, id.b, sizeof(id.b));
}

static void test_keys(void **state)
{
    static const char *const good[] = {
        SECRET,
        "  " SECRET "\n",
        NSEC,
        NSEC "\r\n",
        "67DEA2ED018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa",
    };
    static const char *const bad[] = {
        "",
        "x",
        SECRET "0",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", /* the order of the
                                                                               curve */
        "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6",
        "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe6", /* checksum */
        "g7dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa",
    };
    struct pubkey32 want = signer_pubkey(signer);
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct signer *s = signer_new(good[i], &err);
        struct pubkey32 got;

        assert_non_null(s);
        got = signer_pubkey(s);
        assert_memory_equal(&got, &want, sizeof(got));
        signer_free(s);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err.code = ERR_NONE;
        assert_null(signer_new(bad[i], &err));
        assert_int_equal(err.code, ERR_CONFIG);
        /* Nothing of a secret in a message. */
        if (strlen(bad[i]) > 8)
            assert_null(strstr(err.detail, bad[i] + strlen(bad[i]) - 8));
    }
    assert_null(signer_new(NULL, &err));
    signer_free(NULL);
}

static void test_event(void **state)
{
    struct str elements[] = {STR("t"), STR("a\"\\\n\x01\x7f"), STR("-"), STR("d"), STR("")};
    static const uint32_t starts[] = {0, 2, 3, 5, 5};
    struct event_draft draft = {.created_at = 9007199254740991,
                                .kind = 65535,
                                .elements = elements,
                                .tag_start = starts,
                                .tags_n = 4,
                                .content = STR("\xf0\x9f\x98\x80 \x1f \"quoted\" \t/")};
    struct id32 id;
    struct event e = accepted(sign_event(signer, &draft, &arena, &id));

    (void)state;
    assert_memory_equal(&id, &e.id, sizeof(id));
    assert_int_equal(e.created_at, draft.created_at);
    assert_int_equal(e.kind, 65535);
    assert_true(str_eq(e.content, draft.content));
    assert_int_equal(e.tags_n, 4);
    assert_true(str_eq(e.elements[1], elements[1]));
    assert_int_equal(e.tag_start[4], 5);
    assert_int_equal(e.variant, EVENT_VARIANT_JS);
    draft = (struct event_draft){.content = STR("")};
    e = accepted(sign_event(signer, &draft, &arena, NULL));
    assert_int_equal(e.tags_n, 0);
    assert_int_equal(e.created_at, 0);
}

static void test_auth(void **state)
{
    char buf[2048], small[64], long_challenge[1200];
    struct event e;
    struct id32 id;
    int n = signer_auth_event(signer, "wss://relay.example.com", "ab\\\"c\\u0041\\ud83d\\ude00",
                              1700000000, buf, sizeof(buf), &id);

    (void)state;
    assert_true(n > 0 && (size_t)n == strlen(buf));
    e = accepted((struct str){buf, (size_t)n});
    assert_memory_equal(&id, &e.id, sizeof(id));
    assert_int_equal(e.kind, 22242);
    assert_int_equal(e.created_at, 1700000000);
    assert_int_equal(e.content.n, 0);
    assert_true(
        str_eq(e.tags, STR("[[\"relay\",\"wss://relay.example.com\"],[\"challenge\",\"ab\\\"cA"
                           "\xf0\x9f\x98\x80\"]]")));
    assert_int_equal(signer_auth_event(signer, "wss://a.b", "x", 1, small, sizeof(small), NULL),
                     -1);
    assert_int_equal(signer_auth_event(signer, "wss://a.b", "x", 1, buf, (size_t)n / 2, NULL), -1);
    assert_int_equal(signer_auth_event(signer, "wss://a.b", "", 1, buf, sizeof(buf), NULL), -1);
    assert_int_equal(signer_auth_event(signer, "wss://a.b", "a\"b", 1, buf, sizeof(buf), NULL), -1);
    assert_int_equal(signer_auth_event(signer, "wss://a.b", "a\\", 1, buf, sizeof(buf), NULL), -1);
    assert_int_equal(signer_auth_event(signer, "wss://a.b", "\\ud800", 1, buf, sizeof(buf), NULL),
                     -1);
    assert_int_equal(signer_auth_event(signer, "wss://a.b", "\\u0000", 1, buf, sizeof(buf), NULL),
                     -1);
    assert_int_equal(signer_auth_event(signer, "wss://a.b", "\xff", 1, buf, sizeof(buf), NULL), -1);
    memset(long_challenge, 'x', sizeof(long_challenge));
    long_challenge[1025] = '\0';
    assert_int_equal(
        signer_auth_event(signer, "wss://a.b", long_challenge, 1, buf, sizeof(buf), NULL), -1);
    long_challenge[1024] = '\0';
    assert_true(signer_auth_event(signer, "wss://a.b", long_challenge, 1, buf, sizeof(buf), NULL) >
                1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draft_id),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_auth),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
