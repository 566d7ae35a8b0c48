/* The gate before wslay: reads the heads of frames (RFC 6455 5.2), and nothing else of them.
 *
 *     bytes --ws_gate_run--> one piece: a head | a part of a data frame's payload | one whole
 * control frame
 *
 * Why, with wslay 1.1.1: it tells of a frame only with its first payload byte, and allocates what
 * was announced; it misreads UTF-8 in a close frame that comes in pieces; and it closes without a
 * code when a head is wrong.  Behind the gate every head is allowed, every length is within the
 * limits before memory is spent on it, and control frames are whole.
 *
 * Pure: no I/O, no memory of its own. */
#ifndef NET_WS_GATE_H
#define NET_WS_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

enum {
    WS_HEAD_MAX = 10,        /* of a frame that is not masked */
    WS_CONTROL_MAX = 2 + 125 /* a whole control frame */
};

enum ws_opcode { WS_CONTINUATION, WS_TEXT, WS_BINARY, WS_CLOSE = 8, WS_PING, WS_PONG };

struct ws_gate {
    uint64_t message_max; /* bytes; set by the owner */

    /* the frame: its head, byte by byte, then its payload */
    uint8_t bytes[WS_CONTROL_MAX]; /* the head; for a control frame the payload too */
    size_t have, head;             /* bytes held; size of the head, 0 while it is not known */
    uint8_t opcode;
    bool fin;
    bool begun;    /* the head is complete and allowed */
    uint64_t left; /* payload bytes that have not been handed on */

    /* the message that data frames make together */
    bool message_open, message_text;
    uint32_t frames;
    uint64_t announced; /* payload of its frames so far, the current one whole */

    uint16_t real_close_code; /* of a close frame whose code wslay is not shown; else 0 */
};

/* Reads towards the next piece: 1 when *piece is set (a view into the gate or into *bytes), 0 when
 * more bytes must come, -1 with ERR_WS_PROTOCOL or ERR_MESSAGE_TOO_LARGE.  *bytes loses what was
 * read. */
int ws_gate_run(struct ws_gate *g, struct str *bytes, struct str *piece, struct err *err) MUST_USE;

/* The piece has been used.  When it was the end of a frame, and of a message, the next one begins.
 */
void ws_gate_used(struct ws_gate *g);

bool ws_gate_is_control(const struct ws_gate *g);

#endif
