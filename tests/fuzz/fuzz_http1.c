/* An HTTP answer, fed whole and in pieces: both must come to the same end, after the same byte,
 * with the same status, headers and body.  The first byte says how: bit 0 head only, bit 1 a small
 * body limit, the rest the size of the pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "net/http1.h"

static const char *const wanted[] = {"location",          "content-type", "content-length",
                                     "transfer-encoding", "etag",         NULL};

struct end {
    enum http1_progress progress;
    enum err_code code;
    size_t used;
    struct http1 *h;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct end run(const uint8_t *data, size_t size, size_t piece,
                      const struct http1_options *options)
{
    struct end end = {HTTP1_MORE, ERR_NONE, 0, http1_new(options)};
    struct err err = {0};

    while (end.used < size && end.progress == HTTP1_MORE) {
        size_t n = size - end.used < piece ? size - end.used : piece, used;
        char *copy = malloc(n);

        memcpy(copy, data + end.used, n);
        end.progress = http1_feed(end.h, (struct str){copy, n}, &used, &err);
        free(copy);
        must(used <= n && (used == n || end.progress != HTTP1_MORE));
        end.used += used;
    }
    if (end.progress == HTTP1_MORE)
        end.progress = http1_feed_eof(end.h, &err);
    must((end.progress == HTTP1_FAILED) == (err.code != ERR_NONE));
    must(http1_body(end.h).n <= options->body_bytes_max);
    end.code = err.code;
    return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct http1_options options = {wanted, data[0] & 2 ? 8 : 4096, data[0] & 1};
    struct end a = run(data + 1, size - 1, size, &options),
               b = run(data + 1, size - 1, 1 + data[0] / 4U, &options);

    must(a.progress == b.progress && a.code == b.code && http1_status(a.h) == http1_status(b.h));
    if (a.progress == HTTP1_DONE)
        must(a.used == b.used && str_eq(http1_body(a.h), http1_body(b.h)));
    for (size_t i = 0; wanted[i] != NULL; i++) {
        must(str_eq(http1_header(a.h, wanted[i]), http1_header(b.h, wanted[i])));
        must(http1_header_count(a.h, wanted[i]) == http1_header_count(b.h, wanted[i]));
    }
    http1_free(a.h);
    http1_free(b.h);
    return 0;
}
