/* Proxies: found, lost and found again; what they say about relays; and a real one, microsocks. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns_server.h"
#include "listener.h"
#include "net/dial.h"
#include "net/net_shared.h"
#include "net/proxy.h"
#include "net/wsconn.h"
#include "netns.h"
#include "rig.h"

#define MICROSOCKS "/usr/bin/microsocks"
#define ONION      "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

static bool have_netns, have_hosts;

static int enter(void **state)
{
    (void)state;
    have_netns = netns_enter();
    have_hosts = have_netns && netns_hosts("11.1.1.1 " ONION "\n");
    if (!have_hosts)
        print_message("SKIPPED: no network and hosts file of our own here\n");
    return 0;
}

/* -- a proxy that does as it is told -- */

struct fake {
    bool silent_at_reply, garbage, close_after_greeting, no_password;
    unsigned char reply; /* 0: connected; then it says what it was asked */
    char host[256], user[64], password[64];
    int conversations; /* beyond the greeting */
};

static void play_proxy(struct guest *g, void *arg)
{
    struct fake *f = arg;
    unsigned char in[300], n;

    if (f->garbage) {
        guest_write(g, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        guest_wait_end(g);
        return;
    }
    if (!guest_read_all(g, in, 4) || memcmp(in, "\x05\x02\x02\x00", 4) != 0)
        return;
    guest_write(g, f->no_password ? "\x05\x00" : "\x05\x02", 2);
    if (f->close_after_greeting)
        return;
    if (!f->no_password) {
        if (!guest_read_all(g, in, 2))
            return; /* a probe */
        guest_read_all(g, f->user, in[1]);
        f->user[in[1]] = '\0';
        guest_read_all(g, &n, 1);
        guest_read_all(g, f->password, n);
        f->password[n] = '\0';
        guest_write(g, "\x01\x00", 2);
    }
    if (!guest_read_all(g, in, 5))
        return;
    guest_read_all(g, f->host, in[4]);
    f->host[in[4]] = '\0';
    guest_read_all(g, in, 2);
    f->conversations++;
    if (f->silent_at_reply) {
        guest_wait_end(g);
        return;
    }
    in[0] = f->reply;
    guest_write(g, "\x05", 1);
    guest_write(g, in, 1);
    guest_write(g,
                "\x00\x03\x05"
                "bound\x00\x50"
                "hello",
                15);
    guest_wait_end(g);
}

static void no_answers(const char *name, int type, struct dns_reply *r, void *arg)
{
    (void)type;
    (void)arg;
    r->rcode = 3;
    if (strcmp(name, "proxy.host") == 0 && type == DNS_TYPE_A) {
        r->rcode = 0;
        r->count = 1;
        r->addresses[0] = "127.0.0.1";
    }
}

struct place {
    struct rig rig;
    struct dns_server *dns;
    char proxy[64];
};

static void place_open(struct place *p, const char *host, uint16_t port)
{
    p->dns = dns_server_open(no_answers, NULL);
    rig_init(&p->rig);
    p->rig.options.allow_addresses = "";
    p->rig.options.dns_servers = dns_server_address(p->dns);
    (void)snprintf(p->proxy, sizeof(p->proxy), port == 0 ? "%s" : "%s:%u", host, port);
    p->rig.options.proxy[NETWORK_TOR] = p->proxy;
    p->rig.options.overlay_timeout_ms = 300;
    rig_start(&p->rig);
    p->rig.net->proxies[NETWORK_TOR]->probe_every_ms = 20;
}

static void place_close(struct place *p)
{
    rig_finish(&p->rig);
    dns_server_close(p->dns);
}

static void on_tick(uv_timer_t *t)
{
    (void)t;
}

static void wait_state(struct place *p, enum net_proxy_state want)
{
    uv_timer_t tick;

    uv_timer_init(&p->rig.loop, &tick);
    for (int i = 0; net_proxy_state(p->rig.net, NETWORK_TOR) != want && i < 2000; i++) {
        uv_timer_start(&tick, on_tick, 5, 0);
        uv_run(&p->rig.loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&p->rig.loop, UV_RUN_NOWAIT); /* it is on the stack */
    assert_int_equal(net_proxy_state(p->rig.net, NETWORK_TOR), want);
}

struct owner {
    struct dial *dial;
    int fd, ended;
    struct err err;
    struct dial_report report;
};

static void on_connected(void *owner, int fd)
{
    struct owner *o = owner;

    o->ended++;
    o->fd = fd;
    o->report = *dial_report(o->dial);
    dial_close(o->dial);
}

static void on_failed(void *owner, const struct err *err)
{
    struct owner *o = owner;

    o->ended++;
    o->err = *err;
    o->report = *dial_report(o->dial);
    dial_close(o->dial);
}

static const struct dial_ops ops = {on_connected, on_failed};

static void begin(struct place *p, struct owner *o, enum network network, const char *host)
{
    memset(o, 0, sizeof(*o));
    o->fd = -1;
    const struct dial_target target = {.network = network, .host = host, .port = 443};
    o->dial = dial_open(p->rig.net, &target, &ops, o);
    assert_int_equal(o->ended, 0);
}

static void dial(struct place *p, struct owner *o, enum network network, const char *host)
{
    begin(p, o, network, host);
    rig_run_until(&p->rig, &o->ended);
    assert_int_equal(o->ended, 1);
}

/* Dialled in the turn in which the net was opened: the dial waits for the first probe. */
static void test_connects(void **state)
{
    (void)state;
    struct fake f = {0};
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_proxy, &f);
    struct place p;
    struct owner o;
    char first[64], bytes[16];

    place_open(&p, "127.0.0.1", listener_port(l));
    assert_int_equal(net_proxy_state(p.rig.net, NETWORK_TOR), NET_PROXY_UNKNOWN);
    begin(&p, &o, NETWORK_TOR, ONION);
    uv_run(&p.rig.loop, UV_RUN_DEFAULT); /* the dial alone keeps the loop going */
    assert_int_equal(o.ended, 1);
    assert_string_equal(o.err.detail, "");
    assert_string_equal(f.host, ONION);
    assert_string_equal(f.user, "bb1");
    assert_int_equal(strlen(f.password), 32);
    assert_true(o.report.proxy_us >= 0);
    assert_int_equal(o.report.dns_us, -1);
    assert_int_equal(o.report.tcp_us, -1);
    assert_string_equal(o.report.address, "");
    assert_string_equal(net_proxy_address(p.rig.net, NETWORK_TOR), p.proxy);
    usleep(20000);
    assert_int_equal(read(o.fd, bytes, sizeof(bytes)),
                     5); /* what the relay said first was left alone */
    close(o.fd);
    memcpy(first, f.password, sizeof(first));

    dial(&p, &o, NETWORK_TOR, ONION);
    close(o.fd);
    assert_string_equal(f.password, first); /* one relay, one circuit */
    dial(&p, &o, NETWORK_TOR, "another.onion");
    close(o.fd);
    assert_string_not_equal(f.password, first);
    assert_int_equal(dns_server_questions(p.dns), 0); /* the resolver never heard of an onion */
    place_close(&p);
    listener_close(l);
}

static void test_other_networks_and_names(void **state)
{
    (void)state;
    struct fake f = {.no_password = true};
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_proxy, &f);
    struct place p;
    struct owner o;
    struct ip ip;

    place_open(&p, "proxy.host", listener_port(l)); /* a proxy with a name, as in a compose file */
    dial(&p, &o, NETWORK_TOR, ONION);
    assert_string_equal(o.err.detail, "");
    close(o.fd);
    assert_true(ip_parse(&ip, STR("127.0.0.1"))); /* where its name led is denied to relays */
    assert_string_equal(addr_policy_ip(&p.rig.net->policy, &ip, listener_port(l)),
                        "one of our own services");
    dial(&p, &o, NETWORK_I2P, "x.i2p");
    assert_int_equal(o.err.code, ERR_PROXY_NONE);
    dial(&p, &o, NETWORK_TOR, "10.0.0.1"); /* never tell a proxy to go there */
    assert_int_equal(o.err.code, ERR_ADDRESS_DENIED);
    dial(&p, &o, NETWORK_TOR, "x.i2p");
    assert_int_equal(o.err.code, ERR_ADDRESS_DENIED);
    dial(&p, &o, NETWORK_CLEARNET, ONION);
    assert_int_equal(o.err.code, ERR_ADDRESS_DENIED);
    place_close(&p);
    listener_close(l);
}

