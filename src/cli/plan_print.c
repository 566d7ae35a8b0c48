/* plan: the table, what it comes to, and the same as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "cli/plan.h"
#include "core/human.h"

enum { URL_WIDTH = 44 };

static const char *const count_names[] = {[SURVEY_COUNT_NONE] = "none",
                                          [SURVEY_COUNT_BELIEVED] = "believed",
                                          [SURVEY_COUNT_APPROXIMATE] = "approximate",
                                          [SURVEY_COUNT_DOUBTED] = "doubted"};

/* ---- for people ---- */

/* The worst of its filters: what was not counted in one is not counted. */
static const char *how(const struct plan *p, const struct plan_relay *relay)
{
    static const char *const words[] = {[SURVEY_COUNT_NONE] = "from samples",
                                        [SURVEY_COUNT_BELIEVED] = "COUNT",
                                        [SURVEY_COUNT_APPROXIMATE] = "COUNT, about",
                                        [SURVEY_COUNT_DOUBTED] = "its COUNT lies"};
    static const uint8_t rank[] = {[SURVEY_COUNT_BELIEVED] = 0,
                                   [SURVEY_COUNT_APPROXIMATE] = 1,
                                   [SURVEY_COUNT_NONE] = 2,
                                   [SURVEY_COUNT_DOUBTED] = 3};
    enum survey_count worst = SURVEY_COUNT_BELIEVED;

    for (size_t i = 0; i < p->filters_n; i++) {
        const struct survey_report *r = &relay->parts[i].report;

        if (r->caution != NULL)
            return "at least";
        if (rank[r->count] > rank[worst])
            worst = r->count;
    }
    return worst == SURVEY_COUNT_NONE && relay->low >= relay->high ? "all of it" : words[worst];
}

static void print_relay(const struct plan *p, const struct plan_relay *relay)
{
    char bytes[32], lasts[32];

    if (relay->err != NULL) {
        (void)printf("%-*s %12s %s%s%s\n", URL_WIDTH, relay->url, "-", err_text(relay->err->code),
                     relay->err->detail[0] != '\0' ? ": " : "", relay->err->detail);
        return;
    }
    (void)printf("%-*s %12.0f %-14s %9.0f %10s %8s\n", URL_WIDTH, relay->url, relay->holds.events,
                 how(p, relay), relay->holds.event_bytes,
                 human_bytes(bytes, sizeof(bytes), relay->cost.download_bytes),
                 human_duration(lasts, sizeof(lasts), relay->seconds));
    for (size_t i = 0; i < p->filters_n; i++)
        if (relay->parts[i].report.caution != NULL)
            (void)printf("  %s: samples prove only what was seen\n",
                         relay->parts[i].report.caution);
}

static void print_total(const struct plan_total *t)
{
    char bytes[32], lasts[32];

    (void)printf("events     %.0f, each once; %.0f sightings", t->holds.distinct, t->holds.wanted);
    if (t->holds.events > t->holds.wanted * 1.001)
        (void)printf("; %.0f more are downloaded and not wanted",
                     t->holds.events - t->holds.wanted);
    (void)printf("\ndownload   %s in %.0f requests\n",
                 human_bytes(bytes, sizeof(bytes), t->cost.download_bytes), t->cost.requests);
    (void)printf("database   %s\n", human_bytes(bytes, sizeof(bytes), t->cost.database_bytes));
    (void)printf("time       %s or more: %s%s%s\n",
                 human_duration(lasts, sizeof(lasts), t->seconds), t->limit,
                 t->slowest != NULL ? ", " : "", t->slowest != NULL ? t->slowest->url : "");
    (void)printf("processor  %s of one core\n",
                 human_duration(lasts, sizeof(lasts), t->cost.cpu_s));
}

void plan_print(const struct plan *p)
{
    struct plan_total total;
    size_t read = 0;

    for (size_t i = 0; i < p->relays_n; i++)
        read += p->relays[i].err == NULL;
    (void)printf("%-*s %12s %-14s %9s %10s %8s\n", URL_WIDTH, "relay", "events", "known from",
                 "bytes/ev.", "download", "time");
    for (size_t i = 0; i < p->relays_n; i++)
        print_relay(p, &p->relays[i]);
    (void)printf("\n%zu of %zu %s could be estimated\n", read, p->relays_n,
                 human_noun((int64_t)p->relays_n, "relay", "relays"));
    if (read == 0)
        return;
    plan_total(p, false, &total);
    print_total(&total);
    if (p->drawn > 0 && read > 1)
        (void)printf("overlap    %" PRIu32 " events were drawn by lot and asked of every relay: "
                     "each is at %.1f of these %zu\n",
                     p->drawn, p->copies, read);
    if (p->known == p->relays_n)
        return;
    plan_total(p, true, &total);
    (void)printf("\nIf all %zu relays of %s are like these, which were drawn by lot:\n", p->known,
                 p->source);
    print_total(&total);
}

