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
