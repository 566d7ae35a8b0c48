/* What the files of the resolver know of each other; the only ones that know c-ares. */
#ifndef NET_DNS_INTERNAL_H
#define NET_DNS_INTERNAL_H

#include <sys/stat.h>

/* 1.34 marks half of what 1.18 has as deprecated; these files are written for both. */
#define CARES_NO_DEPRECATED
#include <ares.h>

#include "core/list.h"
#include "core/siphash.h"
#include "net/dns.h"
#include "net/lru.h"

enum { DNS_NAME_BUCKETS = 1024 };

/* One c-ares channel with its sockets.  When resolv.conf changes a new one is made, and this one
 * goes with its last question. */
struct channel {
    struct dns *dns;
    struct list link; /* dns->channels; the first is the one in use */
    ares_channel ares;
    struct list sockets;
    unsigned questions;
};

struct dns_socket {
    struct list link;
    uv_poll_t poll;
    struct channel *channel;
    ares_socket_t fd;
};

/* One list each, ordered by when the state ends: every lookup stays in a state for the same time.
 * A DONE lookup only waits for questions that are still out. */
enum lookup_state {
    LOOKUP_QUEUED,
    LOOKUP_YOUNG,
    LOOKUP_OLD,
    LOOKUP_SECOND,
    LOOKUP_DONE,
    LOOKUP_STATE__COUNT
};

struct question {
    struct lookup *lookup;
    int family;
};

struct lookup {
    struct dns *dns;
    struct channel *channel;
    struct list link;    /* dns->states[] */
    struct list by_name; /* until DONE */
    struct list waiters; /* struct dns_query */
    enum lookup_state state;
    int64_t state_ends_ms, give_up_ms;
    struct question questions[2];
    int out, failed; /* questions without an answer yet; those that ended without a verdict */
    struct dns_answer answer;
    size_t name_n;
    char name[256];
};

struct dns_query {
    struct list link;              /* lookup->waiters or dns->from_cache */
    struct dns_answer *from_cache; /* NULL: the lookup will say */
    dns_done *done;
    void *owner;
};

/* What the cache holds: no address means that there is none. */
struct known {
    int64_t expires_ms;
    int count;
    struct ip ips[]; /* behind them the aliases, as text */
};

/* dns_options, kept. */
struct dns_settings {
    char servers[1024], resolv_conf[256];
    uint32_t timeout_ms;
};

struct dns {
    uv_loop_t *loop;
    uv_timer_t tick;       /* time-outs, c-ares' and ours, while anything is going on */
    uv_timer_t next_turn;  /* begins lookups, and hands out what the cache knew */
    unsigned open_handles; /* these two and the polls; closed and 0: free */
    bool closed;

    struct list channels;
    struct list states[LOOKUP_STATE__COUNT];
    unsigned counts[LOOKUP_STATE__COUNT];
    unsigned flying;
    struct siphash_key hash_key;
    struct list by_name[DNS_NAME_BUCKETS];
    struct list from_cache;
    struct lru *cache;
    uint64_t asked;

    struct list servers_out, servers_told; /* struct dns_servers_query */
    unsigned servers_asked;                /* questions for name servers that are out */
    struct lru *servers_known;             /* domain -> struct known_servers */

    struct dns_settings settings;
    struct stat conf_seen; /* when the channel was made */
    int64_t conf_looked_ms;
};

static inline int64_t dns_now_ms(const struct dns *d)
{
    return (int64_t)uv_now(d->loop);
}

/* dns.c */
void dns_begin_lookups(struct dns *d); /* as many as there are places for */
void dns_wake(struct dns *d);          /* the tick runs, while anything is going on */
void dns_release(struct dns *d);

/* dns_channel.c.  Errors: ERR_CONFIG. */
int dns_channel_make(struct dns *d, struct err *err);
void dns_channel_free(struct channel *c); /* never while c-ares is on the stack */
void dns_follow_resolv_conf(struct dns *d);

/* dns_ns.c */
void dns_ns_open(struct dns *d);
void dns_ns_tell(struct dns *d); /* on a turn of its own; an owner may dns_close() in it */
void dns_ns_drop(struct dns *d); /* nobody is told any more */
void dns_ns_close(struct dns *d);

#endif
