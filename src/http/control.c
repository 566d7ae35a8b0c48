/* control: see control.h. */
#include "http/control.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/list.h"

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

struct client {
    struct control *control;
    struct list link;
    uv_pipe_t pipe;
    uv_timer_t deadline;
    uv_write_t write;
    uv_shutdown_t shutdown;
    char *text;
    int open; /* handles */
    bool closing;
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
    if (uv_accept(server, (uv_stream_t *)&client->pipe) < 0 || c->clients_n > CONTROL_CLIENTS_MAX) {
        client_close(client);
        return;
    }
    (void)uv_timer_start(&client->deadline, on_deadline, CLIENT_MS, 0);
    client->text = c->ops->answer(c->owner);
    uv_buf_t buf = uv_buf_init(client->text, (unsigned)strlen(client->text));
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written) < 0)
        client_close(client);
}

static void on_pipe_closed(uv_handle_t *handle)
{
    release(handle->data);
}

/* Does anybody answer there? */
static bool alive(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes;

    if (fd < 0)
        return false;
    memcpy(addr.sun_path, path, strlen(path) + 1);
    yes = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    (void)close(fd);
    return yes;
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
    if (alive(path)) {
        (void)err_set(err, ERR_ALREADY_RUNNING, "another bigbrotrd is running on %s", path);
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
