/* builtin: the lists of relays that ship in etc/, inside the binary, so that a first start needs no
 * file. */
#include "services/initializer.h"

/* Meson hands over the paths; the assembler reads the files, and a depfile is not needed because
 * meson.build names them. */
#define EMBED(symbol, path)                                 \
    __asm__(".section .rodata\n"                            \
            ".global " #symbol "_begin\n"                   \
            ".global " #symbol "_end\n" #symbol "_begin:\n" \
            ".incbin \"" path "\"\n" #symbol "_end:\n"      \
            ".byte 0\n"                                     \
            ".previous\n");                                 \
    extern const char symbol##_begin[], symbol##_end[]

EMBED(builtin_seed_relays, SEED_RELAYS);
EMBED(builtin_priority_relays, PRIORITY_RELAYS);

struct str initializer_seed_relays(void)
{
    return (struct str){builtin_seed_relays_begin,
                        (size_t)(builtin_seed_relays_end - builtin_seed_relays_begin)};
}

struct str initializer_priority_relays(void)
{
    return (struct str){builtin_priority_relays_begin,
                        (size_t)(builtin_priority_relays_end - builtin_priority_relays_begin)};
}
