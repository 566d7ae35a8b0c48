/* On whose account a URL stands: names below one registered domain are one, and so are addresses
 * that are given out together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "nostr/domain.h"

#define ONION "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

static void test_whose(void **state)
{
    static const struct {
        const char *url, *domain;
    } cases[] = {{"wss://relay.example.com", "example.com"},
                 {"wss://a.b.c.example.co.uk:7777/path", "example.co.uk"},
                 {"wss://example.co.uk", "example.co.uk"},
                 {"wss://co.uk", "co.uk"},
                 {"wss://one.github.io", "one.github.io"},
                 {"wss://x.one.github.io", "one.github.io"},
                 {"ws://192.0.2.77:8080", "192.0.2.0/24"},
                 {"wss://[2001:db8:1:2::3]/x", "2001:db8:1::/48"},
                 {"wss://[2001:db8:1:ffff::3]:99", "2001:db8:1::/48"},
                 {"ws://" ONION, ONION},
                 {"ws://one.two." ONION "/x", ONION},
                 {"wss://relay.unheard-of", "relay.unheard-of"},
                 {"wss://", ""}};
    char to[DOMAIN_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(url_domain(str_z(cases[i].url), to), cases[i].domain);
}

static void test_nets(void **state)
{
    char to[DOMAIN_SIZE];

    (void)state;
    assert_string_equal(address_net("198.51.100.255", to), "198.51.100.0/24");
    assert_string_equal(address_net("2001:db8::", to), "2001:db8::/48");
    assert_string_equal(address_net("", to), "");
    assert_string_equal(address_net("example.com", to), "");
}

/* Nothing that is cut out of a URL may be longer than the place for it. */
static void test_long(void **state)
{
    char url[600], to[DOMAIN_SIZE];

    (void)state;
    memset(url, 'a', sizeof(url) - 1);
    url[sizeof(url) - 1] = '\0';
    memcpy(url, "wss://", 6);
    for (size_t i = 16; i + 1 < sizeof(url); i += 10)
        url[i] = '.';
    assert_true(strlen(url_domain(str_z(url), to)) < DOMAIN_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose),
        cmocka_unit_test(test_nets),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
