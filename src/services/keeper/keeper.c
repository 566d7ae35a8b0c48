/* keeper: see keeper.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/metrics.h"
#include "services/keeper/keeper_internal.h"

/* The text of a page that is exported; larger than any event. */
enum { ARENA_BYTES = 65536, EXPORT_TEXT_MAX = 512 * 1024 * 1024 };

static void on_timer(uv_timer_t *timer);

void keeper_again_in(struct keeper *k, uint64_t ms)
{
    (void)uv_timer_start(&k->timer, on_timer, ms, 0);
}

void keeper_next_turn(struct keeper *k, bool more)
{
    k->more = k->more || more;
    if (++k->turn < TURN_RULES + k->rules_n) {
        keeper_again_in(k, more ? STEP_MS : 0);
        return;
    }
    keeper_again_in(k, k->more ? STEP_MS : LOOK_MS);
    k->behind = k->more;
    k->turn = 0;
    k->more = false;
}

/* The database went away, or the daemon ends: then nobody looks again.  What is open of a file of
 * an export is made again. */
void keeper_trouble(struct keeper *k, const struct err *err)
{
    k->found_n = k->deleted_n = 0;
    keeper_export_forget(k);
    if (err->code == ERR_CANCELLED)
        return;
    if (err->code != ERR_DB_AWAY)
        log_warning("keeper", "%s: %s; tried again", err_text(err->code), err->detail);
    keeper_again_in(k, LOOK_MS);
}

/* ---- requests to vanish ---- */

