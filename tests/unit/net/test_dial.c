/* Dial on the clear network: which address is dialled, in which order, and which never is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns_server.h"
#include "listener.h"
#include "net/dial.h"
#include "netns.h"
#include "rig.h"

static bool have_netns;

static int enter(void **state)
{
    (void)state;
    have_netns = netns_enter();
    if (!have_netns)
        print_message("SKIPPED: no network namespace of our own here\n");
    return 0;
}

#define NEED_NETNS()     \
    do {                 \
        if (!have_netns) \
            skip();      \
    } while (0)

/* name: what A and AAAA say, in the order of the table. */
static const struct {
    const char *name;
    const char *a[3], *aaaa[3];
} names[] = {
    {"both.org", {"11.1.1.1"}, {"2a0f:1234::1"}},
    {"only4.org", {"11.1.1.1"}, {NULL}},
    {"refused6.org", {"11.1.1.1"}, {"2a0f:1234::bad"}},
    {"silent6.org", {"11.1.1.1"}, {"2a0f:dead::1"}},
    {"silent4.org", {"12.1.1.1"}, {"2a0f:1234::1"}},
    {"noroute6.org", {"11.1.1.1"}, {"2606::1"}},
    {"allsilent.org", {"12.1.1.1", "12.1.1.2"}, {"2a0f:dead::1"}},
    {"allrefused.org", {"11.9.9.8"}, {"2a0f:1234::bad"}},
    {"silent-or-refused.org", {"11.9.9.8", "12.1.1.1"}, {NULL}},
    {"offline.org", {"13.1.1.1"}, {NULL}},
    {"offline6.org", {NULL}, {"2606::1"}},
    {"second.org", {"11.9.9.8", "11.9.9.7", "11.1.1.1"}, {NULL}},
    {"dns64.org", {"11.9.9.8"}, {"64:ff9b::11.1.1.1"}},
    /* the canary's */
    {"loop.org", {"127.0.0.1"}, {NULL}},
    {"loop6.org", {NULL}, {"::1"}},
    {"mapped.org", {NULL}, {"::ffff:127.0.0.1"}},
    {"nat64.org", {NULL}, {"64:ff9b::7f00:1"}},
    {"dns64-mixed.org", {"11.1.1.1"}, {"64:ff9b::10.0.0.1"}},
    {"any.org", {"0.0.0.0"}, {"::"}},
    {"compat.org", {NULL}, {"::127.0.0.1"}},
    {"sixtofour.org", {NULL}, {"2002:7f00:1::"}},
    {"loops.org", {"127.0.0.1", "127.1.1.1"}, {"::1"}},
    {"own.org", {"11.5.5.5"}, {NULL}},
    {"mixed.org", {"127.0.0.1", "11.1.1.1"}, {"::1"}},
};

static atomic_int turn;

static void script(const char *name, int type, struct dns_reply *r, void *arg)
{
    (void)arg;
    if (strcmp(name, "rebind.org") == 0) {
        /* Another answer each time, none of which may be remembered: public, private, and both at
         * once. */
        static const char *const v4[] = {"11.1.1.1", "127.0.0.1", "11.1.1.1", "127.0.0.1"};
        static const char *const v6[] = {"2a0f:1234::1", "::1", "::ffff:127.0.0.1",
                                         "64:ff9b::7f00:1"};
        int t = atomic_fetch_add(&turn, 1) / 2 % 4;

        r->ttl = 0;
        r->count = 1;
        r->addresses[0] = type == DNS_TYPE_A ? v4[t] : v6[t];
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *const *list = type == DNS_TYPE_A ? names[i].a : names[i].aaaa;

        if (strcmp(names[i].name, name) != 0)
            continue;
        while (r->count < 3 && list[r->count] != NULL) {
            r->addresses[r->count] = list[r->count];
            r->count++;
        }
        return;
    }
    r->rcode = 3;
}

static void play_wait(struct guest *g, void *arg)
{
    (void)arg;
    guest_wait_end(g);
}

struct place {
    struct rig rig;
    struct dns_server *dns;
    struct listener *v4, *v6, *canary;
    uint16_t port;
    bool wanted;
    struct { /* what a person denies */
        const char *ip;
        int from; /* of the questions that are asked, the first that is answered so */
        int asked;
    } denied;
};

static void place_open(struct place *p)
{
    p->wanted = false;
    p->dns = dns_server_open(script, NULL);
    p->v4 = listener_open("11.1.1.1", 0, NULL, play_wait, NULL);
    assert_non_null(p->v4);
    p->port = listener_port(p->v4); /* in a network of our own it is free on the others too */
    p->v6 = listener_open("2a0f:1234::1", p->port, NULL, play_wait, NULL);
    p->canary = listener_open("127.0.0.1", p->port, NULL, play_wait, NULL);
    assert_non_null(p->v6);
    assert_non_null(p->canary);
    rig_init(&p->rig);
    p->rig.options.allow_addresses = "";
    p->rig.options.dns_servers = dns_server_address(p->dns);
    p->rig.options.connect_timeout_ms = 600;
    rig_start(&p->rig);
}

