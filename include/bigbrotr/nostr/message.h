/* What a relay says (NIP-01, 42, 45, 67, 77): one WebSocket text message, taken apart without
 * copying and without looking into the event.
 *
 * Views point into the message.  Lenient where the field is lenient (a CLOSED without text, an EOSE
 * without subscription id), never beyond the message's end. */
#ifndef NOSTR_MESSAGE_H
#define NOSTR_MESSAGE_H

#include <stdbool.h>

#include "core/names.h"
#include "core/str.h"

enum message_type {
    MESSAGE_INVALID, /* not JSON, or not an array that begins with a known word */
    MESSAGE_EVENT,
    MESSAGE_EOSE,
    MESSAGE_CLOSED,
    MESSAGE_NOTICE,
    MESSAGE_OK,
    MESSAGE_AUTH,
    MESSAGE_COUNT,
    MESSAGE_NEG_MSG,
    MESSAGE_NEG_ERR
};

/* The machine-readable prefixes of OK and CLOSED, and the refusals that relays put into prose. */
enum message_prefix {
    PREFIX_NONE,
    PREFIX_DUPLICATE,
    PREFIX_POW,
    PREFIX_BLOCKED,
    PREFIX_RATE_LIMITED,
    PREFIX_INVALID,
    PREFIX_RESTRICTED,
    PREFIX_MUTE,
    PREFIX_ERROR,
    PREFIX_UNSUPPORTED,
    PREFIX_AUTH_REQUIRED
};

struct message {
    enum message_type type;
    struct str
        sub; /* subscription id, raw between its quotes; n 0 when missing.  OK: the event id */
    struct str event; /* EVENT: the raw JSON object */
    struct str text;  /* CLOSED, NOTICE, OK, AUTH (challenge), NEG_*: raw between its quotes */
    struct str extra; /* EOSE: the raw third element; COUNT: the raw object; else empty */
    bool ok;          /* OK: accepted */
    bool hint_finish; /* EOSE: NIP-67 "finish" */
    bool hint_more;   /* EOSE: NIP-67 "more" */
};

/* Always fills *out; MESSAGE_INVALID when it is nothing we know. */
void message_parse(struct str text, struct message *out);

/* Classifies the text of CLOSED, OK or NOTICE, by prefix first, then by words seen in the wild. */
enum message_prefix message_prefix(struct str text);

/* Does a NOTICE without subscription id refuse a request (PROTOCOL: "bad req", "too many", ..)? */
bool message_notice_refuses(struct str text);

#endif
