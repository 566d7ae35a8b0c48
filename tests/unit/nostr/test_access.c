/* access: what a line means, which lines are refused and with what advice, and who wins. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "nostr/access.h"
#include "unit.h"

static char said[4096];

static void on_bad(void *owner, uint32_t line, const char *why)
{
    size_t n = strlen(said);

    (void)owner;
    (void)snprintf(said + n, sizeof(said) - n, "%u: %s\n", line, why);
}

static struct access *lists(const char *allow, const char *deny)
{
    struct access *a = access_new();

    said[0] = '\0';
    assert_true(access_read(a, ACCESS_LIST_ALLOW, str_z(allow), on_bad, NULL));
    assert_true(access_read(a, ACCESS_LIST_DENY, str_z(deny), on_bad, NULL));
    assert_string_equal(said, "");
    return a;
}

static struct access_verdict judge(const struct access *a, const char *text)
{
    struct relay_url url;

    assert_int_equal(url_parse(str_z(text), &url_any_address, &url), URL_OK);
    return access_judge(a, &url);
}

static void denied(const struct access *a, const char *url, uint32_t line)
{
    struct access_verdict v = judge(a, url);

    assert_int_equal(v.access, ACCESS_DENIED);
    assert_int_equal(v.line, line);
}

static void neutral(const struct access *a, const char *url)
{
    assert_int_equal(judge(a, url).access, ACCESS_NEUTRAL);
}

static bool address_denied(const struct access *a, const char *text)
{
    uint8_t bytes[16];
    bool six = strchr(text, ':') != NULL;

    assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, text, bytes), 1);
    return access_denies_address(a, bytes, six ? 16 : 4);
}

#define ONION "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad"

static void test_what_a_line_means(void **state)
{
    struct access *a = lists("", "# mine\n"
                                 "wss://One.com:443/ # in any spelling\n"
                                 "two.com\r\n"
                                 "*.three.com\n"
                                 "203.0.113.0/24\n"
                                 "198.51.100.7\n"
                                 "2001:db8::/32\n"
                                 "[2001:500::1]\n"
                                 "b\xc3\xbc"
                                 "cher.com\n"
                                 "network:i2p\n");

    (void)state;
    denied(a, "wss://one.com", 2);
    neutral(a, "wss://one.com/inbox");
    neutral(a, "ws://one.com");
    denied(a, "wss://two.com", 3);
    denied(a, "ws://TWO.com.:8080/path", 3);
    neutral(a, "wss://a.two.com");
    neutral(a, "wss://three.com");
    denied(a, "wss://a.three.com", 4);
    denied(a, "wss://b.a.three.com/x", 4);
    neutral(a, "wss://nothree.com");
    denied(a, "ws://203.0.113.255:7000", 5);
    neutral(a, "ws://203.0.114.0:7000");
    denied(a, "wss://198.51.100.7", 6);
    neutral(a, "wss://198.51.100.8");
    denied(a, "wss://[2001:db8:ffff::2]/x", 7);
    denied(a, "wss://[2001:500::1]", 8);
    denied(a, "wss://xn--bcher-kva.com", 9);
    denied(a, "ws://ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p", 10);
    neutral(a, "wss://four.com");
    access_free(a);
}

static void test_addresses_of_names(void **state)
{
    struct access *a = lists("203.0.113.8/29\n", "203.0.113.0/24\n0.0.0.0/1\n2001:db8::/33\n"),
                  *none = lists("203.0.113.0/24\n", "a.com\n");

    (void)state;
    assert_true(access_has_addresses(a));
    assert_true(address_denied(a, "203.0.113.7"));
    assert_false(address_denied(a, "203.0.113.8"));
    assert_false(address_denied(a, "203.0.113.15"));
    assert_true(address_denied(a, "203.0.113.16"));
    assert_true(address_denied(a, "127.255.255.255"));
    assert_false(address_denied(a, "128.0.0.0"));
    assert_true(address_denied(a, "2001:db8:7fff::1"));
    assert_false(address_denied(a, "2001:db8:8000::1"));
    assert_false(access_denies_address(a, (const uint8_t[5]){0}, 5));
    assert_false(access_has_addresses(none));
    assert_false(address_denied(none, "203.0.113.7"));
    access_free(none);
    access_free(a);
}

static void test_allow_wins(void **state)
{
    struct access *a =
        lists("wss://a.com/good\nb.com\n*.c.com\n198.51.100.0/28\n", "network:clearnet\nb.com\n");

    (void)state;
    assert_int_equal(judge(a, "wss://a.com/good").access, ACCESS_ALLOWED);
    denied(a, "wss://a.com/bad", 1);
    assert_int_equal(judge(a, "wss://b.com/any").access, ACCESS_ALLOWED);
    assert_int_equal(judge(a, "wss://b.com/any").line, 2);
    assert_int_equal(judge(a, "wss://x.c.com").access, ACCESS_ALLOWED);
    denied(a, "wss://c.com", 1);
    assert_int_equal(judge(a, "wss://198.51.100.15").access, ACCESS_ALLOWED);
    denied(a, "wss://198.51.100.16", 1);
    access_free(a);
}

static void test_lists_are_replaced(void **state)
{
    struct access *a = lists("", "a.com\n");

    (void)state;
    access_replace(a, lists("a.com\n", "b.com\n"));
    assert_int_equal(judge(a, "wss://a.com").access, ACCESS_ALLOWED);
    denied(a, "wss://b.com", 1);
    access_replace(a, access_new());
    neutral(a, "wss://b.com");
    access_free(a);
}

static void refuses(const char *line, const char *part)
{
    struct access *a = access_new();
    char text[512];

    said[0] = '\0';
    (void)snprintf(text, sizeof(text), "a.com\n%s\nb.com\n", line);
    assert_false(access_read(a, ACCESS_LIST_DENY, str_z(text), on_bad, NULL));
    assert_true(strncmp(said, "2: \"", 4) == 0 && strchr(said, '\n')[1] == '\0');
    if (strstr(said, part) == NULL)
        fail_msg("\"%s\": %s, not: %s", line, said, part);
    denied(a, "wss://a.com", 1); /* the others are read */
    denied(a, "wss://b.com", 3);
    access_free(a);
}

