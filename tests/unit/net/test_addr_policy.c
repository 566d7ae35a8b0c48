/* The address policy's table (PROTOCOL 4.1): what may be dialled and what may not. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/addr_policy.h"

/* NULL: allowed.  Else a part of the reason. */
static const struct {
    const char *ip, *why;
} addresses[] = {
    /* both ends of every IPv4 range, and their neighbours */
    {"0.0.0.0", "this network"},
    {"0.255.255.255", "this network"},
    {"1.0.0.0", NULL},
    {"9.255.255.255", NULL},
    {"10.0.0.0", "10.0.0.0/8"},
    {"10.255.255.255", "10.0.0.0/8"},
    {"11.0.0.0", NULL},
    {"100.63.255.255", NULL},
    {"100.64.0.0", "100.64.0.0/10"},
    {"100.100.100.200", "100.64.0.0/10"},
    {"100.127.255.255", "100.64.0.0/10"},
    {"100.128.0.0", NULL},
    {"126.255.255.255", NULL},
    {"127.0.0.0", "loopback"},
    {"127.0.0.1", "loopback"},
    {"127.1.2.3", "loopback"},
    {"127.255.255.255", "loopback"},
    {"128.0.0.0", NULL},
    {"169.253.255.255", NULL},
    {"169.254.0.0", "link-local"},
    {"169.254.169.254", "link-local"},
    {"169.254.255.255", "link-local"},
    {"169.255.0.0", NULL},
    {"172.15.255.255", NULL},
    {"172.16.0.0", "172.16.0.0/12"},
    {"172.31.255.255", "172.16.0.0/12"},
    {"172.32.0.0", NULL},
    {"191.255.255.255", NULL},
    {"192.0.0.0", "192.0.0.0/24"},
    {"192.0.0.192", "192.0.0.0/24"},
    {"192.0.0.255", "192.0.0.0/24"},
    {"192.0.1.0", NULL},
    {"192.0.2.0", "documentation"},
    {"192.0.2.255", "documentation"},
    {"192.0.3.0", NULL},
    {"192.88.98.255", NULL},
    {"192.88.99.0", "6to4"},
    {"192.88.99.255", "6to4"},
    {"192.88.100.0", NULL},
    {"192.167.255.255", NULL},
    {"192.168.0.0", "192.168.0.0/16"},
    {"192.168.1.1", "192.168.0.0/16"},
    {"192.168.255.255", "192.168.0.0/16"},
    {"192.169.0.0", NULL},
    {"198.17.255.255", NULL},
    {"198.18.0.0", "benchmarks"},
    {"198.19.255.255", "benchmarks"},
    {"198.20.0.0", NULL},
    {"198.51.99.255", NULL},
    {"198.51.100.0", "documentation"},
    {"198.51.100.255", "documentation"},
    {"198.51.101.0", NULL},
    {"203.0.112.255", NULL},
    {"203.0.113.0", "documentation"},
    {"203.0.113.255", "documentation"},
    {"203.0.114.0", NULL},
    {"223.255.255.255", NULL},
    {"224.0.0.0", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.0", "reserved"},
    {"255.255.255.254", "reserved"},
    {"255.255.255.255", "reserved"},
    {"8.8.8.8", NULL},
    /* IPv6 outside 2000::/3 */
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"::2", "IPv4-compatible"},
    {"::127.0.0.1", "IPv4-compatible"},
    {"::8.8.8.8", "IPv4-compatible"},
    {"::ffff:127.0.0.1", "IPv4-mapped"},
    {"::ffff:10.0.0.1", "IPv4-mapped"},
    {"::ffff:8.8.8.8", "IPv4-mapped"},
    {"::ffff:0:127.0.0.1", "not public"}, /* IPv4-translated, RFC 2765 */
    /* NAT64: as the IPv4 address that it leads to */
    {"64:ff9b::8.8.8.8", NULL},
    {"64:ff9b::808:808", NULL},
    {"64:ff9b::11.0.0.0", NULL},
    {"64:ff9b::172.32.0.0", NULL},
    {"64:ff9b::", "this network"},
    {"64:ff9b::0.0.0.1", "this network"},
    {"64:ff9b::7f00:1", "loopback"},
    {"64:ff9b::10.0.0.1", "10.0.0.0/8"},
    {"64:ff9b::100.100.100.200", "100.64.0.0/10"},
    {"64:ff9b::169.254.169.254", "link-local"},
    {"64:ff9b::172.31.255.255", "172.16.0.0/12"},
    {"64:ff9b::192.168.1.1", "192.168.0.0/16"},
    {"64:ff9b::192.0.0.192", "192.0.0.0/24"},
    {"64:ff9b::198.51.100.1", "documentation"},
    {"64:ff9b::224.0.0.1", "multicast"},
    {"64:ff9b::ffff:ffff", "reserved"},
    {"64:ff9b::1:808:808", "not public"}, /* not the /96 */
    {"64:ff9b:0:1::8.8.8.8", "not public"},
    {"64:ff9b:1::1", "local NAT64"},
    {"64:ff9b:1::8.8.8.8", "local NAT64"},
    {"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "local NAT64"},
    {"64:ff9b:2::1", "not public"},
    {"100::", "discard"},
    {"100::ffff:ffff:ffff:ffff", "discard"},
    {"100:0:0:1::1", "not public"},
    {"1fff:ffff::1", "not public"},
    {"4000::1", "not public"},
    {"5f00::1", "segment routing"},
    {"5fff::1", "not public"},
    {"8000::1", "not public"},
    {"e000::1", "not public"},
    {"fbff::1", "not public"},
    {"fc00::1", "unique local"},
    {"fd00::1", "unique local"},
    {"fd00:ec2::254", "unique local"}, /* AWS metadata */
    {"fdff:ffff::1", "unique local"},
    {"fe00::1", "not public"},
    {"fe80::1", "link-local"},
    {"febf::1", "link-local"},
    {"fec0::1", "site-local"},
    {"feff::1", "site-local"},
    {"ff00::1", "multicast"},
    {"ff02::1", "multicast"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"},
    /* IPv6 inside it */
    {"2000::1", NULL},
    {"2001::1", "2001::/23"},
    {"2001:0:7f00:1::", "2001::/23"}, /* Teredo */
    {"2001:2::1", "2001::/23"},
    {"2001:10::1", "2001::/23"},
    {"2001:20::1", "2001::/23"},
    {"2001:30::1", "2001::/23"},
    {"2001:1ff:ffff::1", "2001::/23"},
    {"2001:200::1", NULL},
    {"2001:db7:ffff::1", NULL},
    {"2001:db8::1", "documentation"},
    {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"},
    {"2001:db9::1", NULL},
    {"2001:4860:4860::8888", NULL},
    {"2002::1", "6to4"},
    {"2002:7f00:1::1", "6to4"},
    {"2002:808:808::1", "6to4"},
    {"2003::1", NULL},
    {"2606:4700::1111", NULL},
    {"2a0f:1234::1", NULL},
    {"3ffe:ffff::1", NULL},
    {"3fff::1", "documentation"},
    {"3fff:fff:ffff::1", "documentation"},
    {"3fff:1000::1", NULL},
};

static const struct addr_policy plain;

static void check(const struct addr_policy *p, const char *literal, uint16_t port, const char *want)
{
    struct ip ip;
    const char *got;

    assert_true(ip_parse(&ip, str_z(literal)));
    got = addr_policy_ip(p, &ip, port);
    if ((got == NULL) != (want == NULL) || (got != NULL && strstr(got, want) == NULL))
        fail_msg("%s: got \"%s\", want \"%s\"", literal, got ? got : "allowed",
                 want ? want : "allowed");
}

static void test_table(void **state)
{
    (void)state;
    _Static_assert(sizeof(addresses) / sizeof(addresses[0]) >= 120, "the table of RELIABILITY R12");
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        check(&plain, addresses[i].ip, 443, addresses[i].why);
}

static void test_literals(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "1",           "127.1",      "0177.0.0.1",  "0x7f.0.0.1",
        "2130706433", "1.2.3.4.5",   "1.2.3",      "1.2.3.256",   " 1.2.3.4",
        "1.2.3.4 ",   "fe80::1%lo",  "[::1]",      ":::",         "1::2::3",
        "::g",        "example.org", "1.2.3.4:80", "::ffff:1.2.3"};
    struct ip ip;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (ip_parse(&ip, str_z(bad[i])))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_false(ip_parse(&ip, (struct str){"1.2.3.4\0x", 9}));
    assert_int_equal(ip.family, 0);
    assert_non_null(addr_policy_ip(&plain, &ip, 443));
}

static void test_sockaddr(void **state)
{
    (void)state;
    struct ip ip, back;
    struct sockaddr_storage sa;
    char text[IP_TEXT_MAX];

    assert_true(ip_parse(&ip, STR("2a0f:1234::9")));
    assert_int_equal(ip_to_sockaddr(&ip, 443, &sa), sizeof(struct sockaddr_in6));
    assert_true(ip_from_sockaddr(&back, (struct sockaddr *)&sa));
    assert_true(ip_eq(&ip, &back));
    assert_string_equal(ip_text(&back, text), "2a0f:1234::9");
    ((struct sockaddr_in6 *)&sa)->sin6_scope_id = 2;
    assert_false(ip_from_sockaddr(&back, (struct sockaddr *)&sa));
    assert_true(ip_parse(&ip, STR("192.0.2.1")));
    assert_int_equal(ip_to_sockaddr(&ip, 80, &sa), sizeof(struct sockaddr_in));
    assert_true(ip_from_sockaddr(&back, (struct sockaddr *)&sa));
    assert_true(ip_eq(&ip, &back));
    sa.ss_family = AF_UNIX;
    assert_false(ip_from_sockaddr(&back, (struct sockaddr *)&sa));
}

static void test_allow(void **state)
{
    (void)state;
    struct addr_policy p = {0};
    struct err err;

    assert_int_equal(addr_policy_allow(&p, "10.1.0.0/16, ::1 192.168.7.7,fd00::/8", &err), 0);
    check(&p, "10.1.2.3", 443, NULL);
    check(&p, "10.2.0.0", 443, "private");
    check(&p, "::1", 443, NULL);
    check(&p, "127.0.0.1", 443, "loopback");
    check(&p, "192.168.7.7", 443, NULL);
    check(&p, "192.168.7.8", 443, "private");
    check(&p, "fd12::1", 443, NULL);
    check(&p, "::ffff:10.1.2.3", 443, "IPv4-mapped"); /* another family: not what was allowed */

    static const char *const bad[] = {"10.1.2.3/16",  "10.0.0.0/33",   "::/129",      "10.0.0.0/",
                                      "/8",           "localhost",     "10.0.0.0/-1", "10/8",
                                      "10.0.0.0/8/8", "10.0.0.0/8;::1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (addr_policy_allow(&p, bad[i], &err) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(err.code, ERR_CONFIG);
    }
    check(&p, "10.1.2.3", 443, NULL); /* as it was */
    assert_int_equal(addr_policy_allow(&p, "0.0.0.0/0 ::/0", &err), 0);
    check(&p, "127.0.0.1", 443, NULL);
    assert_int_equal(addr_policy_allow(&p, "", &err), 0);
    check(&p, "10.1.2.3", 443, "private");

    char many[ADDR_RANGES_MAX * 12 + 32] = "";
    for (int i = 0; i <= ADDR_RANGES_MAX; i++)
        (void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "10.0.0.%d ", i);
    assert_int_equal(addr_policy_allow(&p, many, &err), -1);
}

/* A gateway leads only where IPv4 itself may go, allowed or not. */
static void test_nat64(void **state)
{
    (void)state;
    /* The examples of RFC 6052, 2.2, in a network's own prefix of each length; then what must not
     * be reached.  The bits of byte 8 and the suffix mean nothing. */
    static const struct {
        const char *allow, *ip, *why;
    } local[] = {{"64:ff9b:1::/48", "64:ff9b:1:808:8:800::", NULL},
                 {"64:ff9b:1::/48", "64:ff9b:1:7f00:0:100::", "loopback"},
                 {"64:ff9b:1::/48", "64:ff9b:1:a00:ff:100:abcd:1", "private"},
                 {"64:ff9b:1:ff00::/56", "64:ff9b:1:ff08:8:808::", NULL},
                 {"64:ff9b:1:ff00::/56", "64:ff9b:1:ff7f::1", "loopback"},
                 {"64:ff9b:1:fffe::/64", "64:ff9b:1:fffe:8:808:800::", NULL},
                 {"64:ff9b:1:fffe::/64", "64:ff9b:1:fffe:c0:a801:100::", "192.168.0.0/16"},
                 {"64:ff9b:1:fffe::/96", "64:ff9b:1:fffe::8.8.8.8", NULL},
                 {"64:ff9b:1:fffe::/96", "64:ff9b:1:fffe::127.0.0.1", "loopback"},
                 {"64:ff9b:1:fffe::/96", "64:ff9b:1:ffff::8.8.8.8", "local NAT64"},
                 {"64:ff9b:1::7f00:1", "64:ff9b:1::7f00:1", NULL}}; /* named itself */
    struct addr_policy p = {0};
    struct err err;
    struct ip db, own;

    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        assert_int_equal(addr_policy_allow(&p, local[i].allow, &err), 0);
        check(&p, local[i].ip, 443, local[i].why);
    }
    assert_int_equal(addr_policy_allow(&p, "64:ff9b::/96", &err), 0);
    check(&p, "64:ff9b::8.8.8.8", 443, NULL);
    check(&p, "64:ff9b::127.0.0.1", 443, "loopback");
    check(&p, "64:ff9b::10.0.0.1", 443, "private");
    /* What is allowed in IPv4 is so through a gateway; what is ours is not. */
    assert_int_equal(addr_policy_allow(&p, "10.1.0.0/16", &err), 0);
    assert_true(ip_parse(&db, STR("10.1.9.9")) && ip_parse(&own, STR("11.5.5.5")));
    assert_true(addr_policy_deny_service(&p, ADDR_SERVICE_DATABASE, &db, 6432));
    addr_policy_set_own(&p, &own, 1);
    check(&p, "64:ff9b::10.1.2.3", 443, NULL);
    check(&p, "64:ff9b::10.1.9.9", 6432, "services");
    check(&p, "64:ff9b::10.2.0.0", 443, "private");
    check(&p, "64:ff9b::11.5.5.5", 443, "this machine");
    assert_int_equal(addr_policy_allow(&p, "::ffff:0:0/96", &err), 0);
    check(&p, "::ffff:127.0.0.1", 443, "loopback");
}

static void test_own_services_and_addresses(void **state)
{
    (void)state;
    struct addr_policy p = {0};
    struct err err;
    struct ip own[2], db, far, any = {AF_INET, {0}};

    assert_true(ip_parse(&own[0], STR("11.5.5.5")));
    assert_true(ip_parse(&own[1], STR("2a0f:1::5")));
    addr_policy_set_own(&p, own, 2);
    check(&p, "11.5.5.5", 443, "this machine");
    check(&p, "2a0f:1::5", 443, "this machine");
    check(&p, "11.5.5.6", 443, NULL);

    assert_int_equal(addr_policy_allow(&p, "127.0.0.0/8 11.5.5.5", &err), 0);
    check(&p, "11.5.5.5", 443, NULL); /* allowed by name */
    assert_true(ip_parse(&db, STR("127.0.0.1")));
    assert_true(addr_policy_deny_service(&p, ADDR_SERVICE_DATABASE, &db, 5432));
    check(&p, "127.0.0.1", 5432, "services"); /* before what is allowed */
    check(&p, "127.0.0.1", 5433, NULL);
    check(&p, "127.0.0.2", 5432, "services"); /* it may listen on every address of this machine */
    check(&p, "11.5.5.5", 5432, "services");
    check(&p, "11.5.5.6", 5432, NULL); /* another machine's */
    assert_true(addr_policy_deny_service(&p, ADDR_SERVICE_HTTP, &any, 9464));
    check(&p, "127.0.0.2", 9464, "services");
    check(&p, "11.5.5.5", 9464, "services");
    check(&p, "2a0f:1::5", 9464, "services");
    check(&p, "11.5.5.6", 9464, NULL);
    assert_true(ip_parse(&far, STR("11.9.9.9")));
    assert_true(addr_policy_deny_service(&p, ADDR_SERVICE_DATABASE, &far, 6432));
    check(&p, "11.9.9.9", 6432, "services");
    check(&p, "11.9.9.9", 443, NULL); /* its machine may run a relay */
    check(&p, "127.0.0.1", 6432, NULL);

    addr_policy_forget_services(&p, ADDR_SERVICE_DATABASE); /* it has moved */
    check(&p, "127.0.0.1", 5432, NULL);
    check(&p, "11.9.9.9", 6432, NULL);
    check(&p, "127.0.0.1", 9464, "services"); /* the others stay */

    assert_true(addr_policy_deny_service(&p, ADDR_SERVICE_HTTP, &any, 9464)); /* no new row */
    assert_int_equal(p.service_count, 1);
    for (int i = 1; i < ADDR_SERVICES_MAX; i++)
        assert_true(addr_policy_deny_service(&p, ADDR_SERVICE_PROXY, &db, (uint16_t)i));
    assert_false(addr_policy_deny_service(&p, ADDR_SERVICE_DATABASE, &db, 1));
}

static void test_names_and_ports(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      ".",
                                      "localhost",
                                      "LocalHost",
                                      "a.localhost",
                                      "a.LOCALHOST.",
                                      "printer.local",
                                      "db.internal",
                                      "a.home.arpa",
                                      "nas.lan",
                                      "relay",
                                      "relay.",
                                      "x.test",
                                      "x.invalid",
                                      "x.example",
                                      "1.0.0.127.in-addr.arpa",
                                      "abc.onion",
                                      "x.i2p",
                                      "y.loki",
                                      "abc.onion.",
                                      "x.alt",
                                      "localhost.localdomain"};
    static const char *const good[] = {"relay.example.org", "a.b.c.net", "local.host", "xonion.com",
                                       "thelocalhost.net",  "test.com",  "relay.org."};
    static const uint16_t bad_ports[] = {0,    1,    22,   25,   53,    110,   143,   465,  587,
                                         993,  2049, 2375, 2379, 3306,  5432,  6000,  6379, 6667,
                                         8500, 9050, 9051, 9150, 10080, 10250, 11211, 27017};
    static const uint16_t good_ports[] = {80,   81,   443,  444,  3000,  4848, 5000,
                                          7777, 8080, 8443, 9000, 10000, 65535};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (addr_policy_name(str_z(bad[i])) == NULL)
            fail_msg("\"%s\" was let through", bad[i]);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (addr_policy_name(str_z(good[i])) != NULL)
            fail_msg("\"%s\" was refused", good[i]);
    for (size_t i = 0; i < sizeof(bad_ports) / sizeof(bad_ports[0]); i++)
        if (addr_policy_port(bad_ports[i]) == NULL)
            fail_msg("port %u was let through", bad_ports[i]);
    for (size_t i = 0; i < sizeof(good_ports) / sizeof(good_ports[0]); i++)
        if (addr_policy_port(good_ports[i]) != NULL)
            fail_msg("port %u was refused", good_ports[i]);
}

