/* A server on a real loopback socket for the tests: a thread that accepts, and one for each guest
 * that runs a script with blocking reads and writes, in the clear or under TLS (OpenSSL).  Blocking
 * code reads like the story that it plays, and it is another program model than the one under test.
 */
#ifndef TEST_LISTENER_H
#define TEST_LISTENER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct listener;

struct guest {
    struct listener *listener;
    int fd;
    int number; /* 0 for the first one accepted */
    SSL *ssl;   /* NULL: in the clear */
};

typedef void guest_script(struct guest *g, void *arg);

/* `ip`: "127.0.0.1" or "::1"; port 0: a free one.  NULL when it cannot be bound. */
struct listener *listener_open(const char *ip, uint16_t port, SSL_CTX *tls, guest_script *script,
                               void *arg);
uint16_t listener_port(const struct listener *l);
int listener_accepted(struct listener *l);
void listener_close(
    struct listener *l); /* cuts off the guests that are left, and waits for their scripts */

ssize_t guest_read(struct guest *g, void *to, size_t size); /* some bytes; 0 or less: the end */
bool guest_read_all(struct guest *g, void *to, size_t n);
bool guest_read_head(struct guest *g, char *to,
                     size_t size); /* up to the empty line, NUL-terminated */
bool guest_write(struct guest *g, const void *p, size_t n);
void guest_wait_end(struct guest *g); /* until the other side is gone */
void guest_reset(struct guest *g);    /* a RST */

bool guest_upgrade(struct guest *g, char *head, size_t size); /* reads the request, answers 101 */
bool guest_frame(struct guest *g, unsigned first, const void *payload,
                 size_t n); /* first: FIN and opcode, 0x81 */
/* One frame of the client, unmasked; returns its first byte, or -1. */
int guest_read_frame(struct guest *g, char *to, size_t size, size_t *n);

#endif
