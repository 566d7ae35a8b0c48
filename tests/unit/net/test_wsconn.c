/* wsconn end to end, over real sockets on loopback. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/net_shared.h"
#include "net/wsconn.h"
#include "owner.h"

/* -- the relay's side -- */

static void play_answer(struct guest *g, void *arg)
{
    char head[4096];

    if (guest_read_head(g, head, sizeof(head)))
        guest_write(g, arg, strlen(arg));
    guest_wait_end(g);
}

static void play_silence(struct guest *g, void *arg)
{
    (void)arg;
    guest_wait_end(g);
}

static void play_cut(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_read_head(g, head, sizeof(head)))
        guest_write(g, "HTTP/1.1 101 Sw", 15);
}

static void play_reset(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_upgrade(g, head, sizeof(head)))
        guest_reset(g);
}

static void play_large(struct guest *g, void *arg)
{
    size_t n = *(size_t *)arg;
    char head[4096], *payload = malloc(n);

    memset(payload, 'a', n);
    if (guest_upgrade(g, head, sizeof(head)))
        guest_frame(g, 0x81, payload, n);
    guest_wait_end(g);
    free(payload);
}

static void play_hang_up(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_read_head(g, head, sizeof(head)))
        guest_reset(g);
}

/* Begins a message and leaves it unfinished. */
static void play_half(struct guest *g, void *arg)
{
    size_t n = *(size_t *)arg;
    char head[4096], *payload = malloc(n);

    memset(payload, 'a', n);
    if (guest_upgrade(g, head, sizeof(head)))
        guest_frame(g, 0x01, payload, n);
    guest_wait_end(g);
    free(payload);
}

static void play_close_frame(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_upgrade(g, head, sizeof(head)))
        guest_frame(g, 0x88, "\x03\xf1too\tbusy", 10);
    guest_wait_end(g);
}

static void play_ping_flood(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (!guest_upgrade(g, head, sizeof(head)))
        return;
    while (guest_frame(g, 0x89, "x", 1)) {
    }
}

/* -- tests -- */

static void test_echo(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    char head[4096] = "";
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_echo, head);

    rig_init(&r);
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    o.send_on_open = "[\"REQ\",\"a\",{}]";
    o.ping_on_open = 1;
    rig_run_until(&r, &o.messages);
    assert_string_equal(o.last, o.send_on_open);
    rig_run_until(&r, &o.pongs);
    assert_int_equal(o.opened, 1);
    assert_int_equal(o.closed, 0);
    assert_string_equal(o.report.address, "127.0.0.1");
    assert_int_equal(o.report.http_status, 101);
    assert_true(o.report.tcp_us >= 0 && o.report.upgrade_us >= 0);
    assert_int_equal(o.report.dns_us, -1);
    assert_int_equal(o.report.proxy_us, -1);
    assert_int_equal(o.report.tls_us, -1);
    assert_true(wsconn_received_bytes(o.conn) >= strlen(o.send_on_open));
    assert_int_equal(net_connections(r.net), 1);
    assert_true(net_connection_bytes(r.net) > 0);
    end(&o);
    rig_run_until(&r, &o.opened);
    rig_finish(&r);
    listener_close(l);
    assert_non_null(strstr(head, "GET /path?x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "bigbrotrd/test (+nobody)"));
}

static void ends_with(guest_script *script, void *arg, enum err_code code, const char *detail)
{
    struct rig r;
    struct owner o;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, script, arg);

    rig_init(&r);
    r.options.upgrade_timeout_ms = 300;
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    rig_run_until(&r, &o.closed);
    assert_string_equal(err_name(o.err.code), err_name(code));
    if (detail != NULL)
        assert_non_null(strstr(o.err.detail, detail));
    assert_int_equal(o.closed, 1);
    assert_int_equal(net_assembly_bytes(r.net), 0);
    end(&o);
    rig_finish(&r);
    listener_close(l);
}

static void answered(const char *answer, enum err_code code, const char *detail)
{
    char copy[256];

    (void)snprintf(copy, sizeof(copy), "%s", answer);
    ends_with(play_answer, copy, code, detail);
}

