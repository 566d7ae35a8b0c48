/* Certificates: what a peer shows of itself, and what to think of it.
 *
 * What the library cannot be asked for afterwards is noted while it happens: the chain and the
 * verdict come from its verification callback, which also sees handshakes that fail.  Addresses in
 * certificates and certificates without alternative names are judged here, alike for both versions
 * of the library (RFC 9525: the common name is not a name to check against). */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/sha256.h"
#include "net/tls_internal.h"
#include "net/tls_text.h"

static bool is_san(const mbedtls_x509_sequence *san, int type)
{
    return san->buf.p != NULL && (san->buf.tag & 0x1f) == type;
}

enum { SAN_DNS = 2, SAN_ADDRESS = 7 };

static void note_sans(struct tls_peer *peer, const mbedtls_x509_crt *crt)
{
    size_t at = 0;
    bool cut = false;

    for (const mbedtls_x509_sequence *san = &crt->subject_alt_names; san != NULL; san = san->next) {
        char name[300] = "";

        if (is_san(san, SAN_DNS)) {
            tls_put_name(name, sizeof(name), "dns:", san->buf.p, san->buf.len);
        } else if (is_san(san, SAN_ADDRESS) && (san->buf.len == 4 || san->buf.len == 16)) {
            memcpy(name, "ip:", 3);
            inet_ntop(san->buf.len == 4 ? AF_INET : AF_INET6, san->buf.p, name + 3,
                      sizeof(name) - 3);
        } else {
            continue;
        }
        peer->sans_count++;
        cut = cut || at + strlen(name) + 2 > sizeof(peer->sans);
        if (!cut)
            at += (size_t)snprintf(peer->sans + at, sizeof(peer->sans) - at, "%s%s",
                                   at > 0 ? " " : "", name);
    }
}

static int64_t unix_time(const mbedtls_x509_time *x)
{
    struct tm tm = {.tm_year = x->year - 1900,
                    .tm_mon = x->mon - 1,
                    .tm_mday = x->day,
                    .tm_hour = x->hour,
                    .tm_min = x->min,
                    .tm_sec = x->sec};

    return timegm(&tm);
}

static void note_name(char *to, size_t size, const mbedtls_x509_name *name)
{
    char text[512];
    int n = mbedtls_x509_dn_gets(text, sizeof(text), name);

    str_escape(to, size, n < 0 ? STR("(longer than can be shown)") : (struct str){text, (size_t)n});
}

static void note_certificate(struct tls_certificate *c, const mbedtls_x509_crt *crt)
{
    note_name(c->subject, sizeof(c->subject), &crt->subject);
    note_name(c->issuer, sizeof(c->issuer), &crt->issuer);
    c->not_before = unix_time(&crt->valid_from);
    c->not_after = unix_time(&crt->valid_to);
    sha256_of(crt->raw.p, crt->raw.len, c->fingerprint);
    snprintf(c->key, sizeof(c->key), "%.12s-%u", mbedtls_pk_get_name(&crt->pk),
             (unsigned)mbedtls_pk_get_bitlen(&crt->pk));
}

static void note_chain(struct tls *t, const mbedtls_x509_crt *leaf)
{
    t->verified = true;
    t->not_after = unix_time(&leaf->valid_to);
    t->peer->chain_count = t->peer->chain_sent = t->peer->sans_count = 0;
    note_sans(t->peer, leaf);
    for (const mbedtls_x509_crt *crt = leaf; crt != NULL; crt = crt->next) {
        if (t->peer->chain_count < TLS_CHAIN_MAX)
            note_certificate(&t->peer->chain[t->peer->chain_count++], crt);
        t->peer->chain_sent++;
    }
}

/* The part of the name check that mbedTLS does not do, or not in every version. */
static bool name_matches(const struct tls *t, const mbedtls_x509_crt *leaf)
{
    for (const mbedtls_x509_sequence *san = &leaf->subject_alt_names; san != NULL;
         san = san->next) {
        if (t->address_bytes == 0 && is_san(san, SAN_DNS))
            return true; /* there are names; mbedTLS has compared them */
        if (t->address_bytes > 0 && is_san(san, SAN_ADDRESS) && san->buf.len == t->address_bytes &&
            memcmp(san->buf.p, t->address, t->address_bytes) == 0)
            return true;
    }
    return false;
}

/* Called for every certificate of the chain that was built, the leaf last. */
int tls_on_verify(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct tls *t = user;

    if (depth == 0) {
        t->rsa = mbedtls_pk_get_type(&crt->pk) == MBEDTLS_PK_RSA;
        if (t->peer != NULL)
            note_chain(t, crt);
        if (!name_matches(t, crt))
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
    t->flags |= *flags;
    return 0;
}

/* The gravest reason names the verdict. */
enum err_code tls_judge(uint32_t flags)
{
    const uint32_t dates = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;

    if (flags == 0)
        return ERR_NONE;
    if ((flags & ~(dates | MBEDTLS_X509_BADCERT_CN_MISMATCH)) != 0)
        return ERR_TLS_CERT;
    return (flags & dates) != 0 ? ERR_TLS_CERT_EXPIRED : ERR_TLS_CERT_NAME;
}

void tls_describe(uint32_t flags, char *to, size_t size)
{
    char text[512] = "";
    size_t at = 0;

    if (flags != 0 && mbedtls_x509_crt_verify_info(text, sizeof(text), "", flags) < 0)
        snprintf(text, sizeof(text), "flags 0x%x", (unsigned)flags);
    for (const char *p = text; *p != '\0' && at + 3 < size; p++) {
        if (*p != '\n')
            to[at++] = *p;
        else if (p[1] != '\0')
            at += (size_t)snprintf(to + at, size - at, "; ");
    }
    to[at] = '\0';
}
