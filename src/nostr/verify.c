/* The doorway to libsecp256k1 for checking signatures. */
#include "nostr/verify.h"

#include <stdlib.h>

#include <secp256k1.h>
#include <secp256k1_schnorrsig.h>

struct verifier {
    secp256k1_context *context; /* never written after it is made: any thread may read it */
};

struct verifier *verifier_new(void)
{
    struct verifier *v = malloc(sizeof(*v));

    if (v == NULL)
        abort();
    v->context = secp256k1_context_create(SECP256K1_CONTEXT_VERIFY);
    if (v->context == NULL)
        abort();
    return v;
}

void verifier_free(struct verifier *v)
{
    if (v == NULL)
        return;
    secp256k1_context_destroy(v->context);
    free(v);
}

bool verifier_check(const struct verifier *v, const struct id32 *id, const struct pubkey32 *pubkey,
                    const struct sig64 *sig)
{
    secp256k1_xonly_pubkey key;

    return secp256k1_xonly_pubkey_parse(v->context, &key, pubkey->b) == 1 &&
           secp256k1_schnorrsig_verify(v->context, sig->b, id->b, sizeof(id->b), &key) == 1;
}

int verifier_event(const struct verifier *v, struct str json, const struct event_limits *limits,
                   struct arena *arena, struct event *out, enum reject *why)
{
    if (event_scan(json, limits, arena, out, why) < 0)
        return -1;
    if (verifier_check(v, &out->id, &out->pubkey, &out->sig))
        return 0;
    *why = REJECT_SIGNATURE;
    return -1;
}
