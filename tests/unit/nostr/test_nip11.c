/* NIP-11 documents: what is in them, of any type, and what must never come out: NUL, bytes that are
 * no UTF-8, numbers that no column holds. */
#include <stdio.h>
#include <stdlib.h>

#include "core/sha256.h"
#include "nostr/nip11.h"
#include "unit.h"

static struct nip11 *d;

static int done(void **state)
{
    (void)state;
    nip11_free(d);
    d = NULL;
    return 0;
}

static void parse_bytes(const char *bytes, size_t n)
{
    struct err err;
    char *exact = malloc(n > 0 ? n : 1);

    assert_non_null(exact);
    memcpy(exact, bytes, n);
    nip11_free(d);
    d = nip11_parse((struct str){exact, n}, &err);
    free(exact);
    if (d == NULL)
        fail_msg("refused: %s %s", err_name(err.code), err.detail);
}

static void parse(const char *text)
{
    parse_bytes(text, strlen(text));
}

static enum err_code refusal(const char *text)
{
    struct err err = {ERR_NONE, ""};

    assert_null(nip11_parse(str_z(text), &err));
    return err.code;
}

/* In any string, however deep, and wherever in a large document. */
static void test_relays_that_it_mentions(void **state)
{
    static char text[NIP11_BYTES_MAX];
    int n;

    (void)state;
    parse("{\"x\":{\"y\":[[\"see wss:\\/\\/b.net/ or WSS://c.net.\"],\"wss://d.net\"]},"
          "\"description\":\"\\u0077ss://a.net wss://127.0.0.1 https://e.net wss://d.net/\"}");
    assert_int_equal(d->relays.n, 4);
    for (uint32_t i = 0; i < 4; i++) {
        char url[] = {'w', 's', 's', ':', '/', '/', "adbc"[i], '.', 'n', 'e', 't', 0};
        assert_true(str_eq(d->relays.hint[i].url, str_z(url)));
        assert_int_equal(d->relays.hint[i].source, HINT_NIP11);
    }
    n = snprintf(text, sizeof(text), "{\"a\":\"%0200000d\",\"b\":\"wss://late.net\"}", 0);
    parse(text);
    assert_true(n > 200000 && d->relays.n == 1);
    assert_true(str_eq(d->relays.hint[0].url, STR("wss://late.net")));
}

static void test_everything_in_its_place(void **state)
{
    (void)state;
    parse(
        "{\"name\":\"a relay\",\"description\":\"d\",\"banner\":\"b\",\"icon\":\"i\",\"pubkey\":"
        "\"p\",\"self\":\"s\",\"contact\":\"c\",\"supported_nips\":[77,1,11,1],\"software\":\"w\","
        "\"version\":\"v\",\"privacy_policy\":\"pp\",\"terms_of_service\":\"t\",\"limitation\":{"
        "\"max_limit\":500,\"max_subscriptions\":20,\"max_message_length\":131072,"
        "\"min_pow_difficulty\":0,\"default_limit\":100,\"auth_required\":false,"
        "\"payment_required\":true,\"restricted_writes\":true},\"negentropy\":1,\"fees\":{}}");
    assert_string_equal(d->name, "a relay");
    assert_string_equal(d->description, "d");
    assert_string_equal(d->banner, "b");
    assert_string_equal(d->icon, "i");
    assert_string_equal(d->pubkey, "p");
    assert_string_equal(d->self, "s");
    assert_string_equal(d->contact, "c");
    assert_string_equal(d->software, "w");
    assert_string_equal(d->version, "v");
    assert_string_equal(d->privacy_policy, "pp");
    assert_string_equal(d->terms_of_service, "t");
    assert_string_equal(d->supported_nips, "[1,11,77]");
    assert_int_equal(d->nips_n, 3);
    assert_true(nip11_lists(d, 77) && nip11_lists(d, 1) && !nip11_lists(d, 2));
    assert_int_equal(d->max_limit, 500);
    assert_int_equal(d->max_subscriptions, 20);
    assert_int_equal(d->max_message_length, 131072);
    assert_int_equal(d->min_pow_difficulty, 0);
    assert_int_equal(d->default_limit, 100);
    assert_int_equal(d->auth_required, 0);
    assert_int_equal(d->payment_required, 1);
    assert_int_equal(d->restricted_writes, 1);
    assert_string_equal(d->extra_fields, "{\"fees\":{},\"negentropy\":1,\"self\":\"s\"}");
}

