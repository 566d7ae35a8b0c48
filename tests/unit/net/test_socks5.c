/* SOCKS5 codec: what it says, what it reads, and never a byte too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/socks5.h"

#define ONION "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

static void sent(struct socks5 *s, const void *want, size_t n)
{
    struct str out = socks5_output(s);

    assert_int_equal(out.n, n);
    assert_memory_equal(out.p, want, n);
    socks5_sent(s, out.n);
    assert_int_equal(socks5_output(s).n, 0);
}

/* Feeds in pieces of at most `chunk`, never more than is wanted; returns what was decided and how
 * much was taken. */
static enum socks5_progress feed(struct socks5 *s, const void *bytes, size_t n, size_t chunk,
                                 size_t *taken, struct err *err)
{
    enum socks5_progress p = SOCKS5_MORE;

    *taken = 0;
    while (p == SOCKS5_MORE && *taken < n && socks5_output(s).n == 0) {
        size_t some = socks5_wants(s);

        some = some > chunk ? chunk : some;
        some = some > n - *taken ? n - *taken : some;
        assert_true(some > 0);
        p = socks5_feed(s, (struct str){(const char *)bytes + *taken, some}, err);
        *taken += some;
    }
    return p;
}

static void to_reply(struct socks5 *s)
{
    struct err err;
    size_t taken;

    socks5_init(s, ONION, 443, SOCKS5_USER, "secret");
    sent(s, "\x05\x02\x02\x00", 4);
    assert_false(socks5_asked(s));
    assert_int_equal(feed(s, "\x05\x02", 2, 1, &taken, &err), SOCKS5_MORE);
    sent(s, "\x01\x03" SOCKS5_USER "\x06secret", 12);
    assert_int_equal(feed(s, "\x01\x00", 2, 2, &taken, &err), SOCKS5_MORE);
    sent(s, "\x05\x01\x00\x03\x3e" ONION "\x01\xbb", 5 + 62 + 2);
    assert_true(socks5_asked(s));
}

static void test_conversation(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        size_t n;
    } replies[] = {{"\x05\x00\x00\x01\x01\x02\x03\x04\x00\x50", 10},
                   {"\x05\x00\x00\x04"
                    "0123456789abcdef\x00\x50",
                    22},
                   {"\x05\x00\x00\x03\x05hello\x00\x50", 12},
                   {"\x05\x00\x00\x03\x00\x00\x50", 7},
                   {"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10}};
    struct socks5 s;
    struct err err;
    size_t taken;

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
        for (size_t chunk = 1; chunk <= 30; chunk++) {
            char with_more[64];

            to_reply(&s);
            memcpy(with_more, replies[i].reply, replies[i].n);
            memcpy(with_more + replies[i].n, "HTTP", 4);
            assert_int_equal(feed(&s, with_more, replies[i].n + 4, chunk, &taken, &err), SOCKS5_OK);
            assert_int_equal(taken, replies[i].n); /* the next protocol's bytes are left alone */
            assert_int_equal(socks5_wants(&s), 0);
        }
}

static void test_without_authentication(void **state)
{
    (void)state;
    struct socks5 s;
    struct err err;
    size_t taken;

    socks5_init(&s, "x.i2p", 80, SOCKS5_USER, "p");
    sent(&s, "\x05\x02\x02\x00", 4);
    assert_int_equal(feed(&s, "\x05\x00", 2, 2, &taken, &err), SOCKS5_MORE);
    sent(&s, "\x05\x01\x00\x03\x05x.i2p\x00\x50", 12);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        unsigned char code;
        enum err_code err;
        enum err_blame blame;
    } codes[] = {{0x01, ERR_PROXY_FAILED, ERR_BLAME_PATH},
                 {0x02, ERR_PROXY_FAILED, ERR_BLAME_PATH},
                 {0x03, ERR_CONNECT_UNREACHABLE, ERR_BLAME_PEER},
                 {0x04, ERR_CONNECT_UNREACHABLE, ERR_BLAME_PEER},
                 {0x05, ERR_CONNECT_REFUSED, ERR_BLAME_PEER},
                 {0x06, ERR_CONNECT_TIMEOUT, ERR_BLAME_PEER},
                 {0x07, ERR_PROXY_FAILED, ERR_BLAME_PATH},
                 {0x08, ERR_PROXY_FAILED, ERR_BLAME_PATH},
                 {0x09, ERR_PROXY_FAILED, ERR_BLAME_PATH},
                 {0xf0, ERR_ONION_DESCRIPTOR, ERR_BLAME_PEER},
                 {0xf1, ERR_ONION_DESCRIPTOR, ERR_BLAME_PEER},
                 {0xf2, ERR_ONION_UNREACHABLE, ERR_BLAME_PEER},
                 {0xf3, ERR_ONION_RENDEZVOUS, ERR_BLAME_PATH},
                 {0xf4, ERR_ONION_AUTH, ERR_BLAME_PEER},
                 {0xf5, ERR_ONION_AUTH, ERR_BLAME_PEER},
                 {0xf6, ERR_ONION_BAD_ADDRESS, ERR_BLAME_PEER},
                 {0xf7, ERR_ONION_RENDEZVOUS, ERR_BLAME_PATH},
                 {0xff, ERR_PROXY_FAILED, ERR_BLAME_PATH}};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        for (size_t chunk = 1; chunk <= 10; chunk += 9) {
            char reply[10] = {5, (char)codes[i].code, 0, 1};
            struct socks5 s;
            struct err err;
            size_t taken;

            to_reply(&s);
            assert_int_equal(feed(&s, reply, sizeof(reply), chunk, &taken, &err), SOCKS5_ERROR);
            assert_string_equal(err_name(err.code), err_name(codes[i].err));
            assert_int_equal(err_blame(err.code), codes[i].blame);
        }
}

