/* The tables of errors, reasons and networks: names are stable identifiers. */
#include "core/err.h"
#include "core/network.h"
#include "core/reject.h"
#include "unit.h"

static void test_names_are_lower_case_and_unique(void **state)
{
    (void)state;
    assert_string_equal(err_name(ERR_DNS_FAILED), "dns_failed");
    assert_string_equal(err_name(ERR_NONE), "none");
    assert_string_equal(reject_name(REJECT_BAD_UTF8), "bad_utf8");
    assert_string_equal(reject_name(REJECT_NONE), "none");
    for (int i = 0; i < ERR__COUNT; i++) {
        const char *name = err_name((enum err_code)i);

        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
        assert_true(strlen(err_text((enum err_code)i)) > 0);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, err_name((enum err_code)k));
        assert_int_equal(err_named(str_z(name)), i);
    }
    for (int i = 0; i < REJECT__COUNT; i++) {
        const char *name = reject_name((enum reject)i);

        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
        assert_true(strlen(reject_text((enum reject)i)) > 0);
    }
}

static void test_by_name(void **state)
{
    enum network network = NETWORK_TOR;

    (void)state;
    assert_int_equal(err_named(STR("no such error")), ERR_NONE);
    assert_int_equal(err_named(STR("")), ERR_NONE);
    assert_false(network_named(STR("Tor"), &network));
    assert_false(network_named(STR(""), &network));
    for (int i = 0; i < NETWORK__COUNT; i++) {
        assert_true(network_named(str_z(network_name((enum network)i)), &network));
        assert_int_equal(network, i);
    }
}

static void test_blame(void **state)
{
    (void)state;
    assert_int_equal(err_blame(ERR_NONE), ERR_BLAME_NONE);
    assert_int_equal(err_blame(ERR_PROXY_DOWN), ERR_BLAME_PATH);
    assert_int_equal(err_blame(ERR_TLS_CERT), ERR_BLAME_PEER);
    assert_int_equal(err_blame(ERR_DB_AWAY), ERR_BLAME_SELF);
    assert_int_equal(err_blame(ERR_CONFIG), ERR_BLAME_USER);
}

static void test_set_cuts_and_terminates(void **state)
{
    struct err err;
    char long_text[1000];

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_int_equal(err_set(&err, ERR_IO, "%s", long_text), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(strlen(err.detail), ERR_DETAIL_MAX - 1);
}

static void test_network_names(void **state)
{
    (void)state;
    assert_string_equal(network_name(NETWORK_CLEARNET), "clearnet");
    assert_string_equal(network_name(NETWORK_LOKI), "loki");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_lower_case_and_unique),
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_set_cuts_and_terminates),
        cmocka_unit_test(test_network_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
