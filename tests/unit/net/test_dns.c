/* Dns: against a name server of our own that answers, lies, refuses or says nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns_server.h"
#include "net/dns_internal.h"

static bool has(const char *name, const char *what)
{
    return strstr(name, what) != NULL;
}

/* What a name means stands in the name. */
static void script(const char *name, int type, struct dns_reply *r, void *arg)
{
    (void)arg;
    if (type == DNS_TYPE_NS && has(name, "served")) {
        r->count = 2;
        r->addresses[0] = "NS2.example.org";
        r->addresses[1] = "ns1.example.org";
    } else if (has(name, "dead") || (has(name, "no-aaaa-answer") && type == DNS_TYPE_AAAA)) {
        r->silent = true;
    } else if (has(name, "nxdomain")) {
        r->rcode = 3;
    } else if (has(name, "servfail") || (has(name, "half-broken") && type == DNS_TYPE_AAAA)) {
        r->rcode = 2;
    } else if (has(name, "refused")) {
        r->rcode = 5;
    } else if (has(name, "empty")) {
        r->count = 0;
    } else if (has(name, "many") && type == DNS_TYPE_A) {
        for (r->count = 0; r->count < 24; r->count++)
            r->addresses[r->count] = "11.1.1.1";
    } else if (has(name, "alias")) {
        r->cname = "real.host.org";
        r->count = type == DNS_TYPE_A;
        r->addresses[0] = "11.2.2.2";
    } else {
        r->ttl = has(name, "ttl0") ? 0 : 300;
        r->count = 1;
        r->addresses[0] = type == DNS_TYPE_A ? "11.22.33.44" : "2a0f:1234::44";
    }
}

struct asked {
    struct dns_query *query;
    int done;
    enum err_code code;
    struct dns_answer answer;
    struct dns *dns;
    struct asked *cancel_in_done; /* another query to cancel */
    bool close_in_done;
};

static void on_done(void *owner, const struct dns_answer *answer, const struct err *err)
{
    struct asked *a = owner;

    assert_true((answer == NULL) != (err == NULL));
    a->done++;
    a->query = NULL;
    if (answer != NULL)
        a->answer = *answer;
    else
        a->code = err->code;
    if (a->cancel_in_done != NULL && a->cancel_in_done->query != NULL) {
        dns_cancel(a->cancel_in_done->query);
        a->cancel_in_done->query = NULL;
    }
    if (a->close_in_done)
        dns_close(a->dns);
}

struct place {
    uv_loop_t loop;
    struct dns_server *server;
    struct dns *dns;
};

static void place_open(struct place *p, uint32_t timeout_ms)
{
    struct err err;

    uv_loop_init(&p->loop);
    p->server = dns_server_open(script, NULL);
    p->dns = dns_open(
        &p->loop,
        &(struct dns_options){.servers = dns_server_address(p->server), .timeout_ms = timeout_ms},
        &err);
    assert_non_null(p->dns);
}

static void place_close(struct place *p, bool dns_too)
{
    if (dns_too)
        dns_close(p->dns);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&p->loop), 0);
    dns_server_close(p->server);
}

static void ask(struct place *p, struct asked *a, const char *name)
{
    memset(a, 0, sizeof(*a));
    a->dns = p->dns;
    a->query = dns_lookup(p->dns, str_z(name), on_done, a);
    assert_int_equal(a->done, 0);
}

struct servers_asked {
    struct dns_servers_query *query;
    struct dns *dns;
    int done;
    bool known, close_in_done;
    char names[DNS_NAMES_BYTES];
};

static void on_servers(void *owner, const char *names)
{
    struct servers_asked *a = owner;

    a->done++;
    a->known = names != NULL;
    (void)snprintf(a->names, sizeof(a->names), "%s", names != NULL ? names : "");
    if (a->close_in_done)
        dns_close(a->dns);
}

static void ask_servers(struct place *p, struct servers_asked *a, const char *domain)
{
    memset(a, 0, sizeof(*a));
    a->dns = p->dns;
    a->query = dns_lookup_servers(p->dns, str_z(domain), on_servers, a);
    assert_int_equal(a->done, 0);
}

