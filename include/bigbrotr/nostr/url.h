/* Relay URLs: from a string found anywhere to the one form that identifies a relay, or the reason
 * why it is none.
 *
 * The normal form is the key in the database: lower-case scheme and host, A-labels, no default
 * port, no fragment, no trailing slash, and of the query only parameters that choose between relays
 * behind one address (`relay=`, `room=` ..: url_path.c has the list); all others are noise that
 * would make one relay many, or secrets.  NIP-66 wants a `/` on the empty path on the wire:
 * url_wire().
 *
 * Pure: an address is judged here only when it is written in the URL.  What a name resolves to is
 * judged when it is dialled (net/addr_policy.h). */
#ifndef NOSTR_URL_H
#define NOSTR_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/names.h"
#include "core/network.h"
#include "core/str.h"

enum { URL_MAX = 2048, URL_HOST_MAX = 253 };

/* Why a URL is refused; the lower-case name is a stable identifier (reports, candidates). */
#define URL_REFUSALS(X)                                                     \
    X(EMPTY, "nothing there")                                               \
    X(TOO_LONG, "longer than 2,048 bytes")                                  \
    X(CHARACTERS, "contains a space, control or other forbidden character") \
    X(SCHEME, "is not ws:// or wss://")                                     \
    X(USERINFO, "contains a user name or password")                         \
    X(HOST, "has no valid host name")                                       \
    X(PORT, "has an invalid port")                                          \
    X(PORT_DENIED, "names a port that belongs to another service")          \
    X(PATH, "has an invalid path")                                          \
    X(PRIVATE_ADDRESS, "is a private or reserved address")                  \
    X(LOCAL_NAME, "is a name of a local or reserved domain")                \
    X(ONION, "is not a valid v3 onion address")                             \
    X(I2P, "is not a valid i2p address")                                    \
    X(LOKI, "is not a valid lokinet address")

enum url_refusal {
    URL_OK = 0,
#define URL_REFUSAL_ROW(name, text) URL_##name,
    URL_REFUSALS(URL_REFUSAL_ROW)
#undef URL_REFUSAL_ROW
        URL_REFUSAL__COUNT
};

struct relay_url {
    char text[URL_MAX + 1];      /* the normal form: the relay's identity */
    char host[URL_HOST_MAX + 1]; /* without brackets */
    const char *path;            /* into text: "" or "/..." with the query if one is kept */
    uint16_t port;               /* 443 or 80 when none is written */
    bool tls;
    bool ip_literal;
    enum network network;
};

/* May an address literal be accepted although it is private?  `host` is IPv4 dotted or IPv6 without
 * brackets.  NULL: never. */
struct url_policy {
    bool (*address_allowed)(void *owner, const char *host);
    void *owner;
};

/* Accepts every literal: for URLs that were judged before, or that a person has typed. */
extern const struct url_policy url_any_address;

enum url_refusal url_parse(struct str in, const struct url_policy *policy,
                           struct relay_url *out) MUST_USE;

const char *url_refusal_name(enum url_refusal why); /* "private_address" */
const char *url_refusal_text(enum url_refusal why);

/* A copy by itself: `path` of a plain assignment would point into the other's text. */
void url_copy(struct relay_url *to, const struct relay_url *from);

/* The RFC 3986 form for tags and headers: as the key, with "/" for an empty path. */
void url_wire(const struct relay_url *url, char out[URL_MAX + 2]);

#endif
