/* What a line looks like, what is not written, and who may not flood the log. */
#include <fcntl.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "unit.h"

static int pipe_fds[2];

static int set_up(void **state)
{
    (void)state;
    if (pipe(pipe_fds) != 0 || fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) != 0)
        return -1;
    log_set_fd(pipe_fds[1]);
    log_set_level(LOG_LEVEL_INFO);
    clock_test_set(1000, 1700000000123);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_set_fd(2);
    log_set_level(LOG_LEVEL_INFO);
    clock_test_end();
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    return 0;
}

static const char *written(void)
{
    static char text[65536];
    ssize_t n = read(pipe_fds[0], text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void test_a_line(void **state)
{
    (void)state;
    log_info("relay", "in sync events=%d", 12);
    assert_string_equal(written(), "2023-11-14T22:13:20.123Z info relay in sync events=12\n");
    log_error("db", "gone");
    assert_string_equal(written(), "2023-11-14T22:13:20.123Z error db gone\n");
}

static int evaluated;

static int costly(void)
{
    return ++evaluated;
}

static void test_arguments_are_not_evaluated_when_off(void **state)
{
    (void)state;
    log_debug("x", "%d", costly());
    assert_int_equal(evaluated, 0);
    assert_string_equal(written(), "");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("x", "%d", costly());
    assert_int_equal(evaluated, 1);
    assert_string_equal(written(), "2023-11-14T22:13:20.123Z debug x 1\n");
    log_set_level(LOG_LEVEL_ERROR);
    log_warning_limited("x", "%d", costly());
    assert_int_equal(evaluated, 1);
}

static void test_one_line_whatever_is_in_it(void **state)
{
    char long_text[3 * LOG_LINE_MAX];
    const char *text;

    (void)state;
    log_info("x", "a%cb%c[31m", '\n', 27);
    assert_string_equal(written(), "2023-11-14T22:13:20.123Z info x a?b?[31m\n");
    memset(long_text, 'y', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    log_info("x", "%s", long_text);
    text = written();
    assert_int_equal(strlen(text), LOG_LINE_MAX);
    assert_string_equal(text + LOG_LINE_MAX - 5, "y...\n");
}

static void complain_many_times(int n)
{
    for (int i = 0; i < n; i++)
        log_warning_limited("relay", "bad i=%d", i);
}

static int lines_in(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void test_one_place_cannot_flood(void **state)
{
    const char *text;

    (void)state;
    complain_many_times(100);
    assert_int_equal(lines_in(written()), LOG_LIMIT_LINES);
    log_warning_limited("relay", "another place");
    assert_int_equal(lines_in(written()), 1);
    clock_test_advance(LOG_LIMIT_MS);
    complain_many_times(1);
    text = written();
    assert_non_null(strstr(text, "bad i=0 swallowed=95\n"));
    complain_many_times(1);
    assert_null(strstr(written(), "swallowed"));
}

static void erase(void *owner)
{
    assert_string_equal(owner, "me");
    assert_int_equal(write(pipe_fds[1], "<", 1), 1);
}

static void redraw(void *owner)
{
    assert_string_equal(owner, "me");
    assert_int_equal(write(pipe_fds[1], ">", 1), 1);
}

static void test_the_block_below(void **state)
{
    char me[] = "me";

    (void)state;
    log_set_hook(&(struct log_hook){erase, redraw, me});
    log_info("x", "y");
    assert_string_equal(written(), "<2023-11-14T22:13:20.123Z info x y\n>");
    log_set_hook(NULL);
    log_info("x", "y");
    assert_string_equal(written(), "2023-11-14T22:13:20.123Z info x y\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arguments_are_not_evaluated_when_off, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_one_line_whatever_is_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_place_cannot_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_block_below, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
