/* See ws_peer.h. */
#include "ws_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/str.h"
#include "net/ws_accept.h"

/* ---- records --------------------------------------------------------------- */

static void record(char *to, const char *what, struct str payload)
{
    size_t at = strlen(to), same = 0;

    at += (size_t)snprintf(to + at, PEER_TEXT_MAX - at, "%s%s", at > 0 ? " " : "", what);
    while (same < payload.n && payload.p[same] == '*')
        same++;
    if (payload.n > 0 && same == payload.n)
        snprintf(to + at, PEER_TEXT_MAX - at, "=*%zu", same);
    else if (payload.n > 0 && at + payload.n + 2 < PEER_TEXT_MAX)
        snprintf(to + at, PEER_TEXT_MAX - at, "=" STR_FMT, STR_ARG(payload));
}

/* ---- the owner's callbacks --------------------------------------------------- */

static void drop(struct ws_peer *p)
{
    ws_free(p->ws);
    p->ws = NULL;
}

static void on_open(void *owner)
{
    struct ws_peer *p = owner;

    record(p->told, "open", STR(""));
    if (p->free_in_open)
        drop(p);
}

static void on_text(void *owner, struct str text)
{
    struct ws_peer *p = owner;

    record(p->told, "t", text);
    if (p->text_in_text)
        assert_int_equal(ws_text(p->ws, STR("answer"), &p->err), 0);
    if (p->close_in_text)
        ws_close(p->ws, 1000);
    if (p->free_in_text)
        drop(p);
}

static void on_pong(void *owner, bool ours)
{
    struct ws_peer *p = owner;

    record(p->told, ours ? "O!" : "O", STR(""));
}

static void on_close(void *owner, uint16_t code, struct str reason)
{
    struct ws_peer *p = owner;
    char what[16];

    snprintf(what, sizeof(what), "X!%u", (unsigned)code);
    record(p->told, what, reason);
}

static bool reserve(void *owner, size_t bytes)
{
    struct ws_peer *p = owner;

    if (bytes > p->reserve_max - p->reserved)
        return false;
    p->reserved += bytes;
    if (p->reserved > p->reserved_peak)
        p->reserved_peak = p->reserved;
    return true;
}

static void release(void *owner, size_t bytes)
{
    struct ws_peer *p = owner;

    assert_true(bytes <= p->reserved);
    p->reserved -= bytes;
}

/* ---- life ---------------------------------------------------------------------- */

void peer_open(struct ws_peer *p, uint32_t message_bytes_max)
{
    static const struct ws_ops ops = {on_open, on_text, on_pong, on_close, reserve, release};
    const struct ws_options options = {true,        "relay.test", 443,
                                       "/path?x=1", "test/1",     message_bytes_max};
    char accept[WS_ACCEPT_CHARS + 1];

    *p = (struct ws_peer){.reserve_max = SIZE_MAX};
    p->ws = ws_new(&options, &ops, p, &p->err);
    assert_non_null(p->ws);
    peer_drain(p);
    char *key = strstr(p->out, "Sec-WebSocket-Key: ");
    assert_non_null(key);
    snprintf(p->key, sizeof(p->key), "%.24s", key + 19);
    p->out_at = p->out_n;
    ws_accept_text(p->key, accept);
    snprintf(p->answer, sizeof(p->answer),
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
             accept);
}

void peer_upgrade(struct ws_peer *p)
{
    assert_int_equal(peer_feed(p, p->answer, strlen(p->answer), SIZE_MAX), 0);
    assert_string_equal(p->told, "open");
    p->told[0] = '\0';
}

void peer_close(struct ws_peer *p)
{
    ws_free(p->ws);
    free(p->out);
    assert_int_equal(p->reserved, 0);
}

/* ---- what the client sends ------------------------------------------------------- */

static const char *letter(unsigned opcode)
{
    return opcode == 0   ? "c"
           : opcode == 1 ? "t"
           : opcode == 2 ? "b"
           : opcode == 8 ? "x"
           : opcode == 9 ? "p"
                         : "o";
}

/* One frame of the client into the record; false when it is not complete. */
static bool read_frame(struct ws_peer *p)
{
    const unsigned char *f = (const unsigned char *)p->out + p->out_at;
    size_t have = p->out_n - p->out_at, head, n;

    if (have < 2)
        return false;
    n = f[1] & 0x7f;
    head = n == 126 ? 4 : n == 127 ? 10 : 2;
    if (have < head)
        return false;
    assert_true((f[1] & 0x80) != 0); /* RFC 6455 5.3: a client masks */
    assert_true((f[0] & 0xf0) == 0x80);
    if (head > 2)
        n = 0;
    for (size_t i = 2; i < head; i++)
        n = n << 8 | f[i];
    if (have < head + 4 + n)
        return false;
    char *payload = malloc(n + 1), what[16];
    for (size_t i = 0; i < n; i++)
        payload[i] = (char)(f[head + 4 + i] ^ f[head + i % 4]);
    snprintf(what, sizeof(what), "%s", letter(f[0] & 0x0f));
    if ((f[0] & 0x0f) == 8 && n >= 2) {
        snprintf(what, sizeof(what), "x!%u",
                 (unsigned)((unsigned char)payload[0] << 8 | (unsigned char)payload[1]));
        record(p->sent, what, (struct str){payload + 2, n - 2});
    } else {
        record(p->sent, what, (struct str){payload, n});
    }
    free(payload);
    p->out_at += head + 4 + n;
    return true;
}

