/* Checks and the monitor's memory, each in one transaction of one exchange:
 *
 *     names of failures -> documents -> findings (what seldom changes, by digest) -> checks ->
 * health
 *
 * Whatever comes from a relay travels as bytes and is turned into text and JSON by functions that
 * cannot fail (../../sql/0004_checks.sql), so that no document can keep a check from being written.
 * Names are ours; they are cut to plain text all the same. */
#include "db/store_check.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sha256.h"
#include "db/op.h"
#include "db/rows.h"
#include "db/stmt.h"

enum { NAME_BYTES = 65, NAMES_BYTES = 512, COLUMNS_MAX = 16, DOCUMENTS = 4 };
enum { FLAG_SESSION = 64, FLAG_COUNTS = 128 };      /* of relay_check.flags */
enum { FLAG_UNCONFIRMED = 64, FLAG_RETIRED = 128 }; /* of HEALTH_SAVE */

struct checks {
    struct op op;
    const char *vantage;
    const struct store_check *checks;
    uint32_t n;
    const struct store_health *health;
    uint32_t health_n;
    store_checks_done *done;
    void *owner;
};

/* ---- columns ---- */

struct columns {
    struct array a[COLUMNS_MAX];
    int n;
};

static void columns_init(struct columns *c, const enum pg_type *types, int n)
{
    assert(n <= COLUMNS_MAX);
    c->n = n;
    for (int i = 0; i < n; i++)
        array_init(&c->a[i], types[i]);
}

static void columns_params(struct columns *c, struct params *p)
{
    for (int i = 0; i < c->n; i++)
        params_array(p, &c->a[i]);
}

static void columns_done(struct columns *c)
{
    for (int i = 0; i < c->n; i++)
        array_done(&c->a[i]);
}

/* Sends the statement if there are rows, and forgets them. */
static void columns_query(struct columns *c, struct conn *conn, enum stmt which)
{
    struct params p;

    params_init(&p);
    columns_params(c, &p);
    if (c->a[0].n > 0)
        conn_query(conn, stmt[which], &p);
    columns_done(c);
}

static void int4_or_null(struct array *a, int32_t v, bool null)
{
    if (null)
        array_null(a);
    else
        array_int4(a, v);
}

static void bytes_or_null(struct array *a, const char *text)
{
    if (text)
        array_bytes(a, text, strlen(text));
    else
        array_null(a);
}

/* A name of ours: plain ASCII, at most 64 bytes. */
static struct str clean(char to[NAME_BYTES], const char *name)
{
    size_t n = 0;

    for (; name && name[n] && n < NAME_BYTES - 1; n++) {
        if (name[n] >= ' ' && name[n] <= '~')
            to[n] = name[n];
        else
            to[n] = '?';
    }
    to[n] = '\0';
    return (struct str){to, n};
}

static void name_or_null(struct array *a, const char *name)
{
    char text[NAME_BYTES];

    if (name && *name)
        array_text(a, clean(text, name));
    else
        array_null(a);
}

static int16_t answers(int8_t openable, int8_t readable, int8_t writable)
{
    return (int16_t)((openable + 1) | (readable + 1) << 2 | (writable + 1) << 4);
}

/* ---- what a check found ---- */

static const struct store_document *document_at(const struct store_check *c, int i)
{
    const struct store_document *all[DOCUMENTS] = {&c->tls, &c->dns, &c->http, &c->geo};

    return all[i];
}

/* The contradictions' names with commas between. */
static struct str names_of(char to[NAMES_BYTES], const struct store_check *c)
{
    size_t n = 0;

    for (uint32_t i = 0; i < c->contradictions_n; i++) {
        char text[NAME_BYTES];
        struct str name = clean(text, c->contradictions[i]);

        if (n + name.n + 1 > NAMES_BYTES)
            break;
        if (i > 0)
            to[n++] = ',';
        memcpy(to + n, name.p, name.n);
        n += name.n;
    }
    return (struct str){to, n};
}

static bool has_finding(const struct store_check *c)
{
    bool documents = c->nip11 != NULL;

    for (int i = 0; i < DOCUMENTS; i++)
        documents |= document_at(c, i)->json != NULL;
    return documents || (c->write_error && *c->write_error) ||
           (c->nip11_error && *c->nip11_error) || c->http_status > 0 || c->caps_known != 0 ||
           c->page_cap > 0 || c->contradictions_n > 0;
}

