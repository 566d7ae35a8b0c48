/* ws: the cases of the Autobahn test suite that a receiving client must pass (1 to 7 and 10; 247 of
 * them), written as scripts (ws_peer.h).  Each runs with all bytes at once, in pieces of 997, and
 * byte by byte.
 *
 * Not judged: which code a broken frame is answered with beyond RFC 6455's (1002, 1007, 1009). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ws_peer.h"

static int cases;

static void run(const char *id, const char *script, const char *told, const char *sent)
{
    static const size_t chunks[] = {SIZE_MAX, 997, 1};

    cases++;
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct ws_peer p;
        size_t n, head;

        peer_open(&p, 1024 * 1024);
        /* The frames may come in the same segment as the answer to the upgrade. */
        char *frames = script_bytes(script, &n), *all = malloc(n + sizeof(p.answer));
        head = strlen(p.answer);
        memcpy(all, p.answer, head);
        memcpy(all + head, frames, n);
        peer_feed(&p, all, head + n, chunks[i]);
        assert_memory_equal(p.told, "open", 4);
        if (strcmp(p.told + (p.told[4] == ' ' ? 5 : 4), told) != 0 || strcmp(p.sent, sent) != 0)
            fail_msg("case %s, pieces of %zu: told \"%s\", sent \"%s\"; expected \"%s\", \"%s\"",
                     id, chunks[i], p.told, p.sent, told, sent);
        free(frames);
        free(all);
        peer_close(&p);
    }
}

static void ok(const char *id, const char *script, const char *told)
{
    run(id, script, told, "");
}

static void broken(const char *id, const char *script, const char *told_before)
{
    char told[256];

    snprintf(told, sizeof(told), "%s%sE:ws_protocol", told_before,
             told_before[0] != '\0' ? " " : "");
    run(id, script, told, "x!1002");
}

static void test_1_framing(void **state)
{
    static const int sizes[] = {0, 125, 126, 127, 128, 65535, 65536, 65536};
    char id[16], script[32], told[32];

    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof(id), "1.1.%d", i + 1);
        snprintf(script, sizeof(script), "t=*%d", sizes[i]);
        snprintf(told, sizeof(told), sizes[i] == 0 ? "t" : "t=*%d", sizes[i]);
        ok(id, script, told);
        script[0] = 'b';
        id[2] = '2';
        ok(id, script, "");
    }
}

static void test_2_pings(void **state)
{
    (void)state;
    run("2.1", "p", "", "o");
    run("2.2", "p=Hello", "", "o=Hello");
    run("2.3", "p=#01fffefdfcfb", "", "o=\x01\xff\xfe\xfd\xfc\xfb");
    run("2.4", "p=*125", "", "o=*125");
    broken("2.5", "p=*126", "");
    run("2.6", "p=*125", "", "o=*125");
    ok("2.7", "o", "O");
    ok("2.8", "o=unsolicited", "O");
    run("2.9", "o=unsolicited p=ping", "O", "o=ping");
    run("2.10", "p=0 p=1 p=2 p=3 p=4 p=5 p=6 p=7 p=8 p=9", "",
        "o=0 o=1 o=2 o=3 o=4 o=5 o=6 o=7 o=8 o=9");
    run("2.11", "p=0 p=1 p=2 p=3 p=4 p=5 p=6 p=7 p=8 p=9", "",
        "o=0 o=1 o=2 o=3 o=4 o=5 o=6 o=7 o=8 o=9");
}

static void test_3_reserved_bits(void **state)
{
    (void)state;
    broken("3.1", "t1=Hello", "");
    broken("3.2", "t=Hello t2=Hello p", "t=Hello");
    broken("3.3", "t=Hello t12=Hello p", "t=Hello");
    broken("3.4", "t=Hello t4=Hello p", "t=Hello");
    broken("3.5", "b14=Hello", "");
    broken("3.6", "p24=Hello", "");
    broken("3.7", "x124!1000", "");
}

