/* One probe of one candidate, and what follows from it.  Reading order: beginning, the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "net/net.h"
#include "services/finder/finder_internal.h"

_Static_assert((int)CANDIDATE_PROBE_PROMOTED == (int)CANDIDATE_PROMOTED &&
                   (int)CANDIDATE_PROBE_FAILED == (int)CANDIDATE_FAILED &&
                   (int)CANDIDATE_PROBE_DROPPED == (int)CANDIDATE_DROPPED &&
                   (int)CANDIDATE_PROBE_INNOCENT == (int)CANDIDATE_INNOCENT,
               "a verdict is its own label");

enum { HOST_PATIENCE_MS = 60 * 1000, HOST_BUSY_MS = 30 * 60 * 1000 };

static void on_done(void *owner, const struct probe_report *report);

/* What is dialled: wss:// where ws:// was mentioned, unless that has failed just now. */
static bool wire_url(const struct found *c, struct relay_url *url)
{
    char text[URL_MAX + 2];

    (void)snprintf(text, sizeof(text), "%s%s", c->as_wss ? "wss" : "",
                   c->as_wss ? c->url + 2 : c->url);
    return url_parse(str_z(text), &url_any_address, url) == URL_OK;
}

static void settled(struct found *c, enum candidate_state state, enum err_code error)
{
    (void)str_copy(c->outcome_error, sizeof(c->outcome_error),
                   str_z(error == ERR_NONE ? "" : err_name(error)));
    c->outcome.id = c->id;
    c->outcome.state = state;
    c->outcome.tries = c->tries;
    c->outcome.error = c->outcome_error;
    c->outcome.net = c->net;
    finder_settle(c);
}

/* As what is dialled, and as what was mentioned. */
static enum access_kind judge(const struct found *c, const struct relay_url *wire)
{
    const struct access *lists = c->finder->parts.access;
    enum access_kind access = access_judge(lists, wire).access;
    struct relay_url *url;

    if (!c->as_wss || access == ACCESS_DENIED)
        return access;
    if ((url = malloc(sizeof(*url))) == NULL)
        abort();
    if (url_parse(str_z(c->url), &url_any_address, url) == URL_OK &&
        access_judge(lists, url).access == ACCESS_DENIED)
        access = ACCESS_DENIED;
    free(url);
    return access;
}

static void leave_pool(struct found *c)
{
    list_remove(&c->link);
    c->finder->pool_n--;
}

/* Not now: it goes back as it was. */
static void put_off(struct found *c, int64_t wait_ms)
{
    leave_pool(c);
    c->outcome.next_at_ms = clock_wall_ms() + wait_ms;
    settled(c, c->tries > 0 ? CANDIDATE_STATE_FAILED : CANDIDATE_STATE_NEW, ERR_NONE);
}

/* 0: it may be probed, and is charged for it when all is known of it. */
static int64_t take_share(struct found *c)
{
    const struct str keys[] = {{c->author, c->author_n}, str_z(c->domain), str_z(c->net)};
    uint32_t n = strcmp(c->net, c->domain) == 0 ? 2 : 3;

    if (!c->resolved)
        return shares_wait(c->finder->shares, keys, n, clock_wall_ms());
    return shares_take(c->finder->shares, keys, n, clock_wall_ms());
}

/* Where its name leads to, so that it is probed on the account of that network.  It comes back to
 * the pool with it; a name that leads nowhere is the probe's business. */

static void on_resolved(void *owner, const struct dns_answer *answer, const struct err *err)
{
    struct found *c = owner;
    struct finder *f = c->finder;
    char text[IP_TEXT_MAX];

    (void)err;
    c->query = NULL;
    c->resolved = true;
    if (answer != NULL)
        (void)address_net(ip_text(&answer->ips[0], text), c->net);
    list_remove(&c->link);
    f->running_n--;
    list_add_head(&f->pool, &c->link);
    f->pool_n++;
}

static void resolve(struct found *c, const char *host)
{
    struct finder *f = c->finder;

    leave_pool(c);
    list_add_tail(&f->running, &c->link);
    f->running_n++;
    c->query = dns_lookup(net_dns(f->parts.net), str_z(host), on_resolved, c);
}

static uint32_t timeout_ms(const struct found *c)
{
    const struct finder_options *o = &c->finder->options;

    return c->network == NETWORK_CLEARNET ? o->timeout_ms : o->timeout_overlay_ms;
}

int64_t found_begin(struct found *c)
{
    struct finder *f = c->finder;
    struct relay_url *url = malloc(sizeof(*url));
    int64_t mono = clock_mono_ms(), wait;

    if (url == NULL)
        abort();
    if (!wire_url(c, url)) { /* the rules were made stricter since it was mentioned */
        free(url);
        leave_pool(c);
        settled(c, CANDIDATE_STATE_DROPPED, ERR_URL);
        return 0;
    }
    enum access_kind access = judge(c, url);
    if (access == ACCESS_DENIED) {
        free(url);
        leave_pool(c);
        settled(c, CANDIDATE_STATE_DENIED, ERR_NONE);
        return 0;
    }
    c->wanted = access == ACCESS_ALLOWED;
    c->resolved =
        c->resolved || c->net[0] != '\0' || url->ip_literal || url->network != NETWORK_CLEARNET;
    if (!c->charged && (wait = take_share(c)) > 0) {
        free(url);
        put_off(c, wait);
        return 0;
    }
    if (!c->resolved) {
        resolve(c, url->host);
        free(url);
        return 0;
    }
    c->charged = true;
    wait = c->network == NETWORK_CLEARNET ? net_dial_wait(f->parts.net, url->host) : 0;
    if (wait == 0)
        wait = budget_take(f->parts.budget, BUDGET_FINDER, url->host, 1, mono);
    if (wait > 0) {
        free(url);
        if (mono - c->taken_ms < HOST_PATIENCE_MS)
            return wait;
        put_off(c, HOST_BUSY_MS); /* others stay connected to its host */
        return 0;
    }
    const struct probe_options options = {
        .parts = PROBE_OPEN | PROBE_READ, .timeout_ms = timeout_ms(c), .wanted = c->wanted};
    (void)str_copy(c->host, sizeof(c->host), str_z(url->host));
    leave_pool(c);
    list_add_tail(&f->running, &c->link);
    f->running_n++;
    f->probed++;
    c->probe = probe_open(f->parts.net, url, &options, on_done, c);
    free(url);
    return 0;
}

