/* store_candidate: see store_candidate.h.  One INSERT into a table without index: two transactions
 * that mention the same relay never wait for each other, and counting is somebody else's work
 * (../../sql/0008_candidates.sql). */
#include "db/store_candidate.h"

#include <string.h>

#include "core/sha256.h"
#include "db/conn.h"
#include "db/stmt.h"
#include "nostr/domain.h"

/* The eight bytes of each author, one behind the other. */
static void add_authors(struct array *a, const struct store_mention_row *row)
{
    uint8_t bytes[8 * MENTION_AUTHORS_MAX];
    size_t n = 0;

    for (uint32_t i = 0; i < row->authors_n && i < MENTION_AUTHORS_MAX; i++)
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes[n++] = (uint8_t)((uint64_t)row->authors[i] >> shift);
    array_bytes(a, bytes, n);
}

static void add_event(struct array *a, const struct id32 *id)
{
    static const struct id32 none;

    if (memcmp(id, &none, sizeof(none)) == 0)
        array_null(a);
    else
        array_bytes(a, id->b, sizeof(id->b));
}

void mention_columns_init(struct mention_columns *c)
{
    static const enum pg_type types[MENTION_COLUMNS] = {
        PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_INT4, PG_INT4, PG_BYTEA, PG_BYTEA, PG_INT4};

    for (int i = 0; i < MENTION_COLUMNS; i++)
        array_init(&c->a[i], types[i]);
}

void mention_columns_add(struct mention_columns *c, const struct store_mention_row *row)
{
    char domain[DOMAIN_SIZE];
    struct array *a = c->a;

    array_text(&a[0], row->url);
    array_text(&a[1], str_z(network_name(row->network)));
    array_text(&a[2], str_z(url_domain(row->url, domain)));
    array_text(&a[3], str_z(hint_source_name(row->source)));
    array_int4(&a[4], hint_weight(row->source));
    array_int4(&a[5], row->events > INT32_MAX ? INT32_MAX : (int32_t)row->events);
    add_authors(&a[6], row);
    add_event(&a[7], &row->event);
    if (row->relay_id > 0)
        array_int4(&a[8], row->relay_id);
    else
        array_null(&a[8]);
}

void mention_columns_params(struct mention_columns *c, struct params *p)
{
    for (int i = 0; i < MENTION_COLUMNS; i++)
        params_array(p, &c->a[i]);
}

void mention_columns_done(struct mention_columns *c)
{
    for (int i = 0; i < MENTION_COLUMNS; i++)
        array_done(&c->a[i]);
}

int64_t mention_author_of_relay(struct str relay_url)
{
    char domain[DOMAIN_SIZE];
    uint8_t hash[32];

    (void)url_domain(relay_url, domain);
    sha256_of(domain, strlen(domain), hash);
    return binary_int((const char *)hash, sizeof(int64_t));
}

void store_mentions_send(struct conn *conn, const struct store_mention_row *rows, uint32_t n)
{
    struct mention_columns c;
    struct params p;

    if (n == 0)
        return;
    mention_columns_init(&c);
    for (uint32_t i = 0; i < n; i++)
        mention_columns_add(&c, &rows[i]);
    params_init(&p);
    mention_columns_params(&c, &p);
    conn_query(conn, stmt[STMT_MENTIONS], &p);
    mention_columns_done(&c);
}
