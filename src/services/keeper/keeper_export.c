/* keeper_export: a rule that writes its events to files before it deletes them; see keeper.h.
 *
 * Its steps on a worker come one after the other, each in a turn of the rule, so that the others
 * have theirs in between.  But one rule at a time has a file whose events are in the archive as
 * well: otherwise one event that two rules are about could be in a file of each. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "services/keeper/keeper_internal.h"

enum { AGAIN_MIN_MS = 2000, AGAIN_MAX_MS = 300000 };

static struct keeper_export *export_of(const struct keeper *k)
{
    return &k->exports[k->turn - TURN_RULES];
}

static bool others_are_busy(const struct keeper *k)
{
    for (size_t i = 0; i < k->rules_n; i++)
        if (k->exports[i].busy && &k->exports[i] != export_of(k))
            return true;
    return false;
}

static void count_stalled(const struct keeper *k)
{
    metrics.retention_stalled[0] = 0;
    for (size_t i = 0; i < k->rules_n; i++)
        metrics.retention_stalled[0] += k->exports[i].stalled[0] != '\0';
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
    char text[KEEPER_STALLED_MAX];

    (void)snprintf(text, sizeof(text), "[retention %.64s] %s", keeper_rule(k)->name,
                   k->job_err.detail);
    if (strcmp(text, x->stalled) != 0)
        log_warning("keeper",
                    "%s; nothing is deleted that is not exported and verified; tried again", text);
    memcpy(x->stalled, text, sizeof(text));
    count_stalled(k);
    if (x->phase == EXPORT_READ || x->phase == EXPORT_CLOSE)
        x->busy = false; /* what there is of the file does not count */
    x->phase = EXPORT_LOAD;
    x->wait_ms = x->wait_ms == 0 ? AGAIN_MIN_MS : x->wait_ms * 2;
    if (x->wait_ms > AGAIN_MAX_MS)
        x->wait_ms = AGAIN_MAX_MS;
    x->again_at_ms = clock_mono_ms() + x->wait_ms;
    k->found_n = k->deleted_n = 0;
    keeper_next_turn(k, false);
}

