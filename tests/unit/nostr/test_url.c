/* Relay URLs: one form for each relay, a reason for each refusal, and every line of the real seed
 * list accounted for.  Argument: that list. */
#include "lines.h"
#include "nostr/url.h"
#include "unit.h"

static const char *seed_path;

#define ONION "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid"

struct row {
    const char *in, *out;
    enum network network;
};

static void test_normal_form(void **state)
{
    static const struct row rows[] = {
        {"wss://relay.example.com", "wss://relay.example.com", NETWORK_CLEARNET},
        {"  wss://relay.example.com\r\n", "wss://relay.example.com", NETWORK_CLEARNET},
        {"WSS://Relay.Example.COM/", "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://relay.example.com./", "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://relay.example.com:443", "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://relay.example.com:", "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://relay.example.com:0443/", "wss://relay.example.com", NETWORK_CLEARNET},
        {"ws://relay.example.com:80", "ws://relay.example.com", NETWORK_CLEARNET},
        {"ws://relay.example.com:443", "ws://relay.example.com:443", NETWORK_CLEARNET},
        {"wss://relay.example.com:80", "wss://relay.example.com:80", NETWORK_CLEARNET},
        {"wss://relay.example.com:7777/a/", "wss://relay.example.com:7777/a", NETWORK_CLEARNET},
        {"wss://relay.example.com//a///b//", "wss://relay.example.com/a/b", NETWORK_CLEARNET},
        {"wss://relay.example.com/a/./b/../c/", "wss://relay.example.com/a/c", NETWORK_CLEARNET},
        {"wss://relay.example.com/../../x", "wss://relay.example.com/x", NETWORK_CLEARNET},
        {"wss://relay.example.com/a/..", "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://relay.example.com/a/b/%2E%2e/c", "wss://relay.example.com/a/c", NETWORK_CLEARNET},
        {"wss://relay.example.com/%7euser/%41", "wss://relay.example.com/~user/A",
         NETWORK_CLEARNET},
        {"wss://relay.example.com/a%2fb", "wss://relay.example.com/a%2Fb", NETWORK_CLEARNET},
        {"wss://relay.example.com/\xc3\xa9", "wss://relay.example.com/%C3%A9", NETWORK_CLEARNET},
        {"wss://relay.example.com/Path:x@y", "wss://relay.example.com/Path:x@y", NETWORK_CLEARNET},
        {"wss://relay.example.com#top", "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://relay.example.com/a#b?c", "wss://relay.example.com/a", NETWORK_CLEARNET},
        /* the query: noise and secrets go, what chooses a relay stays */
        {"wss://relay.example.com/?utm=1", "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://relay.example.com?token=secret", "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://relay.example.com/a?relay=b&utm=1", "wss://relay.example.com/a?relay=b",
         NETWORK_CLEARNET},
        {"wss://relay.example.com?utm=1&Room=b&feed=c#d", "wss://relay.example.com/?Room=b&feed=c",
         NETWORK_CLEARNET},
        {"wss://relay.example.com/a/?relay=wss%3a%2f%2fb",
         "wss://relay.example.com/a?relay=wss%3A%2F%2Fb", NETWORK_CLEARNET},
        {"wss://relay.example.com?relays", "wss://relay.example.com/?relays", NETWORK_CLEARNET},
        {"wss://relay.example.com?relayed=1", "wss://relay.example.com", NETWORK_CLEARNET},
        /* names */
        {"wss://_nostr.my_relay.example.com", "wss://_nostr.my_relay.example.com",
         NETWORK_CLEARNET},
        {"wss://b\xc3\xbc"
         "cher.example.com",
         "wss://xn--bcher-kva.example.com", NETWORK_CLEARNET},
        {"wss://B\xc3\x9c"
         "CHER.example.com",
         "wss://xn--bcher-kva.example.com", NETWORK_CLEARNET},
        {"wss://xn--bcher-kva.example.com", "wss://xn--bcher-kva.example.com", NETWORK_CLEARNET},
        {"wss://b%C3%BCcher.example.com", "wss://xn--bcher-kva.example.com", NETWORK_CLEARNET},
        {"wss://fa\xc3\x9f.example.com", "wss://xn--fa-hia.example.com", NETWORK_CLEARNET},
        {"wss://relay\xe3\x80\x82"
         "example.com",
         "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://r%65lay.example.com", "wss://relay.example.com", NETWORK_CLEARNET},
        {"wss://1.2.3.4.example.com", "wss://1.2.3.4.example.com", NETWORK_CLEARNET},
        {"wss://0x7f.com", "wss://0x7f.com", NETWORK_CLEARNET},
        /* addresses */
        {"ws://8.8.8.8", "ws://8.8.8.8", NETWORK_CLEARNET},
        {"wss://8.8.8.8.", "wss://8.8.8.8", NETWORK_CLEARNET},
        {"wss://[2606:4700:0:0:0:0:0:1111]:444/x", "wss://[2606:4700::1111]:444/x",
         NETWORK_CLEARNET},
        {"wss://[2606:4700::ABCD]", "wss://[2606:4700::abcd]", NETWORK_CLEARNET},
        {"wss://[2a00:0db8:0:1:0:0:0:1]:443", "wss://[2a00:db8:0:1::1]", NETWORK_CLEARNET},
        /* overlay networks; an onion may use any port */
        {"ws://" ONION ".onion", "ws://" ONION ".onion", NETWORK_TOR},
        {"WS://" ONION ".ONION:25/x/", "ws://" ONION ".onion:25/x", NETWORK_TOR},
        {"wss://www." ONION ".onion.", "wss://www." ONION ".onion", NETWORK_TOR},
        {"ws://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaq.b32.i2p",
         "ws://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaq.b32.i2p", NETWORK_I2P},
        {"ws://abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwx.b32.i2p",
         "ws://abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwx.b32.i2p", NETWORK_I2P},
        {"ws://Nostr.i2p:7777", "ws://nostr.i2p:7777", NETWORK_I2P},
        {"ws://dw68y1xhptqbhcm5s8aaaip6dbopykagig5q5u1za4c7pzxto77y.loki",
         "ws://dw68y1xhptqbhcm5s8aaaip6dbopykagig5q5u1za4c7pzxto77y.loki", NETWORK_LOKI},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct relay_url u, again;

        if (url_parse(str_z(rows[i].in), NULL, &u) != URL_OK)
            print_error("%s\n", rows[i].in);
        assert_int_equal(url_parse(str_z(rows[i].in), NULL, &u), URL_OK);
        assert_string_equal(u.text, rows[i].out);
        assert_int_equal(u.network, rows[i].network);
        /* The normal form of a normal form is itself. */
        assert_int_equal(url_parse(str_z(u.text), NULL, &again), URL_OK);
        assert_string_equal(again.text, u.text);
        assert_string_equal(again.host, u.host);
    }
}

