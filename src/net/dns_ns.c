/* The name servers of a domain: seldom asked for, told on a turn of their own, remembered for a
 * day: they change seldom, and thousands of relays share a few domains. */
#include <arpa/nameser.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_internal.h"

enum {
    OUT_MAX = 200, /* questions at once; more are answered with "not known" */
    KNOWN_MAX = 8192,
    KNOWN_BYTES_MAX = 2 * 1024 * 1024,
    KNOWN_MS = 24 * 60 * 60 * 1000
};

/* In the cache.  names "": the domain has none. */
struct known_servers {
    int64_t expires_ms;
    char names[];
};

/* A question that is out: c-ares has it, whoever asked may have gone. */
struct ns_question {
    struct dns *dns;
    struct channel *channel;
    struct dns_servers_query *query; /* NULL: cancelled */
    char domain[256];
};

struct dns_servers_query {
    struct list link;             /* dns->servers_out or servers_told */
    struct ns_question *question; /* NULL: told next */
    dns_servers_done *done;
    void *owner;
    bool known;
    char names[DNS_NAMES_BYTES];
};

void dns_ns_open(struct dns *d)
{
    list_init(&d->servers_out);
    list_init(&d->servers_told);
    d->servers_known = lru_new(KNOWN_MAX, KNOWN_BYTES_MAX, free);
}

/* Told on the next turn. */
static void answered(struct dns *d, struct dns_servers_query *q, const char *names)
{
    q->question = NULL;
    q->known = names != NULL;
    if (names != NULL)
        memcpy(q->names, names, strlen(names) + 1);
    list_remove(&q->link);
    list_add_tail(&d->servers_told, &q->link);
    dns_wake(d);
}

static void remember(struct dns *d, const char *domain, const char *names)
{
    size_t n = strlen(names) + 1, bytes = sizeof(struct known_servers) + n;
    struct known_servers *k = malloc(bytes);

    if (k == NULL)
        abort();
    k->expires_ms = dns_now_ms(d) + KNOWN_MS;
    memcpy(k->names, names, n);
    lru_put(d->servers_known, str_z(domain), k, bytes);
}

/* "No such name" and "no such record" are answers; silence and SERVFAIL are not. */
static void on_servers(void *arg, int status, int timeouts, unsigned char *message, int n)
{
    struct ns_question *question = arg;
    struct dns *d = question->dns;
    bool known = status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND;
    char names[DNS_NAMES_BYTES] = "";

    (void)timeouts;
    question->channel->questions--;
    d->servers_asked--;
    if (!d->closed && known) {
        if (status == ARES_SUCCESS)
            dns_read_name_servers(message, (size_t)n, question->domain, names);
        remember(d, question->domain, names);
    }
    if (!d->closed && question->query != NULL)
        answered(d, question->query, known ? names : NULL);
    free(question);
}

static void send_question(struct dns *d, struct dns_servers_query *q, struct str domain)
{
    struct ns_question *question = calloc(1, sizeof(*question));

    if (question == NULL)
        abort();
    dns_follow_resolv_conf(d);
    question->dns = d;
    question->query = q;
    question->channel = CONTAINER_OF(d->channels.next, struct channel, link);
    memcpy(question->domain, domain.p, domain.n);
    q->question = question;
    question->channel->questions++;
    d->servers_asked++;
    /* It may answer before it returns. */
    ares_query(question->channel->ares, question->domain, ns_c_in, ns_t_ns, on_servers, question);
}

struct dns_servers_query *dns_lookup_servers(struct dns *d, struct str domain,
                                             dns_servers_done *done, void *owner)
{
    struct dns_servers_query *q = calloc(1, sizeof(*q));
    const struct known_servers *k = lru_get(d->servers_known, domain);

    if (q == NULL)
        abort();
    assert(!d->closed && domain.n > 0 && domain.n < sizeof(((struct ns_question *)0)->domain));
    q->done = done;
    q->owner = owner;
    list_add_tail(&d->servers_out, &q->link);
    if (k != NULL && k->expires_ms > dns_now_ms(d))
        answered(d, q, k->names);
    else if (d->servers_asked >= OUT_MAX)
        answered(d, q, NULL);
    else
        send_question(d, q, domain);
    dns_wake(d);
    return q;
}

void dns_cancel_servers(struct dns_servers_query *q)
{
    if (q->question != NULL)
        q->question->query = NULL; /* the answer is worth a place in the cache */
    list_remove(&q->link);
    free(q);
}

void dns_ns_tell(struct dns *d)
{
    struct list *l;

    while (!d->closed && (l = list_take_first(&d->servers_told)) != NULL) {
        struct dns_servers_query *q = CONTAINER_OF(l, struct dns_servers_query, link);
        struct dns_servers_query told = *q;

        free(q);
        told.done(told.owner, told.known ? told.names : NULL);
    }
}

static void drop(struct list *queries)
{
    struct list *l;

    while ((l = list_take_first(queries)) != NULL)
        dns_cancel_servers(CONTAINER_OF(l, struct dns_servers_query, link));
}

void dns_ns_drop(struct dns *d)
{
    drop(&d->servers_out);
    drop(&d->servers_told);
}

void dns_ns_close(struct dns *d)
{
    lru_free(d->servers_known);
}