static void test_broken_proxies(void **state)
{
    (void)state;
    struct socks5 s;
    struct err err;
    size_t taken;

    socks5_init(&s, ONION, 443, SOCKS5_USER, "p");
    socks5_sent(&s, socks5_output(&s).n);
    assert_int_equal(feed(&s, "HT", 2, 2, &taken, &err), SOCKS5_ERROR);
    assert_int_equal(err.code, ERR_PROXY_PROTOCOL);

    socks5_init(&s, ONION, 443, SOCKS5_USER, "p");
    socks5_sent(&s, socks5_output(&s).n);
    assert_int_equal(feed(&s, "\x05\xff", 2, 2, &taken, &err), SOCKS5_ERROR);
    assert_int_equal(err.code, ERR_PROXY_FAILED);

    socks5_init(&s, ONION, 443, SOCKS5_USER, "p");
    socks5_sent(&s, socks5_output(&s).n);
    assert_int_equal(feed(&s, "\x05\x02", 2, 2, &taken, &err), SOCKS5_MORE);
    socks5_sent(&s, socks5_output(&s).n);
    assert_int_equal(feed(&s, "\x01\x01", 2, 2, &taken, &err), SOCKS5_ERROR);
    assert_int_equal(err.code, ERR_PROXY_FAILED);

    to_reply(&s);
    assert_int_equal(feed(&s, "\x04\x00\x00\x01\x00", 5, 5, &taken, &err), SOCKS5_ERROR);
    assert_int_equal(err.code, ERR_PROXY_PROTOCOL);
    to_reply(&s);
    assert_int_equal(feed(&s, "\x05\x00\x00\x09\x00", 5, 5, &taken, &err), SOCKS5_ERROR);
    assert_int_equal(err.code, ERR_PROXY_PROTOCOL);

    to_reply(&s);
    assert_int_equal(socks5_feed_eof(&s, &err), SOCKS5_ERROR);
    assert_int_equal(err.code, ERR_PROXY_FAILED);
    socks5_init_probe(&s);
    assert_int_equal(socks5_feed_eof(&s, &err), SOCKS5_ERROR);
    assert_int_equal(err.code, ERR_PROXY_DOWN);
}

static void test_probe(void **state)
{
    (void)state;
    struct socks5 s;
    struct err err;
    size_t taken;

    socks5_init_probe(&s);
    sent(&s, "\x05\x02\x02\x00", 4);
    assert_int_equal(feed(&s, "\x05\xff", 2, 1, &taken, &err), SOCKS5_OK);
    assert_int_equal(socks5_output(&s).n, 0);
}

static void test_isolation(void **state)
{
    (void)state;
    char a[SOCKS5_PASSWORD_SIZE], b[SOCKS5_PASSWORD_SIZE];

    socks5_isolation(a, "salt", 4, "example.onion");
    /* printf saltexample.onion | sha256sum */
    assert_string_equal(a, "d8a306488fee85db31a00e6222e96309");
    socks5_isolation(b, "salt", 4, "example2.onion");
    assert_string_not_equal(a, b);
    socks5_isolation(b, "tlas", 4, "example.onion");
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversation), cmocka_unit_test(test_without_authentication),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_broken_proxies),
        cmocka_unit_test(test_probe),        cmocka_unit_test(test_isolation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
