/* probe: one check of one relay: can it be opened, read, written to, and what does it say of
 * itself?
 *
 *     OPEN: dial -> TLS -> upgrade   ->  READ: REQ limit 1  ->  WRITE: EVENT until OK  ->  CAPS
 *     NIP11: one HTTP GET beside it                                     all settled -> on_done
 *
 * One deadline for everything, at most one HTTP and one WebSocket connection: side by side, or one
 * after the other where a host has only one, or the address no place for both.  A relay that has a
 * live session is checked through that session: then OPEN is not taken (the caller fills it from
 * the session's own dial), of the capabilities only those are noted that show by themselves (a
 * question that a relay does not know could be held against the other requests of the session),
 * and the session stays the caller's.  He may close it at any time: what was not answered by then
 * is untested.
 *
 * Files.  probe.c: connections, the deadline, the end.  probe_talk.c: READ and WRITE. probe_caps.c:
 * CAPS.  probe_pow.c: a proof of work, where a relay wants one.  probe_dns.c: names.  probe_judge.c
 * (pure): what refusals and answers mean.  probe_json.c: the report as JSON.
 *
 * Ownership.  probe_close() once, from anywhere, also from inside on_done; after it returns nothing
 * is called.  on_done at most once, on the loop, never from inside probe_open(). */
#ifndef SERVICES_PROBE_H
#define SERVICES_PROBE_H

#include "net/dns.h"
#include "net/http_get.h"
#include "net/tls.h"
#include "nostr/nip11.h"
#include "nostr/sign.h"
#include "nostr/url.h"
#include "relay/session.h"
#include "services/probe/geo.h"

/* NULL in the database, and not FALSE: it was not tested. */
enum probe_answer { PROBE_UNTESTED, PROBE_NO, PROBE_YES };

/* Parts of a check: each can be switched off on its own. */
enum probe_part {
    PROBE_OPEN = 1,
    PROBE_READ = 2,
    PROBE_WRITE = 4,
    PROBE_NIP11 = 8,
    PROBE_TLS = 16,
    PROBE_DNS = 32,
    PROBE_HTTP = 64,
    PROBE_GEO = 128,
    PROBE_CAPS = 256,
    PROBE_ALL = 511
};

/* What was measured and is not believed; bits of caps_known and caps. */
enum probe_cap {
    CAP_NIP42 = 1,            /* it asked for authentication (AUTH, or auth-required:) */
    CAP_NIP45 = 2,            /* COUNT was answered with a count */
    CAP_NIP50 = 4,            /* a search filter was answered, not refused or ignored */
    CAP_NIP67 = 8,            /* EOSE carried a hint */
    CAP_NIP70 = 16,           /* a protected event of another's was refused (only when written) */
    CAP_NIP77 = 32,           /* NEG-OPEN was answered with NEG-MSG */
    CAP_UNTIL = 64,           /* `until` is honoured */
    CAP_NEWEST_FIRST = 128,   /* events come newest first */
    CAP_READ_RESTRICTED = 256 /* reads need AUTH, payment or a list */
};

struct probe_options {
    unsigned parts; /* of enum probe_part */
    uint32_t timeout_ms;
    uint32_t http_after_ms; /* after a WebSocket of its own was opened, as a host may want time
                               between two connections; 0: at once.  Not at all where the host
                               could not be reached */
    bool http_last; /* the host has one connection: the document is asked for when the WebSocket of
                       its own is closed, http_after_ms later */
    const struct signer *signer; /* NULL: WRITE is untested, no AUTH */
    struct session *session;     /* a live one to check through, or NULL */
    uint32_t page;         /* asked for to measure the page cap: so many events are downloaded; 0:
                              not measured, and a cap stays unknown */
    bool wanted;           /* net/dial.h */
    const struct geo *geo; /* where addresses are; NULL: not asked */
};

/* Everything one check found.  Times in microseconds, -1: not taken. */
struct probe_report {
    int64_t started_at_ms; /* UNIX */
    enum probe_answer openable, readable, writable;
    enum err_code error; /* the first thing that failed in OPEN, READ, in that order; ERR_NONE */
    enum err_code write_error, nip11_error;
    char error_text[ERR_DETAIL_MAX];               /* escaped */
    char write_text[ERR_DETAIL_MAX];               /* what came with write_error, escaped */
    enum message_prefix read_prefix, write_prefix; /* what CLOSED, NOTICE or OK said */
    bool through_session;

    int64_t dns_us, tcp_us, proxy_us, tls_us, upgrade_us;
    int64_t rtt_open_us, rtt_read_us, rtt_write_us, rtt_nip11_us;
    char address[64];
    int64_t wait_ms;       /* with ERR_ADDRESS_BUSY: check again then; nothing was learnt */
    int http_status;       /* of the NIP-11 request, 0 when there was none */
    int upgrade_status;    /* of the upgrade's answer, 0 when none came */
    char http_server[128]; /* escaped; "" when not sent */
    bool http_cors;        /* the headers that NIP-11 demands were there */

    struct nip11 *nip11;  /* NULL: none came or it is no document.  The report's, freed by
                             probe_close() */
    struct tls_peer *tls; /* NULL: no TLS; the report's */
    char *dns_json;       /* records as JSON, sorted, so that the same ones are the same text; or
                             NULL; the report's */
    char dns_aliases[DNS_NAMES_BYTES]; /* dns_answer.h: CNAMEs on the way */
    char dns_servers[DNS_NAMES_BYTES]; /* NS of the registrable domain; "": none, or not known */
    uint32_t dns_ttl_s; /* the shortest of them; changes all the time, so it stands apart */
    struct geo_place place;

    unsigned caps_known, caps; /* of enum probe_cap */
    uint32_t page_cap;         /* events in one answer at most, 0: not known */
    unsigned contradictions;   /* bits by nip11_contradiction (nostr/nip11.h) */
};

struct probe;
typedef void probe_done(void *owner, const struct probe_report *report);

struct probe *probe_open(struct net *net, const struct relay_url *url,
                         const struct probe_options *options, probe_done *done, void *owner);
void probe_close(struct probe *p);

/* The address that is, or was last, dialled, while it runs; "" when none is known. */
const char *probe_address(const struct probe *p);

/* Findings as documents: sorted, without numbers that change from check to check, fit to be stored
 * by content.  malloc'd; NULL: nothing was found. */
char *probe_tls_json(const struct probe_report *r);
char *probe_http_json(const struct probe_report *r);
char *probe_geo_json(const struct probe_report *r);

/* The whole report, for `bigbrotr check --json`. */
struct js *probe_report_json(const struct relay_url *url, const struct probe_report *r);

const char *probe_cap_name(enum probe_cap cap); /* "nip42", "until", .. */

#endif
