/* The vectors of BIP-340, as its authors publish them.  Argument: the CSV file. */
#include "core/hex.h"
#include "lines.h"
#include "nostr/sign.h"
#include "nostr/verify.h"
#include "unit.h"

static const char *path;

/* index, secret key, public key, aux_rand, message, signature, verification result, comment */
enum { SECRET = 1, PUBLIC = 2, MESSAGE = 4, SIGNATURE = 5, RESULT = 6, COLUMNS = 7 };

/* The CSV has upper-case digits. */
static void read_column(struct str column, void *to, size_t bytes)
{
    char lower[128];

    assert_int_equal(column.n, 2 * bytes);
    for (size_t i = 0; i < column.n; i++)
        lower[i] =
            (char)(column.p[i] >= 'A' && column.p[i] <= 'F' ? column.p[i] | 0x20 : column.p[i]);
    assert_true(hex_decode(to, (struct str){lower, column.n}, bytes));
}

/* The key of the vector gives its public key, and what it signs is accepted. */
static void check_secret(const struct verifier *v, struct str secret, const struct pubkey32 *want,
                         const struct id32 *message)
{
    char hex[65];
    struct err err;
    struct signer *s;
    struct pubkey32 got;
    struct sig64 sig;

    assert_true(str_copy(hex, sizeof(hex), secret));
    s = signer_new(hex, &err);
    assert_non_null(s);
    got = signer_pubkey(s);
    assert_memory_equal(&got, want, sizeof(got));
    sig = signer_sign(s, message);
    assert_true(verifier_check(v, message, &got, &sig));
    signer_free(s);
}

static void test_bip340(void **state)
{
    struct str file = lines_read(path), rest = file, line;
    struct verifier *v = verifier_new();
    int valid = 0, invalid = 0, other_length = 0, secrets = 0;

    (void)state;
    assert_true(str_cut(&rest, '\n', &line));
    while (str_cut(&rest, '\n', &line)) {
        struct str column[COLUMNS];
        struct id32 message;
        struct pubkey32 pubkey;
        struct sig64 sig;
        bool want;

        line = str_trim(line);
        if (line.n == 0)
            continue;
        for (int i = 0; i < COLUMNS; i++)
            assert_true(str_cut(&line, ',', &column[i]));
        if (column[MESSAGE].n != 64) {
            other_length++; /* Nostr signs ids, which have 32 bytes */
            continue;
        }
        read_column(column[PUBLIC], pubkey.b, sizeof(pubkey.b));
        read_column(column[MESSAGE], message.b, sizeof(message.b));
        read_column(column[SIGNATURE], sig.b, sizeof(sig.b));
        want = str_eq(column[RESULT], STR("TRUE"));
        assert_int_equal(verifier_check(v, &message, &pubkey, &sig), want);
        valid += want;
        invalid += !want;
        if (column[SECRET].n > 0) {
            check_secret(v, column[SECRET], &pubkey, &message);
            secrets++;
        }
    }
    assert_int_equal(valid, 5);
    assert_int_equal(invalid, 10);
    assert_int_equal(secrets, 4);
    assert_int_equal(other_length, 4);
    verifier_free(v);
    free((char *)(uintptr_t)file.p);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bip340)};

    path = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