static void resolve_servers(struct place *p, struct servers_asked *a, const char *domain)
{
    ask_servers(p, a, domain);
    while (!a->done)
        assert_true(uv_run(&p->loop, UV_RUN_ONCE) != 0 || a->done);
}

static void wait_for(struct place *p, const struct asked *a)
{
    while (!a->done)
        assert_true(uv_run(&p->loop, UV_RUN_ONCE) != 0 || a->done);
}

static void resolve(struct place *p, struct asked *a, const char *name)
{
    ask(p, a, name);
    wait_for(p, a);
}

static void test_both_families_and_cache(void **state)
{
    (void)state;
    struct place p;
    struct asked a;

    place_open(&p, 2000);
    for (int i = 0; i < 2; i++) {
        resolve(&p, &a, "relay.example.org");
        assert_int_equal(a.code, ERR_NONE);
        assert_int_equal(a.answer.count, 2);
        assert_int_equal(a.answer.ips[0].family + a.answer.ips[1].family, AF_INET + AF_INET6);
        assert_true(a.answer.ttl_s > 290 && a.answer.ttl_s <= 300);
        assert_int_equal(dns_asked(p.dns), 2); /* the second time from the cache */
    }
    place_close(&p, true);
}

static void test_ttl_zero_is_asked_again(void **state)
{
    (void)state;
    struct place p;
    struct asked a;

    place_open(&p, 2000);
    resolve(&p, &a, "ttl0.org");
    resolve(&p, &a, "ttl0.org");
    assert_int_equal(dns_asked(p.dns), 4);
    place_close(&p, true);
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum err_code code;
        bool cached;
    } cases[] = {{"nxdomain.org", ERR_DNS_NOT_FOUND, true},
                 {"empty.org", ERR_DNS_NOT_FOUND, true},
                 {"servfail.org", ERR_DNS_FAILED, false},
                 {"refused.org", ERR_DNS_FAILED, false},
                 {"dead.org", ERR_DNS_FAILED, false}};
    struct place p;
    struct asked a;

    place_open(&p, 400);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int again = 0; again < 2; again++) {
            uint64_t before = dns_asked(p.dns);

            resolve(&p, &a, cases[i].name);
            assert_string_equal(err_name(a.code), err_name(cases[i].code));
            assert_int_equal(dns_asked(p.dns) - before, again && cases[i].cached ? 0 : 2);
        }
    assert_int_equal(err_blame(ERR_DNS_FAILED), ERR_BLAME_PATH);
    place_close(&p, true);
}

/* One family that fails, or never answers, does not spoil the other. */
static void test_half_answers(void **state)
{
    (void)state;
    struct place p;
    struct asked a;

    place_open(&p, 60000); /* far longer than the test may take */
    resolve(&p, &a, "half-broken.org");
    assert_int_equal(a.answer.count, 1);
    assert_int_equal(a.answer.ips[0].family, AF_INET);
    resolve(&p, &a, "no-aaaa-answer.org");
    assert_int_equal(a.answer.count, 1);
    assert_int_equal(dns_flying(p.dns), 1); /* told while the other question is still out */
    resolve(&p, &a, "alias.org");
    assert_int_equal(a.answer.count, 1);
    assert_int_equal(a.answer.ips[0].bytes[1], 2);
    assert_string_equal(a.answer.aliases, "real.host.org");
    resolve(&p, &a, "alias.org"); /* from the cache */
    assert_string_equal(a.answer.aliases, "real.host.org");
    resolve(&p, &a, "relay.example.org");
    assert_string_equal(a.answer.aliases, "");
    place_close(&p, true);
}