static void test_nothing_in_it(void **state)
{
    (void)state;
    parse(" {} ");
    assert_null(d->name);
    assert_null(d->supported_nips);
    assert_null(d->limitation);
    assert_null(d->extra_fields);
    assert_int_equal(d->max_limit, -1);
    assert_int_equal(d->auth_required, -1);
    assert_string_equal(d->canonical, "{}");
    assert_int_equal(d->raw.n, 4);
}

/* Every field as every type: only the right one reaches its column, and the document keeps all. */
static void test_any_type(void **state)
{
    static const char *const values[] = {"null", "true", "-7", "1.5", "\"x\"", "[1]", "{\"a\":1}"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        (void)snprintf(text, sizeof(text),
                       "{\"limitation\":%s,\"name\":%s,\"supported_nips\":%s,\"zzz\":%s}",
                       values[i], values[i], values[i], values[i]);
        parse(text);
        assert_string_equal(d->canonical, text);
        assert_true((d->name != NULL) == (values[i][0] == '"'));
        assert_true((d->supported_nips != NULL) == (values[i][0] == '['));
        assert_int_equal(d->max_limit, -1);
    }
    parse(
        "{\"limitation\":{\"max_limit\":\"500\",\"auth_required\":1,\"payment_required\":\"true\","
        "\"max_subscriptions\":-4,\"max_message_length\":5e3,\"default_limit\":1.5}}");
    assert_int_equal(d->max_limit, -1);
    assert_int_equal(d->auth_required, -1);
    assert_int_equal(d->payment_required, -1);
    assert_int_equal(d->max_subscriptions, -1);
    assert_int_equal(d->max_message_length, 5000);
    assert_int_equal(d->default_limit, -1);
}

static void test_nips_of_all_sorts(void **state)
{
    (void)state;
    parse(
        "{\"supported_nips\":[\"09\",\"11\",4.0,4.5,-1,null,[],{},\"EE\",99999999999,true,42,42]}");
    assert_string_equal(d->supported_nips, "[4,9,11,42]");
    parse("{\"supported_nips\":[]}");
    assert_string_equal(d->supported_nips, "[]");
}

