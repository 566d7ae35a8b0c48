/* retention: which events are kept for a time only.  Pure: the archive asks before it stores, and
 * the keeper before it deletes, so that both say the same. */
#ifndef NOSTR_RETENTION_H
#define NOSTR_RETENTION_H

#include "nostr/filter.h"

struct retention_rule {
    const char *name;
    struct filter_spec *what; /* the events that it is about */
    int64_t max_age_s;        /* of created_at; 0: they are never kept, whatever their time */

    /* Not empty: it is about what was seen at these relays, by their normal form, sorted.  They
     * count as if they had not had the event, so it stays when another relay has it. */
    char **relays;
    size_t relays_n;

    /* Not NULL: to this folder its events are written before they go, a month (UTC) at a time; so
     * they are kept until their month is over. */
    char *export;
};

/* The last second of which a rule keeps nothing at the UNIX time `now_s`; INT64_MAX: all time. */
int64_t retention_horizon(const struct retention_rule *rule, int64_t now_s);

/* The first second of the month (UTC) in which a second lies, and that of the next month. */
int64_t retention_month(int64_t second, int64_t *next);

/* Is the event one that the rule excludes now, wherever it was seen? */
bool retention_applies(const struct retention_rule *rule, const struct event *e, int64_t now_s);

/* Does any of these rules exclude it as it comes from this relay (NULL: from none)? */
bool retention_expired(const struct retention_rule *rules, size_t n, const struct event *e,
                       const char *relay, int64_t now_s);

#endif
