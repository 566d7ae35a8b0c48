/* Stream: a peer that lives long: switch (state) { switch (event) }. */
#include "net/stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "net/net_shared.h"

/* Answers of TLS itself that wait for the socket; what a WebSocket sends waits elsewhere (wsconn).
 */
enum { UNREAD_MAX = 256 * 1024 };

enum stream_state { STREAM_START, STREAM_HANDSHAKE, STREAM_READY, STREAM_FAILED, STREAM_CLOSED };

enum stream_event {
    EV_CLOCK,   /* the first turn, the deadline of the handshake, or an error to be told */
    EV_READ,    /* bytes in `in`, or the end in in_status */
    EV_STEP,    /* a handshake step is back: progress, step_err */
    EV_WRITTEN, /* write_status */
};

struct out {
    uv_write_t req;
    struct stream *stream;
    char bytes[];
};

struct stream {
    enum stream_state state;
    int pending; /* handles not yet closed, writes and jobs not yet back; CLOSED and 0: free */
    const struct stream_ops *ops;
    void *owner;
    struct net *net;

    uv_tcp_t tcp;
    struct addr_place *place; /* while it is open */
    uv_timer_t clock;
    bool tcp_bad;   /* the socket could not be taken over */
    bool turn_over; /* NET_READ_BYTES were read in this turn */
    struct bandwidth_user bandwidth;
    bool throttled;
    bool held; /* by its owner */
    uint64_t received;
    size_t counted; /* of net_connection_bytes */
    struct str in;
    int in_status, write_status;
    bool broken; /* stream_write failed: err, to be told on the next turn */
    struct err err;

    /* TLS, all NULL and 0 without it. */
    struct tls_context *context; /* under which tls was made */
    struct tls *tls;
    bool older; /* less was offered */
    struct worker_job job;
    bool job_running; /* then tls, progress and step_err are the worker's */
    enum tls_progress progress;
    struct err step_err;
    struct buf collected; /* what came while it ran */
    bool collected_eof;
    uint32_t tls_timeout_ms;
    uint64_t tls_began_ns;
    int64_t tls_us;
    char session_key[300];
};

static void stream_run(struct stream *s, enum stream_event event);
static void begin(struct stream *s);
static void on_handshake(struct stream *s, enum stream_event event);
static void handshake_input(struct stream *s);
static void handshake_stepped(struct stream *s);
static void handshake_done(struct stream *s);
static void on_ready_event(struct stream *s, enum stream_event event);
static void read_plain(struct stream *s);
static void read_tls(struct stream *s);
static void submit_step(struct stream *s);
static void send_bytes(struct stream *s, const char *p, size_t n);
static void drain_tls(struct stream *s);
static void keep_session(struct stream *s);
static void count_bytes(struct stream *s);
static void fail(struct stream *s, enum err_code code, const char *text);
static void fail_io(struct stream *s, int status);
static void throttle(struct stream *s, size_t bytes);
static void release(struct stream *s);
static void step_run(struct worker_job *job);
static void step_done(struct worker_job *job);
static void on_clock(uv_timer_t *h);
static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf);
static void on_written(uv_write_t *req, int status);
static void on_resume(struct bandwidth_user *user);
static void on_closed(uv_handle_t *h);

struct stream *stream_open(struct net *net, int fd, const struct stream_options *options,
                           const struct stream_ops *ops, void *owner)
{
    struct stream *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    s->net = net;
    s->ops = ops;
    s->owner = owner;
    s->tls_us = -1;
    (void)uv_tcp_init(net->loop, &s->tcp);
    (void)uv_timer_init(net->loop, &s->clock);
    s->tcp.data = s->clock.data = s;
    s->pending = 2;
    s->place = options->place;
    s->tcp_bad = uv_tcp_open(&s->tcp, fd) != 0;
    bandwidth_user_init(&s->bandwidth, on_resume);
    buf_init(&s->collected, TLS_FLIGHT_MAX);
    s->job.run = step_run;
    s->job.done = step_done;
    list_init(&s->job.link);
    net->connections++;
    count_bytes(s);
    if (options->tls) {
        struct tls_session *resume;

        (void)snprintf(s->session_key, sizeof(s->session_key), "%s:%u", options->host,
                       options->port);
        resume = options->tls_fresh ? NULL : lru_get(net->sessions, str_z(s->session_key));
        s->context = net->tls;
        s->older = net_knows_older(net, s->session_key);
        s->tls = tls_new(net->tls, options->host, resume,
                         s->older ? TLS_OFFER_OLDER : TLS_OFFER_ALL, &s->err);
        s->broken = s->tls == NULL;
        s->tls_timeout_ms = options->tls_timeout_ms;
    }
    (void)uv_timer_start(&s->clock, on_clock, 0, 0);
    return s;
}

