/* check: one check of one relay, now, from here, and what it means.  No daemon and no database are
 * needed; key, proxies, resolvers and allowed addresses are those of the configuration. */
#include "cli/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/words.h"
#include "core/clock.h"
#include "core/human.h"
#include "services/probe/probe.h"

enum {
    TIMEOUT_MS = 30000, /* a person waits */
    TIMEOUT_OVERLAY_MS = 120000,
    TIMEOUT_MAX_S = 3600,
    PAGE = 1000,
    SHOWN_MAX = 120, /* bytes of a stranger's text on a line */
    DAY_S = 86400
};

struct check {
    const struct command *command;
    uint32_t timeout_ms; /* 0: by network */
    struct outside outside;
    struct signer *signer;
    struct geo *geo;
    struct relay_url *url;
    int code;
    uint32_t tries;
    bool again; /* the next connection says something else in TLS */
};

const char *check_blame_text(enum err_code code)
{
    switch (err_blame(code)) {
    case ERR_BLAME_NONE:
        return "";
    case ERR_BLAME_SELF:
        return "this is ours, not the relay's";
    case ERR_BLAME_PEER:
        return "the relay's side";
    case ERR_BLAME_PATH:
        return "on the way to it; nothing was learnt of the relay";
    case ERR_BLAME_USER:
        return "the configuration here";
    }
    return "";
}

/* -- for people -- */

static void label(const char *text)
{
    (void)printf("%-12s ", text);
}

static void print_ms(const char *before, int64_t us, const char *after)
{
    if (us >= 0)
        (void)printf("%s%.1f ms%s", before, (double)us / 1000.0, after);
}

static const char *word_of(enum probe_answer answer)
{
    return answer == PROBE_YES ? "yes" : answer == PROBE_NO ? "no" : "-";
}

static void print_open(const struct probe_report *r)
{
    label("open");
    (void)printf("%-4s", word_of(r->openable));
    print_ms(" ", r->rtt_open_us, "  (");
    if (r->rtt_open_us >= 0) {
        print_ms("dns ", r->dns_us, ", ");
        print_ms("tcp ", r->tcp_us, ", ");
        print_ms("proxy ", r->proxy_us, ", ");
        print_ms("tls ", r->tls_us, ", ");
        print_ms("upgrade ", r->upgrade_us, ")");
    }
    (void)putchar('\n');
}

static void print_write(const struct check *k, const struct probe_report *r)
{
    label("write");
    (void)printf("%-4s", word_of(r->writable));
    print_ms(" ", r->rtt_write_us, "");
    if (r->writable == PROBE_NO)
        (void)printf(" %s", r->write_text[0] != '\0' ? r->write_text : err_text(r->write_error));
    else if (k->signer == NULL)
        (void)printf(" not tried: there is no [identity] secret_key_file");
    else if (r->writable == PROBE_UNTESTED)
        (void)printf(" not tried");
    (void)putchar('\n');
}

static void print_error(const struct probe_report *r)
{
    if (r->error == ERR_NONE)
        return;
    label("error");
    (void)printf("%s: %s", err_name(r->error), err_text(r->error));
    if (r->error_text[0] != '\0')
        (void)printf(" (%s)", r->error_text);
    (void)printf("\n%-12s %s\n", "", check_blame_text(r->error));
}

static void print_tls(const struct probe_report *r)
{
    const struct tls_peer *peer = r->tls;
    char from[HUMAN_TIME_SIZE], to[HUMAN_TIME_SIZE];

    if (peer == NULL)
        return;
    label("tls");
    if (peer->verdict == ERR_NONE)
        (void)printf("trusted, %s %s\n", peer->version, peer->cipher);
    else
        (void)printf("%s: %s\n", err_name(peer->verdict), peer->verdict_text);
    if (peer->chain_count == 0)
        return;
    const struct tls_certificate *leaf = &peer->chain[0];
    (void)printf("%-12s %s to %s", "", human_day(from, leaf->not_before),
                 human_day(to, leaf->not_after));
    (void)printf(" (%" PRId64 " days left), by %s\n", (leaf->not_after - clock_wall_s()) / DAY_S,
                 leaf->issuer);
    (void)printf("%-12s for %.*s%s, %s\n", "", SHOWN_MAX, peer->sans,
                 strlen(peer->sans) > SHOWN_MAX ? ".." : "", leaf->key);
}

static const char *shown(char *to, size_t size, const char *text)
{
    return str_escape(to, size, str_z(text));
}

static void print_limit(const char *name, int64_t n)
{
    if (n >= 0)
        (void)printf(" %s %" PRId64, name, n);
}

