/* A probe's life, against a small relay on a real socket: whole, closed in every turn of the loop,
 * closed inside its own end, and through a session that is somebody else's and may go at any time.
 * What is found of a relay is the system tests' matter (tests/system/test_check*.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener.h"
#include "net/ws_accept.h"
#include "rig.h"
#include "services/probe/probe.h"

enum { PAST_THE_END = 100, TEXT_FRAME = 0x81, MESSAGE_MAX = 8192 };

static const char key[] = "0000000000000000000000000000000000000000000000000000000000000003";

/* -- the relay: knows REQ, EVENT, COUNT and its document; `arg` is its mood -- */

enum mood { MOOD_GOOD, MOOD_MUTE };

static void say(struct guest *g, const char *text)
{
    (void)guest_frame(g, TEXT_FRAME, text, strlen(text));
}

/* ["WORD","id",..: the id, or of an event its "id":"..". */
static void answer(struct guest *g, const char *message)
{
    char id[80] = "", text[256];
    const char *from = strstr(message, "\",\"");

    if (strncmp(message, "[\"EVENT\"", 8) == 0) {
        from = strstr(message, "\"id\":\"");
        (void)snprintf(id, sizeof(id), "%.64s", from + 6);
        (void)snprintf(text, sizeof(text), "[\"OK\",\"%s\",true,\"\"]", id);
        say(g, text);
        return;
    }
    if (from != NULL)
        (void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(from + 3, "\""), from + 3);
    if (strncmp(message, "[\"REQ\"", 6) == 0)
        (void)snprintf(text, sizeof(text), "[\"EOSE\",\"%s\"]", id);
    else if (strncmp(message, "[\"COUNT\"", 8) == 0)
        (void)snprintf(text, sizeof(text), "[\"COUNT\",\"%s\",{\"count\":7}]", id);
    else if (strncmp(message, "[\"NEG-OPEN\"", 11) == 0)
        (void)snprintf(text, sizeof(text), "[\"NEG-ERR\",\"%s\",\"blocked: no\"]", id);
    else
        return;
    say(g, text);
}

static bool upgrade(struct guest *g, const char *head)
{
    char accept[WS_ACCEPT_CHARS + 1], nonce[WS_KEY_CHARS + 1], text[256];
    const char *at = strcasestr(head, "\r\nSec-WebSocket-Key: ");

    if (at == NULL)
        return false;
    (void)snprintf(nonce, sizeof(nonce), "%s", at + strlen("\r\nSec-WebSocket-Key: "));
    ws_accept_text(nonce, accept);
    (void)snprintf(
        text, sizeof(text),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n\r\n",
        accept);
    return guest_write(g, text, strlen(text));
}

