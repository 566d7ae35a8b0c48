/* The configuration: types and ranges, and every mistake with its place and a way out. */
#include "config/config.h"
#include "config_fixture.h"
#include "core/log.h"

static void test_defaults(void **state)
{
    struct config *cfg = config_load(NULL, NULL, &errors);

    (void)state;
    assert_non_null(cfg);
    assert_string_equal(cfg->database_url, "");
    assert_true(cfg->synchronizer_enabled);
    assert_int_equal(cfg->synchronizer_idle_timeout, 30000);
    assert_int_equal(cfg->daemon_memory_max, 256 << 20);
    assert_int_equal(cfg->archive_disk_free_min, 100);
    assert_int_equal(cfg->network_tls_verify, CONFIG_TLS_STRICT);
    assert_string_equal(cfg->network_tls_verify_word, "strict");
    assert_int_equal(cfg->log_level, LOG_LEVEL_INFO);
    assert_null(config_secret(cfg, "database", "password"));
    config_free(cfg);
    config_free(NULL);
}

static void test_every_type(void **state)
{
    struct config *cfg = good("[archive]\ndisk_free_min = 2.5%\nsize_max=2TiB\nephemeral = true\n"
                              "[network]\nbandwidth_max: 5MiB\ntls_verify = record\n"
                              "  connect_timeout = 1500ms  \r\nproxy_tor = none\n"
                              "allow_addresses = ::1, 10.0.0.0/8 127.0.0.1\n"
                              "[synchronizer]\nretry_max = 3d\npage=5000\n[log]\nlevel = debug\n"
                              "[identity]\ncontact = mailto:me@example.org\n");
    const char *at = cfg->network_allow_addresses;
    struct str item;

    (void)state;
    assert_int_equal(cfg->archive_disk_free_min, 25);
    assert_true(cfg->archive_size_max == INT64_C(2) << 40);
    assert_true(cfg->archive_ephemeral);
    assert_int_equal(cfg->network_bandwidth_max, 5 << 20);
    assert_int_equal(cfg->network_tls_verify, CONFIG_TLS_RECORD);
    assert_int_equal(cfg->network_connect_timeout, 1500);
    assert_int_equal(cfg->synchronizer_retry_max, 3 * 86400000);
    assert_int_equal(cfg->synchronizer_page, 5000);
    assert_int_equal(cfg->log_level, LOG_LEVEL_DEBUG);
    assert_string_equal(cfg->identity_contact, "mailto:me@example.org");
    assert_true(config_list_next(&at, &item) && str_eq(item, STR("::1")));
    assert_true(config_list_next(&at, &item) && str_eq(item, STR("10.0.0.0/8")));
    assert_true(config_list_next(&at, &item) && str_eq(item, STR("127.0.0.1")));
    assert_false(config_list_next(&at, &item));
    config_free(cfg);
}

static void test_ranges_are_exact(void **state)
{
    static const char *const fit[] = {"1", "5000", "0500"};
    static const char *const not_fit[] = {"0", "5001", "-1",  "+5",   "5.0",
                                          "",  "x",    "1 2", "0x10", "99999999999999999999"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(fit) / sizeof(fit[0]); i++) {
        (void)snprintf(text, sizeof(text), "[synchronizer]\npage = %s\n", fit[i]);
        config_free(good(text));
    }
    for (size_t i = 0; i < sizeof(not_fit) / sizeof(not_fit[0]); i++) {
        char want[256];

        (void)snprintf(text, sizeof(text), "[synchronizer]\npage = %s\n", not_fit[i]);
        (void)snprintf(
            want, sizeof(want),
            "x.ini:2: [synchronizer] page must be a whole number from 1 to 5000, not \"%s\"\n",
            not_fit[i]);
        bad(text, want);
    }
}

