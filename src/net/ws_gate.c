/* Heads of WebSocket frames.  See ws_gate.h. */
#include "net/ws_gate.h"

#include <inttypes.h>
#include <string.h>

#include "net/ws.h"

bool ws_gate_is_control(const struct ws_gate *g)
{
    return (g->opcode & 8) != 0;
}

static size_t head_size(uint8_t second)
{
    uint8_t length = second & 0x7f;

    return length < 126 ? 2 : length == 126 ? 4 : WS_HEAD_MAX;
}

/* What the first two bytes already tell. */
static int check_bits(const struct ws_gate *g, struct err *err)
{
    uint8_t length = g->bytes[1] & 0x7f;

    if ((g->bytes[0] & 0x70) != 0)
        return err_set(err, ERR_WS_PROTOCOL, "a reserved bit is set, no extension was agreed");
    if ((g->opcode > WS_BINARY && g->opcode < WS_CLOSE) || g->opcode > WS_PONG)
        return err_set(err, ERR_WS_PROTOCOL, "reserved opcode %u", (unsigned)g->opcode);
    if ((g->bytes[1] & 0x80) != 0)
        return err_set(err, ERR_WS_PROTOCOL, "a masked frame from a server");
    if (ws_gate_is_control(g) && (!g->fin || length > 125))
        return err_set(err, ERR_WS_PROTOCOL, "a control frame that is fragmented or too long");
    if (g->opcode == WS_CLOSE && length == 1)
        return err_set(err, ERR_WS_PROTOCOL, "a close frame with half a code");
    return 0;
}

static int read_length(struct ws_gate *g, struct err *err)
{
    g->left = g->bytes[1] & 0x7f;
    if (g->head == 2)
        return 0;
    g->left = 0;
    for (size_t i = 2; i < g->head; i++)
        g->left = g->left << 8 | g->bytes[i];
    if (g->left < (g->head == 4 ? 126U : 65536U) || g->left >> 63 != 0)
        return err_set(err, ERR_WS_PROTOCOL, "a length that is not in its shortest form");
    return 0;
}

/* A data frame begins: does it fit the message, and is it within the limits? */
static int begin_data_frame(struct ws_gate *g, struct err *err)
{
    if (g->message_open != (g->opcode == WS_CONTINUATION))
        return err_set(err, ERR_WS_PROTOCOL, "%s",
                       g->message_open ? "a new message inside of a fragmented one"
                                       : "a continuation of no message");
    if (!g->message_open) {
        g->message_open = true;
        g->message_text = g->opcode == WS_TEXT;
    }
    if (++g->frames > WS_FRAMES_MAX)
        return err_set(err, ERR_MESSAGE_TOO_LARGE, "more than %d frames", WS_FRAMES_MAX);
    if (g->left > g->message_max - g->announced)
        return err_set(err, ERR_MESSAGE_TOO_LARGE,
                       "%" PRIu64 " bytes or more, %" PRIu64 " are allowed", g->announced + g->left,
                       g->message_max);
    g->announced += g->left;
    return 0;
}

/* 1012 to 1014 are registered since RFC 6455 and used ("service restart"); wslay knows them not and
 * is shown 1001. */
static void hide_close_code(struct ws_gate *g)
{
    unsigned code = g->have >= 4 ? (unsigned)g->bytes[2] << 8 | g->bytes[3] : 0;

    if (g->opcode != WS_CLOSE || code < 1012 || code > 1014)
        return;
    g->real_close_code = (uint16_t)code;
    g->bytes[2] = 1001 >> 8;
    g->bytes[3] = 1001 & 0xff;
}

/* Takes bytes until the gate holds `until`; does it now? */
static bool take(struct ws_gate *g, struct str *bytes, size_t until)
{
    size_t n = until - g->have < bytes->n ? until - g->have : bytes->n;

    if (n > 0)
        memcpy(g->bytes + g->have, bytes->p, n);
    g->have += n;
    bytes->p += n;
    bytes->n -= n;
    return g->have == until;
}

/* 1 when the head is complete and allowed, 0 when more bytes must come, -1 on a broken rule. */
static int read_head(struct ws_gate *g, struct str *bytes, struct err *err)
{
    if (g->head == 0) {
        if (!take(g, bytes, 2))
            return 0;
        g->fin = g->bytes[0] >> 7;
        g->opcode = g->bytes[0] & 0x0f;
        g->head = head_size(g->bytes[1]);
        if (check_bits(g, err) != 0)
            return -1;
    }
    if (!take(g, bytes, g->head))
        return 0;
    g->begun = true;
    if (read_length(g, err) != 0 || (!ws_gate_is_control(g) && begin_data_frame(g, err) != 0))
        return -1;
    return 1;
}

int ws_gate_run(struct ws_gate *g, struct str *bytes, struct str *piece, struct err *err)
{
    if (!g->begun) {
        int r = read_head(g, bytes, err);

        if (r <= 0)
            return r;
        if (!ws_gate_is_control(g)) {
            *piece = (struct str){(const char *)g->bytes, g->head};
            return 1;
        }
    }
    if (ws_gate_is_control(g)) {
        if (!take(g, bytes, g->head + (size_t)g->left))
            return 0;
        g->left = 0;
        hide_close_code(g);
        *piece = (struct str){(const char *)g->bytes, g->have};
        return 1;
    }
    *piece = (struct str){bytes->p, g->left < bytes->n ? (size_t)g->left : bytes->n};
    bytes->p += piece->n;
    bytes->n -= piece->n;
    g->left -= piece->n;
    return 1;
}

void ws_gate_used(struct ws_gate *g)
{
    if (g->left > 0)
        return;
    if (!ws_gate_is_control(g) && g->fin) {
        g->message_open = g->message_text = false;
        g->frames = 0;
        g->announced = 0;
    }
    g->have = g->head = 0;
    g->begun = false;
}
