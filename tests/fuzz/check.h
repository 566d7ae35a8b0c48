/* What every target has: its entry, and a claim that must hold. */
#ifndef TESTS_FUZZ_CHECK_H
#define TESTS_FUZZ_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                 \
    do {                                            \
        if (!(what)) {                              \
            fprintf(stderr, "not so: %s\n", #what); \
            abort();                                \
        }                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
