/* probe_talk: READ and WRITE: a REQ until its first EVENT or EOSE, an EVENT until its OK.
 *
 *     READ -> WRITE (-> MINE -> WRITE) -> CAPS -> END
 *
 * What ends a step goes on with the next one; a session that is lost ends the step that is out, and
 * all that would follow is untested. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "nostr/event.h"
#include "relay/refusal.h"
#include "services/probe/probe_internal.h"

enum {
    AFTER_FIRST_MS = 5000, /* EOSE behind the first event: it is readable anyway */
    ANSWER_EVENTS_MAX = 20000
};

static void on_event(void *owner, struct str event);
static void on_settled(void *owner, const struct settlement *s);
static void read_settled(struct probe *p, const struct probe_ask *ask);
static void write_begin(struct probe *p);
static void on_written(void *owner, const struct exchange_answer *answer);

static const struct request_ops request_ops = {.on_event = on_event, .on_settled = on_settled};

/* -- asking -- */

void talk_ask(struct probe *p, enum probe_question what, const char *filter)
{
    struct probe_ask *ask = &p->asks[what];
    uint32_t left = probe_left_ms(p);
    /* A flood would end the session, which may be another's: on_event counts by itself. */
    const struct request_options options = {
        .idle_ms = left, .total_ms = left, .events_max = UINT32_MAX};

    ask->probe = p;
    ask->what = what;
    ask->asked = true;
    ask->oldest = INT64_MAX;
    ask->request = session_request(p->session, str_z(filter), &options, &request_ops, ask);
}

void talk_begin(struct probe *p)
{
    if ((p->options.parts & (PROBE_READ | PROBE_CAPS)) == 0) {
        write_begin(p);
        return;
    }
    /* Some relays refuse a filter without kinds; every one knows this kind. */
    p->step = STEP_READ;
    talk_ask(p, ASK_READ, "{\"kinds\":[1],\"limit\":1}");
}

static bool holds_word(struct str content, const char *word)
{
    struct str w = str_z(word);

    for (size_t i = 0; w.n > 0 && i + w.n <= content.n; i++)
        if (str_eq_nocase((struct str){content.p + i, w.n}, w))
            return true;
    return false;
}

static void note_event(struct probe_ask *ask, const struct event *e)
{
    struct probe *p = ask->probe;

    if (ask->events > 1 && e->created_at > ask->last)
        ask->rises = true;
    ask->last = e->created_at;
    if (ask->events == 1 || e->created_at > ask->newest)
        ask->newest = e->created_at;
    if (e->created_at < ask->oldest)
        ask->oldest = e->created_at;
    if (ask->until > 0 && e->created_at > ask->until)
        ask->beyond++;
    if (ask->what == ASK_WORD && holds_word(e->content, p->word))
        ask->matches++;
    if (ask->what == ASK_READ && ask->events == 1)
        caps_learn_word(p, e->content);
}

static void end_ask(struct probe_ask *ask)
{
    if (ask->what == ASK_READ)
        read_settled(ask->probe, ask);
    else
        caps_settled(ask->probe, ask);
}

/* Enough is known, and more may come forever. */
static void cut_short(struct probe_ask *ask, enum settle how)
{
    request_close(ask->request);
    ask->request = NULL;
    ask->settled = true;
    ask->result.how = how;
    end_ask(ask);
}

static void on_event(void *owner, struct str event)
{
    struct probe_ask *ask = owner;
    struct probe *p = ask->probe;
    struct event_limits limits = event_limits_default();
    struct event e;
    enum reject why;

    if (ask->what == ASK_READ && p->report.readable == PROBE_UNTESTED) {
        uint32_t patience = probe_left_ms(p) / 4;

        p->report.rtt_read_us = (int64_t)((uv_hrtime() - request_sent_ns(ask->request)) / 1000);
        p->report.readable = PROBE_YES;
        if (patience > AFTER_FIRST_MS)
            patience = AFTER_FIRST_MS;
        (void)uv_timer_start(&p->turn, p->turn_over, patience, 0);
    }
    arena_reset(&p->arena);
    if (event_scan_untagged(event, &limits, &p->arena, &e, &why) == 0) {
        ask->events++;
        note_event(ask, &e);
    }
    if (++ask->messages > ANSWER_EVENTS_MAX)
        cut_short(ask, SETTLE_FLOOD);
}

/* The first event came, and no EOSE for some time. */
void talk_read_enough(struct probe *p)
{
    if (p->asks[ASK_READ].request != NULL)
        cut_short(&p->asks[ASK_READ], SETTLE_TIMEOUT);
}

/* `lost`: the session ends, and says by on_session_closed() how; a guest is only told this. */
static void on_settled(void *owner, const struct settlement *s)
{
    struct probe_ask *ask = owner;
    struct probe *p = ask->probe;
    bool lost = s->how == SETTLE_DISCONNECT || s->how == SETTLE_OVERSIZE || s->how == SETTLE_FLOOD;

    if (ask->what == ASK_READ && s->how == SETTLE_EOSE && p->report.readable != PROBE_YES)
        p->report.rtt_read_us = s->end_us;
    ask->request = NULL;
    ask->settled = true;
    ask->result = *s;
    if (lost)
        p->alive = false;
    if (lost && p->own)
        return;
    if (lost) {
        struct err err = {judge_settlement(s), ""};
        talk_lost(p, &err);
    } else {
        end_ask(ask);
    }
}

