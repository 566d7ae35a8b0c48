/* probe_caps: what a relay can do, measured: first what shows by itself, then questions.
 *
 *     note -> PAGE (the page cap, the order) -> all at once: COUNT, NEG-OPEN, two searches, a
 *     protected event, and the events below those seen -> when the REQs have settled, a grace for
 *     the rest -> END
 *
 * Relays answer in order, mostly: what is not answered some time after the REQ that was sent last
 * is not known to them.  So nothing has a time-out of its own, and a relay that ignores what it
 * does not know costs little. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "services/probe/probe_internal.h"

enum { GRACE_MIN_MS = 500, GRACE_MAX_MS = 5000, WORD_MIN = 6, OLDER_LIMIT = 5, PAST_S = 60 };

static void ask_page(struct probe *p);
static void ask_all(struct probe *p);
static void judge_page(struct probe *p);
static void judge_search(struct probe *p);
static void on_counted(void *owner, const struct exchange_answer *answer);
static void on_negotiated(void *owner, const struct exchange_answer *answer);
static void on_protected(void *owner, const struct exchange_answer *answer);

static void know(struct probe *p, unsigned cap, bool yes)
{
    p->report.caps_known |= cap;
    if (yes)
        p->report.caps |= cap;
    else
        p->report.caps &= ~cap;
}

/* A word of ours may become a question: letters only, so that nothing needs escaping. */
void caps_learn_word(struct probe *p, struct str content)
{
    size_t from = 0;

    for (size_t i = 0; i <= content.n; i++) {
        int c = i < content.n ? (unsigned char)content.p[i] | 0x20 : ' ';
        size_t n = i - from;

        if (c >= 'a' && c <= 'z')
            continue;
        if (n >= WORD_MIN && n <= PROBE_WORD_MAX) {
            (void)str_copy(p->word, sizeof(p->word), (struct str){content.p + from, n});
            return;
        }
        from = i + 1;
    }
}

void caps_note(struct probe *p)
{
    const struct probe_ask *read = &p->asks[ASK_READ];
    struct probe_report *r = &p->report;
    bool refused =
        r->readable == PROBE_NO && (r->error == ERR_AUTH_REQUIRED ||
                                    r->error == ERR_PAYMENT_REQUIRED || r->error == ERR_BLOCKED);

    if ((p->options.parts & PROBE_CAPS) == 0 || !read->settled)
        return;
    know(p, CAP_NIP42,
         r->read_prefix == PREFIX_AUTH_REQUIRED || r->write_prefix == PREFIX_AUTH_REQUIRED ||
             p->authed || (p->session != NULL && session_asked_auth(p->session)));
    /* A session that has authenticated before reads like everybody else: that tells nothing. */
    bool asked = refused || r->read_prefix == PREFIX_AUTH_REQUIRED;
    bool tells = p->session == NULL || p->own || !session_asked_auth(p->session);
    if (r->readable != PROBE_UNTESTED && (asked || (tells && r->readable == PROBE_YES)))
        know(p, CAP_READ_RESTRICTED, asked);
    /* A hint may be left out (NIP-67): without one nothing is known. */
    if (read->result.finish || read->result.more || p->asks[ASK_PAGE].result.finish ||
        p->asks[ASK_PAGE].result.more)
        know(p, CAP_NIP67, true);
}

void caps_begin(struct probe *p)
{
    caps_note(p);
    /* Where the first question had no end, nor will the others. */
    if ((p->options.parts & PROBE_CAPS) == 0 || !p->own || !p->alive ||
        p->report.readable != PROBE_YES || p->asks[ASK_READ].result.how != SETTLE_EOSE)
        talk_end(p);
    else if (p->options.page > 0)
        ask_page(p);
    else
        ask_all(p);
}

static void ask_page(struct probe *p)
{
    char filter[32];

    p->step = STEP_PAGE;
    (void)snprintf(filter, sizeof(filter), "{\"limit\":%" PRIu32 "}", p->options.page);
    talk_ask(p, ASK_PAGE, filter);
}

/* -- all at once -- */

