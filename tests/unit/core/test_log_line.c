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

/* Whatever stands in it, a JSON line is JSON, and one line is one line. */
static void test_hostile(void **state)
{
    static char text[4 * LOG_LINE_MAX];
    static const char bytes[] = "\"\\ =a\n\r\t\x01\x7f k=\"";
    struct err err;

    (void)state;
    for (size_t n = 0; n + sizeof(bytes) < LOG_LINE_MAX; n += sizeof(bytes) - 1) {
        memcpy(text + n, bytes, sizeof(bytes));
        for (enum log_format f = LOG_FORMAT_TEXT; f <= LOG_FORMAT_JOURNALD; f++) {
            const char *got = line(f, text, (uint32_t)n);
            assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
            assert_true(strlen(got) <= LOG_LINE_MAX + 256);
            if (f != LOG_FORMAT_JSON)
                continue;
            struct js *js = js_parse(str_z(got), 65536, 4, &err);
            assert_non_null(js);
            js_free(js);
        }
    }
}

static void test_a_long_line_is_cut(void **state)
{
    char text[2 * LOG_LINE_MAX];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    const char *got = line(LOG_FORMAT_TEXT, text, 7);
    assert_non_null(strstr(got, "xxx... swallowed=7\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_what_is_no_pair_stays_in_the_message),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_a_long_line_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
