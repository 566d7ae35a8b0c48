/* NIP-19: what decodes encodes back to the same text, and its parts stay inside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "nostr/nip19.h"

/* The last six characters made right, so that a mutation reaches what lies behind the checksum. */
static void with_right_checksum(const uint8_t *data, size_t size)
{
    static const char *const prefixes[] = {"npub", "nprofile", "nevent", "naddr", "note", "nsec"};
    static char text[BECH32_CHARS_MAX + 1];
    struct nip19 x;
    struct str url;
    size_t at = 0, total = 0;

    if (size == 0 || !bech32_encode(prefixes[data[0] % 6], data + 1, size - 1, text, sizeof(text)))
        return;
    if (!nip19_decode(str_z(text), &x))
        return;
    while (nip19_relay(&x, &at, &url)) {
        CHECK((const uint8_t *)url.p >= x.bytes && (const uint8_t *)url.p + url.n <= x.bytes + x.n);
        total += url.n + 2;
    }
    CHECK(total <= x.n && x.n <= size - 1 && x.kind >= -1 && x.kind <= UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[BECH32_BYTES_MAX];
    static char back[BECH32_CHARS_MAX + 1];
    char *text = malloc(size > 0 ? size : 1), prefix[84];
    struct nip19 x;
    size_t n;

    CHECK(text != NULL);
    memcpy(text, data, size);
    if (bech32_decode((struct str){text, size}, prefix, sizeof(prefix), bytes, sizeof(bytes), &n)) {
        CHECK(bech32_encode(prefix, bytes, n, back, sizeof(back)));
        CHECK(str_eq_nocase((struct str){text, size}, str_z(back)));
    }
    (void)nip19_decode((struct str){text, size}, &x);
    with_right_checksum(data, size);
    free(text);
    return 0;
}
