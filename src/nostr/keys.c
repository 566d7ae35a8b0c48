/* Secret keys: where they lie, and how they are read. */
#include "nostr/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/hex.h"
#include "nostr/nip19.h"

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *secret_new(size_t n)
{
    size_t size = page_bytes();
    void *page;

    assert(n <= size);
    page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        abort();
    /* Each of these may be refused (RLIMIT_MEMLOCK 0, an old kernel); the key still has to work. */
    (void)mlock(page, size);
    (void)madvise(page, size, MADV_DONTDUMP);
    (void)madvise(page, size, MADV_DONTFORK);
    return page;
}

void secret_free(void *page, size_t n)
{
    if (page == NULL)
        return;
    explicit_bzero(page, n);
    (void)munmap(page, page_bytes());
}

bool secret_key_read(struct str text, unsigned char key[32])
{
    struct nip19 decoded;
    char lower[64];
    bool ok;

    if (text.n == sizeof(lower)) {
        for (size_t i = 0; i < sizeof(lower); i++)
            lower[i] = (char)(text.p[i] >= 'A' && text.p[i] <= 'F' ? text.p[i] | 0x20 : text.p[i]);
        ok = hex_decode(key, (struct str){lower, sizeof(lower)}, 32);
        explicit_bzero(lower, sizeof(lower));
        return ok;
    }
    ok = nip19_decode(text, &decoded) && decoded.type == NIP19_NSEC;
    if (ok)
        memcpy(key, decoded.key, 32);
    explicit_bzero(&decoded, sizeof(decoded));
    return ok;
}
