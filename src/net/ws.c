/* WebSocket, client side.  See ws.h.
 *
 *     bytes --ws_gate--> one piece of a frame --wslay--> one event --> owner
 *
 * The gate (ws_gate.h) has judged every head before wslay sees it.  wslay's own buffering is off
 * (its "no buffering" mode): text is assembled here, in memory that grows as bytes come.
 *
 * One piece gives at most one event, and the owner hears of it after wslay has returned: nothing is
 * ever freed under wslay's feet, and the owner may call anything from its callback. */
#include "net/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <wslay/wslay.h>

#include "core/buf.h"
#include "net/http1.h"
#include "net/ws_accept.h"
#include "net/ws_gate.h"

enum {
    REQUEST_MAX = 8 * 1024, /* the upgrade request */
    FIRST_BYTES = 4096,     /* the first memory of a message in assembly */
    PONG_COST = 128,        /* what wslay needs for a frame that waits */
    WSLAY_BYTES = 9 * 1024  /* wslay's context with its two buffers, about */
};

enum close_code {
    CLOSE_PROTOCOL = 1002,
    CLOSE_NO_CODE = 1005,
    PING_TEXT_MAX = 12,
    CLOSE_BAD_DATA = 1007,
    CLOSE_POLICY = 1008,
    CLOSE_TOO_BIG = 1009
};

/* What wslay said about the last piece. */
enum event { EVENT_NONE, EVENT_TEXT, EVENT_BINARY, EVENT_PING, EVENT_PONG, EVENT_CLOSE };

/* The text message in assembly. */
struct message {
    char *p; /* NULL when the message came in one piece */
    size_t bytes, size;
    struct str view; /* the complete message */
};

struct ws {
    struct ws_ops ops;
    void *owner;
    enum ws_state state;
    struct http1 *http;
    char accept[WS_ACCEPT_CHARS + 1];
    struct buf request; /* until it is drained */
    wslay_event_context_ptr wslay;
    struct ws_gate gate;
    struct message message;
    struct str piece; /* what wslay may read now */
    enum event event;
    uint16_t close_code;               /* of the peer */
    char close_reason[WS_CONTROL_MAX]; /* "" or UTF-8 */
    size_t close_reason_bytes;
    uint16_t close_later; /* ours, when what is queued has gone; 0: none */
    bool feeding, freed;  /* ws_free came from a callback */
    bool ping_queued;
    uint32_t pings;       /* sent; the number is the payload of each */
    bool pong_is_ours;    /* of EVENT_PONG */
    size_t pong_bytes;    /* queued and not drained, at most */
    uint64_t ping_credit; /* thousandths of a ping */
    int64_t ping_at_ms;   /* when the credit was counted last; -1: never */
    uint8_t masks[128];   /* random bytes, used from the end */
    size_t masks_left;
    uint8_t *drain_to; /* where ws_drain wants the bytes */
    size_t drain_room;
    uint64_t received_bytes, data_bytes, binary_messages;
    struct err err; /* why it failed; ERR_NONE: it did not */
};

static const char *const wanted_headers[] = {"upgrade",
                                             "connection",
                                             "sec-websocket-accept",
                                             "sec-websocket-extensions",
                                             "sec-websocket-protocol",
                                             "server",
                                             "location",
                                             "retry-after",
                                             NULL};

/* ---- failure --------------------------------------------------------------- */

/* The reason is in ws->err already, or is set here; a close frame is queued unless wslay has queued
 * one. */
static int fail(struct ws *ws, enum err_code code, uint16_t close_code, const char *detail)
{
    if (ws->err.code == ERR_NONE)
        err_set(&ws->err, code, "%s", detail);
    ws->state = WS_CLOSED;
    if (ws->wslay != NULL) {
        wslay_event_shutdown_read(ws->wslay);
        (void)wslay_event_queue_close(ws->wslay, close_code, NULL,
                                      0); /* refused when one is queued: that one goes */
    }
    return -1;
}

