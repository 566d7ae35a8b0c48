/* exchange: one question that is no REQ, and the one answer to it.
 *
 *     EVENT -> OK        COUNT -> COUNT | CLOSED        NEG-OPEN -> NEG-MSG | NEG-ERR | CLOSED
 *
 *     SENT --answer, or none in time--> done        SENT --auth-required--> WAITING --> SENT, once
 *
 * A session owns its exchanges and tells them what comes; whoever asks gets one call, unless he
 * calls exchange_close() before.  They die with their session without a further call.  Callbacks
 * run on the loop, never from inside the function that asked. */
#ifndef RELAY_EXCHANGE_H
#define RELAY_EXCHANGE_H

#include "core/list.h"
#include "net/wsconn.h"
#include "nostr/message.h"
#include "nostr/types.h"

enum exchange_kind { EXCHANGE_EVENT, EXCHANGE_COUNT, EXCHANGE_NEG };

enum exchange_end {
    EXCHANGE_ANSWERED, /* OK (`accepted` or not), COUNT, NEG-MSG */
    EXCHANGE_REFUSED,  /* CLOSED, NEG-ERR */
    EXCHANGE_TIMEOUT,
    EXCHANGE_DISCONNECTED
};

struct exchange_answer {
    enum exchange_end how;
    bool accepted;              /* OK: true */
    bool authenticated;         /* refused with auth-required first, and sent once more */
    enum message_prefix prefix; /* of OK, CLOSED or NEG-ERR */
    struct str body; /* the object of COUNT, the hex of NEG-MSG; for the time of the call */
    int64_t us;      /* from sending (the last time) to the answer; -1: none */
    char text[160];  /* what the relay said, escaped */
};

struct exchange;
typedef void exchange_done(void *owner, const struct exchange_answer *answer);

/* Before the answer: no further call.  NEG-CLOSE is sent where one is due. */
void exchange_close(struct exchange *e);

/* -- for the session -- */

struct exchanges {
    struct list all;
    struct wsconn *conn; /* NULL when nothing can be sent any more */
};

void exchanges_init(struct exchanges *x, struct wsconn *conn);
void exchanges_drop(struct exchanges *x); /* all of them go, nobody is told */
void exchanges_fail(struct exchanges *x); /* all of them end as EXCHANGE_DISCONNECTED */

/* EVENT: `body` is the event as JSON and `id` its id; else `body` is what stands behind the
 * subscription id, and `id` is NULL.  Copied. */
struct exchange_question {
    enum exchange_kind kind;
    struct str body;
    const struct id32 *id;
    uint32_t timeout_ms;
};
struct exchange *exchanges_add(struct exchanges *x, const struct exchange_question *q,
                               exchange_done *done, void *owner);

/* A message that may be an answer.  True: one of them was refused for want of authentication, which
 * `may_auth` allows, and waits for exchanges_resend(). */
bool exchanges_hear(struct exchanges *x, const struct message *m, bool may_auth);
void exchanges_resend(struct exchanges *x);

int64_t
exchanges_next(const struct exchanges *x); /* monotonic ms of the next deadline; INT64_MAX */
void exchanges_tick(struct exchanges *x, int64_t now_ms); /* ends at most one; call again soon */

#endif
