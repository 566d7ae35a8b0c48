/* The configuration on paper.  With a path as its argument the program writes etc/bigbrotr.ini. */
#include "config/config.h"
#include "config_fixture.h"

static void test_etc_is_up_to_date(void **state)
{
    char *text = print(NULL);
    FILE *f = fopen(SOURCE_ROOT "/etc/bigbrotr.ini", "r");
    static char file[65536];
    size_t n;

    (void)state;
    assert_non_null(f);
    n = fread(file, 1, sizeof(file) - 1, f);
    (void)fclose(f);
    file[n] = '\0';
    if (strcmp(text, file) != 0)
        fail_msg("config.def has changed: run test_config_print etc/bigbrotr.ini");
    free(text);
}

/* Uncommented, every default is good and is what stands there already. */
static void test_default_file_means_nothing_new(void **state)
{
    char *text = print(NULL);
    char *line_start = text;
    struct config *cfg;
    char *out;

    (void)state;
    config_free(good(text));
    for (char *p = text; *p != '\0'; p++) {
        if (p[0] == '#' && p == line_start && p[1] != ' ')
            p[0] = ' ';
        if (*p == '\n')
            line_start = p + 1;
    }
    cfg = good(text);
    assert_int_equal(cfg->n_filters, 1);
    assert_int_equal(cfg->n_retentions, 1);
    assert_int_equal(cfg->n_relays, 1);
    assert_int_equal(cfg->n_sources, 1);
    out = print(cfg);
    assert_null(strstr(out, "default:"));
    free(out);
    config_free(cfg);
    free(text);
}

static void test_differences_are_marked_with_their_origin(void **state)
{
    char variable[] = "BIGBROTR_LOG_LEVEL=debug";
    char *env[] = {variable, NULL};
    struct config *cfg =
        config_parse("x.ini",
                     STR("[network]\nconnect_timeout = 3000ms\ntls_timeout = 10000ms\n"
                         "[relay wss://x]\npage = 7\n[filter f]\nnot_tag_t = a\nkinds = 1\n"),
                     env, &errors);
    char *text;
    struct config *again;

    (void)state;
    assert_non_null(cfg);
    text = print(cfg);
    assert_non_null(strstr(
        text, "\n# default: 10s; set at x.ini:2\nconnect_timeout = 3s\ntls_timeout = 10s\n"));
    assert_non_null(strstr(
        text,
        "\n[log]\n# default: info; set by the environment, BIGBROTR_LOG_LEVEL\nlevel = debug\n"));
    assert_non_null(strstr(text, "\n# x.ini:6\n[filter f]\nnot_tag_t = a\nkinds = 1\n"));
    assert_non_null(strstr(text, "\n# x.ini:4\n[relay wss://x]\npage = 7\n"));
    again = good(text);
    assert_int_equal(again->network_connect_timeout, 3000);
    assert_int_equal(config_frozen_changes(cfg, again, &errors), 0);
    config_free(again);
    config_free(cfg);
    free(text);
}

static void test_frozen_changes(void **state)
{
    char one[] = "BIGBROTR_DATABASE_PASSWORD=one";
    char two[] = "BIGBROTR_DATABASE_PASSWORD=two";
    char *env_one[] = {one, NULL};
    char *env_two[] = {two, NULL};
    struct config *a = config_parse("x.ini", STR("[daemon]\nworkers = 1\n"), env_one, &errors);
    struct config *b = config_parse("x.ini",
                                    STR("[daemon]\nworkers = 2\n[database]\nurl = postgresql://h\n"
                                        "[log]\nlevel = debug\n[relay wss://x]\n[filter f]\n"),
                                    env_two, &errors);

    (void)state;
    assert_int_equal(config_frozen_changes(a, a, &errors), 0);
    assert_int_equal(config_frozen_changes(a, b, &errors), 4);
    assert_string_equal(
        complaints(),
        "x.ini:2: [daemon] workers: has changed, and needs a restart\n"
        "x.ini:4: [database] url: has changed, and needs a restart\n"
        "x.ini: [database] password_file: the secret has changed, and needs a restart\n"
        "x.ini: the [filter] sections have changed, and need a restart\n");
    config_free(a);
    config_free(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_etc_is_up_to_date),
        TEST(test_default_file_means_nothing_new),
        TEST(test_differences_are_marked_with_their_origin),
        TEST(test_frozen_changes),
    };

    if (argc > 1) {
        FILE *out = fopen(argv[1], "w");

        if (out == NULL)
            return 1;
        config_default_ini(out);
        return fclose(out) == 0 ? 0 : 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
