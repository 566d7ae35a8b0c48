/* NIP-11: what a relay says of itself.
 *
 * Any field may be any JSON type; what is not of its type is kept in the document and absent from
 * the columns.  Nothing here fails but a body that is no JSON object or beyond its bounds. */
#ifndef NOSTR_NIP11_H
#define NOSTR_NIP11_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/names.h"
#include "core/str.h"
#include "nostr/hints.h"

enum { NIP11_BYTES_MAX = 256 * 1024, NIP11_DEPTH_MAX = 32, NIP11_NIPS_MAX = 256 };

/* Texts are UTF-8 without NUL (U+FFFD stands for it and for what is no UTF-8), cut at 4 KiB; NULL:
 * absent or no string.  All memory belongs to the document. */
struct nip11 {
    const char *name, *description, *banner, *icon, *pubkey, *self, *contact, *software, *version,
        *privacy_policy, *terms_of_service;
    int32_t nips[NIP11_NIPS_MAX]; /* sorted, each once */
    uint32_t nips_n;
    const char *supported_nips; /* JSON array of those, NULL when the field is no array */
    const char *limitation;     /* JSON, NULL when absent; valid for jsonb */
    const char *extra_fields;   /* JSON object of the fields that have no column, NULL: none */
    const char *canonical;      /* the document: sorted keys, no white space; valid for jsonb */
    uint8_t id[32];             /* SHA-256 of canonical */
    struct str raw;             /* as it came */
    struct hints relays;        /* that any string of it mentions */

    /* From limitation; -1: not said or no number / bool. */
    int64_t max_limit, max_subscriptions, max_message_length, min_pow_difficulty, default_limit;
    int8_t auth_required, payment_required, restricted_writes;
};

/* ERR_SYNTAX: no JSON object, or nested too deeply; ERR_MESSAGE_TOO_LARGE. */
struct nip11 *nip11_parse(struct str body, struct err *err) MUST_USE;
void nip11_free(struct nip11 *d);                     /* NULL is fine */
bool nip11_lists(const struct nip11 *d, int32_t nip); /* is it in supported_nips? */

/* Where document and measurement contradict each other: fixed names, in SQL and in NIP-66 labels.
 */
#define NIP11_CONTRADICTIONS(X)                               \
    X(NIPS_CLAIMED_NOT_FOUND, "nips_claimed_not_found")       \
    X(NIPS_FOUND_NOT_CLAIMED, "nips_found_not_claimed")       \
    X(MAX_LIMIT_NOT_HONOURED, "max_limit_not_honoured")       \
    X(LIMIT_NOT_ADVERTISED, "limit_not_advertised")           \
    X(AUTH_CLAIMED_NOT_ASKED, "auth_claimed_not_asked")       \
    X(AUTH_ASKED_NOT_CLAIMED, "auth_asked_not_claimed")       \
    X(PAYMENT_CLAIMED_NOT_ASKED, "payment_claimed_not_asked") \
    X(WRITES_CLAIMED_OPEN, "writes_claimed_open")
enum nip11_contradiction {
#define NIP11_ROW(name, text) NIP11_##name,
    NIP11_CONTRADICTIONS(NIP11_ROW)
#undef NIP11_ROW
        NIP11_CONTRADICTION__COUNT
};
const char *nip11_contradiction_name(enum nip11_contradiction c);

#endif
