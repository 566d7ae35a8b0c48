/* roster: see roster.h. */
#include "services/roster.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/trace.h"

enum { SAVE_EVERY_MS = 500, SAVE_AT_ONCE = 500 };

struct load {
    struct roster *roster;
    roster_loaded *done;
    void *owner;
};

struct rejects {
    struct roster *roster;
    struct store_reject *rows;
    uint32_t n;
};

struct save {
    struct roster *roster;
    struct relay **relays; /* that were written, to be marked again if it fails */
    uint32_t n;
};

static void on_save_timer(uv_timer_t *timer);

void roster_open(struct roster *r, uv_loop_t *loop, struct db *db)
{
    *r = (struct roster){.loop = loop, .db = db};
    list_init(&r->dirty);
    siphash_key_random(&r->key);
    (void)uv_timer_init(loop, &r->save_timer);
    r->save_timer.data = r;
    (void)uv_timer_start(&r->save_timer, on_save_timer, SAVE_EVERY_MS, SAVE_EVERY_MS);
}

static void *grown(void *array, uint32_t n, size_t size)
{
    void *p = realloc(array, n * size);

    if (p == NULL)
        abort();
    return p;
}

/* Where this URL stands in the table, or the free place where it would. */
static uint32_t place_of(const struct roster *r, const char *url)
{
    uint32_t at = (uint32_t)siphash(&r->key, url, strlen(url)) & (r->by_url_n - 1);

    while (r->by_url[at] != NULL && strcmp(r->by_url[at]->url, url) != 0)
        at = (at + 1) & (r->by_url_n - 1);
    return at;
}

/* At most half full, so that a search is short. */
static void index_urls(struct roster *r)
{
    free(r->by_url);
    r->by_url_n = r->room * 2;
    r->by_url = calloc(r->by_url_n, sizeof(struct relay *));
    if (r->by_url == NULL)
        abort();
    for (uint32_t i = 0; i < r->n; i++)
        r->by_url[place_of(r, r->relays[i]->url)] = r->relays[i];
}

static void add(struct roster *r, struct relay *relay)
{
    if (r->n == r->room) {
        r->room = r->room == 0 ? 1024 : r->room * 2;
        r->relays = grown(r->relays, r->room, sizeof(struct relay *));
        index_urls(r);
    }
    r->relays[r->n++] = relay;
    r->by_url[place_of(r, relay->url)] = relay;
    uint32_t id = (uint32_t)relay->id;
    if (id >= r->by_id_n) {
        uint32_t n = (id + 1) * 2;
        r->by_id = grown(r->by_id, n, sizeof(struct relay *));
        memset(r->by_id + r->by_id_n, 0, (n - r->by_id_n) * sizeof(struct relay *));
        r->by_id_n = n;
    }
    r->by_id[id] = relay;
    r->states[relay->state]++;
    r->networks[relay->network]++;
    r->bytes += sizeof(*relay) + strlen(relay->url) + 1 + 4 * sizeof(struct relay *);
}

static void on_row(void *owner, const struct store_relay *row)
{
    struct load *load = owner;
    struct roster *r = load->roster;
    struct relay *relay;

    if (row->relay_id >= 0 && (uint32_t)row->relay_id < r->by_id_n &&
        r->by_id[row->relay_id] != NULL)
        return;
    relay = calloc(1, sizeof(*relay));
    if (relay == NULL || (relay->url = strdup(row->url)) == NULL)
        abort();
    relay->id = row->relay_id;
    relay->network = row->network;
    relay->next_at_ms = row->next_at;
    relay->health.rtt_read_ms = -1;
    relay->last_ok_at_ms = row->last_ok_at;
    relay->synced_at_ms = row->synced_at;
    relay->failures = (uint32_t)row->failures;
    relay->error = err_named(str_z(row->error));
    walk_traits_read(&relay->traits, row->traits);
    relay->events = row->events;
    relay->bytes = row->bytes;
    relay->events_new = row->events_new;
    relay->state = relay->error != ERR_NONE && relay->failures > 0 ? RELAY_FAILING
                   : relay->synced_at_ms > 0                       ? RELAY_IN_SYNC
                                                                   : RELAY_WAITING;
    list_init(&relay->dirty_link);
    list_init(&relay->visit_link);
    list_init(&relay->waiting_link);
    add(r, relay);
}

