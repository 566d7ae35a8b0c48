/* relay_list: what a path leads to, in every shape of a document, and what is no document. */
#include <stdio.h>

#include "nostr/relay_list.h"
#include "unit.h"

static char found[1024];

static void on_entry(void *owner, struct str text)
{
    size_t n = strlen(found);

    (void)owner;
    (void)snprintf(found + n, sizeof(found) - n, "%s" STR_FMT, n > 0 ? "," : "", STR_ARG(text));
}

static void leads(const char *text, const char *path, const char *want)
{
    struct err err;

    found[0] = '\0';
    assert_int_equal(relay_list_path_check(path, &err), 0);
    if (relay_list_json(str_z(text), path, on_entry, NULL, &err) != 0)
        fail_msg("%s: %s", text, err.detail);
    assert_string_equal(found, want);
}

static void test_paths(void **state)
{
    (void)state;
    leads("[]", "", "");
    leads("[\"a\",\"b\"]", "", "a,b");
    leads(" [ \"a\" , [ [\"b\"], [] ], 1, null, {\"x\":\"y\"}, true, -1.5e3, \"c\" ] \n", "",
          "a,b,c");
    leads("\"a\"", "", "a");
    leads("\xef\xbb\xbf[\"a\"]", "", "a");
    leads("[\"a\"]", "x", "");
    leads("{\"relays\":[{\"url\":\"a\",\"n\":1},{\"n\":2,\"url\":\"b\"},{}]}", "relays.url", "a,b");
    leads("{\"x\":[\"no\"],\"relays\":[\"a\",\"b\"],\"y\":{\"relays\":[\"no\"]}}", "relays", "a,b");
    leads("{\"data\":{\"k1\":{\"url\":\"a\"},\"k2\":{\"url\":[\"b\",\"c\"]},\"k3\":[]}}",
          "data.*.url", "a,b,c");
    leads("{\"data\":{\"wss://a\":{\"x\":[1,{\"~\":\"no\"}]},\"wss://b\":\"no\"}}", "data.~",
          "wss://a,wss://b");
    leads("{\"a\":{\"~\":\"yes\"}}", "a.~", "~");
    leads("[{\"a\":\"x\"},[{\"a\":\"y\"}]]", "a", "x,y");
    leads("{\"a\":\"wss:\\/\\/x\\u002ecom\",\"\\u0061\":\"by its written name only\"}", "a",
          "wss://x.com");
    leads("{\"a\":\"x\",\"a\":\"y\"}", "a", "x,y");
}

static void test_not_json(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "[",
                                      "[\"a\"",
                                      "[\"a\",]",
                                      "[\"a\" \"b\"]",
                                      "[\"a\"]x",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{a:1}",
                                      "{\"a\":1,}",
                                      "[\"a]",
                                      "[\"\\x\"]",
                                      "[\"a\nb\"]",
                                      "[01]",
                                      "[truth]",
                                      "[\"a\"]]",
                                      "{\"a\":\"b\"]",
                                      "<html>",
                                      "[1.]",
                                      "[\"\\ud800\"]",
                                      "{\"x\":{\"y\":[}}",
                                      "[\"a\"],",
                                      "nul"};
    char deep[200];
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        found[0] = '\0';
        if (relay_list_json(str_z(bad[i]), i % 2 == 0 ? "" : "a", on_entry, NULL, &err) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, ERR_SYNTAX);
        assert_non_null(strstr(err.detail, "no valid JSON at byte "));
    }
    memset(deep, '[', 100);
    memset(deep + 100, ']', 99);
    deep[199] = '\0';
    assert_int_equal(relay_list_json(str_z(deep), "", on_entry, NULL, &err), -1);
    memset(deep, '[', RELAY_LIST_DEPTH_MAX);
    memset(deep + RELAY_LIST_DEPTH_MAX, ']', RELAY_LIST_DEPTH_MAX);
    deep[2 * RELAY_LIST_DEPTH_MAX] = '\0';
    assert_int_equal(relay_list_json(str_z(deep), "", on_entry, NULL, &err), 0);
}

static void test_paths_that_are_none(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(relay_list_path_check("a..b", &err), -1);
    assert_int_equal(relay_list_path_check(".", &err), -1);
    assert_int_equal(relay_list_path_check("a.~.b", &err), -1);
    assert_int_equal(relay_list_path_check("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p", &err), 0);
    assert_int_equal(relay_list_path_check("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", &err), -1);
}

static void test_lines(void **state)
{
    (void)state;
    found[0] = '\0';
    relay_list_lines(STR("# mine\r\nwss://a # one\r\n\r\n  wss://b\nno url"), on_entry, NULL);
    assert_string_equal(found, "wss://a,wss://b,no url");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_paths_that_are_none),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