/* Of all columns of `finding`, each with its length or a fixed size. */
static void finding_digest(const struct store_check *c, uint8_t digest[32])
{
    int32_t numbers[] = {c->http_status, c->caps_known, c->caps, c->page_cap};
    char text[NAME_BYTES], names[NAMES_BYTES];
    struct str list = names_of(names, c);
    struct sha256 h;
    static const uint8_t none[32];

    sha256_init(&h);
    sha256_add(&h, c->nip11 ? c->nip11->document.id : none, 32);
    for (int i = 0; i < DOCUMENTS; i++)
        sha256_add(&h, document_at(c, i)->json ? document_at(c, i)->id : none, 32);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint8_t be[4] = {(uint8_t)((uint32_t)numbers[i] >> 24),
                         (uint8_t)((uint32_t)numbers[i] >> 16),
                         (uint8_t)((uint32_t)numbers[i] >> 8), (uint8_t)numbers[i]};

        sha256_add(&h, be, sizeof(be));
    }
    clean(text, c->write_error);
    sha256_add(&h, text, strlen(text) + 1);
    clean(text, c->nip11_error);
    sha256_add(&h, text, strlen(text) + 1);
    sha256_add(&h, list.p, list.n);
    sha256_final(&h, digest);
}

/* ---- the statements ---- */

static void send_errors(const struct checks *op, struct conn *conn)
{
    static const enum pg_type types[] = {PG_TEXT};
    struct columns c;

    columns_init(&c, types, 1);
    for (uint32_t i = 0; i < op->n; i++) {
        char text[NAME_BYTES];
        struct str name = clean(text, op->checks[i].error);

        if (name.n > 0)
            array_text(&c.a[0], name);
    }
    columns_query(&c, conn, STMT_CHECK_ERRORS);
}

/* What a document mentions, each with the document's id. */
static void add_mentions(struct mention_columns *m, struct array *ids, const struct store_check *k)
{
    for (uint32_t i = 0; i < k->nip11->mentions_n; i++) {
        const struct hint *hint = &k->nip11->mentions[i];

        mention_columns_add(m, &(struct store_mention_row){.url = hint->url,
                                                           .network = hint->network,
                                                           .source = hint->source,
                                                           .events = 1,
                                                           .authors = {k->nip11->author},
                                                           .authors_n = 1,
                                                           .relay_id = k->relay_id});
        array_bytes(ids, k->nip11->document.id, sizeof(k->nip11->document.id));
    }
}

/* Several relays may have said the same: what the first of them brought is the document, and is
 * counted once. */
static bool came_before(const struct checks *op, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (op->checks[i].nip11 &&
            memcmp(op->checks[i].nip11->document.id, op->checks[at].nip11->document.id, 32) == 0)
            return true;
    return false;
}

static void send_nip11(const struct checks *op, struct conn *conn)
{
    static const enum pg_type types[] = {PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA,
                                         PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA,
                                         PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA};
    struct mention_columns m;
    struct columns c, of;
    struct params p;

    columns_init(&c, types, 15);
    columns_init(&of, types, 1);
    mention_columns_init(&m);
    for (uint32_t i = 0; i < op->n; i++) {
        const struct store_nip11 *d = op->checks[i].nip11;

        if (!d || came_before(op, i))
            continue;
        add_mentions(&m, &of.a[0], &op->checks[i]);

        const char *texts[] = {
            d->name,           d->description,      d->banner,         d->icon,
            d->pubkey,         d->contact,          d->software,       d->version,
            d->privacy_policy, d->terms_of_service, d->supported_nips, d->limitation,
            d->extra_fields};

        array_bytes(&c.a[0], d->document.id, sizeof(d->document.id));
        array_bytes(&c.a[1], d->raw.p, d->raw.n);
        for (int j = 0; j < 13; j++)
            bytes_or_null(&c.a[2 + j], texts[j]);
    }
    params_init(&p);
    columns_params(&c, &p);
    columns_params(&of, &p);
    mention_columns_params(&m, &p);
    if (c.a[0].n > 0)
        conn_query(conn, stmt[STMT_CHECK_NIP11], &p);
    columns_done(&c);
    columns_done(&of);
    mention_columns_done(&m);
}