/* ---- the message in assembly ----------------------------------------------- */

static void drop_message(struct ws *ws)
{
    struct message *m = &ws->message;

    if (m->size > 0 && ws->ops.release != NULL)
        ws->ops.release(ws->owner, m->size);
    free(m->p);
    *m = (struct message){0};
}

static int grow_message(struct ws *ws, size_t need)
{
    struct message *m = &ws->message;
    size_t size = m->size == 0 ? FIRST_BYTES : m->size * 2;

    while (size < need)
        size *= 2;
    /* A last frame says how much the whole message needs. */
    if (ws->gate.fin && size > ws->gate.announced)
        size = (size_t)ws->gate.announced;
    if (ws->ops.reserve != NULL && !ws->ops.reserve(ws->owner, size - m->size))
        return err_set(&ws->err, ERR_NOMEM, "no room for a message of %zu bytes or more", size);
    char *p = realloc(m->p, size);
    if (p == NULL) {
        if (ws->ops.release != NULL)
            ws->ops.release(ws->owner, size - m->size);
        return err_set(&ws->err, ERR_NOMEM, "no memory for a message of %zu bytes", size);
    }
    m->p = p;
    m->size = size;
    return 0;
}

static int add_to_message(struct ws *ws, const uint8_t *data, size_t n)
{
    struct message *m = &ws->message;

    if (m->bytes == 0 && ws->gate.fin && n == ws->gate.announced) {
        m->view = (struct str){(const char *)data, n}; /* in wslay's buffer, until it reads again */
        return 0;
    }
    if (n > m->size - m->bytes && grow_message(ws, m->bytes + n) != 0)
        return -1;
    memcpy(m->p + m->bytes, data, n);
    m->bytes += n;
    m->view = (struct str){m->p, m->bytes};
    return 0;
}

/* ---- wslay's callbacks ----------------------------------------------------- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *to, size_t room, int flags, void *user)
{
    struct ws *ws = user;
    size_t n = ws->piece.n < room ? ws->piece.n : room;

    (void)flags;
    if (n == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, ws->piece.p, n);
    ws->piece.p += n;
    ws->piece.n -= n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *from, size_t bytes, int flags,
                       void *user)
{
    struct ws *ws = user;
    size_t n = bytes < ws->drain_room ? bytes : ws->drain_room;

    (void)flags;
    if (n == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(ws->drain_to, from, n);
    ws->drain_to += n;
    ws->drain_room -= n;
    return (ssize_t)n;
}

static int on_genmask(wslay_event_context_ptr ctx, uint8_t *to, size_t n, void *user)
{
    struct ws *ws = user;

    (void)ctx;
    if (ws->masks_left < n) {
        /* At most 256 bytes: never short, never interrupted. */
        if (getrandom(ws->masks, sizeof(ws->masks), 0) != (ssize_t)sizeof(ws->masks))
            return -1;
        ws->masks_left = sizeof(ws->masks);
    }
    ws->masks_left -= n;
    memcpy(to, ws->masks + ws->masks_left, n);
    return 0;
}

static void on_chunk(wslay_event_context_ptr ctx,
                     const struct wslay_event_on_frame_recv_chunk_arg *arg, void *user)
{
    struct ws *ws = user;

    if (ws_gate_is_control(&ws->gate) || !ws->gate.message_text || arg->data_length == 0)
        return;
    if (add_to_message(ws, arg->data, arg->data_length) != 0)
        wslay_event_shutdown_read(ctx);
}

/* RFC 6455 5.5.3: the answer repeats what the ping held. */
static bool answers_ping(const struct ws *ws, const uint8_t *p, size_t n)
{
    char number[PING_TEXT_MAX];
    int want = snprintf(number, sizeof(number), "%u", ws->pings);

    return ws->pings > 0 && n == (size_t)want && memcmp(p, number, n) == 0;
}