static void test_parts(void **state)
{
    struct relay_url u;
    char wire[URL_MAX + 2];

    (void)state;
    assert_int_equal(url_parse(STR("wss://[2606:4700::1111]/a?relay=b"), NULL, &u), URL_OK);
    assert_string_equal(u.host, "2606:4700::1111");
    assert_string_equal(u.path, "/a?relay=b");
    assert_int_equal(u.port, 443);
    assert_true(u.tls && u.ip_literal);
    url_wire(&u, wire);
    assert_string_equal(wire, "wss://[2606:4700::1111]/a?relay=b");
    assert_int_equal(url_parse(STR("ws://relay.example.com:81/"), NULL, &u), URL_OK);
    assert_string_equal(u.host, "relay.example.com");
    assert_string_equal(u.path, "");
    assert_int_equal(u.port, 81);
    assert_false(u.tls || u.ip_literal);
    url_wire(&u, wire);
    assert_string_equal(wire, "ws://relay.example.com:81/");
    assert_int_equal(url_parse(STR("ws://8.8.4.4"), NULL, &u), URL_OK);
    assert_true(u.ip_literal);
    assert_int_equal(u.port, 80);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *in;
        enum url_refusal why;
    } rows[] = {
        {"", URL_EMPTY},
        {" \t\r\n", URL_EMPTY},
        {"relay.example.com", URL_SCHEME},
        {"https://relay.example.com", URL_SCHEME},
        {"wss:relay.example.com", URL_SCHEME},
        {"wss:/relay.example.com", URL_SCHEME},
        {"//relay.example.com", URL_SCHEME},
        {"wss://relay.example.com wss://b.example.com", URL_CHARACTERS},
        {"wss://relay.example.com/a\x01", URL_CHARACTERS},
        {"wss://relay.example.com/a\x7f", URL_CHARACTERS},
        {"wss://relay.example.com/a\nb", URL_CHARACTERS},
        {"wss://relay.example.com\\a", URL_CHARACTERS},
        {"wss://relay.example.com/\"", URL_CHARACTERS},
        {"wss://relay.example.com/<x>", URL_CHARACTERS},
        {"wss://relay.example.com/{x}", URL_CHARACTERS},
        {"wss://relay.example.com/\xff", URL_CHARACTERS},
        {"wss://relay.example.com/\xed\xa0\x80", URL_CHARACTERS},
        {"wss://user@relay.example.com", URL_USERINFO},
        {"wss://user:pw@relay.example.com", URL_USERINFO},
        {"wss://@relay.example.com", URL_USERINFO},
        {"wss://", URL_HOST},
        {"wss:///path", URL_HOST},
        {"wss://.", URL_HOST},
        {"wss://:7777", URL_HOST},
        {"wss://?relay=x", URL_HOST},
        {"wss://a..example.com", URL_HOST},
        {"wss://.example.com", URL_HOST},
        {"wss://example.com..", URL_HOST},
        {"wss://-a.example.com", URL_HOST},
        {"wss://a-.example.com", URL_HOST},
        {"wss://a*b.example.com", URL_HOST},
        {"wss://a,b.example.com", URL_HOST},
        {"wss://a%2fb.example.com", URL_HOST},
        {"wss://a%3a1.example.com", URL_HOST},
        {"wss://a%40b.example.com", URL_HOST},
        {"wss://a%00.example.com", URL_HOST},
        {"wss://a%2.example.com", URL_HOST},
        {"wss://a%ff.example.com", URL_HOST},
        {"wss://xn--a.example.com", URL_HOST},
        {"wss://a23456789012345678901234567890123456789012345678901234567890123a.example.com",
         URL_HOST},
        {"wss://relay.example.com:0", URL_PORT},
        {"wss://relay.example.com:65536", URL_PORT},
        {"wss://relay.example.com:99999999999999999999", URL_PORT},
        {"wss://relay.example.com:-1", URL_PORT},
        {"wss://relay.example.com:+80", URL_PORT},
        {"wss://relay.example.com:7777a", URL_PORT},
        {"wss://[2606:4700::1111]7777", URL_PORT},
        {"wss://relay.example.com:25", URL_PORT_DENIED},
        {"ws://relay.example.com:6667", URL_PORT_DENIED},
        {"wss://relay.example.com:5432", URL_PORT_DENIED},
        {"wss://8.8.8.8:27017", URL_PORT_DENIED},
        {"wss://relay.example.com/%", URL_PATH},
        {"wss://relay.example.com/%zz", URL_PATH},
        {"wss://relay.example.com/%0a", URL_PATH},
        {"wss://relay.example.com/%00", URL_PATH},
        {"wss://relay.example.com/?relay=%0d%0a", URL_PATH},
        /* IPv4 has one spelling */
        {"ws://0177.0.0.1", URL_HOST},
        {"ws://0x7f.0.0.1", URL_HOST},
        {"ws://127.0.0.0x1", URL_HOST},
        {"ws://127.1", URL_HOST},
        {"ws://2130706433", URL_HOST},
        {"ws://0x7f000001", URL_HOST},
        {"ws://0x", URL_HOST},
        {"ws://1.2.3", URL_HOST},
        {"ws://1.2.3.4.5", URL_HOST},
        {"ws://1.2.3.256", URL_HOST},
        {"ws://1.2.3.04", URL_HOST},
        {"ws://100.127.36.484", URL_HOST},
        {"wss://relay.123", URL_HOST},
        /* IPv6 */
        {"ws://[", URL_HOST},
        {"ws://[]", URL_HOST},
        {"ws://[::1", URL_HOST},
        {"ws://::1", URL_HOST},
        {"ws://[::1%25eth0]", URL_HOST},
        {"ws://[1.2.3.4]", URL_HOST},
        {"ws://[2606:4700::1111::]", URL_HOST},
        {"ws://a[2606:4700::1111]", URL_HOST},
        {"ws://localhost", URL_LOCAL_NAME},
        {"ws://localhost:7777/x", URL_LOCAL_NAME},
        {"ws://LOCALHOST.", URL_LOCAL_NAME},
        {"ws://relay", URL_LOCAL_NAME},
        {"ws://onion", URL_LOCAL_NAME},
        {"ws://a.localhost", URL_LOCAL_NAME},
        {"ws://umbrel.local", URL_LOCAL_NAME},
        {"ws://a.internal", URL_LOCAL_NAME},
        {"ws://a.home.arpa", URL_LOCAL_NAME},
        {"ws://1.0.0.127.in-addr.arpa", URL_LOCAL_NAME},
        {"ws://a.lan", URL_LOCAL_NAME},
        {"ws://a.test", URL_LOCAL_NAME},
        {"ws://a.invalid", URL_LOCAL_NAME},
        {"ws://a.example", URL_LOCAL_NAME},
        /* overlay networks */
        {"ws://.onion", URL_ONION},
        {"ws://3g2upl4pq6kufc4m.onion", URL_ONION}, /* version 2 */
        {"ws://3gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion", URL_ONION},
        {"ws://2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wie.onion", URL_ONION},
        {"ws://2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53w1d.onion", URL_ONION},
        /* each byte of the checksum, and the version */
        {"ws://2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen5zwid.onion", URL_ONION},
        {"ws://2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53aid.onion", URL_ONION},
        {"ws://2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wib.onion", URL_ONION},
        {"ws://" ONION ".www.onion", URL_ONION},
        {"ws://a" ONION ".onion", URL_ONION},
        {"ws://-a." ONION ".onion", URL_ONION},
        {"ws://b32.i2p", URL_I2P},
        {"ws://.i2p", URL_I2P},
        {"ws://abc.b32.i2p", URL_I2P},
        {"ws://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab.b32.i2p", URL_I2P},
        {"ws://a1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaq.b32.i2p", URL_I2P},
        {"ws://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b32.i2p", URL_I2P},
        {"ws://a$b.i2p", URL_I2P},
        {"ws://name.loki", URL_LOKI},
        {"ws://dw68y1xhptqbhcm5s8aaaip6dbopykagig5q5u1za4c7pzxto77n.loki", URL_LOKI},
        {"ws://dw68v1xhptqbhcm5s8aaaip6dbopykagig5q5u1za4c7pzxto77y.loki", URL_LOKI},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct relay_url u;
        enum url_refusal why = url_parse(str_z(rows[i].in), NULL, &u);

        if (why != rows[i].why)
            print_error("%s: %s\n", rows[i].in, url_refusal_name(why));
        assert_int_equal(why, rows[i].why);
    }
}