static void send_documents(const struct checks *op, struct conn *conn)
{
    static const char *const what[DOCUMENTS] = {"tls", "dns", "http", "geo"};
    static const enum pg_type types[] = {PG_BYTEA, PG_TEXT, PG_BYTEA};
    struct columns c;

    columns_init(&c, types, 3);
    for (uint32_t i = 0; i < op->n; i++) {
        for (int j = 0; j < DOCUMENTS; j++) {
            const struct store_document *d = document_at(&op->checks[i], j);

            if (!d->json)
                continue;
            array_bytes(&c.a[0], d->id, sizeof(d->id));
            array_text(&c.a[1], str_z(what[j]));
            array_bytes(&c.a[2], d->json, strlen(d->json));
        }
    }
    columns_query(&c, conn, STMT_CHECK_DOCUMENTS);
}

static void send_findings(const struct checks *op, struct conn *conn)
{
    static const enum pg_type types[] = {PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA,
                                         PG_BYTEA, PG_TEXT,  PG_TEXT,  PG_INT4,  PG_INT4,
                                         PG_INT4,  PG_INT4,  PG_TEXT};
    struct columns c;

    columns_init(&c, types, 13);
    for (uint32_t i = 0; i < op->n; i++) {
        const struct store_check *k = &op->checks[i];
        uint8_t digest[32];
        char names[NAMES_BYTES];
        struct array *a = c.a;

        if (!has_finding(k))
            continue;
        finding_digest(k, digest);
        array_bytes(a++, digest, sizeof(digest));
        if (k->nip11)
            array_bytes(a++, k->nip11->document.id, 32);
        else
            array_null(a++);
        for (int j = 0; j < DOCUMENTS; j++) {
            if (document_at(k, j)->json)
                array_bytes(a++, document_at(k, j)->id, 32);
            else
                array_null(a++);
        }
        name_or_null(a++, k->write_error);
        name_or_null(a++, k->nip11_error);
        int4_or_null(a++, k->http_status, k->http_status <= 0);
        array_int4(a++, k->caps_known);
        array_int4(a++, k->caps);
        int4_or_null(a++, k->page_cap, k->page_cap <= 0);
        if (k->contradictions_n > 0)
            array_text(a++, names_of(names, k));
        else
            array_null(a++);
    }
    columns_query(&c, conn, STMT_CHECK_FINDINGS);
}

static void send_checks(const struct checks *op, struct conn *conn)
{
    static const enum pg_type types[] = {PG_INT4, PG_INT8, PG_BYTEA, PG_INT4, PG_INT4,
                                         PG_INT4, PG_INT4, PG_INT4,  PG_INT4, PG_INT4,
                                         PG_INT4, PG_INT4, PG_TEXT,  PG_INT2, PG_INT2};
    char vantage[NAME_BYTES];
    struct columns c;
    struct params p;

    columns_init(&c, types, 15);
    for (uint32_t i = 0; i < op->n; i++) {
        const struct store_check *k = &op->checks[i];
        const int32_t times[] = {k->rtt_open, k->rtt_read, k->rtt_write, k->rtt_nip11, k->dns_ms,
                                 k->tcp_ms,   k->proxy_ms, k->tls_ms,    k->upgrade_ms};
        uint8_t digest[32];

        array_int4(&c.a[0], k->relay_id);
        array_int8(&c.a[1], k->generated_at);
        if (has_finding(k)) {
            finding_digest(k, digest);
            array_bytes(&c.a[2], digest, sizeof(digest));
        } else {
            array_null(&c.a[2]);
        }
        for (int j = 0; j < 9; j++)
            int4_or_null(&c.a[3 + j], times[j], times[j] < 0);
        name_or_null(&c.a[12], k->error);
        if (k->dns_ttl > 0)
            array_int2(&c.a[14], (int16_t)(k->dns_ttl < INT16_MAX ? k->dns_ttl : INT16_MAX));
        else
            array_null(&c.a[14]);
        array_int2(&c.a[13], (int16_t)(answers(k->openable, k->readable, k->writable) |
                                       (k->through_session ? FLAG_SESSION : 0) |
                                       (k->counts ? FLAG_COUNTS : 0)));
    }
    params_init(&p);
    params_text(&p, clean(vantage, op->vantage));
    columns_params(&c, &p);
    if (op->n > 0)
        conn_query(conn, stmt[STMT_CHECKS_ADD], &p);
    columns_done(&c);
}