void peer_drain(struct ws_peer *p)
{
    char some[1000];
    size_t n;

    while (p->ws != NULL && (n = ws_drain(p->ws, some, sizeof(some))) > 0) {
        p->out = realloc(p->out, p->out_n + n + 1);
        memcpy(p->out + p->out_n, some, n);
        p->out_n += n;
        p->out[p->out_n] = '\0';
    }
    if (p->ws != NULL)
        assert_int_equal(ws_pending(p->ws), 0);
    if (p->key[0] != '\0') {
        while (read_frame(p)) {
        }
    }
}

/* ---- what the server sends ---------------------------------------------------------- */

int peer_feed(struct ws_peer *p, const void *bytes, size_t n, size_t chunk)
{
    int r = 0;

    for (size_t at = 0; at < n && p->ws != NULL && r == 0; at += chunk) {
        size_t now = n - at < chunk ? n - at : chunk;
        char *copy = malloc(now); /* of its own, so that a sanitizer sees a read behind the end */

        memcpy(copy, (const char *)bytes + at, now);
        r = ws_feed(p->ws, (struct str){copy, now}, p->now_ms, &p->err);
        free(copy);
        peer_drain(p);
        if (chunk >= n)
            break;
    }
    if (r != 0) {
        char what[64];

        snprintf(what, sizeof(what), "E:%s", err_name(p->err.code));
        record(p->told, what, STR(""));
    }
    return r;
}

static unsigned opcode_of(const char **s)
{
    switch (*(*s)++) {
    case 'c':
        return 0;
    case 't':
        return 1;
    case 'b':
        return 2;
    case 'x':
        return 8;
    case 'p':
        return 9;
    case 'o':
        return 10;
    case 'r':
        return (unsigned)strtoul((char[]){*(*s)++, '\0'}, NULL, 16);
    default:
        fail_msg("unknown opcode in a script");
        return 0;
    }
}

/* Reads a payload; `to` is large enough for any. */
static size_t payload_of(const char **s, char *to)
{
    const char *end = *s + strcspn(*s, " ");
    size_t n = 0;

    if (**s == '!') {
        unsigned code = (unsigned)strtoul(*s + 1, NULL, 10);
        to[0] = (char)(code >> 8);
        to[1] = (char)code;
        n = 2;
    } else if (**s == '=' && (*s)[1] == '*') {
        n = strtoul(*s + 2, NULL, 10);
        memset(to, '*', n);
    } else if (**s == '=' && (*s)[1] == '#') {
        for (const char *p = *s + 2; p < end; p += 2)
            to[n++] = (char)strtoul((char[]){p[0], p[1], '\0'}, NULL, 16);
    } else if (**s == '=') {
        n = (size_t)(end - *s) - 1;
        memcpy(to, *s + 1, n);
    }
    *s = end;
    return n;
}

static size_t put_head(unsigned char *f, size_t n)
{
    size_t bytes = n < 126 ? 0 : n < 65536 ? 2 : 8;

    f[1] |= (unsigned char)(bytes == 0 ? n : bytes == 2 ? 126 : 127);
    for (size_t i = 0; i < bytes; i++)
        f[2 + i] = (unsigned char)(n >> 8 * (bytes - 1 - i));
    return 2 + bytes;
}

/* More than the frames of a script can need. */
static size_t script_bytes_max(const char *s)
{
    size_t max = 64 + 16 * strlen(s);

    for (const char *p = strchr(s, '*'); p != NULL; p = strchr(p + 1, '*'))
        max += strtoul(p + 1, NULL, 10);
    return max;
}

char *script_bytes(const char *s, size_t *n)
{
    size_t max = script_bytes_max(s);
    char *bytes = malloc(max), *payload = malloc(max);
    size_t at = 0;

    while (*s != '\0') {
        unsigned char *f = (unsigned char *)bytes + at;

        f[0] = (unsigned char)(0x80 | opcode_of(&s));
        f[1] = 0;
        for (; *s == '-' || *s == '1' || *s == '2' || *s == '4' || *s == 'm'; s++) {
            if (*s == '-')
                f[0] &= 0x7f;
            else if (*s == 'm')
                f[1] = 0x80;
            else
                f[0] |= (unsigned char)((*s - '0') << 4);
        }
        size_t bytes_n = payload_of(&s, payload), head = put_head(f, bytes_n);
        if (f[1] & 0x80) { /* with a mask of zeros */
            memset(f + head, 0, 4);
            head += 4;
        }
        memcpy(f + head, payload, bytes_n);
        at += head + bytes_n;
        assert_true(at < max);
        while (*s == ' ')
            s++;
    }
    free(payload);
    *n = at;
    return bytes;
}

void peer_script(struct ws_peer *p, const char *script, size_t chunk)
{
    size_t n;
    char *bytes = script_bytes(script, &n);

    (void)peer_feed(p, bytes, n, chunk);
    free(bytes);
}