static void place_close(struct place *p)
{
    rig_finish(&p->rig);
    assert_int_equal(listener_accepted(p->canary), 0);
    listener_close(p->v4);
    listener_close(p->v6);
    listener_close(p->canary);
    dns_server_close(p->dns);
}

struct owner {
    struct dial *dial;
    int fd, ended;
    struct err err;
    struct dial_report report;
    bool close_inside;
};

static void on_connected(void *owner, int fd)
{
    struct owner *o = owner;

    o->ended++;
    o->fd = fd;
    o->report = *dial_report(o->dial);
    if (o->close_inside)
        dial_close(o->dial);
}

static void on_failed(void *owner, const struct err *err)
{
    struct owner *o = owner;

    o->ended++;
    o->err = *err;
    o->report = *dial_report(o->dial);
    if (o->close_inside)
        dial_close(o->dial);
}

static const struct dial_ops ops = {on_connected, on_failed};

static void begin(struct place *p, struct owner *o, const char *host, uint16_t port)
{
    memset(o, 0, sizeof(*o));
    o->fd = -1;
    const struct dial_target target = {
        .network = NETWORK_CLEARNET, .host = host, .port = port, .wanted = p->wanted};
    o->dial = dial_open(p->rig.net, &target, &ops, o);
    assert_int_equal(o->ended, 0);
}

static void dial(struct place *p, struct owner *o, const char *host, uint16_t port)
{
    begin(p, o, host, port);
    o->close_inside = true;
    while (!o->ended)
        uv_run(&p->rig.loop, UV_RUN_ONCE);
    assert_int_equal(o->ended, 1);
    if (o->fd >= 0)
        close(o->fd);
}

static void test_which_address(void **state)
{
    (void)state;
    static const struct {
        const char *host, *address;
    } cases[] = {{"11.1.1.1", "11.1.1.1"},        {"2a0f:1234::1", "2a0f:1234::1"},
                 {"both.org", "2a0f:1234::1"},    {"only4.org", "11.1.1.1"},
                 {"refused6.org", "11.1.1.1"},    {"silent6.org", "11.1.1.1"},
                 {"silent4.org", "2a0f:1234::1"}, {"noroute6.org", "11.1.1.1"},
                 {"second.org", "11.1.1.1"}};
    struct place p;
    struct owner o;

    NEED_NETNS();
    place_open(&p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dial(&p, &o, cases[i].host, p.port);
        assert_string_equal(o.err.detail, "");
        assert_true(o.fd >= 0);
        assert_string_equal(o.report.address, cases[i].address);
        assert_false(o.report.mixed_private);
        assert_true(o.report.tcp_us >= 0);
        assert_int_equal(o.report.dns_us >= 0, strstr(cases[i].host, ".org") != NULL);
        assert_int_equal(o.report.proxy_us, -1);
    }
    place_close(&p);
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        enum err_code code;
    } cases[] = {
        {"allsilent.org", ERR_CONNECT_TIMEOUT},  {"allrefused.org", ERR_CONNECT_REFUSED},
        {"offline.org", ERR_NETWORK_DOWN},       {"offline6.org", ERR_CONNECT_UNREACHABLE},
        {"nobody-knows.org", ERR_DNS_NOT_FOUND}, {"silent-or-refused.org", ERR_CONNECT_TIMEOUT}};
    struct place p;
    struct owner o;

    NEED_NETNS();
    place_open(&p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dial(&p, &o, cases[i].host, p.port);
        assert_int_equal(o.fd, -1);
        assert_string_equal(err_name(o.err.code), err_name(cases[i].code));
    }
    place_close(&p);
}

/* place_close() asserts that the canary saw nobody. */
static void test_canary(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "loop.org",     "loop6.org",  "mapped.org",       "nat64.org", "mixed.org",
        "any.org",      "compat.org", "sixtofour.org",    "loops.org", "own.org",
        "127.0.0.1",    "::1",        "::ffff:127.0.0.1", "0.0.0.0",   "::",
        "localhost",    "127.1",      "64:ff9b::7f00:1",  "relay",     "a.localhost",
        "x.onion",      "x.i2p",      "10.0.0.1",         "fe80::1",   "169.254.169.254",
        "2002:7f00:1::"};
    struct place p;
    struct owner o;

    NEED_NETNS();
    assert_int_equal(system("ip addr add 11.5.5.5/32 dev lo"), 0);
    place_open(&p);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        dial(&p, &o, hosts[i], p.port);
        if (strcmp(hosts[i], "127.1") == 0) /* neither an address nor a name that exists */
            assert_int_equal(o.err.code, ERR_DNS_NOT_FOUND);
        else
            assert_string_equal(err_name(o.err.code), "address_denied");
        assert_int_equal(o.report.mixed_private, strcmp(hosts[i], "mixed.org") == 0);
    }
    dial(&p, &o, "11.1.1.1", 22);
    assert_string_equal(err_name(o.err.code), "address_denied");
    place_close(&p);
    assert_int_equal(system("ip addr del 11.5.5.5/32 dev lo"), 0);
}

