/* keeper_export: a rule that writes its events to files before it deletes them; see keeper.h.
 *
 * One step on a worker at a time; between them the other rules have their turns only where nothing
 * of this one is held in the keeper. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "services/keeper_internal.h"

enum { AGAIN_MS = 60000 };

static const int64_t one_file_before = 1577836800; /* as services/exported.c names it */

static struct keeper_export *export_of(const struct keeper *k)
{
    return &k->exports[k->turn - TURN_RULES];
}

/* ---- steps on a worker ---- */

static void run_job(struct worker_job *job)
{
    struct keeper *k = CONTAINER_OF(job, struct keeper, job);

    k->job_rc = k->work(k, &k->job_err);
}

/* Nothing of it is deleted, and it is tried again; the other rules go on. */
static void stalled(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    (void)snprintf(x->stalled, sizeof(x->stalled), "[retention %s] %s: %.120s",
                   keeper_rule(k)->name, err_text(k->job_err.code), k->job_err.detail);
    log_warning("keeper", "%s; nothing is deleted that is not exported and verified; tried again",
                x->stalled);
    x->phase = EXPORT_LOAD;
    x->open = false;
    x->again_at_ms = clock_mono_ms() + AGAIN_MS;
    k->found_n = k->deleted_n = 0;
    keeper_next_turn(k, false);
}

static void job_done(struct worker_job *job)
{
    struct keeper *k = CONTAINER_OF(job, struct keeper, job);

    k->job_out = false;
    if (k->stopping)
        return;
    if (k->job_rc < 0)
        stalled(k);
    else
        k->worked(k);
}

static void submit(struct keeper *k, int (*work)(struct keeper *k, struct err *err),
                   void (*worked)(struct keeper *k))
{
    k->work = work;
    k->worked = worked;
    k->job_out = true;
    k->job = (struct worker_job){.run = run_job, .done = job_done};
    workers_submit(k->workers, WORKERS_LONG, &k->job);
}

static void go_on(struct keeper *k)
{
    keeper_again_in(k, 0);
}

/* ---- load ---- */

static int load(struct keeper *k, struct err *err)
{
    return exported_load(export_of(k)->files, &k->pending, err);
}

static void loaded(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    x->stalled[0] = '\0';
    x->open = false;
    x->after = keeper_state(k)->done_key;
    x->phase = k->pending ? EXPORT_TAKE : EXPORT_READ;
    if (k->pending)
        log_info("keeper", "[retention %s] going on with the events of %s", keeper_rule(k)->name,
                 exported_file(x->files));
    go_on(k);
}

/* ---- read and write ---- */

/* Of the month that the file is of; what is of a later one is read again for its own. */
static bool fits(struct keeper_export *x, int64_t created_at)
{
    if (!x->open && created_at < one_file_before) {
        x->month = INT64_MIN;
        x->next = one_file_before;
    } else if (!x->open) {
        x->month = retention_month(created_at, &x->next);
    }
    return created_at < x->next;
}

static void on_row(void *owner, const struct store_retention_row *row)
{
    struct keeper *k = owner;
    struct keeper_export *x = export_of(k);
    const struct event_limits limits = {.json_bytes_max = UINT32_MAX,
                                        .tags_max = UINT32_MAX,
                                        .tag_elements_max = UINT32_MAX,
                                        .depth_max = 8};
    enum reject why;
    struct event e;

    k->read_n++;
    if (k->month_over)
        return;
    arena_reset(&k->arena);
    if (row->json.n > 0 && event_scan(row->json, &limits, &k->arena, &e, &why) == 0 &&
        retention_applies(keeper_rule(k), &e, k->judged_at)) {
        if (!fits(x, row->created_at) || k->found_n == BATCH_EVENTS ||
            !buf_append_str(&k->text, row->json) || !buf_append_char(&k->text, '\n')) {
            k->month_over = !fits(x, row->created_at);
            return;
        }
        x->open = true;
        k->ids[k->found_n++] = row->id;
    }
    k->last_key = row->key;
}

static int write_lines(struct keeper *k, struct err *err)
{
    struct keeper_export *x = export_of(k);
    struct str rest = buf_str(&k->text);

    for (size_t i = 0; i < k->found_n; i++) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = (size_t)(end - rest.p);

        if (exported_add(x->files, x->month, &k->ids[i], (struct str){rest.p, n}, err) < 0)
            return -1;
        rest = (struct str){end + 1, rest.n - n - 1};
    }
    return 0;
}