static void test_replies(void **state)
{
    (void)state;
    static const unsigned char codes[] = {1,    2,    3,    4,    5,    6,    7,    8,   0xf0,
                                          0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xff};
    struct fake f = {0};
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_proxy, &f);
    struct place p;
    struct owner o;

    place_open(&p, "127.0.0.1", listener_port(l));
    for (size_t i = 0; i < sizeof(codes); i++) {
        f.reply = codes[i];
        dial(&p, &o, NETWORK_TOR, ONION);
        assert_int_equal(o.fd, -1);
        assert_true(o.err.code != ERR_NONE && o.err.code != ERR_PROXY_DOWN &&
                    o.err.code != ERR_PROXY_PROTOCOL);
        assert_int_equal(net_proxy_state(p.rig.net, NETWORK_TOR),
                         NET_PROXY_UP); /* it serves others well */
    }
    f.reply = 0;
    f.silent_at_reply = true;
    dial(&p, &o, NETWORK_TOR, ONION);
    assert_int_equal(o.err.code, ERR_CONNECT_TIMEOUT);
    assert_int_equal(net_proxy_state(p.rig.net, NETWORK_TOR), NET_PROXY_UP);
    place_close(&p);
    listener_close(l);
}

/* What breaks between us and the proxy is the path's fault, whatever breaks. */
static void test_faults_are_not_the_relays(void **state)
{
    (void)state;
    for (int fault = 0; fault < 3; fault++) {
        struct fake f = {0};
        struct listener *l = listener_open("127.0.0.1", 0, NULL, play_proxy, &f);
        struct place p;
        struct owner o;

        place_open(&p, "127.0.0.1", listener_port(l));
        wait_state(&p, NET_PROXY_UP);
        if (fault == 0)
            f.garbage = true;
        else if (fault == 1)
            f.close_after_greeting = true;
        else
            listener_close(l);
        dial(&p, &o, NETWORK_TOR, ONION);
        assert_int_equal(err_blame(o.err.code), ERR_BLAME_PATH);
        if (fault != 1) {
            assert_int_equal(net_proxy_state(p.rig.net, NETWORK_TOR), NET_PROXY_DOWN);
            dial(&p, &o, NETWORK_TOR, ONION); /* not tried while it is known to be down */
            assert_int_equal(o.err.code, ERR_PROXY_DOWN);
        }
        place_close(&p);
        if (fault != 2)
            listener_close(l);
    }
}

