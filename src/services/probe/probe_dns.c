/* probe_dns: names: the addresses of the relay's, the names on the way to them, and who serves its
 * registrable domain. */
#include <stdlib.h>
#include <string.h>

#include "nostr/domain.h"
#include "services/probe/probe_internal.h"

static void on_addresses(void *owner, const struct dns_answer *answer, const struct err *err);
static void on_servers(void *owner, const char *names);

void names_begin(struct probe *p)
{
    p->waiting |= WAIT_DNS;
    p->query = dns_lookup(net_dns(p->net), str_z(p->url.host), on_addresses, p);
}

static int by_address(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ip));
}

/* Sorted: servers turn the order to spread the load. */
static void note_addresses(struct js *root, const struct dns_answer *answer)
{
    struct js *a = js_new_array(), *aaaa = js_new_array();
    struct ip ips[2 * DNS_ADDRESSES_MAX];
    char text[IP_TEXT_MAX];

    memcpy(ips, answer->ips, (size_t)answer->count * sizeof(ips[0]));
    qsort(ips, (size_t)answer->count, sizeof(ips[0]), by_address);
    for (int i = 0; i < answer->count; i++)
        js_add(ips[i].family == AF_INET ? a : aaaa, js_new_str(str_z(ip_text(&ips[i], text))));
    js_set(root, "a", a);
    js_set(root, "aaaa", aaaa);
}

/* Names with spaces between; without any nothing is said. */
static void note_names(struct js *root, const char *key, const char *names)
{
    struct js *list;

    if (names[0] == '\0')
        return;
    list = js_new_array();
    for (const char *at = names; *at != '\0';) {
        size_t n = strcspn(at, " ");

        js_add(list, js_new_str((struct str){at, n}));
        at += n + (at[n] == ' ');
    }
    js_set(root, key, list);
}

/* A name without an address has no findings: the dial says what is wrong with it. */
static void on_addresses(void *owner, const struct dns_answer *answer, const struct err *err)
{
    struct probe *p = owner;
    char domain[DOMAIN_SIZE];

    (void)err;
    p->query = NULL;
    if (answer == NULL) {
        probe_settle(p, WAIT_DNS);
        return;
    }
    p->dns = js_new_object();
    note_addresses(p->dns, answer);
    note_names(p->dns, "cname", answer->aliases);
    memcpy(p->report.dns_aliases, answer->aliases, sizeof(p->report.dns_aliases));
    p->report.dns_ttl_s = answer->ttl_s;
    (void)url_domain(str_z(p->url.text), domain);
    p->servers_query = dns_lookup_servers(net_dns(p->net), str_z(domain), on_servers, p);
}

static void on_servers(void *owner, const char *names)
{
    struct probe *p = owner;

    p->servers_query = NULL;
    if (names != NULL)
        (void)str_copy(p->report.dns_servers, sizeof(p->report.dns_servers), str_z(names));
    names_end(p);
    probe_settle(p, WAIT_DNS);
}

void names_end(struct probe *p)
{
    if (p->dns == NULL)
        return;
    note_names(p->dns, "ns", p->report.dns_servers);
    p->report.dns_json = js_text(p->dns, JS_SORTED);
    js_free(p->dns);
    p->dns = NULL;
}

void names_drop(struct probe *p)
{
    if (p->query != NULL)
        dns_cancel(p->query);
    p->query = NULL;
    if (p->servers_query != NULL)
        dns_cancel_servers(p->servers_query);
    p->servers_query = NULL;
    js_free(p->dns);
    p->dns = NULL;
}
