/* ws: the upgrade, the limits, sending, and an owner who does as he likes inside a callback.  The
 * framing itself is tested by test_ws_cases.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/ws.h"
#include "net/ws_accept.h"
#include "ws_peer.h"

/* ---- the upgrade ------------------------------------------------------------- */

static void test_accept_key(void **state)
{
    char text[WS_ACCEPT_CHARS + 1];

    (void)state;
    ws_accept_text("dGhlIHNhbXBsZSBub25jZQ==", text); /* RFC 6455 1.3 */
    assert_string_equal(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    ws_key_text((const uint8_t *)"the sample nonce", text);
    assert_string_equal(text, "dGhlIHNhbXBsZSBub25jZQ==");
}

static void expect_request(const struct ws_options *o, const char *start)
{
    struct err err;
    struct ws *ws = ws_new(o, &(struct ws_ops){0}, NULL, &err);
    char request[2000];

    assert_non_null(ws);
    size_t whole = ws_pending(ws);
    assert_int_equal(ws_drain(ws, request, 7), 7);
    assert_int_equal(ws_pending(ws), whole - 7);
    size_t n = 7 + ws_drain(ws, request + 7, sizeof(request) - 8);
    request[n] = '\0';
    assert_int_equal(ws_pending(ws), 0);
    if (strncmp(request, start, strlen(start)) != 0)
        fail_msg("%s", request);
    assert_non_null(
        strstr(request, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "));
    assert_non_null(strstr(request, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr(request, "\r\nUser-Agent: test/1\r\n"));
    assert_null(strcasestr(request, "origin"));
    assert_null(strcasestr(request, "extension"));
    assert_string_equal(request + n - 4, "\r\n\r\n");
    ws_free(ws);
}

static void test_request(void **state)
{
    static const char *const bad_hosts[] = {"", "a b", "a\r\nX: y", "a/b", "user@a", "a\x80"};
    static const char *const bad_paths[] = {"x", "/a b", "/\r\n", "/\x7f", "/\xc3\xa9"};
    struct err err;

    (void)state;
    expect_request(&(struct ws_options){true, "relay.test", 443, "", "test/1", 1000},
                   "GET / HTTP/1.1\r\nHost: relay.test\r\n");
    expect_request(&(struct ws_options){false, "relay.test", 80, "/", "test/1", 1000},
                   "GET / HTTP/1.1\r\nHost: relay.test\r\n");
    expect_request(&(struct ws_options){false, "relay.test", 443, "/a?b=c", "test/1", 1000},
                   "GET /a?b=c HTTP/1.1\r\nHost: relay.test:443\r\n");
    expect_request(&(struct ws_options){true, "2001:db8::1", 8443, "/", "test/1", 1000},
                   "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n");
    for (size_t i = 0; i < sizeof(bad_hosts) / sizeof(bad_hosts[0]); i++) {
        assert_null(ws_new(&(struct ws_options){true, bad_hosts[i], 443, "/", "test/1", 1000},
                           &(struct ws_ops){0}, NULL, &err));
        assert_int_equal(err.code, ERR_URL);
    }
    for (size_t i = 0; i < sizeof(bad_paths) / sizeof(bad_paths[0]); i++) {
        assert_null(ws_new(&(struct ws_options){true, "a", 443, bad_paths[i], "test/1", 1000},
                           &(struct ws_ops){0}, NULL, &err));
        assert_int_equal(err.code, ERR_URL);
    }
    assert_null(ws_new(&(struct ws_options){true, "a", 443, "/", "x\r\ny: z", 1000},
                       &(struct ws_ops){0}, NULL, &err));
    assert_int_equal(err.code, ERR_URL);
}

/* %s stands for the right Sec-WebSocket-Accept. */
struct upgrade {
    const char *answer;
    enum err_code code; /* ERR_NONE: accepted */
};

#define UP   "HTTP/1.1 101 Switching Protocols\r\n"
#define WSUP "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACC  "Sec-WebSocket-Accept: %s\r\n"

static const struct upgrade upgrades[] = {
    {UP WSUP ACC "\r\n", ERR_NONE},
    {UP "upgrade: WebSocket\r\nCONNECTION: keep-alive, uPGRADE\r\n" ACC "\r\n", ERR_NONE},
    {"HTTP/1.1 101\r\n" WSUP ACC "\r\n", ERR_NONE},
    {UP WSUP "Sec-WebSocket-Accept:\t %s  \r\n\r\n", ERR_NONE},
    {UP WSUP ACC "Sec-WebSocket-Protocol:\r\nServer: x\r\n\r\n", ERR_NONE},
    {"HTTP/1.1 100 Continue\r\n\r\n" UP WSUP ACC "\r\n", ERR_NONE},
    {"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 103 E\r\nUpgrade: no\r\n\r\n" UP WSUP
         ACC "\r\n",
     ERR_NONE},
    {"HTTP/1.1 200 OK\r\n" WSUP ACC "\r\n", ERR_WS_REFUSED},
    {"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnever", ERR_WS_REFUSED},
    {"HTTP/1.1 301 Moved\r\nLocation: https://a.test/\r\n\r\n", ERR_WS_REFUSED},
    {"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ERR_WS_REFUSED},
    {UP "Connection: Upgrade\r\n" ACC "\r\n", ERR_WS_PROTOCOL},
    {UP "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACC "\r\n", ERR_WS_PROTOCOL},
    {UP "Upgrade: websocket\r\n" ACC "\r\n", ERR_WS_PROTOCOL},
    {UP "Upgrade: websocket\r\nConnection: close\r\n" ACC "\r\n", ERR_WS_PROTOCOL},
    {UP WSUP "\r\n", ERR_WS_PROTOCOL},
    {UP WSUP "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", ERR_WS_PROTOCOL},
    {UP WSUP ACC ACC "\r\n", ERR_WS_PROTOCOL},
    {UP WSUP "Sec-WebSocket-Accept: %sx\r\n\r\n", ERR_WS_PROTOCOL},
    {UP WSUP ACC "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", ERR_WS_PROTOCOL},
    {UP WSUP ACC "Sec-WebSocket-Protocol: nostr\r\n\r\n", ERR_WS_PROTOCOL},
    {UP WSUP ACC "Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: nostr\r\n\r\n",
     ERR_WS_PROTOCOL},
    {UP "Upgrade: websocket\nConnection: Upgrade\r\n" ACC "\r\n", ERR_HTTP_PROTOCOL},
    {UP WSUP " folded\r\n" ACC "\r\n", ERR_HTTP_PROTOCOL},
    {"HTTP/2 101\r\n" WSUP ACC "\r\n", ERR_HTTP_PROTOCOL},
    {"HTTP/1.1 101Switching\r\n" WSUP ACC "\r\n", ERR_HTTP_PROTOCOL},
    {"SSH-2.0-OpenSSH_9.2\r\n\r\n", ERR_HTTP_PROTOCOL},
    {"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 "
     "C\r\n\r\nHTTP/1.1 100 C\r\n\r\n",
     ERR_HTTP_PROTOCOL},
};

static void expect_upgrade(const struct upgrade *u, size_t chunk)
{
    char answer[1024], accept[WS_ACCEPT_CHARS + 1];
    struct ws_peer p;

    peer_open(&p, 1000);
    ws_accept_text(p.key, accept);
    /* The format is one of the table above, with at most two %s. */
    size_t at = 0;
    for (const char *s = u->answer; *s != '\0'; s++) {
        if (s[0] == '%' && s[1] == 's') {
            at += (size_t)snprintf(answer + at, sizeof(answer) - at, "%s", accept);
            s++;
        } else {
            answer[at++] = *s;
        }
    }
    int r = peer_feed(&p, answer, at, chunk);
    if ((r == 0) != (u->code == ERR_NONE) || (r != 0 && p.err.code != u->code))
        fail_msg("%s\n-> %d %s: %s", u->answer, r, err_name(p.err.code), p.err.detail);
    assert_int_equal(ws_state(p.ws), u->code == ERR_NONE ? WS_OPEN : WS_CLOSED);
    if (u->code == ERR_NONE)
        assert_string_equal(p.told, "open");
    assert_string_equal(p.sent, ""); /* there is no close frame before there are frames */
    peer_close(&p);
}

static void test_upgrade(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(upgrades) / sizeof(upgrades[0]); i++) {
        expect_upgrade(&upgrades[i], SIZE_MAX);
        expect_upgrade(&upgrades[i], 1);
    }
}

static void test_refused_tells_why(void **state)
{
    static const char answer[] = "HTTP/1.1 429 Slow\r\nServer: x/1\r\nRetry-After: 30\r\n\r\n";
    struct ws_peer p;

    (void)state;
    peer_open(&p, 1000);
    assert_int_equal(ws_http_status(p.ws), 0);
    assert_int_equal(peer_feed(&p, answer, sizeof(answer) - 1, SIZE_MAX), -1);
    assert_int_equal(ws_http_status(p.ws), 429);
    assert_true(str_eq(ws_http_header(p.ws, "retry-after"), STR("30")));
    assert_true(str_eq(ws_http_header(p.ws, "Server"), STR("x/1")));
    assert_null(ws_http_header(p.ws, "location").p);
    assert_string_equal(p.err.detail, "HTTP status 429");
    /* It stays failed. */
    assert_int_equal(ws_feed(p.ws, STR("more"), 0, &p.err), -1);
    assert_int_equal(p.err.code, ERR_WS_REFUSED);
    peer_close(&p);
}

static void test_end_of_stream(void **state)
{
    struct ws_peer p;

    (void)state;
    peer_open(&p, 1000);
    assert_int_equal(ws_feed_eof(p.ws, &p.err), -1);
    assert_int_equal(p.err.code, ERR_HTTP_PROTOCOL);
    peer_close(&p);

    peer_open(&p, 1000);
    peer_upgrade(&p);
    peer_script(&p, "t-=half", SIZE_MAX);
    assert_int_equal(ws_feed_eof(p.ws, &p.err), -1);
    assert_int_equal(p.err.code, ERR_DISCONNECTED);
    peer_close(&p);

    peer_open(&p, 1000);
    peer_upgrade(&p);
    peer_script(&p, "x!1013", SIZE_MAX);
    assert_int_equal(ws_feed_eof(p.ws, &p.err), -1);
    assert_string_equal(p.err.detail, "closed with code 1013");
    peer_close(&p);
}

/* ---- limits --------------------------------------------------------------------- */

static void expect(uint32_t max, const char *script, const char *told, const char *sent)
{
    static const size_t chunks[] = {SIZE_MAX, 1};

    for (size_t i = 0; i < 2; i++) {
        struct ws_peer p;

        peer_open(&p, max);
        peer_upgrade(&p);
        peer_script(&p, script, chunks[i]);
        assert_string_equal(p.told, told);
        assert_string_equal(p.sent, sent);
        peer_close(&p);
    }
}

static void test_message_size(void **state)
{
    (void)state;
    expect(1000, "t=*1000", "t=*1000", "");
    expect(1000, "t=*1001", "E:message_too_large", "x!1009");
    expect(1000, "t-=*500 c=*500", "t=*1000", "");
    expect(1000, "t-=*500 c-=*500 c=a", "E:message_too_large", "x!1009");
    expect(1000, "t-=*500 c=*501 p=late", "E:message_too_large", "x!1009");
    expect(1000, "b=*1001", "E:message_too_large", "x!1009");
    expect(1000, "t=*1000 t=*1000 t=*1000", "t=*1000 t=*1000 t=*1000", "");
    expect(10, "p=*125", "", "o=*125"); /* control frames are not messages */
}

static void test_announced_lengths(void **state)
{
    static const struct {
        struct str head;
        enum err_code code;
    } heads[] = {
        {{"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10}, ERR_MESSAGE_TOO_LARGE},
        {{"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 10}, ERR_WS_PROTOCOL},
        {{"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 10}, ERR_WS_PROTOCOL}, /* fits in two bytes */
        {{"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10}, ERR_NONE},
        {{"\x81\x7e\x00\x7d", 4}, ERR_WS_PROTOCOL}, /* fits in seven bits */
        {{"\x81\x7e\x00\x7e", 4}, ERR_NONE},
        {{"\x81\x85\x00\x00\x00\x00Hello", 11}, ERR_WS_PROTOCOL}, /* masked */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct ws_peer p;

        peer_open(&p, 1024 * 1024);
        peer_upgrade(&p);
        p.err.code = ERR_NONE;
        assert_int_equal(peer_feed(&p, heads[i].head.p, heads[i].head.n, 1),
                         heads[i].code == ERR_NONE ? 0 : -1);
        assert_int_equal(p.err.code, heads[i].code);
        assert_int_equal(p.reserved_peak, 0); /* nothing is spent on what is only announced */
        peer_close(&p);
    }
}

static void test_frames_of_a_message(void **state)
{
    struct ws_peer p;

    (void)state;
    for (int more = 0; more < 2; more++) {
        peer_open(&p, 1024 * 1024);
        peer_upgrade(&p);
        peer_script(&p, "t-=a", 1);
        for (int i = 2; i < WS_FRAMES_MAX + more; i++)
            peer_script(&p, "c-=*1", 1);
        peer_script(&p, "c=z", 1);
        assert_memory_equal(p.told, more ? "E:message_too_large" : "t=a***", 6);
        peer_close(&p);
    }
}

static void test_memory_is_asked_for(void **state)
{
    struct ws_peer p;

    (void)state;
    peer_open(&p, 1024 * 1024);
    peer_upgrade(&p);
    size_t idle = ws_bytes(p.ws);
    peer_script(&p, "t=small", SIZE_MAX);
    assert_int_equal(p.reserved_peak, 0); /* whole in one piece: no copy */
    peer_script(&p, "t=*100000", 1000);
    assert_true(p.reserved_peak == 100000 &&
                p.reserved == 0); /* no more than the message, in the end */
    peer_script(&p, "t-=*50000", 1000);
    assert_true(p.reserved >= 50000 && p.reserved <= 131072);
    assert_true(ws_bytes(p.ws) == idle + p.reserved);
    peer_close(&p); /* ... and a message cut short gives back */

    peer_open(&p, 1024 * 1024);
    peer_upgrade(&p);
    p.reserve_max = 65536;
    peer_script(&p, "t=*65536", 1000);
    assert_string_equal(p.told, "t=*65536");
    peer_script(&p, "t=*65537 p", 1000);
    assert_string_equal(p.told, "t=*65536 E:nomem");
    assert_string_equal(p.sent, "x!1008");
    peer_close(&p);

    /* Binary messages are dropped, so they cost nothing. */
    peer_open(&p, 1024 * 1024);
    peer_upgrade(&p);
    p.reserve_max = 0;
    peer_script(&p, "b=*100000 b-=a c=b t=text", 1000);
    assert_string_equal(p.told, "t=text");
    assert_int_equal(ws_binary_messages(p.ws), 2);
    assert_int_equal(ws_received_bytes(p.ws), 100000 + 10 + 3 + 3 + 6);
    peer_close(&p);
}

static void test_ping_flood(void **state)
{
    struct ws_peer p;

    (void)state;
    peer_open(&p, 1000);
    peer_upgrade(&p);
    p.now_ms = 1000000;
    for (int i = 0; i < WS_PINGS_BURST; i++)
        peer_script(&p, "p", SIZE_MAX);
    assert_string_equal(p.told, "");
    p.now_ms += 1000; /* the credit of a second */
    for (int i = 0; i < WS_PINGS_A_SECOND; i++)
        peer_script(&p, "p", SIZE_MAX);
    assert_string_equal(p.told, "");
    peer_script(&p, "p t=late", SIZE_MAX);
    assert_string_equal(p.told, "E:flood");
    peer_close(&p);

    /* Ten a second for a long time is allowed. */
    peer_open(&p, 1000);
    peer_upgrade(&p);
    for (int i = 0; i < 2000; i++) {
        p.now_ms = i * 100;
        p.sent[0] = '\0';
        peer_script(&p, "p", SIZE_MAX);
    }
    assert_string_equal(p.told, "");
    peer_close(&p);
}

static void test_unread_pongs_are_bounded(void **state)
{
    struct ws_peer p;
    size_t n;
    char *ping = script_bytes("p=*125", &n);
    int r = 0, pings = 0;

    (void)state;
    peer_open(&p, 1000);
    peer_upgrade(&p);
    while (r == 0 && pings < 10000) /* slowly, and never drained */
        r = ws_feed(p.ws, (struct str){ping, n}, 1000 * pings++, &p.err);
    assert_int_equal(p.err.code, ERR_FLOOD);
    assert_true(ws_pending(p.ws) < WS_PONGS_BYTES_MAX + 1000);
    free(ping);
    peer_close(&p);
}

/* ---- sending ----------------------------------------------------------------------- */

static void test_sending(void **state)
{
    struct ws_peer p;
    char *large = malloc(WS_SEND_MAX);

    (void)state;
    memset(large, '*', WS_SEND_MAX);
    peer_open(&p, 1000);
    assert_int_equal(ws_text(p.ws, STR("early"), &p.err), -1);
    assert_int_equal(p.err.code, ERR_DISCONNECTED);
    ws_ping(p.ws);
    peer_upgrade(&p);
    assert_int_equal(ws_text(p.ws, STR("one"), &p.err), 0);
    assert_int_equal(ws_text(p.ws, STR(""), &p.err), 0);
    ws_ping(p.ws);
    ws_ping(p.ws);
    peer_drain(&p);
    assert_string_equal(p.sent, "p=1 t=one t"); /* control frames go first; one ping at a time */
    ws_ping(p.ws);
    peer_drain(&p);
    assert_string_equal(p.sent, "p=1 t=one t p=2");
    p.told[0] = '\0';
    peer_script(&p, "o o=1 o=22 o=2", SIZE_MAX); /* only the last answers the ping that is out */
    assert_string_equal(p.told, "O O O O!");
    p.told[0] = '\0';

    p.sent[0] = '\0';
    assert_int_equal(ws_text(p.ws, (struct str){large, WS_SEND_MAX - 3}, &p.err), 0);
    assert_int_equal(ws_text(p.ws, STR("four"), &p.err), -1);
    assert_int_equal(p.err.code, ERR_NOMEM);
    assert_int_equal(ws_text(p.ws, STR("333"), &p.err), 0);
    /* What was queued before the close is still sent. */
    ws_close(p.ws, 1000);
    ws_close(p.ws, 1001);
    assert_int_equal(ws_text(p.ws, STR("late"), &p.err), -1);
    peer_drain(&p);
    assert_string_equal(p.sent, "t=*1048573 t=333 x!1000");
    assert_int_equal(ws_state(p.ws), WS_CLOSED);
    peer_script(&p, "t=ignored x!1000", SIZE_MAX);
    assert_string_equal(p.told, "");
    free(large);
    peer_close(&p);
}

static void test_draining_byte_by_byte(void **state)
{
    struct ws_peer p;
    char byte;
    size_t bytes = 0;

    (void)state;
    peer_open(&p, 1000);
    peer_upgrade(&p);
    for (int i = 0; i < 20; i++)
        assert_int_equal(ws_text(p.ws, STR("[\"REQ\",\"s\",{}]"), &p.err), 0);
    ws_close(p.ws, 1001);
    while (ws_pending(p.ws) > 0) {
        assert_int_equal(ws_drain(p.ws, &byte, 1), 1);
        bytes++;
    }
    assert_int_equal(bytes, 20 * (6 + 14) + 8);
    peer_close(&p);
}

static void test_masks_differ(void **state)
{
    struct ws_peer p;
    char a[6], b[6];

    (void)state;
    peer_open(&p, 1000);
    peer_upgrade(&p);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ws_text(p.ws, STR(""), &p.err), 0);
        assert_int_equal(ws_drain(p.ws, i % 2 == 0 ? a : b, 6), 6);
        same += i > 0 && memcmp(a, b, 6) == 0;
    }
    assert_true(same < 2);
    peer_close(&p);
}

/* ---- inside callbacks ------------------------------------------------------------------ */

static void test_free_inside_callbacks(void **state)
{
    struct ws_peer p;

    (void)state;
    for (size_t chunk = 1; chunk < 4; chunk++) {
        peer_open(&p, 1000);
        peer_upgrade(&p);
        p.free_in_text = true;
        peer_script(&p, "t=first t=second p x!1000", chunk == 3 ? SIZE_MAX : chunk);
        assert_string_equal(p.told, "t=first");
        assert_null(p.ws);
        peer_close(&p);
    }
    peer_open(&p, 1000);
    p.free_in_open = true;
    char all[1024];
    int n = snprintf(all, sizeof(all), "%s\x81\x01x", p.answer);
    assert_int_equal(peer_feed(&p, all, (size_t)n, SIZE_MAX), 0);
    assert_string_equal(p.told, "open");
    assert_null(p.ws);
    peer_close(&p);
}

static void test_acting_inside_callbacks(void **state)
{
    struct ws_peer p;

    (void)state;
    peer_open(&p, 1000);
    peer_upgrade(&p);
    p.text_in_text = p.close_in_text = true;
    peer_script(&p, "t=first t=second p x!1000", SIZE_MAX);
    assert_string_equal(p.told, "t=first");
    assert_string_equal(p.sent, "t=answer x!1000");
    peer_close(&p);
}

static void test_close_codes_of_today(void **state)
{
    (void)state;
    expect(1000, "x!1012", "X!1012", "x!1001");
    expect(1000, "x!1013", "X!1013", "x!1001");
    expect(1000, "x=#03f6627965", "X!1014=bye", "x!1001=bye");
    expect(1000, "x!1015", "E:ws_protocol", "x!1002");
    /* Characters of more than one byte in the reason, in pieces. */
    expect(1000, "x=#03e8c3a9c3a9", "X!1000=\xc3\xa9\xc3\xa9", "x!1000=\xc3\xa9\xc3\xa9");
}

static void test_broken_frames_are_named(void **state)
{
    static const struct {
        const char *script, *detail;
    } broken[] = {
        {"t1=Hello", "a reserved bit is set, no extension was agreed"},
        {"tm=Hello", "a masked frame from a server"},
        {"rb", "reserved opcode 11"},
        {"p-=a", "a control frame that is fragmented or too long"},
        {"x=a", "a close frame with half a code"},
        {"c=a", "a continuation of no message"},
        {"t-=a t=b", "a new message inside of a fragmented one"},
        {"t=#ff", "text that is not UTF-8"},
        {"x!1006", "a close frame with an invalid code or reason"},
        {"t=*1001", "1001 bytes or more, 1000 are allowed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct ws_peer p;

        peer_open(&p, 1000);
        peer_upgrade(&p);
        peer_script(&p, broken[i].script, SIZE_MAX);
        assert_string_equal(p.err.detail, broken[i].detail);
        peer_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_key),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_refused_tells_why),
        cmocka_unit_test(test_end_of_stream),
        cmocka_unit_test(test_message_size),
        cmocka_unit_test(test_announced_lengths),
        cmocka_unit_test(test_frames_of_a_message),
        cmocka_unit_test(test_memory_is_asked_for),
        cmocka_unit_test(test_ping_flood),
        cmocka_unit_test(test_unread_pongs_are_bounded),
        cmocka_unit_test(test_sending),
        cmocka_unit_test(test_draining_byte_by_byte),
        cmocka_unit_test(test_masks_differ),
        cmocka_unit_test(test_free_inside_callbacks),
        cmocka_unit_test(test_acting_inside_callbacks),
        cmocka_unit_test(test_close_codes_of_today),
        cmocka_unit_test(test_broken_frames_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