/* One relay stays on its circuit until that has failed three times in a row; others do not move. */
static void test_another_circuit(void **state)
{
    (void)state;
    struct fake f = {0};
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_proxy, &f);
    struct place p;
    struct owner o;
    char first[64], other[64];

    place_open(&p, "127.0.0.1", listener_port(l));
    dial(&p, &o, NETWORK_TOR, "another.onion");
    close(o.fd);
    memcpy(other, f.password, sizeof(other));
    dial(&p, &o, NETWORK_TOR, ONION);
    close(o.fd);
    memcpy(first, f.password, sizeof(first));
    /* Neither what no circuit mends nor failures with a success between them. */
    const unsigned char harmless[] = {0xf0, 0xf0, 0xf0, 0xf4, 0xf3, 0xf3, 0x00, 0x04, 0x06, 0x00};
    for (size_t i = 0; i < sizeof(harmless); i++) {
        f.reply = harmless[i];
        dial(&p, &o, NETWORK_TOR, ONION);
        assert_string_equal(f.password, first);
        if (o.fd >= 0)
            close(o.fd);
    }
    const unsigned char bad[CIRCUIT_FAILURES_MAX] = {0x01, 0xf3, 0x04};
    for (size_t i = 0; i < sizeof(bad); i++) {
        f.reply = bad[i];
        dial(&p, &o, NETWORK_TOR, ONION);
        assert_string_equal(f.password, first);
    }
    f.reply = 0;
    dial(&p, &o, NETWORK_TOR, ONION);
    close(o.fd);
    assert_string_not_equal(f.password, first);
    memcpy(first, f.password, sizeof(first));
    dial(&p, &o, NETWORK_TOR, ONION); /* the one that works is kept */
    close(o.fd);
    assert_string_equal(f.password, first);
    dial(&p, &o, NETWORK_TOR, "another.onion");
    close(o.fd);
    assert_string_equal(f.password, other);
    f.reply = 0xf2;
    for (int i = 0; i < CIRCUIT_FAILURES_MAX; i++)
        dial(&p, &o, NETWORK_TOR, ONION);
    dial(&p, &o, NETWORK_TOR, ONION);
    assert_string_not_equal(f.password, first);
    place_close(&p);
    listener_close(l);
}

