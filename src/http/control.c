/* control: see control.h. */
#include "http/control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/list.h"
#include "core/log.h"
#include "core/trace.h"
#include "http/listen.h"

enum { CLIENT_MS = 5000 };

struct control {
    uv_pipe_t pipe;
    const struct control_ops *ops;
    void *owner;
    char *path;
    struct list clients;
    uint32_t clients_n;
    bool closed;
    uint32_t pending; /* handles of clients and our own that are not closed yet */
};

enum { QUESTION_MAX = 4096 };

struct client {
    struct control *control;
    struct list link;
    uv_pipe_t pipe;
    uv_timer_t deadline;
    uv_write_t write;
    uv_shutdown_t shutdown;
    char question[QUESTION_MAX];
    size_t question_n;
    char *text;
    struct trace_sink trace;
    bool tracing;
    uint32_t lost; /* lines that did not fit into the queue */
    int open;      /* handles */
    bool closing;
};

/* A line on its way to a client that follows a relay. */
struct line {
    uv_write_t write;
    char text[];
};

static void release(struct control *c)
{
    if (--c->pending > 0 || !c->closed)
        return;
    free(c->path);
    free(c);
}

static void on_client_handle_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;

    if (--client->open > 0)
        return;
    struct control *c = client->control;
    free(client->text);
    free(client);
    c->clients_n--;
    release(c);
}

static void client_close(struct client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    if (client->tracing)
        trace_close(&client->trace);
    list_remove(&client->link);
    uv_close((uv_handle_t *)&client->pipe, on_client_handle_closed);
    uv_close((uv_handle_t *)&client->deadline, on_client_handle_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    client_close(timer->data);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status;
    client_close(req->data);
}

static void on_written(uv_write_t *req, int status)
{
    struct client *client = req->data;

    if (client->closing)
        return;
    client->shutdown.data = client;
    if (status < 0 || uv_shutdown(&client->shutdown, (uv_stream_t *)&client->pipe, on_shutdown) < 0)
        client_close(client);
}

static void answer(struct client *client, char *text)
{
    client->text = text;
    uv_buf_t buf = uv_buf_init(client->text, (unsigned)strlen(client->text));
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written) < 0)
        client_close(client);
}

static void on_line_written(uv_write_t *req, int status)
{
    (void)status;
    free(CONTAINER_OF(req, struct line, write));
}

static void write_line(struct client *client, const char *text)
{
    size_t n = strlen(text);
    struct line *line = malloc(sizeof(*line) + n + 2);

    if (line == NULL)
        abort();
    memcpy(line->text, text, n);
    line->text[n] = '\n';
    uv_buf_t buf = uv_buf_init(line->text, (unsigned)n + 1);
    if (uv_write(&line->write, (uv_stream_t *)&client->pipe, &buf, 1, on_line_written) < 0)
        free(line);
}

static void on_trace(struct trace_sink *sink, const char *text)
{
    struct client *client = CONTAINER_OF(sink, struct client, trace);
    char lost[64];

    if (client->pipe.write_queue_size > CONTROL_QUEUE_MAX) {
        client->lost++;
        return;
    }
    if (client->lost > 0) {
        (void)snprintf(lost, sizeof(lost), "(%u lines lost: read faster)", client->lost);
        client->lost = 0;
        write_line(client, lost);
    }
    write_line(client, text);
}

static void answer_unknown(struct client *client)
{
    char *text = strdup("error: the daemon does not know this relay\n");

    if (text == NULL)
        abort();
    answer(client, text);
}

static void follow(struct client *client, const char *url)
{
    struct control *c = client->control;
    int32_t relay = c->ops->relay(c->owner, url);

    if (relay < 0) {
        answer_unknown(client);
        return;
    }
    (void)uv_timer_stop(&client->deadline); /* for as long as the client likes */
    client->tracing = true;
    trace_open(&client->trace, relay, on_trace);
}