static void test_bad_lines_say_what_is_expected(void **state)
{
    (void)state;
    refuses("10.1.2.3/8", "\"10.1.2.3/8\" has bits set behind its prefix; is 10.0.0.0/8 meant?");
    refuses("10.0.0.0/33", "a prefix that is not 0 to 32 bits, as 203.0.113.0/24");
    refuses("2001:db8::/129", "not 0 to 128 bits, as 2001:db8::/32");
    refuses("10.0.0.0/", "not 0 to 32 bits");
    refuses("2001:db8::1/32", "is 2001:db8::/32 meant?");
    refuses("network:onion", "network:clearnet, network:tor, network:i2p or network:loki");
    refuses("network:xtor", "names no network");
    refuses("https://a.com", "is not ws:// or wss://");
    refuses("wss://u:p@a.com", "user name or password");
    refuses("a.com:8080", "write the host alone, or wss://host:port");
    refuses("a.com/path", "is none of these: a URL (wss://host/path), a host");
    refuses("two words", "\"two words\" contains a space");
    refuses("x\x01y", "\"x\\x01y\" ");
    refuses("*.", "is none of these");
    refuses("*", "no valid host name");
    refuses("a.*.com", "no valid host name");
    refuses("localhost", "local or reserved domain");
    refuses(ONION "x.onion", "v3 onion");
}

static void test_bounds(void **state)
{
    size_t n = ACCESS_BYTES_MAX + 1;
    char *text = malloc(n);
    struct access *a = access_new();

    (void)state;
    assert_non_null(text);
    said[0] = '\0';
    memset(text, '\n', n);
    assert_false(access_read(a, ACCESS_LIST_DENY, (struct str){text, n}, on_bad, NULL));
    assert_string_equal(said, "0: is larger than 16 MiB\n");
    for (size_t i = 0; i <= ACCESS_ENTRIES_MAX; i++)
        (void)snprintf(text + i * 8, 9, "%04zx.io\n", i & 0xffff);
    said[0] = '\0';
    n = (ACCESS_ENTRIES_MAX + 1) * 8;
    assert_false(access_read(a, ACCESS_LIST_DENY, (struct str){text, n}, on_bad, NULL));
    assert_string_equal(said, "200001: is beyond the 200,000 entries that a list may have\n");
    denied(a, "wss://0000.io", 1); /* of equal lines the first is named */
    access_free(a);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_line_means),
        cmocka_unit_test(test_addresses_of_names),
        cmocka_unit_test(test_allow_wins),
        cmocka_unit_test(test_lists_are_replaced),
        cmocka_unit_test(test_bad_lines_say_what_is_expected),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