/* PROTOCOL 4.1: each range by its first and last address, and the neighbours that are public. */
static void test_addresses(void **state)
{
    static const char *const denied[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "100.100.100.200",
        "127.0.0.0",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.192",
        "192.0.0.255",
        "192.0.2.0",
        "192.0.2.255",
        "192.88.99.0",
        "192.88.99.255",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.0",
        "198.51.100.255",
        "203.0.113.0",
        "203.0.113.255",
        "224.0.0.0",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::8.8.8.8]",
        "[::ffff:8.8.8.8]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::1]",
        "[100::1]",
        "[200:ff08:d688:fef4:fc96:ba63:3a11:3e76]",
        "[1fff:ffff::1]",
        "[2001::1]",
        "[2001:2::1]",
        "[2001:10::1]",
        "[2001:20::1]",
        "[2001:1ff:ffff::]",
        "[2001:db8::1]",
        "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]",
        "[2002::1]",
        "[2002:7f00:1::]",
        "[2002:ffff:ffff::]",
        "[3fff::1]",
        "[3fff:fff:ffff::]",
        "[4000::1]",
        "[5f00::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1",
        "127%2e0.0.1",
        "127\343\200\2020.0.1",
    };
    static const char *const allowed[] = {
        "1.0.0.0",      "9.255.255.255",     "11.0.0.0",          "100.63.255.255",
        "100.128.0.0",  "126.255.255.255",   "128.0.0.0",         "169.253.255.255",
        "169.255.0.0",  "172.15.255.255",    "172.32.0.0",        "192.0.1.0",
        "192.0.3.0",    "192.88.98.255",     "192.88.100.0",      "192.167.255.255",
        "192.169.0.0",  "198.17.255.255",    "198.20.0.0",        "198.51.99.255",
        "198.51.101.0", "203.0.112.255",     "203.0.114.0",       "223.255.255.255",
        "[2000::1]",    "[2001:200::1]",     "[2001:db7:ffff::]", "[2001:db9::]",
        "[2003::1]",    "[2606:4700::1111]", "[3ffe::1]",         "[3fff:1000::1]",
    };
    char text[128];
    struct relay_url u;

    (void)state;
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        snprintf(text, sizeof(text), "ws://%s/", denied[i]);
        if (url_parse(str_z(text), NULL, &u) != URL_PRIVATE_ADDRESS)
            print_error("%s\n", text);
        assert_int_equal(url_parse(str_z(text), NULL, &u), URL_PRIVATE_ADDRESS);
    }
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        snprintf(text, sizeof(text), "ws://%s/", allowed[i]);
        if (url_parse(str_z(text), NULL, &u) != URL_OK)
            print_error("%s\n", text);
        assert_int_equal(url_parse(str_z(text), NULL, &u), URL_OK);
        assert_true(u.ip_literal);
    }
}

