/* probe_pow: a proof of work for the event of WRITE (NIP-13), where a relay demands one that is
 * cheap: up to POW_BITS_MAX bits, a million hashes on average.  Mined in pieces on a worker, so
 * that nothing waits behind it and a probe that is closed stops soon. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hex.h"
#include "core/sha256.h"
#include "services/probe/probe_internal.h"

enum { POW_BITS_MAX = 20, PIECE = 32768, PIECES_MAX = 256 };

static void pow_run(struct worker_job *job);
static void pow_done(struct worker_job *job);

void pow_tags(const struct probe_pow *w, char nonce[24], char bits[8])
{
    (void)snprintf(nonce, 24, "%" PRIu64, w->nonce);
    (void)snprintf(bits, 8, "%u", w->bits);
}

bool pow_begin(struct probe *p, int64_t bits)
{
    struct probe_pow *w = &p->pow;

    if (bits <= 0 || bits > POW_BITS_MAX)
        return false;
    w->bits = (uint8_t)bits;
    w->created_at = clock_wall_s();
    w->pubkey = signer_pubkey(p->options.signer);
    w->running = true;
    w->job = (struct worker_job){.run = pow_run, .done = pow_done};
    list_init(&w->job.link);
    p->pending++;
    workers_submit(net_workers(p->net), WORKERS_LONG, &w->job);
    return true;
}

static bool is_worth(const uint8_t id[SHA256_BYTES], unsigned bits)
{
    unsigned at = 0;

    for (; bits >= 8; bits -= 8)
        if (id[at++] != 0)
            return false;
    return bits == 0 || id[at] >> (8 - bits) == 0;
}

/* The canonical form of the event (NIP-01), whose every part is plain. */
static void pow_run(struct worker_job *job)
{
    struct probe_pow *w = CONTAINER_OF(job, struct probe_pow, job);
    char text[256], pubkey[2 * sizeof(w->pubkey.b) + 1] = {0};
    uint8_t id[SHA256_BYTES];

    hex_encode(pubkey, w->pubkey.b, sizeof(w->pubkey.b));
    for (int i = 0; i < PIECE; i++) {
        int n = snprintf(text, sizeof(text),
                         "[0,\"%s\",%" PRId64 ",%d,[[\"nonce\",\"%" PRIu64 "\",\"%u\"]],\"\"]",
                         pubkey, w->created_at, PROBE_EVENT_KIND, w->nonce, w->bits);

        sha256_of(text, (size_t)n, id);
        w->found = is_worth(id, w->bits);
        if (w->found)
            return;
        w->nonce++;
    }
}

static void pow_done(struct worker_job *job)
{
    struct probe_pow *w = CONTAINER_OF(job, struct probe_pow, job);
    struct probe *p = CONTAINER_OF(w, struct probe, pow);

    if (p->life == LIFE_RUNNING && !w->found && w->nonce < (uint64_t)PIECE * PIECES_MAX) {
        workers_submit(net_workers(p->net), WORKERS_LONG, job);
        return;
    }
    w->running = false;
    p->pending--;
    if (p->life == LIFE_CLOSED)
        probe_release(p);
    else
        talk_write_mined(p);
}
