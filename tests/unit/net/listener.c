/* See listener.h. */
#include "listener.h"

#include <arpa/inet.h>
#include <linux/in6.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/ws_accept.h"

enum { GUESTS_MAX = 512 };

struct listener {
    int fd;
    uint16_t port;
    SSL_CTX *tls;
    guest_script *script;
    void *arg;
    pthread_t thread;
    atomic_int accepted;
    pthread_mutex_t lock;
    struct guest guests[GUESTS_MAX];
    pthread_t threads[GUESTS_MAX];
    int count; /* of the accepting thread, until it has ended */
};

static void *guest_main(void *arg)
{
    struct guest *g = arg;
    struct listener *l = g->listener;

    if (l->tls != NULL) {
        g->ssl = SSL_new(l->tls);
        SSL_set_fd(g->ssl, g->fd);
    }
    if (g->ssl == NULL || SSL_accept(g->ssl) == 1)
        l->script(g, l->arg);
    if (g->ssl != NULL) {
        (void)SSL_shutdown(g->ssl);
        SSL_free(g->ssl);
        g->ssl = NULL;
    }
    pthread_mutex_lock(&l->lock);
    (void)close(g->fd);
    g->fd = -1;
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void *accept_main(void *arg)
{
    struct listener *l = arg;
    int fd;

    while ((fd = accept(l->fd, NULL, NULL)) >= 0) {
        if (l->count == GUESTS_MAX) {
            (void)close(fd);
            continue;
        }
        struct guest *g = &l->guests[l->count];

        g->listener = l;
        g->fd = fd;
        g->number = l->count;
        atomic_fetch_add(&l->accepted, 1);
        if (pthread_create(&l->threads[l->count], NULL, guest_main, g) != 0)
            abort();
        l->count++;
    }
    return NULL;
}

struct listener *listener_open(const char *ip, uint16_t port, SSL_CTX *tls, guest_script *script,
                               void *arg)
{
    struct listener *l = calloc(1, sizeof(*l));
    struct sockaddr_storage sa = {0};
    socklen_t n;
    int on = 1;

    if (strchr(ip, ':') != NULL) {
        struct sockaddr_in6 *sa6 = (struct sockaddr_in6 *)&sa;
        sa6->sin6_family = AF_INET6;
        sa6->sin6_port = htons(port);
        inet_pton(AF_INET6, ip, &sa6->sin6_addr);
        n = sizeof(*sa6);
    } else {
        struct sockaddr_in *sa4 = (struct sockaddr_in *)&sa;
        sa4->sin_family = AF_INET;
        sa4->sin_port = htons(port);
        inet_pton(AF_INET, ip, &sa4->sin_addr);
        n = sizeof(*sa4);
    }
    l->tls = tls;
    l->script = script;
    l->arg = arg;
    l->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* An address of a range (netns.h). */
    (void)setsockopt(l->fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
    if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&sa, n) != 0 || listen(l->fd, 128) != 0) {
        (void)close(l->fd);
        free(l);
        return NULL;
    }
    n = sizeof(sa);
    (void)getsockname(l->fd, (struct sockaddr *)&sa, &n);
    l->port = ntohs(((struct sockaddr_in *)&sa)->sin_port); /* at the same place in both */
    pthread_mutex_init(&l->lock, NULL);
    if (pthread_create(&l->thread, NULL, accept_main, l) != 0)
        abort();
    return l;
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

int listener_accepted(struct listener *l)
{
    return atomic_load(&l->accepted);
}

void listener_close(struct listener *l)
{
    (void)shutdown(l->fd, SHUT_RDWR); /* wakes accept() */
    pthread_join(l->thread, NULL);
    (void)close(l->fd);
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < l->count; i++)
        if (l->guests[i].fd >= 0)
            (void)shutdown(l->guests[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->count; i++)
        pthread_join(l->threads[i], NULL);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

ssize_t guest_read(struct guest *g, void *to, size_t size)
{
    return g->ssl != NULL ? SSL_read(g->ssl, to, (int)size) : recv(g->fd, to, size, 0);
}

bool guest_read_all(struct guest *g, void *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t some = guest_read(g, (char *)to + at, n - at);

        if (some <= 0)
            return false;
        at += (size_t)some;
    }
    return true;
}

bool guest_read_head(struct guest *g, char *to, size_t size)
{
    size_t n = 0;

    while (n + 1 < size && guest_read_all(g, to + n, 1)) {
        to[++n] = '\0';
        if (n >= 4 && memcmp(to + n - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

bool guest_write(struct guest *g, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t some = g->ssl != NULL ? SSL_write(g->ssl, (const char *)p + at, (int)(n - at))
                                      : send(g->fd, (const char *)p + at, n - at, MSG_NOSIGNAL);

        if (some <= 0)
            return false;
        at += (size_t)some;
    }
    return true;
}

void guest_wait_end(struct guest *g)
{
    char bytes[4096];

    while (guest_read(g, bytes, sizeof(bytes)) > 0) {
    }
}

void guest_reset(struct guest *g)
{
    struct linger now = {1, 0};

    (void)setsockopt(g->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

bool guest_upgrade(struct guest *g, char *head, size_t size)
{
    char answer[256], key_text[WS_KEY_CHARS + 1], accept[WS_ACCEPT_CHARS + 1];
    const char *key;

    if (!guest_read_head(g, head, size) ||
        (key = strcasestr(head, "\r\nSec-WebSocket-Key:")) == NULL)
        return false;
    key += strlen("\r\nSec-WebSocket-Key:");
    key += strspn(key, " ");
    if (strcspn(key, "\r") != WS_KEY_CHARS)
        return false;
    memcpy(key_text, key, WS_KEY_CHARS);
    key_text[WS_KEY_CHARS] = '\0';
    ws_accept_text(key_text, accept);
    (void)snprintf(
        answer, sizeof(answer),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n\r\n",
        accept);
    return guest_write(g, answer, strlen(answer));
}

bool guest_frame(struct guest *g, unsigned first, const void *payload, size_t n)
{
    unsigned char head[10] = {(unsigned char)first};
    size_t head_n = 2;

    if (n < 126) {
        head[1] = (unsigned char)n;
    } else if (n < 65536) {
        head[1] = 126;
        head[2] = (unsigned char)(n >> 8);
        head[3] = (unsigned char)n;
        head_n = 4;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (unsigned char)(n >> (56 - 8 * i));
        head_n = 10;
    }
    return guest_write(g, head, head_n) && guest_write(g, payload, n);
}

int guest_read_frame(struct guest *g, char *to, size_t size, size_t *n)
{
    unsigned char head[2], more[8], mask[4];

    if (!guest_read_all(g, head, 2))
        return -1;
    *n = head[1] & 0x7f;
    if (*n >= 126) {
        int bytes = *n == 126 ? 2 : 8;

        if (!guest_read_all(g, more, (size_t)bytes))
            return -1;
        *n = 0;
        for (int i = 0; i < bytes; i++)
            *n = *n << 8 | more[i];
    }
    if (*n > size || !guest_read_all(g, mask, 4) || !guest_read_all(g, to, *n))
        return -1;
    for (size_t i = 0; i < *n; i++)
        to[i] = (char)(to[i] ^ (char)mask[i % 4]);
    return head[0];
}
