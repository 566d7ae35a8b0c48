/* The names in a DNS message: good ones, hostile ones, broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/dns_answer.h"

enum { CNAME = 5, NS = 2 };

struct message {
    unsigned char bytes[16384];
    size_t n;
};

static void put(struct message *m, const void *p, size_t n)
{
    assert_true(m->n + n <= sizeof(m->bytes));
    memcpy(m->bytes + m->n, p, n);
    m->n += n;
}

static void put_name(struct message *m, const char *name)
{
    while (*name != '\0') {
        size_t n = strcspn(name, ".");
        unsigned char length = (unsigned char)n;

        put(m, &length, 1);
        put(m, name, n);
        name += n + (name[n] == '.');
    }
    put(m, "", 1);
}

static void begin(struct message *m, const char *name, unsigned answers)
{
    const unsigned char head[12] = {
        [2] = 0x81, 0x80, 0, 1, (unsigned char)(answers >> 8), (unsigned char)answers};

    m->n = 0;
    put(m, head, sizeof(head));
    put_name(m, name);
    put(m, "\0\1\0\1", 4);
}

static void put_record(struct message *m, const char *owner, int type, const char *target)
{
    const unsigned char fixed[10] = {0, (unsigned char)type, 0, 1, 0, 0, 1, 44, 0, 0};
    size_t at;

    put_name(m, owner);
    put(m, fixed, sizeof(fixed));
    at = m->n;
    put_name(m, target);
    m->bytes[at - 2] = (unsigned char)((m->n - at) >> 8);
    m->bytes[at - 1] = (unsigned char)(m->n - at);
}

static const char *aliases(const struct message *m, const char *name)
{
    static char text[DNS_NAMES_BYTES];

    dns_read_aliases(m->bytes, m->n, name, text);
    return text;
}

static const char *servers(const struct message *m, const char *name)
{
    static char text[DNS_NAMES_BYTES];

    dns_read_name_servers(m->bytes, m->n, name, text);
    return text;
}

static void test_aliases(void **state)
{
    struct message m;

    (void)state;
    begin(&m, "One.example", 4); /* in any order, in any case, and one that is nobody's */
    put_record(&m, "two.example", CNAME, "three.example");
    put_record(&m, "else.example", CNAME, "where.example");
    put_record(&m, "ONE.example", CNAME, "Two.Example");
    put_record(&m, "three.example", 1, "a"); /* not an address, and not looked at */
    assert_string_equal(aliases(&m, "one.example"), "two.example three.example");
    assert_string_equal(aliases(&m, "three.example"), "");
    assert_string_equal(servers(&m, "one.example"), "");

    begin(&m, "one.example", 2); /* a circle */
    put_record(&m, "one.example", CNAME, "two.example");
    put_record(&m, "two.example", CNAME, "one.example");
    assert_string_equal(aliases(&m, "one.example"), "two.example one.example");

    begin(&m, "one.example", 1);
    put_record(&m, "one.example", CNAME, "one.example");
    assert_string_equal(aliases(&m, "one.example"), "one.example");
}

static void test_name_servers(void **state)
{
    struct message m;

    (void)state;
    begin(&m, "example", 4);
    put_record(&m, "example", NS, "ns2.host.example");
    put_record(&m, "example", NS, "NS1.host.example");
    put_record(&m, "example", NS, "ns2.HOST.example");
    put_record(&m, "other", NS, "ns9.host.example");
    assert_string_equal(servers(&m, "Example"), "ns1.host.example ns2.host.example");
}

static void test_names_that_are_none(void **state)
{
    static const char *const bad[] = {"a b.example", "a\n.example", "\xff\xfe.example",
                                      "<b>.example", "a\\.example", "\"x\".example"};
    struct message m;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin(&m, "one.example", 2);
        put_record(&m, "one.example", CNAME, bad[i]);
        put_record(&m, "one.example", NS, bad[i]);
        assert_string_equal(aliases(&m, "one.example"), "");
        assert_string_equal(servers(&m, "one.example"), "");
    }
    begin(&m, "one.example", 2); /* the root is no name of a server */
    put_record(&m, "one.example", NS, "");
    put_record(&m, "one.example", NS, "ns_1.example");
    assert_string_equal(servers(&m, "one.example"), "ns_1.example");
}

/* More than is kept: the first that fit, whole. */
static void test_bounds(void **state)
{
    struct message m;
    char name[64], next[64];
    const char *text;
    int spaces = 0;

    (void)state;
    begin(&m, "n0.example", 200);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "n%d.example", i);
        (void)snprintf(next, sizeof(next), "n%d.example", i + 1);
        put_record(&m, name, CNAME, next);
    }
    text = aliases(&m, "n0.example");
    for (const char *c = text; *c != '\0'; c++)
        spaces += *c == ' ';
    assert_int_equal(spaces, DNS_NAMES_MAX - 1);

    begin(&m, "example", 16);
    for (int i = 0; i < 16; i++) {
        (void)snprintf(name, sizeof(name), "%c%050d.example", 'a' + i, 0);
        put_record(&m, "example", NS, name);
    }
    text = servers(&m, "example");
    assert_true(strlen(text) < DNS_NAMES_BYTES && strlen(text) > DNS_NAMES_BYTES - 80);
    assert_string_equal(text + strlen(text) - 8, ".example");
}

/* Cut off anywhere, or with any byte changed: it ends, and says nothing that was not there. */
static void test_broken(void **state)
{
    struct message whole, m;

    (void)state;
    begin(&whole, "one.example", 3);
    put_record(&whole, "one.example", CNAME, "two.example");
    put_record(&whole, "two.example", CNAME, "three.example");
    put_record(&whole, "one.example", NS, "ns.example");
    for (size_t n = 0; n < whole.n; n++) {
        m = whole;
        m.n = n;
        assert_true(strlen(aliases(&m, "one.example")) <= strlen("two.example three.example"));
        assert_string_equal(servers(&m, "one.example"), "");
        for (int b = 0; b < 256; b++) {
            m = whole;
            m.bytes[n] = (unsigned char)b;
            (void)aliases(&m, "one.example");
            (void)servers(&m, "one.example");
        }
    }
    /* A name that points at itself, and one that points behind the end. */
    begin(&m, "one.example", 1);
    size_t at = m.n;
    const unsigned char itself[] = {0xc0, (unsigned char)at, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0xff,
                                    0xff};
    put(&m, itself, sizeof(itself));
    assert_string_equal(aliases(&m, "one.example"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_name_servers),
        cmocka_unit_test(test_names_that_are_none),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
