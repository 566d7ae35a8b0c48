/* lists_read: normal forms, each once; what is none is counted, and the first told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/finder/lists_read.h"

static void test_lines(void **state)
{
    struct lists_read r;
    struct err err;

    (void)state;
    assert_int_equal(
        lists_read(&r,
                   STR("wss://b.net/\nWSS://B.NET:443\n# x\nhttps://b.net\nwss://a.net # one\n"
                       "ws://127.0.0.1\nwss://b.net/path\n"),
                   false, "", &err),
        0);
    assert_int_equal(r.n, 3);
    assert_true(str_eq(r.relays[0].url, STR("wss://a.net")));
    assert_true(str_eq(r.relays[1].url, STR("wss://b.net")));
    assert_true(str_eq(r.relays[2].url, STR("wss://b.net/path")));
    assert_int_equal(r.relays[0].network, NETWORK_CLEARNET);
    assert_int_equal(r.entries, 6);
    assert_int_equal(r.refused, 2);
    assert_string_equal(r.example, "https://b.net");
    assert_int_equal(r.why, URL_SCHEME);
    lists_read_done(&r);
}

static void test_json(void **state)
{
    struct lists_read r;
    struct err err;

    (void)state;
    assert_int_equal(
        lists_read(&r, STR("{\"r\":[\"wss://a.net\",\"x\\u0000y\",1]}"), true, "r", &err), 0);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.refused, 1);
    lists_read_done(&r);
    assert_int_equal(lists_read(&r, STR("{\"r\":[\"wss://a.net\","), true, "r", &err), -1);
    assert_int_equal(err.code, ERR_SYNTAX);
    lists_read_done(&r);
    assert_int_equal(lists_read(&r, STR(""), false, "", &err), 0);
    assert_int_equal(r.n, 0);
    lists_read_done(&r);
}

static void test_bounds(void **state)
{
    enum { N = LISTED_MAX + 10, LINE = 18 };
    char *text = malloc((size_t)N * LINE + 1), *at = text;
    struct lists_read r;
    struct err err;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < N; i++)
        at += snprintf(at, LINE + 1, "wss://l%06d.net\n", i % 1000000);
    assert_int_equal(lists_read(&r, (struct str){text, (size_t)(at - text)}, false, "", &err), 0);
    assert_int_equal(r.n, LISTED_MAX);
    assert_int_equal(r.beyond, 10);
    lists_read_done(&r);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