/* A network without IPv4: its resolver makes addresses of a gateway out of A records. */
static void test_dns64(void **state)
{
    (void)state;
    struct place p;
    struct owner o;
    struct listener *gateway;

    NEED_NETNS();
    place_open(&p);
    gateway = listener_open("64:ff9b::11.1.1.1", p.port, NULL, play_wait, NULL);
    assert_non_null(gateway);
    dial(&p, &o, "dns64.org", p.port);
    assert_string_equal(o.err.detail, "");
    assert_string_equal(o.report.address, "64:ff9b::b01:101");
    assert_false(o.report.mixed_private);
    dial(&p, &o, "dns64-mixed.org", p.port);
    assert_string_equal(err_name(o.err.code), "address_denied");
    assert_true(o.report.mixed_private);
    for (int i = 0; i < 500 && listener_accepted(gateway) == 0; i++)
        (void)usleep(10000); /* another thread accepts what the kernel has connected */
    assert_int_equal(listener_accepted(gateway), 1);
    place_close(&p);
    listener_close(gateway);
}

static void test_rebinding(void **state)
{
    (void)state;
    enum { TRIES = 2000, AT_ONCE = 50 };
    struct place p;
    struct owner o[AT_ONCE];
    int connected = 0, denied = 0;

    NEED_NETNS();
    place_open(&p);
    for (int i = 0; i < TRIES; i++) {
        dial(&p, &o[0], "rebind.org", p.port);
        connected += o[0].fd >= 0;
        denied += o[0].err.code == ERR_ADDRESS_DENIED;
    }
    assert_int_equal(connected + denied, TRIES);
    assert_true(connected > TRIES / 8 && denied > TRIES / 8); /* it did alternate */
    place_close(&p);
}

static bool is_denied(void *owner, const struct ip *ip)
{
    struct place *p = owner;
    char text[IP_TEXT_MAX];

    return p->denied.asked++ >= p->denied.from && strcmp(ip_text(ip, text), p->denied.ip) == 0;
}

static void deny(struct place *p, const char *ip, int from)
{
    p->denied.ip = ip;
    p->denied.from = from;
    p->denied.asked = 0;
}

static void test_what_a_person_denies(void **state)
{
    (void)state;
    static const char *const hosts[] = {"only4.org", "11.1.1.1", "both.org", "dns64.org"};
    struct place p;
    struct owner o;
    int seen;

    NEED_NETNS();
    place_open(&p);
    net_deny_addresses(p.rig.net, is_denied, &p);
    deny(&p, "11.1.1.1", 0);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        dial(&p, &o, hosts[i], p.port);
        assert_int_equal(o.fd, -1);
        assert_string_equal(err_name(o.err.code), "denied");
        assert_string_equal(o.report.address, "");
    }
    dial(&p, &o, "2a0f:1234::1", p.port);
    assert_true(o.fd >= 0);
    deny(&p, "11.1.1.1", 3); /* since its name was resolved, while another address was tried */
    dial(&p, &o, "silent6.org", p.port);
    assert_string_equal(err_name(o.err.code), "denied");
    assert_string_equal(o.report.address, "2a0f:dead::1");
    (void)usleep(100000); /* another thread accepts what the kernel has connected */
    seen = listener_accepted(p.v4);
    assert_int_equal(seen, 0);
    p.wanted = true;
    deny(&p, "11.1.1.1", 0);
    dial(&p, &o, "only4.org", p.port);
    assert_true(o.fd >= 0);
    place_close(&p);
}

