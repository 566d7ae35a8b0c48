/* A DNS message: whatever it holds, the names that are read from it are plain, bounded, and each
 * answer is the same when it is read again.  In front stands what was asked: a byte of length and
 * the name. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "net/dns_answer.h"

typedef void reader(const unsigned char *message, size_t n, const char *name,
                    char to[DNS_NAMES_BYTES]);

static void look_at(const char *names, bool sorted)
{
    const char *before = NULL;
    int count = 0;

    CHECK(strlen(names) < DNS_NAMES_BYTES);
    for (const char *at = names; *at != '\0';) {
        size_t n = strcspn(at, " ");

        CHECK(n > 0 && n < 256);
        CHECK(strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == n);
        CHECK(!sorted || before == NULL || strcmp(before, at) < 0);
        before = at;
        count++;
        at += n + (at[n] == ' ' && at[n + 1] != '\0');
    }
    CHECK(count <= DNS_NAMES_MAX);
}

static void run(reader *read, const unsigned char *message, size_t n, const char *name, bool sorted)
{
    char once[DNS_NAMES_BYTES], twice[DNS_NAMES_BYTES];

    read(message, n, name, once);
    look_at(once, sorted);
    read(message, n, name, twice);
    CHECK(strcmp(once, twice) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[256] = "";

    if (size < 1 || size - 1 < data[0])
        return 0;
    memcpy(name, data + 1, data[0]);
    name[data[0]] = '\0';

    size_t n = size - 1 - data[0];
    unsigned char *message = malloc(n + (n == 0));

    CHECK(message != NULL);
    memcpy(message, data + 1 + data[0], n);
    run(dns_read_aliases, message, n, name, false);
    run(dns_read_name_servers, message, n, name, true);
    free(message);
    return 0;
}