static void test_units(void **state)
{
    static const char *const not_fit[] = {"5",   "5 s", "1.5s", "5S",  "s",
                                          "9ms", "6m",  "301s", "-5s", "99999999999999999d"};
    static const char *const sizes[] = {"1", "64KB", "64kib", "63KiB", "65MiB", "9999999999999TiB"};

    (void)state;
    for (size_t i = 0; i < sizeof(not_fit) / sizeof(not_fit[0]); i++) {
        char text[128];

        (void)snprintf(text, sizeof(text), "[network]\nconnect_timeout = %s\n", not_fit[i]);
        assert_null(config_parse("x", str_z(text), NULL, &errors));
        assert_non_null(strstr(complaints(), "a duration from 10ms to 5m, written as"));
        config_errors_free(&errors);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char text[128];

        (void)snprintf(text, sizeof(text), "[network]\nmessage_max = %s\n", sizes[i]);
        assert_null(config_parse("x", str_z(text), NULL, &errors));
        assert_non_null(strstr(complaints(), "a size from 64KiB to 64MiB, written as"));
        config_errors_free(&errors);
    }
    config_free(good("[synchronizer]\noverlap = 0\n")); /* zero needs no unit */
    bad("[archive]\ndisk_free_min = 10\nephemeral = yes\n",
        "x.ini:2: [archive] disk_free_min must be a percentage from 0% to 99%, written as 10% or "
        "2.5%, not \"10\"\n"
        "x.ini:3: [archive] ephemeral must be true or false, not \"yes\"\n");
    bad("[log]\nlevel = INFO\n",
        "x.ini:2: [log] level must be one of error|warning|info|debug, not \"INFO\"\n");
}

static void test_all_mistakes_at_once_with_the_nearest_name(void **state)
{
    (void)state;
    bad("stray = 1\n"
        "[network]\n"
        "conect_timeout = 5s\n"
        "retry_min = 3s\n"
        "zzzzzzzzzz = 3s\n"
        "tls_timeout = 3s\n"
        "tls_timeout = 4s\n"
        "[newtork]\n"
        "anything = 1\n"
        "[network]\n"
        "[qqqqqqqqqqqq]\n"
        "[log extra]\n"
        "level = debug\n"
        "[log\n"
        "level = debug\n"
        "rubbish\n",
        "x.ini:1: a key before the first [section], or behind a bad one\n"
        "x.ini:3: [network] has no key conect_timeout; did you mean connect_timeout?\n"
        "x.ini:4: [network] has no key retry_min; it belongs in [synchronizer]\n"
        "x.ini:5: [network] has no key zzzzzzzzzz\n"
        "x.ini:7: [network] tls_timeout stands already at line 6\n"
        "x.ini:8: unknown section [newtork]; did you mean [network]?\n"
        "x.ini:10: the section [network] stands already at line 2\n"
        "x.ini:11: unknown section [qqqqqqqqqqqq]\n"
        "x.ini:12: the section [log] takes no name\n"
        "x.ini:14: a section ends with ] and nothing behind it\n"
        "x.ini:15: a key before the first [section], or behind a bad one\n"
        "x.ini:16: neither a [section], nor key = value, nor a # comment\n");
}

static void test_no_surprises_of_the_ini_format(void **state)
{
    struct config *cfg;
    char text[70000];

    (void)state;
    bad("[identity]\ncontact = a@b ; mine\n", "x.ini:2: a comment needs a line of its own\n");
    bad("[identity]\ncontact = a@b # mine\n", "x.ini:2: a comment needs a line of its own\n");
    bad("[identity]\ncontact = a@b\n   more\n",
        "x.ini:3: neither a [section], nor key = value, nor a # comment\n");
    cfg = good("\xef\xbb\xbf[identity]\n; c\n  # c\n\n\tcontact\t=\thttp://a/#b;c \n");
    assert_string_equal(cfg->identity_contact, "http://a/#b;c");
    config_free(cfg);
    /* Longer than the library's own line of 200 bytes, and up to our own bound. */
    (void)snprintf(text, sizeof(text), "[identity]\ncontact = %0200d\n", 7);
    cfg = good(text);
    assert_int_equal(strlen(cfg->identity_contact), 200);
    assert_string_equal(cfg->identity_contact + 199, "7");
    config_free(cfg);
    (void)snprintf(text, sizeof(text), "[identity]\ncontact = %0201d\n", 7);
    assert_null(config_parse("x", str_z(text), NULL, &errors));
    config_errors_free(&errors);
    memset(text, 'x', sizeof(text));
    memcpy(text, "[log]\nlevel = ", 14);
    text[sizeof(text) - 1] = '\0';
    bad(text, "x.ini:2: the line is longer than 65536 bytes\n");
    assert_null(config_parse("x", STR("[log]\nlevel = in\0fo\n"), NULL, &errors));
    assert_string_equal(complaints(), "x:2: a NUL byte\n");
}

