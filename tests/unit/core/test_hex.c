/* Hexadecimal is read strictly: one value, one form. */
#include "core/hex.h"
#include "unit.h"

static void test_every_byte_there_and_back(void **state)
{
    uint8_t in[256];
    uint8_t out[256];
    char text[512];

    (void)state;
    for (int i = 0; i < 256; i++)
        in[i] = (uint8_t)i;
    hex_encode(text, in, sizeof(in));
    assert_memory_equal(text, "000102", 6);
    assert_memory_equal(text + 508, "feff", 4);
    assert_true(hex_decode(out, (struct str){text, sizeof(text)}, sizeof(out)));
    assert_memory_equal(in, out, sizeof(in));
}

static void test_strict(void **state)
{
    uint8_t out[2];
    char text[5] = "00a0";

    (void)state;
    assert_false(hex_decode(out, STR("00a"), 2));
    assert_false(hex_decode(out, STR("00a0f"), 2));
    assert_false(hex_decode(out, STR("00a0ff"), 2));
    assert_false(hex_decode(out, STR(""), 2));
    assert_true(hex_decode(out, STR(""), 0));
    for (int at = 0; at < 4; at++)
        for (int c = 0; c < 256; c++) {
            char was = text[at];
            bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

            text[at] = (char)c;
            assert_int_equal(hex_decode(out, (struct str){text, 4}, 2), good);
            text[at] = was;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_there_and_back),
        cmocka_unit_test(test_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
