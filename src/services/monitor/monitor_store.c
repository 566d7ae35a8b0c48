/* What the monitor writes and reads back.
 *
 *     outcome (all text in its arena) -> [outcomes] -> one transaction with the memory of its
 * relays
 *
 * A transaction that failed is tried again with the same rows: a check is known by relay, second
 * and vantage, so nothing is written twice. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/sha256.h"
#include "services/monitor/monitor_internal.h"

enum {
    WRITE_AT_ONCE = 200,
    WRITE_EVERY_MS = 300,
    RETRY_MS = 1000,
    THIN_EVERY_MS = 10 * 60 * 1000,
    THIN_AT_ONCE = 5000,
    ARENA_BLOCK = 2048
};

/* One transaction under way. */
struct writing {
    struct monitor *monitor;
    struct list outcomes;
    uint32_t outcomes_n, health_n;
    struct store_check *rows;
    struct store_health *health;
    struct check **checks; /* of health[] */
    char vantage[64];
};

/* From report to row */

static const char *kept(struct outcome *o, const char *text)
{
    size_t n = text != NULL ? strlen(text) + 1 : 0;

    return text != NULL ? arena_copy(&o->arena, (struct str){text, n}).p : NULL;
}

/* Takes the malloc'd text. */
static void keep_document(struct outcome *o, struct store_document *d, char *json)
{
    if (json == NULL)
        return;
    sha256_of(json, strlen(json), d->id);
    d->json = kept(o, json);
    free(json);
}

static void keep_mentions(struct outcome *o, const struct hints *hints)
{
    struct hint *mentions = arena_alloc(&o->arena, hints->n * sizeof(*mentions));

    for (uint32_t i = 0; i < hints->n; i++) {
        mentions[i] = hints->hint[i];
        mentions[i].url = arena_copy(&o->arena, hints->hint[i].url);
    }
    o->nip11.mentions = mentions;
    o->nip11.mentions_n = hints->n;
    o->nip11.author = mention_author_of_relay(str_z(o->check->relay->url));
}

static void keep_nip11(struct outcome *o, const struct nip11 *d)
{
    struct store_nip11 *n = &o->nip11;

    memcpy(n->document.id, d->id, sizeof(d->id));
    n->document.json = kept(o, d->canonical);
    n->raw = arena_copy(&o->arena, d->raw);
    n->name = kept(o, d->name);
    n->description = kept(o, d->description);
    n->banner = kept(o, d->banner);
    n->icon = kept(o, d->icon);
    n->pubkey = kept(o, d->pubkey);
    n->contact = kept(o, d->contact);
    n->software = kept(o, d->software);
    n->version = kept(o, d->version);
    n->privacy_policy = kept(o, d->privacy_policy);
    n->terms_of_service = kept(o, d->terms_of_service);
    n->supported_nips = kept(o, d->supported_nips);
    n->limitation = kept(o, d->limitation);
    n->extra_fields = kept(o, d->extra_fields);
    if (o->check->monitor->options.note_hints)
        keep_mentions(o, &d->relays);
    o->row.nip11 = n;
}

static int8_t answer(enum probe_answer a, bool stored)
{
    return (int8_t)(!stored || a == PROBE_UNTESTED ? -1 : a == PROBE_YES);
}

static const char *error_or_empty(enum err_code code)
{
    return code == ERR_NONE ? "" : err_name(code);
}

static void fill_times(struct store_check *row, const struct probe_report *r, unsigned parts)
{
    bool open = (parts & PROBE_OPEN) != 0;

    row->rtt_open = open ? check_ms(r->rtt_open_us) : -1;
    row->rtt_read = (parts & PROBE_READ) != 0 ? check_ms(r->rtt_read_us) : -1;
    row->rtt_write = (parts & PROBE_WRITE) != 0 ? check_ms(r->rtt_write_us) : -1;
    row->rtt_nip11 = (parts & PROBE_NIP11) != 0 ? check_ms(r->rtt_nip11_us) : -1;
    row->dns_ms = open ? check_ms(r->dns_us) : -1;
    row->tcp_ms = open ? check_ms(r->tcp_us) : -1;
    row->proxy_ms = open ? check_ms(r->proxy_us) : -1;
    row->dns_ttl = r->dns_json != NULL && r->dns_ttl_s < INT32_MAX ? (int32_t)r->dns_ttl_s : 0;
    row->tls_ms = open ? check_ms(r->tls_us) : -1;
    row->upgrade_ms = open ? check_ms(r->upgrade_us) : -1;
}

struct outcome *outcome_new(struct check *c, const struct probe_report *r, bool counts)
{
    struct outcome *o = calloc(1, sizeof(*o));
    unsigned parts = c->monitor->options.store;
    struct store_check *row;