static void on_vanish_step(void *owner, const struct store_step *step, const struct err *err)
{
    struct keeper *k = owner;

    if (err != NULL) {
        keeper_trouble(k, err);
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
        keeper_again_in(k, STEP_MS);
    else
        keeper_next_turn(k, step->more);
}

/* ---- rules ---- */

static void read_rule(struct keeper *k);

bool keeper_excludes(struct keeper *k, const struct store_retention_row *row)
{
    const struct event_limits limits = event_limits_archived();
    enum reject why;
    struct event e;

    if (row->json.n == 0)
        return false;
    arena_reset(&k->arena);
    if (event_scan(row->json, &limits, &k->arena, &e, &why) == 0)
        return retention_applies(keeper_rule(k), &e, k->judged_at);
    log_warning("keeper", "an event of the archive cannot be read (%s): run bigbrotr verify",
                reject_name(why));
    return false;
}

static void on_row(void *owner, const struct store_retention_row *row)
{
    struct keeper *k = owner;

    k->read_n++;
    k->last_key = row->key;
    if (k->found_n == BATCH_EVENTS || !keeper_excludes(k, row))
        return;
    k->ids[k->found_n] = row->id;
    k->ats[k->found_n++] = row->created_at;
}

void keeper_rule_done(struct keeper *k)
{
    struct store_retention *state = keeper_state(k);

    if (k->deleted > 0)
        log_debug("keeper", "[retention %s] %lld events deleted", state->name,
                  (long long)k->deleted);
    state->done_key = k->last_key;
    state->events += k->deleted;
    store_retention_done(k->db, state->identity, state->done_key, k->deleted);
    keeper_next_turn(k, true);
}

static void on_read(void *owner, const struct err *err)
{
    struct keeper *k = owner;

    if (err != NULL)
        keeper_trouble(k, err);
    else if (k->read_n == 0)
        keeper_next_turn(k, false);
    else if (k->found_n == 0)
        keeper_rule_done(k);
    else
        keeper_delete_some(k);
}

static void read_rule(struct keeper *k)
{
    const struct retention_rule *rule = keeper_rule(k);
    struct store_retention_range range = {.after = keeper_state(k)->done_key};

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
        keeper_trouble(k, err);
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
        keeper_again_in(k, STEP_MS);
    else if (keeper_rule(k)->export != NULL)
        keeper_export_deleted(k);
    else
        keeper_rule_done(k);
}

void keeper_delete_some(struct keeper *k)
{
    size_t n = k->found_n - k->deleted_n;
    const struct store_retention_batch batch = {.ids = &k->ids[k->deleted_n],
                                                .ats = &k->ats[k->deleted_n],
                                                .n = n < STEP_EVENTS ? n : STEP_EVENTS,
                                                .relays = keeper_rule(k)->relays,
                                                .relays_n = keeper_rule(k)->relays_n,
                                                .wait = k->put_off >= PUT_OFF_MAX};

    store_retention_delete(k->db, &batch, on_deleted, k);
}

/* ---- the owner's side ---- */

static void on_timer(uv_timer_t *timer)
{
    struct keeper *k = timer->data;

    if (k->stopping || k->job_out)
        return;
    if (!db_is_up(k->db)) {
        k->found_n = k->deleted_n = 0;
        keeper_export_forget(k);
        keeper_again_in(k, LOOK_MS);
    } else if (k->turn >= TURN_RULES) {
        if (k->deleted_n < k->found_n)
            keeper_delete_some(k);
        else if (keeper_rule(k)->export != NULL)
            keeper_export_turn(k);
        else
            read_rule(k);
    } else if (k->options.vanish) {
        store_vanish_step(k->db, STEP_EVENTS, k->put_off >= PUT_OFF_MAX, on_vanish_step, k);
    } else {
        keeper_next_turn(k, false);
    }
}

/* As the database knows it.  One that exports, which keeps events until their month is over, is
 * another rule than the same one without. */
static void set_state(struct store_retention *state, const struct retention_rule *rule)
{
    struct js *root = js_new_object(), *relays = js_new_array();
    char *filter = filter_spec_identity(rule->what), *urls;
    bool plain = rule->relays_n == 0 && rule->export == NULL;

    for (size_t i = 0; i < rule->relays_n; i++)
        js_add(relays, js_new_str(str_z(rule->relays[i])));
    urls = js_text(relays, JS_COMPACT);
    js_set_z(root, "events", filter);
    js_set(root, "relays", relays);
    if (rule->export != NULL)
        js_set_bool(root, "export", true);
    *state = (struct store_retention){.identity = plain ? filter : js_text(root, JS_COMPACT),
                                      .name = rule->name,
                                      .max_age_s = rule->max_age_s,
                                      .relays = rule->relays_n > 0 ? urls : strdup(""),
                                      .done_key = -1};
    js_free(root);
    if (!plain)
        free(filter);
    if (rule->relays_n == 0)
        free(urls);
}

struct keeper *keeper_open(uv_loop_t *loop, struct workers *workers, struct db *db,
                           const struct keeper_options *options, const struct retention_rule *rules,
                           size_t rules_n)
{
    struct keeper *k = calloc(1, sizeof(*k));

    if (k == NULL)
        abort();
    k->db = db;
    k->workers = workers;
    k->options = *options;
    k->rules = rules;
    k->rules_n = rules_n;
    k->states = calloc(rules_n + 1, sizeof(*k->states));
    k->exports = calloc(rules_n + 1, sizeof(*k->exports));
    if (k->states == NULL || k->exports == NULL)
        abort();
    for (size_t i = 0; i < rules_n; i++) {
        set_state(&k->states[i], &rules[i]);
        keeper_export_open(k, i);
    }
    arena_init(&k->arena, ARENA_BYTES);
    buf_init(&k->text, EXPORT_TEXT_MAX);
    (void)uv_timer_init(loop, &k->timer);
    k->timer.data = k;
    return k;
}

static void on_settled(void *owner, int64_t forgotten, const struct err *err)
{
    struct keeper *k = owner;

    if (err != NULL) {
        k->on_started(k->owner, err);
        return;
    }
    if (forgotten >= 0)
        log_info("keeper",
                 "a [retention] rule was taken out or gives more time: what was proven of "
                 "its time is forgotten, relays are read again");
    if (!k->started)
        keeper_again_in(k, STEP_MS);
    k->started = true;
    k->on_started(k->owner, NULL);
}

void keeper_start(struct keeper *k, void (*done)(void *owner, const struct err *err), void *owner)
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
                                .exported = k->exported,
                                .behind = k->behind};
    for (size_t i = 0; i < k->rules_n; i++)
        if (i == 0 || k->states[i].done_key >> 32 < s->done_upto)
            s->done_upto = k->states[i].done_key >> 32;
    for (size_t i = 0; i < k->rules_n && s->stalled[0] == '\0'; i++)
        (void)snprintf(s->stalled, sizeof(s->stalled), "%s", k->exports[i].stalled);
    if (s->done_upto < 0)
        s->done_upto = 0;
}

void keeper_stop(struct keeper *k)
{
    k->stopping = true;
}

static void on_closed(uv_handle_t *handle)
{
    struct keeper *k = handle->data;

    for (size_t i = 0; i < k->rules_n; i++) {
        free((char *)(uintptr_t)k->states[i].identity);
        free((char *)(uintptr_t)k->states[i].relays);
        exported_free(k->exports[i].files);
    }
    free(k->exports);
    free(k->states);
    buf_done(&k->text);
    arena_done(&k->arena);
    free(k);
}

void keeper_close(struct keeper *k)
{
    uv_close((uv_handle_t *)&k->timer, on_closed);
}
