/* NIP-19: the samples of the NIP, of BIP-173, and hostile ones. */
#include "core/hex.h"
#include "nostr/nip19.h"
#include "unit.h"

static void assert_key(const uint8_t key[32], const char *want)
{
    char hex[65] = {0};

    hex_encode(hex, key, 32);
    assert_string_equal(hex, want);
}

/* 19.md */
static void test_samples(void **state)
{
    struct nip19 x;
    struct str url;
    size_t at = 0;
    char text[NIP19_PLAIN_MAX];

    (void)state;
    assert_true(
        nip19_decode(STR("npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"), &x));
    assert_int_equal(x.type, NIP19_NPUB);
    assert_key(x.key, "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d");
    assert_false(nip19_relay(&x, &at, &url));
    nip19_encode(NIP19_NPUB, x.key, text);
    assert_string_equal(text, "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6");
    assert_true(nip19_decode(
        STR("nostr:nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"), &x));
    assert_int_equal(x.type, NIP19_NSEC);
    assert_key(x.key, "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa");
    nip19_encode(NIP19_NSEC, x.key, text);
    assert_string_equal(text, "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5");
    assert_true(nip19_decode(
        STR("nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k"
            "7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p"),
        &x));
    assert_int_equal(x.type, NIP19_NPROFILE);
    assert_key(x.key, "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d");
    at = 0;
    assert_true(nip19_relay(&x, &at, &url));
    assert_true(str_eq(url, STR("wss://r.x.com")));
    assert_true(nip19_relay(&x, &at, &url));
    assert_true(str_eq(url, STR("wss://djbas.sadkb.com")));
    assert_false(nip19_relay(&x, &at, &url));
}

/* Encodes `n` bytes under a prefix and decodes what comes out. */
static bool decode_list(const char *prefix, const uint8_t *bytes, size_t n, struct nip19 *x)
{
    char text[BECH32_CHARS_MAX + 1];

    assert_true(bech32_encode(prefix, bytes, n, text, sizeof(text)));
    return nip19_decode(str_z(text), x);
}

static void test_lists(void **state)
{
    uint8_t list[256] = {0, 32};
    struct nip19 x;
    struct str url;
    size_t at = 0;

    (void)state;
    memset(list + 2, 0xab, 32);
    assert_true(decode_list("nevent", list, 34, &x));
    assert_false(x.has_author);
    assert_int_equal(x.kind, -1);
    memcpy(list + 34, "\x09\x01z\x01\x03wss\x02\x20",
           10); /* an unknown part, a relay, the author */
    memset(list + 44, 0xcd, 32);
    memcpy(list + 76, "\x03\x04\x00\x00\x75\x30\x01\x00", 8); /* kind 30000, an empty relay */
    assert_true(decode_list("nevent", list, 84, &x));
    assert_int_equal(x.type, NIP19_NEVENT);
    assert_int_equal(x.key[31], 0xab);
    assert_true(x.has_author);
    assert_int_equal(x.author[31], 0xcd);
    assert_int_equal(x.kind, 30000);
    assert_true(nip19_relay(&x, &at, &url));
    assert_true(str_eq(url, STR("wss")));
    assert_true(nip19_relay(&x, &at, &url));
    assert_int_equal(url.n, 0);
    assert_false(nip19_relay(&x, &at, &url));
    /* naddr: the author is the key, the special part a name */
    assert_true(decode_list("naddr", list, 84, &x));
    assert_int_equal(x.key[31], 0xcd);
    /* cut off anywhere but between two parts */
    for (size_t n = 0; n < 84; n++)
        assert_int_equal(decode_list("nevent", list, n, &x),
                         n == 34 || n == 37 || n == 42 || n == 76 || n == 82);
    list[1] = 31;
    assert_false(decode_list("nevent", list, 33, &x));
    assert_false(decode_list("nprofile", list, 0, &x));
    assert_false(decode_list("nrelay", list, 34, &x));
    assert_false(decode_list("npub", list, 31, &x));
    assert_false(decode_list("npub", list, 33, &x));
}

