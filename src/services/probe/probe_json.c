/* probe_json: what a check found, as JSON: documents to be stored by content, and the whole report
 * for people's programs. */
#include <stdlib.h>

#include "core/hex.h"
#include "core/json.h"
#include "services/probe/probe.h"

enum { DOCUMENT_MAX = 8 * 1024 * 1024, DOCUMENT_DEPTH = 64 };

static const struct {
    enum probe_cap cap;
    const char *name;
} caps[] = {
    {CAP_NIP42, "nip42"},
    {CAP_NIP45, "nip45"},
    {CAP_NIP50, "nip50"},
    {CAP_NIP67, "nip67"},
    {CAP_NIP70, "nip70"},
    {CAP_NIP77, "nip77"},
    {CAP_UNTIL, "until"},
    {CAP_NEWEST_FIRST, "newest_first"},
    {CAP_READ_RESTRICTED, "read_restricted"},
};

enum { CAPS = sizeof(caps) / sizeof(caps[0]) };

const char *probe_cap_name(enum probe_cap cap)
{
    for (int i = 0; i < CAPS; i++)
        if (caps[i].cap == cap)
            return caps[i].name;
    return "";
}

static char *text_of(struct js *root)
{
    char *text = js_text(root, JS_SORTED);

    js_free(root);
    return text;
}

static struct js *certificate(const struct tls_certificate *c)
{
    char hex[2 * TLS_FINGERPRINT_BYTES + 1] = {0};
    struct js *o = js_new_object();

    hex_encode(hex, c->fingerprint, sizeof(c->fingerprint));
    js_set_z(o, "subject", c->subject);
    js_set_z(o, "issuer", c->issuer);
    js_set_int(o, "not_before", c->not_before);
    js_set_int(o, "not_after", c->not_after);
    js_set_z(o, "sha256", hex);
    js_set_z(o, "key", c->key);
    return o;
}

static struct js *tls_document(const struct tls_peer *peer)
{
    struct js *o = js_new_object(), *chain = js_new_array();

    for (int i = 0; i < peer->chain_count; i++)
        js_add(chain, certificate(&peer->chain[i]));
    js_set_z(o, "verdict", peer->verdict == ERR_NONE ? "trusted" : err_name(peer->verdict));
    js_set_z(o, "reason", peer->verdict_text);
    js_set_z(o, "version", peer->version);
    js_set_z(o, "cipher", peer->cipher);
    js_set_z(o, "names", peer->sans);
    js_set_int(o, "names_count", peer->sans_count);
    js_set_int(o, "chain_sent", peer->chain_sent);
    js_set(o, "chain", chain);
    return o;
}

char *probe_tls_json(const struct probe_report *r)
{
    return r->tls == NULL ? NULL : text_of(tls_document(r->tls));
}

static struct js *http_document(const struct probe_report *r)
{
    struct js *o = js_new_object();

    js_set_int(o, "status", r->http_status);
    js_set_z(o, "server", r->http_server);
    js_set_bool(o, "cors", r->http_cors);
    return o;
}

char *probe_http_json(const struct probe_report *r)
{
    return r->http_status == 0 ? NULL : text_of(http_document(r));
}

static struct js *geo_document(const struct geo_place *place)
{
    struct js *o = js_new_object();

    js_set_z(o, "country", place->country);
    js_set_z(o, "city", place->city);
    js_set_z(o, "geohash", place->geohash);
    js_set_int(o, "asn", place->asn);
    js_set_z(o, "as_name", place->as_name);
    return o;
}

static bool is_known(const struct geo_place *place)
{
    return place->country[0] != '\0' || place->geohash[0] != '\0' || place->asn != 0;
}

char *probe_geo_json(const struct probe_report *r)
{
    return is_known(&r->place) ? text_of(geo_document(&r->place)) : NULL;
}

/* -- the whole report -- */

static void set_answer(struct js *o, const char *key, enum probe_answer answer)
{
    js_set(o, key, answer == PROBE_UNTESTED ? js_new_null() : js_new_bool(answer == PROBE_YES));
}

static void set_us(struct js *o, const char *key, int64_t us)
{
    js_set(o, key, us < 0 ? js_new_null() : js_new_int(us));
}

static void set_error(struct js *o, const char *key, enum err_code code)
{
    js_set_z(o, key, code == ERR_NONE ? NULL : err_name(code));
}

/* A document that is text already. */
static void set_text(struct js *o, const char *key, const char *json)
{
    struct err err;

    js_set(o, key,
           json == NULL ? js_new_null()
                        : js_parse(str_z(json), DOCUMENT_MAX, DOCUMENT_DEPTH, &err));
}

static struct js *times(const struct probe_report *r)
{
    struct js *o = js_new_object();

    set_us(o, "open", r->rtt_open_us);
    set_us(o, "read", r->rtt_read_us);
    set_us(o, "write", r->rtt_write_us);
    set_us(o, "nip11", r->rtt_nip11_us);
    set_us(o, "dns", r->dns_us);
    set_us(o, "tcp", r->tcp_us);
    set_us(o, "proxy", r->proxy_us);
    set_us(o, "tls", r->tls_us);
    set_us(o, "upgrade", r->upgrade_us);
    return o;
}

static struct js *capabilities(const struct probe_report *r)
{
    struct js *o = js_new_object();

    for (int i = 0; i < CAPS; i++)
        js_set(o, caps[i].name,
               (r->caps_known & caps[i].cap) == 0 ? js_new_null()
                                                  : js_new_bool((r->caps & caps[i].cap) != 0));
    js_set(o, "page_cap", r->page_cap == 0 ? js_new_null() : js_new_int(r->page_cap));
    return o;
}

static struct js *contradictions(const struct probe_report *r)
{
    struct js *a = js_new_array();

    for (int i = 0; i < NIP11_CONTRADICTION__COUNT; i++)
        if ((r->contradictions & (1U << i)) != 0)
            js_add(a, js_new_str(str_z(nip11_contradiction_name((enum nip11_contradiction)i))));
    return a;
}

struct js *probe_report_json(const struct relay_url *url, const struct probe_report *r)
{
    struct js *o = js_new_object();

    js_set_z(o, "url", url->text);
    js_set_z(o, "network", network_name(url->network));
    js_set_int(o, "checked_at", r->started_at_ms / 1000);
    set_answer(o, "openable", r->openable);
    set_answer(o, "readable", r->readable);
    set_answer(o, "writable", r->writable);
    set_error(o, "error", r->error);
    js_set_z(o, "error_text", r->error_text[0] == '\0' ? NULL : r->error_text);
    set_error(o, "write_error", r->write_error);
    js_set_z(o, "write_text", r->write_text[0] == '\0' ? NULL : r->write_text);
    js_set(o, "us", times(r));
    js_set_z(o, "address", r->address[0] == '\0' ? NULL : r->address);
    js_set_int(o, "upgrade_status", r->upgrade_status);
    set_error(o, "nip11_error", r->nip11_error);
    set_text(o, "nip11", r->nip11 == NULL ? NULL : r->nip11->canonical);
    js_set(o, "capabilities", capabilities(r));
    js_set(o, "contradictions", contradictions(r));
    js_set(o, "tls", r->tls == NULL ? js_new_null() : tls_document(r->tls));
    js_set(o, "http", r->http_status == 0 ? js_new_null() : http_document(r));
    set_text(o, "dns", r->dns_json);
    js_set(o, "dns_ttl", r->dns_json == NULL ? js_new_null() : js_new_int(r->dns_ttl_s));
    js_set(o, "geo", is_known(&r->place) ? geo_document(&r->place) : js_new_null());
    return o;
}
