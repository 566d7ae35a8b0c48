/* store_check: what the monitor writes and reads back: checks, documents, health.
 *
 * A check is one row; what changes seldom (documents of NIP-11, TLS, DNS, HTTP, geo) is stored by
 * content address, once, and referred to.  Counts for uptime are kept by relay and day in the same
 * transaction, so that old checks can be thinned without losing them. */
#ifndef DB_STORE_CHECK_H
#define DB_STORE_CHECK_H

#include "core/network.h"
#include "db/store_relay.h"
#include "nostr/hints.h"

/* A document by content: id is the SHA-256 of its canonical JSON.  json NULL: there is none.  What
 * changes at each look (TTLs, dates) has no place in it: it would be stored anew each time. */
struct store_document {
    uint8_t id[32];
    const char *json; /* canonical, valid for jsonb: no NUL, no lone surrogates */
};

/* The parsed columns of a NIP-11 document; texts NULL when absent or of another type. */
struct store_nip11 {
    struct store_document document;
    struct str raw; /* as it came, at most 256 KiB */
    const char *name, *description, *banner, *icon, *pubkey, *contact, *software, *version,
        *privacy_policy, *terms_of_service;
    const char *supported_nips, *limitation, *extra_fields; /* JSON or NULL */
    const struct hint *mentions; /* relays that it names: counted when the document is new */
    uint32_t mentions_n;
    int64_t author; /* on whose account they stand (store_candidate.h) */
};

/* Booleans: -1 NULL, 0, 1.  Times in milliseconds, -1 NULL. */
struct store_check {
    int32_t relay_id;
    int64_t generated_at; /* UNIX seconds */
    bool counts;          /* false: a failure that is not the relay's (blame PATH or SELF), or the
                             unconfirmed first one: kept as a row, not in uptime */
    int8_t openable, readable, writable;
    int32_t rtt_open, rtt_read, rtt_write, rtt_nip11;
    int32_t dns_ms, tcp_ms, proxy_ms, tls_ms, upgrade_ms;
    int32_t dns_ttl;         /* seconds, the shortest; 0: not known; kept up to 32767 */
    const char *error;       /* err name, "" when good */
    const char *write_error; /* prefix or err name, "" */
    const char *nip11_error;
    bool through_session;
    int32_t http_status;
    int32_t caps_known, caps, page_cap; /* page_cap 0: unknown */
    const char *const *contradictions;  /* names */
    uint32_t contradictions_n;
    const struct store_nip11 *nip11; /* or NULL */
    struct store_document tls, dns, http, geo;
};

/* What the monitor remembers of a relay between runs: next due, back-off, circuit.  UNIX ms. */
struct store_health {
    int32_t relay_id;
    int64_t next_at, last_check_at, last_ok_at, last_fail_at;
    int64_t failing_since; /* the first of the failures in a row; 0: none */
    int32_t failures;      /* in a row, the relay's own, confirmed */
    bool unconfirmed;      /* a first failure waits for its second check */
    bool retired;
    int32_t rtt_p95;                     /* ms, 0 unknown: time-outs adapt to it */
    int8_t openable, readable, writable; /* of the newest check that counts */
    int32_t rtt_read;
    int32_t caps_known, caps, page_cap;
    const char *error;
    int64_t published_at;       /* last 30166 that a relay accepted */
    uint8_t published_hash[32]; /* of its content and tags but the times: has anything changed? */
};

/* One transaction: checks, their documents, day counts, and health of the same relays. The caller
 * owns all until done(). Written on a lane of its own: never holds up events. */
typedef void store_checks_done(void *owner, const struct err *err);
void store_checks(struct db *db, const char *vantage, const struct store_check *checks, uint32_t n,
                  const struct store_health *health, uint32_t health_n, store_checks_done *done,
                  void *owner);

typedef void store_health_row(void *owner, const struct store_health *row);
void store_health_load(struct db *db, store_health_row *row, store_done *done, void *owner);

/* Deletes checks older than `before` (UNIX seconds), at most `max` of them; uptime keeps. */
typedef void store_thinned(void *owner, int64_t deleted, const struct err *err);
void store_checks_thin(struct db *db, int64_t before, uint32_t max, store_thinned *done,
                       void *owner);

#endif
