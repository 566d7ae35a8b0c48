/* Environment, secrets and files: where a secret may come from, and that it comes out nowhere. */
#include "config/config.h"
#include "config_fixture.h"

static struct config *load(const char *path, char *const *env)
{
    struct config *cfg = config_load(path, env, &errors);

    if (cfg == NULL)
        fail_msg("%s", complaints());
    return cfg;
}

static void refused(const char *path, char *const *env, const char *want)
{
    assert_null(config_load(path, env, &errors));
    if (strstr(complaints(), want) == NULL)
        fail_msg("not \"%s\" but %s", want, complaints());
    assert_null(strstr(complaints(), "hunter2"));
    config_errors_free(&errors);
}

static void test_environment_overrides_the_file(void **state)
{
    char timeout[] = "BIGBROTR_NETWORK_CONNECT_TIMEOUT=7s";
    char level[] = "BIGBROTR_LOG_LEVEL=  error\t";
    char test_variable[] = "BIGBROTR_TEST_ANYTHING=x";
    char other[] = "PATH=/bin";
    char *env[] = {timeout, other, level, test_variable, NULL};
    struct config *cfg = load(write_file("a.ini", "[network]\nconnect_timeout = 3s\n", 0644), env);

    (void)state;
    assert_int_equal(cfg->network_connect_timeout, 7000);
    assert_string_equal(cfg->log_level_word, "error");
    config_free(cfg);
}

static void test_bad_variables(void **state)
{
    char unknown[] = "BIGBROTR_LOG_LEVLE=error";
    char value[] = "BIGBROTR_SYNCHRONIZER_PAGE=x";
    char secret[] = "BIGBROTR_DATABASE_PASWORD=hunter2";
    char rule[] = "BIGBROTR_HTTP_LISTEN=nowhere";
    char comment[] = "BIGBROTR_IDENTITY_CONTACT=me@example.com # at home";
    char *env[] = {unknown, value, secret, rule, comment, NULL};

    (void)state;
    assert_null(config_load(NULL, env, &errors));
    assert_string_equal(
        complaints(),
        "environment: unknown variable BIGBROTR_LOG_LEVLE; did you mean BIGBROTR_LOG_LEVEL?\n"
        "environment: BIGBROTR_SYNCHRONIZER_PAGE must be a whole number from 1 to 5000, not \"x\"\n"
        "environment: unknown variable BIGBROTR_DATABASE_PASWORD; did you mean "
        "BIGBROTR_DATABASE_PASSWORD?\n"
        "environment: BIGBROTR_IDENTITY_CONTACT has a comment, or what would be one in a file: # "
        "or ;\n"
        "environment: BIGBROTR_HTTP_LISTEN: must be address:port, as 127.0.0.1:9464 or [::1]:9464, "
        "or unix:/path of at most 107 bytes\n");
}

static void test_three_ways_for_a_secret(void **state)
{
    char text[256];
    char credentials[128];
    char password[] = "BIGBROTR_DATABASE_PASSWORD=from environment";
    char *env[] = {credentials, password, NULL};
    char *env_credentials[] = {credentials, NULL};
    const char *ini;
    struct config *cfg;

    (void)state;
    (void)snprintf(credentials, sizeof(credentials), "CREDENTIALS_DIRECTORY=%s", directory);
    (void)snprintf(text, sizeof(text), "[database]\npassword_file = %s\n",
                   write_file("file", "from file\r\n", 0640));
    (void)write_file("password", "from credentials\n", 0400);
    (void)write_file("secret_key", "key\n", 0400);
    ini = write_file("a.ini", text, 0644);

    cfg = load(ini, env);
    assert_string_equal(config_secret(cfg, "database", "password"), "from environment");
    assert_string_equal(config_secret(cfg, "identity", "secret_key"), "key");
    assert_null(config_secret(cfg, "database", "passwor"));
    config_free(cfg);
    cfg = load(ini, env_credentials);
    assert_string_equal(config_secret(cfg, "database", "password"), "from file");
    config_free(cfg);
    cfg = load(NULL, env_credentials);
    assert_string_equal(config_secret(cfg, "database", "password"), "from credentials");
    config_free(cfg);
}

static void secret_file_refused(const char *secret, mode_t mode, const char *want)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "[database]\npassword_file = %s\n",
                   write_file("secret", secret, mode));
    refused(write_file("a.ini", text, 0600), NULL, want);
}

