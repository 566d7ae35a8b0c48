/* A stranger's document is read without a check at each step; ours comes out as it was put in. */
#include <stdlib.h>

#include "core/json.h"
#include "unit.h"

static struct js *parse(const char *text)
{
    struct err err;
    struct js *v = js_parse(str_z(text), 10000, 20, &err);

    assert_non_null(v);
    return v;
}

static void fails(struct str text, enum err_code code)
{
    struct err err;

    assert_null(js_parse(text, 100, 5, &err));
    assert_int_equal(err.code, code);
}

static void test_limits_and_syntax(void **state)
{
    struct err err;
    char large[102];

    (void)state;
    memset(large, ' ', sizeof(large));
    large[0] = '1';
    js_free(js_parse((struct str){large, 100}, 100, 5, &err));
    fails((struct str){large, 101}, ERR_MESSAGE_TOO_LARGE);
    js_free(parse("[[[[[1]]]]]"));
    fails(STR("[[[[[[1]]]]]]"), ERR_SYNTAX);
    fails(STR("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}"), ERR_SYNTAX);
    js_free(parse("[\"[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[\"]")); /* brackets in a string */
    fails(STR(""), ERR_SYNTAX);
    fails(STR("{} x"), ERR_SYNTAX);
    fails(STR("{'a':1}"), ERR_SYNTAX);
    fails(STR("[\"\xff\"]"), ERR_SYNTAX);
    fails(STR("[\"\n\"]"), ERR_SYNTAX);
    fails(STR("1e999"), ERR_SYNTAX);
    fails(STR("]"), ERR_SYNTAX);
}

static void test_getters_never_fail(void **state)
{
    struct js *v =
        parse("{\"i\":5,\"r\":2.5,\"w\":7.0,\"s\":\"x\\u0000y\",\"b\":true,\"n\":null,\"a\":[1,2],"
              "\"huge\":1e300}");

    (void)state;
    assert_int_equal(js_int(js_get(v, "i"), -1), 5);
    assert_int_equal(js_int(js_get(v, "w"), -1), 7);
    assert_int_equal(js_int(js_get(v, "r"), -1), -1);
    assert_int_equal(js_int(js_get(v, "huge"), -1), -1);
    assert_int_equal(js_int(js_get(v, "s"), -1), -1);
    assert_int_equal(js_int(js_get(v, "absent"), -1), -1);
    assert_true(js_real(js_get(v, "r"), 0) == 2.5);
    assert_true(js_real(js_get(v, "i"), 0) == 5);
    assert_true(js_real(NULL, 3) == 3);
    assert_true(str_eq(js_str(js_get(v, "s"), STR("?")), STR("x\0y")));
    assert_true(str_eq(js_str(js_get(v, "i"), STR("?")), STR("?")));
    assert_true(js_bool(js_get(v, "b"), false));
    assert_true(js_bool(js_get(v, "n"), true));
    assert_int_equal(js_type(js_get(v, "n")), JS_NULL);
    assert_int_equal(js_type(js_get(v, "absent")), JS_NONE);
    assert_int_equal(js_count(js_get(v, "a")), 2);
    assert_int_equal(js_count(js_get(v, "i")), 0);
    assert_int_equal(js_count(NULL), 0);
    assert_int_equal(js_int(js_at(js_get(v, "a"), 1), 0), 2);
    assert_null(js_at(js_get(v, "a"), 2));
    assert_null(js_at(v, 0));
    assert_null(js_at(NULL, 0));
    assert_null(js_get(js_get(v, "a"), "x"));
    assert_null(js_get(NULL, "x"));
    js_free(v);
    js_free(NULL);
}

static void test_huge_integers_do_not_spoil_a_document(void **state)
{
    struct js *v = parse("{\"max\":123456789012345678901234567890,\"name\":\"x\",\"n\":3}");

    (void)state;
    assert_int_equal(js_int(js_get(v, "max"), -1), -1);
    assert_int_equal(js_int(js_get(v, "n"), -1), 3);
    assert_true(str_eq(js_str(js_get(v, "name"), STR("")), STR("x")));
    js_free(v);
}

static void test_walk_of_members(void **state)
{
    struct js *v = parse("{\"b\":1,\"a\":2,\"c\":3}");
    struct js *value;
    struct str key;
    void *at = NULL;
    char keys[8] = "";

    (void)state;
    while (js_next(v, &at, &key, &value))
        (void)strncat(keys, key.p, key.n);
    assert_string_equal(keys, "bac");
    at = NULL;
    assert_false(js_next(js_get(v, "a"), &at, &key, &value));
    assert_false(js_next(NULL, &at, &key, &value));
    js_free(v);
}

static void test_making(void **state)
{
    struct js *o = js_new_object();
    struct js *a = js_new_array();
    char *text;

    (void)state;
    js_set_str(o, "s", STR("a\xff\xc3\xbc\0z"));
    js_set_z(o, "z", NULL);
    js_set_int(o, "i", INT64_MIN);
    js_set_real(o, "inf", 1e300 * 1e300);
    js_set_bool(o, "b", false);
    js_add(a, js_new_int(1));
    js_add(a, js_new_str(STR("\"")));
    js_add(a, js_new_null());
    js_add(a, js_new_bool(true));
    js_set(o, "a", a);
    text = js_text(o, JS_COMPACT);
    assert_string_equal(text, "{\"s\":\"a\xef\xbf\xbd\xc3\xbc\\u0000z\",\"z\":null,"
                              "\"i\":-9223372036854775808,\"inf\":null,\"b\":false,"
                              "\"a\":[1,\"\\\"\",null,true]}");
    free(text);
    struct js *copy = js_copy(o);
    js_free(o);
    text = js_text(copy, JS_SORTED);
    assert_memory_equal(text, "{\"a\":[1", 7);
    free(text);
    js_free(copy);
    o = js_new_real(0.5);
    text = js_text(o, JS_PRETTY);
    assert_string_equal(text, "0.5");
    free(text);
    js_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_and_syntax),
        cmocka_unit_test(test_getters_never_fail),
        cmocka_unit_test(test_huge_integers_do_not_spoil_a_document),
        cmocka_unit_test(test_walk_of_members),
        cmocka_unit_test(test_making),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
