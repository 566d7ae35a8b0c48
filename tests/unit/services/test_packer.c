/* How many rows one statement packs: as many as the database has lately managed in a short time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/sync/packer.h"

/* A database that takes `us` for each row, and a while for any statement. */
static int64_t takes(uint32_t rows, int64_t us)
{
    return 5 + (int64_t)rows * us / 1000;
}

static void test_a_statement_stays_short(void **state)
{
    static const int64_t speeds[] = {1, 12, 100, 400, 5000};
    uint32_t rows = 500;

    (void)state;
    for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
        int64_t us = speeds[i];
        for (int n = 0; n < 30; n++) {
            uint32_t next = packer_rows(rows, takes(rows, us));
            assert_in_range(next, 100, 4000);
            rows = next;
        }
        assert_int_equal(rows, packer_rows(rows, takes(rows, us))); /* it settles */
        assert_true(takes(rows, us) <= 100 || rows == 100);
        assert_true(takes(rows, us) >= 40 || rows == 4000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_statement_stays_short)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
