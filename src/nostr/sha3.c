/* Keccak-f[1600] as FIPS 202 describes it, for a few bytes now and then: clear, not fast.  Our own,
 * because mbedTLS has SHA-3 only since 3.6, and nothing secret goes in. */
#include "nostr/sha3.h"

#include <string.h>

enum { ROUNDS = 24, LANES = 25, RATE = 136 /* bytes: 1600 bits less twice 256 */ };

static uint64_t rotate(uint64_t x, unsigned by)
{
    return by == 0 ? x : x << by | x >> (64 - by);
}

/* theta: every bit takes the parity of two columns. */
static void theta(uint64_t a[LANES])
{
    uint64_t parity[5];

    for (int x = 0; x < 5; x++)
        parity[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    for (int x = 0; x < 5; x++) {
        uint64_t d = parity[(x + 4) % 5] ^ rotate(parity[(x + 1) % 5], 1);

        for (int y = 0; y < LANES; y += 5)
            a[x + y] ^= d;
    }
}

/* rho and pi: lanes are rotated and change places. */
static void rho_pi(uint64_t a[LANES])
{
    static const uint8_t place[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                      15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
    static const uint8_t turn[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                     27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
    uint64_t moved = a[1];

    for (int i = 0; i < 24; i++) {
        uint64_t next = a[place[i]];

        a[place[i]] = rotate(moved, turn[i]);
        moved = next;
    }
}

/* chi: the only step that is not linear. */
static void chi(uint64_t a[LANES])
{
    for (int y = 0; y < LANES; y += 5) {
        uint64_t row[5];

        memcpy(row, a + y, sizeof(row));
        for (int x = 0; x < 5; x++)
            a[x + y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
    }
}

static void permute(uint64_t a[LANES])
{
    static const uint64_t iota[ROUNDS] = {
        0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
        0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
        0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
        0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
        0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
        0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

    for (int i = 0; i < ROUNDS; i++) {
        theta(a);
        rho_pi(a);
        chi(a);
        a[0] ^= iota[i];
    }
}

/* Byte `at` of the state; lanes are little-endian. */
static void absorb(uint64_t a[LANES], size_t at, uint8_t byte)
{
    a[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}

void sha3_256(const void *data, size_t n, uint8_t out[SHA3_256_BYTES])
{
    const uint8_t *in = data;
    uint64_t a[LANES] = {0};
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        absorb(a, at++, in[i]);
        if (at == RATE) {
            permute(a);
            at = 0;
        }
    }
    absorb(a, at, 0x06); /* the two bits that tell SHA-3, and the first of the padding */
    absorb(a, RATE - 1, 0x80);
    permute(a);
    for (size_t i = 0; i < SHA3_256_BYTES; i++)
        out[i] = (uint8_t)(a[i / 8] >> (8 * (i % 8)));
}
