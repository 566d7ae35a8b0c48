/* SOCKS5 (RFC 1928, user name and password of RFC 1929), the client's side, without I/O.
 *
 *     GREETING -> METHOD -> [AUTH] -> REPLY_HEAD -> REPLY_TAIL -> DONE        any -> FAILED
 *
 * The owner sends what socks5_output() shows, reads at most socks5_wants() bytes, and feeds them:
 * so no byte of what follows the exchange is ever taken.  Names are resolved by the proxy only.
 * Pure; nothing is allocated.
 *
 * Errors say who is to blame (PROTOCOL 1.16): what the proxy did wrong is ERR_PROXY_*, what it says
 * about the relay is ERR_CONNECT_* or, with Tor's extended errors, ERR_ONION_*. */
#ifndef NET_SOCKS5_H
#define NET_SOCKS5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

enum socks5_state {
    SOCKS5_METHOD,     /* the greeting is out, the method is awaited */
    SOCKS5_AUTH,       /* user name and password are out */
    SOCKS5_REPLY_HEAD, /* CONNECT is out: version, reply, reserved, type, and one byte more */
    SOCKS5_REPLY_TAIL, /* the rest of the bound address, whose length that byte decides */
    SOCKS5_DONE,
    SOCKS5_FAILED
};

struct socks5 {
    enum socks5_state state;
    bool probe; /* done as soon as the method is chosen */
    char host[256];
    uint16_t port;
    char user[64], password[64];
    uint8_t out[600];
    size_t out_at, out_n;
    uint8_t in[8];
    size_t in_n;
    size_t skip;          /* bytes of the bound address still to come */
    bool general_failure; /* the proxy refused, and did not say why (0x01) */
};

/* `host`: 1 to 255 bytes (asserted: names are checked long before); `user` and `password`: 1 to 63
 * bytes; all copied. */
void socks5_init(struct socks5 *s, const char *host, uint16_t port, const char *user,
                 const char *password);

/* Only asks whether somebody speaks SOCKS5 here. */
void socks5_init_probe(struct socks5 *s);

struct str socks5_output(const struct socks5 *s); /* to send now; empty: nothing */
void socks5_sent(struct socks5 *s, size_t n);
size_t socks5_wants(const struct socks5 *s); /* bytes to read at most; 0 when done or failed */

enum socks5_progress { SOCKS5_MORE, SOCKS5_OK, SOCKS5_ERROR };

/* bytes.n must not be more than socks5_wants(). */
enum socks5_progress socks5_feed(struct socks5 *s, struct str bytes, struct err *err);

/* The proxy closed.  Always SOCKS5_ERROR: ERR_PROXY_DOWN before it answered at all, else
 * ERR_PROXY_FAILED. */
enum socks5_progress socks5_feed_eof(struct socks5 *s, struct err *err);

/* Has CONNECT been sent?  From then on silence is the relay's, not the proxy's. */
bool socks5_asked(const struct socks5 *s);

/* The password that isolates one relay's circuits from another's: hex(sha256(salt | host))[0:32]
 * and a NUL. */
enum { SOCKS5_PASSWORD_SIZE = 33 };
void socks5_isolation(char to[SOCKS5_PASSWORD_SIZE], const void *salt, size_t salt_n,
                      const char *host);

#define SOCKS5_USER "bb1" /* never "<torS0X>...": reserved by Tor (proposal 351) */

#endif
