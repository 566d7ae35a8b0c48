/* keeper: see keeper.h. */
#include "services/keeper.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/metrics.h"
#include "db/store_keep.h"

enum {
    LOOK_MS = 3000, /* when there was nothing */
    STEP_MS = 100,  /* between two steps */
    STEP_EVENTS = 200,
    BATCH_EVENTS = 500, /* as many as store_retention_read() brings at most */
    PUT_OFF_MAX = 50,   /* times in a row: five seconds */
    IN_FLIGHT_S = 600,  /* so long may an event be on its way from a relay to its commit */
    ARENA_BYTES = 65536,
    MONTH_S = 31 * 86400
};

/* The turns: requests to vanish, then each rule. */
enum { TURN_VANISH, TURN_RULES };

struct keeper {
    uv_timer_t timer;
    struct db *db;
    struct keeper_options options;
    const struct retention_rule *rules;
    struct store_retention *states; /* of each rule */
    size_t rules_n;
    bool started;
    void (*on_started)(void *owner);
    void *owner;

    size_t turn;
    bool more; /* somebody had work in this round */
    bool behind;
    uint32_t put_off;
    uint64_t vanished, expired, vanished_said;

    /* What a rule has found and not deleted yet. */
    struct arena arena;
    struct id32 ids[BATCH_EVENTS];
    int64_t ats[BATCH_EVENTS];
    size_t found_n, deleted_n;
    int64_t read_n, last_key, judged_at, deleted;
};

static void on_timer(uv_timer_t *timer);

static void again_in(struct keeper *k, uint64_t ms)
{
    (void)uv_timer_start(&k->timer, on_timer, ms, 0);
}

static void next_turn(struct keeper *k, bool more)
{
    k->more = k->more || more;
    if (++k->turn < TURN_RULES + k->rules_n) {
        again_in(k, more ? STEP_MS : 0);
        return;
    }
    again_in(k, k->more ? STEP_MS : LOOK_MS);
    k->behind = k->more;
    k->turn = 0;
    k->more = false;
}

/* The database went away, or the daemon ends: then nobody looks again. */
static void trouble(struct keeper *k, const struct err *err)
{
    k->found_n = k->deleted_n = 0;
    if (err->code == ERR_CANCELLED)
        return;
    if (err->code != ERR_DB_AWAY)
        log_warning("keeper", "%s: %s; tried again", err_text(err->code), err->detail);
    again_in(k, LOOK_MS);
}

/* ---- requests to vanish ---- */

static void on_vanish_step(void *owner, const struct store_step *step, const struct err *err)
{
    struct keeper *k = owner;

    if (err != NULL) {
        trouble(k, err);
        return;
    }
    k->put_off = step->busy ? k->put_off + 1 : 0;
    k->vanished += (uint64_t)step->events;
    metrics.events_deleted_total[METRIC_DELETION_VANISH] += step->events;
    if (!step->more && k->vanished > k->vanished_said) {
        log_info("keeper", "%llu events deleted, as their authors have asked all relays (NIP-62)",
                 (unsigned long long)(k->vanished - k->vanished_said));
        k->vanished_said = k->vanished;
    }
    if (step->busy)
        again_in(k, STEP_MS);
    else
        next_turn(k, step->more);
}

/* ---- rules ---- */

static void read_rule(struct keeper *k);
static void delete_some(struct keeper *k);

static void on_row(void *owner, const struct store_retention_row *row)
{
    struct keeper *k = owner;
    const struct event_limits limits = event_limits_archived();
    const struct retention_rule *rule = &k->rules[k->turn - TURN_RULES];
    enum reject why;
    struct event e;

    k->read_n++;
    k->last_key = row->key;
    if (row->json.n == 0 || k->found_n == BATCH_EVENTS)
        return;
    arena_reset(&k->arena);
    if (event_scan(row->json, &limits, &k->arena, &e, &why) < 0) {
        log_warning("keeper", "an event of the archive cannot be read (%s): run bigbrotr verify",
                    reject_name(why));
        return;
    }
    if (!retention_applies(rule, &e, k->judged_at))
        return;
    k->ids[k->found_n] = row->id;
    k->ats[k->found_n++] = row->created_at;
}

static void rule_done(struct keeper *k)
{
    struct store_retention *state = &k->states[k->turn - TURN_RULES];

    if (k->deleted > 0)
        log_debug("keeper", "[retention %s] %lld events deleted", state->name,
                  (long long)k->deleted);
    state->done_key = k->last_key;
    state->events += k->deleted;
    store_retention_done(k->db, state->identity, state->done_key, k->deleted);
    next_turn(k, true);
}

static void on_read(void *owner, const struct err *err)
{
    struct keeper *k = owner;

    if (err != NULL)
        trouble(k, err);
    else if (k->read_n == 0)
        next_turn(k, false);
    else if (k->found_n == 0)
        rule_done(k);
    else
        delete_some(k);
}

static void read_rule(struct keeper *k)
{
    const struct retention_rule *rule = &k->rules[k->turn - TURN_RULES];
    struct store_retention_range range = {.after = k->states[k->turn - TURN_RULES].done_key};

    k->found_n = k->deleted_n = 0;
    k->read_n = k->deleted = 0;
    k->judged_at = clock_wall_s() - IN_FLIGHT_S;
    range.upto = retention_horizon(rule, k->judged_at);
    range.kinds = filter_spec_kinds(rule->what, &range.kinds_n);
    store_retention_read(k->db, &range, on_row, on_read, k);
}