/* Gives back all that it had. */
static void end(struct found *c)
{
    struct finder *f = c->finder;
    int64_t mono = clock_mono_ms();

    budget_dialled(f->parts.budget, c->host, mono);
    budget_release(f->parts.budget, BUDGET_FINDER, c->host, 1, mono);
    f->running_n--;
    list_remove(&c->link);
    probe_close(c->probe);
    c->probe = NULL;
}

void found_drop(struct found *c)
{
    if (c->query != NULL) {
        dns_cancel(c->query);
        list_remove(&c->link);
        c->finder->running_n--;
    } else {
        end(c);
    }
    found_free(c);
}

void found_recall(struct found *c)
{
    struct relay_url *url;

    if (c->probe == NULL)
        return; /* it is judged when it is known where its name leads to */
    url = malloc(sizeof(*url));

    if (url == NULL)
        abort();
    bool known = wire_url(c, url);
    enum access_kind access = known ? judge(c, url) : ACCESS_DENIED;
    free(url);
    if (access == ACCESS_NEUTRAL &&
        net_address_denied(c->finder->parts.net, probe_address(c->probe)))
        access = ACCESS_DENIED;
    if (access != ACCESS_DENIED)
        return;
    end(c);
    settled(c, CANDIDATE_STATE_DENIED, ERR_NONE);
}

/* Where a name led to is counted on that network's account, and known before the next probe. */
static void learn_net(struct found *c, const char *address)
{
    char net[DOMAIN_SIZE];

    if (address_net(address, net)[0] == '\0')
        return;
    if (strcmp(net, c->net) != 0 && strcmp(net, c->domain) != 0)
        shares_charge(c->finder->shares, str_z(net), clock_wall_ms());
    (void)str_copy(c->net, sizeof(c->net), str_z(net));
}

static void promote(struct found *c)
{
    struct finder *f = c->finder;

    f->promoted++;
    metrics.candidates_promoted_total[0]++;
    if (c->as_wss) { /* it is that relay */
        struct relay_url *url = malloc(sizeof(*url));
        if (url == NULL)
            abort();
        if (wire_url(c, url))
            c->outcome_url = strdup(url->text);
        free(url);
    }
    c->outcome.url = c->outcome_url;
    c->outcome.network = c->network;
    log_info("finder", "a relay: %s", c->outcome_url != NULL ? c->outcome_url : c->url);
    settled(c, CANDIDATE_STATE_PROMOTED, ERR_NONE);
}

static void put_back(struct found *c, int64_t not_before_ms)
{
    struct finder *f = c->finder;

    c->not_before_ms = not_before_ms;
    list_add_tail(&f->pool, &c->link);
    f->pool_n++;
}

/* Nobody answers as wss://: as it was mentioned. */
static void try_plain(struct found *c)
{
    c->as_wss = false;
    put_back(c, clock_mono_ms());
}

static void on_done(void *owner, const struct probe_report *report)
{
    struct found *c = owner;
    struct finder *f = c->finder;
    enum err_code error = report->error;
    bool openable = report->openable == PROBE_YES;
    bool answers = openable && report->readable != PROBE_UNTESTED;
    uint32_t tries = c->tries;
    int64_t next;
    enum candidate_verdict verdict =
        candidate_settle(openable && (answers || error != ERR_NONE), error, (uint32_t)c->id,
                         clock_wall_ms(), &f->options.limits, &tries, &next);

    if (error == ERR_ADDRESS_BUSY) { /* it was not even dialled */
        next = clock_mono_ms() + report->wait_ms;
        end(c);
        put_back(c, next);
        return;
    }
    learn_net(c, report->address);
    end(c);
    if (error == ERR_DENIED) {
        settled(c, CANDIDATE_STATE_DENIED, ERR_DENIED);
        return;
    }
    if (c->as_wss && (verdict == CANDIDATE_FAILED || verdict == CANDIDATE_DROPPED)) {
        metrics.candidate_probes_total[CANDIDATE_PROBE_PLAIN]++;
        try_plain(c);
        return;
    }
    metrics.candidate_probes_total[verdict]++;
    c->tries = tries;
    c->outcome.next_at_ms = next;
    c->outcome.probed_at_ms = clock_wall_ms();
    switch (verdict) {
    case CANDIDATE_PROMOTED:
        promote(c);
        break;
    case CANDIDATE_DROPPED:
        settled(c, CANDIDATE_STATE_DROPPED, error);
        break;
    case CANDIDATE_INNOCENT:
        settled(c, tries > 0 ? CANDIDATE_STATE_FAILED : CANDIDATE_STATE_NEW, error);
        break;
    case CANDIDATE_FAILED:
        settled(c, CANDIDATE_STATE_FAILED, error);
        break;
    }
}