/* The question is complete. */
static void on_question(struct client *client)
{
    static const char follow_word[] = "trace ", relay_word[] = "relay ";
    struct control *c = client->control;
    char *text = NULL;

    if (strcmp(client->question, "status") == 0)
        text = c->ops->answer(c->owner);
    else if (strncmp(client->question, follow_word, sizeof(follow_word) - 1) == 0) {
        follow(client, client->question + sizeof(follow_word) - 1);
        return;
    } else if (strncmp(client->question, relay_word, sizeof(relay_word) - 1) == 0) {
        text = c->ops->answer_relay(c->owner, client->question + sizeof(relay_word) - 1);
        if (text == NULL) {
            answer_unknown(client);
            return;
        }
    } else if ((text = strdup("error: unknown question\n")) == NULL)
        abort();
    answer(client, text);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct client *client = handle->data;

    (void)wanted;
    *buf = uv_buf_init(client->question + client->question_n,
                       (unsigned)(sizeof(client->question) - 1 - client->question_n));
}

/* One question; what comes behind it is not read, but the end of the stream is heard. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *client = stream->data;
    bool asked = client->text != NULL || client->tracing;

    (void)buf;
    if (n < 0) {
        if (client->text == NULL) /* what is being written is written to its end */
            client_close(client);
        else
            (void)uv_read_stop(stream);
        return;
    }
    if (asked)
        return;
    client->question_n += (size_t)n;
    client->question[client->question_n] = '\0';
    char *end = strchr(client->question, '\n');
    if (end != NULL) {
        *end = '\0';
        client->question_n = 0;
        on_question(client);
    } else if (client->question_n == sizeof(client->question) - 1) {
        client_close(client);
    }
}

static void on_connection(uv_stream_t *server, int status)
{
    struct control *c = server->data;
    struct client *client;

    if (status < 0 || c->closed)
        return;
    client = calloc(1, sizeof(*client));
    if (client == NULL)
        abort();
    client->control = c;
    (void)uv_pipe_init(server->loop, &client->pipe, 0);
    (void)uv_timer_init(server->loop, &client->deadline);
    client->pipe.data = client->deadline.data = client->write.data = client;
    client->open = 2;
    c->pending++;
    c->clients_n++;
    list_add_tail(&c->clients, &client->link);
    bool room = c->clients_n <= CONTROL_CLIENTS_MAX;
    if (!room)
        log_warning_limited("daemon",
                            "%d ask on the control socket already: nobody else is answered until "
                            "some end (bigbrotr trace, status --watch)",
                            CONTROL_CLIENTS_MAX);
    if (uv_accept(server, (uv_stream_t *)&client->pipe) < 0 || !room ||
        uv_read_start((uv_stream_t *)&client->pipe, on_room, on_read) < 0) {
        client_close(client);
        return;
    }
    (void)uv_timer_start(&client->deadline, on_deadline, CLIENT_MS, 0);
}

static void on_pipe_closed(uv_handle_t *handle)
{
    release(handle->data);
}

struct control *control_open(uv_loop_t *loop, const char *path, const struct control_ops *ops,
                             void *owner, struct err *err)
{
    struct control *c;
    int rc;

    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        (void)err_set(err, ERR_CONFIG,
                      "the path of the control socket is too long: %s (choose a shorter state_dir)",
                      path);
        return NULL;
    }
    if (listen_answers(path)) {
        (void)err_set(
            err, ERR_ALREADY_RUNNING,
            "another bigbrotrd listens on %s: look at it with bigbrotr status, or give this "
            "one a [daemon] state_dir of its own",
            path);
        return NULL;
    }
    (void)unlink(path);
    c = calloc(1, sizeof(*c));
    if (c == NULL || (c->path = strdup(path)) == NULL)
        abort();
    c->ops = ops;
    c->owner = owner;
    c->pending = 1;
    list_init(&c->clients);
    (void)uv_pipe_init(loop, &c->pipe, 0);
    c->pipe.data = c;
    rc = uv_pipe_bind(&c->pipe, path);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&c->pipe, 16, on_connection);
    if (rc == 0 && chmod(path, 0600) < 0)
        rc = uv_translate_sys_error(errno);
    if (rc < 0) {
        (void)err_set(err, ERR_IO, "cannot listen on %s: %s", path, uv_strerror(rc));
        control_close(c);
        return NULL;
    }
    return c;
}

void control_close(struct control *c)
{
    assert(!c->closed);
    c->closed = true;
    LIST_FOR_EACH(l, &c->clients)
    client_close(CONTAINER_OF(l, struct client, link));
    (void)unlink(c->path);
    uv_close((uv_handle_t *)&c->pipe, on_pipe_closed);
}
