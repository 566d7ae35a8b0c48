/* The vectors of the reference implementation: key 00 01 .. 0f, inputs of 0 to 15 bytes 00 01 .. */
#include "core/siphash.h"
#include "unit.h"

static void test_reference_vectors(void **state)
{
    static const uint64_t want[] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
        0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
        0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
        0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    };
    const struct siphash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t in[16];

    (void)state;
    for (size_t n = 0; n < 16; n++) {
        in[n] = (uint8_t)n;
        assert_true(siphash(&key, in, n) == want[n]);
    }
}

static void test_keys_are_random(void **state)
{
    struct siphash_key a = {0, 0};
    struct siphash_key b = {0, 0};

    (void)state;
    siphash_key_random(&a);
    siphash_key_random(&b);
    assert_true(a.k0 != b.k0 && a.k1 != b.k1);
    assert_true(siphash(&a, "x", 1) != siphash(&b, "x", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_vectors),
        cmocka_unit_test(test_keys_are_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
