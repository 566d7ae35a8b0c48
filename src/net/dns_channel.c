/* One c-ares channel and its sockets on our loop; another one when /etc/resolv.conf has changed. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_internal.h"

enum { LOOK_AGAIN_MS = 1000 };

static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable);
static void on_poll(uv_poll_t *h, int status, int events);
static void on_poll_closed(uv_handle_t *h);

int dns_channel_make(struct dns *d, struct err *err)
{
    struct channel *c = calloc(1, sizeof(*c));
    uint32_t try_ms = d->settings.timeout_ms / 4;
    struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
                                   .timeout = (int)(try_ms < 50 ? 50 : try_ms),
                                   .tries = 2,
                                   .lookups = (char[]){"b"},
                                   .resolvconf_path = d->settings.resolv_conf,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = c};

    if (c == NULL)
        abort();
    c->dns = d;
    list_init(&c->sockets);
    if (ares_init_options(&c->ares, &options,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                              ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
        free(c);
        return err_set(err, ERR_CONFIG, "the resolver cannot be set up");
    }
    if (d->settings.servers[0] != '\0' &&
        ares_set_servers_ports_csv(c->ares, d->settings.servers) != ARES_SUCCESS) {
        ares_destroy(c->ares);
        free(c);
        return err_set(err, ERR_CONFIG, "\"%.100s\" is not a list of resolvers",
                       d->settings.servers);
    }
    if (stat(d->settings.resolv_conf, &d->conf_seen) != 0)
        memset(&d->conf_seen, 0, sizeof(d->conf_seen));
    list_add_head(&d->channels, &c->link);
    return 0;
}

void dns_channel_free(struct channel *c)
{
    ares_destroy(c->ares); /* answers what is out, closes the sockets */
    assert(c->questions == 0 && list_empty(&c->sockets));
    list_remove(&c->link);
    free(c);
}

/* c-ares 1.18 reads the file once.  A laptop changes networks; a stat() a second is nothing. */
void dns_follow_resolv_conf(struct dns *d)
{
    struct stat st;
    struct err ignored;

    if (d->settings.servers[0] != '\0' ||
        (d->conf_looked_ms != 0 && dns_now_ms(d) < d->conf_looked_ms + LOOK_AGAIN_MS))
        return;
    d->conf_looked_ms = dns_now_ms(d);
    if (stat(d->settings.resolv_conf, &st) != 0)
        return; /* being replaced; the old servers may still answer */
    if (st.st_ino == d->conf_seen.st_ino && st.st_size == d->conf_seen.st_size &&
        st.st_mtim.tv_sec == d->conf_seen.st_mtim.tv_sec &&
        st.st_mtim.tv_nsec == d->conf_seen.st_mtim.tv_nsec)
        return;
    (void)dns_channel_make(d, &ignored); /* fails: keep what we have */
}

static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct channel *c = data;
    struct dns_socket *s = NULL;

    LIST_FOR_EACH(at, &c->sockets)
    if (CONTAINER_OF(at, struct dns_socket, link)->fd == fd)
        s = CONTAINER_OF(at, struct dns_socket, link);
    if (s == NULL) {
        if (!readable && !writable)
            return;
        s = calloc(1, sizeof(*s));
        if (s == NULL || uv_poll_init(c->dns->loop, &s->poll, (int)fd) != 0)
            abort();
        s->poll.data = s;
        s->channel = c;
        s->fd = fd;
        list_add_tail(&c->sockets, &s->link);
        c->dns->open_handles++;
    }
    if (!readable && !writable) { /* c-ares closes it when this returns */
        list_remove(&s->link);
        s->channel = NULL;
        (void)uv_poll_stop(&s->poll);
        s->poll.data = c->dns;
        uv_close((uv_handle_t *)&s->poll, on_poll_closed);
        return;
    }
    (void)uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                        on_poll);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct dns_socket *s = h->data;
    ares_socket_t readable = status < 0 || (events & UV_READABLE) ? s->fd : ARES_SOCKET_BAD;
    ares_socket_t writable = status < 0 || (events & UV_WRITABLE) ? s->fd : ARES_SOCKET_BAD;
    struct dns *d = s->channel->dns;

    ares_process_fd(s->channel->ares, readable, writable);
    if (!d->closed)
        dns_begin_lookups(d); /* a place may have become free */
}

static void on_poll_closed(uv_handle_t *h)
{
    struct dns *d = h->data;

    d->open_handles--;
    free(CONTAINER_OF((uv_poll_t *)h, struct dns_socket, poll));
    dns_release(d);
}
