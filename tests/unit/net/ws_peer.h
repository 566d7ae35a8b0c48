/* The server's side of a WebSocket for the tests, in memory: answers the upgrade, writes frames
 * from short scripts, and keeps two records: what the client's owner was told, and which frames the
 * client sent.
 *
 * A script is frames with a space between: OPCODE [FLAGS] [=PAYLOAD]
 *   OPCODE   t text, b binary, c continuation, x close, p ping, o pong, or r and a hexadecimal
 * digit FLAGS    - no FIN;  1 2 4 the reserved bits;  m masked PAYLOAD  plain text;  #68656c6c6f in
 * hexadecimal;  *1000 so many asterisks;  for x: !1000 a code alone The records are written in the
 * same way: "t=Hello" was a text message, "X!1000" a close with that code, "E:WS_PROTOCOL" an
 * error, "O" a pong, "O!" one that answers our ping, "open". */
#ifndef TEST_WS_PEER_H
#define TEST_WS_PEER_H

#include "net/ws.h"

enum { PEER_TEXT_MAX = 8192 };

struct ws_peer {
    struct ws *ws; /* NULL after it was freed */
    char key[32], answer[512];
    char told[PEER_TEXT_MAX], sent[PEER_TEXT_MAX]; /* the records */
    char *out;                                     /* frames of the client, raw */
    size_t out_n, out_at;
    size_t reserved, reserved_peak, reserve_max;
    struct err err;
    int64_t now_ms;
    /* what the owner does from inside a callback */
    bool free_in_open, free_in_text, close_in_text, text_in_text;
};

void peer_open(struct ws_peer *p,
               uint32_t message_bytes_max); /* the request is drained, the answer is ready */
void peer_upgrade(struct ws_peer *p);       /* ... and was given: "open" */
int peer_feed(struct ws_peer *p, const void *bytes, size_t n,
              size_t chunk); /* drains after each chunk */
void peer_script(struct ws_peer *p, const char *script, size_t chunk);
void peer_drain(struct ws_peer *p);
void peer_close(struct ws_peer *p);

/* The bytes of a script, to be freed. */
char *script_bytes(const char *script, size_t *n);

#endif