static void test_4_opcodes(void **state)
{
    (void)state;
    broken("4.1.1", "r3", "");
    broken("4.1.2", "r4=payload", "");
    broken("4.1.3", "t=Hello r5 p", "t=Hello");
    broken("4.1.4", "t=Hello r6=payload p", "t=Hello");
    broken("4.1.5", "t=Hello r7=payload p", "t=Hello");
    broken("4.2.1", "rb", "");
    broken("4.2.2", "rc=payload", "");
    broken("4.2.3", "t=Hello rd p", "t=Hello");
    broken("4.2.4", "t=Hello re=payload p", "t=Hello");
    broken("4.2.5", "t=Hello rf=payload p", "t=Hello");
}

static void test_5_fragments(void **state)
{
    (void)state;
    broken("5.1", "p-=frag c=ment", "");
    broken("5.2", "o-=frag c=ment", "");
    ok("5.3", "t-=frag c=ment", "t=fragment");
    ok("5.4", "t-=frag c=ment", "t=fragment");
    ok("5.5", "t-=frag c=ment", "t=fragment");
    run("5.6", "t-=frag p=ping c=ment", "t=fragment", "o=ping");
    run("5.7", "t-=frag p=ping c=ment", "t=fragment", "o=ping");
    run("5.8", "t-=frag p=ping c=ment", "t=fragment", "o=ping");
    broken("5.9", "c=nothing t=Hello", "");
    broken("5.10", "c=nothing t=Hello", "");
    broken("5.11", "c=nothing t=Hello", "");
    broken("5.12", "c-=nothing t=Hello", "");
    broken("5.13", "c-=nothing t=Hello", "");
    broken("5.14", "c-=nothing t=Hello", "");
    broken("5.15", "t-=frag c=ment c-=nothing t=Hello", "t=fragment");
    broken("5.16", "c-=nothing t-=frag c=ment c-=nothing t-=frag c=ment", "");
    broken("5.17", "c=nothing t-=frag c=ment c=nothing t-=frag c=ment", "");
    broken("5.18", "t-=frag t=ment", "");
    run("5.19", "t-=1 c-=2 p=a c-=3 c-=4 p=b c=5", "t=12345", "o=a o=b");
    run("5.20", "t-=1 c-=2 p=a c-=3 c-=4 p=b c=5", "t=12345", "o=a o=b");
}

/* ---- 6: UTF-8 ------------------------------------------------------------------ */

static const char *to_hex(const char *bytes, size_t n)
{
    static char hex[512];

    for (size_t i = 0; i < n; i++)
        snprintf(hex + 2 * i, sizeof(hex) - 2 * i, "%02x", (unsigned char)bytes[i]);
    hex[2 * n] = '\0';
    return hex;
}

/* Also as one fragment a byte: a sequence may be cut anywhere. */
static void utf8(const char *id, const char *bytes, size_t n, bool valid)
{
    char script[2048], told[300];

    snprintf(script, sizeof(script), "t=#%s", to_hex(bytes, n));
    if (valid)
        snprintf(told, sizeof(told), "t=%.*s", (int)n, bytes);
    if (valid)
        ok(id, script, told);
    else
        run(id, script, "E:ws_protocol", "x!1007");
    cases--;
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(script + at, sizeof(script) - at, "%s=#%02x ", i == 0 ? "t-" : "c-",
                               (unsigned char)bytes[i]);
    snprintf(script + at, sizeof(script) - at, "c");
    if (valid)
        ok(id, script, told);
    else
        run(id, script, "E:ws_protocol", "x!1007");
}

static void utf8_all(const char *group, const char *const *list, size_t count, bool valid)
{
    for (size_t i = 0; i < count; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%s.%zu", group, i + 1);
        utf8(id, list[i], strlen(list[i]), valid);
    }
}

#define UTF8(group, valid, ...)                         \
    utf8_all(group, (const char *const[]){__VA_ARGS__}, \
             sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), valid)

#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