/* A close notify is owed to a TLS peer; whether it gets through no longer matters. */
void stream_close(struct stream *s)
{
    assert(s->state != STREAM_CLOSED);
    if (s->tls != NULL && !s->job_running) {
        if (s->state == STREAM_READY) {
            tls_close_notify(s->tls);
            drain_tls(s);
        }
        keep_session(s);
    }
    s->state = STREAM_CLOSED;
    bandwidth_leave(&s->bandwidth);
    uv_close((uv_handle_t *)&s->tcp, on_closed); /* the socket is closed when this returns */
    if (s->place != NULL)
        addr_places_leave(s->net->places, s->place, clock_mono_ms());
    s->place = NULL;
    uv_close((uv_handle_t *)&s->clock, on_closed);
}

void stream_write(struct stream *s, struct str bytes)
{
    if (s->state != STREAM_READY || s->broken)
        return;
    if (s->tls == NULL) {
        send_bytes(s, bytes.p, bytes.n);
        return;
    }
    while (bytes.n > 0) {
        size_t taken = 0;

        if (tls_write(s->tls, bytes, &taken, &s->err) != 0) {
            s->broken = true;
            (void)uv_timer_start(&s->clock, on_clock, 0, 0);
            return;
        }
        drain_tls(s); /* so there is room, and `taken` is 0 at most once in a row */
        bytes.p += taken;
        bytes.n -= taken;
    }
}

size_t stream_queued(const struct stream *s)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp);
}

int64_t stream_tls_us(const struct stream *s)
{
    return s->tls_us;
}

const struct tls_peer *stream_tls_peer(const struct stream *s)
{
    return s->tls == NULL || s->job_running ? NULL : tls_peer(s->tls);
}

void stream_tls_peer_drop(struct stream *s)
{
    if (s->tls != NULL && !s->job_running) {
        tls_peer_drop(s->tls);
        count_bytes(s);
    }
}

uint64_t stream_received_bytes(const struct stream *s)
{
    return s->received;
}

bool stream_take_throttled(struct stream *s)
{
    bool was = s->throttled;

    s->throttled = s->held || !list_empty(&s->bandwidth.link); /* still waiting */
    return was;
}

void stream_hold(struct stream *s, bool hold)
{
    if (s->state != STREAM_READY || s->held == hold)
        return;
    s->held = hold;
    if (hold) {
        s->throttled = true;
        (void)uv_read_stop((uv_stream_t *)&s->tcp);
    } else if (list_empty(&s->bandwidth.link)) {
        (void)uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
    }
}

/* The only guard against an event that comes too late. */
static void stream_run(struct stream *s, enum stream_event event)
{
    switch (s->state) {
    case STREAM_START:
        begin(s);
        break;
    case STREAM_HANDSHAKE:
        on_handshake(s, event);
        break;
    case STREAM_READY:
        on_ready_event(s, event);
        break;
    case STREAM_FAILED: /* its owner knows */
        break;
    case STREAM_CLOSED:
        release(s);
        break;
    }
}

static void begin(struct stream *s)
{
    if (s->broken) {
        fail(s, s->err.code, NULL);
        return;
    }
    if (s->tcp_bad || uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read) != 0) {
        fail(s, ERR_IO, "the socket cannot be watched");
        return;
    }
    if (s->tls == NULL) {
        s->state = STREAM_READY;
        s->ops->on_ready(s->owner);
        return;
    }
    s->state = STREAM_HANDSHAKE;
    s->tls_began_ns = uv_hrtime();
    (void)uv_timer_start(&s->clock, on_clock, s->tls_timeout_ms, 0);
    submit_step(s);
}

/* -- the handshake -- */

static void on_handshake(struct stream *s, enum stream_event event)
{
    switch (event) {
    case EV_CLOCK:
        fail(s, ERR_TIMEOUT, "TLS handshake");
        break;
    case EV_READ:
        handshake_input(s);
        break;
    case EV_STEP:
        handshake_stepped(s);
        break;
    case EV_WRITTEN:
        if (s->write_status < 0)
            fail_io(s, s->write_status);
        break;
    }
}

static void handshake_input(struct stream *s)
{
    if (s->in_status < 0) {
        (void)uv_read_stop((uv_stream_t *)&s->tcp);
        if (s->in_status != UV_EOF) {
            fail_io(s, s->in_status);
            return;
        }
        s->collected_eof = true;
    } else if (!buf_append(&s->collected, s->in.p, s->in.n)) {
        fail(s, ERR_TLS_PROTOCOL, "a handshake larger than allowed");
        return;
    }
    if (!s->job_running)
        submit_step(s);
}