static void on_deleted(void *owner, const struct store_step *step, const struct err *err)
{
    struct keeper *k = owner;

    if (err != NULL) {
        trouble(k, err);
        return;
    }
    k->put_off = step->busy ? k->put_off + 1 : 0;
    if (!step->busy) {
        k->expired += (uint64_t)step->events;
        k->deleted += step->events;
        metrics.events_deleted_total[METRIC_DELETION_RETENTION] += step->events;
        k->deleted_n +=
            k->found_n - k->deleted_n < STEP_EVENTS ? k->found_n - k->deleted_n : STEP_EVENTS;
    }
    if (k->deleted_n < k->found_n)
        again_in(k, STEP_MS);
    else
        rule_done(k);
}

static void delete_some(struct keeper *k)
{
    size_t n = k->found_n - k->deleted_n;
    const struct store_retention_batch batch = {.ids = &k->ids[k->deleted_n],
                                                .ats = &k->ats[k->deleted_n],
                                                .n = n < STEP_EVENTS ? n : STEP_EVENTS,
                                                .relays = k->rules[k->turn - TURN_RULES].relays,
                                                .relays_n = k->rules[k->turn - TURN_RULES].relays_n,
                                                .wait = k->put_off >= PUT_OFF_MAX};

    store_retention_delete(k->db, &batch, on_deleted, k);
}

/* ---- the owner's side ---- */

static void on_timer(uv_timer_t *timer)
{
    struct keeper *k = timer->data;

    if (!db_is_up(k->db)) {
        k->found_n = k->deleted_n = 0;
        again_in(k, LOOK_MS);
    } else if (k->turn >= TURN_RULES) {
        if (k->deleted_n < k->found_n)
            delete_some(k);
        else
            read_rule(k);
    } else if (k->options.vanish) {
        store_vanish_step(k->db, STEP_EVENTS, k->put_off >= PUT_OFF_MAX, on_vanish_step, k);
    } else {
        next_turn(k, false);
    }
}

/* As the database knows it.  A rule that exports keeps events until their month is over. */
static void set_state(struct store_retention *state, const struct retention_rule *rule)
{
    struct js *root = js_new_object(), *relays = js_new_array();
    char *filter = filter_spec_identity(rule->what), *identity, *urls;

    for (size_t i = 0; i < rule->relays_n; i++)
        js_add(relays, js_new_str(str_z(rule->relays[i])));
    urls = js_text(relays, JS_COMPACT);
    js_set_z(root, "events", filter);
    js_set(root, "relays", relays);
    identity = js_text(root, JS_COMPACT);
    js_free(root);
    *state = (struct store_retention){.name = rule->name,
                                      .max_age_s =
                                          rule->max_age_s + (rule->export != NULL ? MONTH_S : 0),
                                      .done_key = -1};
    if (rule->relays_n > 0) {
        state->identity = identity;
        state->relays = urls;
        free(filter);
    } else {
        state->identity = filter;
        state->relays = strdup("");
        free(identity);
        free(urls);
    }
}

struct keeper *keeper_open(uv_loop_t *loop, struct db *db, const struct keeper_options *options,
                           const struct retention_rule *rules, size_t rules_n)
{
    struct keeper *k = calloc(1, sizeof(*k));

    if (k == NULL)
        abort();
    k->db = db;
    k->options = *options;
    k->rules = rules;
    k->rules_n = rules_n;
    k->states = calloc(rules_n + 1, sizeof(*k->states));
    if (k->states == NULL)
        abort();
    for (size_t i = 0; i < rules_n; i++)
        set_state(&k->states[i], &rules[i]);
    arena_init(&k->arena, ARENA_BYTES);
    (void)uv_timer_init(loop, &k->timer);
    k->timer.data = k;
    return k;
}

static void on_settled(void *owner, int64_t forgotten, const struct err *err)
{
    struct keeper *k = owner;

    if (err != NULL)
        return;
    if (forgotten >= 0)
        log_info("keeper",
                 "a [retention] rule was taken out or gives more time: what was proven of "
                 "its time is forgotten, relays are read again");
    if (!k->started)
        again_in(k, STEP_MS);
    k->started = true;
    k->on_started(k->owner);
}

void keeper_start(struct keeper *k, void (*done)(void *owner), void *owner)
{
    k->on_started = done;
    k->owner = owner;
    store_retention_settle(k->db, k->states, k->rules_n, on_settled, k);
}

void keeper_reconfigure(struct keeper *k, const struct keeper_options *options)
{
    k->options = *options;
}

void keeper_status(const struct keeper *k, struct keeper_status *s)
{
    *s = (struct keeper_status){.rules = (uint32_t)k->rules_n,
                                .vanished = k->vanished,
                                .expired = k->expired,
                                .behind = k->behind};
    for (size_t i = 0; i < k->rules_n; i++)
        if (i == 0 || k->states[i].done_key >> 32 < s->done_upto)
            s->done_upto = k->states[i].done_key >> 32;
    if (s->done_upto < 0)
        s->done_upto = 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct keeper *k = handle->data;

    for (size_t i = 0; i < k->rules_n; i++) {
        free((char *)(uintptr_t)k->states[i].identity);
        free((char *)(uintptr_t)k->states[i].relays);
    }
    free(k->states);
    arena_done(&k->arena);
    free(k);
}

void keeper_close(struct keeper *k)
{
    uv_close((uv_handle_t *)&k->timer, on_closed);
}