static int by_relay_id(const void *a, const void *b)
{
    const struct store_health *const *x = a, *const *y = b;

    return ((*x)->relay_id > (*y)->relay_id) - ((*x)->relay_id < (*y)->relay_id);
}

static void health_row(struct array *a, const struct store_health *h)
{
    static const uint8_t none[32];

    array_int4(&a[0], h->relay_id);
    array_int8(&a[1], h->next_at);
    array_int8(&a[2], h->last_check_at);
    array_int8(&a[3], h->last_ok_at);
    array_int8(&a[4], h->last_fail_at);
    array_int8(&a[5], h->published_at);
    array_int4(&a[6], h->failures);
    int4_or_null(&a[7], h->rtt_p95, h->rtt_p95 <= 0);
    int4_or_null(&a[8], h->rtt_read, h->rtt_read < 0);
    array_int4(&a[9], h->caps_known);
    array_int4(&a[10], h->caps);
    int4_or_null(&a[11], h->page_cap, h->page_cap <= 0);
    array_int2(&a[12], (int16_t)(answers(h->openable, h->readable, h->writable) |
                                 (h->unconfirmed ? FLAG_UNCONFIRMED : 0) |
                                 (h->retired ? FLAG_RETIRED : 0)));

    char error[NAME_BYTES];

    array_text(&a[13], clean(error, h->error));
    if (memcmp(h->published_hash, none, sizeof(none)) != 0)
        array_bytes(&a[14], h->published_hash, sizeof(h->published_hash));
    else
        array_null(&a[14]);
    array_int8(&a[15], h->failing_since);
}

static void send_health(const struct checks *op, struct conn *conn)
{
    static const enum pg_type types[] = {PG_INT4, PG_INT8, PG_INT8,  PG_INT8, PG_INT8, PG_INT8,
                                         PG_INT4, PG_INT4, PG_INT4,  PG_INT4, PG_INT4, PG_INT4,
                                         PG_INT2, PG_TEXT, PG_BYTEA, PG_INT8};
    const struct store_health **order =
        malloc((op->health_n + (size_t)1) * sizeof(const struct store_health *));
    struct columns c;

    assert(order);
    for (uint32_t i = 0; i < op->health_n; i++)
        order[i] = &op->health[i];
    qsort(order, op->health_n, sizeof(const struct store_health *),
          by_relay_id); /* writers lock rows in one order */
    columns_init(&c, types, 16);
    for (uint32_t i = 0; i < op->health_n; i++) {
        if (i == 0 || order[i]->relay_id != order[i - 1]->relay_id) /* ON CONFLICT: a row once */
            health_row(c.a, order[i]);
    }
    columns_query(&c, conn, STMT_HEALTH_SAVE);
    free(order);
}

/* ---- store_checks ---- */

static bool checks_send(struct op *base, struct conn *conn)
{
    const struct checks *op = CONTAINER_OF(base, struct checks, op);

    conn_query(conn, stmt[STMT_LOCK_FINDINGS], NULL);
    send_errors(op, conn);
    send_nip11(op, conn);
    send_documents(op, conn);
    send_findings(op, conn);
    send_checks(op, conn);
    send_health(op, conn);
    return true;
}

static void no_result(struct op *base, int step, const struct result *res)
{
    (void)base;
    (void)step;
    (void)res;
}

static enum op_next settled(struct op *base, struct err *err)
{
    (void)base;
    (void)err;
    return OP_DONE;
}

static void checks_end(struct op *base, const struct err *err)
{
    struct checks *op = CONTAINER_OF(base, struct checks, op);

    op->done(op->owner, err);
    free(op);
}

static const struct op_ops checks_ops = {checks_send, no_result, settled, NULL, NULL, checks_end};

/* NOLINTNEXTLINE(readability-function-size): two lists, who made them, and whom to tell */
void store_checks(struct db *db, const char *vantage, const struct store_check *checks, uint32_t n,
                  const struct store_health *health, uint32_t health_n, store_checks_done *done,
                  void *owner)
{
    struct checks *op = calloc(1, sizeof(*op));

    assert(op && done);
    op->op.ops = &checks_ops;
    op->vantage = vantage;
    op->checks = checks;
    op->n = n;
    op->health = health;
    op->health_n = health_n;
    op->done = done;
    op->owner = owner;
    db_submit(db, DB_MISC, &op->op);
}