static void written(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    k->found_n = 0;
    x->after = k->last_key;
    if (k->month_over)
        x->phase = EXPORT_CLOSE;
    go_on(k);
}

static void on_read(void *owner, const struct err *err)
{
    struct keeper *k = owner;
    struct keeper_export *x = export_of(k);

    if (err != NULL) {
        keeper_trouble(k, err);
    } else if (k->found_n > 0) {
        submit(k, write_lines, written);
    } else if (x->open && (k->read_n == 0 || k->month_over)) {
        x->phase = EXPORT_CLOSE;
        go_on(k);
    } else if (x->open) { /* nothing of the rule among them */
        x->after = k->last_key;
        go_on(k);
    } else if (k->read_n == 0) {
        x->phase = EXPORT_READ;
        keeper_next_turn(k, false);
    } else {
        x->after = k->last_key;
        keeper_rule_done(k);
    }
}

static void read_some(struct keeper *k)
{
    const struct retention_rule *rule = keeper_rule(k);
    struct keeper_export *x = export_of(k);
    struct store_retention_range range = {.after = x->after};

    buf_clear(&k->text);
    k->found_n = k->deleted_n = 0;
    k->read_n = k->deleted = 0;
    k->month_over = false;
    k->last_key = x->after;
    k->judged_at = clock_wall_s() - IN_FLIGHT_S;
    range.upto = retention_horizon(rule, k->judged_at);
    range.kinds = filter_spec_kinds(rule->what, &range.kinds_n);
    store_retention_read(k->db, &range, on_row, on_read, k);
}

static int close_file(struct keeper *k, struct err *err)
{
    return exported_close(export_of(k)->files, err);
}

static void closed(struct keeper *k)
{
    export_of(k)->phase = EXPORT_VERIFY;
    go_on(k);
}

static int verify_file(struct keeper *k, struct err *err)
{
    return exported_verify(export_of(k)->files, err);
}

static void verified(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    log_info("keeper", "[retention %s] %s is exported and verified; its events are deleted",
             keeper_rule(k)->name, exported_file(x->files));
    x->phase = EXPORT_TAKE;
    x->open = false;
    go_on(k);
}

/* ---- delete what is in the file ---- */

static int take(struct keeper *k, struct err *err)
{
    k->deleted_n = 0;
    return exported_take(export_of(k)->files, k->ids, k->ats, STEP_EVENTS, &k->found_n, err);
}

static int done(struct keeper *k, struct err *err)
{
    return exported_done(export_of(k)->files, err);
}

/* How far the rule has come is found by reading on: what came meanwhile goes to a file of its own.
 */
static void all_deleted(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    x->phase = EXPORT_READ;
    x->after = keeper_state(k)->done_key;
    keeper_next_turn(k, true);
}

static void taken(struct keeper *k)
{
    k->deleted = 0;
    if (k->found_n > 0)
        keeper_delete_some(k);
    else
        submit(k, done, all_deleted);
}

void keeper_export_deleted(struct keeper *k)
{
    struct store_retention *state = keeper_state(k);

    state->events += k->deleted;
    store_retention_done(k->db, state->identity, state->done_key, k->deleted);
    k->found_n = k->deleted_n = 0;
    keeper_again_in(k, STEP_MS);
}

/* ---- turns ---- */

void keeper_export_turn(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    if (clock_mono_ms() < x->again_at_ms) {
        keeper_next_turn(k, false);
        return;
    }
    switch (x->phase) {
    case EXPORT_LOAD:
        submit(k, load, loaded);
        return;
    case EXPORT_READ:
        read_some(k);
        return;
    case EXPORT_CLOSE:
        submit(k, close_file, closed);
        return;
    case EXPORT_VERIFY:
        submit(k, verify_file, verified);
        return;
    case EXPORT_TAKE:
        submit(k, take, taken);
        return;
    }
}

void keeper_export_forget(struct keeper *k)
{
    for (size_t i = 0; i < k->rules_n; i++)
        k->exports[i].phase = EXPORT_LOAD;
}
