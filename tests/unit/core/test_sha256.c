/* The vectors of FIPS 180-4, and that pieces give what the whole gives. */
#include "core/hex.h"
#include "core/sha256.h"
#include "unit.h"

static void check(const char *in, size_t n, const char *want)
{
    uint8_t out[SHA256_BYTES];
    char text[2 * SHA256_BYTES];

    sha256_of(in, n, out);
    hex_encode(text, out, sizeof(out));
    assert_memory_equal(text, want, sizeof(text));
}

static void test_vectors(void **state)
{
    static char million[1000000];

    (void)state;
    check("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', sizeof(million));
    check(million, sizeof(million),
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_pieces(void **state)
{
    char data[300];
    uint8_t whole[SHA256_BYTES];
    uint8_t pieces[SHA256_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)i;
    sha256_of(data, sizeof(data), whole);
    for (size_t cut = 0; cut <= sizeof(data); cut++) {
        struct sha256 h;

        sha256_init(&h);
        sha256_add(&h, data, cut);
        sha256_add(&h, data + cut, sizeof(data) - cut);
        sha256_final(&h, pieces);
        assert_memory_equal(whole, pieces, sizeof(whole));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
