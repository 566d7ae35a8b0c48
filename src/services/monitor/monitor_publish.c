/* What is told to the network of a relay: a draft of kind 30166 when something changed, or when it
 * is due. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "nostr/nip66.h"
#include "services/monitor/monitor_internal.h"

enum {
    ARENA_BLOCK = 16 * 1024,
    EXTRA_BYTES_MAX = 256 * 1024,
    EXTRA_DEPTH_MAX = 40,
    NIPS_MAX = 300
};

/* NIPs of capabilities that are measured. */
static const struct {
    enum probe_cap cap;
    int32_t nip;
} cap_nips[] = {{CAP_NIP42, 42}, {CAP_NIP45, 45}, {CAP_NIP50, 50},
                {CAP_NIP67, 67}, {CAP_NIP70, 70}, {CAP_NIP77, 77}};

/* What a relay claims, unless it was measured otherwise; and what was found.  Sorted. */
static uint32_t nips_of(const struct check *k, const struct probe_report *r, unsigned parts,
                        int32_t to[NIPS_MAX])
{
    unsigned known = (parts & PROBE_CAPS) != 0 ? (unsigned)k->caps_known : 0;
    bool listed = (parts & PROBE_NIP11) != 0 && r->nip11 != NULL;
    uint32_t n = 0, i = 0;

    for (size_t c = 0; c <= sizeof(cap_nips) / sizeof(cap_nips[0]); c++) {
        bool last = c == sizeof(cap_nips) / sizeof(cap_nips[0]);
        int32_t nip = last ? INT32_MAX : cap_nips[c].nip;
        for (; listed && i < r->nip11->nips_n && r->nip11->nips[i] < nip; i++)
            to[n++] = r->nip11->nips[i];
        bool claimed = listed && i < r->nip11->nips_n && r->nip11->nips[i] == nip;
        i += claimed;
        bool measured = !last && (known & cap_nips[c].cap) != 0;
        if (!last && (measured ? ((unsigned)k->caps & cap_nips[c].cap) != 0 : claimed))
            to[n++] = nip;
    }
    return n;
}

/* What the relay has asked for goes before what it says. */
static bool was_asked(const struct probe_report *r, unsigned parts, enum err_code asked)
{
    return (parts & PROBE_READ) != 0 && (r->error == asked || r->write_error == asked);
}

/* An array of strings in the fields that have no column: `tags`, `language_tags`. */
static uint32_t words_of(const struct js *extra, const char *key, struct str *to)
{
    const struct js *list = js_get(extra, key);
    uint32_t n = 0;

    for (size_t i = 0; i < js_count(list) && n < NIP66_TOPICS_MAX; i++) {
        struct str word = js_str(js_at(list, i), STR(""));
        if (word.n > 0 && js_type(list) == JS_ARRAY && memchr(word.p, '\0', word.n) == NULL)
            to[n++] = word;
    }
    return n;
}

static void fill(struct nip66_relay *d, const struct probe_report *r, unsigned parts)
{
    const struct nip11 *doc = (parts & PROBE_NIP11) != 0 ? r->nip11 : NULL;

    d->rtt_open = (parts & PROBE_OPEN) != 0 ? check_ms(r->rtt_open_us) : -1;
    d->rtt_read = (parts & PROBE_READ) != 0 ? check_ms(r->rtt_read_us) : -1;
    d->rtt_write = (parts & PROBE_WRITE) != 0 ? check_ms(r->rtt_write_us) : -1;
    d->auth = d->payment = d->writes = d->pow = -1;
    if (doc != NULL) {
        d->auth = doc->auth_required;
        d->payment = doc->payment_required;
        d->writes = doc->restricted_writes;
        if (doc->min_pow_difficulty >= 0)
            d->pow = (int8_t)(doc->min_pow_difficulty > 0);
    }
    if (was_asked(r, parts, ERR_AUTH_REQUIRED) ||
        ((parts & PROBE_READ) != 0 && r->read_prefix == PREFIX_AUTH_REQUIRED))
        d->auth = 1;
    if (was_asked(r, parts, ERR_PAYMENT_REQUIRED))
        d->payment = 1;
    d->geohash = (parts & PROBE_GEO) != 0 ? r->place.geohash : "";
    d->country = (parts & PROBE_GEO) != 0 ? r->place.country : "";
    if (doc != NULL && strlen(doc->canonical) <= PUBLISHER_CONTENT_MAX)
        d->document = str_z(doc->canonical);
}

static void offer(struct monitor *m, struct check *c, const struct nip66_relay *d)
{
    struct event_draft draft;
    struct arena arena;
    uint8_t hash[32];
    int64_t now = clock_wall_ms();

    arena_init(&arena, ARENA_BLOCK);
    nip66_relay(d, now / 1000, &arena, &draft);
    nip66_fingerprint(&draft, hash);
    bool lost = d->document.n == 0 && c->has_document; /* it may come again next time */
    bool changed = memcmp(hash, c->published_hash, sizeof(hash)) != 0 && !lost;
    c->has_document = c->has_document || d->document.n > 0;
    bool due = now - c->published_ms >= publisher_interval_ms(m->parts.publisher);
    if ((changed || due) && publisher_put(m->parts.publisher, &draft, c->relay->id))
        memcpy(c->offered_hash, hash, sizeof(hash));
    arena_done(&arena);
}

void check_publish(struct monitor *m, struct check *c, const struct probe_report *r)
{
    unsigned parts = m->options.publish;
    int32_t nips[NIPS_MAX];
    struct str topics[NIP66_TOPICS_MAX], languages[NIP66_TOPICS_MAX];
    char wire[URL_MAX + 2];
    struct err err;

    if (m->parts.publisher == NULL || !publisher_wants(m->parts.publisher, PUBLISH_RELAYS) ||
        r->openable != PROBE_YES)
        return;
    struct relay_url *url = malloc(sizeof(*url));
    if (url == NULL)
        abort();
    roster_url(c->relay, url);
    url_wire(url, wire);
    free(url);
    const char *text =
        (parts & PROBE_NIP11) != 0 && r->nip11 != NULL ? r->nip11->extra_fields : NULL;
    struct js *extra =
        text != NULL ? js_parse(str_z(text), EXTRA_BYTES_MAX, EXTRA_DEPTH_MAX, &err) : NULL;
    struct nip66_relay d = {.url = wire, .network = c->relay->network};
    fill(&d, r, parts);
    d.nips = nips;
    d.nips_n = nips_of(c, r, parts, nips);
    d.topics = topics;
    d.topics_n = words_of(extra, "tags", topics);
    d.languages = languages;
    d.languages_n = words_of(extra, "language_tags", languages);
    offer(m, c, &d);
    js_free(extra);
}

void monitor_on_published(void *owner, int32_t relay_id)
{
    struct monitor *m = owner;
    const struct roster *r = m->parts.roster;
    struct relay *relay = (uint32_t)relay_id < r->by_id_n ? r->by_id[relay_id] : NULL;

    if (relay == NULL || relay->check == NULL)
        return;
    relay->check->published_ms = clock_wall_ms();
    memcpy(relay->check->published_hash, relay->check->offered_hash,
           sizeof(relay->check->published_hash));
    monitor_dirty(m, relay->check);
}