static void test_refusals(void **state)
{
    (void)state;
    answered("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ERR_WS_REFUSED, "404");
    answered("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n", ERR_RATE_LIMITED, "503, retry after 7");
    answered("HTTP/1.1 429 Slow\r\n\r\n", ERR_RATE_LIMITED, "429");
    answered("HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", ERR_WS_REFUSED, "302");
    answered("SSH-2.0-OpenSSH_9.2\r\n\r\n", ERR_HTTP_PROTOCOL, NULL);
    ends_with(play_silence, NULL, ERR_TIMEOUT, "upgrade");
    ends_with(play_hang_up, NULL, ERR_DISCONNECTED, NULL);
    ends_with(play_cut, NULL, ERR_HTTP_PROTOCOL, NULL);
}

static void test_ends_of_open_connections(void **state)
{
    (void)state;
    size_t n = 1024 * 1024 + 1;

    ends_with(play_reset, NULL, ERR_DISCONNECTED, NULL);
    ends_with(play_close_frame, NULL, ERR_DISCONNECTED, "close frame 1009 too\\x09busy");
    ends_with(play_ping_flood, NULL, ERR_FLOOD, NULL);
    ends_with(play_large, &n, ERR_MESSAGE_TOO_LARGE, NULL);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_silence, NULL);
    uint16_t port = listener_port(l);

    listener_close(l);
    rig_init(&r);
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", port, false);
    rig_run_until(&r, &o.closed);
    assert_int_equal(o.err.code, ERR_CONNECT_REFUSED);
    end(&o);
    rig_finish(&r);
}

static void test_largest_message(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    size_t n = 1024 * 1024;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_large, &n);

    rig_init(&r);
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    rig_run_until(&r, &o.messages);
    assert_int_equal(o.bytes, n);
    assert_int_equal(net_assembly_bytes(r.net), 0);
    end(&o);
    rig_finish(&r);
    listener_close(l);
}

/* The budget is for all connections together: the one that would pass it fails, the others do not.
 */
static void test_assembly_budget(void **state)
{
    (void)state;
    enum { N = 8 };
    struct rig r;
    struct owner o[N];
    size_t half = 200 * 1024;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_half, &half);
    int failed = 0;

    rig_init(&r);
    r.options.assembly_bytes_max = 1024 * 1024;
    rig_start(&r);
    for (int i = 0; i < N; i++)
        open_to(&o[i], &r, "127.0.0.1", listener_port(l), false);
    while (failed < 3) {
        uv_run(&r.loop, UV_RUN_ONCE);
        failed = 0;
        for (int i = 0; i < N; i++)
            failed += o[i].closed;
        assert_true(net_assembly_bytes(r.net) <= r.options.assembly_bytes_max);
    }
    for (int i = 0; i < N; i++) {
        if (o[i].closed)
            assert_int_equal(o[i].err.code, ERR_NOMEM);
        end(&o[i]);
    }
    assert_int_equal(net_assembly_bytes(r.net), 0);
    rig_finish(&r);
    listener_close(l);
}

/* Never reads what it is told. */
static void play_deaf(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (guest_upgrade(g, head, sizeof(head)))
        (void)poll(&(struct pollfd){.fd = g->fd, .events = POLLRDHUP}, 1, -1);
}

/* Dribbles a message for ever, one byte of it at a time. */
static void play_dribble(struct guest *g, void *arg)
{
    char head[4096];

    (void)arg;
    if (!guest_upgrade(g, head, sizeof(head)))
        return;
    if (!guest_write(g, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10))
        return;
    while (guest_write(g, "a", 1))
        usleep(1500);
}

static void slow_peer(guest_script *script, void *arg, uint32_t window_ms, bool too_slow)
{
    struct rig r;
    struct owner o;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, script, arg);

    rig_init(&r);
    rig_start(&r);
    r.net->rate_window_ms = window_ms;
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    rig_run_until(&r, too_slow ? &o.closed : &o.messages);
    if (too_slow)
        assert_string_equal(err_name(o.err.code), "too_slow");
    assert_int_equal(net_assembly_bytes(r.net) > 0, too_slow); /* until the owner closes */
    end(&o);
    assert_int_equal(net_assembly_bytes(r.net), 0);
    rig_finish(&r);
    listener_close(l);
}

static void test_slow_messages(void **state)
{
    (void)state;
    slow_peer(play_half, &(size_t){20}, 100, true); /* begun and left */
    slow_peer(play_dribble, NULL, 200, true);       /* 600 bytes a second at most */
    slow_peer(play_large, &(size_t){500 * 1024}, 100, false);
}

