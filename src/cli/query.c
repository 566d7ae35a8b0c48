/* events: by a filter, newest first, by index.
 *
 * What is rarest leads: ids, authors, tags, the relay, kinds, in this order; the rest is looked at
 * row by row.  Time goes backwards in windows, each eight times as long as the one before, until
 * there is enough: so the newest few of a busy author do not read all that was ever written.  In
 * the first window the planner may walk along the time and stop at the limit; where that found too
 * little, what is wanted is rare, and the later windows read its own index (OFFSET 0: a fence, so
 * that no limit tempts the planner to walk through everything). */
#include "cli/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/hex.h"

enum { SQL_MAX = 16384, FETCH_EVENTS = 500, FIRST_WINDOW = 86400, WINDOW_GROWS = 8 };

struct run {
    struct archive *a;
    const struct query *q;
    const struct filter_part *want;
    each_event *each;
    void *owner;
    struct array ids, authors, kinds, tags[QUERY_TAGS_MAX];
    int64_t left;
    int fetched;
    bool stop;
};

struct window {
    int64_t since, until;
    bool first;
};

enum lead { LEAD_IDS, LEAD_AUTHORS, LEAD_TAGS, LEAD_RELAY, LEAD_KINDS, LEAD_TIME };

static enum lead lead_of(const struct run *r)
{
    return r->want->ids.n > 0       ? LEAD_IDS
           : r->want->authors.n > 0 ? LEAD_AUTHORS
           : r->want->tags_n > 0    ? LEAD_TAGS
           : r->q->relay[0] != 0    ? LEAD_RELAY
           : r->want->kinds_n > 0   ? LEAD_KINDS
                                    : LEAD_TIME;
}

/* All that must be true of a row but what leads; $1 and $2 are the window. */
static void write_conditions(struct run *r, enum lead lead, struct buf *sql, struct params *p)
{
    const struct query *q = r->q;
    const struct filter_part *want = r->want;

    buf_printf(sql, "e.created_at >= $1 AND e.created_at <= $2");
    if (want->authors.n > 0 && lead != LEAD_AUTHORS) {
        params_array(p, &r->authors);
        buf_printf(sql, " AND encode(e.pubkey, 'hex') = ANY ($%d)", p->n);
    }
    if (want->kinds_n > 0 && lead != LEAD_KINDS) {
        params_array(p, &r->kinds);
        buf_printf(sql, " AND e.kind = ANY ($%d)", p->n);
    }
    for (size_t i = 0; i < want->tags_n; i++) {
        params_array(p, &r->tags[i]);
        buf_printf(sql, " AND e.taghash && $%d", p->n);
    }
    if (q->relay[0] != '\0' && lead != LEAD_RELAY) {
        params_text(p, str_z(q->relay));
        buf_printf(sql,
                   " AND EXISTS (SELECT FROM sighting s WHERE s.relay_url = $%d AND s.bucket = "
                   "(e.key >> 47)::int4 AND s.keys @> ARRAY[e.key] AND s.keys && ARRAY[e.key])",
                   p->n);
    }
}

/* One row of `k` for each thing that leads, and what it leads to. */
static void write_lead(struct run *r, enum lead lead, struct buf *sql, struct params *p)
{
    switch (lead) {
    case LEAD_IDS:
        params_array(p, &r->ids);
        buf_printf(sql, "unnest($%d) k(v)", p->n);
        return;
    case LEAD_AUTHORS:
        params_array(p, &r->authors);
        buf_printf(sql, "unnest($%d) k(v)", p->n);
        return;
    case LEAD_KINDS:
        params_array(p, &r->kinds);
        buf_printf(sql, "(SELECT DISTINCT x FROM unnest($%d) x) k(v)", p->n);
        return;
    case LEAD_RELAY:
        params_text(p, str_z(r->q->relay));
        buf_printf(sql,
                   "(SELECT DISTINCT u.key FROM (SELECT r.relay_id, least($1, 2147483647)::int4 AS "
                   "lo, least($2, 2147483647)::int4 AS hi FROM relays r WHERE r.url = $%d OFFSET 0)"
                   " r CROSS JOIN LATERAL (SELECT s.keys FROM sighting s WHERE s.relay_id = "
                   "r.relay_id AND s.bucket >= r.lo >> 15 AND s.bucket <= r.hi >> 15 AND s.tmax >= "
                   "r.lo AND s.tmin <= r.hi OFFSET 0) s CROSS JOIN LATERAL unnest(s.keys) u(key) "
                   "WHERE u.key >> 32 BETWEEN r.lo AND r.hi OFFSET 0) k(v)",
                   p->n);
        return;
    case LEAD_TAGS:
    case LEAD_TIME:
        buf_printf(sql, "(SELECT 1) k(v)");
        return;
    }
}

static const char *lead_condition(enum lead lead)
{
    switch (lead) {
    case LEAD_IDS:
        return "encode(e.id, 'hex') = k.v AND ";
    case LEAD_AUTHORS:
        return "encode(e.pubkey, 'hex') = k.v AND ";
    case LEAD_KINDS:
        return "e.kind = k.v AND ";
    case LEAD_RELAY:
        return "e.key = k.v AND e.created_at >= k.v >> 32 AND e.created_at <= CASE WHEN k.v >> 32 "
               "< 2147483647 THEN k.v >> 32 ELSE 9223372036854775807 END AND ";
    case LEAD_TAGS:
    case LEAD_TIME:
        return "";
    }
    return "";
}