static bool allow_loopback(void *owner, const char *host)
{
    *(int *)owner += 1;
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static void test_policy(void **state)
{
    int asked = 0;
    struct url_policy policy = {allow_loopback, &asked};
    struct relay_url u;

    (void)state;
    assert_int_equal(url_parse(STR("ws://127.1.2.3:7777/x"), &policy, &u), URL_OK);
    assert_string_equal(u.text, "ws://127.1.2.3:7777/x");
    assert_int_equal(url_parse(STR("ws://[0:0::1]:7777"), &policy, &u), URL_OK);
    assert_string_equal(u.text, "ws://[::1]:7777");
    assert_int_equal(url_parse(STR("ws://10.0.0.1"), &policy, &u), URL_PRIVATE_ADDRESS);
    assert_int_equal(asked, 3);
    assert_int_equal(url_parse(STR("ws://8.8.8.8"), &policy, &u), URL_OK);
    assert_int_equal(url_parse(STR("ws://localhost"), &policy, &u), URL_LOCAL_NAME);
    assert_int_equal(asked, 3);
}

static void test_lengths(void **state)
{
    char text[URL_MAX + 64];
    struct relay_url u;
    struct str s = {text, URL_MAX};

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "wss://relay.example.com/", 24);
    assert_int_equal(url_parse(s, NULL, &u), URL_OK);
    assert_int_equal(strlen(u.text), URL_MAX);
    s.n++;
    assert_int_equal(url_parse(s, NULL, &u), URL_TOO_LONG);
    /* It may grow beyond the limit on the way. */
    s.n = URL_MAX;
    text[1000] = '\xc3';
    text[1001] = '\xa9';
    assert_int_equal(url_parse(s, NULL, &u), URL_TOO_LONG);
    /* 253 characters of name, not 254 */
    memset(text, 'a', sizeof(text));
    memcpy(text, "wss://", 6);
    for (size_t i = 6 + 49; i < 6 + 253; i += 50)
        text[i] = '.';
    assert_int_equal(url_parse((struct str){text, 6 + 253}, NULL, &u), URL_OK);
    assert_int_equal(url_parse((struct str){text, 6 + 254}, NULL, &u), URL_HOST);
}