static void on_msg(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
                   void *user)
{
    struct ws *ws = user;

    (void)ctx;
    switch ((enum wslay_opcode)arg->opcode) {
    case WSLAY_TEXT_FRAME:
        ws->event = EVENT_TEXT;
        break;
    case WSLAY_BINARY_FRAME:
        ws->event = EVENT_BINARY;
        break;
    case WSLAY_PING:
        ws->event = EVENT_PING;
        ws->pong_bytes += arg->msg_length + PONG_COST;
        break;
    case WSLAY_PONG:
        ws->event = EVENT_PONG;
        ws->pong_is_ours = answers_ping(ws, arg->msg, arg->msg_length);
        break;
    case WSLAY_CONNECTION_CLOSE:
        ws->event = EVENT_CLOSE;
        if (arg->msg_length > 2) {
            ws->close_reason_bytes = arg->msg_length - 2;
            memcpy(ws->close_reason, arg->msg + 2, ws->close_reason_bytes);
        }
        ws->close_code = ws->gate.real_close_code != 0 ? ws->gate.real_close_code
                         : arg->status_code != 0       ? arg->status_code
                                                       : CLOSE_NO_CODE;
        break;
    case WSLAY_CONTINUATION_FRAME: /* never a message's opcode */
        break;
    }
}

/* ---- life ------------------------------------------------------------------ */

static int make_request(struct ws *ws, const struct ws_options *o, struct err *err)
{
    uint8_t key[WS_KEY_BYTES];
    char key_text[WS_KEY_CHARS + 1];

    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
        return err_set(err, ERR_NOMEM, "no random bytes");
    ws_key_text(key, key_text);
    ws_accept_text(key_text, ws->accept);
    const struct http1_header headers[] = {
        {STR("Upgrade"), STR("websocket")},
        {STR("Connection"), STR("Upgrade")},
        {STR("Sec-WebSocket-Key"), {key_text, WS_KEY_CHARS}},
        {STR("Sec-WebSocket-Version"), STR("13")},
        {STR("User-Agent"), str_z(o->user_agent)},
    };
    const struct http1_request request = {
        .tls = o->tls,
        .host = str_z(o->host),
        .port = o->port,
        .path = str_z(o->path),
        .headers = headers,
        .headers_count = sizeof(headers) / sizeof(headers[0]),
    };
    return http1_request(&ws->request, &request, err);
}

static void destroy(struct ws *ws)
{
    drop_message(ws);
    if (ws->wslay != NULL)
        wslay_event_context_free(ws->wslay);
    http1_free(ws->http);
    buf_done(&ws->request);
    free(ws);
}

struct ws *ws_new(const struct ws_options *options, const struct ws_ops *ops, void *owner,
                  struct err *err)
{
    const struct http1_options http = {.wanted = wanted_headers, .head_only = true};
    struct ws *ws = calloc(1, sizeof(*ws));

    if (ws == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a connection");
        return NULL;
    }
    ws->ops = *ops;
    ws->owner = owner;
    ws->state = WS_UPGRADING;
    ws->gate.message_max = options->message_bytes_max;
    ws->ping_at_ms = -1;
    ws->http = http1_new(&http);
    buf_init(&ws->request, REQUEST_MAX);
    if (make_request(ws, options, err) != 0) {
        destroy(ws);
        return NULL;
    }
    return ws;
}

void ws_free(struct ws *ws)
{
    if (ws == NULL)
        return;
    if (ws->feeding)
        ws->freed = true;
    else
        destroy(ws);
}

/* ---- the upgrade ----------------------------------------------------------- */

/* Is `token` in a list like "keep-alive, Upgrade"? */
static bool list_has(struct str list, struct str token)
{
    struct str item;

    while (str_cut(&list, ',', &item)) {
        if (str_eq_nocase(str_trim(item), token))
            return true;
    }
    return false;
}