/* What is written is read back, and the sample of 19.md comes out byte for byte. */
static void test_encode_list(void **state)
{
    const struct str relays[] = {STR("wss://r.x.com"), STR("wss://djbas.sadkb.com")};
    uint8_t key[32], author[32];
    char text[NIP19_TEXT_MAX], long_name[257];
    struct nip19_list list = {
        .type = NIP19_NPROFILE, .key = key, .kind = -1, .relays = relays, .relays_n = 2};
    struct str name;
    struct nip19 x;

    (void)state;
    assert_true(hex_decode(
        key, STR("3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"), 32));
    memset(author, 0xcd, sizeof(author));
    assert_true(nip19_encode_list(&list, text));
    assert_string_equal(text,
                        "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69"
                        "uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p");
    list = (struct nip19_list){.type = NIP19_NEVENT, .key = key, .author = author, .kind = 30023};
    assert_true(nip19_encode_list(&list, text));
    assert_true(nip19_decode(str_z(text), &x));
    assert_memory_equal(x.key, key, 32);
    assert_memory_equal(x.author, author, 32);
    assert_int_equal(x.kind, 30023);
    assert_false(nip19_identifier(&x, &name));
    list = (struct nip19_list){
        .type = NIP19_NADDR, .key = author, .kind = 65535, .identifier = STR("a \"name\"")};
    assert_true(nip19_encode_list(&list, text));
    assert_true(nip19_decode(str_z(text), &x));
    assert_int_equal(x.type, NIP19_NADDR);
    assert_memory_equal(x.key, author, 32);
    assert_true(nip19_identifier(&x, &name));
    assert_true(str_eq(name, list.identifier));

    list.kind = -1; /* an naddr without its kind is none */
    assert_false(nip19_encode_list(&list, text));
    memset(long_name, 'n', sizeof(long_name));
    list.kind = 1;
    list.identifier = (struct str){long_name, 256};
    assert_false(nip19_encode_list(&list, text));
    list.identifier.n = 255;
    assert_true(nip19_encode_list(&list, text));
    list.type = NIP19_NPUB; /* no list */
    assert_false(nip19_encode_list(&list, text));
}

static void test_bip173(void **state)
{
    static const char *const valid[] = {
        "A12UEL5L",
        "a12uel5l",
        "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tg"
        "s",
        "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
        "11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247"
        "j",
        "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
    };
    static const char *const invalid[] = {
        "\x20"
        "1nwldj5",
        "\x7f"
        "1axkwrx",
        "pzry9x0s0muk",
        "1pzry9x0s0muk",
        "x1b4n0q5v",
        "li1dgmt3",
        "de1lg7wt\xff",
        "A1G7SGD8",
        "10a06t8",
        "1qzzfhee",
        "a12UEL5L",
        "",
        "1",
        "a1",
        "a12uel5",
        "a12uel5m",
        "a1lqfn3a", /* bech32m */
    };
    uint8_t bytes[BECH32_BYTES_MAX];
    char prefix[128];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        bool ok = bech32_decode(str_z(valid[i]), prefix, sizeof(prefix), bytes, sizeof(bytes), &n);

        /* One of them pads with ones, which is bech32 but no list of bytes. */
        assert_int_equal(ok, valid[i][0] != 's' || n > 0);
    }
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
        assert_false(
            bech32_decode(str_z(invalid[i]), prefix, sizeof(prefix), bytes, sizeof(bytes), &n));
    assert_false(bech32_decode(STR("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"), prefix, 6,
                               bytes, sizeof(bytes), &n));
    assert_false(bech32_decode(STR("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"), prefix,
                               sizeof(prefix), bytes, 19, &n));
    assert_true(bech32_decode(STR("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"), prefix,
                              sizeof(prefix), bytes, 20, &n));
    assert_int_equal(n, 20);
}

static void test_there_and_back(void **state)
{
    uint8_t in[256], out[256];
    char text[1024], prefix[16];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 167 + 13);
    for (size_t i = 0; i <= sizeof(in); i++) {
        size_t need = 2 + (i * 8 + 4) / 5 + 6 + 1;

        assert_false(bech32_encode("x", in, i, text, need - 1));
        assert_true(bech32_encode("x", in, i, text, need));
        assert_true(bech32_decode(str_z(text), prefix, sizeof(prefix), out, sizeof(out), &n));
        assert_int_equal(n, i);
        assert_memory_equal(in, out, i);
        /* Any one character changed is found. */
        text[2 + i % (strlen(text) - 2)] ^= 3;
        assert_false(bech32_decode(str_z(text), prefix, sizeof(prefix), out, sizeof(out), &n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_encode_list),    cmocka_unit_test(test_bip173),
        cmocka_unit_test(test_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