static void test_6_utf8_messages(void **state)
{
    (void)state;
    ok("6.1.1", "t", "t");
    ok("6.1.2", "t- c- c", "t");
    ok("6.1.3", "t- c-=middle c", "t=middle");
    utf8("6.2.1", "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6", 13, true);
    ok("6.2.2", "t-=Hello-\xc2\xb5@\xc3\x9f c=\xc3\xb6-UTF-8!!",
       "t=Hello-\xc2\xb5@\xc3\x9f\xc3\xb6-UTF-8!!");
    utf8("6.2.3", "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6-UTF-8!!", 21, true);
    utf8("6.2.4", KOSME, 11, true);
    utf8("6.3.1",
         KOSME "\xed\xa0\x80"
               "edited",
         20, false);
    utf8("6.3.2",
         KOSME "\xed\xa0\x80"
               "edited",
         20, false);
    /* Fail fast: the last frame of these never comes. */
    run("6.4.1", "t-=" KOSME " c-=\xf4\x90\x80\x80", "E:ws_protocol", "x!1007");
    run("6.4.2", "t-=" KOSME "\xf4 c-=\x90", "E:ws_protocol", "x!1007");
    run("6.4.3",
        "t-=" KOSME "\xf4\x90\x80\x80"
        "edited",
        "E:ws_protocol", "x!1007");
    run("6.4.4", "t-=" KOSME "\xf4\x90", "E:ws_protocol", "x!1007");
}

static void test_6_utf8_valid(void **state)
{
    char text[8], id[16];

    (void)state;
    UTF8("6.5", true, "hello$world", "hello\xc2\xa2world", "hello\xe2\x82\xacworld",
         "hello\xf0\xa4\xad\xa2world", KOSME);
    for (size_t n = 1; n <= 11; n++) {
        snprintf(id, sizeof(id), "6.6.%zu", n);
        utf8(id, KOSME, n, n == 2 || n == 5 || n == 7 || n == 9 || n == 11);
    }
    utf8("6.7.1", "\0", 1, true);
    UTF8("6.7", true, "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80");
    UTF8("6.9", true, "\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf");
    UTF8("6.11", true, "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf");
    for (unsigned plane = 0; plane <= 16; plane++) {
        for (unsigned low = 0xfffe; low <= 0xffff; low++) {
            unsigned c = plane << 16 | low;

            if (plane == 0)
                snprintf(text, sizeof(text), "\xef\xbf%c", (int)(0x80 | (c & 0x3f)));
            else
                snprintf(text, sizeof(text), "%c%c\xbf%c", (int)(0xf0 | c >> 18),
                         (int)(0x80 | (c >> 12 & 0x3f)), (int)(0x80 | (c & 0x3f)));
            snprintf(id, sizeof(id), "6.22.%u", 2 * plane + low - 0xfffd);
            utf8(id, text, strlen(text), true);
        }
    }
    UTF8("6.23", true, "\xef\xbf\xb9", "\xef\xbf\xba", "\xef\xbf\xbb", "\xef\xbf\xbc",
         "\xef\xbf\xbd", "\xef\xbf\xbe", "\xef\xbf\xbf");
}

static void lonely(const char *id, int from, int to)
{
    char text[80];
    size_t n = 0;

    for (int c = from; c <= to; c++) {
        text[n++] = (char)c;
        text[n++] = ' ';
    }
    utf8(id, text, n, false);
}

