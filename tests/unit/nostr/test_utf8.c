/* UTF-8, against a decoder that is written the slow way. */
#include "nostr/utf8.h"
#include "unit.h"

/* RFC 3629 by arithmetic: decode, then ask whether it was the shortest form of a scalar value. */
static bool slow_valid(const unsigned char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        unsigned long c = p[i];
        size_t more = c < 0x80   ? 0
                      : c < 0xc0 ? 99
                      : c < 0xe0 ? 1
                      : c < 0xf0 ? 2
                      : c < 0xf8 ? 3
                                 : 99;
        static const unsigned long least[] = {0, 0x80, 0x800, 0x10000};

        if (more == 99 || more >= n - i)
            return false;
        c &= more == 0 ? 0x7f : 0x3fu >> more;
        for (size_t k = 1; k <= more; k++) {
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
            c = c << 6 | (p[i + k] & 0x3f);
        }
        if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return false;
        i += more + 1;
    }
    return true;
}

/* Every sequence of two bytes, every one of three and four whose bytes stand at the edges, at every
 * place of a longer text, so that wide steps meet it everywhere. */
static void test_edges(void **state)
{
    static const unsigned char edge[] = {0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                         0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                         0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
    const size_t n = sizeof(edge);
    unsigned char text[4];

    (void)state;
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            text[0] = (unsigned char)a;
            text[1] = (unsigned char)b;
            assert_int_equal(utf8_valid((struct str){(char *)text, 2}), slow_valid(text, 2));
        }
    for (size_t i = 0; i < n * n * n * n; i++) {
        text[0] = edge[i % n];
        text[1] = edge[i / n % n];
        text[2] = edge[i / n / n % n];
        text[3] = edge[i / n / n / n];
        assert_int_equal(utf8_valid((struct str){(char *)text, 4}), slow_valid(text, 4));
        assert_int_equal(utf8_valid((struct str){(char *)text, 3}), slow_valid(text, 3));
    }
}

static void test_everywhere(void **state)
{
    static const char *const pieces[] = {"\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "\xc0\x80",
                                         "\xe0\x80\x80",
                                         "\xed\xa0\x80",
                                         "\xf4\x90\x80\x80",
                                         "\x80",
                                         "\xff",
                                         "\xe2\x82",
                                         "\xf0\x9f\x98",
                                         "\xc3\xa9\xc3\xa9\xc3\xa9",
                                         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"};
    unsigned char text[160];

    (void)state;
    for (size_t n = 1; n < sizeof(text); n++)
        for (size_t at = 0; at < n; at++)
            for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
                size_t piece = strlen(pieces[i]);

                memset(text, 'a', sizeof(text));
                memcpy(text + at, pieces[i], piece < n - at ? piece : n - at);
                assert_int_equal(utf8_valid((struct str){(char *)text, n}), slow_valid(text, n));
            }
    assert_true(utf8_valid((struct str){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_edges),
                                       cmocka_unit_test(test_everywhere)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