    if (o == NULL)
        abort();
    arena_init(&o->arena, ARENA_BLOCK);
    o->check = c;
    row = &o->row;
    *row = (struct store_check){.relay_id = c->relay->id,
                                .generated_at = r->started_at_ms / 1000,
                                .counts = counts,
                                .openable = answer(r->openable, (parts & PROBE_OPEN) != 0),
                                .readable = answer(r->readable, (parts & PROBE_READ) != 0),
                                .writable = answer(r->writable, (parts & PROBE_WRITE) != 0),
                                .error = error_or_empty(r->error),
                                .write_error = "",
                                .nip11_error = "",
                                .through_session = r->through_session};
    fill_times(row, r, parts);
    if ((parts & PROBE_WRITE) != 0)
        row->write_error = error_or_empty(r->write_error);
    if ((parts & PROBE_NIP11) != 0) {
        row->nip11_error = error_or_empty(r->nip11_error);
        if (r->nip11 != NULL)
            keep_nip11(o, r->nip11);
    }
    if ((parts & PROBE_HTTP) != 0) {
        row->http_status = r->http_status;
        keep_document(o, &row->http, probe_http_json(r));
    }
    if ((parts & PROBE_TLS) != 0)
        keep_document(o, &row->tls, probe_tls_json(r));
    if ((parts & PROBE_DNS) != 0 && r->dns_json != NULL)
        keep_document(o, &row->dns, strdup(r->dns_json));
    if ((parts & PROBE_GEO) != 0)
        keep_document(o, &row->geo, probe_geo_json(r));
    if ((parts & PROBE_CAPS) != 0) {
        row->caps_known = (int32_t)r->caps_known;
        row->caps = (int32_t)r->caps;
        row->page_cap = (int32_t)r->page_cap;
        for (int i = 0; i < NIP11_CONTRADICTION__COUNT; i++)
            if ((r->contradictions & 1U << i) != 0)
                o->contradictions[row->contradictions_n++] =
                    nip11_contradiction_name((enum nip11_contradiction)i);
        row->contradictions = o->contradictions;
    }
    return o;
}

void outcome_put(struct monitor *m, struct outcome *o)
{
    list_add_tail(&m->outcomes, &o->link);
    m->outcomes_n++;
}

static void outcome_free(struct outcome *o)
{
    arena_done(&o->arena);
    free(o);
}

void monitor_dirty(struct monitor *m, struct check *c)
{
    list_remove(&c->dirty_link);
    list_add_tail(&m->dirty, &c->dirty_link);
}

/* Writing */

static void fill_health(struct store_health *h, const struct check *c)
{
    *h = (struct store_health){.relay_id = c->relay->id,
                               .next_at = c->health.next_at_ms,
                               .last_check_at = c->health.last_check_ms,
                               .last_ok_at = c->health.last_ok_ms,
                               .last_fail_at = c->health.last_fail_ms,
                               .failing_since = c->health.failing_since_ms,
                               .failures = (int32_t)c->health.failures,
                               .unconfirmed = c->health.unconfirmed,
                               .retired = c->health.retired,
                               .rtt_p95 = (int32_t)c->health.slow_ms,
                               .openable = c->openable,
                               .readable = c->readable,
                               .writable = c->writable,
                               .rtt_read = c->rtt_read_ms,
                               .caps_known = c->caps_known,
                               .caps = c->caps,
                               .page_cap = c->page_cap,
                               .error = error_or_empty(c->error),
                               .published_at = c->published_ms};
    memcpy(h->published_hash, c->published_hash, sizeof(h->published_hash));
}

static void writing_free(struct writing *w)
{
    struct list *l;

    while ((l = list_take_first(&w->outcomes)) != NULL)
        outcome_free(CONTAINER_OF(l, struct outcome, link));
    free(w->rows);
    free(w->health);
    free(w->checks);
    free(w);
}

/* What failed goes back to the front, in its order. */
static void take_back(struct monitor *m, struct writing *w)
{
    while (!list_empty(&w->outcomes)) {
        struct list *last = w->outcomes.prev;
        list_remove(last);
        list_add_head(&m->outcomes, last);
        m->outcomes_n++;
    }
    for (uint32_t i = 0; i < w->health_n; i++)
        monitor_dirty(m, w->checks[i]);
    m->retry_ms = clock_mono_ms() + RETRY_MS;
}

static void on_written(void *owner, const struct err *err)
{
    struct writing *w = owner;
    struct monitor *m = w->monitor;

    m->writing = NULL;
    if (err != NULL) {
        if (err->code != ERR_DB_AWAY && err->code != ERR_CANCELLED)
            log_error("monitor", "checks could not be stored: %s", err->detail);
        take_back(m, w);
    }
    writing_free(w);
}

