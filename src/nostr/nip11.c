/* nip11: see nip11.h.  The document is repaired, parsed, and boiled down to columns; all that is
 * given out lies in one arena, the document itself among it. */
#include "nostr/nip11.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/json.h"
#include "core/sha256.h"
#include "nostr/nip11_repair.h"

enum { TEXT_MAX = 4096, ARENA_BLOCK = 8 * 1024, DIGITS_MAX = 9 };

struct holder {
    struct nip11 document; /* first: what is given out leads back to it */
    struct arena arena;
};

static const char *keep(struct holder *h, struct str s)
{
    char *z = arena_alloc(&h->arena, s.n + 1);

    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return z;
}

static const char *keep_json(struct holder *h, const struct js *v)
{
    char *text = js_text(v, JS_SORTED);
    const char *kept = keep(h, str_z(text));

    free(text);
    return kept;
}

/* At most TEXT_MAX bytes, cut between two characters. */
static const char *text_of(struct holder *h, const struct js *root, const char *key)
{
    const struct js *v = js_get(root, key);
    struct str s = js_str(v, STR(""));

    if (js_type(v) != JS_STRING)
        return NULL;
    if (s.n > TEXT_MAX) {
        s.n = TEXT_MAX;
        while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
            s.n--;
    }
    return keep(h, s);
}

static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

/* A number, or a string that holds nothing else; -1: neither. */
static int64_t number_of(const struct js *v)
{
    struct str s = js_str(v, STR(""));
    uint64_t n;

    if (js_type(v) == JS_STRING)
        return s.n <= DIGITS_MAX && str_u64(s, &n) ? (int64_t)n : -1;
    return js_int(v, -1);
}

static void read_nips(struct holder *h, const struct js *list)
{
    struct nip11 *d = &h->document;
    struct js *kept;
    uint32_t n = 0;

    if (js_type(list) != JS_ARRAY)
        return;
    for (size_t i = 0; i < js_count(list) && d->nips_n < NIP11_NIPS_MAX; i++) {
        int64_t nip = number_of(js_at(list, i));

        if (nip >= 0 && nip <= INT32_MAX)
            d->nips[d->nips_n++] = (int32_t)nip;
    }
    qsort(d->nips, d->nips_n, sizeof(d->nips[0]), by_number);
    kept = js_new_array();
    for (uint32_t i = 0; i < d->nips_n; i++) {
        if (n > 0 && d->nips[n - 1] == d->nips[i])
            continue;
        d->nips[n++] = d->nips[i];
        js_add(kept, js_new_int(d->nips[i]));
    }
    d->nips_n = n;
    d->supported_nips = keep_json(h, kept);
    js_free(kept);
}

static int64_t limit_of(const struct js *limitation, const char *key)
{
    int64_t n = js_int(js_get(limitation, key), -1);

    return n < 0 ? -1 : n;
}

static int8_t flag_of(const struct js *limitation, const char *key)
{
    const struct js *v = js_get(limitation, key);

    return (int8_t)(js_type(v) != JS_BOOL ? -1 : js_bool(v, false) ? 1 : 0);
}

static void read_limitation(struct holder *h, const struct js *v)
{
    struct nip11 *d = &h->document;

    if (v != NULL && js_type(v) != JS_NULL)
        d->limitation = keep_json(h, v);
    d->max_limit = limit_of(v, "max_limit");
    d->max_subscriptions = limit_of(v, "max_subscriptions");
    d->max_message_length = limit_of(v, "max_message_length");
    d->min_pow_difficulty = limit_of(v, "min_pow_difficulty");
    d->default_limit = limit_of(v, "default_limit");
    d->auth_required = flag_of(v, "auth_required");
    d->payment_required = flag_of(v, "payment_required");
    d->restricted_writes = flag_of(v, "restricted_writes");
}

static bool has_column(struct str key)
{
    static const char *const columns[] = {"name",           "description",    "banner",
                                          "icon",           "pubkey",         "contact",
                                          "version",        "privacy_policy", "terms_of_service",
                                          "supported_nips", "limitation",     "software"};

    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        if (str_eq(key, str_z(columns[i])))
            return true;
    return false;
}

static void read_extra(struct holder *h, const struct js *root)
{
    struct js *extra = js_new_object(), *v;
    struct str key;
    void *at = NULL;

    while (js_next(root, &at, &key, &v))
        if (!has_column(key))
            js_set(extra, key.p, js_copy(v)); /* a key ends with NUL and holds none */
    if (js_count(extra) > 0)
        h->document.extra_fields = keep_json(h, extra);
    js_free(extra);
}

static void read_document(struct holder *h, const struct js *root)
{
    struct nip11 *d = &h->document;

    d->name = text_of(h, root, "name");
    d->description = text_of(h, root, "description");
    d->banner = text_of(h, root, "banner");
    d->icon = text_of(h, root, "icon");
    d->pubkey = text_of(h, root, "pubkey");
    d->self = text_of(h, root, "self");
    d->contact = text_of(h, root, "contact");
    d->software = text_of(h, root, "software");
    d->version = text_of(h, root, "version");
    d->privacy_policy = text_of(h, root, "privacy_policy");
    d->terms_of_service = text_of(h, root, "terms_of_service");
    read_nips(h, js_get(root, "supported_nips"));
    read_limitation(h, js_get(root, "limitation"));
    read_extra(h, root);
    d->canonical = keep_json(h, root);
    sha256_of(d->canonical, strlen(d->canonical), d->id);
    d->relays = hints_of_document(str_z(d->canonical), HINT_NIP11, &h->arena);
}

static struct js *parse(struct str body, struct err *err)
{
    struct buf repaired;
    struct js *root;

    if (body.n > NIP11_BYTES_MAX) {
        (void)err_set(err, ERR_MESSAGE_TOO_LARGE, "%zu bytes, allowed are %d", body.n,
                      NIP11_BYTES_MAX);
        return NULL;
    }
    buf_init(&repaired, body.n * NIP11_REPAIR_GROWTH);
    nip11_repair(&repaired, body);
    assert(!repaired.overflow);
    root = js_parse(buf_str(&repaired), repaired.max, NIP11_DEPTH_MAX, err);
    buf_done(&repaired);
    if (root != NULL && js_type(root) != JS_OBJECT) {
        js_free(root);
        root = NULL;
        (void)err_set(err, ERR_SYNTAX, "JSON, but no object");
    }
    return root;
}

struct nip11 *nip11_parse(struct str body, struct err *err)
{
    struct js *root = parse(body, err);
    struct holder *h;

    if (root == NULL)
        return NULL;
    h = calloc(1, sizeof(*h));
    if (h == NULL)
        abort();
    arena_init(&h->arena, ARENA_BLOCK);
    h->document.raw = arena_copy(&h->arena, body);
    read_document(h, root);
    js_free(root);
    return &h->document;
}

void nip11_free(struct nip11 *d)
{
    struct holder *h = (struct holder *)(void *)d;

    if (h == NULL)
        return;
    arena_done(&h->arena);
    free(h);
}

bool nip11_lists(const struct nip11 *d, int32_t nip)
{
    return bsearch(&nip, d->nips, d->nips_n, sizeof(nip), by_number) != NULL;
}

const char *nip11_contradiction_name(enum nip11_contradiction c)
{
    static const char *const names[] = {
#define NIP11_ROW(name, text) text,
        NIP11_CONTRADICTIONS(NIP11_ROW)
#undef NIP11_ROW
    };

    assert((size_t)c < sizeof(names) / sizeof(names[0]));
    return names[c];
}
