/* The floor under every new event: a bare check of a Schnorr signature by libsecp256k1, and nothing
 * else.  `bench_verify [CHECKS]` prints nanoseconds of CPU a check, twice: with the public key read
 * from its 32 bytes each time, as it must be for an event, and with a key that is read already. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>

enum { SAMPLES = 512, CHECKS = 20000 };

struct sample {
    unsigned char message[32], sig[64], key[32];
    secp256k1_xonly_pubkey read;
};

static struct sample samples[SAMPLES];

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void make(const secp256k1_context *secp)
{
    for (uint32_t i = 0; i < SAMPLES; i++) {
        struct sample *s = &samples[i];
        unsigned char secret[32] = {1};
        secp256k1_keypair pair;

        memcpy(secret + 8, &i, sizeof(i));
        memcpy(s->message, secret, 32);
        if (secp256k1_keypair_create(secp, &pair, secret) != 1 ||
            secp256k1_keypair_xonly_pub(secp, &s->read, NULL, &pair) != 1 ||
            secp256k1_xonly_pubkey_serialize(secp, s->key, &s->read) != 1 ||
            secp256k1_schnorrsig_sign32(secp, s->sig, s->message, &pair, NULL) != 1)
            exit(1);
    }
}

static double measure(const secp256k1_context *secp, long checks, int reads)
{
    double start = cpu_ns();

    for (long i = 0; i < checks; i++) {
        const struct sample *s = &samples[i % SAMPLES];
        secp256k1_xonly_pubkey key = s->read;

        if ((reads && secp256k1_xonly_pubkey_parse(secp, &key, s->key) != 1) ||
            secp256k1_schnorrsig_verify(secp, s->sig, s->message, 32, &key) != 1)
            exit(1);
    }
    return (cpu_ns() - start) / (double)checks;
}

int main(int argc, char **argv)
{
    long checks = argc > 1 ? strtol(argv[1], NULL, 10) : CHECKS;
    secp256k1_context *secp =
        secp256k1_context_create(SECP256K1_CONTEXT_VERIFY | SECP256K1_CONTEXT_SIGN);

    if (checks <= 0 || secp == NULL)
        return 2;
    make(secp);
    double with_key = measure(secp, checks, 1), bare = measure(secp, checks, 0);
    printf("%.0f %.0f\n", with_key, bare);
    secp256k1_context_destroy(secp);
    return 0;
}