static void test_filters(void **state)
{
    struct config *cfg = good("[filter notes]\nkinds = 0,1\ntag_t = nostr\nnot_tag_emoji = x\n"
                              "[filter all]\n");

    (void)state;
    assert_int_equal(cfg->n_filters, 2);
    assert_string_equal(cfg->filters[0].name, "notes");
    assert_int_equal(cfg->filters[0].line, 1);
    assert_int_equal(cfg->filters[0].n_pairs, 3);
    assert_string_equal(cfg->filters[0].pairs[0].key, "kinds");
    assert_string_equal(cfg->filters[0].pairs[0].value, "0,1");
    assert_int_equal(cfg->filters[0].pairs[1].line, 3);
    assert_string_equal(cfg->filters[0].pairs[1].key, "#t");
    assert_string_equal(cfg->filters[0].pairs[2].key, "not_#emoji");
    assert_int_equal(cfg->filters[1].n_pairs, 0);
    config_free(cfg);
    bad("[filter]\n[filter a]\nkinds = 1\nkinds = 2\n#t = x\n# t = x\n[filter a]\n"
        "[filter b]\nnot_#t = x\n",
        "x.ini:1: a filter needs a name of at most 63 bytes: [filter NAME]\n"
        "x.ini:4: [filter a] kinds stands already at line 3\n"
        "x.ini:5: this is a comment; a filter's tag is written tag_t = ...\n"
        "x.ini:7: the section [filter a] stands already at line 2\n"
        "x.ini:9: [filter b] has no key not_#t; a filter's tag is written tag_t = ...\n");
}

#define ONION "wss://aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee234567.onion/a/path"

static void test_relays(void **state)
{
    struct config *cfg = good("[relay " ONION "]\npage = 10\nenabled = false\nidle_timeout = 1m\n"
                              "[relay ws://127.0.0.1:7777]\npriority = true\n");

    (void)state;
    assert_int_equal(cfg->n_relays, 2);
    assert_string_equal(cfg->relays[0].url, ONION);
    assert_false(cfg->relays[0].enabled);
    assert_int_equal(cfg->relays[0].page, 10);
    assert_int_equal(cfg->relays[0].idle_timeout, 60000);
    assert_true(cfg->relays[1].enabled && cfg->relays[1].priority);
    assert_int_equal(cfg->relays[1].line, 5);
    config_free(cfg);
    bad("[relay http://x]\npage = 1\n[relay wss://x]\npage = 1\npage = 2\npagee = 1\npriority = 1\n"
        "[relay wss://x]\n",
        "x.ini:1: a relay's section is written [relay wss://host/path]\n"
        "x.ini:5: [relay] page stands already at line 4\n"
        "x.ini:6: [relay] has no key pagee; did you mean page?\n"
        "x.ini:7: [relay] priority must be true or false, not \"1\"\n"
        "x.ini:8: the section [relay wss://x] stands already at line 3\n");
}

static void test_sources(void **state)
{
    struct config *cfg =
        good("[finder.source one]\nurl = https://example.com/relays.txt\n"
             "[finder.source two]\nurl = http://x.onion/\nformat = json\npath = data.*.url\n"
             "interval = 1h\nmax_size = 64KiB\nnetwork = tor\n");

    (void)state;
    assert_int_equal(cfg->n_sources, 2);
    assert_string_equal(cfg->sources[0].name, "one");
    assert_string_equal(cfg->sources[0].url, "https://example.com/relays.txt");
    assert_int_equal(cfg->sources[0].format, CONFIG_SOURCE_LINES);
    assert_int_equal(cfg->sources[0].network, CONFIG_SOURCE_AUTO);
    assert_int_equal(cfg->sources[0].interval, 6 * 3600 * 1000);
    assert_int_equal(cfg->sources[1].format, CONFIG_SOURCE_JSON);
    assert_int_equal(cfg->sources[1].network, CONFIG_SOURCE_TOR);
    assert_string_equal(cfg->sources[1].path, "data.*.url");
    assert_int_equal(cfg->sources[1].max_size, 65536);
    config_free(cfg);
    bad("[finder.source]\nurl = x\n[finder.source a]\nformat = xml\nmax_size = 1GiB\nurll = x\n"
        "[finder.source a]\n[finder.sources b]\n",
        "x.ini:1: a list needs a name of at most 63 bytes: [finder.source NAME]\n"
        "x.ini:4: [finder.source] format must be one of lines|json, not \"xml\"\n"
        "x.ini:5: [finder.source] max_size must be a size from 1KiB to 16MiB, written as 512B, "
        "64KiB, "
        "256MiB, 10GiB, not \"1GiB\"\n"
        "x.ini:6: [finder.source] has no key urll; did you mean url?\n"
        "x.ini:7: the section [finder.source a] stands already at line 3\n"
        "x.ini:8: unknown section [finder.sources]; did you mean [finder.source]?\n");
}

