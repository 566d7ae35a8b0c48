/* What a failed connect() means, and which of several failures is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "net/connect_error.h"

static void test_what_it_means(void **state)
{
    static const struct {
        int error, family;
        bool at_once;
        enum err_code code;
    } cases[] = {
        {ECONNREFUSED, AF_INET, false, ERR_CONNECT_REFUSED},
        {ECONNRESET, AF_INET, false, ERR_DISCONNECTED},
        {ENOTCONN, AF_INET6, false, ERR_DISCONNECTED},
        {ETIMEDOUT, AF_INET, false, ERR_CONNECT_TIMEOUT},
        {ENETUNREACH, AF_INET, true, ERR_NETWORK_DOWN},
        {ENETUNREACH, AF_INET, false, ERR_CONNECT_UNREACHABLE},
        {ENETUNREACH, AF_INET6, true, ERR_CONNECT_UNREACHABLE},
        {EHOSTUNREACH, AF_INET, false, ERR_CONNECT_UNREACHABLE},
        {EMFILE, AF_INET, true, ERR_IO},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(
            err_name(connect_error(cases[i].error, cases[i].family, cases[i].at_once)),
            err_name(cases[i].code));
}

static void test_which_is_told(void **state)
{
    static const enum err_code order[] = {ERR_NONE,
                                          ERR_NETWORK_DOWN,
                                          ERR_IO,
                                          ERR_CONNECT_UNREACHABLE,
                                          ERR_CONNECT_TIMEOUT,
                                          ERR_CONNECT_REFUSED,
                                          ERR_DISCONNECTED};
    enum { N = sizeof(order) / sizeof(order[0]) };

    (void)state;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            assert_int_equal(connect_error_tells_more(order[i], order[j]), i > j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_means),
        cmocka_unit_test(test_which_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
