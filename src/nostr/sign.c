/* The doorway to libsecp256k1 for signing. */
#include "nostr/sign.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>

#include "core/hex.h"
#include "core/sha256.h"
#include "nostr/canonical.h"
#include "nostr/keys.h"
#include "nostr/scan.h"
#include "nostr/utf8.h"

struct signer {
    secp256k1_context *context; /* blinded once, then only read */
    secp256k1_keypair *keypair; /* secret memory */
    struct pubkey32 pubkey;
};

static int bad_key(struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "the secret key is neither 64 hexadecimal digits nor a valid nsec1...");
}

/* `key` is secret memory for the bytes on their way. */
static int load(struct signer *s, struct str text, unsigned char *key, struct err *err)
{
    unsigned char seed[32];
    secp256k1_xonly_pubkey pubkey;

    if (!secret_key_read(text, key))
        return bad_key(err);
    /* Without entropy the blinding is missing, which is a defence in depth; signing stays right. */
    if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed) &&
        secp256k1_context_randomize(s->context, seed) != 1)
        abort();
    explicit_bzero(seed, sizeof(seed));
    if (secp256k1_keypair_create(s->context, s->keypair, key) != 1)
        return bad_key(err); /* zero, or not below the order of the curve */
    if (secp256k1_keypair_xonly_pub(s->context, &pubkey, NULL, s->keypair) != 1 ||
        secp256k1_xonly_pubkey_serialize(s->context, s->pubkey.b, &pubkey) != 1)
        abort(); /* cannot be: the keypair was just made */
    return 0;
}

struct signer *signer_new(const char *hex_or_nsec, struct err *err)
{
    struct signer *s = calloc(1, sizeof(*s));
    unsigned char *key = secret_new(32);
    int rc;

    if (s == NULL)
        abort();
    s->context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
    if (s->context == NULL)
        abort();
    s->keypair = secret_new(sizeof(*s->keypair));
    rc = load(s, str_trim(str_z(hex_or_nsec)), key, err);
    secret_free(key, 32);
    if (rc < 0) {
        signer_free(s);
        return NULL;
    }
    return s;
}

void signer_free(struct signer *s)
{
    if (s == NULL)
        return;
    secret_free(s->keypair, sizeof(*s->keypair));
    secp256k1_context_destroy(s->context);
    free(s);
}

struct pubkey32 signer_pubkey(const struct signer *s)
{
    return s->pubkey;
}

struct sig64 signer_sign(const struct signer *s, const struct id32 *id)
{
    unsigned char fresh[32] = {0};
    struct sig64 sig;

    /* BIP-340 is safe with any auxiliary data; random ones also protect against faults. */
    (void)!getrandom(fresh, sizeof(fresh), GRND_NONBLOCK);
    if (secp256k1_schnorrsig_sign32(s->context, sig.b, id->b, s->keypair, fresh) != 1)
        abort(); /* only with a broken keypair */
    explicit_bzero(fresh, sizeof(fresh));
    return sig;
}

static char *put(char *out, struct str s)
{
    memcpy(out, s.p, s.n);
    return out + s.n;
}

static char *put_hex(char *out, const void *from, size_t bytes)
{
    hex_encode(out, from, bytes);
    return out + 2 * bytes;
}

static char *put_string(char *out, struct str text)
{
    *out++ = '"';
    out = canonical_escape(out, text);
    *out++ = '"';
    return out;
}

static char *put_tags(char *out, const struct event_draft *d)
{
    *out++ = '[';
    for (uint32_t i = 0; i < d->tags_n; i++) {
        if (i > 0)
            *out++ = ',';
        *out++ = '[';
        for (uint32_t j = d->tag_start[i]; j < d->tag_start[i + 1]; j++) {
            if (j > d->tag_start[i])
                *out++ = ',';
            out = put_string(out, d->elements[j]);
        }
        *out++ = ']';
    }
    *out++ = ']';
    return out;
}

/* Tags and content in canonical form, escaped sixfold at the worst. */
static size_t draft_room(const struct event_draft *d)
{
    size_t room = 16 + 6 * d->content.n;

    for (uint32_t i = 0; i < d->tags_n; i++) {
        room += 4;
        for (uint32_t j = d->tag_start[i]; j < d->tag_start[i + 1]; j++)
            room += 4 + 6 * d->elements[j].n;
    }
    return room;
}