/* RFC 6455 4.1, the client's checks 1 to 6.  Who answers 101 has agreed, and must do it rightly. */
static int check_upgrade(struct ws *ws)
{
    const struct http1 *h = ws->http;

    if (http1_status(h) != 101) {
        err_set(&ws->err, ERR_WS_REFUSED, "HTTP status %d", http1_status(h));
        return fail(ws, ERR_WS_REFUSED, 0, "");
    }
    if (!list_has(http1_header(h, "upgrade"), STR("websocket")))
        return fail(ws, ERR_WS_PROTOCOL, 0, "status 101 without Upgrade: websocket");
    if (!list_has(http1_header(h, "connection"), STR("upgrade")))
        return fail(ws, ERR_WS_PROTOCOL, 0, "status 101 without Connection: Upgrade");
    if (!str_eq(http1_header(h, "sec-websocket-accept"), str_z(ws->accept)))
        return fail(ws, ERR_WS_PROTOCOL, 0, "Sec-WebSocket-Accept is missing, wrong or repeated");
    if (http1_header(h, "sec-websocket-extensions").n > 0)
        return fail(ws, ERR_WS_PROTOCOL, 0, "an extension that was not offered");
    if (http1_header(h, "sec-websocket-protocol").n > 0)
        return fail(ws, ERR_WS_PROTOCOL, 0, "a subprotocol that was not offered");
    return 0;
}

static int start_wslay(struct ws *ws)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .genmask_callback = on_genmask,
        .on_frame_recv_chunk_callback = on_chunk,
        .on_msg_recv_callback = on_msg,
    };

    if (wslay_event_context_client_init(&ws->wslay, &callbacks, ws) != 0) {
        ws->wslay = NULL;
        return fail(ws, ERR_NOMEM, 0, "no memory for a WebSocket");
    }
    wslay_event_config_set_no_buffering(ws->wslay, 1);
    wslay_event_config_set_max_recv_msg_length(
        ws->wslay, ws->gate.message_max > 125 ? ws->gate.message_max : 125);
    return 0;
}

static int feed_upgrade(struct ws *ws, struct str *bytes)
{
    size_t used;
    enum http1_progress progress = http1_feed(ws->http, *bytes, &used, &ws->err);

    bytes->p += used;
    bytes->n -= used;
    if (progress == HTTP1_MORE)
        return 0;
    if (progress == HTTP1_FAILED)
        return fail(ws, ERR_HTTP_PROTOCOL, 0, "");
    if (check_upgrade(ws) != 0 || start_wslay(ws) != 0)
        return -1;
    ws->state = WS_OPEN;
    ws->ops.on_open(ws->owner);
    return 0;
}

/* ---- events ---------------------------------------------------------------- */

static int count_ping(struct ws *ws, int64_t now_ms)
{
    const uint64_t full = (uint64_t)WS_PINGS_BURST * 1000;

    if (ws->ping_at_ms < 0)
        ws->ping_credit = full;
    else if (now_ms > ws->ping_at_ms)
        ws->ping_credit += (uint64_t)(now_ms - ws->ping_at_ms) * WS_PINGS_A_SECOND;
    if (ws->ping_credit > full)
        ws->ping_credit = full;
    ws->ping_at_ms = now_ms;
    if (ws->ping_credit < 1000)
        return fail(ws, ERR_FLOOD, CLOSE_POLICY, "more pings than allowed");
    ws->ping_credit -= 1000;
    if (ws->pong_bytes > WS_PONGS_BYTES_MAX)
        return fail(ws, ERR_FLOOD, CLOSE_POLICY, "pings, and the answers are not read");
    return 0;
}