/* "General failure" is the proxy's own until it has served somebody; then it is the relay's. */
static void test_who_fails_when_nobody_says_why(void **state)
{
    (void)state;
    struct fake f = {.reply = 0x01};
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_proxy, &f);
    struct place p;
    struct owner o;

    place_open(&p, "127.0.0.1", listener_port(l));
    dial(&p, &o, NETWORK_TOR, ONION);
    assert_int_equal(o.err.code, ERR_PROXY_FAILED);
    f.reply = 0;
    dial(&p, &o, NETWORK_TOR, "another.onion");
    close(o.fd);
    f.reply = 0x01;
    dial(&p, &o, NETWORK_TOR, ONION);
    assert_int_equal(o.err.code, ERR_ONION_UNREACHABLE);
    f.reply = 0x02;
    dial(&p, &o, NETWORK_TOR, ONION);
    assert_int_equal(o.err.code, ERR_PROXY_FAILED);
    place_close(&p);
    listener_close(l);
}

struct watcher {
    struct net_proxy_watch watch;
    int ups;
};

static void on_up(struct net_proxy_watch *watch, enum network network)
{
    assert_int_equal(network, NETWORK_TOR);
    CONTAINER_OF(watch, struct watcher, watch)->ups++;
}

static void test_comes_back(void **state)
{
    (void)state;
    struct watcher w = {.watch.up = on_up}, gone = {.watch.up = on_up};
    struct fake f = {0};
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_proxy, &f);
    uint16_t port = listener_port(l);
    struct place p;
    struct owner o;

    place_open(&p, "127.0.0.1", port);
    net_watch_proxies(p.rig.net, &w.watch);
    net_watch_proxies(p.rig.net, &gone.watch);
    net_unwatch_proxies(&gone.watch);
    assert_int_equal(w.ups, 0);
    wait_state(&p, NET_PROXY_UP);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(w.ups, i + 1); /* once each time that it comes */
        listener_close(l);
        dial(&p, &o, NETWORK_TOR, ONION);
        assert_int_equal(o.err.code, ERR_PROXY_DOWN);
        assert_int_equal(net_proxy_state(p.rig.net, NETWORK_TOR), NET_PROXY_DOWN);
        l = listener_open("127.0.0.1", port, NULL, play_proxy, &f);
        assert_non_null(l);
        wait_state(&p, NET_PROXY_UP);
        dial(&p, &o, NETWORK_TOR, ONION);
        assert_true(o.fd >= 0);
        close(o.fd);
    }
    assert_int_equal(gone.ups, 0);
    net_unwatch_proxies(&w.watch);
    place_close(&p);
    listener_close(l);
}