static void on_loaded(void *owner, const struct err *err)
{
    struct load load = *(struct load *)owner;

    free(owner);
    load.done(load.owner, err);
}

void roster_load(struct roster *r, roster_loaded *done, void *owner)
{
    struct load *load = malloc(sizeof(*load));

    if (load == NULL)
        abort();
    *load = (struct load){r, done, owner};
    store_relays_load(r->db, on_row, on_loaded, load);
}

void roster_dirty(struct roster *r, struct relay *relay)
{
    if (!relay->dirty)
        list_add_tail(&r->dirty, &relay->dirty_link);
    relay->dirty = true;
}

void roster_rejected(struct relay *relay, enum reject why, uint32_t events)
{
    if (relay->rejects == NULL)
        relay->rejects = calloc(REJECT__COUNT, sizeof(*relay->rejects));
    if (relay->rejects == NULL)
        abort();
    relay->rejects[why] += events;
}

void roster_set_state(struct roster *r, struct relay *relay, enum relay_state state)
{
    if (state == relay->state)
        return;
    log_debug("relay", "%s: %s -> %s", relay->url, relay_state_name(relay->state),
              relay_state_name(state));
    trace(relay->id, "%s -> %s", relay_state_words(relay->state), relay_state_words(state));
    r->states[relay->state]--;
    r->states[state]++;
    relay->state = state;
}

struct relay *roster_find(const struct roster *r, const char *url)
{
    return r->n > 0 ? r->by_url[place_of(r, url)] : NULL;
}

struct host_of {
    char host[URL_HOST_MAX + 1];
    struct relay *relay;
};

static int by_host(const void *a, const void *b)
{
    const struct host_of *x = a, *y = b;

    return strcmp(x->host, y->host);
}

void roster_count_siblings(const struct roster *r)
{
    struct host_of *hosts = calloc(r->n + 1, sizeof(*hosts));
    struct relay_url *url = malloc(sizeof(*url));

    if (hosts == NULL || url == NULL)
        abort();
    for (uint32_t i = 0; i < r->n; i++) {
        roster_url(r->relays[i], url);
        memcpy(hosts[i].host, url->host, sizeof(hosts[i].host));
        hosts[i].relay = r->relays[i];
    }
    qsort(hosts, r->n, sizeof(*hosts), by_host);
    for (uint32_t from = 0, to; from < r->n; from = to) {
        for (to = from + 1; to < r->n && by_host(&hosts[from], &hosts[to]) == 0; to++)
            continue;
        for (uint32_t i = from; i < to; i++)
            hosts[i].relay->siblings = to - from;
    }
    free(url);
    free(hosts);
}

/* Saving */

static void on_saved(void *owner, const struct err *err)
{
    struct save *save = owner;

    save->roster->saving--;
    for (uint32_t i = 0; err != NULL && i < save->n; i++)
        roster_dirty(save->roster, save->relays[i]);
    free(save->relays);
    free(save);
}

static void on_rejects_saved(void *owner, const struct err *err)
{
    struct rejects *rejects = owner;

    rejects->roster->saving--;
    for (uint32_t i = 0; err != NULL && i < rejects->n; i++) {
        const struct store_reject *row = &rejects->rows[i];
        struct relay *relay = rejects->roster->by_id[row->relay_id];
        roster_rejected(relay, row->why, (uint32_t)row->events);
        roster_dirty(rejects->roster, relay);
    }
    free(rejects->rows);
    free(rejects);
}

