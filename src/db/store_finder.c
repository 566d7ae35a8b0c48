/* store_finder: see store_finder.h.  Each operation is one statement, and one answer. */
#include "db/store_finder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/op.h"
#include "db/rows.h"
#include "db/stmt.h"

enum { COLUMNS_MAX = 9, INTS_MAX = 5 };

struct finder_op {
    struct op op;
    enum stmt stmt;
    struct array columns[COLUMNS_MAX];
    int columns_n;
    int64_t ints[INTS_MAX];
    int ints_n;
    struct store_mention_row *mentions; /* or these */
    uint32_t mentions_n;
    void (*row)(struct finder_op *f, const struct result *res, int row);
    void (*answer)(struct finder_op *f, const struct err *err);
    union {
        store_done *done;
        store_counted *counted;
        store_folded *folded;
        store_candidates_counted *stats;
    } u;
    store_candidate_row *each;
    void *owner;
    int64_t number, second;
    struct store_candidate_stats stats;
};

static bool finder_send(struct op *base, struct conn *conn)
{
    struct finder_op *f = CONTAINER_OF(base, struct finder_op, op);
    struct params p;

    if (f->mentions != NULL) {
        store_mentions_send(conn, f->mentions, f->mentions_n);
        return true;
    }
    params_init(&p);
    for (int i = 0; i < f->columns_n; i++)
        params_array(&p, &f->columns[i]);
    for (int i = 0; i < f->ints_n; i++)
        params_int8(&p, f->ints[i]);
    conn_query(conn, stmt[f->stmt], &p);
    return true;
}

static void finder_result(struct op *base, int step, const struct result *res)
{
    struct finder_op *f = CONTAINER_OF(base, struct finder_op, op);

    for (int i = 0; f->row != NULL && step == 0 && i < result_rows(res); i++)
        f->row(f, res, i);
}

static enum op_next finder_settled(struct op *base, struct err *err)
{
    (void)base;
    (void)err;
    return OP_DONE;
}

static void finder_end(struct op *base, const struct err *err)
{
    struct finder_op *f = CONTAINER_OF(base, struct finder_op, op);

    f->answer(f, err);
    for (int i = 0; i < f->columns_n; i++)
        array_done(&f->columns[i]);
    for (uint32_t i = 0; i < f->mentions_n; i++)
        free((void *)(uintptr_t)f->mentions[i].url.p);
    free(f->mentions);
    free(f);
}

static const struct op_ops finder_ops = {finder_send, finder_result, finder_settled,
                                         NULL,        NULL,          finder_end};

static struct finder_op *op_new(enum stmt which, void *owner,
                                void (*answer)(struct finder_op *, const struct err *),
                                void (*row)(struct finder_op *, const struct result *, int))
{
    struct finder_op *f = calloc(1, sizeof(*f));

    assert(f);
    f->op.ops = &finder_ops;
    f->stmt = which;
    f->owner = owner;
    f->answer = answer;
    f->row = row;
    return f;
}

static struct array *column(struct finder_op *f, enum pg_type type)
{
    struct array *a = &f->columns[f->columns_n++];

    assert(f->columns_n <= COLUMNS_MAX);
    array_init(a, type);
    return a;
}

/* The numbers that the statement is told behind its columns; then it goes on its way. */
static void submit(struct db *db, struct finder_op *f, int n, const int64_t *ints)
{
    assert(n <= INTS_MAX);
    for (f->ints_n = 0; f->ints_n < n; f->ints_n++)
        f->ints[f->ints_n] = ints[f->ints_n];
    db_submit(db, DB_MISC, &f->op);
}

static void number_row(struct finder_op *f, const struct result *res, int row)
{
    f->number = result_int(res, row, 0);
}

static void folded_row(struct finder_op *f, const struct result *res, int row)
{
    f->number = result_int(res, row, 0);
    f->second = result_int(res, row, 1);
}

static void answer_done(struct finder_op *f, const struct err *err)
{
    if (f->u.done != NULL)
        f->u.done(f->owner, err);
}

static void answer_counted(struct finder_op *f, const struct err *err)
{
    f->u.counted(f->owner, err != NULL ? 0 : f->number, err);
}

static void answer_folded(struct finder_op *f, const struct err *err)
{
    f->u.folded(f->owner, err != NULL ? 0 : f->number, err != NULL ? 0 : f->second, err);
}

void store_mentions_add(struct db *db, const struct store_mention_row *rows, uint32_t n,
                        store_done *done, void *owner)
{
    struct finder_op *f = op_new(STMT_MENTIONS, owner, answer_done, NULL);

    f->u.done = done;
    f->mentions = calloc((size_t)n + 1, sizeof(*f->mentions));
    assert(f->mentions);
    f->mentions_n = n;
    for (uint32_t i = 0; i < n; i++) {
        f->mentions[i] = rows[i];
        f->mentions[i].url.p = strndup(rows[i].url.p, rows[i].url.n);
        assert(f->mentions[i].url.p);
    }
    db_submit(db, DB_MISC, &f->op);
}

