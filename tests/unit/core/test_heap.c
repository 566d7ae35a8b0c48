/* The heap against a list that is searched: every operation, in a random order. */
#include <stdlib.h>

#include "core/heap.h"
#include "unit.h"

enum { NODES = 300 };

static struct heap_node nodes[NODES];

static const struct heap_node *least(void)
{
    const struct heap_node *best = NULL;

    for (int i = 0; i < NODES; i++)
        if (heap_has(&nodes[i]) && (best == NULL || nodes[i].due < best->due))
            best = &nodes[i];
    return best;
}

static void test_random_operations(void **state)
{
    struct heap h;
    unsigned seed = 7;

    (void)state;
    heap_init(&h);
    for (int step = 0; step < 20000; step++) {
        struct heap_node *node = &nodes[rand_r(&seed) % NODES];
        const struct heap_node *want;

        if (rand_r(&seed) % 3 == 0)
            heap_remove(&h, node);
        else
            heap_put(&h, node, rand_r(&seed) % 100);
        want = least();
        assert_true((want == NULL) == (heap_first(&h) == NULL));
        if (want != NULL)
            assert_int_equal(heap_first(&h)->due, want->due);
    }
    heap_done(&h);
    for (int i = 0; i < NODES; i++)
        assert_false(heap_has(&nodes[i]));
}

static void test_take_due_in_order(void **state)
{
    struct heap h;
    struct heap_node *node;
    int64_t last = -1000;
    int taken = 0;
    unsigned seed = 3;

    (void)state;
    heap_init(&h);
    assert_null(heap_take_due(&h, INT64_MAX));
    for (int i = 0; i < NODES; i++)
        heap_put(&h, &nodes[i], (int64_t)(rand_r(&seed) % 2000) - 1000);
    while ((node = heap_take_due(&h, 0)) != NULL) {
        assert_true(node->due >= last && node->due <= 0);
        assert_false(heap_has(node));
        last = node->due;
        taken++;
    }
    assert_true(taken > 0 && taken < NODES);
    assert_true(heap_first(&h)->due > 0);
    heap_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_take_due_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