static void print_flag(const char *name, int8_t flag)
{
    if (flag == 1)
        (void)printf(" %s", name);
}

static void print_document(const struct probe_report *r)
{
    const struct nip11 *d = r->nip11;
    char text[SHOWN_MAX], more[SHOWN_MAX];

    label("document");
    if (d == NULL) {
        if (r->nip11_error == ERR_HTTP_STATUS)
            (void)printf("none: HTTP status %d\n", r->http_status);
        else
            (void)printf("none: %s\n", err_text(r->nip11_error));
        return;
    }
    (void)printf("\"%s\"", shown(text, sizeof(text), d->name));
    if (d->software != NULL)
        (void)printf(", %s %s", shown(text, sizeof(text), d->software),
                     shown(more, sizeof(more), d->version));
    (void)printf("\n%-12s says NIPs", "");
    for (uint32_t i = 0; i < d->nips_n; i++)
        (void)printf(" %" PRId32, d->nips[i]);
    (void)printf("%s\n", d->nips_n == 0 ? " none" : "");
    if (d->limitation == NULL)
        return;
    (void)printf("%-12s limits:", "");
    print_limit("max_limit", d->max_limit);
    print_limit("max_subscriptions", d->max_subscriptions);
    print_limit("max_message_length", d->max_message_length);
    print_limit("min_pow_difficulty", d->min_pow_difficulty);
    print_flag("auth_required", d->auth_required);
    print_flag("payment_required", d->payment_required);
    print_flag("restricted_writes", d->restricted_writes);
    (void)putchar('\n');
}

static void print_caps(const struct probe_report *r)
{
    static const struct {
        enum probe_cap cap;
        const char *yes, *no;
    } words[] = {
        {CAP_NIP42, "asks for authentication (42)", NULL},
        {CAP_READ_RESTRICTED, "reads are restricted", NULL},
        {CAP_NIP45, "counts (45)", "does not count (45)"},
        {CAP_NIP50, "searches (50)", "does not search (50)"},
        {CAP_NIP67, "says when an answer is complete (67)", NULL},
        {CAP_NIP70, "protects events (70)", "does not protect events (70)"},
        {CAP_NIP77, "reconciles sets (77)", "does not reconcile sets (77)"},
        {CAP_NEWEST_FIRST, "newest first", "not newest first"},
        {CAP_UNTIL, "honours until", "ignores until"},
    };
    int said = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const char *text = (r->caps & words[i].cap) != 0 ? words[i].yes : words[i].no;

        if ((r->caps_known & words[i].cap) == 0 || text == NULL)
            continue;
        label(said == 0 ? "measured" : "");
        (void)printf("%s\n", text);
        said++;
    }
    if (r->page_cap > 0) {
        label(said == 0 ? "measured" : "");
        (void)printf("%" PRIu32 " events in one answer at most\n", r->page_cap);
    }
}

static void print_contradictions(const struct probe_report *r)
{
    static const char *const texts[] = {
        [NIP11_NIPS_CLAIMED_NOT_FOUND] = "claims NIPs that it does not have",
        [NIP11_NIPS_FOUND_NOT_CLAIMED] = "has NIPs that it does not claim",
        [NIP11_MAX_LIMIT_NOT_HONOURED] = "does not keep to its max_limit",
        [NIP11_LIMIT_NOT_ADVERTISED] = "limits answers without saying so",
        [NIP11_AUTH_CLAIMED_NOT_ASKED] = "says that it requires authentication, and does not",
        [NIP11_AUTH_ASKED_NOT_CLAIMED] = "requires authentication without saying so",
        [NIP11_PAYMENT_CLAIMED_NOT_ASKED] = "says that it wants payment, and takes events without",
        [NIP11_WRITES_CLAIMED_OPEN] = "says that anyone may write, and refuses",
    };

    for (int i = 0; i < NIP11_CONTRADICTION__COUNT; i++) {
        if ((r->contradictions & (1U << i)) == 0)
            continue;
        label("but");
        (void)printf("%s (%s)\n", texts[i], nip11_contradiction_name((enum nip11_contradiction)i));
    }
}

static void print_place(const struct probe_report *r)
{
    const struct geo_place *place = &r->place;

    if (place->country[0] == '\0' && place->asn == 0)
        return;
    label("place");
    (void)printf("%s %s", place->country, place->city);
    if (place->asn != 0)
        (void)printf("%sAS%" PRIu32 " %s", place->country[0] != '\0' ? ", " : "", place->asn,
                     place->as_name);
    (void)putchar('\n');
}