static void test_bad_secret_files(void **state)
{
    char long_secret[1000];

    (void)state;
    secret_file_refused("hunter2", 0604, "may be read by others (mode 0604); run: chmod 600");
    secret_file_refused("hunter2", 0644, "may be read by others (mode 0644); run: chmod 640");
    secret_file_refused("hunter2", 0620, "may be changed by others (mode 0620); run: chmod 600");
    secret_file_refused("hunter2", 0602, "may be changed by others (mode 0602); run: chmod 600");
    secret_file_refused("\n", 0600, "is an empty secret");
    secret_file_refused("hunter2\nhunter2\n", 0600, "is a secret of more than one line");
    memset(long_secret, 'x', sizeof(long_secret) - 1);
    long_secret[sizeof(long_secret) - 1] = '\0';
    secret_file_refused(long_secret, 0600, "is a secret of more than 503 bytes");
}

/* A token that cannot be looked at must not leave us without one. */
static void test_credentials_that_cannot_be_looked_at(void **state)
{
    char credentials[160];
    char *env[] = {credentials, NULL};

    (void)state;
    (void)snprintf(credentials, sizeof(credentials), "CREDENTIALS_DIRECTORY=%s",
                   write_file("no-directory", "", 0600));
    refused(NULL, env, "no-directory/token cannot be read: Not a directory");
}

/* The secret where its file should be named: the mistake must not end in a log. */
static void test_a_secret_in_the_wrong_place_is_not_repeated(void **state)
{
    const char *ini = write_file("a.ini", "[database]\npassword_file = hunter2\n", 0600);
    struct config *cfg;
    char *text;

    (void)state;
    refused(ini, NULL, "a.ini:2: [database] password_file: the file that it names cannot be read");
    refused(write_file("b.ini", "[database]\npassword = hunter2\n", 0600), NULL,
            "[database] has no key password; did you mean password_file?");
    refused(write_file("c.ini", "[database]\nurl = mysql://me:hunter2@host\n", 0600), NULL,
            "[database] url: must begin with postgresql://");
    refused(write_file("d.ini", "[database]\nhunter2\n", 0600), NULL, "neither a [section]");
    refused(write_file("e.ini", "[database]\nurl = postgresql://me:hunter2@\x01host\n", 0600), NULL,
            "[database] url must be text of at most 1023 bytes");
    cfg = load(write_file("f.ini", "[database]\nurl = postgresql://me:hunter2@host/db\n", 0640),
               NULL);
    text = print(cfg);
    assert_non_null(strstr(text, "\nurl = postgresql://me:****@host/db\n"));
    assert_null(strstr(text, "hunter2"));
    free(text);
    config_free(cfg);
}

static void test_password_in_a_file_for_everybody(void **state)
{
    char want[256];

    (void)state;
    (void)snprintf(want, sizeof(want),
                   "url holds a password, and everybody may read this file; run: "
                   "chmod 640 %s/a.ini",
                   directory);
    refused(write_file("a.ini", "[database]\nurl = postgresql://me:hunter2@host/db\n", 0644), NULL,
            want);
    refused(write_file("a.ini", "[database]\nurl = postgresql://h/db?a=b&password=hunter2\n", 0604),
            NULL, want);
    config_free(
        load(write_file("a.ini", "[database]\nurl = postgresql://me@host:5432/db\n", 0644), NULL));
}

