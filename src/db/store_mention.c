/* The mentions of one store_write(), as what is counted: of the events that this transaction has
 * inserted. */
#include "db/mention_tally.h"
#include "db/store_write.h"

/* Which events are new is known by now: they went in an exchange of their own. */
void write_send_mentions(struct write *op, struct conn *conn)
{
    struct store_write *w = op->w;
    struct mention_tally t;

    w->mentions_counted = 0;
    for (uint32_t i = 0; i < w->mentions_n; i++)
        w->mentions_counted += w->events[w->mentions[i].event].inserted;
    if (w->mentions_counted == 0)
        return;
    mention_tally_init(&t);
    for (uint32_t i = 0; i < w->mentions_n; i++) {
        const struct store_event *e = &w->events[w->mentions[i].event];

        if (e->inserted)
            mention_tally_add(&t, e->event, &w->mentions[i]);
    }
    write_add_step(op, STEP_OTHER);
    store_mentions_send(conn, t.rows, t.n);
    mention_tally_done(&t);
}
