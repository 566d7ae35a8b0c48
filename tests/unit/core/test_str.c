/* Views: every function at its edges; what is shown is never harmful. */
#include "core/str.h"
#include "unit.h"

static void test_compare(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a"), STR("a")));
    assert_false(str_eq(STR("a"), STR("b")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq((struct str){NULL, 0}, STR("")));
    assert_true(str_eq(str_z(NULL), STR("")));
    assert_true(str_eq_nocase(STR("HoSt"), STR("hOsT")));
    assert_false(str_eq_nocase(STR("@"), STR("`"))); /* 0x20 apart, but no letters */
    assert_true(str_starts(STR("wss://x"), STR("wss://")));
    assert_false(str_starts(STR("ws"), STR("wss")));
    assert_true(str_ends(STR("x.onion"), STR(".onion")));
    assert_false(str_ends(STR("onion"), STR(".onion")));
    assert_true(str_ends(STR("x"), STR("")));
}

static void test_trim_and_find(void **state)
{
    size_t at = 99;

    (void)state;
    assert_true(str_eq(str_trim(STR(" \t\r\n a b \v\f")), STR("a b")));
    assert_int_equal(str_trim(STR("  ")).n, 0);
    assert_true(str_find(STR("hello"), STR("l"), &at));
    assert_int_equal(at, 2);
    assert_true(str_find(STR("hello"), STR("lo"), NULL));
    assert_false(str_find(STR("hello"), STR("hellos"), &at));
    assert_true(str_find(STR(""), STR(""), &at));
    assert_int_equal(at, 0);
    assert_false(str_find(STR(""), STR("a"), &at));
}

static void test_cut(void **state)
{
    struct str rest = STR("a,,b,");
    struct str piece;

    (void)state;
    assert_true(str_cut(&rest, ',', &piece));
    assert_true(str_eq(piece, STR("a")));
    assert_true(str_cut(&rest, ',', &piece));
    assert_true(str_eq(piece, STR("")));
    assert_true(str_cut(&rest, ',', &piece));
    assert_true(str_eq(piece, STR("b")));
    assert_non_null(rest.p); /* there was a separator behind b */
    assert_true(str_cut(&rest, ',', &piece));
    assert_true(str_eq(piece, STR("")));
    assert_null(rest.p);
    assert_false(str_cut(&rest, ',', &piece));
}

static void test_u64(void **state)
{
    uint64_t n = 7;

    (void)state;
    assert_true(str_u64(STR("0"), &n));
    assert_int_equal(n, 0);
    assert_true(str_u64(STR("18446744073709551615"), &n));
    assert_true(n == UINT64_MAX);
    assert_false(str_u64(STR("18446744073709551616"), &n));
    assert_false(str_u64(STR("99999999999999999999"), &n));
    assert_false(str_u64(STR(""), &n));
    assert_false(str_u64(STR("+1"), &n));
    assert_false(str_u64(STR("1 "), &n));
    assert_false(str_u64(STR("\xb1"), &n));
    assert_true(n == UINT64_MAX);
}

static void test_entries_of_a_list(void **state)
{
    struct str rest =
                   STR("\xef\xbb\xbf# a list\r\n\r\n one # the first\r\n\ttwo\t\n#three\n\nfour"),
               entry;
    uint32_t line = 0;

    (void)state;
    assert_true(str_next_entry(&rest, &line, &entry) && str_eq(entry, STR("one")) && line == 3);
    assert_true(str_next_entry(&rest, &line, &entry) && str_eq(entry, STR("two")) && line == 4);
    assert_true(str_next_entry(&rest, &line, &entry) && str_eq(entry, STR("four")) && line == 7);
    assert_false(str_next_entry(&rest, &line, &entry));
    assert_false(str_next_entry(&rest, &line, &entry));
    rest = STR("");
    assert_false(str_next_entry(&rest, &line, &entry));
}

static void test_copy(void **state)
{
    char to[4];

    (void)state;
    assert_true(str_copy(to, sizeof(to), STR("abc")));
    assert_string_equal(to, "abc");
    assert_false(str_copy(to, sizeof(to), STR("abcd")));
    assert_string_equal(to, "abc");
    assert_true(str_copy(to, sizeof(to), (struct str){NULL, 0}));
    assert_string_equal(to, "");
}

static void escapes(struct str in, const char *want)
{
    char to[200];

    assert_string_equal(str_escape(to, sizeof(to), in), want);
}

static void test_escape(void **state)
{
    (void)state;
    escapes(STR("plain"), "plain");
    escapes(STR("a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
    escapes(STR("q\"b\\"), "q\\x22b\\x5c");
    escapes(STR("a\0b"), "a\\x00b");
    escapes(STR("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
            "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    escapes(STR("\xc3"), "\\xc3");                            /* cut short */
    escapes(STR("\xc0\xaf"), "\\xc0\\xaf");                   /* overlong */
    escapes(STR("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");          /* overlong */
    escapes(STR("\xed\xa0\x80"), "\\xed\\xa0\\x80");          /* surrogate */
    escapes(STR("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
    escapes(STR("\xff"), "\\xff");
    escapes(STR("\xc2\x9b"
                "31m"),
            "\\xc2\\x9b31m");                        /* CSI of the C1 set */
    escapes(STR("\xe2\x80\xae"), "\\xe2\\x80\\xae"); /* right-to-left override */
}

/* What our own server and libraries say: nothing that moves a cursor, but quotes as quotes. */
static void test_escape_text(void **state)
{
    char to[200];

    (void)state;
    assert_string_equal(
        str_escape_text(to, sizeof(to), STR("role \"a\\b\" fails\n\tHINT: \x1b[2J")),
        "role \"a\\b\" fails HINT: \\x1b[2J");
    assert_string_equal(str_escape_text(to, sizeof(to), STR("\xe2\x80\xae\xff")),
                        "\\xe2\\x80\\xae\\xff");
}

static void test_escape_is_cut_between_characters(void **state)
{
    char to[16];

    (void)state;
    for (size_t size = 4; size <= sizeof(to); size++) {
        memset(to, 'X', sizeof(to));
        (void)str_escape(to, size, STR("\xe2\x82\xac\n\xe2\x82\xac\n\xe2\x82\xac\n"));
        size_t n = strlen(to);
        assert_true(n < size);
        assert_string_equal(to + n - 3, "...");
        n -= 3; /* whole euros and whole escapes only */
        assert_true(n == 0 || n == 3 || n == 7 || n == 10);
        for (size_t i = size; i < sizeof(to); i++)
            assert_int_equal(to[i], 'X');
    }
    assert_string_equal(str_escape(to, 6, STR("abcde")), "abcde");
    assert_string_equal(str_escape(to, 6, STR("abcdef")), "ab...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_trim_and_find),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_entries_of_a_list),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_escape_text),
        cmocka_unit_test(test_escape_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
