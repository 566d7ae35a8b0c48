/* visit_page: a page between the relay and the database.
 *
 * It belongs to the ingest until it is committed, whatever becomes of the visit: only the pointer
 * to the visit is taken out. */
#include <stdlib.h>

#include "core/clock.h"
#include "core/trace.h"
#include "services/visit/visit_internal.h"

enum { BAD_MAX = 1000, BAD_SAMPLE = 200 };

static void on_scanned(void *owner, const struct ingest_fact *facts, size_t n)
{
    struct page *page = owner;

    if (page->live)
        ingest_page_prove(page->ingest_page, page->spans, page->spans_n);
    else if (page->visit != NULL)
        visit_page_scanned(page->visit, page, facts, n);
    else
        ingest_page_prove(page->ingest_page, NULL, 0);
}

/* Checking signatures that are wrong is what an attacker would have us do (PROTOCOL 4.2). */
static bool abuses(const struct relay *relay)
{
    return relay->bad_signatures > BAD_MAX ||
           (relay->checked >= BAD_SAMPLE && relay->bad_signatures > relay->checked / 2);
}

static void on_dropped(void *owner)
{
    struct page *page = owner;

    free(page->spans);
    free(page);
}

static void on_done(void *owner, const struct ingest_page_result *result)
{
    struct page *page = owner;
    struct relay *relay = page->relay;
    struct visit *visit = page->visit;
    bool live = page->live;

    trace(relay->id, "committed: %u events, %u of them new, %u rejected%s", result->events,
          result->inserted, result->rejected, live ? " (live)" : "");
    relay->events_new += result->inserted;
    if (page->news)
        relay->rate_events_new += result->inserted;
    relay->checked += result->events;
    relay->bad_signatures += result->rejected;
    for (int why = 0; why < REJECT__COUNT; why++)
        if (result->rejects[why] > 0)
            roster_rejected(relay, (enum reject)why, result->rejects[why]);
    roster_dirty(page->env->roster, relay);
    on_dropped(page);
    if (live && visit != NULL)
        visit_slice_done(visit);
    if (abuses(relay) && relay->visit != NULL)
        visit_abused(relay->visit);
}

static const struct ingest_page_ops ops = {
    .on_scanned = on_scanned, .on_done = on_done, .on_dropped = on_dropped};

struct page *page_open(struct visit *v, const struct filter_ask *ask, bool live, uint32_t expected)
{
    struct page *page = calloc(1, sizeof(*page));

    if (page == NULL)
        abort();
    page->visit = v;
    page->env = v->env;
    page->relay = v->relay;
    page->live = live;
    page->news = live || (v->walking_news && v->top >= 0);
    page->filter_id = live ? 0 : v->env->filter_ids[v->filter];
    struct ingest_page_options options = {.lane = live ? INGEST_LIVE : INGEST_BACKFILL,
                                          .relay_id = v->relay->id,
                                          .relay_url = v->relay->url,
                                          .filter = live ? NULL : v->env->filters[v->filter],
                                          .ask = *ask,
                                          .expected_events = expected};
    page->ingest_page = ingest_page_open(v->env->ingest, &options, &ops, page);
    return page;
}

void page_seal(struct page *page)
{
    page->sealed = true;
    ingest_page_seal(page->ingest_page);
}

void page_declare(struct visit *v, enum gap_reason reason)
{
    struct filter_ask any = {.since = -1, .until = -1, .limit = -1};
    struct page *page = page_open(v, &any, true, 0);

    page->visit = NULL;
    page->spans = calloc(v->env->filters_n, sizeof(*page->spans));
    if (page->spans == NULL)
        abort();
    for (size_t i = 0; i < v->env->filters_n; i++)
        page->spans[page->spans_n++] = (struct store_span){.relay_id = v->relay->id,
                                                           .filter_id = v->env->filter_ids[i],
                                                           .lo = 0,
                                                           .hi = INT64_MAX,
                                                           .gap = true,
                                                           .reason = reason,
                                                           .at = clock_wall_s()};
    page_seal(page);
}

/* Writes what an answer proved with the answer's events, and remembers it for the next question. */
void page_prove(struct page *page, const struct walk_spans *proofs, struct coverage *coverage)
{
    struct store_span spans[WALK_SPANS_MAX];
    size_t n = proofs != NULL ? proofs->n : 0;
    int64_t now = clock_wall_s();

    for (size_t i = 0; i < n; i++) {
        spans[i] = (struct store_span){.relay_id = page->relay->id,
                                       .filter_id = page->filter_id,
                                       .lo = proofs->at[i].lo,
                                       .hi = proofs->at[i].hi,
                                       .gap = proofs->at[i].gap,
                                       .grade = proofs->at[i].grade,
                                       .reason = proofs->at[i].reason,
                                       .at = now};
        coverage_add(coverage, &spans[i]);
        trace(page->relay->id, "%s %lld to %lld: %s", spans[i].gap ? "gap" : "proven",
              (long long)spans[i].lo, (long long)spans[i].hi,
              spans[i].gap ? gap_reason_name(spans[i].reason) : grade_name(spans[i].grade));
    }
    ingest_page_prove(page->ingest_page, spans, n);
}
