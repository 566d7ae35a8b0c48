/* What the files of a probe know of each other. */
#ifndef SERVICES_PROBE_INTERNAL_H
#define SERVICES_PROBE_INTERNAL_H

#include "core/arena.h"
#include "core/json.h"
#include "loop/workers.h"
#include "services/probe/probe.h"

enum {
    PROBE_EVENT_KIND = 22456, /* ephemeral: nobody keeps it */
    PROBE_EVENT_MAX = 4096,
    PROBE_WORD_MAX = 24
};

/* The REQs of a check. */
enum probe_question {
    ASK_READ,
    ASK_PAGE,     /* the page cap, and the order */
    ASK_OLDER,    /* below the events of before: `until`, and is there more than the page showed? */
    ASK_NONSENSE, /* a search for what nobody wrote */
    ASK_WORD,     /* a search for a word that we have read there */
    ASK__COUNT
};

struct probe_ask {
    struct probe *probe;
    enum probe_question what;
    struct request *request; /* while it is open */
    bool asked;
    bool settled; /* `result` says how */
    struct settlement result;
    uint32_t messages; /* EVENTs that came */
    uint32_t events;   /* those of them that are events */
    int64_t newest, oldest, last;
    bool rises;       /* an older one came before a newer one */
    int64_t until;    /* asked for; 0: without */
    uint32_t beyond;  /* events above it */
    uint32_t matches; /* events that hold the word */
};

/* The exchanges of a check. */
enum probe_exchange {
    PROBE_EXCHANGE_WRITE,
    PROBE_EXCHANGE_PROTECTED,
    PROBE_EXCHANGE_COUNT,
    PROBE_EXCHANGE_NEG,
    PROBE_EXCHANGE__COUNT
};

/* A proof of work in pieces, each a job of a worker (NIP-13). */
struct probe_pow {
    struct worker_job job;
    bool running;
    uint8_t bits;
    uint64_t nonce; /* tried next; the one that was found */
    bool found;
    int64_t created_at;
    struct pubkey32 pubkey;
};

enum probe_step { STEP_OPEN, STEP_READ, STEP_WRITE, STEP_MINE, STEP_PAGE, STEP_CAPS, STEP_END };
enum probe_life { LIFE_RUNNING, LIFE_ENDED, LIFE_CLOSED };

/* What is waited for. */
enum { WAIT_TALK = 1, WAIT_HTTP = 2, WAIT_DNS = 4 };

struct probe {
    enum probe_life life;
    unsigned waiting;
    int pending; /* timers not closed, jobs not back; CLOSED and 0: free */
    struct net *net;
    struct relay_url url;
    struct probe_options options;
    struct probe_report report;
    probe_done *done;
    void *owner;
    uv_timer_t deadline;
    uv_timer_t later; /* the HTTP connection, which begins after the WebSocket */
    bool http_last;   /* when that is closed */
    uv_timer_t turn;  /* the end on a turn of its own; patience within READ and CAPS */
    uv_timer_cb turn_over;
    int64_t until_ms; /* monotonic */

    struct session *session; /* NULL: none any more */
    struct session_guest guest;
    bool own, alive; /* alive: it can be asked */
    struct tls_peer peer;

    struct http_get *get;
    uint64_t get_began_ns;
    struct worker_job parse;
    bool parsing;
    char *body; /* of the document while it is parsed, on a worker */
    size_t body_n;
    struct nip11 *parsed;
    struct err parse_err;
    struct dns_query *query;
    struct dns_servers_query *servers_query;
    struct js *dns; /* the records, until all are there */

    enum probe_step step;
    struct probe_ask asks[ASK__COUNT];
    struct exchange *exchanges[PROBE_EXCHANGE__COUNT];
    bool mined;  /* the event needed a proof of work */
    bool authed; /* authentication was asked for: to read, for it, or for a protected event */
    struct probe_pow pow;
    struct arena arena; /* for one event at a time */
    char word[PROBE_WORD_MAX + 1];
};

/* probe.c */
uint32_t probe_left_ms(const struct probe *p); /* until the deadline, at least 1 */
void probe_settle(struct probe *p, unsigned what);
void probe_fail(struct probe *p, enum err_code code, const char *text); /* report.error, once */
void probe_release(struct probe *p); /* frees when nothing is out */

/* probe_dns.c: names.  WAIT_DNS until both questions are answered. */
void names_begin(struct probe *p);
void names_end(struct probe *p); /* what is there by now is the finding */
void names_drop(struct probe *p);

/* probe_talk.c: the session is ready, or was lost (`err` NULL: it was taken from us). */
void talk_begin(struct probe *p);
void talk_lost(struct probe *p, const struct err *err);
void talk_deadline(struct probe *p);
void talk_drop(struct probe *p); /* closes what is open in the session */
void talk_ask(struct probe *p, enum probe_question what, const char *filter);
void talk_end(struct probe *p);
void talk_read_enough(struct probe *p);
void talk_write_mined(struct probe *p);

/* probe_caps.c */
void caps_begin(struct probe *p);
void caps_note(struct probe *p); /* what the answers so far show by themselves */
void caps_settled(struct probe *p, struct probe_ask *ask);
void caps_grace_over(struct probe *p);
void caps_learn_word(struct probe *p, struct str content);

/* probe_pow.c: begins to mine; talk_write_mined() when it is over, found or not. */
bool pow_begin(struct probe *p, int64_t bits);
void pow_tags(const struct probe_pow *w, char nonce[24], char bits[8]);

/* probe_judge.c, pure */
enum err_code judge_settlement(const struct settlement *s);
int64_t judge_pow_bits(const char *text); /* the difficulty that a refusal names; 0: none */
/* Where a dial stood when the deadline passed. */
void judge_stage(const struct relay_url *url, const struct wsconn_report *r, bool proxy_up,
                 struct err *err);
unsigned judge_contradictions(const struct probe_report *r, uint32_t page_events);

#endif
