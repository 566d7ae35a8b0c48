/* retention: which events are kept for a time only.  Pure: the archive asks before it stores, and
 * the keeper before it deletes, so that both say the same. */
#ifndef NOSTR_RETENTION_H
#define NOSTR_RETENTION_H

#include "nostr/filter.h"

struct retention_rule {
    const char *name;
    struct filter_spec *what; /* the events that it is about */
    int64_t max_age_s;        /* of created_at; 0: they are never kept, whatever their time */
};

/* The last second of which a rule keeps nothing at the UNIX time `now_s`; INT64_MAX: all time. */
int64_t retention_horizon(const struct retention_rule *rule, int64_t now_s);

/* Does any of these rules exclude the event now? */
bool retention_expired(const struct retention_rule *rules, size_t n, const struct event *e,
                       int64_t now_s);

#endif
