/* probe_judge: what refusals and answers mean, and where a document says otherwise.  Pure. */
#include "relay/refusal.h"
#include "services/probe/probe_internal.h"

enum { POW_BITS_NAMED_MAX = 64 };

enum err_code judge_settlement(const struct settlement *s)
{
    switch (s->how) {
    case SETTLE_EOSE:
        return ERR_NONE;
    case SETTLE_CLOSED:
        return refusal_code(s->prefix, s->text);
    case SETTLE_TIMEOUT:
        return ERR_IDLE;
    case SETTLE_OVERSIZE:
        return ERR_MESSAGE_TOO_LARGE;
    case SETTLE_FLOOD:
        return ERR_FLOOD;
    case SETTLE_DISCONNECT:
        return ERR_DISCONNECTED;
    case SETTLE_CANCELLED:
    case SETTLE__COUNT:
        break;
    }
    return ERR_CANCELLED;
}

int64_t judge_pow_bits(const char *text)
{
    int64_t most = 0, n = -1;

    for (const char *c = text;; c++) {
        if (*c >= '0' && *c <= '9') {
            n = (n < 0 ? 0 : n) * 10 + (*c - '0');
            if (n > POW_BITS_NAMED_MAX)
                n = POW_BITS_NAMED_MAX + 1;
            continue;
        }
        if (n > most && n <= POW_BITS_NAMED_MAX)
            most = n;
        n = -1;
        if (*c == '\0')
            return most;
    }
}

void judge_stage(const struct relay_url *url, const struct wsconn_report *r, bool proxy_up,
                 struct err *err)
{
    if (url->network != NETWORK_CLEARNET && r->proxy_us < 0) {
        if (proxy_up)
            (void)err_set(err, ERR_CONNECT_TIMEOUT, "the proxy found no way in time");
        else
            (void)err_set(err, ERR_PROXY_DOWN, "it does not answer in time");
    } else if (url->network == NETWORK_CLEARNET && !url->ip_literal && r->dns_us < 0) {
        (void)err_set(err, ERR_DNS_FAILED, "%.150s: no answer in time", url->host);
    } else if (url->network == NETWORK_CLEARNET && r->tcp_us < 0) {
        (void)err_set(err, ERR_CONNECT_TIMEOUT, "%s", r->address);
    } else if (url->tls && r->tls_us < 0) {
        (void)err_set(err, ERR_TIMEOUT, "TLS handshake");
    } else {
        (void)err_set(err, ERR_TIMEOUT, "WebSocket upgrade");
    }
}

/* -- contradictions -- */

static const struct {
    unsigned cap;
    int32_t nip;
    bool must_show; /* a relay that has it shows it: so its absence was found */
} claims[] = {
    {CAP_NIP42, 42, false}, /* it may ask on other occasions */
    {CAP_NIP45, 45, true},  {CAP_NIP50, 50, true}, {CAP_NIP67, 67, false},
    {CAP_NIP70, 70, true},  {CAP_NIP77, 77, true},
};

static unsigned judge_nips(const struct probe_report *r)
{
    const struct nip11 *d = r->nip11;
    unsigned found = 0;

    if (d->supported_nips == NULL)
        return 0;
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        bool claimed = nip11_lists(d, claims[i].nip), shown = (r->caps & claims[i].cap) != 0;

        if (claimed && !shown && claims[i].must_show && (r->caps_known & claims[i].cap) != 0)
            found |= 1U << NIP11_NIPS_CLAIMED_NOT_FOUND;
        if (!claimed && shown)
            found |= 1U << NIP11_NIPS_FOUND_NOT_CLAIMED;
    }
    return found;
}

static bool is_restriction(enum err_code code)
{
    return code == ERR_AUTH_REQUIRED || code == ERR_PAYMENT_REQUIRED || code == ERR_BLOCKED;
}

unsigned judge_contradictions(const struct probe_report *r, uint32_t page_events)
{
    const struct nip11 *d = r->nip11;
    unsigned found;

    if (d == NULL)
        return 0;
    found = judge_nips(r);
    if (d->max_limit > 0 &&
        (page_events > d->max_limit || (r->page_cap > 0 && r->page_cap < d->max_limit)))
        found |= 1U << NIP11_MAX_LIMIT_NOT_HONOURED;
    if (r->page_cap > 0 && d->max_limit < 0)
        found |= 1U << NIP11_LIMIT_NOT_ADVERTISED;
    if (d->auth_required == 1 && (r->caps_known & CAP_NIP42) != 0 && (r->caps & CAP_NIP42) == 0)
        found |= 1U << NIP11_AUTH_CLAIMED_NOT_ASKED;
    if (d->auth_required != 1 && r->read_prefix == PREFIX_AUTH_REQUIRED)
        found |= 1U << NIP11_AUTH_ASKED_NOT_CLAIMED;
    if (d->payment_required == 1 && r->writable == PROBE_YES)
        found |= 1U << NIP11_PAYMENT_CLAIMED_NOT_ASKED;
    if (d->restricted_writes == 0 && r->writable == PROBE_NO && is_restriction(r->write_error))
        found |= 1U << NIP11_WRITES_CLAIMED_OPEN;
    return found;
}
