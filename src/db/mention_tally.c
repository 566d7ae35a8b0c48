/* mention_tally: see mention_tally.h.  An open table of positions, at most half full. */
#include "db/mention_tally.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 64 };

static void make_slots(struct mention_tally *t)
{
    free(t->slot);
    t->mask = 2 * t->room - 1;
    t->slot = calloc((size_t)t->mask + 1, sizeof(*t->slot));
    assert(t->slot);
}

void mention_tally_init(struct mention_tally *t)
{
    *t = (struct mention_tally){.room = ROOM_MIN};
    t->rows = malloc(t->room * sizeof(*t->rows));
    assert(t->rows);
    make_slots(t);
    siphash_key_random(&t->key);
}

void mention_tally_done(struct mention_tally *t)
{
    free(t->rows);
    free(t->slot);
}

void mention_tally_clear(struct mention_tally *t)
{
    t->n = 0;
    memset(t->slot, 0, ((size_t)t->mask + 1) * sizeof(*t->slot));
}

/* The slot of this relay and source: its row, or a free one (0). */
static uint32_t *slot_of(const struct mention_tally *t, struct str url, enum hint_source source)
{
    uint32_t at = (uint32_t)siphash(&t->key, url.p, url.n) & t->mask;

    for (; t->slot[at] != 0; at = (at + 1) & t->mask) {
        const struct store_mention_row *row = &t->rows[t->slot[at] - 1];

        if (row->source == source && str_eq(row->url, url))
            break;
    }
    return &t->slot[at];
}

static void grow(struct mention_tally *t)
{
    struct store_mention_row *rows;

    assert(t->room < UINT32_MAX / 8);
    t->room *= 2;
    rows = realloc(t->rows, t->room * sizeof(*t->rows));
    assert(rows);
    t->rows = rows;
    make_slots(t);
    for (uint32_t i = 0; i < t->n; i++)
        *slot_of(t, rows[i].url, rows[i].source) = i + 1;
}

static struct store_mention_row *row_of(struct mention_tally *t, const struct store_mention *m)
{
    uint32_t *slot = slot_of(t, m->url, m->source);

    if (*slot == 0) {
        if (t->n == t->room) {
            grow(t);
            slot = slot_of(t, m->url, m->source);
        }
        t->rows[t->n] =
            (struct store_mention_row){.url = m->url, .network = m->network, .source = m->source};
        *slot = ++t->n;
    }
    return &t->rows[*slot - 1];
}

static int64_t author_of(const struct event *e)
{
    uint64_t bytes = 0;

    for (int i = 0; i < 8; i++)
        bytes = bytes << 8 | e->pubkey.b[i];
    return (int64_t)bytes;
}

void mention_tally_add(struct mention_tally *t, const struct event *e,
                       const struct store_mention *mention)
{
    struct store_mention_row *row = row_of(t, mention);
    int64_t author = author_of(e);

    if (row->events++ == 0) {
        row->event = e->id;
        row->relay_id = mention->relay_id;
    }
    for (uint32_t i = 0; i < row->authors_n; i++)
        if (row->authors[i] == author)
            return;
    if (row->authors_n < MENTION_AUTHORS_MAX)
        row->authors[row->authors_n++] = author;
}
