/* The mentions of one store_write(), as what is counted: a row for each relay and source, of the
 * events that this transaction has inserted. */
#include <assert.h>
#include <stdlib.h>

#include "core/siphash.h"
#include "db/store_write.h"

struct tally {
    struct store_mention_row *rows;
    uint32_t n;
    uint32_t *slot; /* 1 + position in rows; 0: free */
    uint32_t mask;
    struct siphash_key key; /* strangers choose the URLs */
};

static void tally_init(struct tally *t, uint32_t n)
{
    uint32_t slots = 16;

    while (slots < 2 * n)
        slots *= 2;
    t->n = 0;
    t->mask = slots - 1;
    t->rows = malloc(n * sizeof(*t->rows));
    t->slot = calloc(slots, sizeof(*t->slot));
    assert(t->rows && t->slot);
    siphash_key_random(&t->key);
}

static void tally_done(struct tally *t)
{
    free(t->rows);
    free(t->slot);
}

static struct store_mention_row *row_of(struct tally *t, const struct store_mention *m)
{
    uint32_t at = (uint32_t)siphash(&t->key, m->url.p, m->url.n) & t->mask;

    for (; t->slot[at] != 0; at = (at + 1) & t->mask) {
        struct store_mention_row *row = &t->rows[t->slot[at] - 1];

        if (row->source == m->source && str_eq(row->url, m->url))
            return row;
    }
    t->rows[t->n] =
        (struct store_mention_row){.url = m->url, .network = m->network, .source = m->source};
    t->slot[at] = ++t->n;
    return &t->rows[t->n - 1];
}

static int64_t author_of(const struct event *e)
{
    uint64_t bytes = 0;

    for (int i = 0; i < 8; i++)
        bytes = bytes << 8 | e->pubkey.b[i];
    return (int64_t)bytes;
}

static void count(struct tally *t, const struct store_mention *m, const struct event *e)
{
    struct store_mention_row *row = row_of(t, m);
    int64_t author = author_of(e);

    if (row->events++ == 0) {
        row->event = e->id;
        row->relay_id = m->relay_id;
    }
    for (uint32_t i = 0; i < row->authors_n; i++)
        if (row->authors[i] == author)
            return;
    if (row->authors_n < MENTION_AUTHORS_MAX)
        row->authors[row->authors_n++] = author;
}

/* Which events are new is known by now: they went in an exchange of their own. */
void write_send_mentions(struct write *op, struct conn *conn)
{
    struct store_write *w = op->w;
    struct tally t;

    w->mentions_counted = 0;
    for (uint32_t i = 0; i < w->mentions_n; i++)
        w->mentions_counted += w->events[w->mentions[i].event].inserted;
    if (w->mentions_counted == 0)
        return;
    tally_init(&t, w->mentions_counted);
    for (uint32_t i = 0; i < w->mentions_n; i++) {
        const struct store_event *e = &w->events[w->mentions[i].event];

        if (e->inserted)
            count(&t, &w->mentions[i], e->event);
    }
    write_add_step(op, STEP_OTHER);
    store_mentions_send(conn, t.rows, t.n);
    tally_done(&t);
}