static void test_6_utf8_invalid(void **state)
{
    char text[64];

    (void)state;
    UTF8("6.8", false, "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80");
    UTF8("6.10", false, "\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf");
    UTF8("6.11.5", false, "\xf4\x90\x80\x80");
    UTF8("6.12", false, "\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf",
         "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf");
    for (int i = 0; i < 63; i++)
        text[i] = (char)(0x80 + i);
    utf8("6.12.8", text, 63, false);
    lonely("6.13.1", 0xc0, 0xdf);
    lonely("6.13.2", 0xe0, 0xef);
    lonely("6.13.3", 0xf0, 0xf7);
    lonely("6.13.4", 0xf8, 0xfb);
    lonely("6.13.5", 0xfc, 0xfd);
    UTF8("6.14", false, "\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80",
         "\xfc\x80\x80\x80\x80", "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf",
         "\xfd\xbf\xbf\xbf\xbf");
    UTF8("6.15", false,
         "\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf\xfb"
         "\xbf\xbf\xbf"
         "\xfd\xbf\xbf\xbf\xbf");
    UTF8("6.16", false, "\xfe", "\xff", "\xfe\xfe\xff\xff");
    UTF8("6.17", false, "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf",
         "\xfc\x80\x80\x80\x80\xaf");
    UTF8("6.18", false, "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf",
         "\xfc\x83\xbf\xbf\xbf\xbf");
    UTF8("6.19", false, "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80",
         "\xfc\x80\x80\x80\x80\x80");
    UTF8("6.20", false, "\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf",
         "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf");
    UTF8("6.21", false, "\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf",
         "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf", "\xed\xae\x80\xed\xb0\x80",
         "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf");
}

/* ---- 7: closing ------------------------------------------------------------------- */

static void test_7_close(void **state)
{
    (void)state;
    run("7.1.1", "t=Hello x!1000", "t=Hello X!1000", "x!1000");
    run("7.1.2", "x!1000 x!1000", "X!1000", "x!1000");
    run("7.1.3", "x!1000 p", "X!1000", "x!1000");
    run("7.1.4", "x!1000 t=Hello", "X!1000", "x!1000");
    run("7.1.5", "t-=frag x!1000 c=ment", "X!1000", "x!1000");
    run("7.1.6", "t=*262144 t=Hello x!1000 p", "t=*262144 t=Hello X!1000", "x!1000");
    run("7.3.1", "x", "X!1005", "x");
    broken("7.3.2", "x=a", "");
    run("7.3.3", "x!1000", "X!1000", "x!1000");
    run("7.3.4", "x=#03e8486921", "X!1000=Hi!", "x!1000=Hi!");
    run("7.3.5",
        "x=#03e8" /* 123 bytes of reason */
        "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a"
        "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a"
        "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a",
        "X!1000=*123", "x!1000=*123");
    broken("7.3.6", "x=*126", "");
    run("7.5.1", "x=#03e8cebaeda080656469746564", "E:ws_protocol", "x!1007");
}

static void test_7_close_codes(void **state)
{
    static const unsigned valid[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                     1010, 1011, 3000, 3999, 4000, 4999};
    static const unsigned invalid[] = {0,    999,  1004, 1005, 1006, 1016,
                                       1100, 2000, 2999, 5000, 65535};
    char script[16], told[16], sent[16];

    (void)state;
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        snprintf(script, sizeof(script), "x!%u", valid[i]);
        snprintf(told, sizeof(told), "X!%u", valid[i]);
        snprintf(sent, sizeof(sent), "x!%u", valid[i]);
        run("7.7", script, told, sent);
    }
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        snprintf(script, sizeof(script), "x!%u", invalid[i]);
        broken(i < 9 ? "7.9" : "7.13", script, "");
    }
}

static void test_10_many_fragments(void **state)
{
    char script[1024] = "t-=*1300";

    (void)state;
    for (int i = 1; i < 50; i++)
        strcat(script, " c-=*1300");
    strcat(script, " c=*536");
    ok("10.1.1", script, "t=*65536");
}

static void test_all_were_run(void **state)
{
    (void)state;
    assert_int_equal(cases, 247);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_1_framing),         cmocka_unit_test(test_2_pings),
        cmocka_unit_test(test_3_reserved_bits),   cmocka_unit_test(test_4_opcodes),
        cmocka_unit_test(test_5_fragments),       cmocka_unit_test(test_6_utf8_messages),
        cmocka_unit_test(test_6_utf8_valid),      cmocka_unit_test(test_6_utf8_invalid),
        cmocka_unit_test(test_7_close),           cmocka_unit_test(test_7_close_codes),
        cmocka_unit_test(test_10_many_fragments), cmocka_unit_test(test_all_were_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
