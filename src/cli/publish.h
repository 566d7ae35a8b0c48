/* What `publish` and `rescue --to` share: events on their way out, and to whom. */
#ifndef CLI_PUBLISH_H
#define CLI_PUBLISH_H

#include <stdio.h>

#include "cli/outside.h"
#include "core/arena.h"
#include "nostr/sign.h"
#include "nostr/url.h"
#include "services/sender.h"

struct outbox {
    struct arena bytes;
    struct sender_event *events;
    size_t n, room;
};

void outbox_init(struct outbox *o);
void outbox_done(struct outbox *o);
void outbox_add(struct outbox *o, struct str json, const struct id32 *id); /* verified; copied */

/* To whom, with which key for relays that want authentication (NULL: none), and where it is said
 * how it went. */
struct mailing {
    const struct relay_url *urls;
    size_t n;
    const struct signer *signer;
    FILE *report;
};

/* Sends all to each relay; an exit code, or -1 with err. */
int outbox_send(const struct command *c, const struct outbox *o, const struct mailing *to,
                struct err *err) MUST_USE;

#endif