/* An event that only its author may publish (NIP-70), while we have not said that we are the
 * author: a relay that knows the rule refuses, and takes it after authentication.  Another key
 * would not do: it may be refused for being unknown. */
static void ask_protected(struct probe *p)
{
    static const struct str elements[] = {{"-", 1}};
    static const uint32_t starts[] = {0, 1};
    const struct event_draft draft = {.created_at = clock_wall_s(),
                                      .kind = PROBE_EVENT_KIND,
                                      .elements = elements,
                                      .tag_start = starts,
                                      .tags_n = 1,
                                      .content = STR("")};
    struct id32 id;
    struct str json;

    arena_reset(&p->arena);
    json = sign_event(p->options.signer, &draft, &p->arena, &id);
    p->exchanges[PROBE_EXCHANGE_PROTECTED] =
        session_publish(p->session, json, &id, probe_left_ms(p), on_protected, p);
}

static void ask_search(struct probe *p)
{
    char filter[96], nonsense[PROBE_WORD_MAX];
    uint64_t lot = uv_hrtime();

    for (size_t i = 0; i + 1 < sizeof(nonsense); i++) {
        nonsense[i] = "bcdfghjklmnpqrstvwxz"[lot % 20];
        lot = lot / 20 + (uint64_t)(uintptr_t)p * (i + 3);
    }
    nonsense[sizeof(nonsense) - 1] = '\0';
    (void)snprintf(filter, sizeof(filter), "{\"kinds\":[1],\"limit\":3,\"search\":\"%s\"}",
                   nonsense);
    talk_ask(p, ASK_NONSENSE, filter);
    if (p->word[0] == '\0')
        return;
    (void)snprintf(filter, sizeof(filter), "{\"kinds\":[1],\"limit\":3,\"search\":\"%s\"}",
                   p->word);
    talk_ask(p, ASK_WORD, filter);
}

static void ask_older(struct probe *p)
{
    const struct probe_ask *page = &p->asks[ASK_PAGE], *read = &p->asks[ASK_READ];
    const struct probe_ask *seen = page->events > 0 ? page : read;
    const char *kinds = page->events > 0 ? "" : "\"kinds\":[1],";
    char filter[96];

    if (seen->events > 0 && seen->oldest > 1) {
        p->asks[ASK_OLDER].until = seen->oldest - 1;
        (void)snprintf(filter, sizeof(filter), "{%s\"until\":%" PRId64 ",\"limit\":%d}", kinds,
                       seen->oldest - 1, OLDER_LIMIT);
    } else {
        (void)snprintf(filter, sizeof(filter), "{\"kinds\":[1],\"limit\":1}");
    }
    talk_ask(p, ASK_OLDER, filter);
}

/* Small questions: what happened in the last minute. */
static void ask_all(struct probe *p)
{
    char rest[96];

    p->step = STEP_CAPS;
    (void)snprintf(rest, sizeof(rest), "{\"kinds\":[1],\"since\":%" PRId64 "}",
                   clock_wall_s() - PAST_S);
    p->exchanges[PROBE_EXCHANGE_COUNT] =
        session_ask(p->session, EXCHANGE_COUNT, str_z(rest), probe_left_ms(p), on_counted, p);
    /* Version 1; one range up to infinity; an empty list of ids. */
    (void)snprintf(rest, sizeof(rest), "{\"since\":%" PRId64 "},\"6100000200\"",
                   clock_wall_s() - PAST_S);
    p->exchanges[PROBE_EXCHANGE_NEG] =
        session_ask(p->session, EXCHANGE_NEG, str_z(rest), probe_left_ms(p), on_negotiated, p);
    if (p->report.writable == PROBE_YES && !p->authed && !p->mined)
        ask_protected(p);
    ask_search(p);
    ask_older(p);
}

/* -- answers -- */

static bool settled_all(const struct probe *p)
{
    for (int i = 0; i < ASK__COUNT; i++)
        if (p->asks[i].asked && !p->asks[i].settled)
            return false;
    return true;
}

static bool answered_all(const struct probe *p)
{
    for (int i = 0; i < PROBE_EXCHANGE__COUNT; i++)
        if (p->exchanges[i] != NULL)
            return false;
    return true;
}