/* The bucket is far smaller than what comes: everybody has to wait, and everybody gets all.  (Whose
 * turn it is: test_bandwidth.c.) */
static void test_bandwidth_is_shared(void **state)
{
    (void)state;
    enum { N = 4 };
    struct rig r;
    struct owner o[N];
    size_t n = 60 * 1024;
    int ended = 0, waited = 0;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_large, &n);

    rig_init(&r);
    r.options.bandwidth_max = 256 * 1024;
    rig_start(&r);
    for (int i = 0; i < N; i++)
        open_to(&o[i], &r, "127.0.0.1", listener_port(l), false);
    while (ended < N) {
        int alive = uv_run(&r.loop, UV_RUN_ONCE);

        ended = 0;
        for (int i = 0; i < N; i++)
            ended += o[i].messages;
        waited += !list_empty(&r.net->bandwidth.queue);
        assert_true(alive || ended == N); /* who is paused still keeps the loop going */
    }
    assert_true(waited > 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(o[i].closed, 0);
        assert_int_equal(o[i].bytes, n);
        end(&o[i]);
    }
    rig_finish(&r);
    listener_close(l);
}

static void test_close_while_paused(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    size_t n = 1000 * 1024;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_large, &n);

    rig_init(&r);
    r.options.bandwidth_max = 1000; /* the first read uses up a minute */
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    while (list_empty(&r.net->bandwidth.queue))
        uv_run(&r.loop, UV_RUN_ONCE);
    /* A paused stream has nothing else that keeps the loop going. */
    assert_true(uv_has_ref((uv_handle_t *)&r.net->bandwidth.tick));
    assert_true(uv_is_active((uv_handle_t *)&r.net->bandwidth.tick));
    end(&o);
    assert_true(list_empty(&r.net->bandwidth.queue));
    rig_finish(&r);
    listener_close(l);
}

static void test_send_is_bounded(void **state)
{
    (void)state;
    struct rig r;
    struct owner o;
    struct err err;
    char *big = malloc(400 * 1024);
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_deaf, NULL);
    int rc = 0;

    memset(big, 'x', 400 * 1024);
    rig_init(&r);
    rig_start(&r);
    open_to(&o, &r, "127.0.0.1", listener_port(l), false);
    assert_int_equal(wsconn_send(o.conn, STR("early"), &err), -1);
    assert_int_equal(err.code, ERR_DISCONNECTED);
    rig_run_until(&r, &o.opened);
    for (int i = 0; i < 100 && rc == 0;
         i++) /* nobody reads: the kernel's buffers, then ours, are full */
        rc = wsconn_send(o.conn, (struct str){big, 400 * 1024}, &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, ERR_NOMEM);
    end(&o);
    rig_finish(&r);
    listener_close(l);
    free(big);
}

static void test_close_inside_each_callback(void **state)
{
    (void)state;
    for (int where = 0; where < 4; where++) {
        struct rig r;
        struct owner o;
        struct listener *l =
            listener_open("127.0.0.1", 0, NULL, where == 3 ? play_close_frame : play_echo, NULL);

        rig_init(&r);
        rig_start(&r);
        open_to(&o, &r, "127.0.0.1", listener_port(l), false);
        o.send_on_open = where == 0 ? NULL : "hello";
        o.ping_on_open = where == 2;
        o.close_in_open = where == 0;
        o.close_in_message = where == 1;
        o.close_in_pong = where == 2;
        o.close_in_closed = where == 3;
        rig_run_until(&r, where == 0   ? &o.opened
                          : where == 1 ? &o.messages
                          : where == 2 ? &o.pongs
                                       : &o.closed);
        assert_null(o.conn);
        rig_finish(&r);
        assert_int_equal(o.closed, where == 3);
        listener_close(l);
    }
}

static void test_close_in_every_tick(void **state)
{
    (void)state;
    struct listener *l = listener_open("127.0.0.1", 0, NULL, play_echo, NULL);

    close_in_every_tick(l, false, "");
    listener_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ends_of_open_connections),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_largest_message),
        cmocka_unit_test(test_assembly_budget),
        cmocka_unit_test(test_slow_messages),
        cmocka_unit_test(test_bandwidth_is_shared),
        cmocka_unit_test(test_close_while_paused),
        cmocka_unit_test(test_send_is_bounded),
        cmocka_unit_test(test_close_inside_each_callback),
        cmocka_unit_test(test_close_in_every_tick),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