static void print_names(const struct probe_report *r)
{
    if (r->dns_aliases[0] == '\0' && r->dns_servers[0] == '\0')
        return;
    label("names");
    if (r->dns_aliases[0] != '\0')
        (void)printf("by way of %s%s", r->dns_aliases, r->dns_servers[0] != '\0' ? "; " : "");
    if (r->dns_servers[0] != '\0')
        (void)printf("domain served by %s", r->dns_servers);
    (void)putchar('\n');
}

static void print_report(const struct check *k, const struct probe_report *r)
{
    label("relay");
    (void)printf("%s (%s%s%s)\n", k->url->text, network_name(k->url->network),
                 r->address[0] != '\0' ? ", " : "", r->address);
    print_open(r);
    label("read");
    (void)printf("%-4s", word_of(r->readable));
    print_ms(" ", r->rtt_read_us, "");
    (void)putchar('\n');
    print_write(k, r);
    print_error(r);
    print_names(r);
    print_tls(r);
    print_document(r);
    print_caps(r);
    print_contradictions(r);
    print_place(r);
}

/* -- the check -- */

static void on_done(void *owner, const struct probe_report *report)
{
    struct check *k = owner;

    loop_stop(k->outside.loop);
    k->again =
        ++k->tries == 1 && (report->error == ERR_TLS_RETRY || report->nip11_error == ERR_TLS_RETRY);
    if (k->again)
        return;
    if (k->command->json) {
        struct js *o = probe_report_json(k->url, report);
        js_print(o, JS_PRETTY, stdout);
        js_free(o);
    } else {
        print_report(k, report);
    }
    k->code = report->readable == PROBE_YES ? COMMAND_DONE : COMMAND_FAILED;
}

static int run(struct check *k, struct err *err)
{
    const struct config *cfg = k->command->cfg;
    const char *key = config_secret(cfg, "identity", "secret_key");
    struct probe_options options = {.parts = PROBE_ALL,
                                    .timeout_ms = k->timeout_ms,
                                    .http_last = cfg->network_host_connections_max < 2,
                                    .page = PAGE};
    struct probe *probe;

    if (k->timeout_ms == 0)
        options.timeout_ms = k->url->network == NETWORK_CLEARNET ? TIMEOUT_MS : TIMEOUT_OVERLAY_MS;
    if (key != NULL && (k->signer = signer_new(key, err)) == NULL)
        return -1;
    k->geo = geo_open(cfg->monitor_geo_city_file, cfg->monitor_geo_asn_file, err);
    if (k->geo == NULL && err->code != ERR_NONE)
        return -1;
    options.signer = k->signer;
    options.geo = k->geo;
    if (outside_open(&k->outside, cfg, CHECK_MESSAGES_MAX, err) == 0) {
        do {
            probe = probe_open(k->outside.net, k->url, &options, on_done, k);
            loop_run(k->outside.loop);
            probe_close(probe);
        } while (k->again);
    }
    outside_close(&k->outside);
    return k->outside.net == NULL ? -1 : 0;
}

/* "--timeout N" in seconds, anywhere; what is left is the URL or --proxy. */
static bool read_words(struct check *k, const char **word)
{
    const struct command *c = k->command;
    uint64_t seconds;

    *word = NULL;
    for (int i = 0; i < c->argc; i++) {
        if (strcmp(c->argv[i], "--timeout") == 0) {
            if (i + 1 == c->argc || !str_u64(str_z(c->argv[++i]), &seconds) || seconds == 0 ||
                seconds > TIMEOUT_MAX_S)
                return false;
            k->timeout_ms = (uint32_t)seconds * 1000;
        } else if (*word != NULL) {
            return false;
        } else {
            *word = c->argv[i];
        }
    }
    return *word != NULL && ((*word)[0] != '-' || strcmp(*word, "--proxy") == 0);
}

int command_check(const struct command *c)
{
    struct check k = {.command = c, .url = malloc(sizeof(*k.url))};
    const char *word;
    struct err err;
    int code = COMMAND_USAGE;

    if (k.url == NULL)
        abort();
    if (!read_words(&k, &word)) {
        (void)fputs("usage: bigbrotr check [--timeout SECONDS] URL\n"
                    "       bigbrotr check --proxy\n",
                    stderr);
    } else if (strcmp(word, "--proxy") == 0) {
        code = check_proxy(c);
    } else if (words_relay_urls(&word, 1, k.url) == 0) {
        code = run(&k, &err) == 0 ? k.code : command_fail(&err);
    }
    signer_free(k.signer);
    geo_close(k.geo);
    free(k.url);
    return code;
}
