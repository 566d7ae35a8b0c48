/* A record in each format; what ends it; what cannot be told from a field. */
#include <string.h>

#include "core/json.h"
#include "core/log_line.h"
#include "unit.h"

static const char *line(enum log_format format, const char *text, uint32_t swallowed)
{
    static char to[LOG_LINE_MAX + 256 + 1];
    const struct log_record r = {.wall_ms = 1700000000123,
                                 .level = LOG_LEVEL_INFO,
                                 .module = "relay",
                                 .text = text,
                                 .swallowed = swallowed};

    to[log_line(to, sizeof(to) - 1, format, &r)] = '\0';
    return to;
}

static void test_formats(void **state)
{
    static const char text[] = "in sync relay=wss://a.example/ events=12 why=\"two words\"";

    (void)state;
    assert_string_equal(line(LOG_FORMAT_TEXT, text, 0),
                        "2023-11-14T22:13:20.123Z info relay in sync relay=wss://a.example/ "
                        "events=12 why=\"two words\"\n");
    assert_string_equal(line(LOG_FORMAT_LOGFMT, text, 3),
                        "time=2023-11-14T22:13:20.123Z level=info module=relay msg=\"in sync\" "
                        "relay=wss://a.example/ events=12 why=\"two words\" swallowed=3\n");
    assert_string_equal(line(LOG_FORMAT_JSON, text, 3),
                        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"info\","
                        "\"module\":\"relay\",\"msg\":\"in sync\",\"relay\":\"wss://a.example/\","
                        "\"events\":\"12\",\"why\":\"two words\",\"swallowed\":\"3\"}\n");
    assert_string_equal(line(LOG_FORMAT_JOURNALD, text, 0),
                        "<6>relay: in sync relay=wss://a.example/ events=12 why=\"two words\"\n");
}

static void test_what_is_no_pair_stays_in_the_message(void **state)
{
    (void)state;
    assert_string_equal(line(LOG_FORMAT_LOGFMT, "url=x cannot be read", 0),
                        "time=2023-11-14T22:13:20.123Z level=info module=relay "
                        "msg=\"url=x cannot be read\"\n");
    assert_string_equal(line(LOG_FORMAT_LOGFMT, "a=1 then b=2", 0),
                        "time=2023-11-14T22:13:20.123Z level=info module=relay msg=\"a=1 then\" "
                        "b=2\n");
    assert_string_equal(line(LOG_FORMAT_LOGFMT, "open \"quote k=\"v", 0),
                        "time=2023-11-14T22:13:20.123Z level=info module=relay "
                        "msg=\"open \\\"quote k=\\\"v\"\n");
    assert_string_equal(line(LOG_FORMAT_LOGFMT, "", 0),
                        "time=2023-11-14T22:13:20.123Z level=info module=relay msg=\"\"\n");
}

/* key=value or key="..", and nothing else between the spaces? */
static bool is_logfmt(const char *p)
{
    while (*p != '\n') {
        size_t key = strspn(p, "abcdefghijklmnopqrstuvwxyz_0123456789");
        if (key == 0 || p[key] != '=')
            return false;
        p += key + 1;
        if (*p != '"') {
            p += strcspn(p, " \n\"");
        } else {
            for (p++; *p != '"'; p++) {
                if (*p == '\n' || (*p == '\\' && *++p == '\n'))
                    return false;
            }
            p++;
        }
        if (*p != ' ' && *p != '\n')
            return false;
        p += *p == ' ';
    }
    return true;
}

static void assert_well_formed(enum log_format format, const char *text, uint32_t swallowed)
{
    const char *got = line(format, text, swallowed);
    struct err err;

    assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
    assert_true(strlen(got) <= LOG_LINE_MAX + 256);
    if (format == LOG_FORMAT_LOGFMT)
        assert_true(is_logfmt(got));
    if (format != LOG_FORMAT_JSON)
        return;
    struct js *js = js_parse(str_z(got), 65536, 4, &err); /* it wants UTF-8, too */
    assert_non_null(js);
    js_free(js);
}

/* Whatever stands in it, and wherever it is cut: a JSON line is JSON, a line of logfmt has its
 * quotes in pairs, and one line is one line. */
static void test_hostile(void **state)
{
    static char text[4 * LOG_LINE_MAX];
    static const char *const bytes[] = {"\"\\ =a\n\r\t\x01\x7f k=\"", "\\", "\"",
                                        "\xff\xc3(\xe2\x82", "\xe2\x82\xac"};

    (void)state;
    for (size_t k = 0; k < sizeof(bytes) / sizeof(bytes[0]); k++) {
        size_t n = 0, more = strlen(bytes[k]);
        for (; n + more < LOG_LINE_MAX; n += more) {
            memcpy(text + n, bytes[k], more + 1);
            for (enum log_format f = LOG_FORMAT_TEXT; f <= LOG_FORMAT_JOURNALD; f++)
                assert_well_formed(f, text, (uint32_t)n);
        }
        for (size_t end = n; end > n - 8; end--) { /* cut in the middle of a character */
            (void)snprintf(text + end, sizeof(text) - end, " relay=wss://a.example/");
            for (enum log_format f = LOG_FORMAT_TEXT; f <= LOG_FORMAT_JOURNALD; f++)
                assert_well_formed(f, text, 1);
        }
    }
}

static void test_what_moves_a_cursor(void **state)
{
    (void)state;
    assert_string_equal(line(LOG_FORMAT_JOURNALD,
                             "a\x1b[2Jb\xc2\x9b"
                             "31mc\x7f\r\xfe \xe2\x82\xac",
                             0),
                        "<6>relay: a?[2Jb??31mc??? \xe2\x82\xac\n");
}

static void test_a_long_line_is_cut(void **state)
{
    char text[2 * LOG_LINE_MAX];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    const char *got = line(LOG_FORMAT_TEXT, text, 7);
    assert_non_null(strstr(got, "xxx... swallowed=7\n"));
    got = line(LOG_FORMAT_LOGFMT, text, 7);
    assert_non_null(strstr(got, "xxx... swallowed=7\n"));
    assert_true(strlen(got) > LOG_LINE_MAX);
    got = line(LOG_FORMAT_JSON, text, 7);
    assert_non_null(strstr(got, "xxx...\",\"swallowed\":\"7\"}\n"));
    assert_true(strlen(got) > LOG_LINE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_what_is_no_pair_stays_in_the_message),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_what_moves_a_cursor),
        cmocka_unit_test(test_a_long_line_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