static void test_more_nips_than_kept(void **state)
{
    char text[4096] = "{\"supported_nips\":[";
    size_t n = strlen(text);

    (void)state;
    for (int i = 0; i < 600; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", i > 0 ? "," : "", i);
    (void)snprintf(text + n, sizeof(text) - n, "]}");
    parse(text);
    assert_int_equal(d->nips_n, NIP11_NIPS_MAX);
}

/* What PostgreSQL's text and jsonb cannot hold. */
static void test_bytes_that_no_column_holds(void **state)
{
    (void)state;
    parse("{\"name\":\"a\\u0000b\",\"k\\u0000y\":\"\\ud800\",\"x\":\"\\udc00\\ud83d\\ude00\"}");
    assert_string_equal(d->name, "a\xef\xbf\xbd"
                                 "b");
    assert_string_equal(
        d->extra_fields,
        "{\"k\xef\xbf\xbdy\":\"\xef\xbf\xbd\",\"x\":\"\xef\xbf\xbd\xf0\x9f\x98\x80\"}");
    parse_bytes("{\"name\":\"a\0b\"}", 14);
    assert_string_equal(d->name, "a\xef\xbf\xbd"
                                 "b");
    assert_int_equal(d->raw.n, 14);
    parse("{\"name\":\"\xff\xc0\x80\xed\xa0\x80 ok \xe2\x82\"}");
    assert_string_equal(d->name, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                 "\xef\xbf\xbd ok \xef\xbf\xbd\xef\xbf\xbd");
}

static void test_forgiven(void **state)
{
    (void)state;
    parse("\xef\xbb\xbf{\"name\":\"two\nlines\"}"); /* a byte order mark, a raw line feed */
    assert_string_equal(d->name, "two\nlines");
    parse("{\"a\":1,\"a\":2}");
    assert_string_equal(d->canonical, "{\"a\":2}");
}

static void test_numbers_beyond_all_bounds(void **state)
{
    (void)state;
    parse("{\"limitation\":{\"created_at_upper_limit\":18446744073709551615,\"max_limit\":500}}");
    assert_int_equal(d->max_limit, 500);
    assert_string_equal(d->limitation,
                        "{\"created_at_upper_limit\":1.8446744073709552e19,\"max_limit\":500}");
    parse("{\"a\":1e999,\"b\":-1e999,\"c\":9223372036854775807,\"d\":-9223372036854775808}");
    assert_string_equal(d->canonical, "{\"a\":\"1e999\",\"b\":\"-1e999\",\"c\":9223372036854775807,"
                                      "\"d\":-9223372036854775808}");
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    char text[10000] = "{\"name\":\"x";
    size_t n = strlen(text);

    (void)state;
    while (n < 9000) {
        memcpy(text + n, "\xe2\x82\xac", 3);
        n += 3;
    }
    (void)snprintf(text + n, sizeof(text) - n, "\"}");
    parse(text);
    assert_int_equal(strlen(d->name), 4096);
    assert_memory_equal(d->name + 4093, "\xe2\x82\xac", 3);
}

/* The same document is stored once, however its members and spaces stand. */
static void test_the_id_is_of_the_content(void **state)
{
    uint8_t first[32], hash[32];

    (void)state;
    parse("{\"b\":[1, 2],\"a\":\"\\u0041\"}");
    memcpy(first, d->id, sizeof(first));
    sha256_of(d->canonical, strlen(d->canonical), hash);
    assert_memory_equal(first, hash, sizeof(hash));
    parse(" {\n\"a\" : \"A\",\"b\":[1,2]} ");
    assert_memory_equal(first, d->id, sizeof(first));
    parse("{\"a\":\"A\",\"b\":[2,1]}");
    assert_memory_not_equal(first, d->id, sizeof(first));
}

static void test_refused(void **state)
{
    char deep[200];

    (void)state;
    assert_int_equal(refusal(""), ERR_SYNTAX);
    assert_int_equal(refusal("[]"), ERR_SYNTAX);
    assert_int_equal(refusal("null"), ERR_SYNTAX);
    assert_int_equal(refusal("{"), ERR_SYNTAX);
    assert_int_equal(refusal("{\"a\":1}x"), ERR_SYNTAX);
    assert_int_equal(refusal("{\"a\":tru}"), ERR_SYNTAX);
    assert_int_equal(refusal("{\"a\":\"\\x\"}"), ERR_SYNTAX);
    assert_int_equal(refusal("<!DOCTYPE html><p>\"Please use a Nostr client\"</p>"), ERR_SYNTAX);
    (void)snprintf(deep, sizeof(deep), "{\"a\":%.*s%.*s}", 31,
                   "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 31,
                   "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    parse(deep);
    (void)snprintf(deep, sizeof(deep), "{\"a\":%.*s%.*s}", 32,
                   "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 32,
                   "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    assert_int_equal(refusal(deep), ERR_SYNTAX);
}

static void test_too_large(void **state)
{
    size_t n = NIP11_BYTES_MAX + 1;
    char *text = malloc(n);
    struct err err;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', n);
    memcpy(text + n - 2, "{}", 2);
    assert_null(nip11_parse((struct str){text, n}, &err));
    assert_int_equal(err.code, ERR_MESSAGE_TOO_LARGE);
    parse_bytes(text + 1, n - 1);
    free(text);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(nip11_contradiction_name(NIP11_NIPS_CLAIMED_NOT_FOUND),
                        "nips_claimed_not_found");
    assert_string_equal(nip11_contradiction_name(NIP11_WRITES_CLAIMED_OPEN), "writes_claimed_open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_everything_in_its_place, done),
        cmocka_unit_test_teardown(test_relays_that_it_mentions, done),
        cmocka_unit_test_teardown(test_nothing_in_it, done),
        cmocka_unit_test_teardown(test_any_type, done),
        cmocka_unit_test_teardown(test_nips_of_all_sorts, done),
        cmocka_unit_test_teardown(test_more_nips_than_kept, done),
        cmocka_unit_test_teardown(test_bytes_that_no_column_holds, done),
        cmocka_unit_test_teardown(test_forgiven, done),
        cmocka_unit_test_teardown(test_numbers_beyond_all_bounds, done),
        cmocka_unit_test_teardown(test_long_texts_are_cut_between_characters, done),
        cmocka_unit_test_teardown(test_the_id_is_of_the_content, done),
        cmocka_unit_test_teardown(test_refused, done),
        cmocka_unit_test_teardown(test_too_large, done),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
