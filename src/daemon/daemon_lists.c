/* daemon_lists: what files and sections say of relays: those to begin with, those that go first,
 * what is different for one, and what a person does not want. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "daemon/daemon.h"

enum { LIST_BYTES_MAX = 64 * 1024 * 1024 };

static const struct {
    enum access_list which;
    const char *key;
} access_keys[] = {{ACCESS_LIST_DENY, "deny_file"}, {ACCESS_LIST_ALLOW, "allow_file"}};

static const char *access_path(const struct config *cfg, enum access_list which)
{
    return which == ACCESS_LIST_DENY ? cfg->finder_deny_file : cfg->finder_allow_file;
}

/* malloc'd; NULL: not a file that can be read, or too large. */
static char *read_list(const char *path, size_t *n, struct err *err)
{
    char *text = NULL;
    struct err why;
    unsigned mode;

    if (config_read_file(path, LIST_BYTES_MAX, &text, n, &mode, &why) < 0)
        (void)err_set(err, ERR_CONFIG, "%s %s", path, why.detail);
    return text;
}

static bool address_allowed(void *owner, const char *host)
{
    return net_address_allowed(owner, host);
}

/* Relays to begin with, and those that go first */

static struct initializer_list *load_list(struct daemon *d, const char *path, struct str builtin,
                                          struct err *err)
{
    const struct url_policy policy = {.address_allowed = address_allowed, .owner = d->net};
    struct initializer_list *list;
    char *data = NULL;
    size_t n = 0;

    if (path[0] != '\0' && (data = read_list(path, &n, err)) == NULL)
        return NULL;
    list = initializer_parse(data != NULL ? (struct str){data, n} : builtin, &policy);
    free(data);
    return list;
}

struct initializer_list *daemon_seeds(struct daemon *d, struct err *err)
{
    return load_list(d, d->cfg->initializer_seed_file, initializer_seed_relays(), err);
}

struct relay *daemon_relay(struct daemon *d, const char *url)
{
    const struct url_policy policy = {.address_allowed = address_allowed, .owner = d->net};
    struct relay_url *parsed = malloc(sizeof(*parsed));
    struct relay *relay = NULL;

    if (parsed == NULL)
        abort();
    if (url_parse(str_z(url), &policy, parsed) == URL_OK)
        relay = roster_find(&d->roster, parsed->text);
    free(parsed);
    return relay;
}

static void mark_priority(struct daemon *d)
{
    struct err err = {0};
    struct initializer_list *list =
        load_list(d, d->cfg->initializer_priority_file, initializer_priority_relays(), &err);

    if (list == NULL) {
        log_warning("daemon", "the priority relays stay as they are: %s", err.detail);
        return;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        struct relay *relay = roster_find(&d->roster, list->relays[i].url);
        if (relay != NULL)
            relay->priority = true;
    }
    initializer_list_free(list);
}

static void mark_settings(struct daemon *d, bool complain)
{
    for (size_t i = 0; i < d->cfg->n_relays; i++) {
        const struct config_relay *settings = &d->cfg->relays[i];
        struct relay *relay = daemon_relay(d, settings->url);
        if (relay == NULL) {
            if (complain)
                log_warning(
                    "daemon",
                    "[relay %s] is not among the relays that are known; add it to the seed file",
                    settings->url);
            continue;
        }
        relay->settings = settings;
        relay->priority = relay->priority || settings->priority;
        relay->denied = relay->denied || !settings->enabled;
    }
}

static void mark_access(struct daemon *d)
{
    struct relay_url *url = malloc(sizeof(*url));

    if (url == NULL)
        abort();
    for (uint32_t i = 0; i < d->roster.n; i++) {
        struct relay *relay = d->roster.relays[i];
        if (relay->judged)
            continue;
        roster_url(relay, url);
        relay->judged = true;
        relay->access = access_judge(d->access, url);
        relay->denied = relay->access.access == ACCESS_DENIED;
    }
    free(url);
}