static void collect(struct monitor *m, struct writing *w)
{
    while (w->outcomes_n < WRITE_AT_ONCE && !list_empty(&m->outcomes)) {
        struct list *l = list_take_first(&m->outcomes);
        struct outcome *o = CONTAINER_OF(l, struct outcome, link);
        list_add_tail(&w->outcomes, l);
        m->outcomes_n--;
        w->rows[w->outcomes_n++] = o->row;
        list_remove(&o->check->dirty_link);
        w->checks[w->health_n++] = o->check;
    }
    while (w->health_n < 2 * WRITE_AT_ONCE && !list_empty(&m->dirty)) {
        struct list *l = list_take_first(&m->dirty);
        w->checks[w->health_n++] = CONTAINER_OF(l, struct check, dirty_link);
    }
    for (uint32_t i = 0; i < w->health_n; i++)
        fill_health(&w->health[i], w->checks[i]);
}

void monitor_write(struct monitor *m, int64_t now)
{
    struct writing *w;
    bool enough = m->outcomes_n >= WRITE_AT_ONCE || now - m->written_ms >= WRITE_EVERY_MS;

    if (m->writing != NULL || !enough || now < m->retry_ms || !db_is_up(m->parts.db) ||
        (list_empty(&m->outcomes) && list_empty(&m->dirty)))
        return;
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        abort();
    w->monitor = m;
    list_init(&w->outcomes);
    w->rows = calloc(WRITE_AT_ONCE, sizeof(*w->rows));
    w->health = calloc(2 * (size_t)WRITE_AT_ONCE, sizeof(*w->health));
    w->checks = calloc(2 * (size_t)WRITE_AT_ONCE, sizeof(struct check *));
    if (w->rows == NULL || w->health == NULL || w->checks == NULL)
        abort();
    memcpy(w->vantage, m->options.vantage, sizeof(w->vantage));
    collect(m, w);
    m->writing = w;
    m->written_ms = now;
    store_checks(m->parts.db, w->vantage, w->rows, w->outcomes_n, w->health, w->health_n,
                 on_written, w);
}

void monitor_forget_outcomes(struct monitor *m)
{
    struct list *l;

    while ((l = list_take_first(&m->outcomes)) != NULL)
        outcome_free(CONTAINER_OF(l, struct outcome, link));
    while (list_take_first(&m->dirty) != NULL)
        continue;
}

/* Reading back */

static void on_row(void *owner, const struct store_health *row)
{
    struct monitor *m = owner;
    struct roster *r = m->parts.roster;
    struct relay *relay =
        row->relay_id >= 0 && (uint32_t)row->relay_id < r->by_id_n ? r->by_id[row->relay_id] : NULL;
    struct check *c = relay != NULL ? relay->check : NULL;

    if (c == NULL || c->known || c->probe != NULL)
        return; /* what this run knows is newer */
    c->health = (struct check_health){.next_at_ms = row->next_at,
                                      .last_check_ms = row->last_check_at,
                                      .last_ok_ms = row->last_ok_at,
                                      .last_fail_ms = row->last_fail_at,
                                      .failing_since_ms = row->failing_since,
                                      .failures = row->failures > 0 ? (uint32_t)row->failures : 0,
                                      .unconfirmed = row->unconfirmed,
                                      .retired = row->retired,
                                      .slow_ms = row->rtt_p95 > 0 ? (uint32_t)row->rtt_p95 : 0};
    c->openable = row->openable;
    c->readable = row->readable;
    c->writable = row->writable;
    c->rtt_read_ms = row->rtt_read;
    c->caps_known = row->caps_known;
    c->caps = row->caps;
    c->page_cap = row->page_cap;
    c->error = err_named(str_z(row->error));
    c->published_ms = row->published_at;
    memcpy(c->published_hash, row->published_hash, sizeof(c->published_hash));
    check_remembered(c);
}

static void on_loaded(void *owner, const struct err *err)
{
    struct monitor *m = owner;

    m->loading = false;
    if (err == NULL && !m->stopping)
        monitor_loaded(m);
    else if (err != NULL && !m->stopping)
        monitor_load_later(m);
    if (m->again && !m->stopping)
        monitor_start(m);
}

void monitor_load(struct monitor *m)
{
    m->loading = true;
    m->loaded = false;
    store_health_load(m->parts.db, on_row, on_loaded, m);
}

/* Thinning: a little at a time. */

static void on_thinned(void *owner, int64_t deleted, const struct err *err)
{
    struct monitor *m = owner;

    if (err == NULL && deleted >= THIN_AT_ONCE)
        m->thinned_ms = 0; /* there is more */
}

void monitor_thin(struct monitor *m, int64_t now)
{
    if (m->options.keep_checks_s == 0 || !db_is_up(m->parts.db) ||
        (m->thinned_ms != 0 && now - m->thinned_ms < THIN_EVERY_MS))
        return;
    m->thinned_ms = now;
    store_checks_thin(m->parts.db, clock_wall_s() - m->options.keep_checks_s, THIN_AT_ONCE,
                      on_thinned, m);
}