static void test_allowed_and_services(void **state)
{
    (void)state;
    struct place p;
    struct owner o;
    struct err err;

    NEED_NETNS();
    place_open(&p);
    assert_true(net_address_allowed(p.rig.net, "11.1.1.1"));
    assert_false(net_address_allowed(p.rig.net, "127.0.0.1"));
    assert_false(net_address_allowed(p.rig.net, "example.org"));
    assert_true(net_deny_service(p.rig.net, ADDR_SERVICE_DATABASE, "11.1.1.1", p.port));
    dial(&p, &o, "only4.org", p.port);
    assert_int_equal(o.err.code, ERR_ADDRESS_DENIED);
    p.rig.options.allow_addresses = "11.1.1.1 127.0.0.1"; /* our own services stay refused */
    assert_int_equal(net_reconfigure(p.rig.net, &p.rig.options, &err), 0);
    assert_true(net_address_allowed(p.rig.net, "127.0.0.1"));
    dial(&p, &o, "only4.org", p.port);
    assert_int_equal(o.err.code, ERR_ADDRESS_DENIED);
    net_forget_services(p.rig.net, ADDR_SERVICE_DATABASE);
    dial(&p, &o, "only4.org", p.port);
    assert_true(o.fd >= 0);
    assert_false(net_deny_service(p.rig.net, ADDR_SERVICE_DATABASE, "db.example.org", p.port));
    p.rig.options.allow_addresses = "nonsense";
    assert_int_equal(net_reconfigure(p.rig.net, &p.rig.options, &err), -1);
    assert_int_equal(err.code, ERR_CONFIG);
    assert_true(net_address_allowed(p.rig.net, "127.0.0.1")); /* as before */
    place_close(&p);
}

/* One connection for each address: names share it, the other family is another address, and what is
 * full is no failure. */
static void test_addresses_that_are_full(void **state)
{
    (void)state;
    static const char *const hosts[] = {"both.org", "only4.org"};
    struct place p;
    struct owner held[2], o;

    NEED_NETNS();
    place_open(&p);
    p.rig.options.address_connections_max = 1;
    struct err err;
    assert_int_equal(net_reconfigure(p.rig.net, &p.rig.options, &err), 0);
    for (int i = 0; i < 2; i++) {
        begin(&p, &held[i], hosts[i], p.port);
        while (!held[i].ended)
            uv_run(&p.rig.loop, UV_RUN_ONCE);
        assert_true(held[i].fd >= 0);
    }
    assert_string_equal(held[0].report.address, "2a0f:1234::1");
    assert_string_equal(held[1].report.address, "11.1.1.1");
    assert_false(net_address_crowded(p.rig.net, "11.1.1.1"));

    /* second.org: two addresses refuse, the third is full; refused6.org: the same. */
    static const char *const waiting[] = {"both.org", "only4.org", "second.org", "refused6.org",
                                          "11.1.1.1"};
    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
        dial(&p, &o, waiting[i], p.port);
        assert_string_equal(err_name(o.err.code), "address_busy");
        assert_true(o.report.wait_ms > 0);
    }
    assert_true(net_address_crowded(p.rig.net, "11.1.1.1"));
    assert_true(net_dial_wait(p.rig.net, "only4.org") > 0); /* known without asking */
    assert_int_equal(net_dial_wait(p.rig.net, "never-asked.org"), 0);
    assert_int_equal(net_dial_wait(p.rig.net, "12.1.1.1"), 0);
    dial(&p, &o, "11.9.9.6", p.port);
    assert_string_equal(err_name(o.err.code), "connect_refused");

    /* One of its addresses is free again. */
    close(held[1].fd);
    dial_close(held[1].dial);
    do {
        (void)usleep(10000);
        uv_update_time(&p.rig.loop);
    } while (net_dial_wait(p.rig.net, "both.org") > 0);
    dial(&p, &o, "both.org", p.port);
    assert_string_equal(o.report.address, "11.1.1.1");
    close(held[0].fd);
    dial_close(held[0].dial);
    place_close(&p);
}

static void test_close_in_every_tick(void **state)
{
    (void)state;
    static const char *const hosts[] = {"both.org", "silent6.org", "allrefused.org",
                                        "loop.org", "11.1.1.1",    "10.0.0.1"};

    NEED_NETNS();
    for (size_t h = 0; h < sizeof(hosts) / sizeof(hosts[0]); h++)
        for (int ticks = 0; ticks < 8; ticks++) {
            struct place p;
            struct owner o;

            place_open(&p);
            begin(&p, &o, hosts[h], p.port);
            for (int i = 0; i < ticks && !o.ended; i++)
                uv_run(&p.rig.loop, UV_RUN_ONCE);
            dial_close(o.dial);
            if (o.fd >= 0)
                close(o.fd);
            int ended = o.ended;
            place_close(&p);
            assert_int_equal(o.ended, ended); /* nothing more was heard */
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_address),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_canary),
        cmocka_unit_test(test_dns64),
        cmocka_unit_test(test_rebinding),
        cmocka_unit_test(test_what_a_person_denies),
        cmocka_unit_test(test_allowed_and_services),
        cmocka_unit_test(test_addresses_that_are_full),
        cmocka_unit_test(test_close_in_every_tick),
    };
    return cmocka_run_group_tests(tests, enter, NULL);
}