/* Tells the owner what the last piece completed. */
static int dispatch(struct ws *ws, int64_t now_ms)
{
    enum event event = ws->event;

    ws->event = EVENT_NONE;
    switch (event) {
    case EVENT_NONE:
        break;
    case EVENT_TEXT:
        ws->ops.on_text(ws->owner, ws->message.view.n > 0 ? ws->message.view : STR(""));
        drop_message(ws);
        break;
    case EVENT_BINARY:
        ws->binary_messages++;
        drop_message(ws);
        break;
    case EVENT_PING:
        return count_ping(ws, now_ms);
    case EVENT_PONG:
        ws->ops.on_pong(ws->owner, ws->pong_is_ours);
        break;
    case EVENT_CLOSE:
        ws->state = WS_CLOSED;
        ws->ops.on_close(ws->owner, ws->close_code,
                         (struct str){ws->close_reason, ws->close_reason_bytes});
        break;
    }
    return 0;
}

/* Lets wslay read the piece, and finds out what it made of it. */
static int run_wslay(struct ws *ws)
{
    int r = wslay_event_recv(ws->wslay);

    if (r == 0 && (ws->event == EVENT_CLOSE || wslay_event_get_read_enabled(ws->wslay)))
        return 0;
    if (ws->err.code != ERR_NONE)
        return fail(ws, ws->err.code, CLOSE_POLICY, "");
    if (r == WSLAY_ERR_NOMEM)
        return fail(ws, ERR_NOMEM, CLOSE_POLICY, "no memory for a frame");
    if (ws->gate.opcode == WS_CLOSE)
        return fail(ws, ERR_WS_PROTOCOL, CLOSE_PROTOCOL,
                    "a close frame with an invalid code or reason");
    /* All else that wslay could refuse, the gate has refused before. */
    return fail(ws, ERR_WS_PROTOCOL, CLOSE_BAD_DATA, "text that is not UTF-8");
}

static int feed_frames(struct ws *ws, struct str bytes, int64_t now_ms)
{
    ws->received_bytes += bytes.n;
    while (bytes.n > 0 && ws->state == WS_OPEN && !ws->freed) {
        int r = ws_gate_run(&ws->gate, &bytes, &ws->piece, &ws->err);

        if (r < 0)
            return fail(ws, ws->err.code,
                        ws->err.code == ERR_MESSAGE_TOO_LARGE ? CLOSE_TOO_BIG : CLOSE_PROTOCOL, "");
        if (r == 0)
            return 0;
        if (!ws_gate_is_control(&ws->gate))
            ws->data_bytes += ws->piece.n;
        if (run_wslay(ws) != 0 || dispatch(ws, now_ms) != 0)
            return -1;
        ws_gate_used(&ws->gate);
    }
    return 0;
}

int ws_feed(struct ws *ws, struct str bytes, int64_t now_ms, struct err *err)
{
    ws->feeding = true;
    if (ws->state == WS_UPGRADING)
        (void)feed_upgrade(ws, &bytes); /* ws->err tells */
    if (ws->state == WS_OPEN)
        (void)feed_frames(ws, bytes, now_ms);
    ws->feeding = false;
    if (ws->freed) {
        destroy(ws);
        return 0;
    }
    if (ws->err.code == ERR_NONE)
        return 0; /* open, or closed in order: what comes after a close frame is not read */
    *err = ws->err;
    return -1;
}

int ws_feed_eof(struct ws *ws, struct err *err)
{
    if (ws->err.code != ERR_NONE) {
        *err = ws->err;
    } else if (ws->state == WS_UPGRADING) {
        (void)http1_feed_eof(ws->http, err);
    } else {
        err_set(err, ERR_DISCONNECTED,
                ws->close_code != 0 ? "closed with code %u" : "closed without a close frame",
                (unsigned)ws->close_code);
    }
    return -1;
}

/* ---- sending --------------------------------------------------------------- */

static int queue(struct ws *ws, enum wslay_opcode opcode, struct str payload)
{
    const struct wslay_event_msg msg = {
        .opcode = (uint8_t)opcode,
        .msg = (const uint8_t *)payload.p,
        .msg_length = payload.n,
    };

    return wslay_event_queue_msg(ws->wslay, &msg);
}