/* An open port is not a proxy: 9050 answers HTTP here, 9150 speaks SOCKS5. */
static void test_auto(void **state)
{
    (void)state;
    struct fake f = {0}, http = {.garbage = true};
    struct place p;
    struct owner o;
    struct listener *l, *other;

    if (!have_netns)
        skip();
    place_open(&p, "auto", 0);
    wait_state(&p, NET_PROXY_NONE);
    dial(&p, &o, NETWORK_TOR, ONION);
    assert_int_equal(o.err.code, ERR_PROXY_NONE);
    assert_int_equal(err_blame(o.err.code), ERR_BLAME_USER);
    other = listener_open("127.0.0.1", 9050, NULL, play_proxy, &http);
    l = listener_open("127.0.0.1", 9150, NULL, play_proxy, &f);
    wait_state(&p, NET_PROXY_UP);
    assert_string_equal(net_proxy_address(p.rig.net, NETWORK_TOR), "127.0.0.1:9150");
    listener_close(other);
    listener_close(l);
    dial(&p, &o, NETWORK_TOR, ONION);
    assert_int_equal(o.err.code, ERR_PROXY_DOWN);
    f.garbage = false;
    l = listener_open("127.0.0.1", 9050, NULL, play_proxy, &f);
    wait_state(&p, NET_PROXY_UP);
    assert_string_equal(net_proxy_address(p.rig.net, NETWORK_TOR), "127.0.0.1:9050");
    place_close(&p);
    listener_close(l);
}

static void test_settings(void **state)
{
    (void)state;
    static const char *const bad[] = {"localhost",     "localhost:", ":9050", "1.2.3.4:0",
                                      "1.2.3.4:99999", "a:b",        "[::1]"};
    struct err err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (proxy_check(bad[i], true, &err) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(err.code, ERR_CONFIG);
    }
    assert_int_equal(proxy_check("auto", false, &err), -1);
    assert_int_equal(proxy_check("auto", true, &err), 0);
    assert_int_equal(proxy_check("none", false, &err), 0);
    assert_int_equal(proxy_check("[::1]:9050", false, &err), 0);
    assert_int_equal(proxy_check("tor:9050", false, &err), 0);
}

/* SIGHUP with another proxy while a dial waits for the first: it goes through the new one. */
static void test_reconfigure_while_a_dial_waits(void **state)
{
    (void)state;
    struct fake f = {0};
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_proxy, &f);
    struct place p;
    struct owner o;
    struct err err;

    place_open(&p, "127.0.0.1", 1);
    begin(&p, &o, NETWORK_TOR, ONION);
    uv_run(&p.rig.loop, UV_RUN_NOWAIT);
    (void)snprintf(p.proxy, sizeof(p.proxy), "127.0.0.1:%u", listener_port(l));
    if (o.ended == 0) {
        assert_int_equal(net_reconfigure(p.rig.net, &p.rig.options, &err), 0);
        rig_run_until(&p.rig, &o.ended);
        assert_true(o.fd >= 0);
        close(o.fd);
    }
    place_close(&p);
    listener_close(l);
}

static void test_close_in_every_tick(void **state)
{
    (void)state;
    for (int ticks = 0; ticks < 16; ticks++) {
        struct fake f = {0};
        struct listener *l = listener_open("127.0.0.1", 0, NULL, play_proxy, &f);
        struct place p;
        struct owner o;

        place_open(&p, "127.0.0.1", listener_port(l));
        begin(&p, &o, NETWORK_TOR, ONION);
        for (int i = 0; i < ticks && !o.ended; i++)
            uv_run(&p.rig.loop, UV_RUN_ONCE);
        if (o.ended == 0)
            dial_close(o.dial);
        else if (o.fd >= 0)
            close(o.fd);
        place_close(&p);
        listener_close(l);
    }
}