static void go_on(struct probe *p)
{
    if (p->step != STEP_CAPS || !settled_all(p))
        return;
    if (answered_all(p)) {
        caps_grace_over(p);
        return;
    }
    int64_t grace = p->report.rtt_read_us * 3 / 1000;

    grace = grace < GRACE_MIN_MS ? GRACE_MIN_MS : grace > GRACE_MAX_MS ? GRACE_MAX_MS : grace;
    if (!uv_is_active((const uv_handle_t *)&p->turn))
        (void)uv_timer_start(&p->turn, p->turn_over, (uint64_t)grace, 0);
}

void caps_settled(struct probe *p, struct probe_ask *ask)
{
    if (ask->what == ASK_PAGE)
        ask_all(p);
    else
        go_on(p);
}

static void on_counted(void *owner, const struct exchange_answer *answer)
{
    struct probe *p = owner;

    p->exchanges[PROBE_EXCHANGE_COUNT] = NULL;
    if (answer->how == EXCHANGE_ANSWERED || answer->how == EXCHANGE_REFUSED)
        know(p, CAP_NIP45, answer->how == EXCHANGE_ANSWERED);
    go_on(p);
}

static void on_negotiated(void *owner, const struct exchange_answer *answer)
{
    struct probe *p = owner;

    p->exchanges[PROBE_EXCHANGE_NEG] = NULL;
    if (answer->how == EXCHANGE_ANSWERED || answer->how == EXCHANGE_REFUSED)
        know(p, CAP_NIP77, answer->how == EXCHANGE_ANSWERED);
    go_on(p);
}

static void on_protected(void *owner, const struct exchange_answer *answer)
{
    struct probe *p = owner;

    p->exchanges[PROBE_EXCHANGE_PROTECTED] = NULL;
    if (answer->how == EXCHANGE_ANSWERED)
        know(p, CAP_NIP70, !answer->accepted || answer->authenticated);
    p->authed = p->authed || answer->authenticated || answer->prefix == PREFIX_AUTH_REQUIRED;
    go_on(p);
}

/* All that will be answered was. */
void caps_grace_over(struct probe *p)
{
    if (p->alive && p->exchanges[PROBE_EXCHANGE_COUNT] != NULL)
        know(p, CAP_NIP45, false);
    if (p->alive && p->exchanges[PROBE_EXCHANGE_NEG] != NULL)
        know(p, CAP_NIP77, false);
    caps_note(p);
    judge_page(p);
    judge_search(p);
    talk_end(p);
}

static void judge_page(struct probe *p)
{
    const struct probe_ask *page = &p->asks[ASK_PAGE], *older = &p->asks[ASK_OLDER];
    bool honoured;

    if (page->settled && page->events > 1 && page->newest > page->oldest)
        know(p, CAP_NEWEST_FIRST, !page->rises);
    if (older->until == 0 || older->events == 0)
        return;
    honoured = older->beyond == 0;
    know(p, CAP_UNTIL, honoured);
    /* It showed fewer than it was asked for, and has more. */
    if (honoured && page->result.how == SETTLE_EOSE && page->events > 0 &&
        page->messages < p->options.page)
        p->report.page_cap = page->messages;
}

static bool is_refusal(const struct probe_ask *ask)
{
    return ask->result.how == SETTLE_CLOSED && ask->result.prefix != PREFIX_RATE_LIMITED &&
           ask->result.prefix != PREFIX_AUTH_REQUIRED;
}

/* Who ignores `search` finds something for nonsense; who has no search finds nothing at all. */
static void judge_search(struct probe *p)
{
    const struct probe_ask *nonsense = &p->asks[ASK_NONSENSE], *word = &p->asks[ASK_WORD];

    if (is_refusal(nonsense) || nonsense->events > 0)
        know(p, CAP_NIP50, false);
    else if (nonsense->result.how == SETTLE_EOSE && word->settled &&
             word->result.how == SETTLE_EOSE)
        know(p, CAP_NIP50, word->matches > 0);
}