static void test_rules_between_keys(void **state)
{
    static const char *const listens[] = {"127.0.0.1:9464", "[::1]:0", "unix:/run/x",
                                          "localhost:1"};
    static const char *const not_listens[] = {"9464",   "127.0.0.1", "host:1", "127.0.0.1:65536",
                                              "unix:x", "",          "::1:80", "[::1]80"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
        (void)snprintf(text, sizeof(text), "[http]\nlisten = %s\n", listens[i]);
        config_free(good(text));
    }
    for (size_t i = 0; i < sizeof(not_listens) / sizeof(not_listens[0]); i++) {
        (void)snprintf(text, sizeof(text), "[http]\nlisten = %s\n", not_listens[i]);
        assert_null(config_parse("x", str_z(text), NULL, &errors));
        assert_non_null(strstr(complaints(), "x:2: [http] listen: must be address:port"));
        config_errors_free(&errors);
    }
    bad("[network]\nallow_addresses = 10.0.0.0/33, x, ::1/128\ndns_servers = 1.1.1.1:0\n"
        "proxy_tor = here\nproxy_i2p = auto\nmessage_max = 64MiB\n"
        "[synchronizer]\nretry_min = 1h\nretry_max = 1m\nidle_timeout = 1h\n"
        "[identity]\ncontact = a)b\n[database]\nurl = host=x\n",
        "x.ini:2: [network] allow_addresses: \"10.0.0.0/33\" is not an address or range, as "
        "10.1.0.0/16 or ::1\n"
        "x.ini:2: [network] allow_addresses: \"x\" is not an address or range, as 10.1.0.0/16 or "
        "::1\n"
        "x.ini:3: [network] dns_servers: \"1.1.1.1:0\" is not an address, as 192.0.2.1, "
        "192.0.2.1:5353 or [2001:db8::1]:53\n"
        "x.ini:4: [network] proxy_tor: must be host:port, auto or none\n"
        "x.ini:5: [network] proxy_i2p: must be host:port or none\n"
        "x.ini:14: [database] url: must begin with postgresql://\n"
        "x.ini:12: [identity] contact: must be ASCII without spaces, parentheses, quotes and "
        "backslashes\n"
        "x.ini:8: [synchronizer] retry_min: must not be larger than retry_max\n"
        "x.ini:10: [synchronizer] idle_timeout: must not be larger than request_timeout\n"
        "x.ini:6: [network] message_max: must not be larger than an eighth of [daemon] "
        "memory_max\n");
}

static void test_rubbish_is_not_repeated_for_ever(void **state)
{
    char text[4000];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "x\n", 2);
    text[sizeof(text) - 1] = '\0';
    assert_null(config_parse("x", str_z(text), NULL, &errors));
    assert_int_equal(errors.n, 100);
    assert_non_null(strstr(complaints(), "these are the first 100 errors"));
}

static void test_a_duration_outside_the_tables(void **state)
{
    struct err err;
    int64_t ms = -1;

    (void)state;
    assert_int_equal(config_duration(STR("90m"), "2h", &ms, &err), 0);
    assert_int_equal(ms, 90 * 60 * 1000);
    assert_int_equal(config_duration(STR("121m"), "2h", &ms, &err), -1);
    assert_string_equal(err.detail, "must be a duration from 0 to 2h, written as 500ms, 30s, 5m, "
                                    "4h or 2d, not \"121m\"");
    assert_int_equal(config_duration(STR("soon"), "2h", &ms, &err), -1);
    assert_int_equal(ms, 90 * 60 * 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_every_type),
        TEST(test_ranges_are_exact),
        TEST(test_units),
        TEST(test_a_duration_outside_the_tables),
        TEST(test_all_mistakes_at_once_with_the_nearest_name),
        TEST(test_no_surprises_of_the_ini_format),
        TEST(test_filters),
        TEST(test_relays),
        TEST(test_sources),
        TEST(test_rules_between_keys),
        TEST(test_rubbish_is_not_repeated_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