/* -- a proxy that is not ours -- */

static pid_t start_microsocks(uint16_t port)
{
    char text[8];
    pid_t pid;

    (void)snprintf(text, sizeof(text), "%u", port);
    pid = fork();
    if (pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(nowhere, STDERR_FILENO); /* it speaks of every connection */
        execl(MICROSOCKS, "microsocks", "-i", "127.0.0.1", "-p", text, (char *)NULL);
        _exit(127);
    }
    return pid;
}

struct talker {
    struct wsconn *conn;
    int opened, messages, closed;
    struct err err;
    struct wsconn_report report;
};

static void talker_open(void *owner, const struct wsconn_report *report)
{
    struct talker *t = owner;
    struct err err;

    t->opened++;
    t->report = *report;
    assert_int_equal(wsconn_send(t->conn, STR("through the onion"), &err), 0);
}

static void talker_message(void *owner, struct str text)
{
    struct talker *t = owner;

    assert_true(str_eq(text, STR("through the onion")));
    t->messages++;
}

static void talker_pong(void *owner, bool ours)
{
    (void)owner;
    (void)ours;
}

static void talker_closed(void *owner, const struct err *err)
{
    struct talker *t = owner;

    t->closed++;
    t->messages++; /* ends the wait */
    t->err = *err;
}

static void play_echo(struct guest *g, void *arg)
{
    char head[4096], text[256];
    size_t n;

    (void)arg;
    if (guest_upgrade(g, head, sizeof(head)) && guest_read_frame(g, text, sizeof(text), &n) == 0x81)
        guest_frame(g, 0x81, text, n);
    guest_wait_end(g);
}

static void test_microsocks(void **state)
{
    (void)state;
    static const struct wsconn_ops talker_ops = {talker_open, talker_message, talker_pong,
                                                 talker_closed};
    struct listener *l;
    struct place p;
    struct owner o;
    struct talker t = {0};
    pid_t pid;

    if (!have_hosts || access(MICROSOCKS, X_OK) != 0) {
        print_message("SKIPPED: no microsocks here\n");
        skip();
    }
    l = listener_open("11.1.1.1", 0, NULL, play_echo, NULL);
    pid = start_microsocks(1080);
    place_open(&p, "127.0.0.1", 1080);
    p.rig.net->overlay_timeout_ms = 5000;
    wait_state(&p, NET_PROXY_UP);

    const struct wsconn_target target = {
        .network = NETWORK_TOR, .host = ONION, .port = listener_port(l), .path = ""};

    t.conn = wsconn_open(p.rig.net, &target, &talker_ops, &t);
    rig_run_until(&p.rig, &t.messages);
    assert_string_equal(t.err.detail, "");
    assert_int_equal(t.opened, 1);
    assert_true(t.report.proxy_us > 0);
    wsconn_close(t.conn);

    dial(&p, &o, NETWORK_TOR, "unknown.onion"); /* it cannot resolve that */
    assert_int_equal(o.fd, -1);
    assert_true(o.err.code != ERR_PROXY_DOWN && o.err.code != ERR_PROXY_PROTOCOL);
    assert_int_equal(dns_server_questions(p.dns), 0);
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    dial(&p, &o, NETWORK_TOR, ONION);
    assert_int_equal(err_blame(o.err.code), ERR_BLAME_PATH);
    place_close(&p);
    listener_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connects),
        cmocka_unit_test(test_other_networks_and_names),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_faults_are_not_the_relays),
        cmocka_unit_test(test_another_circuit),
        cmocka_unit_test(test_who_fails_when_nobody_says_why),
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_reconfigure_while_a_dial_waits),
        cmocka_unit_test(test_close_in_every_tick),
        cmocka_unit_test(test_microsocks),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, enter, NULL);
}