/* -- READ -- */

static void read_settled(struct probe *p, const struct probe_ask *ask)
{
    struct probe_report *r = &p->report;
    const struct settlement *s = &ask->result;

    (void)uv_timer_stop(&p->turn);
    r->read_prefix = s->prefix; /* also when it went well after authentication */
    p->authed = s->how == SETTLE_EOSE && s->prefix == PREFIX_AUTH_REQUIRED;
    if (s->how == SETTLE_EOSE) {
        r->readable = PROBE_YES;
    } else if (r->readable != PROBE_YES) {
        r->readable = PROBE_NO;
        probe_fail(p, judge_settlement(s), s->how == SETTLE_CLOSED ? s->text : "no answer to REQ");
    }
    write_begin(p);
}

/* -- WRITE -- */

static void send_event(struct probe *p, struct str nonce, struct str bits, int64_t created_at)
{
    const struct str elements[] = {STR("nonce"), nonce, bits};
    const uint32_t starts[] = {0, 3};
    const struct event_draft draft = {.created_at = created_at,
                                      .kind = PROBE_EVENT_KIND,
                                      .elements = elements,
                                      .tag_start = starts,
                                      .tags_n = nonce.n > 0 ? 1 : 0,
                                      .content = STR("")};
    struct id32 id;
    struct str json;

    arena_reset(&p->arena);
    json = sign_event(p->options.signer, &draft, &p->arena, &id);
    p->step = STEP_WRITE;
    p->exchanges[PROBE_EXCHANGE_WRITE] =
        session_publish(p->session, json, &id, probe_left_ms(p), on_written, p);
}

static void write_begin(struct probe *p)
{
    bool wanted = (p->options.parts & PROBE_WRITE) != 0 && p->options.signer != NULL;

    if (wanted && p->alive)
        send_event(p, STR(""), STR(""), clock_wall_s());
    else
        caps_begin(p);
}

static void write_failed(struct probe *p, enum err_code code, const char *text)
{
    (void)str_copy(p->report.write_text, sizeof(p->report.write_text), str_z(text));
    p->report.writable = PROBE_NO;
    p->report.write_error = code;
}

static void on_written(void *owner, const struct exchange_answer *answer)
{
    struct probe *p = owner;
    struct probe_report *r = &p->report;

    p->exchanges[PROBE_EXCHANGE_WRITE] = NULL;
    r->write_prefix = answer->prefix;
    p->authed = p->authed || answer->authenticated;
    if (answer->how == EXCHANGE_DISCONNECTED) {
        p->alive = false;
        if (p->own)
            return; /* on_session_closed() follows */
        write_failed(p, ERR_DISCONNECTED, "");
    } else if (answer->how == EXCHANGE_TIMEOUT) {
        write_failed(p, ERR_IDLE, "no OK");
    } else if (answer->accepted) {
        r->writable = PROBE_YES;
        r->write_error = ERR_NONE;
        r->write_text[0] = '\0';
        r->rtt_write_us = answer->us;
    } else {
        const struct nip11 *d = r->nip11;
        int64_t bits = d != NULL && d->min_pow_difficulty > 0 ? d->min_pow_difficulty
                                                              : judge_pow_bits(answer->text);

        write_failed(p, refusal_code(answer->prefix, answer->text), answer->text);
        if (answer->prefix == PREFIX_POW && !p->mined && pow_begin(p, bits)) {
            p->mined = true;
            p->step = STEP_MINE;
            return;
        }
    }
    caps_begin(p);
}

void talk_write_mined(struct probe *p)
{
    char nonce[24], bits[8];

    if (p->life != LIFE_RUNNING || p->step != STEP_MINE)
        return;
    if (!p->alive || !p->pow.found) {
        caps_begin(p);
        return;
    }
    pow_tags(&p->pow, nonce, bits);
    send_event(p, str_z(nonce), str_z(bits), p->pow.created_at);
}

/* -- the end -- */

void talk_end(struct probe *p)
{
    p->step = STEP_END;
    probe_settle(p, WAIT_TALK);
}

/* A request that never got its place in another's session says nothing of the relay. */
static bool read_was_sent(const struct probe *p)
{
    const struct probe_ask *ask = &p->asks[ASK_READ];

    return ask->request != NULL && request_sent_ns(ask->request) > 0;
}

void talk_lost(struct probe *p, const struct err *err)
{
    struct probe_report *r = &p->report;

    if (err != NULL && p->step == STEP_READ && r->readable != PROBE_YES) {
        r->readable = PROBE_NO;
        probe_fail(p, err->code, err->detail);
    }
    if (err != NULL && p->step == STEP_WRITE)
        write_failed(p, err->code, err->detail);
    if (p->step != STEP_END) {
        caps_note(p);
        talk_end(p);
    }
}

void talk_deadline(struct probe *p)
{
    struct err err = {ERR_IDLE, "no answer to REQ"};

    talk_lost(p, p->step == STEP_READ && !read_was_sent(p) ? NULL : &err);
}

void talk_drop(struct probe *p)
{
    for (int i = 0; i < ASK__COUNT; i++) {
        if (p->asks[i].request != NULL)
            request_close(p->asks[i].request);
        p->asks[i].request = NULL;
    }
    for (int i = 0; i < PROBE_EXCHANGE__COUNT; i++) {
        if (p->exchanges[i] != NULL)
            exchange_close(p->exchanges[i]);
        p->exchanges[i] = NULL;
    }
}
