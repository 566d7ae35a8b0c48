/* The names of the networks. */
#include "core/network.h"

#include <assert.h>

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
