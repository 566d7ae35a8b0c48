/* What answers mean: a difficulty in words, where a dial stood, and contradictions one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "services/probe/probe_internal.h"

static void test_difficulty(void **state)
{
    (void)state;
    assert_int_equal(judge_pow_bits("pow: 20 bits needed. (2)"), 20);
    assert_int_equal(judge_pow_bits("pow: difficulty 8>=16 is less"), 16);
    assert_int_equal(judge_pow_bits("pow: too little"), 0);
    assert_int_equal(judge_pow_bits("pow: 99999999999999999999 bits"), 0);
    assert_int_equal(judge_pow_bits(""), 0);
}

static enum err_code stage(const char *url, struct wsconn_report r, bool proxy_up)
{
    struct relay_url u;
    struct err err;

    assert_int_equal(url_parse(str_z(url), &url_any_address, &u), URL_OK);
    judge_stage(&u, &r, proxy_up, &err);
    return err.code;
}

static void test_where_a_dial_stood(void **state)
{
    const struct wsconn_report none = {
        .dns_us = -1, .tcp_us = -1, .proxy_us = -1, .tls_us = -1, .upgrade_us = -1};
    struct wsconn_report r = none;
    static const char onion[] =
        "ws://duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";

    (void)state;
    assert_int_equal(stage("wss://relay.example.com", none, false), ERR_DNS_FAILED);
    assert_int_equal(stage("wss://192.0.2.1", none, false), ERR_CONNECT_TIMEOUT);
    assert_int_equal(stage(onion, none, false), ERR_PROXY_DOWN);
    assert_int_equal(stage(onion, none, true), ERR_CONNECT_TIMEOUT);
    r.dns_us = 1;
    assert_int_equal(stage("wss://relay.example.com", r, false), ERR_CONNECT_TIMEOUT);
    r.tcp_us = 1;
    assert_int_equal(stage("wss://relay.example.com", r, false), ERR_TIMEOUT);
    assert_int_equal(stage("ws://relay.example.com", r, false), ERR_TIMEOUT);
}

static unsigned contradictions(const char *document, struct probe_report r, uint32_t page)
{
    struct err err;
    unsigned found;

    r.nip11 = nip11_parse(str_z(document), &err);
    assert_non_null(r.nip11);
    found = judge_contradictions(&r, page);
    nip11_free(r.nip11);
    return found;
}

#define ONLY(name) (1U << NIP11_##name)

static void test_contradictions(void **state)
{
    struct probe_report r = {.caps_known = CAP_NIP45 | CAP_NIP77 | CAP_NIP42, .caps = CAP_NIP45};

    (void)state;
    assert_int_equal(judge_contradictions(&r, 0), 0); /* no document */
    assert_int_equal(contradictions("{}", r, 0), 0);
    assert_int_equal(contradictions("{\"supported_nips\":[45]}", r, 0), 0);
    assert_int_equal(contradictions("{\"supported_nips\":[45,77]}", r, 0),
                     ONLY(NIPS_CLAIMED_NOT_FOUND));
    /* Not measured, or not bound to show: no contradiction. */
    assert_int_equal(contradictions("{\"supported_nips\":[42,45,50,67,70]}", r, 0), 0);
    assert_int_equal(contradictions("{\"supported_nips\":[1]}", r, 0),
                     ONLY(NIPS_FOUND_NOT_CLAIMED));
    assert_int_equal(contradictions("{\"limitation\":{\"max_limit\":100}}", r, 101),
                     ONLY(MAX_LIMIT_NOT_HONOURED));
    assert_int_equal(contradictions("{\"limitation\":{\"max_limit\":100}}", r, 100), 0);
    r.page_cap = 50;
    assert_int_equal(contradictions("{\"limitation\":{\"max_limit\":100}}", r, 50),
                     ONLY(MAX_LIMIT_NOT_HONOURED));
    assert_int_equal(contradictions("{}", r, 50), ONLY(LIMIT_NOT_ADVERTISED));
    r.page_cap = 0;
    assert_int_equal(contradictions("{\"limitation\":{\"auth_required\":true}}", r, 0),
                     ONLY(AUTH_CLAIMED_NOT_ASKED));
    r.read_prefix = PREFIX_AUTH_REQUIRED;
    assert_int_equal(contradictions("{}", r, 0), ONLY(AUTH_ASKED_NOT_CLAIMED));
    r.read_prefix = PREFIX_NONE;
    r.writable = PROBE_YES;
    assert_int_equal(contradictions("{\"limitation\":{\"payment_required\":true}}", r, 0),
                     ONLY(PAYMENT_CLAIMED_NOT_ASKED));
    r.writable = PROBE_NO;
    r.write_error = ERR_BLOCKED;
    assert_int_equal(contradictions("{\"limitation\":{\"restricted_writes\":false}}", r, 0),
                     ONLY(WRITES_CLAIMED_OPEN));
    r.write_error = ERR_IDLE;
    assert_int_equal(contradictions("{\"limitation\":{\"restricted_writes\":false}}", r, 0), 0);
}

/* geohash.org's own example. */
static void test_geohash(void **state)
{
    char text[10];

    (void)state;
    geo_hash(57.64911, 10.40744, text);
    assert_string_equal(text, "u4pruydqq");
    geo_hash(-90, -180, text);
    assert_string_equal(text, "000000000");
    geo_hash(90, 180, text);
    assert_string_equal(text, "zzzzzzzzz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_difficulty),
        cmocka_unit_test(test_where_a_dial_stood),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_geohash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
