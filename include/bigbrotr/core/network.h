/* The four networks a relay can live on.  The lower-case name is what the database, the metrics and
 * the configuration show (NIP-66, tag `n`). */
#ifndef CORE_NETWORK_H
#define CORE_NETWORK_H

#include <stdbool.h>

#include "core/names.h"
#include "core/str.h"

#define NETWORKS(X)         \
    X(CLEARNET, "clearnet") \
    X(TOR, "tor")           \
    X(I2P, "i2p")           \
    X(LOKI, "loki")

enum network {
#define NETWORK_ROW(name, text) NETWORK_##name,
    NETWORKS(NETWORK_ROW)
#undef NETWORK_ROW
        NETWORK__COUNT
};

const char *network_name(enum network network);
bool network_named(struct str name, enum network *network);

/* Does it end in .onion, .i2p or .loki?  No resolver may be asked for such a name (RFC 7686). */
bool network_is_overlay_name(struct str host);

#endif