/* A draft in canonical form, and its id. */
struct canonical_draft {
    struct str tags, content;
    size_t room; /* the most that both can take */
    struct id32 id;
};

static struct canonical_draft canonical_draft(const struct event_draft *d,
                                              const struct pubkey32 *pubkey, struct arena *arena)
{
    struct canonical_draft c = {.room = draft_room(d)};
    char *tags = arena_alloc(arena, c.room), *content = put_tags(tags, d);
    char head[CANONICAL_HEAD_MAX], pubkey_hex[64];
    struct sha256 h;

    c.tags = (struct str){tags, (size_t)(content - tags)};
    c.content = (struct str){content, (size_t)(put_string(content, d->content) - content)};
    hex_encode(pubkey_hex, pubkey->b, sizeof(pubkey->b));
    sha256_init(&h);
    sha256_add(&h, head, canonical_head(head, pubkey_hex, d->created_at, d->kind));
    sha256_add(&h, c.tags.p, c.tags.n);
    sha256_add(&h, ",", 1);
    sha256_add(&h, c.content.p, c.content.n);
    sha256_add(&h, "]", 1);
    sha256_final(&h, c.id.b);
    return c;
}

struct id32 event_draft_id(const struct event_draft *draft, const struct pubkey32 *pubkey,
                           struct arena *arena)
{
    return canonical_draft(draft, pubkey, arena).id;
}

struct str sign_event(const struct signer *s, const struct event_draft *draft, struct arena *arena,
                      struct id32 *id)
{
    struct canonical_draft c = canonical_draft(draft, &s->pubkey, arena);
    char *json = arena_alloc(arena, c.room + 512), *p = json;
    struct sig64 sig = signer_sign(s, &c.id);

    p = put_hex(put(p, STR("{\"id\":\"")), c.id.b, sizeof(c.id.b));
    p = put_hex(put(p, STR("\",\"pubkey\":\"")), s->pubkey.b, sizeof(s->pubkey.b));
    p = canonical_number(put(p, STR("\",\"created_at\":")), (uint64_t)draft->created_at);
    p = canonical_number(put(p, STR(",\"kind\":")), (uint64_t)draft->kind);
    p = put(put(p, STR(",\"tags\":")), c.tags);
    p = put(put(p, STR(",\"content\":")), c.content);
    p = put_hex(put(p, STR(",\"sig\":\"")), sig.b, sizeof(sig.b));
    p = put(p, STR("\"}"));
    if (id != NULL)
        *id = c.id;
    return (struct str){json, (size_t)(p - json)};
}

enum { CHALLENGE_MAX = 1024, AUTH_KIND = 22242 };

/* The challenge as text, from between the quotes of the relay's message. */
static bool decode_challenge(struct str raw, char *to, struct str *text)
{
    char quoted[CHALLENGE_MAX + 1];
    struct scan scan = {.p = quoted, .end = quoted + raw.n + 1};
    unsigned flags = 0;
    size_t n = 0;

    if (raw.n == 0 || raw.n > CHALLENGE_MAX)
        return false;
    memcpy(quoted, raw.p, raw.n);
    quoted[raw.n] = '"';
    if (scan_text(&scan, to, &n, &flags) != REJECT_NONE || scan.p != scan.end || n == 0)
        return false;
    *text = (struct str){to, n};
    return (flags & SCAN_NUL) == 0 && utf8_valid(*text);
}

/* NOLINTNEXTLINE(readability-function-size): seven parameters, each of them one plain fact */
int signer_auth_event(const struct signer *s, const char *url, const char *challenge, int64_t now,
                      char *buf, size_t size, struct id32 *id)
{
    static const uint32_t starts[] = {0, 2, 4};
    char decoded[CHALLENGE_MAX + 1 + SCAN_SLACK];
    struct str elements[] = {STR("relay"), str_z(url), STR("challenge"), {NULL, 0}};
    struct event_draft draft = {.created_at = now,
                                .kind = AUTH_KIND,
                                .elements = elements,
                                .tag_start = starts,
                                .tags_n = 2,
                                .content = STR("")};
    struct arena arena;
    struct str json;
    int n = -1;

    if (!decode_challenge(str_z(challenge), decoded, &elements[3]))
        return -1;
    arena_init(&arena, 4096);
    json = sign_event(s, &draft, &arena, id);
    if (str_copy(buf, size, json))
        n = (int)json.n;
    arena_done(&arena);
    return n;
}
