/* check: what a worker does with a chunk.
 *
 * Two jobs, because between them the loop sorts out which ids are known: a known event costs a scan
 * and a hash (1 us), a new one a signature check (32 us) and the hashes of its tags and the relays
 * that it mentions (1 us each) more. */
#include "ingest/pipeline.h"

enum { KIND_AUTH = 22242 };

static const struct filter_ask whole = {.since = -1, .until = -1, .limit = -1};

static void reject(struct chunk *c, struct item *item, enum reject why)
{
    item->verdict = VERDICT_REJECTED;
    item->why = why;
    c->rejects[why]++;
}

/* A reason that lies in what we want, not in the event; REJECT_NONE when the archive wants it.  A
 * relay that ignores `until`, or sends more than was asked, still shows real events: only the
 * filters count here, not the page. */
static enum reject unwanted(const struct chunk *c, const struct event *e)
{
    bool asked = false;

    if (e->kind == KIND_AUTH)
        return REJECT_AUTH_EVENT;
    if (event_kind_is_ephemeral(e->kind) && !c->keep_ephemeral)
        return REJECT_EPHEMERAL;
    for (size_t i = 0; i < c->wanted_n; i++) {
        if (filter_wanted(c->wanted[i], e))
            return retention_expired(c->retention, c->retention_n, e, c->relay_url, c->now_s)
                       ? REJECT_RETENTION
                       : REJECT_NONE;
        asked = asked || filter_asked(c->wanted[i], &whole, e);
    }
    return asked ? REJECT_UNWANTED : REJECT_OUTSIDE_REQUEST;
}

/* Times aside: those the walk compares itself, to notice a relay that does not. */
static bool matches(const struct chunk *c, const struct event *e)
{
    const struct filter_ask kinds = {
        .since = -1, .until = -1, .limit = -1, .kinds = c->ask->kinds, .n_kinds = c->ask->n_kinds};

    if (c->filter != NULL)
        return filter_asked(c->filter, &kinds, e);
    for (size_t i = 0; i < c->wanted_n; i++)
        if (filter_asked(c->wanted[i], &kinds, e))
            return true;
    return false;
}

void chunk_scan(struct chunk *c)
{
    const struct event_limits limits = event_limits_default();

    for (uint32_t i = 0; i < c->n; i++) {
        struct item *item = &c->items[i];
        enum reject why = REJECT_NONE;

        if (event_scan_untagged(item->raw, &limits, &c->arena, &item->event, &why) < 0) {
            reject(c, item, why);
            continue;
        }
        c->variants[item->event.variant]++;
        item->matches = matches(c, &item->event);
        item->verdict = VERDICT_UNKNOWN;
        why = unwanted(c, &item->event);
        if (why != REJECT_NONE)
            reject(c, item, why);
    }
}

bool item_needs_tags(const struct item *item)
{
    return item->verdict == VERDICT_VERIFIED && !item->tagged;
}

static void note_hints(struct chunk *c, struct item *item)
{
    struct hints hints;

    if (!c->note_hints || c->hints == CHUNK_HINTS_MAX)
        return;
    hints = hints_of_event(&item->event, &c->arena);
    if (hints.n > CHUNK_HINTS_MAX - c->hints)
        hints.n = CHUNK_HINTS_MAX - c->hints;
    c->hints += hints.n;
    item->hints = hints;
}

void chunk_verify(struct chunk *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        struct item *item = &c->items[i];
        const struct event *e = &item->event;

        if (item->verdict == VERDICT_UNKNOWN) {
            c->checks++;
            if (verifier_check(c->verifier, &e->id, &e->pubkey, &e->sig))
                item->verdict = VERDICT_VERIFIED;
            else
                reject(c, item, REJECT_SIGNATURE);
        }
        if (item_needs_tags(item)) {
            event_hash_tags(&item->event, &c->arena);
            item->tagged = true;
            note_hints(c, item);
        }
    }
}

void chunk_job_scan(struct worker_job *job)
{
    chunk_scan(CONTAINER_OF(job, struct chunk, job));
}

void chunk_job_verify(struct worker_job *job)
{
    chunk_verify(CONTAINER_OF(job, struct chunk, job));
}
