/* retention: see retention.h. */
#include "nostr/retention.h"

#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400, ERA_DAYS = 146097, ERA_YEARS = 400 };

/* Days since 1970 of the first of a month, 1 to 12.  Years count from March on, so that the day
 * that comes and goes is their last (Hinnant, chrono-compatible low-level date algorithms). */
static int64_t days_of(int64_t year, int month)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - ERA_YEARS + 1) / ERA_YEARS;
    int64_t of_era = year - era * ERA_YEARS;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;

    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t retention_month(int64_t second, int64_t *next)
{
    int64_t days = second >= 0 ? second / DAY_S : (second - DAY_S + 1) / DAY_S;
    int64_t from_march = days + 719468;
    int64_t era = (from_march >= 0 ? from_march : from_march - ERA_DAYS + 1) / ERA_DAYS;
    int64_t day = from_march - era * ERA_DAYS;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * of_year + 2) / 153);

    month += month < 10 ? 3 : -9;
    year += era * ERA_YEARS + (month <= 2);
    if (next != NULL)
        *next = DAY_S * (month == 12 ? days_of(year + 1, 1) : days_of(year, month + 1));
    return DAY_S * days_of(year, month);
}

int64_t retention_horizon(const struct retention_rule *rule, int64_t now_s)
{
    int64_t horizon = now_s - rule->max_age_s - 1;

    if (rule->max_age_s == 0)
        return INT64_MAX;
    return rule->export == NULL ? horizon : retention_month(horizon + 1, NULL) - 1;
}

bool retention_applies(const struct retention_rule *rule, const struct event *e, int64_t now_s)
{
    return e->created_at <= retention_horizon(rule, now_s) && filter_wanted(rule->what, e);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, *(char *const *)b);
}

static bool is_about(const struct retention_rule *rule, const char *relay)
{
    return rule->relays_n == 0 ||
           (relay != NULL &&
            bsearch(relay, rule->relays, rule->relays_n, sizeof(*rule->relays), by_text) != NULL);
}

bool retention_expired(const struct retention_rule *rules, size_t n, const struct event *e,
                       const char *relay, int64_t now_s)
{
    for (size_t i = 0; i < n; i++)
        if (is_about(&rules[i], relay) && retention_applies(&rules[i], e, now_s))
            return true;
    return false;
}
