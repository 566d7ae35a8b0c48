/* SOCKS5: five answers, read byte by byte as far as each one goes. */
#include "net/socks5.h"

#include <assert.h>
#include <string.h>

#include "core/hex.h"
#include "core/sha256.h"

enum { VERSION = 5, AUTH_VERSION = 1, NO_AUTH = 0, USER_PASSWORD = 2, NO_METHOD = 0xff };
enum { GENERAL_FAILURE = 0x01 };
enum { CONNECT = 1, TYPE_IPV4 = 1, TYPE_NAME = 3, TYPE_IPV6 = 4 };

struct reply {
    uint8_t code;
    enum err_code err;
    const char *text;
};

/* RFC 1928 section 6, and Tor's ExtendedErrors (proposal 304). */
static const struct reply replies[] = {
    {GENERAL_FAILURE, ERR_PROXY_FAILED, "general failure"},
    {0x02, ERR_PROXY_FAILED, "not allowed by the proxy's rules"},
    {0x03, ERR_CONNECT_UNREACHABLE, "network unreachable"},
    {0x04, ERR_CONNECT_UNREACHABLE, "host unreachable"},
    {0x05, ERR_CONNECT_REFUSED, "refused"},
    {0x06, ERR_CONNECT_TIMEOUT, "timed out"},
    {0x07, ERR_PROXY_FAILED, "the proxy does not know CONNECT"},
    {0x08, ERR_PROXY_FAILED, "the proxy does not take names"},
    {0xf0, ERR_ONION_DESCRIPTOR, "descriptor not found"},
    {0xf1, ERR_ONION_DESCRIPTOR, "descriptor invalid"},
    {0xf2, ERR_ONION_UNREACHABLE, "introduction failed"},
    {0xf3, ERR_ONION_RENDEZVOUS, "rendezvous failed"},
    {0xf4, ERR_ONION_AUTH, "client authorisation missing"},
    {0xf5, ERR_ONION_AUTH, "client authorisation wrong"},
    {0xf6, ERR_ONION_BAD_ADDRESS, "bad onion address"},
    {0xf7, ERR_ONION_RENDEZVOUS, "introduction timed out"}, /* the path's: worth another try soon */
};

static void put(struct socks5 *s, const void *bytes, size_t n)
{
    assert(s->out_n + n <= sizeof(s->out));
    memcpy(s->out + s->out_n, bytes, n);
    s->out_n += n;
}

static void put_byte(struct socks5 *s, unsigned byte)
{
    uint8_t b = (uint8_t)byte;

    put(s, &b, 1);
}

/* User and password first: they isolate circuits.  Without them is better than not at all, since
 * proxies of other networks know nothing else. */
static void put_greeting(struct socks5 *s)
{
    put(s, (const uint8_t[]){VERSION, 2, USER_PASSWORD, NO_AUTH}, 4);
}

static void put_auth(struct socks5 *s)
{
    put_byte(s, AUTH_VERSION);
    put_byte(s, (unsigned)strlen(s->user));
    put(s, s->user, strlen(s->user));
    put_byte(s, (unsigned)strlen(s->password));
    put(s, s->password, strlen(s->password));
}

static void put_connect(struct socks5 *s)
{
    put(s, (const uint8_t[]){VERSION, CONNECT, 0, TYPE_NAME}, 4);
    put_byte(s, (unsigned)strlen(s->host));
    put(s, s->host, strlen(s->host));
    put_byte(s, s->port >> 8);
    put_byte(s, s->port & 0xff);
}

static void copy_z(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);

    assert(n > 0 && n < size);
    memcpy(to, from, n + 1);
}

void socks5_init(struct socks5 *s, const char *host, uint16_t port, const char *user,
                 const char *password)
{
    memset(s, 0, sizeof(*s));
    copy_z(s->host, sizeof(s->host), host);
    copy_z(s->user, sizeof(s->user), user);
    copy_z(s->password, sizeof(s->password), password);
    s->port = port;
    put_greeting(s);
}

void socks5_init_probe(struct socks5 *s)
{
    memset(s, 0, sizeof(*s));
    s->probe = true;
    put_greeting(s);
}

struct str socks5_output(const struct socks5 *s)
{
    return (struct str){(const char *)s->out + s->out_at, s->out_n - s->out_at};
}

void socks5_sent(struct socks5 *s, size_t n)
{
    assert(n <= s->out_n - s->out_at);
    s->out_at += n;
}

size_t socks5_wants(const struct socks5 *s)
{
    switch (s->state) {
    case SOCKS5_METHOD:
    case SOCKS5_AUTH:
        return 2 - s->in_n;
    case SOCKS5_REPLY_HEAD:
        return 5 - s->in_n;
    case SOCKS5_REPLY_TAIL:
        return s->skip;
    case SOCKS5_DONE:
    case SOCKS5_FAILED:
        return 0;
    }
    return 0;
}

bool socks5_asked(const struct socks5 *s)
{
    return s->state == SOCKS5_REPLY_HEAD || s->state == SOCKS5_REPLY_TAIL;
}

static enum socks5_progress fail(struct socks5 *s)
{
    s->state = SOCKS5_FAILED;
    return SOCKS5_ERROR;
}

