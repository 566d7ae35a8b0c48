/* Circuit: see circuit.h. */
#include "net/circuit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { TROUBLED_MAX = 4096 };

struct trouble {
    uint32_t epoch, failures; /* in a row, in this epoch */
};

void circuits_open(struct circuits *c)
{
    if (getrandom(c->salt, sizeof(c->salt), 0) != sizeof(c->salt))
        abort();
    c->troubled = lru_new(TROUBLED_MAX, SIZE_MAX, free);
}

void circuits_close(struct circuits *c)
{
    lru_free(c->troubled);
}

void circuit_password(const struct circuits *c, const char *host, char to[SOCKS5_PASSWORD_SIZE])
{
    const struct trouble *t = lru_get(c->troubled, str_z(host));
    char name[256 + 12];

    if (t != NULL && t->epoch > 0)
        (void)snprintf(name, sizeof(name), "%s#%u", host, t->epoch);
    else
        (void)snprintf(name, sizeof(name), "%s", host);
    socks5_isolation(to, c->salt, sizeof(c->salt), name);
}

/* Another circuit may help.  Not: the proxy is away, the service is unpublished or wants a key. */
static bool may_be_the_circuit(enum err_code code)
{
    return code == ERR_ONION_RENDEZVOUS || code == ERR_ONION_UNREACHABLE ||
           code == ERR_CONNECT_TIMEOUT || code == ERR_CONNECT_UNREACHABLE ||
           code == ERR_PROXY_FAILED;
}

void circuit_ended(struct circuits *c, const char *host, enum err_code code)
{
    struct trouble *t = lru_get(c->troubled, str_z(host));

    if (code == ERR_NONE && t != NULL)
        t->failures = 0; /* the epoch stays: this circuit works */
    if (!may_be_the_circuit(code))
        return;
    if (t == NULL) {
        t = calloc(1, sizeof(*t));
        if (t == NULL)
            abort();
        lru_put(c->troubled, str_z(host), t, sizeof(*t));
    }
    if (++t->failures < CIRCUIT_FAILURES_MAX)
        return;
    t->failures = 0;
    t->epoch++;
}
