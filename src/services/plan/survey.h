/* survey: one relay and one filter asked how much there is, by NIP-45 COUNT and by a few pages.
 *
 *     CONNECTING -> PAGE -> PAGE .. -> CHECKING -> ENDED
 *                    |                 COUNT of what a page has shown
 *                    +- COUNT of all, beside the first page
 *
 * COUNT is believed when the relay counts what it has just sent as we do, and when its total is
 * near to what the pages say; else, and where there is no answer, the pages alone are the estimate
 * (services/plan/estimate.h).  Whoever counts needs fewer pages.
 *
 * Ownership.  survey_close() once, from anywhere; after it returns nothing is called.  on_done
 * once, never from inside of survey_open(). */
#ifndef SERVICES_SURVEY_H
#define SERVICES_SURVEY_H

#include "nostr/retention.h"
#include "nostr/url.h"
#include "relay/session.h"
#include "services/plan/estimate.h"

struct survey;

enum {
    SURVEY_PAGE = 100, /* events asked for at once: a density within 10 % */
    SURVEY_IDS_MAX = 64
};

struct survey_options {
    const struct relay_url *url;        /* copied */
    const struct filter_spec *filter;   /* outlives it */
    const struct retention_rule *rules; /* what they exclude is not wanted; outlive it */
    size_t rules_n;
    const struct signer *signer; /* NULL: never authenticate */
    uint32_t idle_ms, total_ms;  /* of one request */
    uint32_t deadline_ms;        /* of all: what is known by then is the answer */
    uint32_t ids;                /* so many to be asked for elsewhere; at most SURVEY_IDS_MAX */
};

enum survey_count {
    SURVEY_COUNT_NONE, /* no COUNT, or refused */
    SURVEY_COUNT_BELIEVED,
    SURVEY_COUNT_APPROXIMATE, /* believed; the relay says itself that it is not exact */
    SURVEY_COUNT_DOUBTED      /* it does not agree with what the relay sends */
};

struct survey_report {
    struct err err;      /* ERR_NONE: there is an estimate */
    const char *caution; /* why it is a lower bound only; NULL */
    enum survey_count count;
    int64_t counted;                 /* what COUNT said; -1 */
    struct estimate_result estimate; /* the best that is known */
    uint32_t messages;               /* EVENT messages that matched */
    double wanted;                   /* what part of the events would be archived */
    uint64_t message_bytes;          /* of those that matched */
    uint64_t received_bytes;         /* of all connections */
    double first_s, bytes_per_s;     /* to the first event of a page; from then on.  0: unknown */
    struct id32 ids[SURVEY_IDS_MAX];
    uint32_t ids_n;
};

typedef void survey_done(void *owner, const struct survey_report *report);

struct survey *survey_open(struct net *net, const struct survey_options *options, survey_done *done,
                           void *owner);
void survey_close(struct survey *s); /* NULL is fine */

#endif