void store_mentions_fold(struct db *db, uint32_t most, uint32_t share, uint32_t rows,
                         store_folded *done, void *owner)
{
    struct finder_op *f = op_new(STMT_CANDIDATES_FOLD, owner, answer_folded, folded_row);

    f->u.folded = done;
    submit(db, f, 3, (const int64_t[]){most, share, rows});
}

void store_candidates_tidy(struct db *db, uint32_t rows, uint32_t most, store_counted *done,
                           void *owner)
{
    struct finder_op *f = op_new(STMT_CANDIDATES_TIDY, owner, answer_counted, number_row);

    f->u.counted = done;
    submit(db, f, 2, (const int64_t[]){rows, most});
}

void store_candidates_compact(struct db *db, int32_t before, uint32_t most, store_counted *done,
                              void *owner)
{
    struct finder_op *f = op_new(STMT_CANDIDATES_COMPACT, owner, answer_counted, number_row);

    f->u.counted = done;
    submit(db, f, 2, (const int64_t[]){before, most});
}

static void candidate_row(struct finder_op *f, const struct result *res, int row)
{
    struct store_candidate c = {.id = (int32_t)result_int(res, row, 0),
                                .url = result_str(res, row, 1),
                                .domain = result_str(res, row, 3),
                                .net = result_str(res, row, 4),
                                .author = result_str(res, row, 5),
                                .authors = (uint32_t)result_int(res, row, 6),
                                .tries = (uint32_t)result_int(res, row, 7),
                                .mentions = result_int(res, row, 8),
                                .last_seen = result_int(res, row, 9),
                                .weight = (int32_t)result_int(res, row, 10)};

    (void)network_named(result_str(res, row, 2), &c.network);
    f->each(f->owner, &c);
}

void store_candidates_take(struct db *db, const struct store_take *t, store_candidate_row *row,
                           store_done *done, void *owner)
{
    struct finder_op *f = op_new(STMT_CANDIDATES_TAKE, owner, answer_done, candidate_row);
    struct array *a = column(f, PG_TEXT);

    f->u.done = done;
    f->each = row;
    for (int i = 0; i < NETWORK__COUNT; i++)
        if (t->networks[i])
            array_text(a, str_z(network_name((enum network)i)));
    submit(db, f, 5, (const int64_t[]){t->now_ms, t->lease_ms, t->most, t->turns, t->later_ms});
}

void store_candidates_release(struct db *db, store_done *done, void *owner)
{
    struct finder_op *f = op_new(STMT_CANDIDATES_RELEASE, owner, answer_done, NULL);

    f->u.done = done;
    db_submit(db, DB_MISC, &f->op);
}

void store_candidates_forgive(struct db *db, store_done *done, void *owner)
{
    struct finder_op *f = op_new(STMT_CANDIDATES_FORGIVE, owner, answer_done, NULL);

    f->u.done = done;
    db_submit(db, DB_MISC, &f->op);
}

/* NOLINTNEXTLINE(readability-function-size): rows, two bounds, and whom to tell */
void store_candidates_save(struct db *db, const struct store_probed *rows, uint32_t n,
                           uint32_t share, int64_t forgive_ms, store_done *done, void *owner)
{
    static const enum pg_type types[] = {PG_INT4, PG_TEXT, PG_INT4, PG_INT8, PG_INT8,
                                         PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT};
    struct finder_op *f = op_new(STMT_CANDIDATES_SAVE, owner, answer_done, NULL);
    struct array *a = f->columns;

    f->u.done = done;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        (void)column(f, types[i]);
    for (uint32_t i = 0; i < n; i++) {
        array_int4(&a[0], rows[i].id);
        array_text(&a[1], str_z(candidate_state_name(rows[i].state)));
        array_int4(&a[2], (int32_t)rows[i].tries);
        array_int8(&a[3], rows[i].next_at_ms);
        array_int8(&a[4], rows[i].probed_at_ms);
        array_text(&a[5], str_z(rows[i].error));
        array_text(&a[6], str_z(rows[i].net));
        if (rows[i].url != NULL)
            array_text(&a[7], str_z(rows[i].url));
        else
            array_null(&a[7]);
        array_text(&a[8], str_z(network_name(rows[i].network)));
    }
    submit(db, f, 2, (const int64_t[]){share, forgive_ms});
}

static void stats_row(struct finder_op *f, const struct result *res, int row)
{
    struct str state = result_str(res, row, 0);

    if (str_eq(state, STR("refused")))
        f->stats.refused = result_int(res, row, 1);
    if (str_eq(state, STR("probing"))) /* not yet decided */
        f->stats.in[CANDIDATE_STATE_NEW] += result_int(res, row, 1);
    for (int i = 0; i < CANDIDATE_STATE__COUNT; i++)
        if (str_eq(state, str_z(candidate_state_name((enum candidate_state)i))))
            f->stats.in[i] += result_int(res, row, 1);
}

static void answer_stats(struct finder_op *f, const struct err *err)
{
    f->u.stats(f->owner, &f->stats, err);
}

void store_candidates_stats(struct db *db, store_candidates_counted *done, void *owner)
{
    struct finder_op *f = op_new(STMT_CANDIDATES_STATS, owner, answer_stats, stats_row);

    f->u.stats = done;
    db_submit(db, DB_MISC, &f->op);
}
