/* Real events from public relays: all accepted, each signature right, each written and read again.
 * Real rejects: all refused, for the reason that an independent checker gave.
 *
 * Arguments: the two files, unpacked. */
#include <stdio.h>

#include "lines.h"
#include "nostr/event.h"
#include "nostr/verify.h"
#include "unit.h"

static const char *real_path, *invalid_path;
static struct arena arena;
static struct event_limits limits;
static struct verifier *verifier;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    limits = event_limits_default();
    verifier = verifier_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    verifier_free(verifier);
    return 0;
}

static void check_accepted(struct str line)
{
    struct event e, again;
    enum reject why = REJECT_NONE;
    struct str json;

    if (event_scan(line, &limits, &arena, &e, &why) < 0)
        print_error("%s: %.80s\n", reject_name(why), line.p);
    assert_int_equal(why, REJECT_NONE);
    assert_true(verifier_check(verifier, &e.id, &e.pubkey, &e.sig));
    e.sig.b[40] ^= 1;
    assert_false(verifier_check(verifier, &e.id, &e.pubkey, &e.sig));
    e.sig.b[40] ^= 1;
    json = event_json(&e, &arena);
    assert_int_equal(event_scan(json, &limits, &arena, &again, &why), 0);
    assert_true(str_eq(e.content, again.content));
    assert_true(str_eq(e.tags, again.tags));
    assert_memory_equal(&e.sig, &again.sig, sizeof(e.sig));
    assert_int_equal(e.taghash_n, again.taghash_n);
    for (uint32_t i = 0; i < e.taghash_n; i++)
        assert_int_equal(e.taghash[i], again.taghash[i]);
    arena_reset(&arena);
}

static void test_real_events(void **state)
{
    struct str file = lines_read(real_path), rest = file, line;
    size_t n = 0, milliseconds = 0, longest = 0;

    (void)state;
    while (str_cut(&rest, '\n', &line)) {
        struct event e;
        enum reject why;

        if (line.n == 0)
            continue;
        n++;
        longest = line.n > longest ? line.n : longest;
        check_accepted(line);
        assert_int_equal(event_scan(line, &limits, &arena, &e, &why), 0);
        milliseconds += e.created_at > 100000000000;
        arena_reset(&arena);
    }
    assert_true(n >= 3000);
    assert_int_equal(milliseconds, 2);
    assert_true(longest > 200000);
    free((char *)(uintptr_t)file.p);
}

/* The checker's reason and ours, and how many there are of both. */
static struct {
    const char *theirs, *ours;
    int want, seen;
} reasons[] = {
    {"bad-signature (id ok)", "signature", 2, 0},
    {"id-mismatch (sig over stated id bad)", "id_mismatch", 55, 0},
    {"id-mismatch (sig over stated id ok)", "id_mismatch", 152, 0},
    {"structure: created_at not an integer", "bad_created_at", 1, 0},
    {"structure: id not 64 lower-case hex", "bad_id", 20, 0},
    {"structure: id not a string", "bad_id", 1, 0},
    {"structure: pubkey not 64 lower-case hex", "bad_pubkey", 8, 0},
    {"structure: sig not 128 lower-case hex", "bad_sig", 18, 0},
    {"structure: tag element not a string", "bad_tags", 2, 0},
    {"structure: tags not a list of lists", "bad_tags", 50, 0},
    {"structure: tags not a list of lists", "bad_id", 1,
     0}, /* both are wrong; its id comes first */
};

static const char *verdict(struct str json)
{
    struct event e;
    enum reject why;

    return verifier_event(verifier, json, &limits, &arena, &e, &why) == 0 ? "accepted"
                                                                          : reject_name(why);
}

static void count_reason(struct str theirs, const char *ours)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (str_eq(theirs, str_z(reasons[i].theirs)) && strcmp(ours, reasons[i].ours) == 0) {
            reasons[i].seen++;
            return;
        }
    fail_msg(STR_FMT " is %s to us", STR_ARG(theirs), ours);
}

/* {"reason": "..", "event": {..}} */
static void test_invalid_events(void **state)
{
    const struct str before = STR("{\"reason\": \""), between = STR("\", \"event\": ");
    struct str file = lines_read(invalid_path), rest = file, line;

    (void)state;
    while (str_cut(&rest, '\n', &line)) {
        struct str json;
        size_t at;

        if (line.n == 0)
            continue;
        assert_true(str_starts(line, before));
        assert_true(str_find(line, between, &at));
        json = (struct str){line.p + at + between.n, line.n - at - between.n - 1};
        count_reason((struct str){line.p + before.n, at - before.n}, verdict(json));
        arena_reset(&arena);
    }
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        assert_int_equal(reasons[i].seen, reasons[i].want);
    free((char *)(uintptr_t)file.p);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_real_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_invalid_events, setup, teardown),
    };

    real_path = argc > 1 ? argv[1] : NULL;
    invalid_path = argc > 2 ? argv[2] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