/* The engine is ours here: give it what came, then it is the worker's. */
static void submit_step(struct stream *s)
{
    assert(!s->job_running);
    if (s->collected.n > 0) {
        if (tls_feed(s->tls, buf_str(&s->collected), &s->err) != 0) {
            fail(s, s->err.code, NULL);
            return;
        }
        buf_clear(&s->collected);
    }
    if (s->collected_eof)
        tls_feed_eof(s->tls);
    s->job_running = true;
    s->pending++;
    workers_submit(s->net->workers, WORKERS_SHORT, &s->job);
}

static void handshake_stepped(struct stream *s)
{
    drain_tls(s);
    switch (s->progress) {
    case TLS_MORE:
        if (s->collected.n > 0 || s->collected_eof)
            submit_step(s);
        break;
    case TLS_FAILED:
        s->err = s->step_err;
        if (!s->older && tls_wants_older(s->tls)) {
            net_remember_older(s->net, s->session_key);
            s->err.code = ERR_TLS_RETRY;
        }
        fail(s, s->err.code, NULL);
        break;
    case TLS_DONE:
        handshake_done(s);
        break;
    }
}

static void handshake_done(struct stream *s)
{
    (void)uv_timer_stop(&s->clock);
    s->tls_us = (int64_t)((uv_hrtime() - s->tls_began_ns) / 1000);
    s->state = STREAM_READY;
    count_bytes(s);
    s->ops->on_ready(s->owner);

    /* What came behind the handshake in the same breath. */
    if (s->state == STREAM_READY) {
        s->in = buf_str(&s->collected);
        read_tls(s);
    }
    if (s->state == STREAM_READY && s->collected_eof)
        fail(s, ERR_DISCONNECTED, "by the peer");
    if (s->state != STREAM_CLOSED)
        buf_done(&s->collected);
}

/* -- ready -- */

static void on_ready_event(struct stream *s, enum stream_event event)
{
    switch (event) {
    case EV_CLOCK:
        if (s->broken)
            fail(s, s->err.code, NULL);
        break;
    case EV_READ:
        if (s->in_status == UV_EOF)
            fail(s, ERR_DISCONNECTED, "by the peer");
        else if (s->in_status < 0)
            fail_io(s, s->in_status);
        else if (s->tls != NULL)
            read_tls(s);
        else
            read_plain(s);
        break;
    case EV_WRITTEN:
        if (s->write_status < 0)
            fail_io(s, s->write_status);
        else if (stream_queued(s) == 0)
            s->ops->on_drained(s->owner);
        break;
    case EV_STEP:
        break;
    }
}

static void read_plain(struct stream *s)
{
    s->ops->on_bytes(s->owner, s->in);
}

/* The engine takes up to TLS_IN_MAX and a turn brings half of that: it is emptied each time. */
static void read_tls(struct stream *s)
{
    struct err err;
    size_t n;

    if (s->in.n > 0 && tls_feed(s->tls, s->in, &err) != 0) {
        s->err = err;
        fail(s, err.code, NULL);
        return;
    }
    for (;;) {
        enum tls_read_result r =
            tls_read(s->tls, s->net->plaintext, sizeof(s->net->plaintext), &n, &err);

        if (tls_pending(s->tls) > 0) {
            drain_tls(s);
            if (stream_queued(s) >
                UNREAD_MAX) { /* mbedTLS refuses each renegotiation with an alert */
                fail(s, ERR_FLOOD, "asks in TLS for answers, and does not read them");
                return;
            }
        }
        if (r == TLS_READ_MORE)
            return;
        if (r == TLS_READ_CLOSED) {
            fail(s, ERR_DISCONNECTED, "by the peer");
            return;
        }
        if (r == TLS_READ_FAILED) {
            s->err = err;
            fail(s, err.code, NULL);
            return;
        }
        s->ops->on_bytes(s->owner, (struct str){s->net->plaintext, n});
        if (s->state != STREAM_READY)
            return; /* the owner closed it */
    }
}

/* -- bytes out -- */