/* What was refused since the last time, of the relays that are being saved. */
static void save_rejects(struct roster *r, const struct save *save)
{
    struct rejects *rejects = calloc(1, sizeof(*rejects));

    if (rejects == NULL)
        abort();
    rejects->roster = r;
    r->saving++;
    rejects->rows = grown(NULL, save->n * REJECT__COUNT + 1, sizeof(*rejects->rows));
    for (uint32_t i = 0; i < save->n; i++) {
        struct relay *relay = save->relays[i];
        for (int why = 0; relay->rejects != NULL && why < REJECT__COUNT; why++) {
            if (relay->rejects[why] == 0)
                continue;
            rejects->rows[rejects->n++] = (struct store_reject){
                .relay_id = relay->id, .why = (enum reject)why, .events = relay->rejects[why]};
            relay->rejects[why] = 0;
        }
    }
    if (rejects->n > 0)
        store_rejects_add(r->db, rejects->rows, rejects->n, on_rejects_saved, rejects);
    else
        on_rejects_saved(rejects, NULL);
}

static void start_save(struct roster *r)
{
    struct save *save = calloc(1, sizeof(*save));
    struct store_relay *rows = calloc(SAVE_AT_ONCE, sizeof(*rows));
    char(*traits)[WALK_TRAITS_TEXT] = calloc(SAVE_AT_ONCE, WALK_TRAITS_TEXT);
    struct list *l;

    if (save == NULL || rows == NULL || traits == NULL)
        abort();
    save->roster = r;
    save->relays = calloc(SAVE_AT_ONCE, sizeof(struct relay *));
    if (save->relays == NULL)
        abort();
    while (save->n < SAVE_AT_ONCE && (l = list_take_first(&r->dirty)) != NULL) {
        struct relay *relay = CONTAINER_OF(l, struct relay, dirty_link);
        relay->dirty = false;
        (void)walk_traits_write(&relay->traits, traits[save->n], WALK_TRAITS_TEXT);
        rows[save->n] =
            (struct store_relay){.relay_id = relay->id,
                                 .url = relay->url,
                                 .network = relay->network,
                                 .next_at = relay->next_at_ms,
                                 .last_ok_at = relay->last_ok_at_ms,
                                 .synced_at = relay->synced_at_ms,
                                 .failures = (int32_t)relay->failures,
                                 .error = relay->error == ERR_NONE ? "" : err_name(relay->error),
                                 .traits = traits[save->n],
                                 .events = relay->events,
                                 .bytes = relay->bytes,
                                 .events_new = relay->events_new};
        save->relays[save->n++] = relay;
    }
    r->saving++;
    save_rejects(r, save);
    store_relays_save(r->db, rows, save->n, on_saved, save);
    free(traits);
    free(rows);
}

bool roster_flush(struct roster *r)
{
    if (r->saving == 0 && !list_empty(&r->dirty) && db_is_up(r->db))
        start_save(r);
    return r->saving == 0 && list_empty(&r->dirty);
}

static void on_save_timer(uv_timer_t *timer)
{
    (void)roster_flush(timer->data);
}

void roster_close(struct roster *r)
{
    uv_close((uv_handle_t *)&r->save_timer, NULL);
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->relays[i]->unfinished != NULL)
            walk_free(r->relays[i]->unfinished);
        free(r->relays[i]->url);
        free(r->relays[i]->host);
        free(r->relays[i]->rejects);
        free(r->relays[i]);
    }
    free(r->relays);
    free(r->by_id);
    free(r->by_url);
}

/* The normal form parses to itself: its address was judged when it was taken in, and is again when
 * it is dialled. */
void roster_url(const struct relay *relay, struct relay_url *url)
{
    if (url_parse(str_z(relay->url), &url_any_address, url) != URL_OK)
        abort(); /* normal forms parse: a test of nostr/url holds it */
}
