/* The names of the networks. */
#include "core/network.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

const char *network_name(enum network network)
{
    static const char *const names[NETWORK__COUNT] = {
#define NETWORK_ROW(name, text) [NETWORK_##name] = text,
        NETWORKS(NETWORK_ROW)
#undef NETWORK_ROW
    };

    assert(network < NETWORK__COUNT);
    return names[network];
}

bool network_named(struct str name, enum network *network)
{
    for (int i = 0; i < NETWORK__COUNT; i++)
        if (str_eq(name, str_z(network_name((enum network)i)))) {
            *network = (enum network)i;
            return true;
        }
    return false;
}

bool network_is_overlay_name(struct str host)
{
    static const char *const ends[] = {".onion", ".i2p", ".loki"};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t n = strlen(ends[i]);
        if (host.n >= n && strncasecmp(host.p + host.n - n, ends[i], n) == 0)
            return true;
    }
    return false;
}