static void send_bytes(struct stream *s, const char *p, size_t n)
{
    uv_buf_t buf;
    struct out *out;

    if (stream_queued(s) == 0) {
        buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);

        int sent = uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);

        if (sent > 0) { /* an error will be told by the write below */
            p += sent;
            n -= (size_t)sent;
        }
        if (n == 0)
            return;
    }
    out = malloc(sizeof(*out) + n);
    if (out == NULL)
        abort();
    out->stream = s;
    memcpy(out->bytes, p, n);
    buf = uv_buf_init(out->bytes, (unsigned)n);

    int rc = uv_write(&out->req, (uv_stream_t *)&s->tcp, &buf, 1, on_written);

    if (rc == 0) {
        s->pending++;
        return;
    }
    free(out);
    if (!s->broken && s->state != STREAM_CLOSED) {
        s->broken = true;
        (void)err_set(&s->err, ERR_DISCONNECTED, "%s", uv_strerror(rc));
        (void)uv_timer_start(&s->clock, on_clock, 0, 0);
    }
}

static void drain_tls(struct stream *s)
{
    char bytes[8192];
    size_t n;

    while ((n = tls_drain(s->tls, bytes, sizeof(bytes))) > 0)
        if (!uv_is_closing((uv_handle_t *)&s->tcp))
            send_bytes(s, bytes, n);
}

/* -- small things -- */

static void keep_session(struct stream *s)
{
    struct tls_session *session;

    /* Not one that was made under settings which have been replaced since. */
    if (s->context != s->net->tls || (session = tls_session_take(s->tls)) == NULL)
        return;
    lru_put(s->net->sessions, str_z(s->session_key), session, tls_session_bytes(session));
}

static void count_bytes(struct stream *s)
{
    net_count_bytes(s->net, &s->counted,
                    sizeof(*s) + s->collected.size + (s->tls != NULL ? tls_bytes(s->tls) : 0));
}

/* `text` NULL: s->err is filled. */
static void fail(struct stream *s, enum err_code code, const char *text)
{
    if (text != NULL)
        (void)err_set(&s->err, code, "%s", text);
    s->state = STREAM_FAILED;
    (void)uv_timer_stop(&s->clock);
    (void)uv_read_stop((uv_stream_t *)&s->tcp);
    bandwidth_leave(&s->bandwidth);
    s->ops->on_failed(s->owner, &s->err); /* last: it may close */
}

static void fail_io(struct stream *s, int status)
{
    fail(s, status == UV_ETIMEDOUT ? ERR_TIMEOUT : ERR_DISCONNECTED, uv_strerror(status));
}

static void throttle(struct stream *s, size_t bytes)
{
    if (s->state == STREAM_FAILED || s->state == STREAM_CLOSED ||
        !bandwidth_take(&s->net->bandwidth, &s->bandwidth, bytes))
        return;
    s->throttled = true;
    (void)uv_read_stop((uv_stream_t *)&s->tcp);
}

static void release(struct stream *s)
{
    assert(s->state == STREAM_CLOSED && s->pending >= 0);
    if (s->pending > 0)
        return;
    tls_free(s->tls);
    buf_done(&s->collected);
    net_count_bytes(s->net, &s->counted, 0);
    s->net->connections--;
    free(s);
}

/* From libuv and the workers to stream_run(): no decisions below this line. */

static void step_run(struct worker_job *job)
{
    struct stream *s = CONTAINER_OF(job, struct stream, job);

    s->progress = tls_step(s->tls, &s->step_err);
}

static void step_done(struct worker_job *job)
{
    struct stream *s = CONTAINER_OF(job, struct stream, job);

    s->pending--;
    s->job_running = false;
    stream_run(s, EV_STEP);
}

static void on_clock(uv_timer_t *h)
{
    stream_run(h->data, EV_CLOCK);
}

/* libuv reads again at once when a read filled the buffer; no buffer ends this turn. */
static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct stream *s = h->data;

    (void)suggested;
    *buf = uv_buf_init(s->net->ciphertext, s->turn_over ? 0 : NET_READ_BYTES);
    s->turn_over = false;
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = h->data;

    if (n == 0 || n == UV_ENOBUFS)
        return;
    s->turn_over = n == NET_READ_BYTES;
    s->in_status = n < 0 ? (int)n : 0;
    s->in = (struct str){buf->base, n < 0 ? 0 : (size_t)n};
    s->received += s->in.n;
    throttle(s, s->in.n);
    stream_run(s, EV_READ);
}

static void on_written(uv_write_t *req, int status)
{
    struct out *out = CONTAINER_OF(req, struct out, req);
    struct stream *s = out->stream;

    free(out);
    s->pending--;
    s->write_status = status;
    stream_run(s, EV_WRITTEN);
}

static void on_resume(struct bandwidth_user *user)
{
    struct stream *s = CONTAINER_OF(user, struct stream, bandwidth);

    if (!s->held)
        (void)uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
}

static void on_closed(uv_handle_t *h)
{
    struct stream *s = h->data;

    s->pending--;
    release(s);
}
