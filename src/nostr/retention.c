/* retention: see retention.h. */
#include "nostr/retention.h"

int64_t retention_horizon(const struct retention_rule *rule, int64_t now_s)
{
    return rule->max_age_s == 0 ? INT64_MAX : now_s - rule->max_age_s - 1;
}

bool retention_expired(const struct retention_rule *rules, size_t n, const struct event *e,
                       int64_t now_s)
{
    for (size_t i = 0; i < n; i++)
        if (e->created_at <= retention_horizon(&rules[i], now_s) && filter_wanted(rules[i].what, e))
            return true;
    return false;
}
