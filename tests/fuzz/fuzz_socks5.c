/* SOCKS5 replies in any pieces: the first byte of the input chooses how it is cut, the rest is what
 * the proxy sends. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "net/socks5.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct socks5 s;
    struct err err = {ERR_NONE, ""};
    enum socks5_progress p = SOCKS5_MORE;
    size_t at = 1, chunk;

    if (size == 0)
        return 0;
    chunk = (data[0] & 0x1f) + 1U;
    if (data[0] & 0x80)
        socks5_init_probe(&s);
    else
        socks5_init(&s, "relay.onion", 443, SOCKS5_USER, "password");
    while (p == SOCKS5_MORE) {
        size_t n = socks5_wants(&s);
        struct str out = socks5_output(&s);

        assert(n > 0 && n <= 257);
        socks5_sent(&s, out.n);
        n = n > chunk ? chunk : n;
        if (at == size) {
            p = socks5_feed_eof(&s, &err);
            break;
        }
        n = n > size - at ? size - at : n;
        p = socks5_feed(&s, (struct str){(const char *)data + at, n}, &err);
        at += n;
    }
    assert((p == SOCKS5_ERROR) == (err.code != ERR_NONE));
    assert(socks5_wants(&s) == 0);
    return 0;
}