static void behind_proxy(const struct addr_policy *p, enum network network, bool exit,
                         const char *host, uint16_t port, bool good)
{
    const char *why = addr_policy_behind_proxy(p, network, exit, str_z(host), port);

    if ((why == NULL) != good)
        fail_msg("%s: %s", host, why == NULL ? "let through" : why);
}

static void test_behind_a_proxy(void **state)
{
    struct addr_policy p = {0};

    (void)state;
    behind_proxy(&p, NETWORK_TOR, false, "x.onion", 80, true);
    behind_proxy(&p, NETWORK_TOR, false, "x.onion", 0, false);
    behind_proxy(&p, NETWORK_TOR, false, "x.i2p", 80, false);
    behind_proxy(&p, NETWORK_TOR, false, "a.com", 80, false);
    behind_proxy(&p, NETWORK_CLEARNET, false, "a.com", 80, false);
    behind_proxy(&p, NETWORK_TOR, true, "a.com", 443, true);
    behind_proxy(&p, NETWORK_TOR, true, "11.1.1.1", 443, true);
    behind_proxy(&p, NETWORK_TOR, true, "10.0.0.1", 443, false);
    behind_proxy(&p, NETWORK_TOR, true, "::1", 443, false);
    behind_proxy(&p, NETWORK_TOR, true, "localhost", 443, false);
    behind_proxy(&p, NETWORK_TOR, true, "x.i2p", 443, false);
    behind_proxy(&p, NETWORK_TOR, true, "a.com", 22, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behind_a_proxy),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_sockaddr),
        cmocka_unit_test(test_allow),
        cmocka_unit_test(test_nat64),
        cmocka_unit_test(test_own_services_and_addresses),
        cmocka_unit_test(test_names_and_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