/* ---- the monitor's memory, read back ---- */

struct health_load {
    struct op op;
    store_health_row *row;
    store_done *done;
    void *owner;
};

static bool load_send(struct op *base, struct conn *conn)
{
    (void)base;
    conn_query(conn, stmt[STMT_HEALTH_LOAD], NULL);
    return true;
}

static int32_t int_or(const struct result *res, int row, int col, int32_t null)
{
    return result_null(res, row, col) ? null : (int32_t)result_int(res, row, col);
}

static void load_result(struct op *base, int step, const struct result *res)
{
    struct health_load *op = CONTAINER_OF(base, struct health_load, op);

    for (int i = 0; step == 0 && i < result_rows(res); i++) {
        char error[NAME_BYTES];
        struct str hash = result_str(res, i, 18);
        struct store_health h = {
            .relay_id = (int32_t)result_int(res, i, 0),
            .next_at = result_int(res, i, 1),
            .last_check_at = result_int(res, i, 2),
            .last_ok_at = result_int(res, i, 3),
            .last_fail_at = result_int(res, i, 4),
            .published_at = result_int(res, i, 5),
            .failures = (int32_t)result_int(res, i, 6),
            .rtt_p95 = int_or(res, i, 7, 0),
            .rtt_read = int_or(res, i, 8, -1),
            .caps_known = (int32_t)result_int(res, i, 9),
            .caps = (int32_t)result_int(res, i, 10),
            .page_cap = int_or(res, i, 11, 0),
            .unconfirmed = result_int(res, i, 12) != 0,
            .retired = result_int(res, i, 13) != 0,
            .openable = (int8_t)int_or(res, i, 14, -1),
            .readable = (int8_t)int_or(res, i, 15, -1),
            .writable = (int8_t)int_or(res, i, 16, -1),
            .failing_since = result_int(res, i, 19),
        };

        str_copy(error, sizeof(error), result_str(res, i, 17));
        h.error = error;
        if (hash.n == sizeof(h.published_hash))
            memcpy(h.published_hash, hash.p, hash.n);
        op->row(op->owner, &h);
    }
}

static void load_end(struct op *base, const struct err *err)
{
    struct health_load *op = CONTAINER_OF(base, struct health_load, op);

    op->done(op->owner, err);
    free(op);
}

static const struct op_ops load_ops = {load_send, load_result, settled, NULL, NULL, load_end};

void store_health_load(struct db *db, store_health_row *row, store_done *done, void *owner)
{
    struct health_load *op = calloc(1, sizeof(*op));

    assert(op && row && done);
    op->op.ops = &load_ops;
    op->row = row;
    op->done = done;
    op->owner = owner;
    db_submit(db, DB_MISC, &op->op);
}

/* ---- thinning ---- */

struct thin {
    struct op op;
    int64_t before, deleted;
    uint32_t max;
    store_thinned *done;
    void *owner;
};

static bool thin_send(struct op *base, struct conn *conn)
{
    const struct thin *op = CONTAINER_OF(base, struct thin, op);
    struct params p;

    params_init(&p);
    params_int8(&p, op->before);
    params_int4(&p, op->max > INT32_MAX ? INT32_MAX : (int32_t)op->max);
    conn_query(conn, stmt[STMT_CHECKS_THIN], &p);
    return true;
}

static void thin_result(struct op *base, int step, const struct result *res)
{
    struct thin *op = CONTAINER_OF(base, struct thin, op);

    if (step == 0)
        op->deleted = result_int(res, 0, 0);
}

static void thin_end(struct op *base, const struct err *err)
{
    struct thin *op = CONTAINER_OF(base, struct thin, op);

    op->done(op->owner, err ? 0 : op->deleted, err);
    free(op);
}

static const struct op_ops thin_ops = {thin_send, thin_result, settled, NULL, NULL, thin_end};

void store_checks_thin(struct db *db, int64_t before, uint32_t max, store_thinned *done,
                       void *owner)
{
    struct thin *op = calloc(1, sizeof(*op));

    assert(op && done);
    op->op.ops = &thin_ops;
    op->before = before;
    op->max = max;
    op->done = done;
    op->owner = owner;
    db_submit(db, DB_MISC, &op->op);
}
