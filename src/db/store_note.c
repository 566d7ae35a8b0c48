/* What a store_write() notes beside its events: expirations (NIP-40), requests to delete (NIP-09)
 * and to vanish (NIP-62), rows that the database refused.  Rare, so their arrays are small. */
#include <string.h>

#include "core/hex.h"
#include "db/rows.h"
#include "db/stmt.h"
#include "db/store_write.h"

enum { KIND_DELETION = 5, KIND_VANISH = 62, ADDRESS_MAX = 1024 };

/* The same event may come from several relays in one batch; the rows are in the order of ids. */
static bool is_repeated(const struct write *op, uint32_t i)
{
    return i > 0 &&
           memcmp(write_event_at(op, i)->event->id.b, write_event_at(op, i - 1)->event->id.b,
                  sizeof(write_event_at(op, i)->event->id.b)) == 0;
}

static void send_expirations(struct write *op, struct conn *conn)
{
    struct array id, at;
    struct params p;

    array_init(&id, PG_BYTEA);
    array_init(&at, PG_INT8);
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        const struct event *e = write_event_at(op, i)->event;
        struct str value;
        uint64_t seconds;

        if (write_excluded(write_event_at(op, i)) ||
            !event_tag_first(e, STR("expiration"), &value) || !str_u64(value, &seconds) ||
            seconds > INT64_MAX)
            continue;
        array_bytes(&id, e->id.b, sizeof(e->id.b));
        array_int8(&at, (int64_t)seconds);
    }
    params_init(&p);
    params_array(&p, &id);
    params_array(&p, &at);
    if (id.n > 0) {
        write_add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_EXPIRATIONS], &p);
    }
    array_done(&id);
    array_done(&at);
}

static void deletions_of(const struct event *e, struct array a[6])
{
    for (uint32_t t = 0; t < e->tags_n; t++) {
        const struct str *tag = &e->elements[e->tag_start[t]];
        uint8_t target[32];
        bool is_id, is_address;

        if (e->tag_start[t + 1] - e->tag_start[t] < 2)
            continue;
        is_id = str_eq(tag[0], STR("e")) && hex_decode(target, tag[1], sizeof(target));
        is_address = str_eq(tag[0], STR("a")) && tag[1].n > 0 && tag[1].n <= ADDRESS_MAX &&
                     !memchr(tag[1].p, 0, tag[1].n);
        if (!is_id && !is_address)
            continue;
        array_bytes(&a[0], e->id.b, sizeof(e->id.b));
        array_bytes(&a[1], e->pubkey.b, sizeof(e->pubkey.b));
        array_bytes(&a[2], target, is_id ? sizeof(target) : 0);
        array_int8(&a[3], is_address ? event_tag_hash(tag[0], tag[1]) : 0);
        array_text(&a[4], is_address ? tag[1] : STR(""));
        array_int8(&a[5], e->created_at);
    }
}

static void send_deletions(struct write *op, struct conn *conn)
{
    static const enum pg_type types[6] = {PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_INT8, PG_TEXT, PG_INT8};
    struct array a[6];
    struct params p;

    for (int i = 0; i < 6; i++)
        array_init(&a[i], types[i]);
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        if (!is_repeated(op, i) && !write_excluded(write_event_at(op, i)) &&
            write_event_at(op, i)->event->kind == KIND_DELETION)
            deletions_of(write_event_at(op, i)->event, a);
    }
    params_init(&p);
    for (int i = 0; i < 6; i++)
        params_array(&p, &a[i]);
    if (a[0].n > 0) {
        write_add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_DELETIONS], &p);
    }
    for (int i = 0; i < 6; i++)
        array_done(&a[i]);
}

/* Of those that name every relay: an archive is no relay with a URL of its own, but what "all
 * relays" shall forget, it must not keep.  Carried out later, in steps (sql/0011_exclude.sql). */
static bool asks_all_to_forget(const struct event *e)
{
    if (e->kind != KIND_VANISH)
        return false;
    for (uint32_t t = 0; t < e->tags_n; t++) {
        const struct str *tag = &e->elements[e->tag_start[t]];

        if (e->tag_start[t + 1] - e->tag_start[t] >= 2 && str_eq(tag[0], STR("relay")) &&
            str_eq(tag[1], STR("ALL_RELAYS")))
            return true;
    }
    return false;
}

static void send_vanish_requests(struct write *op, struct conn *conn)
{
    struct array id, pubkey, until;
    struct params p;

    array_init(&id, PG_BYTEA);
    array_init(&pubkey, PG_BYTEA);
    array_init(&until, PG_INT8);
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        const struct event *e = write_event_at(op, i)->event;

        if (write_excluded(write_event_at(op, i)) || !asks_all_to_forget(e))
            continue;
        array_bytes(&id, e->id.b, sizeof(e->id.b));
        array_bytes(&pubkey, e->pubkey.b, sizeof(e->pubkey.b));
        array_int8(&until, e->created_at);
    }
    params_init(&p);
    params_array(&p, &id);
    params_array(&p, &pubkey);
    params_array(&p, &until);
    if (id.n > 0) {
        write_add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_VANISH_REQUESTS], &p);
    }
    array_done(&id);
    array_done(&pubkey);
    array_done(&until);
}

static void send_rejects(struct write *op, struct conn *conn)
{
    struct array id, detail, raw;
    struct params p;

    array_init(&id, PG_TEXT);
    array_init(&detail, PG_TEXT);
    array_init(&raw, PG_BYTEA);
    for (uint32_t i = 0; i < op->w->events_n; i++) {
        const struct store_event *e = write_event_at(op, i);
        char hex[64];

        if (!e->refused || is_repeated(op, i))
            continue;
        hex_encode(hex, e->event->id.b, sizeof(e->event->id.b));
        array_text(&id, (struct str){hex, sizeof(hex)});
        array_text(&detail, str_z(op->detail ? op->detail[i] : ""));
        array_bytes(&raw, e->raw.p, e->raw.n);
    }
    params_init(&p);
    params_array(&p, &id);
    params_text(&p, str_z(reject_name(REJECT_DATABASE)));
    params_array(&p, &detail);
    params_array(&p, &raw);
    if (id.n > 0) {
        write_add_step(op, STEP_OTHER);
        conn_query(conn, stmt[STMT_REJECTS], &p);
    }
    array_done(&id);
    array_done(&detail);
    array_done(&raw);
}

void write_send_notes(struct write *op, struct conn *conn)
{
    send_expirations(op, conn);
    send_deletions(op, conn);
    send_vanish_requests(op, conn);
    send_rejects(op, conn);
}