static void test_hidden_passwords(void **state)
{
    static const char *const cases[][2] = {
        {"postgresql://me:secret@h/db", "postgresql://me:****@h/db"},
        {"postgresql://me:se@cret@h/db", "postgresql://me:****@h/db"},
        {"postgresql://me:se/cret@h/db", "postgresql://me:****@h/db"},
        {"postgresql://me:se?cret@h/db", "postgresql://me:****@h/db"},
        {"postgresql://me:@h", "postgresql://me:****@h"},
        {"postgresql://me@h:5432/db", "postgresql://me@h:5432/db"},
        {"postgresql://h:5432/db?user=a@b", "postgresql://h:5432/db?user=a@b"},
        {"postgresql:///db?host=/run&password=secret&x=y",
         "postgresql:///db?host=/run&password=****&x=y"},
        {"postgresql:///db?p%61ssword=secret", "postgresql:///db?password=****"},
        {"postgresql:///db?sslpassword=secret", "postgresql:///db?password=****"},
        {"", ""},
    };
    char to[CONFIG_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(config_hide_password(to, sizeof(to), cases[i][0]), cases[i][1]);
    for (size_t size = 1; size < 60; size++) { /* in a short buffer: cut, and nothing shows */
        assert_true(strlen(config_hide_password(to, size, "postgresql://me:secret@h?password=x")) <
                    size);
        assert_null(strstr(to, "s@"));
        assert_null(strstr(to, ":s"));
    }
}

static void test_files_are_looked_at(void **state)
{
    char text[512];
    const char *here = write_file("seeds", "", 0600);

    (void)state;
    (void)snprintf(text, sizeof(text),
                   "[initializer]\nseed_file = %s\n[daemon]\nstate_dir = %s/new\n", here,
                   directory);
    config_free(load(write_file("a.ini", text, 0600), NULL));
    (void)snprintf(text, sizeof(text),
                   "[initializer]\nseed_file = %s/absent\npriority_file = %s\n"
                   "[daemon]\nstate_dir = %s\n[log]\nlevel = x\n",
                   directory, directory, here);
    assert_null(config_load(write_file("a.ini", text, 0600), NULL, &errors));
    assert_int_equal(errors.n, 4); /* with the mistake in the text: all at once */
    assert_non_null(strstr(complaints(), "/absent cannot be read: No such file or directory"));
    assert_non_null(strstr(complaints(), "a.ini:3: [initializer] priority_file: "));
    assert_non_null(strstr(complaints(), "seeds is not a directory"));
    config_errors_free(&errors);
    refused(path_of("none.ini"), NULL, "none.ini: cannot be read: No such file or directory");
    refused(directory, NULL, "is not a file");
}

/* How many sections there are when they are asked for by kind. */
static int cfg_filters(const char *path, char *const *env)
{
    static const char *const keys[] = {"filter", NULL};
    struct config *cfg = config_load_only(path, env, keys, &errors);

    assert_non_null(cfg);
    int n = (int)cfg->n_filters;
    config_free(cfg);
    return n;
}

/* A tool that only needs to know where the archive is. */
static void test_only_some_keys(void **state)
{
    static const char *const keys[] = {"daemon.state_dir", "database.url", NULL};
    char unknown[] = "BIGBROTR_NO_SUCH=1", home[] = "BIGBROTR_DAEMON_STATE_DIR=/srv/b";
    char *env[] = {unknown, home, NULL};
    const char *path = write_file("only.ini",
                                  "[initializer]\nseed_file = /nowhere/seeds.txt\n"
                                  "[database]\nurl = postgresql://me@db/x\nbatch_age = a while\n"
                                  "password_file = /nowhere/password\n"
                                  "[filter x]\nnonsense = 1\n[daemn]\nstate_dir = 1\n"
                                  "[daemon]\nno_such_key = 1\nworkers = many\n",
                                  0644);
    struct config *cfg = config_load_only(path, env, keys, &errors);

    (void)state;
    assert_string_equal(complaints(), "");
    assert_non_null(cfg);
    assert_string_equal(cfg->database_url, "postgresql://me@db/x");
    assert_string_equal(cfg->daemon_state_dir, "/srv/b");
    assert_int_equal(cfg->database_batch_age, 500);
    config_free(cfg);

    assert_int_equal(cfg_filters(path, env), 1);

    assert_null(config_load(path, env, &errors));
    config_errors_free(&errors);
    path = write_file("only.ini", "[database]\nurl = mysql://x\n", 0644);
    assert_null(config_load_only(path, NULL, keys, &errors));
    assert_non_null(strstr(complaints(), "only.ini:2: [database] url"));
    config_errors_free(&errors);
}

static void state_dir_is(const char *configured, char *const *env, bool root, const char *want)
{
    struct config *cfg = config_load(NULL, NULL, &errors);
    char dir[CONFIG_TEXT_SIZE];
    struct err err;

    assert_non_null(cfg);
    (void)str_copy(cfg->daemon_state_dir, sizeof(cfg->daemon_state_dir), str_z(configured));
    if (config_state_dir(cfg, env, root, dir, sizeof(dir), &err) < 0)
        assert_non_null(strstr(err.detail, want));
    else
        assert_string_equal(dir, want);
    config_free(cfg);
}

static void test_state_dir(void **state)
{
    char service[] = "STATE_DIRECTORY=/var/lib/a:/var/lib/b", xdg[] = "XDG_STATE_HOME=/x",
         home[] = "HOME=/people/me", relative[] = "XDG_STATE_HOME=x";
    char *all[] = {home, xdg, service, NULL}, *person[] = {home, xdg, NULL},
         *plain[] = {relative, home, NULL};

    (void)state;
    state_dir_is("/srv/nostr", all, true, "/srv/nostr");
    state_dir_is("", all, true, "/var/lib/a");
    state_dir_is("", all, false, "/var/lib/a");
    state_dir_is("", person, true, "/var/lib/bigbrotr");
    state_dir_is("", person, false, "/x/bigbrotr");
    state_dir_is("", plain, false, "/people/me/.local/state/bigbrotr");
    state_dir_is("", NULL, false, "set [daemon] state_dir");
    state_dir_is("archive", plain, false, "must begin with /");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_environment_overrides_the_file),
        TEST(test_bad_variables),
        TEST(test_three_ways_for_a_secret),
        TEST(test_bad_secret_files),
        TEST(test_credentials_that_cannot_be_looked_at),
        TEST(test_a_secret_in_the_wrong_place_is_not_repeated),
        TEST(test_password_in_a_file_for_everybody),
        TEST(test_hidden_passwords),
        TEST(test_files_are_looked_at),
        TEST(test_only_some_keys),
        TEST(test_state_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