static void test_name_servers(void **state)
{
    (void)state;
    static const struct {
        const char *domain, *names;
        bool known, cached;
    } cases[] = {{"served.org", "ns1.example.org ns2.example.org", true, true},
                 {"nxdomain.org", "", true, true},
                 {"empty.org", "", true, true},
                 {"servfail.org", "", false, false},
                 {"dead.org", "", false, false}};
    struct place p;
    struct servers_asked a, b;

    place_open(&p, 400);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int before = dns_server_questions(p.server), asked;

        resolve_servers(&p, &a, cases[i].domain);
        assert_int_equal(a.known, cases[i].known);
        assert_string_equal(a.names, cases[i].names);
        asked = dns_server_questions(p.server);
        assert_true(asked > before);
        resolve_servers(&p, &a, cases[i].domain);
        assert_string_equal(a.names, cases[i].names);
        assert_int_equal(dns_server_questions(p.server) > asked, !cases[i].cached);
    }
    /* Cancelled: while it is out, and when the answer is there and not told yet. */
    ask_servers(&p, &a, "served-again.org");
    ask_servers(&p, &b, "served.org");
    dns_cancel_servers(a.query);
    dns_cancel_servers(b.query);
    resolve_servers(&p, &b, "served-also.org");
    assert_int_equal(a.done, 0);
    ask_servers(&p, &a, "dead-at-the-end.org"); /* closed while it is out */
    b.close_in_done = true;
    b.query = dns_lookup_servers(p.dns, STR("served.org"), on_servers, &b);
    while (b.done < 2)
        (void)uv_run(&p.loop, UV_RUN_ONCE);
    place_close(&p, false);
    assert_int_equal(a.done, 0);
}

static void test_many_addresses_are_cut(void **state)
{
    (void)state;
    struct place p;
    struct asked a;

    place_open(&p, 2000);
    resolve(&p, &a, "many.org");
    assert_int_equal(a.answer.count, DNS_ADDRESSES_MAX + 1);
    place_close(&p, true);
}

static void test_one_question_for_many_askers(void **state)
{
    (void)state;
    struct place p;
    struct asked a[10];

    place_open(&p, 2000);
    for (int i = 0; i < 10; i++)
        ask(&p, &a[i], "shared.org");
    dns_cancel(a[3].query);
    for (int i = 0; i < 10; i++)
        if (i != 3)
            wait_for(&p, &a[i]);
    assert_int_equal(a[3].done, 0);
    assert_int_equal(dns_asked(p.dns), 2);
    place_close(&p, true);
}

/* Four thousand names that nobody answers stand in front; a live one comes long before they have
 * timed out. */
static void test_dead_names_stall_nobody(void **state)
{
    (void)state;
    enum { DEAD = 4000 };
    struct place p;
    struct asked *dead = calloc(DEAD, sizeof(*dead)), live;
    int given_up = 0;

    place_open(&p, 8000);
    for (int i = 0; i < DEAD; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "dead%d.org", i);
        ask(&p, &dead[i], name);
    }
    resolve(&p, &live, "live.org");
    assert_int_equal(live.code, ERR_NONE);
    for (int i = 0; i < DEAD; i++)
        given_up += dead[i].done;
    assert_int_equal(given_up, 0);
    assert_true(dns_flying(p.dns) <= DNS_FLYING_MAX);
    place_close(&p, true);
    free(dead);
}