/* ---- for programs ---- */

static struct js *real_or_null(double x)
{
    return x > 0 ? js_new_real(x) : js_new_null();
}

static struct js *part_json(const struct plan *p, const struct plan_relay *relay, size_t nth)
{
    const struct survey_report *r = &relay->parts[nth].report;
    struct js *one = js_new_object();
    char *filter = filter_spec_identity(p->filters[nth]);

    js_set_z(one, "filter", filter);
    js_set_int(one, "events", llround(r->estimate.events));
    js_set_int(one, "events_low", llround(r->estimate.low));
    js_set_int(one, "events_high", llround(r->estimate.high));
    js_set_z(one, "count", count_names[r->count]);
    js_set(one, "counted", r->counted >= 0 ? js_new_int(r->counted) : js_new_null());
    js_set_int(one, "pages", r->estimate.pages);
    js_set_int(one, "seen", r->estimate.seen);
    js_set_real(one, "wanted", r->wanted);
    js_set_int(one, "received_bytes", (int64_t)r->received_bytes);
    js_set_z(one, "caution", r->caution);
    free(filter);
    return one;
}

static struct js *relay_json(const struct plan *p, const struct plan_relay *relay)
{
    struct js *one = js_new_object(), *parts = js_new_array();

    js_set_z(one, "url", relay->url);
    js_set_z(one, "error", relay->err != NULL ? err_name(relay->err->code) : NULL);
    if (relay->err != NULL) {
        js_set_z(one, "detail", relay->err->detail);
        js_free(parts);
        return one;
    }
    js_set_int(one, "events", llround(relay->holds.events));
    js_set_int(one, "events_low", llround(relay->low));
    js_set_int(one, "events_high", llround(relay->high));
    js_set_z(one, "known_from", how(p, relay));
    js_set_real(one, "event_bytes", relay->holds.event_bytes);
    js_set_int(one, "download_bytes", llround(relay->cost.download_bytes));
    js_set_real(one, "seconds", relay->seconds);
    js_set(one, "bytes_per_second", real_or_null(relay->parts[0].report.bytes_per_s));
    for (size_t i = 0; i < p->filters_n; i++)
        js_add(parts, part_json(p, relay, i));
    js_set(one, "filters", parts);
    return one;
}

static struct js *total_json(const struct plan *p, bool all)
{
    struct plan_total t;
    struct js *one;

    plan_total(p, all, &t);
    if (t.relays < 1)
        return js_new_null(); /* nothing is known */
    one = js_new_object();
    js_set_int(one, "relays", llround(t.relays));
    js_set_int(one, "events", llround(t.holds.distinct));
    js_set_int(one, "sightings", llround(t.holds.wanted));
    js_set_int(one, "messages", llround(t.holds.events));
    js_set_real(one, "event_bytes", t.holds.event_bytes);
    js_set_int(one, "requests", llround(t.cost.requests));
    js_set_int(one, "download_bytes", llround(t.cost.download_bytes));
    js_set_int(one, "database_bytes", llround(t.cost.database_bytes));
    js_set_real(one, "seconds", t.seconds);
    js_set_z(one, "limit", t.slowest != NULL ? t.slowest->url : t.limit);
    js_set_real(one, "cpu_seconds", t.cost.cpu_s);
    return one;
}

void plan_print_json(const struct plan *p)
{
    struct js *root = js_new_object(), *relays = js_new_array();

    for (size_t i = 0; i < p->relays_n; i++)
        js_add(relays, relay_json(p, &p->relays[i]));
    js_set_z(root, "source", p->source);
    js_set_int(root, "known", (int64_t)p->known);
    js_set_int(root, "asked", (int64_t)p->relays_n);
    js_set_int(root, "compared_events", p->drawn);
    js_set_real(root, "copies", p->copies);
    js_set(root, "relays", relays);
    js_set(root, "total", total_json(p, false));
    js_set(root, "all_known", p->known > p->relays_n ? total_json(p, true) : js_new_null());
    js_print(root, JS_PRETTY, stdout);
    (void)putchar('\n');
    js_free(root);
}
