/* visit_spans: which span of which filter a visit walks next: what is new, then what is missing,
 * newest first; filter by filter, until nothing is left to ask. */
#include <stdlib.h>

#include "config/config.h"
#include "core/clock.h"
#include "services/visit/visit_internal.h"

enum { BACKDATED_EVERY_MS = 24 * 3600 * 1000 };

/* Kinds that are backdated by design (NIP-59 and kin): new ones keep appearing with old dates
 * (PROTOCOL 1.14). */
static const int32_t backdated[] = {13, 1059, 1060, 21059};

static void on_coverage(void *owner, const struct store_span *spans, uint32_t n,
                        const struct err *err);
static bool next_backdated(struct visit *v);

/* Everything that belongs to the walk of one filter. */
void visit_leave_filter(struct visit *v)
{
    if (v->walk != NULL)
        walk_free(v->walk);
    v->walk = NULL;
    if (v->coverage != NULL)
        coverage_free(v->coverage);
    v->coverage = NULL;
}

/* The answer of the database may come after the visit: it has an owner of its own. */
void visit_load_coverage(struct visit *v)
{
    struct visit_loading *loading = malloc(sizeof(*loading));

    if (loading == NULL)
        abort();
    v->state = VISIT_LOADING;
    loading->visit = v;
    v->loading = loading;
    store_coverage_load(v->env->db, v->relay->id, v->env->filter_ids[v->filter], on_coverage,
                        loading);
}

static void on_coverage(void *owner, const struct store_span *spans, uint32_t n,
                        const struct err *err)
{
    struct visit_loading *loading = owner;
    struct visit *v = loading->visit;

    free(loading);
    if (v == NULL)
        return;
    v->loading = NULL;
    if (err != NULL) {
        visit_end(v, err);
        return;
    }
    v->coverage = coverage_new();
    for (uint32_t i = 0; i < n; i++)
        coverage_add(v->coverage, &spans[i]);
    v->top = coverage_top(v->coverage);
    v->hi = filter_spec_until(v->env->filters[v->filter]);
    v->topped = false;
    v->news_asked_at = 0;
    visit_next_span(v);
}

/* What the person says of this relay goes before what is said of all. */
int32_t visit_page_size(const struct visit *v)
{
    const struct config_relay *own = v->relay->settings;

    return (int32_t)(own != NULL && own->page > 0 ? own->page : v->env->page);
}

/* .. and what the relay says of itself before what we could hold. */
static int32_t page_max(const struct visit *v)
{
    const struct config_relay *own = v->relay->settings;
    int32_t most = (int32_t)v->env->page_max, says = v->relay->health.max_limit;

    if (own != NULL && own->page > 0)
        return (int32_t)own->page;
    return says > 0 && says < most ? says : most;
}

uint32_t visit_idle_ms(const struct visit *v)
{
    const struct config_relay *own = v->relay->settings;

    if (own != NULL && own->idle_timeout > 0)
        return (uint32_t)own->idle_timeout;
    return v->relay->network != NETWORK_CLEARNET ? v->env->idle_overlay_ms : v->env->idle_ms;
}

void visit_start_walk(struct visit *v, int64_t lo, int64_t hi)
{
    struct relay *relay = v->relay;
    size_t only_n;
    const int32_t *only = filter_spec_kinds(v->env->filters[v->filter], &only_n);
    struct walk_kinds kinds = {
        .known = v->env->kinds, .known_n = v->env->kinds_n, .only = only, .only_n = only_n};

    if (session_asked_auth(v->session))
        relay->traits.restricts = true;
    if (v->top >= 0)
        relay->traits.shown = true;
    relay->traits.page_max = page_max(v);
    if (v->state == VISIT_ASKING && relay->unfinished != NULL &&
        relay->unfinished_filter == v->env->filter_ids[v->filter] &&
        relay->unfinished_news == v->walking_news) {
        v->walk = relay->unfinished;
        relay->unfinished = NULL;
    } else {
        v->walk = walk_start(lo, hi, visit_page_size(v), &relay->traits, &kinds);
    }
    v->proves = true;
    visit_next_question(v);
}

/* Is everything proven up to the first question of this visit?  Not so with declared gaps, or while
 * history waits. */
static bool is_complete(const struct visit *v, int64_t lo)
{
    int64_t until = filter_spec_until(v->env->filters[v->filter]);
    int64_t asked = v->news_asked_at > 0 ? v->news_asked_at : clock_wall_s();
    int64_t hi = asked - 1 < until ? asked - 1 : until;

    return coverage_share(v->coverage, lo, hi) >= 1;
}

/* The news first, with their overlap; then what is older, newest first. */
void visit_next_span(struct visit *v)
{
    const struct filter_spec *filter = v->env->filters[v->filter];
    int64_t now = clock_wall_s(), lo, hi;
    struct coverage_query query = {.lo = filter_spec_since(filter),
                                   .hi = v->hi,
                                   .now = now,
                                   .gap_retry_s = v->env->gap_retry_s};

    v->state = VISIT_ASKING;
    while (coverage_next(v->coverage, &query, &lo, &hi)) {
        bool news = !v->topped && hi == v->hi;
        if (v->env->paused && !news)
            break;
        if (news && v->top >= 0 && v->top - v->env->overlap_s < lo)
            lo = v->top - v->env->overlap_s;
        if (v->env->paused && lo < now - PAUSED_LOOKBACK_S)
            lo = now - PAUSED_LOOKBACK_S;
        if (lo < query.lo)
            lo = query.lo;
        v->walking_news = news;
        visit_start_walk(v, lo, hi);
        return;
    }
    if (next_backdated(v))
        return;
    if (!is_complete(v, query.lo))
        v->relay->incomplete = true;
    v->tops[v->filter] = coverage_top(v->coverage);
    if (++v->filter < v->env->filters_n) {
        visit_leave_filter(v);
        visit_load_coverage(v);
        return;
    }
    visit_leave_filter(v);
    if (!v->answered && v->refused.code != ERR_NONE) {
        struct err err = v->refused; /* all that was asked was refused: that is no relay in sync */
        visit_end(v, &err);
        return;
    }
    v->state = VISIT_SYNCED;
    v->ops->on_synced(v->env->owner, v->relay);
}

/* Once a day, kinds that are backdated by design, for the last days: proves nothing, only finds. */
static bool next_backdated(struct visit *v)
{
    int64_t now_ms = clock_wall_ms(), now = now_ms / 1000;
    size_t only_n;

    (void)filter_spec_kinds(v->env->filters[v->filter], &only_n);
    if (v->top < 0 || only_n > 0 || v->env->paused || v->filter != 0 ||
        now_ms - v->relay->backdated_at_ms < BACKDATED_EVERY_MS || v->env->overlap_backdated_s == 0)
        return false;
    struct walk_kinds kinds = {.only = backdated,
                               .only_n = sizeof(backdated) / sizeof(backdated[0])};
    v->relay->backdated_at_ms = now_ms;
    v->walk = walk_start(now - v->env->overlap_backdated_s, now, visit_page_size(v),
                         &v->relay->traits, &kinds);
    v->proves = false;
    v->walking_news = false;
    visit_next_question(v);
    return true;
}