static void write_file(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* A file of this kind cannot name a port, so the server needs port 53, on an address that nobody
 * else uses. */
static void test_resolv_conf_is_followed(void **state)
{
    (void)state;
    char file[] = "/tmp/test_dns_resolv.XXXXXX";
    struct place p;
    struct asked a;
    struct err err;
    int fd = mkstemp(file);

    assert_true(fd >= 0);
    close(fd);
    p.server = dns_server_open_at("127.53.77.1", 53, script, NULL);
    if (p.server == NULL) {
        print_message("SKIPPED: port 53 may not be used here\n");
        unlink(file);
        skip();
    }
    write_file(file, "nameserver 127.53.77.2\n"); /* nobody */
    uv_loop_init(&p.loop);
    p.dns = dns_open(&p.loop,
                     &(struct dns_options){.servers = "", .resolv_conf = file, .timeout_ms = 400},
                     &err);
    assert_non_null(p.dns);
    resolve(&p, &a, "first.org");
    assert_int_equal(a.code, ERR_DNS_FAILED);
    write_file(file, "# another network\nnameserver 127.53.77.1\n");
    for (int i = 0; i < 10 && a.code != ERR_NONE; i++) { /* it is looked at once a second */
        uv_run(&p.loop, UV_RUN_DEFAULT);
        usleep(200 * 1000);
        uv_update_time(&p.loop);
        resolve(&p, &a, "second.org");
    }
    assert_int_equal(a.code, ERR_NONE);
    place_close(&p, true);
    unlink(file);
}

static void test_reconfigure(void **state)
{
    (void)state;
    struct place p;
    struct asked a;
    struct err err;

    place_open(&p, 300);
    assert_int_equal(
        dns_reconfigure(p.dns, &(struct dns_options){.servers = "nonsense", .timeout_ms = 1}, &err),
        -1);
    assert_int_equal(err.code, ERR_CONFIG);
    resolve(&p, &a, "still.org");
    assert_int_equal(a.code, ERR_NONE);
    assert_int_equal(
        dns_reconfigure(p.dns, &(struct dns_options){.servers = "127.0.0.1:1", .timeout_ms = 300},
                        &err),
        0);
    resolve(&p, &a, "gone.org");
    assert_int_equal(a.code, ERR_DNS_FAILED);
    place_close(&p, true);
}

static unsigned channels(const struct dns *d)
{
    unsigned n = 0;

    for (const struct list *at = d->channels.next; at != &d->channels; at = at->next)
        n++;
    return n;
}

/* The same settings again make nothing, and other ones do not pile up while nobody asks for a name:
 * once 72 KiB stayed with each reload. */
static void test_reconfigure_piles_nothing_up(void **state)
{
    (void)state;
    struct place p;
    struct err err;

    place_open(&p, 300);
    for (int i = 0; i < 10; i++) {
        struct dns_options options = {.servers = "127.0.0.1:1", .timeout_ms = 500};

        assert_int_equal(dns_reconfigure(p.dns, &options, &err), 0);
        assert_int_equal(channels(p.dns), 2);
    }
    uv_run(&p.loop, UV_RUN_DEFAULT); /* as long as the old one is there */
    assert_int_equal(channels(p.dns), 1);
    place_close(&p, true);
}

static void test_bad_servers(void **state)
{
    (void)state;
    static const char *const bad[] = {"localhost",    "1.2.3",
                                      "1.2.3.4:port", "127.0.0.1 nonsense",
                                      "1.2.3.4:",     "1.2.3.4:70000",
                                      "[::1",         "[::1]53",
                                      "::1:99999"};
    uv_loop_t loop;
    struct err err;

    uv_loop_init(&loop);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(
            dns_open(&loop, &(struct dns_options){.servers = bad[i], .timeout_ms = 1}, &err));
        assert_int_equal(err.code, ERR_CONFIG);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_close_in_every_tick(void **state)
{
    (void)state;
    for (int ticks = 0; ticks < 12; ticks++) {
        struct place p;
        struct asked a[4];

        place_open(&p, 200);
        ask(&p, &a[0], "one.org");
        ask(&p, &a[1], "dead.org");
        ask(&p, &a[2], "one.org");
        ask(&p, &a[3], "nxdomain.org");
        for (int i = 0; i < ticks; i++)
            uv_run(&p.loop, UV_RUN_ONCE);
        place_close(&p, true);
    }
}

static void test_cancel_and_close_inside_the_callback(void **state)
{
    (void)state;
    static const char *const names[] = {"live.org", "nxdomain.org", "servfail.org", "dead.org"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (int cached = 0; cached < 2; cached++) {
            struct place p;
            struct asked a, b, c;

            place_open(&p, 100);
            if (cached)
                resolve(&p, &a, names[i]);
            ask(&p, &a, names[i]);
            ask(&p, &b, names[i]);
            ask(&p, &c, "dead.org");
            a.cancel_in_done = &b;
            a.close_in_done = true;
            wait_for(&p, &a);
            place_close(&p, false);
            assert_int_equal(b.done, 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_families_and_cache),
        cmocka_unit_test(test_ttl_zero_is_asked_again),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_half_answers),
        cmocka_unit_test(test_name_servers),
        cmocka_unit_test(test_many_addresses_are_cut),
        cmocka_unit_test(test_one_question_for_many_askers),
        cmocka_unit_test(test_dead_names_stall_nobody),
        cmocka_unit_test(test_resolv_conf_is_followed),
        cmocka_unit_test(test_reconfigure),
        cmocka_unit_test(test_reconfigure_piles_nothing_up),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_close_in_every_tick),
        cmocka_unit_test(test_cancel_and_close_inside_the_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