static void goes_well(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    x->wait_ms = 0;
    if (x->stalled[0] == '\0')
        return;
    x->stalled[0] = '\0';
    log_info("keeper", "[retention %s] it can be exported again", keeper_rule(k)->name);
    count_stalled(k);
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

static void next_phase(struct keeper *k, enum export_phase phase)
{
    export_of(k)->phase = phase;
    keeper_next_turn(k, true);
}

/* ---- load ---- */

static int load(struct keeper *k, struct err *err)
{
    return exported_load(export_of(k)->files, &k->job_more, err);
}

static void loaded(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    x->open = false;
    x->busy = k->job_more;
    x->events = 0;
    x->after = keeper_state(k)->done_key;
    if (x->busy)
        log_info("keeper", "[retention %s] %s was not done with: going on with its events",
                 keeper_rule(k)->name, exported_file(x->files));
    next_phase(k, x->busy ? EXPORT_CHECK : EXPORT_READ);
}

/* ---- read and write ---- */

/* Is it of the month that the file is of?  The first event says which one that is. */
static bool fits(struct keeper_export *x, int64_t created_at)
{
    if (!x->open && created_at < EXPORTED_MONTHS_FROM) {
        x->month = INT64_MIN;
        x->next = EXPORTED_MONTHS_FROM;
    } else if (!x->open) {
        x->month = retention_month(created_at, &x->next);
    }
    return created_at < x->next;
}

static void on_row(void *owner, const struct store_retention_row *row)
{
    struct keeper *k = owner;
    struct keeper_export *x = export_of(k);

    k->read_n++;
    if (k->page_over)
        return;
    if (keeper_excludes(k, row)) {
        k->month_over = !fits(x, row->created_at);
        k->page_over = k->month_over || buf_reserve(&k->text, row->json.n + 1) == NULL;
        if (k->page_over)
            return;
        (void)buf_append_str(&k->text, row->json);
        (void)buf_append_char(&k->text, '\n');
        x->open = x->busy = true;
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

    x->events += k->found_n;
    x->after = k->last_key;
    k->found_n = 0;
    next_phase(k, k->month_over ? EXPORT_CLOSE : EXPORT_READ);
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
        next_phase(k, EXPORT_CLOSE);
    } else if (x->open) { /* nothing of the rule among them */
        x->after = k->last_key;
        keeper_next_turn(k, true);
    } else if (k->read_n == 0) {
        goes_well(k);
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
    k->page_over = k->month_over = false;
    k->last_key = x->after;
    k->judged_at = clock_wall_s() - IN_FLIGHT_S;
    range.upto = retention_horizon(rule, k->judged_at);
    range.kinds = filter_spec_kinds(rule->what, &range.kinds_n);
    store_retention_read(k->db, &range, on_row, on_read, k);
}

/* ---- read back ---- */

static int close_file(struct keeper *k, struct err *err)
{
    return exported_close(export_of(k)->files, err);
}

static void closed(struct keeper *k)
{
    export_of(k)->open = false;
    next_phase(k, EXPORT_CHECK);
}

static int check_file(struct keeper *k, struct err *err)
{
    return exported_check(export_of(k)->files, &k->job_more, err);
}

static void checked(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    if (k->job_more) {
        keeper_next_turn(k, true);
        return;
    }
    goes_well(k);
    if (x->events > 0)
        log_info("keeper", "[retention %s] %llu events are exported to %s and verified",
                 keeper_rule(k)->name, (unsigned long long)x->events, exported_file(x->files));
    k->exported += x->events;
    metrics.events_exported_total[0] += (int64_t)x->events;
    next_phase(k, EXPORT_TAKE);
}

/* ---- delete what is in the file ---- */

/* After the configuration was changed it may be about others than when the file was made. */
static bool wanted(const void *owner, const struct event *e)
{
    const struct keeper *k = owner;

    return retention_applies(keeper_rule(k), e, k->judged_at);
}

static int take(struct keeper *k, struct err *err)
{
    struct exported_take t = {
        .wanted = wanted, .owner = k, .ids = k->ids, .ats = k->ats, .room = BATCH_EVENTS};

    k->judged_at = clock_wall_s() - IN_FLIGHT_S;
    if (exported_take(export_of(k)->files, &t, err) < 0)
        return -1;
    k->deleted = 0;
    k->deleted_n = 0;
    k->found_n = t.n;
    k->job_more = t.more;
    return 0;
}

static void taken(struct keeper *k)
{
    if (!k->job_more)
        export_of(k)->phase = EXPORT_DONE;
    if (k->found_n > 0)
        keeper_delete_some(k);
    else
        keeper_next_turn(k, true);
}

void keeper_export_deleted(struct keeper *k)
{
    struct store_retention *state = keeper_state(k);

    state->events += k->deleted;
    store_retention_done(k->db, state->identity, state->done_key, k->deleted);
    k->found_n = k->deleted_n = 0;
    keeper_next_turn(k, true);
}

static int finish(struct keeper *k, struct err *err)
{
    return exported_done(export_of(k)->files, err);
}

/* How far the rule has come is found by reading once more: what came meanwhile goes to a file of
 * its own. */
static void finished(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    x->busy = false;
    x->events = 0;
    x->after = keeper_state(k)->done_key;
    next_phase(k, EXPORT_READ);
}

/* ---- turns ---- */

void keeper_export_open(struct keeper *k, size_t i)
{
    if (k->rules[i].export == NULL)
        return;
    k->exports[i].files = exported_new(k->rules[i].export, k->rules[i].name);
    k->exports[i].busy = true; /* until its manifest was read */
}

void keeper_export_turn(struct keeper *k)
{
    struct keeper_export *x = export_of(k);

    if (clock_mono_ms() < x->again_at_ms ||
        (x->phase == EXPORT_READ && !x->busy && others_are_busy(k))) {
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
    case EXPORT_CHECK:
        submit(k, check_file, checked);
        return;
    case EXPORT_TAKE:
        submit(k, take, taken);
        return;
    case EXPORT_DONE:
        submit(k, finish, finished);
        return;
    }
}

void keeper_export_forget(struct keeper *k)
{
    for (size_t i = 0; i < k->rules_n; i++)
        k->exports[i].phase = EXPORT_LOAD;
}
