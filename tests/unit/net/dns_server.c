/* See dns_server.h. */
#include "dns_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct dns_server {
    int fd;
    char address[32];
    pthread_t thread;
    dns_script *script;
    void *arg;
    atomic_int questions;
};

static size_t put_name(unsigned char *to, const char *name)
{
    size_t n = 0;

    while (*name != '\0') {
        size_t label = strcspn(name, ".");

        to[n++] = (unsigned char)label;
        memcpy(to + n, name, label);
        n += label;
        name += label + (name[label] == '.');
    }
    to[n++] = 0;
    return n;
}

static size_t put_record(unsigned char *to, const char *owner, int type, uint32_t ttl,
                         const void *data, size_t data_n)
{
    size_t n = 0;

    if (owner == NULL) {
        to[n++] = 0xc0; /* the question's name */
        to[n++] = 12;
    } else {
        n = put_name(to, owner);
    }
    const unsigned char rest[] = {0,
                                  (unsigned char)type,
                                  0,
                                  1,
                                  (unsigned char)(ttl >> 24),
                                  (unsigned char)(ttl >> 16),
                                  (unsigned char)(ttl >> 8),
                                  (unsigned char)ttl,
                                  (unsigned char)(data_n >> 8),
                                  (unsigned char)data_n};
    memcpy(to + n, rest, sizeof(rest));
    memcpy(to + n + sizeof(rest), data, data_n);
    return n + sizeof(rest) + data_n;
}

/* Builds the answer behind the question; 0: stay silent. */
static size_t answer(struct dns_server *s, unsigned char *packet, size_t n)
{
    char name[256] = "";
    size_t at = 12, length = 0;
    struct dns_reply reply = {.ttl = 60};

    while (at < n && packet[at] != 0 && length + packet[at] + 1 < sizeof(name)) {
        memcpy(name + length, packet + at + 1, packet[at]);
        length += packet[at];
        name[length++] = '.';
        at += packet[at] + 1U;
    }
    name[length > 0 ? length - 1 : 0] = '\0';
    if (at + 5 > n)
        return 0;

    int type = packet[at + 1] << 8 | packet[at + 2];

    at += 5;
    s->script(name, type, &reply, s->arg);
    if (reply.silent)
        return 0;
    packet[2] = 0x81; /* an answer, recursion desired */
    packet[3] = (unsigned char)(0x80 | reply.rcode);
    packet[6] = 0;
    packet[7] = (unsigned char)(reply.count + (reply.cname != NULL));
    memset(packet + 8, 0, 4);
    if (reply.cname != NULL) {
        unsigned char target[256];
        size_t target_n = put_name(target, reply.cname);

        at += put_record(packet + at, NULL, 5, reply.ttl, target, target_n);
    }
    for (int i = 0; i < reply.count; i++) {
        unsigned char ip[256];
        int family = type == DNS_TYPE_A ? AF_INET : AF_INET6;

        if (type == DNS_TYPE_NS) {
            at += put_record(packet + at, NULL, type, reply.ttl, ip,
                             put_name(ip, reply.addresses[i]));
            continue;
        }
        inet_pton(family, reply.addresses[i], ip);
        at += put_record(packet + at, reply.cname, type, reply.ttl, ip, family == AF_INET ? 4 : 16);
    }
    return at;
}

static void *server_main(void *arg)
{
    struct dns_server *s = arg;
    struct sockaddr_in from;
    unsigned char packet[2048];

    for (;;) {
        socklen_t from_n = sizeof(from);
        ssize_t n = recvfrom(s->fd, packet, 512, 0, (struct sockaddr *)&from, &from_n);

        if (n == 1)
            return NULL; /* dns_server_close() */
        if (n < 17)
            continue;
        atomic_fetch_add(&s->questions, 1);

        size_t out = answer(s, packet, (size_t)n);

        if (out > 0)
            (void)sendto(s->fd, packet, out, 0, (struct sockaddr *)&from, from_n);
    }
}

struct dns_server *dns_server_open(dns_script *script, void *arg)
{
    struct dns_server *s = dns_server_open_at("127.0.0.1", 0, script, arg);

    if (s == NULL)
        abort();
    return s;
}

struct dns_server *dns_server_open_at(const char *ip, uint16_t port, dns_script *script, void *arg)
{
    struct dns_server *s = calloc(1, sizeof(*s));
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(ip)};
    socklen_t n = sizeof(sa);
    int bytes = 4 * 1024 * 1024;

    s->script = script;
    s->arg = arg;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    if (bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&sa, &n) != 0) {
        (void)close(s->fd);
        free(s);
        return NULL;
    }
    (void)snprintf(s->address, sizeof(s->address), "%s:%u", ip, ntohs(sa.sin_port));
    if (pthread_create(&s->thread, NULL, server_main, s) != 0)
        abort();
    return s;
}

const char *dns_server_address(const struct dns_server *s)
{
    return s->address;
}

int dns_server_questions(struct dns_server *s)
{
    return atomic_load(&s->questions);
}

void dns_server_close(struct dns_server *s)
{
    struct sockaddr_in sa;
    socklen_t n = sizeof(sa);

    (void)getsockname(s->fd, (struct sockaddr *)&sa, &n);
    (void)sendto(s->fd, "", 1, 0, (struct sockaddr *)&sa, n);
    pthread_join(s->thread, NULL);
    (void)close(s->fd);
    free(s);
}