static void relay(struct guest *g, void *arg)
{
    static const char document[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nServer: x\r\n\r\n{\"name\":\"x\"}";
    const enum mood *mood = arg;
    char head[4096], message[MESSAGE_MAX + 1];
    size_t n;

    if (!guest_read_head(g, head, sizeof(head)))
        return;
    if (!upgrade(g, head)) {
        (void)guest_write(g, document, strlen(document));
        guest_wait_end(g);
        return;
    }
    while (guest_read_frame(g, message, MESSAGE_MAX, &n) == TEXT_FRAME) {
        message[n] = '\0';
        if (*mood == MOOD_GOOD)
            answer(g, message);
    }
}

/* -- the owner -- */

struct world {
    struct rig rig;
    struct listener *listener;
    struct relay_url url;
    struct signer *signer;
    struct probe *probe; /* NULL: closed */
    enum mood mood;
    bool close_inside, http_last;
    int done;
    struct probe_report report; /* what it points to is gone with the probe */
    char name[16];

    struct session *session;
    int ready, ended;
};

static void on_done(void *owner, const struct probe_report *report)
{
    struct world *w = owner;

    w->done++;
    w->report = *report;
    (void)snprintf(w->name, sizeof(w->name), "%s",
                   report->nip11 != NULL && report->nip11->name != NULL ? report->nip11->name : "");
    if (w->close_inside) {
        probe_close(w->probe);
        w->probe = NULL;
    }
}

static void on_dialled(void *owner, int fd)
{
    struct world *w = owner;

    w->ready = 1;
    w->ended = fd;
}

static void on_not_dialled(void *owner, const struct err *err)
{
    (void)owner;
    fail_msg("%s", err->detail);
}

/* `address_max`: connections that the relay's address may have; 0: as many as are wanted. */
static void begin_limited(struct world *w, uint32_t address_max)
{
    char text[64];
    struct err err;

    memset(w, 0, sizeof(*w));
    rig_init(&w->rig);
    w->rig.options.address_connections_max = address_max;
    rig_start(&w->rig);
    w->listener = listener_open("127.0.0.1", 0, NULL, relay, &w->mood);
    assert_non_null(w->listener);
    (void)snprintf(text, sizeof(text), "ws://127.0.0.1:%u", listener_port(w->listener));
    assert_int_equal(url_parse(str_z(text), &url_any_address, &w->url), URL_OK);
    w->signer = signer_new(key, &err);
    assert_non_null(w->signer);
}

static void begin(struct world *w)
{
    begin_limited(w, 0);
}

static void finish(struct world *w)
{
    if (w->probe != NULL)
        probe_close(w->probe);
    if (w->session != NULL)
        session_close(w->session);
    while (net_connections(w->rig.net) > 0)
        (void)uv_run(&w->rig.loop, UV_RUN_ONCE);
    listener_close(w->listener);
    rig_finish(&w->rig);
    signer_free(w->signer);
}

static void open_probe(struct world *w, uint32_t timeout_ms)
{
    const struct probe_options options = {.parts = PROBE_ALL,
                                          .timeout_ms = timeout_ms,
                                          .signer = w->signer,
                                          .session = w->session,
                                          .http_last = w->http_last,
                                          .page = 10};

    w->probe = probe_open(w->rig.net, &w->url, &options, on_done, w);
    assert_int_equal(w->done, 0);
}

static void test_whole(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    open_probe(&w, 8000);
    rig_run_until(&w.rig, &w.done);
    assert_int_equal(w.report.error, ERR_NONE);
    assert_int_equal(w.report.openable, PROBE_YES);
    assert_int_equal(w.report.readable, PROBE_YES);
    assert_int_equal(w.report.writable, PROBE_YES);
    assert_true(w.report.rtt_open_us >= 0 && w.report.rtt_read_us >= 0 &&
                w.report.rtt_write_us >= 0 && w.report.rtt_nip11_us >= 0);
    assert_string_equal(w.name, "x");
    assert_string_equal(w.report.http_server, "x");
    assert_true((w.report.caps_known & w.report.caps & CAP_NIP45) != 0);
    assert_true((w.report.caps_known & ~w.report.caps & CAP_NIP77) != 0);
    assert_int_equal(listener_accepted(w.listener), 2);
    finish(&w);
    assert_int_equal(w.done, 1);
}

/* After k turns of the loop, for every k until it ends by itself. */
static void test_closed_in_every_turn(void **state)
{
    bool ended = false;

    (void)state;
    for (int turns = 0; !ended && turns < PAST_THE_END; turns++) {
        struct world w;

        begin(&w);
        open_probe(&w, 8000);
        for (int i = 0; i < turns && w.done == 0; i++)
            (void)uv_run(&w.rig.loop, UV_RUN_ONCE);
        ended = w.done > 0;
        probe_close(w.probe);
        w.probe = NULL;
        finish(&w);
        assert_int_equal(w.done, ended ? 1 : 0);
    }
}

/* A host, or an address, that has one connection: the document comes after the WebSocket. */
static void test_one_after_the_other(void **state)
{
    (void)state;
    for (int of_address = 0; of_address < 2; of_address++) {
        struct world w;
        uint32_t most = 0;

        begin_limited(&w, of_address ? 1 : 0);
        w.http_last = !of_address;
        open_probe(&w, 8000);
        while (w.done == 0) {
            (void)uv_run(&w.rig.loop, UV_RUN_ONCE);
            most = net_connections(w.rig.net) > most ? net_connections(w.rig.net) : most;
        }
        assert_int_equal(most, 1);
        assert_int_equal(w.report.error, ERR_NONE);
        assert_int_equal(w.report.writable, PROBE_YES);
        assert_int_equal(w.report.nip11_error, ERR_NONE);
        assert_string_equal(w.name, "x");
        assert_int_equal(listener_accepted(w.listener), 2);
        finish(&w);
    }
}

/* Somebody else has the place: nothing was learnt, and it is known when to come back. */
static void test_no_place(void **state)
{
    struct world w;
    struct dial *dial;
    static const struct dial_ops ops = {on_dialled, on_not_dialled};

    (void)state;
    begin_limited(&w, 1);
    dial = dial_open(
        w.rig.net,
        &(struct dial_target){.network = NETWORK_CLEARNET, .host = "127.0.0.1", .port = w.url.port},
        &ops, &w);
    rig_run_until(&w.rig, &w.ready);
    open_probe(&w, 8000);
    rig_run_until(&w.rig, &w.done);
    assert_int_equal(w.report.error, ERR_ADDRESS_BUSY);
    assert_int_equal(w.report.openable, PROBE_UNTESTED);
    assert_true(w.report.wait_ms > 0);
    assert_true(net_dial_wait(w.rig.net, "127.0.0.1") > 0); /* known before it is dialled */
    assert_true(net_address_crowded(w.rig.net, "127.0.0.1"));
    (void)close(w.ended); /* the socket: the dial keeps only its place */
    dial_close(dial);
    finish(&w);
}

static void test_closed_while_it_waits(void **state)
{
    (void)state;
    for (int turns = 0; turns < PAST_THE_END; turns++) {
        struct world w;

        begin_limited(&w, 1);
        open_probe(&w, 8000);
        for (int i = 0; i < turns && w.done == 0; i++)
            (void)uv_run(&w.rig.loop, UV_RUN_ONCE);
        bool ended = w.done > 0;
        probe_close(w.probe);
        w.probe = NULL;
        finish(&w);
        assert_int_equal(w.done, ended ? 1 : 0);
        if (ended)
            return;
    }
}

static void test_closed_inside_its_end(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    w.close_inside = true;
    open_probe(&w, 8000);
    rig_run_until(&w.rig, &w.done);
    finish(&w);
    assert_int_equal(w.done, 1);
}

static void test_the_deadline(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    w.mood = MOOD_MUTE;
    open_probe(&w, 300);
    rig_run_until(&w.rig, &w.done);
    assert_int_equal(w.report.openable, PROBE_YES);
    assert_int_equal(w.report.readable, PROBE_NO);
    assert_int_equal(w.report.error, ERR_IDLE);
    assert_int_equal(w.report.writable, PROBE_UNTESTED);
    finish(&w);
}

/* -- through another's session -- */

static void on_ready(void *owner, const struct wsconn_report *report)
{
    struct world *w = owner;

    (void)report;
    w->ready = 1;
}

static void on_closed(void *owner, const struct err *err)
{
    struct world *w = owner;

    (void)err;
    w->ended = 1;
}

static void open_session(struct world *w)
{
    static const struct session_ops ops = {.on_ready = on_ready, .on_closed = on_closed};
    const struct wsconn_target target = {
        .host = w->url.host, .port = w->url.port, .path = w->url.path};
    const struct session_options options = {.url = w->url.text, .subscriptions_max = 2};

    w->session = session_open(w->rig.net, &target, &options, &ops, w);
    rig_run_until(&w->rig, &w->ready);
}

static void test_through_a_session(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    open_session(&w);
    open_probe(&w, 8000);
    rig_run_until(&w.rig, &w.done);
    assert_true(w.report.through_session);
    assert_int_equal(w.report.openable, PROBE_UNTESTED);
    assert_int_equal(w.report.readable, PROBE_YES);
    assert_int_equal(w.report.writable, PROBE_YES);
    assert_int_equal(w.report.caps_known & CAP_NIP45, 0);
    assert_string_equal(w.report.address, "127.0.0.1");
    assert_int_equal(listener_accepted(w.listener), 2); /* the session, and the document */
    assert_int_equal(w.ended, 0);
    finish(&w);
}

/* Its owner closes it under the probe: what was not answered is untested, and nobody is blamed. */
static void test_the_session_goes(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    w.mood = MOOD_MUTE;
    open_session(&w);
    open_probe(&w, 8000);
    (void)uv_run(&w.rig.loop, UV_RUN_ONCE);
    session_close(w.session);
    w.session = NULL;
    assert_int_equal(w.done, 0); /* not from inside session_close() */
    rig_run_until(&w.rig, &w.done);
    assert_int_equal(w.report.readable, PROBE_UNTESTED);
    assert_int_equal(w.report.error, ERR_NONE);
    assert_string_equal(w.name, "x");
    finish(&w);
}

static void test_the_probe_goes_before_its_session(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    w.mood = MOOD_MUTE;
    open_session(&w);
    open_probe(&w, 8000);
    (void)uv_run(&w.rig.loop, UV_RUN_ONCE);
    probe_close(w.probe);
    w.probe = NULL;
    (void)uv_run(&w.rig.loop, UV_RUN_NOWAIT);
    session_close(w.session);
    w.session = NULL;
    finish(&w);
    assert_int_equal(w.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_closed_in_every_turn),
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_no_place),
        cmocka_unit_test(test_closed_while_it_waits),
        cmocka_unit_test(test_closed_inside_its_end),
        cmocka_unit_test(test_the_deadline),
        cmocka_unit_test(test_through_a_session),
        cmocka_unit_test(test_the_session_goes),
        cmocka_unit_test(test_the_probe_goes_before_its_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
