/* A WebSocket after its upgrade, or (first byte odd) the answer to the upgrade itself.  The bytes
 * are fed whole, and again in pieces: the owner must be told the same.  Memory that was reserved is
 * given back, text is UTF-8 and within its limit. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "net/ws.h"
#include "net/ws_accept.h"

enum { MESSAGE_MAX = 5000 };

struct told {
    struct ws *ws;
    uint64_t hash; /* FNV-1a over everything that the owner was told */
    size_t reserved;
    bool free_in_text;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void add(struct told *t, const void *p, size_t n)
{
    const uint8_t *bytes = p;

    for (size_t i = 0; i < n; i++)
        t->hash = (t->hash ^ bytes[i]) * 1099511628211U;
}

/* Another way to judge UTF-8 than wslay's table. */
static bool is_utf8(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        const uint8_t *p = (const uint8_t *)s.p + i;
        size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
        uint32_t c = n == 1 ? *p : *p & (0x7fU >> n);

        if (n == 0 || n > s.n - i)
            return false;
        for (size_t k = 1; k < n; k++) {
            if (p[k] >> 6 != 2)
                return false;
            c = c << 6 | (p[k] & 0x3f);
        }
        if ((n == 2 && c < 0x80) || (n == 3 && c < 0x800) || (n == 4 && c < 0x10000) ||
            c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
            return false;
        i += n;
    }
    return true;
}

static void on_open(void *owner)
{
    add(owner, "open", 4);
}

static void on_text(void *owner, struct str text)
{
    struct told *t = owner;

    must(text.n <= MESSAGE_MAX && is_utf8(text));
    add(t, &text.n, sizeof(text.n));
    add(t, text.p, text.n);
    if (t->free_in_text) {
        ws_free(t->ws);
        t->ws = NULL;
    }
}

static void on_pong(void *owner, bool ours)
{
    add(owner, ours ? "pong" : "stray", 4);
}

static void on_close(void *owner, uint16_t code, struct str reason)
{
    must(is_utf8(reason));
    add(owner, &code, sizeof(code));
    add(owner, reason.p, reason.n);
}

static bool reserve(void *owner, size_t bytes)
{
    struct told *t = owner;

    t->reserved += bytes;
    must(t->reserved <= 2 * MESSAGE_MAX);
    return true;
}

static void release(void *owner, size_t bytes)
{
    struct told *t = owner;

    must(bytes <= t->reserved);
    t->reserved -= bytes;
}

static void feed(struct told *t, const void *p, size_t n)
{
    struct err err = {0};
    char some[64];
    char *copy = malloc(n + 1);

    memcpy(copy, p, n);
    int r = ws_feed(t->ws, (struct str){copy, n}, 1, &err);
    free(copy);
    if (t->ws == NULL)
        return;
    must((r == 0) == (err.code == ERR_NONE));
    if (r != 0)
        add(t, &err, sizeof(err.code));
    while (ws_drain(t->ws, some, sizeof(some)) > 0) {
    }
}

static uint64_t run(const uint8_t *data, size_t size, size_t piece, bool upgraded,
                    bool free_in_text)
{
    static const struct ws_ops ops = {on_open, on_text, on_pong, on_close, reserve, release};
    const struct ws_options options = {true, "a.test", 443, "/", "x", MESSAGE_MAX};
    struct told t = {.hash = 14695981039346656037U, .free_in_text = free_in_text};
    struct err err;
    char request[1000], accept[WS_ACCEPT_CHARS + 1], answer[300];

    t.ws = ws_new(&options, &ops, &t, &err);
    size_t n = ws_drain(t.ws, request, sizeof(request) - 1);
    request[n] = '\0';
    if (upgraded) {
        char key[WS_KEY_CHARS + 1];

        snprintf(key, sizeof(key), "%.24s", strstr(request, "Key: ") + 5);
        ws_accept_text(key, accept);
        snprintf(answer, sizeof(answer),
                 "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
        feed(&t, answer, strlen(answer));
        must(ws_state(t.ws) == WS_OPEN);
    }
    for (size_t at = 0; at < size && t.ws != NULL && ws_state(t.ws) != WS_CLOSED; at += piece)
        feed(&t, data + at, size - at < piece ? size - at : piece);
    if (t.ws != NULL)
        ws_feed_eof(t.ws, &err);
    ws_free(t.ws);
    must(t.reserved == 0);
    return t.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool upgraded = data[0] % 2 == 0, free_in_text = data[0] % 16 == 2;
    size_t piece = 1 + data[0] / 16U;

    must(run(data + 1, size - 1, size, upgraded, free_in_text) ==
         run(data + 1, size - 1, piece, upgraded, free_in_text));
    return 0;
}
