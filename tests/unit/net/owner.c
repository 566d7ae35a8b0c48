/* See owner.h. */
#include "owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void close_it(struct owner *o)
{
    wsconn_close(o->conn);
    o->conn = NULL;
}

static void on_open(void *owner, const struct wsconn_report *report)
{
    struct owner *o = owner;
    struct err err;

    o->opened++;
    o->report = *report;
    if (o->send_on_open != NULL)
        assert_int_equal(wsconn_send(o->conn, str_z(o->send_on_open), &err), 0);
    if (o->ping_on_open)
        wsconn_ping(o->conn);
    if (o->close_in_open)
        close_it(o);
}

static void on_message(void *owner, struct str text)
{
    struct owner *o = owner;

    o->messages++;
    o->bytes += text.n;
    str_copy(o->last, sizeof(o->last), text);
    if (o->close_in_message)
        close_it(o);
}

static void on_pong(void *owner, bool ours)
{
    struct owner *o = owner;

    o->pongs += ours;
    if (o->close_in_pong)
        close_it(o);
}

static void on_closed(void *owner, const struct err *err)
{
    struct owner *o = owner;

    assert_non_null(o->conn);
    o->closed++;
    o->err = *err;
    o->report = *wsconn_report(o->conn);
    if (o->close_in_closed)
        close_it(o);
}

static const struct wsconn_ops ops = {on_open, on_message, on_pong, on_closed};

void open_to(struct owner *o, struct rig *r, const char *host, uint16_t port, bool tls)
{
    const struct wsconn_target target = {
        .network = NETWORK_CLEARNET, .tls = tls, .host = host, .port = port, .path = "/path?x=1"};

    memset(o, 0, sizeof(*o));
    o->rig = r;
    o->conn = wsconn_open(r->net, &target, &ops, o);
    assert_int_equal(o->opened + o->closed, 0);
}

void end(struct owner *o)
{
    if (o->conn != NULL)
        close_it(o);
}

void play_echo(struct guest *g, void *arg)
{
    char head[4096], text[4096];
    size_t n;
    int first;

    if (!guest_upgrade(g, head, sizeof(head)))
        return;
    if (arg != NULL)
        str_copy(arg, 4096, str_z(head));
    while ((first = guest_read_frame(g, text, sizeof(text), &n)) >= 0) {
        if (first == 0x81)
            guest_frame(g, 0x81, text, n);
        else if (first == 0x89)
            guest_frame(g, 0x8a, text, n);
        else
            break;
    }
}

void close_in_every_tick(struct listener *l, bool tls, const char *ca_file)
{
    for (int ticks = 0, done = 0; !done && ticks < 400; ticks++) {
        struct rig r;
        struct owner o;

        rig_init(&r);
        r.options.tls_ca_file = ca_file;
        r.options.tls_record_only = true;
        rig_start(&r);
        open_to(&o, &r, "127.0.0.1", listener_port(l), tls);
        o.send_on_open = "hello";
        for (int i = 0; i < ticks && !o.messages; i++)
            uv_run(&r.loop, UV_RUN_ONCE);
        done = o.messages; /* every earlier moment was tried */
        end(&o);
        rig_finish(&r);
        assert_int_equal(o.closed, 0);
    }
}