void daemon_mark_relays(struct daemon *d, bool complain)
{
    mark_access(d);
    mark_priority(d);
    mark_settings(d, complain);
}

/* What a person does not want */

struct complaints {
    struct config_errors *errors;
    const char *path;
};

static void on_bad_line(void *owner, uint32_t line, const char *why)
{
    struct complaints *c = owner;

    config_errors_add(c->errors, c->path, (int)line, "%s", why);
}

struct access *options_access(const struct config *cfg, struct config_errors *errors)
{
    struct access *access = access_new();
    bool good = true;

    for (size_t i = 0; i < sizeof(access_keys) / sizeof(access_keys[0]); i++) {
        struct complaints c = {errors, access_path(cfg, access_keys[i].which)};
        struct err err = {0};
        char *data;
        size_t n;
        if (c.path[0] == '\0')
            continue;
        if ((data = read_list(c.path, &n, &err)) == NULL) {
            config_errors_add(errors, cfg->path, 0, "[finder] %s: %s", access_keys[i].key,
                              err.detail);
            good = false;
            continue;
        }
        good = access_read(access, access_keys[i].which, (struct str){data, n}, on_bad_line, &c) &&
               good;
        free(data);
    }
    if (!good) {
        access_free(access);
        return NULL;
    }
    return access;
}

static bool is_denied(void *owner, const struct ip *ip)
{
    const struct daemon *d = owner;

    return access_denies_address(d->access, ip->bytes, ip->family == AF_INET ? 4 : 16);
}

void daemon_access_open(struct daemon *d)
{
    net_deny_addresses(d->net, is_denied, d);
}

/* Which line it was: "deny_file:12" or the section. */
void daemon_denied_json(const struct daemon *d, const struct relay *relay, struct js *json)
{
    char text[CONFIG_TEXT_SIZE + 32];

    if (relay->access.access == ACCESS_DENIED)
        (void)snprintf(text, sizeof(text), "%s:%u", d->cfg->finder_deny_file, relay->access.line);
    else
        (void)snprintf(text, sizeof(text), "%s:%d", d->cfg->path,
                       relay->settings != NULL ? relay->settings->line : 0);
    js_set_z(json, "denied_by", text);
}

/* After a reload */

static void on_reseeded(void *owner, struct initializer_list *list, const struct err *err)
{
    struct daemon *d = owner;
    uint32_t added = list->report.added;

    if (err == NULL && added > 0)
        log_info("initializer", "%u %s new in the seed file", added,
                 added == 1 ? "relay" : "relays");
    initializer_list_free(list);
    if (err == NULL && added > 0 && !d->stopping)
        daemon_relays_added(d);
}

static void reseed(struct daemon *d)
{
    struct initializer_list *list;
    struct err err = {0};

    if (!d->seeded || !d->cfg->initializer_enabled)
        return;
    list = daemon_seeds(d, &err);
    if (list != NULL)
        initializer_store(d->db, list, on_reseeded, d);
    else
        log_warning("daemon", "the seed relays stay as they are: %s", err.detail);
}

void daemon_lists_changed(struct daemon *d)
{
    uint32_t denied = 0, before = 0;

    for (uint32_t i = 0; i < d->roster.n; i++) {
        struct relay *relay = d->roster.relays[i];
        before += relay->denied;
        relay->settings = NULL; /* it points into the old configuration */
        relay->priority = relay->judged = false;
    }
    daemon_mark_relays(d, true);
    for (uint32_t i = 0; i < d->roster.n; i++)
        denied += d->roster.relays[i]->denied;
    if (denied != before)
        log_info("daemon", "relays that are denied: %u, before %u", denied, before);
    synchronizer_access_changed(d->synchronizer);
    if (d->monitor != NULL)
        monitor_access_changed(d->monitor);
    if (d->publisher != NULL)
        publisher_access_changed(d->publisher);
    if (d->finder != NULL)
        finder_access_changed(d->finder);
    reseed(d);
}