static void write_sql(struct run *r, const struct window *w, struct buf *sql, struct params *p)
{
    enum lead lead = lead_of(r);
    bool ordered = lead == LEAD_KINDS || lead == LEAD_TIME || (w->first && lead != LEAD_IDS);

    params_init(p);
    params_int8(p, w->since);
    params_int8(p, w->until);
    buf_printf(sql, "DECLARE wanted NO SCROLL CURSOR FOR SELECT event_object(x.event) FROM ");
    write_lead(r, lead, sql, p);
    buf_printf(sql,
               " CROSS JOIN LATERAL (SELECT e AS event, e.created_at, e.id FROM event e WHERE %s",
               lead_condition(lead));
    write_conditions(r, lead, sql, p);
    if (ordered && r->left != INT64_MAX)
        buf_printf(sql, " ORDER BY e.created_at DESC, e.id LIMIT %" PRId64, r->left);
    buf_printf(sql, " OFFSET 0) x ORDER BY x.created_at DESC, x.id");
    if (r->left != INT64_MAX)
        buf_printf(sql, " LIMIT %" PRId64, r->left);
}

static void on_row(void *owner, const struct result *res, int row)
{
    struct run *r = owner;

    r->fetched++;
    if (r->stop)
        return;
    if (r->left != INT64_MAX)
        r->left--;
    r->stop = !r->each(r->owner, result_str(res, row, 0)) || r->left == 0;
}

static int run_window(struct run *r, const struct window *w, struct err *err)
{
    struct params p;
    struct buf sql;
    char fetch[64];
    int rc;

    buf_init(&sql, SQL_MAX);
    write_sql(r, w, &sql, &p);
    char *text = buf_take_z(&sql);
    (void)snprintf(fetch, sizeof(fetch), "FETCH %d FROM wanted", FETCH_EVENTS);
    rc = archive_query(r->a, "BEGIN READ ONLY", NULL, NULL, NULL, err);
    if (rc == 0)
        rc = archive_query(r->a,
                           "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', "
                           "'off', true)",
                           NULL, NULL, NULL, err);
    if (rc == 0)
        rc = archive_query(r->a, text, &p, NULL, NULL, err);
    for (r->fetched = FETCH_EVENTS; rc == 0 && !r->stop && r->fetched == FETCH_EVENTS;) {
        r->fetched = 0;
        rc = archive_query(r->a, fetch, NULL, on_row, r, err);
    }
    free(text);
    return rc < 0 ? -1 : archive_query(r->a, "COMMIT", NULL, NULL, NULL, err);
}

static int run_windows(struct run *r, struct err *err)
{
    const int64_t since = filter_spec_since(r->q->filter);
    int64_t now = clock_wall_s(), length = FIRST_WINDOW, top = filter_spec_until(r->q->filter);
    struct window w = {.until = top, .first = true};

    if (top > now) /* what claims to be of the future is in the first one */
        top = now;
    for (; !r->stop; w.first = false, length *= WINDOW_GROWS) {
        w.since = since;
        if (r->want->ids.n == 0 && length < top - since)
            w.since = top - length;
        if (run_window(r, &w, err) < 0)
            return -1;
        if (w.since <= since)
            return 0;
        w.until = top = w.since - 1;
    }
    return 0;
}

static void put_hashes(struct array *to, const struct hashes *from)
{
    char hex[64];

    array_init(to, PG_TEXT);
    for (size_t i = 0; i < from->n; i++) {
        hex_encode(hex, from->at[i].b, sizeof(from->at[i].b));
        array_text(to, (struct str){hex, sizeof(hex)});
    }
}

/* One of the values must be there. */
static void put_tag(struct array *to, const struct tag_rule *rule)
{
    array_init(to, PG_INT8);
    for (size_t i = 0; i < rule->n; i++)
        array_int8(to, event_tag_hash(str_z(rule->name), rule->values[i]));
}

int query_run(struct archive *a, const struct query *q, each_event *each, void *owner,
              struct err *err)
{
    const struct filter_part *want = &q->filter->want;
    struct run r = {.a = a, .q = q, .want = want, .each = each, .owner = owner, .left = q->limit};
    int rc = 0;

    put_hashes(&r.ids, &want->ids);
    put_hashes(&r.authors, &want->authors);
    array_init(&r.kinds, PG_INT4);
    for (size_t i = 0; i < want->kinds_n; i++)
        array_int4(&r.kinds, want->kinds[i]);
    for (size_t i = 0; i < want->tags_n; i++)
        put_tag(&r.tags[i], &want->tags[i]);
    if (r.left > 0 && filter_spec_since(q->filter) <= filter_spec_until(q->filter))
        rc = run_windows(&r, err);
    for (size_t i = 0; i < want->tags_n; i++)
        array_done(&r.tags[i]);
    array_done(&r.ids);
    array_done(&r.authors);
    array_done(&r.kinds);
    return rc;
}

static bool print_event(void *owner, struct str json)
{
    (void)owner;
    return fwrite(json.p, 1, json.n, stdout) == json.n && fputc('\n', stdout) != EOF;
}

int command_events(const struct command *c)
{
    struct query q;
    struct err err;
    struct archive *a = NULL;
    int rc = query_read(c, &q, &err);

    if (rc == 0)
        rc = (a = archive_open(c->cfg, &err)) == NULL ? -1 : 0;
    if (rc == 0)
        rc = query_run(a, &q, print_event, NULL, &err);
    if (a != NULL)
        archive_close(a);
    query_free(&q);
    if (rc < 0)
        return command_fail(&err);
    return command_flush();
}
