/* session_auth: NIP-42: the relay's challenge, and our answer to it. */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/hex.h"
#include "nostr/sign.h"
#include "relay/session_internal.h"

enum { AUTH_EVENT_MAX = 4096, AUTH_TIMEOUT_MS = 15000 };

void session_hear_challenge(struct session *s, const struct message *m)
{
    s->asked_auth = true;
    /* The challenge goes back inside a JSON string: as it stands between its quotes, escapes and
     * all, it is decoded by the signer. */
    if (!str_copy(s->challenge, sizeof(s->challenge), m->text))
        s->challenge[0] = '\0';
}

void session_send_auth(struct session *s)
{
    char event[AUTH_EVENT_MAX], *text;
    struct err err;
    struct id32 id;
    int n;

    if (s->challenge[0] == '\0' ||
        (n = signer_auth_event(s->options.signer, s->url, s->challenge, clock_wall_ms() / 1000,
                               event, sizeof(event), &id)) < 0) {
        s->auth = AUTH_REFUSED;
        return;
    }
    hex_encode(s->auth_id, id.b, sizeof(id.b));
    text = malloc((size_t)n + 16);
    if (text == NULL)
        abort();
    int len = snprintf(text, (size_t)n + 16, "[\"AUTH\",%s]", event);
    s->auth =
        wsconn_send(s->conn, (struct str){text, (size_t)len}, &err) < 0 ? AUTH_REFUSED : AUTH_SENT;
    s->auth_until_ms = clock_mono_ms() + AUTH_TIMEOUT_MS;
    free(text);
}