int ws_text(struct ws *ws, struct str text, struct err *err)
{
    if (ws->state != WS_OPEN)
        return err_set(err, ERR_DISCONNECTED, "the WebSocket is not open");
    size_t queued = wslay_event_get_queued_msg_length(ws->wslay);
    if (queued > WS_SEND_MAX || text.n > WS_SEND_MAX - queued)
        return err_set(err, ERR_NOMEM, "more than %d bytes wait to be sent", WS_SEND_MAX);
    if (queue(ws, WSLAY_TEXT_FRAME, text) != 0)
        return err_set(err, ERR_NOMEM, "no memory for a message of %zu bytes", text.n);
    return 0;
}

void ws_ping(struct ws *ws)
{
    char number[PING_TEXT_MAX];

    if (ws->state != WS_OPEN || ws->ping_queued)
        return;
    int n = snprintf(number, sizeof(number), "%u", ++ws->pings);
    ws->ping_queued = queue(ws, WSLAY_PING, (struct str){number, (size_t)n}) == 0;
}

void ws_close(struct ws *ws, uint16_t code)
{
    if (ws->state == WS_OPEN)
        ws->close_later = code;
    ws->state = WS_CLOSED;
}

/* wslay sends control frames first, and nothing after a close: ours is queued when the messages
 * before it have gone. */
static void queue_close_later(struct ws *ws)
{
    if (ws->close_later != 0 && !wslay_event_want_write(ws->wslay)) {
        (void)wslay_event_queue_close(ws->wslay, ws->close_later, NULL, 0);
        ws->close_later = 0;
    }
}

static void drain_wslay(struct ws *ws)
{
    size_t before;

    do {
        before = ws->drain_room;
        queue_close_later(ws);
        if (wslay_event_want_write(ws->wslay))
            (void)wslay_event_send(
                ws->wslay); /* its only failures are those of on_send and on_genmask */
        queue_close_later(ws);
    } while (ws->drain_room > 0 && ws->drain_room < before);
    if (!wslay_event_want_write(ws->wslay)) {
        ws->pong_bytes = 0;
        ws->ping_queued = false;
    }
}

size_t ws_drain(struct ws *ws, void *to, size_t size)
{
    size_t n = ws->request.n < size ? ws->request.n : size;

    if (n > 0) {
        memcpy(to, buf_str(&ws->request).p, n);
        buf_consume(&ws->request, n);
    }
    if (ws->request.n == 0)
        buf_done(&ws->request);
    if (ws->wslay == NULL || n == size)
        return n;
    ws->drain_to = (uint8_t *)to + n;
    ws->drain_room = size - n;
    drain_wslay(ws);
    return size - ws->drain_room;
}

size_t ws_pending(const struct ws *ws)
{
    size_t n = ws->request.n;

    if (ws->wslay != NULL && wslay_event_want_write(ws->wslay))
        n += wslay_event_get_queued_msg_length(ws->wslay) + 2;
    return n + (ws->close_later != 0 ? 4 : 0);
}

/* ---- facts ----------------------------------------------------------------- */

enum ws_state ws_state(const struct ws *ws)
{
    return ws->state;
}

int ws_http_status(const struct ws *ws)
{
    return http1_status(ws->http);
}

struct str ws_http_header(const struct ws *ws, const char *name)
{
    return http1_header(ws->http, name);
}

uint64_t ws_received_bytes(const struct ws *ws)
{
    return ws->received_bytes;
}

uint64_t ws_data_bytes(const struct ws *ws)
{
    return ws->data_bytes;
}

uint64_t ws_binary_messages(const struct ws *ws)
{
    return ws->binary_messages;
}

size_t ws_bytes(const struct ws *ws)
{
    size_t queued =
        ws->wslay == NULL ? 0 : WSLAY_BYTES + wslay_event_get_queued_msg_length(ws->wslay);

    return sizeof(*ws) + ws->request.size + queued + ws->message.size;
}
