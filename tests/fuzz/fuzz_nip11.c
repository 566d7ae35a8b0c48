/* NIP-11 documents: whatever comes, what is accepted is fit for text columns and jsonb, is the same
 * when it is read again in its canonical form, and has the id of that form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/json.h"
#include "core/sha256.h"
#include "nostr/nip11.h"
#include "nostr/utf8.h"

enum { CANONICAL_MAX = 8 * NIP11_BYTES_MAX };

/* An escaped NUL; "\\\\u0000" is none. */
static bool escapes_nul(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c == '\\' && strncmp(++c, "u0000", 5) == 0)
            return true;
    return false;
}

/* NUL-terminated, so a NUL inside cannot be: only that it is UTF-8, and that no escape hides one.
 */
static void check_text(const char *text)
{
    CHECK(text == NULL || (strlen(text) <= 4096 && utf8_valid(str_z(text))));
}

static void check_json(const char *text)
{
    struct err err;
    struct js *v;

    if (text == NULL)
        return;
    CHECK(utf8_valid(str_z(text)) && !escapes_nul(text));
    v = js_parse(str_z(text), CANONICAL_MAX, NIP11_DEPTH_MAX + 1, &err);
    CHECK(v != NULL);
    js_free(v);
}

static void check(const struct nip11 *d, size_t size)
{
    const char *const texts[] = {d->name,    d->description,    d->banner,          d->icon,
                                 d->pubkey,  d->self,           d->contact,         d->software,
                                 d->version, d->privacy_policy, d->terms_of_service};
    uint8_t id[32];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check_text(texts[i]);
    check_json(d->supported_nips);
    check_json(d->limitation);
    check_json(d->extra_fields);
    check_json(d->canonical);
    CHECK(d->raw.n == size && d->nips_n <= NIP11_NIPS_MAX);
    for (uint32_t i = 0; i < d->nips_n; i++)
        CHECK(d->nips[i] >= 0 && (i == 0 || d->nips[i - 1] < d->nips[i]) &&
              nip11_lists(d, d->nips[i]));
    CHECK(d->max_limit >= -1 && d->auth_required >= -1 && d->auth_required <= 1);
    sha256_of(d->canonical, strlen(d->canonical), id);
    CHECK(memcmp(id, d->id, sizeof(id)) == 0);
    CHECK(d->relays.n <= HINTS_MAX);
    for (uint32_t i = 0; i < d->relays.n; i++)
        CHECK(d->relays.hint[i].source == HINT_NIP11 && d->relays.hint[i].url.n <= HINTS_URL_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1);
    struct nip11 *d, *again;
    struct err err;

    CHECK(text != NULL);
    memcpy(text, data, size);
    d = nip11_parse((struct str){text, size}, &err);
    if (d != NULL) {
        check(d, size);
        again = nip11_parse(str_z(d->canonical), &err);
        CHECK(again != NULL || err.code == ERR_MESSAGE_TOO_LARGE);
        CHECK(again == NULL || memcmp(d->id, again->id, sizeof(d->id)) == 0);
        nip11_free(again);
    } else {
        CHECK(err.code == ERR_SYNTAX || err.code == ERR_MESSAGE_TOO_LARGE);
    }
    nip11_free(d);
    free(text);
    return 0;
}
