/* plan: what the command has found out, between its parts. */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include "cli/command.h"
#include "services/plan/cost.h"
#include "services/plan/survey.h"

/* What one relay holds of one filter. */
struct plan_part {
    struct survey_report report;
    uint32_t held[SURVEY_IDS_MAX]; /* how many relays have it, of each id that was drawn */
};

struct plan_relay {
    char *url;
    struct plan_part *parts; /* one for each filter */
    struct cost_of holds;    /* of all filters; `distinct`: all that would be archived */
    double low, high;        /* of its events */
    struct cost cost;
    double seconds;
    const struct err *err; /* NULL: it was estimated */
};

struct plan_total {
    double relays; /* that could be read */
    struct cost_of holds;
    struct cost cost;
    double seconds;
    const struct plan_relay *slowest; /* it decides; NULL: bandwidth or connections do */
    const char *limit;
};

struct plan {
    const struct command *command;
    struct filter_spec **filters;
    size_t filters_n;
    struct retention_rule *rules; /* what they exclude is downloaded and not kept */
    size_t rules_n;
    struct plan_relay *relays; /* that are asked */
    size_t relays_n, known;    /* known > relays_n: those were drawn by lot */
    const char *source;        /* where they come from */
    uint32_t drawn;            /* events that relays were asked for */
    double copies;             /* at how many relays each of them is, mean */
};

/* From the reports to what each relay holds and costs. */
void plan_add_up(struct plan *p);

/* Of those that were asked; or of all that are known, as if they were like those. */
void plan_total(const struct plan *p, bool all, struct plan_total *out);

void plan_print(const struct plan *p);      /* a table on standard output */
void plan_print_json(const struct plan *p); /* one object */

#endif