static enum socks5_progress enter(struct socks5 *s, enum socks5_state state)
{
    s->state = state;
    s->in_n = 0;
    return state == SOCKS5_DONE ? SOCKS5_OK : SOCKS5_MORE;
}

static enum socks5_progress on_method(struct socks5 *s, struct err *err)
{
    if (s->in[0] != VERSION) {
        (void)err_set(err, ERR_PROXY_PROTOCOL, "its first byte is 0x%02x", s->in[0]);
        return fail(s);
    }
    if (s->probe)
        return enter(s, SOCKS5_DONE); /* whatever method: it speaks SOCKS5 */
    if (s->in[1] == USER_PASSWORD) {
        put_auth(s);
        return enter(s, SOCKS5_AUTH);
    }
    if (s->in[1] == NO_AUTH) {
        put_connect(s);
        return enter(s, SOCKS5_REPLY_HEAD);
    }
    (void)err_set(err, s->in[1] == NO_METHOD ? ERR_PROXY_FAILED : ERR_PROXY_PROTOCOL,
                  "it wants authentication method 0x%02x", s->in[1]);
    return fail(s);
}

static enum socks5_progress on_auth(struct socks5 *s, struct err *err)
{
    /* The version here is 1 (RFC 1929); some servers say 5.  Only the status decides. */
    if (s->in[1] != 0) {
        (void)err_set(err, ERR_PROXY_FAILED, "it refused our user name (0x%02x)", s->in[1]);
        return fail(s);
    }
    put_connect(s);
    return enter(s, SOCKS5_REPLY_HEAD);
}

static enum socks5_progress on_refusal(struct socks5 *s, struct err *err)
{
    s->general_failure = s->in[1] == GENERAL_FAILURE;
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
        if (replies[i].code == s->in[1]) {
            (void)err_set(err, replies[i].err, "the proxy says: %s (0x%02x)", replies[i].text,
                          s->in[1]);
            return fail(s);
        }
    (void)err_set(err, ERR_PROXY_FAILED, "the proxy says 0x%02x", s->in[1]);
    return fail(s);
}

static enum socks5_progress on_reply_head(struct socks5 *s, struct err *err)
{
    if (s->in[0] != VERSION) {
        (void)err_set(err, ERR_PROXY_PROTOCOL, "its answer begins with 0x%02x", s->in[0]);
        return fail(s);
    }
    if (s->in[1] != 0)
        return on_refusal(s, err);
    /* in[4] is the first byte of the address, or the length of a name; a port of two bytes follows.
     */
    switch (s->in[3]) {
    case TYPE_IPV4:
        s->skip = 3 + 2;
        break;
    case TYPE_IPV6:
        s->skip = 15 + 2;
        break;
    case TYPE_NAME:
        s->skip = s->in[4] + 2U;
        break;
    default:
        (void)err_set(err, ERR_PROXY_PROTOCOL, "its answer has address type 0x%02x", s->in[3]);
        return fail(s);
    }
    return enter(s, SOCKS5_REPLY_TAIL);
}

enum socks5_progress socks5_feed(struct socks5 *s, struct str bytes, struct err *err)
{
    assert(bytes.n <= socks5_wants(s));
    if (s->state == SOCKS5_REPLY_TAIL) {
        s->skip -= bytes.n;
        return s->skip > 0 ? SOCKS5_MORE : enter(s, SOCKS5_DONE);
    }
    if (bytes.n > 0)
        memcpy(s->in + s->in_n, bytes.p, bytes.n);
    s->in_n += bytes.n;
    /* A refusal may be cut after its code: some proxies close without an address. */
    if (s->state == SOCKS5_REPLY_HEAD && s->in_n >= 2 && s->in[0] == VERSION && s->in[1] != 0)
        return on_refusal(s, err);
    if (socks5_wants(s) > 0)
        return SOCKS5_MORE;

    switch (s->state) {
    case SOCKS5_METHOD:
        return on_method(s, err);
    case SOCKS5_AUTH:
        return on_auth(s, err);
    case SOCKS5_REPLY_HEAD:
        return on_reply_head(s, err);
    case SOCKS5_REPLY_TAIL:
    case SOCKS5_DONE:
    case SOCKS5_FAILED:
        break;
    }
    assert(!"fed after its end");
    return SOCKS5_ERROR;
}

enum socks5_progress socks5_feed_eof(struct socks5 *s, struct err *err)
{
    if (s->state == SOCKS5_METHOD)
        (void)err_set(err, ERR_PROXY_DOWN, "it closed the connection without an answer");
    else
        (void)err_set(err, ERR_PROXY_FAILED, "it closed the connection in mid-exchange");
    return fail(s);
}

void socks5_isolation(char to[SOCKS5_PASSWORD_SIZE], const void *salt, size_t salt_n,
                      const char *host)
{
    struct sha256 h;
    uint8_t digest[SHA256_BYTES];

    sha256_init(&h);
    sha256_add(&h, salt, salt_n);
    sha256_add(&h, host, strlen(host));
    sha256_final(&h, digest);
    hex_encode(to, digest, (SOCKS5_PASSWORD_SIZE - 1) / 2);
    to[SOCKS5_PASSWORD_SIZE - 1] = '\0';
}