static void test_names_and_texts(void **state)
{
    (void)state;
    for (int i = 0; i < URL_REFUSAL__COUNT; i++) {
        assert_non_null(url_refusal_name((enum url_refusal)i));
        assert_non_null(url_refusal_text((enum url_refusal)i));
    }
    assert_string_equal(url_refusal_name(URL_PRIVATE_ADDRESS), "private_address");
}

/* Every line of the real list has its verdict: 8,865 of them. */
static void test_seed_list(void **state)
{
    static const int want[URL_REFUSAL__COUNT] = {
        [URL_OK] = 7465,
        [URL_HOST] = 1,               /* 100.127.36.484 */
        [URL_PORT_DENIED] = 4,        /* 5432 three times, 6000 */
        [URL_PRIVATE_ADDRESS] = 1390, /* one of them IPv6 */
        [URL_LOCAL_NAME] = 2,         /* home.arpa */
        [URL_ONION] = 3,              /* the checksum is wrong */
    };
    static const int networks[NETWORK__COUNT] = {[NETWORK_CLEARNET] = 6533, [NETWORK_TOR] = 932};
    struct str file = lines_read(seed_path), rest = file, line;
    int seen[URL_REFUSAL__COUNT] = {0}, on[NETWORK__COUNT] = {0};

    (void)state;
    while (str_cut(&rest, '\n', &line)) {
        struct relay_url u, again;
        enum url_refusal why = url_parse(line, NULL, &u);

        if (line.n == 0)
            continue;
        seen[why]++;
        if (why != URL_OK)
            continue;
        on[u.network]++;
        assert_int_equal(url_parse(str_z(u.text), NULL, &again), URL_OK);
        assert_string_equal(again.text, u.text);
    }
    for (int i = 0; i < URL_REFUSAL__COUNT; i++)
        assert_int_equal(seen[i], want[i]);
    for (int i = 0; i < NETWORK__COUNT; i++)
        assert_int_equal(on[i], networks[i]);
    free((char *)(uintptr_t)file.p);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal_form),     cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_policy),          cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_names_and_texts), cmocka_unit_test(test_seed_list),
    };

    seed_path = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
